/* SPDX-License-Identifier: MIT */
/*
 * How often each part of a region ran, with as few counters in it as that takes.
 *
 * Where ways of parts meet is a point: what comes there goes on from there. So
 * parts lead from point to point, and at each
 *
 *     what parts that end here sent on = times that parts began here
 *                                      + times that the region was left here
 *
 * What was left in the middle of a part, by a fault or for want of budget, C
 * counts (xbar_jit_profile.left). What leaves at a point is counted out of line,
 * where it leaves. What is entered is not asked: it is at one point only, which
 * has no equation then.
 *
 * The parts that have no counter are a forest over the points: its leaves are
 * each the only unknown of an equation, and so on inwards. A part is in it
 * unless that would close a circle, those of inner loops first: of an if and its
 * else one counts, of a loop one part at least.
 *
 *         |                 points: before a, before b and c, before d, behind
 *         a <---+           a, b, d: in the forest, if b does not close a
 *        / \    |           circle with what was taken before
 *       b   c   |           c, d: count
 *        \ /    |
 *         d ----+--->
 *
 * A counter costs its block a cycle or two; that of a part that is a loop by itself
 * is a register meanwhile (struct jit_tally). Where what is counted is a plain
 * block, it has one.
 */
#include "jit/riscv/region/region.h"

unsigned riscv__point(const struct region_points *points, unsigned end)
{
    while (points->of[end] != end) {
        end = points->of[end];
    }
    return end;
}

/* True: they had not met. */
static bool join(struct region_points *m, unsigned a, unsigned b)
{
    unsigned x = riscv__point(m, a), y = riscv__point(m, b);

    m->of[x > y ? x : y] = (uint8_t)(x < y ? x : y);
    return x != y;
}

static void follow(struct region_points *m, unsigned part,
                   const struct region_edge *edge)
{
    if (!edge->leaves) {
        (void)join(m, JIT_PARTS + part, edge->part);
    }
}

void riscv__find_points(const struct riscv_region *region,
                        struct region_points *points)
{
    for (unsigned i = 0; i < 2 * JIT_PARTS; i++) {
        points->of[i] = (uint8_t)i;
    }
    for (unsigned i = 0; i < region->part_count; i++) {
        follow(points, i, &region->parts[i].next);
        if (region->parts[i].branches) {
            follow(points, i, &region->parts[i].taken);
        }
    }
}

/* Those of inner loops first are without a counter. */
static void choose(const struct riscv_region *region,
                   struct region_counts *counts, struct region_points *m)
{
    unsigned depth = 0;

    for (unsigned i = 0; i < region->part_count; i++) {
        depth = region->parts[i].depth > depth ? region->parts[i].depth : depth;
    }
    do {
        for (unsigned i = 0; i < region->part_count; i++) {
            if (region->parts[i].depth == depth) {
                counts->parts[i].is_counted = !join(m, i, JIT_PARTS + i);
            }
        }
    } while (depth-- > 0);
}

static unsigned part_size(const struct riscv_region *region,
                          const struct region_part *part)
{
    unsigned last = part->first + part->count - 1u;

    return part->count == 0 ? 0
                            : region->offsets[last] +
                                  region->insns[last].length - part->offset;
}

size_t riscv__counts_size(const struct riscv_region *region)
{
    const struct region_counts *counts;

    return sizeof(*counts) + region->part_count * sizeof(counts->parts[0]);
}

unsigned riscv__count_slots(const struct riscv_region *region)
{
    unsigned slots = 0;

    for (unsigned i = 0; i < region->part_count; i++) {
        slots += region->parts[i].count + 1u;
    }
    return slots;
}

void riscv__plan_counts(const struct riscv_region *region,
                        struct region_counts *counts)
{
    struct region_points m;
    unsigned slot = 0;

    riscv__find_points(region, &m);
    counts->part_count = region->part_count;
    for (unsigned i = 0; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];

        counts->parts[i] = (struct region_part_counts){
            .insns = part->count,
            .slot = (uint16_t)slot,
            .offset = part->offset,
            .size = (uint16_t)part_size(region, part),
            .begins = (uint8_t)riscv__point(&m, i),
            .ends = (uint8_t)riscv__point(&m, JIT_PARTS + i),
        };
        slot += part->count + 1u;
    }
    choose(region, counts, &m);
}

/* ---- Afterwards -------------------------------------------------------- */

/* What is known, and what is not, at a point. */
struct balance {
    uint64_t rest; /* came, and did not go on in parts that are known */
    unsigned unknown;
    unsigned part; /* the last of the unknown */
    bool begins;   /* here; else it ends here */
};

static uint64_t left_inside(const struct region_part_counts *part,
                            const uint64_t *left)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= part->insns; i++) {
        sum += left[part->slot + i];
    }
    return sum;
}

static void add_unknown(struct balance *b, unsigned part, bool begins)
{
    b->unknown++;
    b->part = part;
    b->begins = begins;
}

static struct balance find_balance(const struct region_counts *counts,
                                   const uint64_t *left, const bool *known,
                                   const uint64_t *runs, unsigned point)
{
    struct balance b = { 0 };

    for (unsigned i = 0; i < counts->part_count; i++) {
        const struct region_part_counts *part = &counts->parts[i];

        if (part->ends == point) {
            b.rest -= left_inside(part, left) + part->gone;
            if (known[i]) {
                b.rest += runs[i];
            } else {
                add_unknown(&b, i, false);
            }
        }
        if (part->begins == point) {
            if (known[i]) {
                b.rest -= runs[i];
            } else {
                add_unknown(&b, i, true);
            }
        }
    }
    return b;
}

void riscv__solve_counts(const struct region_counts *counts,
                         const uint64_t *left, uint64_t runs[JIT_PARTS])
{
    bool known[JIT_PARTS];
    bool changed;

    for (unsigned i = 0; i < counts->part_count; i++) {
        known[i] = counts->parts[i].is_counted;
        runs[i] = counts->parts[i].count;
    }
    do {
        changed = false;
        for (unsigned point = 0; point < 2 * JIT_PARTS; point++) {
            struct balance b = find_balance(counts, left, known, runs, point);

            if (b.unknown == 1 && point != counts->parts[0].begins) {
                runs[b.part] = b.begins ? b.rest : -b.rest;
                known[b.part] = true;
                changed = true;
            }
        }
    } while (changed);
}
