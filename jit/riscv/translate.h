/* SPDX-License-Identifier: MIT */
/*
 * One block being translated: what translate.c (blocks, and most instructions)
 * and the files beside it share.
 */
#ifndef XBAR_JIT_RISCV_TRANSLATE_H
#define XBAR_JIT_RISCV_TRANSLATE_H

#include "jit/riscv/jit.h"
#include "jit/riscv/source.h"

struct translation {
    struct xbar_riscv_hart *hart;
    struct jit_emit e;
    const struct riscv_source *source;
    uint64_t pc; /* of the instruction at hand */
    unsigned max_insns;
};

/* ---- translate_system.c: CSRs, fences, xRET, what is illegal ----------- */

/* Does the block have to end before @insn, which the interpreter does? */
bool riscv__system_needs_step(const struct translation *t,
                              const struct riscv_insn *insn);

/* Emit @insn; true: the block ends with it. */
bool riscv__translate_system(struct translation *t,
                             const struct riscv_insn *insn);

#endif
