/* SPDX-License-Identifier: MIT */
/*
 * An encoder for tests: the inverse of decode.c, written independently of it
 * as placing bits where the manual's drawings have them.
 */
#ifndef XBAR_TESTS_UNIT_RISCV_ENCODE_H
#define XBAR_TESTS_UNIT_RISCV_ENCODE_H

#include "jit/riscv/decode.h"

/* Bits @high..@low of @imm, moved to bit @at. */
static inline uint32_t place(int32_t imm, unsigned high, unsigned low,
                             unsigned at)
{
    uint32_t mask = (uint32_t)((UINT64_C(2) << (high - low)) - 1);

    return ((uint32_t)imm >> low & mask) << at;
}

static inline uint32_t encode_imm(enum riscv_imm layout, int32_t imm)
{
    switch (layout) {
    case RISCV_IMM_I:
    case RISCV_IMM_UI:
        return place(imm, 11, 0, 20);
    case RISCV_IMM_S:
        return place(imm, 11, 5, 25) | place(imm, 4, 0, 7);
    case RISCV_IMM_B:
        return place(imm, 12, 12, 31) | place(imm, 10, 5, 25) |
               place(imm, 4, 1, 8) | place(imm, 11, 11, 7);
    case RISCV_IMM_U:
        return place(imm, 31, 12, 12);
    case RISCV_IMM_J:
        return place(imm, 20, 20, 31) | place(imm, 10, 1, 21) |
               place(imm, 11, 11, 20) | place(imm, 19, 12, 12);
    case RISCV_IMM_SHIFT:
        return place(imm, 5, 0, 20);
    default:
        return 0;
    }
}

/* Operands that the format does not have must be 0. The rounding mode, if
 * there is one, is dynamic. */
static inline uint32_t encode(enum riscv_op op, unsigned rd, unsigned rs1,
                              unsigned rs2, int32_t imm)
{
    const struct riscv_format_info *format =
        &riscv__formats[riscv__ops[op].format];
    uint32_t bits = riscv__ops[op].match | rd << 7 | rs1 << 15 | rs2 << 20;

    if ((format->fields & RISCV_RM) != 0) {
        bits |= 7u << 12;
    }
    return bits | encode_imm((enum riscv_imm)format->imm, imm);
}

#endif
