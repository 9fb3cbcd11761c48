/* SPDX-License-Identifier: MIT */
/* Accesses through the address space: what a device that does DMA pays. */
#include "bench.h"
#include "world.h"

#include <string.h>

/* An offset in RAM, and what setup() stores there: 64 bytes that count up. */
#define RAM_AT    (WORLD_RAM + 0x1230)
#define RAM_VALUE UINT64_C(0x0706050403020100)
#define DEV_AT    (WORLD_DEV + 8)

#define ATTRS MEMTXATTRS_UNSPECIFIED

static void *setup(int64_t regions)
{
    struct world *world = world_new((size_t)regions);
    uint8_t bytes[WORLD_PAGE];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    if (world && address_space_write(&world->as, RAM_AT, ATTRS, bytes,
                                     sizeof(bytes)) != MEMTX_OK) {
        return NULL;
    }
    return world;
}

static void teardown(void *context)
{
    world_free(context);
}

/* @loads of @operations, each of which should have given @each. */
static inline void tally(struct world *world, uint64_t sum, uint64_t operations,
                         uint64_t each)
{
    world->sum += sum;
    world->expected += operations * each;
}

/* ---- Fixed widths ------------------------------------------------------ */

static inline void load_many(struct world *world, hwaddr at, uint64_t each,
                             uint64_t operations)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldl(&world->as, at, ATTRS, NULL);
    }
    tally(world, sum, operations, each);
}

static void run_ldl_ram(void *context, uint64_t operations)
{
    load_many(context, RAM_AT, RAM_VALUE & 0xffffffff, operations);
}

static void run_ldl_ram_misaligned(void *context, uint64_t operations)
{
    load_many(context, RAM_AT + 1, (RAM_VALUE >> 8) & 0xffffffff, operations);
}

static void run_ldl_mmio(void *context, uint64_t operations)
{
    load_many(context, DEV_AT, 8, operations);
}

static void run_ldl_mmio_locked(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV_LOCKED + 8, 8, operations);
}

/* The last two bytes of one device and the first two of the other: 4 094 and
 * then, in bytes 2 and 3, 0. */
static void run_ldl_crossing(void *context, uint64_t operations)
{
    load_many(context, WORLD_DEV_LOCKED - 2, WORLD_PAGE - 2, operations);
}

static void run_ldub_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldub(&world->as, RAM_AT + 1, ATTRS, NULL);
    }
    tally(world, sum, operations, 1);
}

static void run_lduw_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_lduw(&world->as, RAM_AT, ATTRS, NULL);
    }
    tally(world, sum, operations, RAM_VALUE & 0xffff);
}

static void run_ldq_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldq(&world->as, RAM_AT, ATTRS, NULL);
    }
    tally(world, sum, operations, RAM_VALUE);
}

static void run_ldl_be_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldl_be(&world->as, RAM_AT, ATTRS, NULL);
    }
    tally(world, sum, operations, 0x00010203);
}

/* Stores are checked by their last, and devices by their count. */
static inline void store_many(struct world *world, hwaddr at,
                              uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        address_space_stl(&world->as, at, (uint32_t)i, ATTRS, NULL);
    }
}

static void run_stl_ram(void *context, uint64_t operations)
{
    struct world *world = context;

    store_many(world, RAM_AT, operations);
    tally(world, address_space_ldl(&world->as, RAM_AT, ATTRS, NULL), 1,
          operations - 1);
}

static void run_stl_mmio(void *context, uint64_t operations)
{
    struct world *world = context;
    const uint64_t before = world->writes;

    store_many(world, DEV_AT, operations);
    tally(world, world->writes - before, operations, 1);
    tally(world, world->value, 1, operations - 1);
    world->value = 0;
}

/* ---- Any length -------------------------------------------------------- */

static inline void copy_many(struct world *world, hwaddr at, uint64_t each,
                             uint64_t operations)
{
    uint64_t sum = 0;
    uint32_t value = 0;

    for (uint64_t i = 0; i < operations; i++) {
        address_space_rw(&world->as, at, ATTRS, &value, sizeof(value), false);
        sum += value;
    }
    tally(world, sum, operations, each);
}

static void run_rw_ram(void *context, uint64_t operations)
{
    copy_many(context, RAM_AT, RAM_VALUE & 0xffffffff, operations);
}

static void run_rw_mmio(void *context, uint64_t operations)
{
    copy_many(context, DEV_AT, 8, operations);
}

/* Four bytes whose length is not known when the caller is compiled. */
static inline void transfer_many(struct world *world, hwaddr at, uint64_t each,
                                 uint64_t operations)
{
    uint64_t sum = 0;
    uint32_t value = 0;
    const hwaddr length = bench_hide(sizeof(value));

    for (uint64_t i = 0; i < operations; i++) {
        address_space_read(&world->as, at, ATTRS, &value, length);
        sum += value;
    }
    tally(world, sum, operations, each);
}

static void run_read4_ram(void *context, uint64_t operations)
{
    transfer_many(context, RAM_AT, RAM_VALUE & 0xffffffff, operations);
}

static void run_read4_mmio(void *context, uint64_t operations)
{
    transfer_many(context, DEV_AT, 8, operations);
}

/* One of @count extra devices each time, at offset 4, in no order. */
static inline void read_random(struct world *world, size_t count,
                               uint64_t operations)
{
    uint64_t seed = BENCH_SEED;
    uint64_t sum = 0;
    uint32_t value = 0;

    for (uint64_t i = 0; i < operations; i++) {
        const size_t region = bench_random(&seed) % count;

        address_space_read(&world->as, world_extra_at(region) + 4, ATTRS,
                           &value, sizeof(value));
        sum += value;
    }
    tally(world, sum, operations, 4);
}

static void run_read4_random_8192(void *context, uint64_t operations)
{
    read_random(context, 8192, operations);
}

static void run_read4_random_1024(void *context, uint64_t operations)
{
    read_random(context, 1024, operations);
}

static void run_write4_ram(void *context, uint64_t operations)
{
    struct world *world = context;
    uint32_t value = 0;

    for (uint64_t i = 0; i < operations; i++) {
        value = (uint32_t)i;
        address_space_write(&world->as, RAM_AT, ATTRS, &value, sizeof(value));
    }
    tally(world, address_space_ldl(&world->as, RAM_AT, ATTRS, NULL), 1,
          operations - 1);
}

/* 64 bytes as a host pointer, and given back. */
static inline void map_many(struct world *world, bool is_write,
                            uint64_t operations)
{
    uint64_t mapped = 0;

    for (uint64_t i = 0; i < operations; i++) {
        hwaddr len = 64;
        void *host =
            address_space_map(&world->as, RAM_AT, &len, is_write, ATTRS);

        address_space_unmap(&world->as, host, len, is_write, len);
        mapped += len;
    }
    tally(world, mapped, operations, 64);
}

static void run_map_to_read(void *context, uint64_t operations)
{
    map_many(context, false, operations);
}

static void run_map_to_write(void *context, uint64_t operations)
{
    map_many(context, true, operations);
}

/* The cache is made once a call, for thousands of loads. */
static void run_cache_ldl(void *context, uint64_t operations)
{
    struct world *world = context;
    MemoryRegionCache cache;
    uint64_t sum = 0;

    address_space_cache_init(&cache, &world->as, RAM_AT, 64, false);
    for (uint64_t i = 0; i < operations; i++) {
        sum += bench_hide(ldl_le_phys_cached(&cache, 0));
    }
    address_space_cache_destroy(&cache);
    tally(world, sum, operations,
          address_space_ldl_le(&world->as, RAM_AT, ATTRS, NULL));
}

static void run_read_page(void *context, uint64_t operations)
{
    struct world *world = context;
    uint8_t page[WORLD_PAGE] = { 0 };
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        address_space_read(&world->as, RAM_AT, ATTRS, page, sizeof(page));
        sum += page[operations % WORLD_PAGE];
    }
    tally(world, sum, operations, operations % 256);
}

static void run_write_page(void *context, uint64_t operations)
{
    struct world *world = context;
    uint8_t page[WORLD_PAGE];

    memset(page, (int)(operations & 0x7f), sizeof(page));
    for (uint64_t i = 0; i < operations; i++) {
        address_space_write(&world->as, RAM_AT, ATTRS, page, sizeof(page));
    }
    tally(world, address_space_ldub(&world->as, RAM_AT + 4095, ATTRS, NULL), 1,
          operations & 0x7f);
}

/* 64 bytes of a device: eight accesses of eight bytes, at their offsets. */
static void run_read_mmio_64(void *context, uint64_t operations)
{
    struct world *world = context;
    uint64_t words[8] = { 0 };
    uint64_t sum = 0;

    for (uint64_t i = 0; i < operations; i++) {
        address_space_read(&world->as, WORLD_DEV, ATTRS, words, sizeof(words));
        sum += words[7];
    }
    tally(world, sum, operations, 56);
}

#define ROW_AMONG(label, function, regions)                               \
    {                                                                     \
        .name = label, .arg = (regions), .setup = setup, .run = function, \
        .teardown = teardown, .check = world_check                        \
    }
#define ROW(label, function) ROW_AMONG(label, function, 16)

static const struct bench rows[] = {
    ROW("access/ldub_ram", run_ldub_ram),
    ROW("access/lduw_ram", run_lduw_ram),
    ROW("access/ldl_ram", run_ldl_ram),
    ROW("access/ldq_ram", run_ldq_ram),
    ROW("access/ldl_be_ram", run_ldl_be_ram),
    ROW("access/ldl_ram_misaligned", run_ldl_ram_misaligned),
    ROW("access/ldl_mmio", run_ldl_mmio),
    ROW("access/ldl_mmio_machine_lock", run_ldl_mmio_locked),
    ROW("access/ldl_mmio_crossing", run_ldl_crossing),
    ROW("access/stl_ram", run_stl_ram),
    ROW("access/stl_mmio", run_stl_mmio),
    ROW("access/rw4_ram", run_rw_ram),
    ROW("access/rw4_mmio", run_rw_mmio),
    ROW_AMONG("access/read4_ram/10000", run_read4_ram, 10000),
    ROW_AMONG("access/read4_mmio/10000", run_read4_mmio, 10000),
    ROW_AMONG("access/read4_mmio_random/1024", run_read4_random_1024, 1024),
    ROW_AMONG("access/read4_mmio_random/10000", run_read4_random_8192, 10000),
    ROW_AMONG("access/write4_ram/10000", run_write4_ram, 10000),
    ROW_AMONG("access/map_to_read/10000", run_map_to_read, 10000),
    ROW_AMONG("access/map_to_write/10000", run_map_to_write, 10000),
    ROW("access/cache_ldl", run_cache_ldl),
    ROW("access/read_4096_ram", run_read_page),
    ROW("access/write_4096_ram", run_write_page),
    ROW("access/read_64_mmio", run_read_mmio_64),
};

const struct bench_table bench_access = BENCH_TABLE(rows);
