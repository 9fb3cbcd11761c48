/* SPDX-License-Identifier: MIT */
/*
 * Accesses that are checked together: what a function saves and restores, the
 * fields of a structure, the elements of a row.
 */
#ifndef XBAR_JIT_RISCV_GROUPS_H
#define XBAR_JIT_RISCV_GROUPS_H

#include "jit/host.h"
#include "jit/riscv/decode.h"

/*
 * From one access to another, with nothing between but accesses that are
 * checked, too, and instructions that only compute: whatever could change a
 * mapping is outside.
 */
struct riscv_group {
    uint16_t first; /* both are accesses */
    uint16_t last;
    uint8_t check_count;
    struct jit_check checks[JIT_CHECKS];
};

/* What else is asked of them. */
struct riscv_group_rules {
    unsigned gap; /* at most as many instructions between two accesses */
    bool fp;      /* f registers may be loaded and stored */
};

/*
 * The first group in @insns that begins at @from or behind. Loads with an index
 * have an rs2; they are in none.
 *
 * Return: false if there is none: it is as if one began at @count.
 */
bool riscv__find_group(const struct riscv_insn *insns, unsigned count,
                       unsigned from, struct riscv_group_rules rules,
                       struct riscv_group *group);

#endif
