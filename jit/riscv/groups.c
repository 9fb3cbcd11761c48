/* SPDX-License-Identifier: MIT */
/*
 * A group grows from its first access for as long as each base is what it was
 * there. Then what is checked alone at either end is left out: it gains nothing,
 * and the group would be missed more often.
 */
#include "jit/riscv/groups.h"

#include "jit/riscv/ahead.h"

static bool is_store(const struct riscv_insn *insn)
{
    return riscv__ops[insn->op].class == RISCV_CLASS_STORE;
}

static bool names_fp(const struct riscv_insn *insn)
{
    return riscv__formats[riscv__ops[insn->op].format].fp != 0;
}

static bool is_access(const struct riscv_insn *insn,
                      struct riscv_group_rules rules)
{
    return (is_store(insn) || (riscv__ops[insn->op].class == RISCV_CLASS_LOAD &&
                               insn->rs2 == 0)) &&
           (rules.fp || !names_fp(insn));
}

/* A group that grows. */
struct growth {
    const struct riscv_insn *insns;
    struct riscv_group *group;
    uint16_t members[JIT_CHECKS]; /* of each check */
};

/* The check that @insn is of, or how many there are. */
static unsigned check_of(const struct growth *g, const struct riscv_insn *insn)
{
    unsigned i = 0;

    while (i < g->group->check_count &&
           (g->group->checks[i].base != insn->rs1 ||
            g->group->checks[i].writes != is_store(insn))) {
        i++;
    }
    return i;
}

static bool add(struct growth *g, const struct riscv_insn *insn)
{
    unsigned i = check_of(g, insn);
    struct jit_check *check = &g->group->checks[i];

    if (i == JIT_CHECKS) {
        return false;
    }
    if (i == g->group->check_count) {
        g->group->check_count++;
        g->members[i] = 0;
        *check = (struct jit_check){ .base = insn->rs1,
                                     .writes = is_store(insn),
                                     .low = insn->imm,
                                     .high = insn->imm };
    }
    g->members[i]++;
    check->low = insn->imm < check->low ? insn->imm : check->low;
    check->high = insn->imm > check->high ? insn->imm : check->high;
    return true;
}

/* From the access at @first as far as it goes; where that ends. */
static unsigned grow(struct growth *g, unsigned first, unsigned count,
                     struct riscv_group_rules rules)
{
    unsigned last = first;
    uint32_t written = 0;

    g->group->check_count = 0;
    for (unsigned i = first; i < count && i - last <= rules.gap + 1; i++) {
        const struct riscv_insn *insn = &g->insns[i];

        if (is_access(insn, rules)) {
            if (written >> insn->rs1 & 1 || !add(g, insn)) {
                break;
            }
            last = i;
        } else if (!riscv__only_computes(insn)) {
            break;
        }
        if (!names_fp(insn)) {
            written |= UINT32_C(1) << insn->rd & ~UINT32_C(1);
        }
    }
    return last;
}

static bool is_alone(const struct growth *g, unsigned i,
                     struct riscv_group_rules rules)
{
    return !is_access(&g->insns[i], rules) ||
           g->members[check_of(g, &g->insns[i])] == 1;
}

/* False: nothing is left. */
static bool trim(struct growth *g, unsigned *first, unsigned *last,
                 struct riscv_group_rules rules)
{
    while (*first < *last && is_alone(g, *first, rules)) {
        ++*first;
    }
    while (*first < *last && is_alone(g, *last, rules)) {
        --*last;
    }
    return *first < *last;
}

bool riscv__find_group(const struct riscv_insn *insns, unsigned count,
                       unsigned from, struct riscv_group_rules rules,
                       struct riscv_group *group)
{
    struct growth g = { .insns = insns, .group = group };

    for (unsigned i = from; i + 1 < count; i++) {
        unsigned first = i, end, last;

        if (!is_access(&insns[i], rules)) {
            continue;
        }
        last = end = grow(&g, i, count, rules);
        if (trim(&g, &first, &last, rules)) {
            if (first != i || last != end) {
                (void)grow(&g, first, last + 1, rules); /* without those */
            }
            group->first = (uint16_t)first;
            group->last = (uint16_t)last;
            return true;
        }
        i = end;
    }
    group->first = (uint16_t)count;
    return false;
}
