/* SPDX-License-Identifier: MIT */
/*
 * One instruction of a block that was shown (observe.h): what is wanted of it,
 * around what it does.
 *
 *     block counters         before the first one
 *     look                   callbacks; and the instruction itself, if its
 *                            accesses of memory are wanted
 *     the instruction
 *     counters               before it if it ends the block and cannot trap
 *
 * An instruction that is looked at must not be left in the middle and repeated
 * by the interpreter, so atomics, which leave for devices, are executed by the
 * helper. What ends a block in C counts there (helpers.resume).
 */
#include "jit/riscv/observe.h"
#include "jit/riscv/translate/translate.h"

static void emit_counters(struct jit_emit *e,
                          const struct instrument_place *place)
{
    for (unsigned i = 0; i < place->counter_count; i++) {
        jit_host__count(e, place->counters[i].at,
                        (int32_t)place->counters[i].amount);
    }
}

static bool is_executed(const struct instrument_insn *insn,
                        enum riscv_class class)
{
    return class == RISCV_CLASS_AMO || class == RISCV_CLASS_CBO ||
           (insn->shown.accesses & insn->place.ram_kinds) != 0;
}

static bool is_looked_at(const struct instrument_insn *insn)
{
    return insn->is_executed || insn->place.callback_count != 0 ||
           (insn->index == 0 && insn->block->place.callback_count != 0);
}

static bool jumps(enum riscv_class class)
{
    return class == RISCV_CLASS_BRANCH || class == RISCV_CLASS_JUMP;
}

bool riscv__translate_observed(struct riscv_translation *t,
                               const struct riscv_insn *insn,
                               riscv_translate_fn *translate)
{
    struct instrument_insn *shown = &t->source->shown->insns[t->e.block->insns];
    enum riscv_class class = (enum riscv_class)riscv__ops[insn->op].class;
    bool ended = false;

    shown->is_executed = is_executed(shown, class);
    if (shown->index == 0) {
        emit_counters(&t->e, &shown->block->place);
    }
    if (is_looked_at(shown)) {
        jit_host__look(&t->e, shown, shown->is_executed);
    }
    if (jumps(class)) {
        emit_counters(&t->e, &shown->place);
    }
    if (!shown->is_executed) {
        ended = translate(t, insn);
    }
    if (!ended) {
        emit_counters(&t->e, &shown->place);
    }
    return ended;
}

bool riscv__shown_has_fp(const struct riscv_source *source,
                         const struct instrument_block *shown)
{
    struct riscv_insn insn;
    unsigned offset = 0;

    for (unsigned i = 0; i < shown->count; i++) {
        if (riscv__read_insn(source, offset, &insn) && riscv__is_fp(&insn)) {
            return true;
        }
        offset += shown->insns[i].shown.length;
    }
    return false;
}
