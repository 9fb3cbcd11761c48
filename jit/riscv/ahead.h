/* SPDX-License-Identifier: MIT */
/*
 * What is known of a block's instructions before code is made of the first.
 */
#ifndef XBAR_JIT_RISCV_AHEAD_H
#define XBAR_JIT_RISCV_AHEAD_H

#include "jit/riscv/source.h"

enum riscv_form {
    RISCV_AS_IT_IS,
    RISCV_ROTATE,  /* rd = rs1, rotated right by amount, 32 bits of it */
    RISCV_NOTHING, /* its result is not needed */
    RISCV_MOVE,    /* rd = register amount */
};

/* One instruction. */
struct riscv_note {
    uint8_t form; /* enum riscv_form */
    uint8_t amount;
    bool narrow; /* nobody reads the upper half of its result */
};

struct riscv_ahead {
    struct riscv_note notes[RISCV_BLOCK_INSNS];
};

/* Of the block that at most @max instructions of @source make. */
void riscv__look_ahead(struct riscv_ahead *ahead,
                       const struct riscv_source *source, unsigned max);

#endif
