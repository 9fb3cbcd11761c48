/* SPDX-License-Identifier: MIT */
/*
 * The rows of jit/riscv/insn.inc as one list: first the 32-bit ones, by their
 * enum riscv_op, then the compressed ones. Row 0 is "no such instruction".
 */
#ifndef XBAR_TESTS_GUEST_INSN_ROWS_H
#define XBAR_TESTS_GUEST_INSN_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct insn_row {
    const char *name;
    uint32_t match; /* bits & mask == match; not all of nonzero are 0 */
    uint32_t mask;
    uint32_t nonzero; /* 0: no such condition */
    uint8_t op;       /* enum riscv_op: what a compressed row stands for */
    bool compressed;
    bool short_base; /* bits 9:7 are rs1, one of x8 to x15 */
};

extern const size_t insn_row_count;

struct insn_row insn_row(size_t row);

/**
 * insn_row_has_oracle() - does qemu-riscv64 7.2 know it, and get it right?
 *
 * It has no Zicond, and its ctzw of a low half of 0 is 63.
 */
bool insn_row_has_oracle(size_t row);

/** insn_row_of() - the row of @bits; 0 if it is illegal */
size_t insn_row_of(uint32_t bits);

/**
 * insn_with_offset() - a jump's @bits with @offset in place of what is there
 *
 * Also for the addi that prepares the target of a c.jr.
 */
uint32_t insn_with_offset(uint32_t bits, uint32_t offset);

#endif
