/* SPDX-License-Identifier: MIT */
/*
 * How often each guest instruction was executed in translated code: exact, and
 * kept when its block goes.
 *
 * Instructions are told apart by their virtual address alone: what several
 * address spaces have at one address is added up.
 */
#ifndef XBAR_PROFILE_CODE_H
#define XBAR_PROFILE_CODE_H

#include <xbar/xbar.h>

struct code_insn {
    uint64_t pc;
    uint64_t count; /* times that it retired */
    uint32_t bits;
    uint32_t target; /* the last call target up to here; CODE_NONE */
    uint8_t length;  /* 2 or 4; 0: nothing is here */
    bool is_call_target;
};

#define CODE_NONE UINT32_MAX

/* Bytes; a function that only calls tell of reaches no further. */
#define CODE_REACH_MAX (64 * 1024)

/* Hashed by pc until code_sort(), then ascending, without holes. */
struct code {
    struct code_insn *insns;
    size_t count;
    size_t capacity; /* a power of two, or 0 */
    bool is_cut;     /* memory was short: some are missing */
};

void code_end(struct code *code);

/* code_add() - what @block counted, if it did, and what it calls */
void code_add(struct code *code, const struct xbar_riscv_block *block);

/* code_add_call() - where the call that returns to @pc leads, if its bits say
 * so, and if @inside lies not far behind that; @hart stands */
void code_add_call(struct code *code, const struct xbar_riscv_hart *hart,
                   uint64_t pc, uint64_t inside);

/* code_sort() - no more of these */
void code_sort(struct code *code);

/* code_call_target() - where a call leads to, at or before @pc; UINT64_MAX: no
 * call does. After code_sort() */
uint64_t code_call_target(const struct code *code, uint64_t pc);

/* code_find() - the first instruction at or above @pc; after code_sort() */
size_t code_find(const struct code *code, uint64_t pc);

#endif
