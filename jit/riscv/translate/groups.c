/* SPDX-License-Identifier: MIT */
/*
 * Groups of accesses in a block: before the first, all are checked; where one of
 * the checks fails, the same instructions follow once more, out of line, and
 * each access goes its own slow way.
 *
 *     check, check           misses go to:    jump to the slow way of a
 *     a                                       x
 *     x                                       jump to the slow way of b
 *     b                                       go back behind b
 *     ...
 */
#include <limits.h>

#include "jit/riscv/translate/translate.h"

/* What lies between two accesses is translated twice. */
#define GAP 1

/* None: no instruction has that number. */
static void find_next(struct riscv_translation *t, unsigned from)
{
    const struct riscv_group_rules rules = { .gap = GAP, .fp = t->e.fp };

    t->group_at = UINT_MAX;
    if (t->grouped->count < RISCV_BLOCK_GROUPS &&
        riscv__find_group(t->ahead->insns, t->ahead->count, from, rules,
                          &t->grouped->next)) {
        t->group_at = t->grouped->next.first;
    }
}

void riscv__begin_groups(struct riscv_translation *t,
                         struct riscv_grouped *grouped)
{
    t->grouped = grouped;
    t->group_at = UINT_MAX;
    if (grouped != NULL) {
        grouped->count = 0;
        if (t->ahead->loads > 1 || t->ahead->stores > 1) {
            find_next(t, 0);
        }
    }
}

void riscv__begin_group(struct riscv_translation *t, unsigned offset)
{
    struct riscv_grouped *grouped = t->grouped;
    struct riscv_missed *missed = &grouped->missed[grouped->count++];

    missed->group = grouped->next;
    missed->offset = offset;
    jit_host__begin_group(&t->e, missed->group.checks,
                          missed->group.check_count, &missed->host);
}

void riscv__end_group(struct riscv_translation *t)
{
    struct riscv_missed *missed = &t->grouped->missed[t->grouped->count - 1];

    if (missed->group.last == t->e.insn) {
        jit_host__end_group(&t->e, &missed->host);
        find_next(t, t->e.insn + 1u);
    }
}

void riscv__translate_missed(struct riscv_translation *t,
                             riscv_translate_fn *translate)
{
    for (unsigned k = 0; t->grouped != NULL && k < t->grouped->count; k++) {
        const struct riscv_missed *missed = &t->grouped->missed[k];
        unsigned offset = missed->offset;
        struct riscv_insn other;

        jit_host__begin_missed(&t->e, &missed->host);
        for (unsigned i = missed->group.first; i <= missed->group.last; i++) {
            (void)translate(t, riscv__take_insn(t, i, offset, &other));
            offset += t->ahead->insns[i].length;
        }
        jit_host__end_missed(&t->e, &missed->host);
    }
}
