/* SPDX-License-Identifier: MIT */
/*
 * Host code as text. The build chooses: disassembler_capstone.c, or
 * disassembler_none.c, which shows bytes.
 */
#ifndef XBAR_DISASSEMBLER_H
#define XBAR_DISASSEMBLER_H

#include <xbar/xbar.h>

#define HOST_TEXT 80

struct disassembler;

struct host_insn {
    unsigned size; /* in bytes, at least 1 */
    bool jumps;    /* or calls, to an address that is known: */
    uint64_t target;
    char text[HOST_TEXT]; /* if it jumps, without the target */
};

/* disassembler_new() - NULL if memory is short */
struct disassembler *disassembler_new(void) XBAR_MUST_CHECK;
void disassembler_free(struct disassembler *d);

/* disassembler_next() - the instruction at @code, which has @size bytes, at
 * least 1, and was at @address when it ran */
void disassembler_next(struct disassembler *d, const uint8_t *code, size_t size,
                       uint64_t address, struct host_insn *insn);

#endif
