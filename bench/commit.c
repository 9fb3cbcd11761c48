/* SPDX-License-Identifier: MIT */
/*
 * The price of one change among many regions: a region appears or vanishes,
 * the commit publishes, a warm TLB drops what changed and fills it again, and
 * what was replaced is freed.
 */
#include "bench.h"
#include "world.h"

/* Commits between two grace periods; frees are part of the figure. */
#define RECLAIM_EVERY 64

static void *setup(int64_t regions)
{
    struct world *world = world_new((size_t)regions);

    if (world) {
        tlb_enter(&world->tlb);
    }
    return world;
}

static void teardown(void *context)
{
    struct world *world = context;

    tlb_leave(&world->tlb);
    world_free(world);
}

/* Nonzero if an access failed. */
static int warm(struct world *world)
{
    uint64_t value = 0;

    return tlb_load_slow(&world->tlb, 0, WORLD_RAM, 2, &value) |
           tlb_load_slow(&world->tlb, 0, WORLD_DEV, 2, &value);
}

/* The last change of a call makes the region appear: it answers then. */
static void run_enable(void *context, uint64_t operations)
{
    struct world *world = context;
    const size_t middle = world->extra_count / 2;
    int err = 0;

    for (uint64_t i = 0; i < operations; i++) {
        err |= memory_region_set_enabled(&world->extra[middle], i % 2);
        tlb_safepoint(&world->tlb);
        err |= warm(world);
        if (i % RECLAIM_EVERY == 0) {
            tlb_leave(&world->tlb);
            bench_use((uint64_t)xbar_engine_reclaim(world->engine));
            tlb_enter(&world->tlb);
        }
    }
    world->sum +=
        (err != 0) + address_space_ldl(&world->as, world_extra_at(middle) + 8,
                                       MEMTXATTRS_UNSPECIFIED, NULL);
    world->expected += 8;
}

#define ROW(label, n)                                                      \
    {                                                                      \
        .name = label, .arg = n, .setup = setup, .run = run_enable,        \
        .teardown = teardown, .check = world_check, .batch = RECLAIM_EVERY \
    }

static const struct bench rows[] = {
    ROW("commit/enable/10", 10),
    ROW("commit/enable/100", 100),
    ROW("commit/enable/1000", 1000),
};

const struct bench_table bench_commit = BENCH_TABLE(rows);
