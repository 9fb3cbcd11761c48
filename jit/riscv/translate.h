/* SPDX-License-Identifier: MIT */
/*
 * One block being translated: what translate.c (blocks, and most instructions)
 * and the files beside it share.
 */
#ifndef XBAR_JIT_RISCV_TRANSLATE_H
#define XBAR_JIT_RISCV_TRANSLATE_H

#include "jit/riscv/ahead.h"
#include "jit/riscv/source.h"

struct riscv_translation {
    struct xbar_riscv_hart *hart;
    struct jit_emit e;
    const struct riscv_source *source;
    const struct riscv_ahead *ahead; /* its instructions */
    uint64_t pc;                     /* of the instruction at hand */
    struct riscv_note note;          /* of the instruction at hand */
    uint32_t boxed; /* f registers that hold a boxed single, surely */
};

/* Does it name an f register? */
static inline bool riscv__is_fp(const struct riscv_insn *insn)
{
    return riscv__formats[riscv__ops[insn->op].format].fp != 0;
}

/* Is it the interpreter's? */
bool riscv__needs_step(const struct riscv_translation *t,
                       const struct riscv_insn *insn);

/* What class ALU, MUL or DIV is for the host, with the second operand; not of
 * auipc. */
enum jit_alu riscv__alu(const struct riscv_insn *insn, struct jit_operand *b);
enum jit_condition riscv__condition(const struct riscv_insn *insn);
/* The access that a load is. */
struct jit_access riscv__load_of(const struct riscv_insn *insn);
void riscv__translate_store(struct jit_emit *e, const struct riscv_insn *insn);
/* Of what accesses memory: log2 of how many bytes. */
unsigned riscv__access_log2(const struct riscv_insn *insn);

/* ---- translate_observed.c ---------------------------------------------- */

/* Emits one instruction; true: the block ends with it. */
typedef bool riscv_translate_fn(struct riscv_translation *t,
                                const struct riscv_insn *insn);

/* The same by @translate, with what is wanted of it; of a block with
 * t->source->shown. */
bool riscv__translate_observed(struct riscv_translation *t,
                               const struct riscv_insn *insn,
                               riscv_translate_fn *translate);

/* Does any instruction of @shown, which is @source, name an f register? */
bool riscv__shown_has_fp(const struct riscv_source *source,
                         const struct instrument_block *shown);

/* ---- translate_fp.c ---------------------------------------------------- */

/* Before the first instruction: how the block rounds. */
void riscv__translate_fp_begin(struct riscv_translation *t);
/* Behind the entry, with the first instruction at hand: what it asks of f. */
void riscv__translate_fp_guard(struct riscv_translation *t);
/* One of class FP; FP is live. */
void riscv__translate_fp(struct riscv_translation *t,
                         const struct riscv_insn *insn);
/* Any instruction was translated where FP is live: what is known of f registers
 * behind it. */
void riscv__translate_fp_note(struct riscv_translation *t,
                              const struct riscv_insn *insn);

/* ---- translate_system.c: CSRs, fences, xRET, atomics, what is illegal --- */

/* Does the block have to end before @insn, which the interpreter does? */
bool riscv__system_needs_step(const struct riscv_translation *t,
                              const struct riscv_insn *insn);

/* Emit @insn; true: the block ends with it. */
bool riscv__translate_system(struct riscv_translation *t,
                             const struct riscv_insn *insn);

void riscv__translate_amo(struct riscv_translation *t,
                          const struct riscv_insn *insn);

#endif
