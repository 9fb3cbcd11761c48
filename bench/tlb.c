/* SPDX-License-Identifier: MIT */
/* A vCPU's accesses: the inline probe, and what leaves it. */
#include "bench.h"
#include "world.h"

/* A world whose TLB is entered, with the pages of the loops filled. */
static void *setup(int64_t arg)
{
    struct world *world = world_new(16);
    uint64_t value;

    (void)arg;
    if (!world) {
        return NULL;
    }
    tlb_enter(&world->tlb);
    for (unsigned page = 0; page < 64; page++) {
        if (tlb_load_slow(&world->tlb, 0, WORLD_RAM + page * WORLD_PAGE, 2,
                          &value)) {
            return NULL;
        }
    }
    return world;
}

static void teardown(void *context)
{
    struct world *world = context;

    tlb_leave(&world->tlb);
    world_free(world);
}

/* What a C client writes for a 4-byte load. */
static inline uint64_t load4(struct world *world, uint64_t va)
{
    void *host = tlb_probe(&world->tlb, 0, va, 4, TLB_READ);
    uint64_t value = 0;

    if (host) {
        return tlb_ram_load(host, 2);
    }
    return tlb_load_slow(&world->tlb, 0, va, 2, &value) ? 0 : value;
}

static void run_hit(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        bench_use(load4(world, WORLD_RAM + (operations % 64) * 4100));
    }
}

/* The next address depends on what was loaded: latency. */
static void run_hit_dependent(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t va = WORLD_RAM;

    while (operations--) {
        va += bench_hide(load4(world, va)); /* always 0 */
    }
    bench_use(va);
}

static inline void load_slow(struct world *world, uint64_t va,
                             uint64_t operations)
{
    uint64_t value = 0;

    while (operations--) {
        bench_use((uint64_t)tlb_load_slow(&world->tlb, 0, va, 2, &value));
        bench_use(value);
    }
}

static void run_mmio(void *context, uint64_t operations)
{
    load_slow(context, WORLD_DEV + 8, operations);
}

static void run_mmio_locked(void *context, uint64_t operations)
{
    load_slow(context, WORLD_DEV_LOCKED + 8, operations);
}

static void run_store_mmio(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        bench_use((uint64_t)tlb_store_slow(&world->tlb, 0, WORLD_DEV + 8, 2,
                                           operations));
    }
}

static void run_crossing(void *context, uint64_t operations)
{
    load_slow(context, WORLD_RAM + WORLD_PAGE - 2, operations);
}

/* A page that is always gone: an identity walk, a lookup, the tags. */
static void run_fill(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t value = 0;

    while (operations--) {
        tlb_flush_page(&world->tlb, 1, WORLD_RAM);
        bench_use(
            (uint64_t)tlb_load_slow(&world->tlb, 0, WORLD_RAM, 2, &value));
    }
}

static void run_safepoint(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        tlb_safepoint(&world->tlb);
    }
}

/* 16 pages of a context, gone and back: a guest's context switch. */
static void run_switch(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        tlb_flush(&world->tlb, 1u << 1);
        for (unsigned page = 0; page < 16; page++) {
            uint64_t value = 0;

            bench_use((uint64_t)tlb_load_slow(
                &world->tlb, 1, WORLD_RAM + page * WORLD_PAGE, 2, &value));
        }
    }
}

#define ROW(label, function)                                                 \
    {                                                                        \
        .name = label, .setup = setup, .run = function, .teardown = teardown \
    }

static const struct bench rows[] = {
    ROW("tlb/load_hit", run_hit),
    ROW("tlb/load_hit_dependent", run_hit_dependent),
    ROW("tlb/load_mmio", run_mmio),
    ROW("tlb/load_mmio_machine_lock", run_mmio_locked),
    ROW("tlb/store_mmio", run_store_mmio),
    ROW("tlb/load_crossing", run_crossing),
    ROW("tlb/fill", run_fill),
    ROW("tlb/safepoint", run_safepoint),
    ROW("tlb/flush_and_touch_16", run_switch),
};

const struct bench_table bench_tlb = BENCH_TABLE(rows);
