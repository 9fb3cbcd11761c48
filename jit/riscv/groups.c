/* SPDX-License-Identifier: MIT */
/*
 * A group grows from its first access for as long as each base is what it was
 * there. Then what is checked alone at either end is left out: it gains nothing,
 * and the group would be missed more often.
 */
#include "jit/riscv/groups.h"

#include "jit/riscv/ahead.h"

enum kind {
    OTHER,
    COMPUTES, /* nothing but that */
    LOADS,
    STORES,
};

static bool names_fp(const struct riscv_insn *insn)
{
    return riscv__formats[riscv__ops[insn->op].format].fp != 0;
}

static inline enum kind kind_of(const struct riscv_insn *insn,
                                struct riscv_group_rules rules)
{
    unsigned class = riscv__ops[insn->op].class;

    if (likely(class != RISCV_CLASS_LOAD && class != RISCV_CLASS_STORE)) {
        return riscv__only_computes(insn) ? COMPUTES : OTHER;
    }
    if ((class == RISCV_CLASS_LOAD && insn->rs2 != 0) ||
        (!rules.fp && names_fp(insn))) {
        return OTHER;
    }
    return class == RISCV_CLASS_STORE ? STORES : LOADS;
}

/* A group that grows. */
struct growth {
    const struct riscv_insn *insns;
    struct riscv_group *group;
    struct riscv_group_rules rules;
    bool shares; /* one check has several */
};

/* The check that an access by @base is of, or how many there are. */
static inline unsigned check_of(const struct riscv_group *group, unsigned base,
                                bool writes)
{
    unsigned i = 0;

    while (i < group->check_count && (group->checks[i].base != base ||
                                      group->checks[i].writes != writes)) {
        i++;
    }
    return i;
}

static bool add(struct growth *g, const struct riscv_insn *insn, bool writes)
{
    unsigned i = check_of(g->group, insn->rs1, writes);
    struct jit_check *check = &g->group->checks[i];

    if (i == JIT_CHECKS) {
        return false;
    }
    if (i == g->group->check_count) {
        g->group->check_count++;
        *check = (struct jit_check){ .base = insn->rs1,
                                     .writes = writes,
                                     .count = 1,
                                     .low = insn->imm,
                                     .high = insn->imm };
        return true;
    }
    g->shares = true;
    check->count++;
    check->low = insn->imm < check->low ? insn->imm : check->low;
    check->high = insn->imm > check->high ? insn->imm : check->high;
    return true;
}

/* From the access at @first as far as it goes; where that ends. */
static unsigned grow(struct growth *g, unsigned first, unsigned count)
{
    unsigned last = first;
    uint32_t written = 0;

    g->group->check_count = 0;
    g->shares = false;
    for (unsigned i = first; i < count && i - last <= g->rules.gap + 1; i++) {
        const struct riscv_insn *insn = &g->insns[i];
        enum kind kind = kind_of(insn, g->rules);

        if (kind == OTHER) {
            break;
        }
        if (kind != COMPUTES) {
            if (written >> insn->rs1 & 1 || !add(g, insn, kind == STORES)) {
                break;
            }
            last = i;
        }
        if (kind != STORES && !(kind == LOADS && names_fp(insn))) {
            written |= UINT32_C(1) << insn->rd & ~UINT32_C(1);
        }
    }
    return last;
}

static bool is_alone(const struct growth *g, unsigned i)
{
    const struct riscv_insn *insn = &g->insns[i];
    enum kind kind = kind_of(insn, g->rules);

    return kind == COMPUTES ||
           g->group->checks[check_of(g->group, insn->rs1, kind == STORES)]
                   .count == 1;
}

static void trim(const struct growth *g, unsigned *first, unsigned *last)
{
    while (is_alone(g, *first)) {
        ++*first;
    }
    while (is_alone(g, *last)) {
        --*last;
    }
}

/* The first access from @from on that another one follows in @rules' gap, or
 * @count. */
static unsigned find_two(const struct riscv_insn *insns, unsigned count,
                         unsigned from, struct riscv_group_rules rules)
{
    unsigned before = count;

    for (unsigned i = from; i < count; i++) {
        if (kind_of(&insns[i], rules) < LOADS) {
            continue;
        }
        if (before != count && i - before <= rules.gap + 1) {
            return before;
        }
        before = i;
    }
    return count;
}

bool riscv__find_group(const struct riscv_insn *insns, unsigned count,
                       unsigned from, struct riscv_group_rules rules,
                       struct riscv_group *group)
{
    struct growth g = { .insns = insns, .group = group, .rules = rules };
    unsigned first = find_two(insns, count, from, rules);

    while (first < count) {
        unsigned end = grow(&g, first, count), last = end;

        if (g.shares) {
            unsigned grown = first;

            trim(&g, &first, &last);
            if (first != grown || last != end) {
                (void)grow(&g, first, last + 1); /* without those */
            }
            group->last = (uint16_t)last;
            break;
        }
        first = find_two(insns, count, end + 1, rules);
    }
    group->first = (uint16_t)first;
    return first < count;
}
