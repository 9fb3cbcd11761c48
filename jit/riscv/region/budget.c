/* SPDX-License-Identifier: MIT */
/*
 * What each part of a region takes off the budget where it begins. Most need
 * not: what comes before them took it already.
 *
 * Where ways of parts meet is a point (riscv__find_points()). From each a number
 * of instructions is paid for in advance: as many as the shortest way has that
 * leads from there to the head of a loop. So a part pays
 *
 *     its own + what is in advance behind it - what is in advance before it
 *
 * which is nothing, for one on the shortest way, and for another the
 * difference: of an if its inside. A head has all of its loop to pay for, and
 * looks whether that is there. Who leaves gets back what is in advance.
 *
 *         |
 *         a <---+       a, which checks: 3 + 2, for a and d
 *        / \    |
 *       |   c   |       c: its own
 *        \ /    |
 *         d ----+-->    d: nothing
 */
#include "jit/riscv/region/region.h"

#define UNKNOWN UINT16_MAX

/* From what comes before a loop nothing is in advance: it would be so for each
 * time round. The same for a region, and where no part begins. */
static void find_ends(const struct riscv_region *region,
                      const struct region_points *points, uint16_t *advance)
{
    memset(advance, 0, 2 * JIT_PARTS * sizeof(*advance));
    for (unsigned i = 0; i < region->part_count; i++) {
        advance[riscv__point(points, i)] = UNKNOWN;
    }
    for (unsigned i = 0; i < region->part_count; i++) {
        if (i == 0 || region->parts[i].checks) {
            advance[riscv__point(points, i)] = 0;
        }
    }
}

/* True: that is a shorter way from where @part begins. */
static bool go_back(const struct region_points *points,
                    const struct riscv_region *region, unsigned part,
                    uint16_t *advance)
{
    unsigned begin = riscv__point(points, part);
    unsigned end = riscv__point(points, JIT_PARTS + part);
    unsigned way = advance[end] + (unsigned)region->parts[part].count;

    if (advance[end] == UNKNOWN || way >= advance[begin]) {
        return false;
    }
    advance[begin] = (uint16_t)way;
    return true;
}

void riscv__plan_budget(const struct riscv_region *region,
                        struct region_budget *budget)
{
    struct region_points points;
    uint16_t advance[2 * JIT_PARTS];
    bool changed;

    riscv__find_points(region, &points);
    find_ends(region, &points, advance);
    do {
        changed = false;
        for (unsigned i = region->part_count; i-- > 0;) {
            changed |= go_back(&points, region, i, advance);
        }
    } while (changed);
    budget->ahead_max = 0;
    for (unsigned i = 0; i < region->part_count; i++) {
        unsigned ahead = advance[riscv__point(&points, JIT_PARTS + i)];

        budget->ahead[i] = (uint16_t)ahead;
        budget->charge[i] = (uint16_t)(region->parts[i].count + ahead -
                                       advance[riscv__point(&points, i)]);
        if (ahead > budget->ahead_max) {
            budget->ahead_max = (uint16_t)ahead;
        }
    }
}
