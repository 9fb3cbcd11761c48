/* SPDX-License-Identifier: MIT */
/*
 * Guest code that xbar and the peers run alike, byte for byte.
 *
 * A kernel is a loop of KERNEL_UNROLL accesses (or additions), a count in a1
 * that goes down by one a round, and a branch. It ends by falling through to
 * an endless loop in one place.
 *
 *     loop:  8 x access       a0: address; what is stored: a2
 *            addi a1, a1, -1
 *            bne  a1, zero, loop
 *     end:   jal  zero, 0
 */
#ifndef XBAR_BENCH_KERNELS_H
#define XBAR_BENCH_KERNELS_H

#include "rv64.h"

#define KERNEL_UNROLL 8u
#define KERNEL_ROUND  (KERNEL_UNROLL + 2) /* instructions of one round */
#define KERNEL_WORDS  (KERNEL_ROUND + 1)
#define KERNEL_END    (KERNEL_ROUND * 4) /* offset of the endless loop */

enum kernel {
    KERNEL_ALU,        /* addi a3, a3, 1 */
    KERNEL_LOAD,       /* lw a3, 4 * i(a0) */
    KERNEL_STORE,      /* sw a2, 4 * i(a0) */
    KERNEL_MMIO_LOAD,  /* lw a3, 8(a0) */
    KERNEL_MMIO_STORE, /* sw a2, 8(a0) */
};

static inline uint32_t kernel_access(enum kernel kernel, unsigned i)
{
    switch (kernel) {
    case KERNEL_LOAD:
        return rv_lw(RV_A3, (int32_t)(4 * i), RV_A0);
    case KERNEL_STORE:
        return rv_sw(RV_A2, (int32_t)(4 * i), RV_A0);
    case KERNEL_MMIO_LOAD:
        return rv_lw(RV_A3, 8, RV_A0);
    case KERNEL_MMIO_STORE:
        return rv_sw(RV_A2, 8, RV_A0);
    default:
        return rv_addi(RV_A3, RV_A3, 1);
    }
}

/* @code: KERNEL_WORDS of them */
static inline void kernel_make(enum kernel kernel, uint32_t *code)
{
    for (unsigned i = 0; i < KERNEL_UNROLL; i++) {
        code[i] = kernel_access(kernel, i);
    }
    code[KERNEL_UNROLL] = rv_addi(RV_A1, RV_A1, -1);
    code[KERNEL_UNROLL + 1] =
        rv_bne(RV_A1, RV_ZERO, -(int32_t)(KERNEL_UNROLL + 1) * 4);
    code[KERNEL_ROUND] = rv_jal(RV_ZERO, 0);
}

#endif
