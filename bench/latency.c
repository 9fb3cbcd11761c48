/* SPDX-License-Identifier: MIT */
/*
 * One operation at a time, each between two readings of the time-stamp
 * counter: not how many a second, but how long one takes, and how long the
 * worst. Nothing overlaps with a neighbour, so the median is above what the
 * loops of the other files say.
 *
 *     sample = counter_end - counter_begin - cost of an empty sample (median)
 */
#include "bench.h"
#include "histogram.h"
#include "world.h"

#include <stdlib.h>

#define ADDRESSES 65536u

struct latency {
    struct world *world;
    struct histogram histogram;
    hwaddr address[ADDRESSES];
    uint32_t each[ADDRESSES];
};

/* @regions to choose from, and a TLB that is entered. */
static void *setup(int64_t regions)
{
    struct latency *l = calloc(1, sizeof(*l));
    uint64_t seed = BENCH_SEED;
    uint64_t value;

    if (!l) {
        return NULL;
    }
    l->world = world_new((size_t)regions);
    if (!l->world) {
        free(l);
        return NULL;
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t x = bench_random(&seed);

        l->each[i] = (uint32_t)(x >> 50) % WORLD_PAGE & ~3u;
        l->address[i] = world_extra_at(x % (uint64_t)regions) + l->each[i];
    }
    tlb_enter(&l->world->tlb);
    if (tlb_load_slow(&l->world->tlb, 0, WORLD_RAM, 2, &value)) {
        return NULL;
    }
    histogram_init(&l->histogram);
    return l;
}

static void teardown(void *context)
{
    struct latency *l = context;

    tlb_leave(&l->world->tlb);
    world_free(l->world);
    free(l);
}

static const char *check(void *context)
{
    struct latency *l = context;

    return world_check(l->world);
}

static void report(void *context, struct bench_report *to)
{
    struct latency *l = context;

    histogram_report(&l->histogram, to);
}

static inline void tally(struct latency *l, uint64_t sum, uint64_t expected)
{
    l->world->sum += sum;
    l->world->expected += expected;
}

/* ---- Operations -------------------------------------------------------- */

static void run_empty(void *context, uint64_t operations)
{
    struct latency *l = context;

    while (operations--) {
        const uint64_t begin = counter_begin();

        histogram_add(&l->histogram, begin, counter_end());
    }
}

static inline void load_many(struct latency *l, hwaddr at, uint64_t each,
                             uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t begin = counter_begin();
        const uint64_t value =
            address_space_ldl(&l->world->as, at, MEMTXATTRS_UNSPECIFIED, NULL);

        histogram_add(&l->histogram, begin, counter_end());
        tally(l, value, each);
    }
}

static void run_ldl_ram(void *context, uint64_t operations)
{
    load_many(context, WORLD_RAM, 0, operations);
}

static void run_ldl_mmio(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV + 8, 8, operations);
}

static void run_ldl_mmio_locked(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV_LOCKED + 8, 8, operations);
}

static void run_ldl_random(void *context, uint64_t operations)
{
    struct latency *l = context;

    for (uint64_t i = 0; i < operations; i++) {
        const hwaddr at = l->address[i % ADDRESSES];
        const uint64_t begin = counter_begin();
        const uint64_t value =
            address_space_ldl(&l->world->as, at, MEMTXATTRS_UNSPECIFIED, NULL);

        histogram_add(&l->histogram, begin, counter_end());
        tally(l, value, l->each[i % ADDRESSES]);
    }
}

static void run_dispatch(void *context, uint64_t operations)
{
    struct latency *l = context;

    for (uint64_t i = 0; i < operations; i++) {
        uint64_t value = 0;
        const uint64_t begin = counter_begin();

        memory_region_dispatch_read(&l->world->dev, 8, &value, MO_32,
                                    MEMTXATTRS_UNSPECIFIED);
        histogram_add(&l->histogram, begin, counter_end());
        tally(l, value, 8);
    }
}

static void run_probe(void *context, uint64_t operations)
{
    struct latency *l = context;

    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t begin = counter_begin();
        void *host = tlb_probe(&l->world->tlb, 0, WORLD_RAM, 4, TLB_READ);
        const uint64_t value = host ? tlb_ram_load(host, 2) : 1;

        bench_use(value);
        histogram_add(&l->histogram, begin, counter_end());
        tally(l, value, 0);
    }
}

static inline void slow_many(struct latency *l, uint64_t va, uint64_t each,
                             uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t value = 0;
        const uint64_t begin = counter_begin();
        const int fault = tlb_load_slow(&l->world->tlb, 0, va, 2, &value);

        histogram_add(&l->histogram, begin, counter_end());
        tally(l, fault ? 1 : value, each);
    }
}

static void run_tlb_mmio(void *context, uint64_t operations)
{
    slow_many(context, WORLD_DEV + 8, 8, operations);
}

static void run_tlb_walk(void *context, uint64_t operations)
{
    struct latency *l = context;

    for (uint64_t i = 0; i < operations; i++) {
        uint64_t value = 1;
        uint64_t begin;
        int fault;

        tlb_flush_page(&l->world->tlb, 1, WORLD_RAM);
        begin = counter_begin();
        fault = tlb_load_slow(&l->world->tlb, 0, WORLD_RAM, 2, &value);
        histogram_add(&l->histogram, begin, counter_end());
        tally(l, fault ? 1 : value, 0);
    }
}

/* A region appears or vanishes; what was replaced is freed outside of it. */
static void run_commit(void *context, uint64_t operations)
{
    struct latency *l = context;
    MemoryRegion *mr = &l->world->extra[l->world->extra_count / 2];

    tlb_leave(&l->world->tlb);
    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t begin = counter_begin();
        const int err = memory_region_set_enabled(mr, i % 2);

        histogram_add(&l->histogram, begin, counter_end());
        tally(l, err != 0, 0);
        if (i % 64 == 0) {
            (void)xbar_engine_reclaim(l->world->engine);
        }
    }
    tally(l, memory_region_set_enabled(mr, true) != 0, 0);
    tlb_enter(&l->world->tlb);
}

#define ROW_OF(label, n, function, size)                            \
    {                                                               \
        .name = label, .arg = (n), .setup = setup, .run = function, \
        .teardown = teardown, .check = check, .report = report,     \
        .batch = (size)                                             \
    }
#define ROW(label, n, function) ROW_OF(label, n, function, 4096)

static const struct bench rows[] = {
    ROW("latency/nothing", 1, run_empty),
    ROW("latency/tlb_probe", 1, run_probe),
    ROW("latency/tlb_load_mmio", 1, run_tlb_mmio),
    ROW("latency/tlb_walk", 1, run_tlb_walk),
    ROW("latency/dispatch_read", 1, run_dispatch),
    ROW("latency/ldl_ram", 1, run_ldl_ram),
    ROW("latency/ldl_mmio", 1, run_ldl_mmio),
    ROW("latency/ldl_mmio_machine_lock", 1, run_ldl_mmio_locked),
    ROW("latency/ldl_mmio_random/1000", 1000, run_ldl_random),
    ROW("latency/ldl_mmio_random/100000", 100000, run_ldl_random),
    ROW_OF("latency/commit/1000", 1000, run_commit, 64),
};

const struct bench_table bench_latency = BENCH_TABLE(rows);
