/* SPDX-License-Identifier: MIT */
/*
 * Peeling. Where a region is entered, registers hold anything; behind the first
 * time through a loop, much is known of what it leaves. So the first time has
 * code of its own, and the loop that is left is entered from there alone.
 *
 *     a            a              from elsewhere to b, as before
 *     b <-+        b              what was a way back leads to b'
 *     c --+        c --+
 *     d            b' <+-+        ways out of both lead to d
 *                  c' ---+
 *                  d
 */
#include "jit/riscv/region/region.h"

unsigned riscv__last_of_loop(const struct riscv_region *region, unsigned head)
{
    unsigned last = head;

    for (unsigned i = head; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];

        if ((!part->next.leaves && part->next.part == head) ||
            (part->branches && !part->taken.leaves &&
             part->taken.part == head)) {
            last = i;
        }
    }
    return last;
}

static bool is_innermost(const struct riscv_region *region, unsigned head,
                         unsigned last)
{
    for (unsigned i = head + 1; i <= last; i++) {
        if (region->parts[i].checks) {
            return false;
        }
    }
    return region->parts[head].checks;
}

static unsigned count_leaving(const struct riscv_region *region, unsigned head,
                              unsigned last)
{
    unsigned count = 0;

    for (unsigned i = head; i <= last; i++) {
        const struct region_part *part = &region->parts[i];

        count += part->next.leaves + (part->branches && part->taken.leaves);
    }
    return count;
}

/* Parts behind @last are moved by @by. */
static void move_edge(struct region_edge *edge, unsigned last, unsigned by)
{
    if (!edge->leaves && edge->part > last) {
        edge->part = (uint8_t)(edge->part + by);
    }
}

static void make_room(struct riscv_region *region, unsigned last, unsigned by)
{
    memmove(&region->parts[last + 1 + by], &region->parts[last + 1],
            (region->part_count - last - 1) * sizeof(region->parts[0]));
    region->part_count += by;
    for (unsigned i = 0; i < region->part_count; i++) {
        if (i <= last || i > last + by) {
            move_edge(&region->parts[i].next, last, by);
            move_edge(&region->parts[i].taken, last, by);
        }
    }
}

/* Edges within the loop, of the copy and, if they are ways back, of the
 * original lead to the copy. */
static void turn_edge(struct region_edge *edge, unsigned head, unsigned last,
                      bool is_copy)
{
    if (!edge->leaves && edge->part <= last &&
        (edge->part == head || (is_copy && edge->part > head))) {
        edge->part = (uint8_t)(edge->part + last + 1 - head);
    }
}

static void peel(struct riscv_region *region, unsigned head, unsigned last)
{
    unsigned size = last + 1 - head;

    region->leaving += count_leaving(region, head, last);
    make_room(region, last, size);
    memcpy(&region->parts[last + 1], &region->parts[head],
           size * sizeof(region->parts[0]));
    for (unsigned i = head; i <= last + size; i++) {
        turn_edge(&region->parts[i].next, head, last, i > last);
        turn_edge(&region->parts[i].taken, head, last, i > last);
    }
}

void riscv__peel_loops(struct riscv_region *region)
{
    for (unsigned head = region->part_count; head-- > 0;) {
        unsigned last = riscv__last_of_loop(region, head);

        if (is_innermost(region, head, last) &&
            region->part_count + last + 1 - head <= JIT_PARTS &&
            region->leaving + count_leaving(region, head, last) <
                XBAR_JIT_LINKS) {
            peel(region, head, last);
        }
    }
    riscv__find_joins(region);
}
