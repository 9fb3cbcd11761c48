/* SPDX-License-Identifier: MIT */
/*
 * One block being translated: what translate.c (blocks, and most instructions)
 * and the files beside it share.
 */
#ifndef XBAR_JIT_RISCV_TRANSLATE_TRANSLATE_H
#define XBAR_JIT_RISCV_TRANSLATE_TRANSLATE_H

#include "jit/riscv/ahead.h"
#include "jit/riscv/groups.h"
#include "jit/riscv/source.h"

#define RISCV_BLOCK_GROUPS 8 /* other accesses are checked one by one */

/* A group that is translated, and where its code out of line begins. */
struct riscv_missed {
    struct riscv_group group;
    struct jit_group host;
    unsigned offset; /* guest bytes from the block's pc */
};

struct riscv_grouped {
    struct riscv_group next;
    unsigned count;
    struct riscv_missed missed[RISCV_BLOCK_GROUPS];
};

struct riscv_translation {
    struct xbar_riscv_hart *hart;
    struct jit_emit e;
    const struct riscv_source *source;
    const struct riscv_ahead *ahead; /* its instructions */
    uint64_t pc;                     /* of the instruction at hand */
    struct riscv_note note;          /* of the instruction at hand */
    struct riscv_grouped *grouped;   /* NULL: all are checked one by one */
    unsigned group_at; /* the instruction that the next group begins with */
    uint32_t boxed;    /* f registers that hold a boxed single, surely */
};

/* Does it name an f register? */
static inline bool riscv__is_fp(const struct riscv_insn *insn)
{
    return riscv__formats[riscv__ops[insn->op].format].fp != 0;
}

/* Is it the interpreter's? */
bool riscv__needs_step(const struct riscv_translation *t,
                       const struct riscv_insn *insn);

/* @insn was translated, at @pc: struct jit_emit's computed. */
static inline void riscv__note_computed(struct jit_emit *e,
                                        const struct riscv_insn *insn,
                                        uint64_t pc)
{
    if (e->counts_pages && insn->rd != 0 &&
        !(riscv__formats[riscv__ops[insn->op].format].fp & RISCV_RD) &&
        (insn->op != RISCV_OP_ADDI || insn->rs1 != insn->rd)) {
        e->computed[insn->rd] = pc;
    }
}

/* Other code begins, in front of which anything may have been. */
static inline void riscv__forget_computed(struct jit_emit *e)
{
    if (e->counts_pages) {
        memset(e->computed, 0, 32 * sizeof(e->computed[0]));
    }
}

/* What class ALU, MUL or DIV is for the host, with the second operand; not of
 * auipc. */
enum jit_alu riscv__alu(const struct riscv_insn *insn, struct jit_operand *b);
enum jit_condition riscv__condition(const struct riscv_insn *insn);
/* The access that a load is. */
struct jit_access riscv__load_of(const struct riscv_insn *insn);
void riscv__translate_store(struct jit_emit *e, const struct riscv_insn *insn);
/* Emits one instruction; true: the block ends with it. */
typedef bool riscv_translate_fn(struct riscv_translation *t,
                                const struct riscv_insn *insn);

/* Of what accesses memory: log2 of how many bytes. */
unsigned riscv__access_log2(const struct riscv_insn *insn);

/* ---- observed.c -------------------------------------------------------- */

/* The same by @translate, with what is wanted of it; of a block with
 * t->source->shown. */
bool riscv__translate_observed(struct riscv_translation *t,
                               const struct riscv_insn *insn,
                               riscv_translate_fn *translate);

/* Does any instruction of @shown, which is @source, name an f register? */
bool riscv__shown_has_fp(const struct riscv_source *source,
                         const struct instrument_block *shown);

/* ---- groups.c ---------------------------------------------------------- */

/* Instruction @i is at hand, @offset bytes from the block's pc. Return: it, or
 * what is done instead, which is put in @other. */
static inline const struct riscv_insn *
riscv__take_insn(struct riscv_translation *t, unsigned i, unsigned offset,
                 struct riscv_insn *other)
{
    const struct riscv_insn *insn = &t->ahead->insns[i];

    t->pc = t->source->pc + offset;
    t->e.insn = (uint16_t)i;
    t->e.pc_offset = (uint16_t)offset;
    t->e.length = insn->length;
    t->e.bits = insn->bits;
    t->note = t->ahead->notes[i];
    t->e.narrow = t->note.narrow;
    if (t->note.form == RISCV_AS_IT_IS) {
        return insn;
    }
    *other = riscv__instead(insn, &t->note);
    return other;
}

/* Before the first instruction: @grouped is where groups are kept; NULL: there
 * are none. */
void riscv__begin_groups(struct riscv_translation *t,
                         struct riscv_grouped *grouped);
void riscv__begin_group(struct riscv_translation *t, unsigned offset);
void riscv__end_group(struct riscv_translation *t);

/* Before the instruction at hand, @offset bytes from the block's pc, and behind
 * it. */
static inline void riscv__enter_group(struct riscv_translation *t,
                                      unsigned offset)
{
    if (unlikely(t->e.insn == t->group_at)) {
        riscv__begin_group(t, offset);
    }
}

static inline void riscv__leave_group(struct riscv_translation *t)
{
    if (unlikely(t->e.trust == JIT_KNOWN)) {
        riscv__end_group(t);
    }
}

/* Behind the hot path: what goes on, by @translate, where a group is missed. */
void riscv__translate_missed(struct riscv_translation *t,
                             riscv_translate_fn *translate);

/* ---- fp.c -------------------------------------------------------------- */

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

/* ---- system.c: CSRs, fences, xRET, atomics, what is illegal ------------- */

/* Does the block have to end before @insn, which the interpreter does? */
bool riscv__system_needs_step(const struct riscv_translation *t,
                              const struct riscv_insn *insn);

/* Emit @insn; true: the block ends with it. */
bool riscv__translate_system(struct riscv_translation *t,
                             const struct riscv_insn *insn);

void riscv__translate_amo(struct riscv_translation *t,
                          const struct riscv_insn *insn);

#endif
