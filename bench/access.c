/* SPDX-License-Identifier: MIT */
/* Four bytes through the address space, and straight at a region. */
#include "bench.h"
#include "world.h"

static void *setup(int64_t arg)
{
    (void)arg;
    return world_new(16);
}

static void *setup_sized(int64_t regions)
{
    return world_new((size_t)regions);
}

static void teardown(void *context)
{
    world_free(context);
}

static inline void load_many(struct world *world, hwaddr at,
                             uint64_t operations)
{
    while (operations--) {
        bench_use(
            address_space_ldl(&world->as, at, MEMTXATTRS_UNSPECIFIED, NULL));
    }
}

static void run_ldl_ram(void *context, uint64_t operations)
{
    load_many(context, WORLD_RAM + 0x1230, operations);
}

static void run_ldl_mmio(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV + 8, operations);
}

static void run_ldl_mmio_locked(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV_LOCKED + 8, operations);
}

static void run_stl_ram(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        address_space_stl(&world->as, WORLD_RAM + 0x1230, 1,
                          MEMTXATTRS_UNSPECIFIED, NULL);
    }
}

static void run_stl_mmio(void *context, uint64_t operations)
{
    struct world *world = context;

    while (operations--) {
        address_space_stl(&world->as, WORLD_DEV + 8, 1, MEMTXATTRS_UNSPECIFIED,
                          NULL);
    }
}

static inline void copy_many(struct world *world, hwaddr at,
                             uint64_t operations)
{
    uint32_t value;

    while (operations--) {
        address_space_rw(&world->as, at, MEMTXATTRS_UNSPECIFIED, &value,
                         sizeof(value), false);
        bench_use(value);
    }
}

static void run_rw_ram(void *context, uint64_t operations)
{
    copy_many(context, WORLD_RAM + 0x1230, operations);
}

static void run_rw_mmio(void *context, uint64_t operations)
{
    copy_many(context, WORLD_DEV + 8, operations);
}

/* One of the extra regions each time, in no order. */
static void run_rw_random(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t mask = 1;
    uint32_t random = 1;
    uint32_t value;

    while (mask * 2 <= world->extra_count) {
        mask *= 2;
    }
    mask--;
    while (operations--) {
        random = random * 1664525 + 1013904223;
        address_space_read(&world->as, world_extra_at((random >> 16) & mask),
                           MEMTXATTRS_UNSPECIFIED, &value, sizeof(value));
        bench_use(value);
    }
}

static void run_write_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint32_t value = 1;

    while (operations--) {
        address_space_write(&world->as, WORLD_RAM + 0x1230,
                            MEMTXATTRS_UNSPECIFIED, &value, sizeof(value));
    }
}

static void run_read_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint32_t value;

    while (operations--) {
        address_space_read(&world->as, WORLD_RAM + 0x1230,
                           MEMTXATTRS_UNSPECIFIED, &value, sizeof(value));
        bench_use(value);
    }
}

static void run_read_mmio(void *context, uint64_t operations)
{
    struct world *world = context;
    uint32_t value;

    while (operations--) {
        address_space_read(&world->as, WORLD_DEV + 8, MEMTXATTRS_UNSPECIFIED,
                           &value, sizeof(value));
        bench_use(value);
    }
}

static inline void dispatch_many(MemoryRegion *mr, uint64_t operations)
{
    uint64_t value;

    while (operations--) {
        memory_region_dispatch_read(mr, 8, &value, MO_32,
                                    MEMTXATTRS_UNSPECIFIED);
        bench_use(value);
    }
}

static void run_dispatch(void *context, uint64_t operations)
{
    struct world *world = context;

    dispatch_many(&world->dev, operations);
}

static void run_dispatch_locked(void *context, uint64_t operations)
{
    struct world *world = context;

    dispatch_many(&world->dev_locked, operations);
}

#define ROW(label, function)                                                 \
    {                                                                        \
        .name = label, .setup = setup, .run = function, .teardown = teardown \
    }

#define SIZED(label, function, regions)                                       \
    {                                                                         \
        .name = label, .arg = regions, .setup = setup_sized, .run = function, \
        .teardown = teardown                                                  \
    }

static const struct bench rows[] = {
    ROW("access/ldl_ram", run_ldl_ram),
    ROW("access/ldl_mmio", run_ldl_mmio),
    ROW("access/ldl_mmio_machine_lock", run_ldl_mmio_locked),
    ROW("access/stl_ram", run_stl_ram),
    ROW("access/stl_mmio", run_stl_mmio),
    ROW("access/rw4_ram", run_rw_ram),
    ROW("access/rw4_mmio", run_rw_mmio),
    SIZED("access/read4_ram/10000", run_read_ram, 10000),
    SIZED("access/read4_mmio/10000", run_read_mmio, 10000),
    SIZED("access/ldl_ram/10000", run_ldl_ram, 10000),
    SIZED("access/ldl_mmio/10000", run_ldl_mmio, 10000),
    SIZED("access/write4_ram/10000", run_write_ram, 10000),
    SIZED("access/read4_mmio_random/1024", run_rw_random, 1024),
    ROW("access/dispatch_read", run_dispatch),
    ROW("access/dispatch_read_machine_lock", run_dispatch_locked),
};

const struct bench_table bench_access = BENCH_TABLE(rows);
