/* SPDX-License-Identifier: MIT */
/*
 * The machine the benchmarks measure: RAM, two devices, and as many small
 * regions beside them as a benchmark asks for, on an engine whose memory is
 * mimalloc's.
 *
 *     0x8000_0000  RAM, 16 MiB
 *     0x1000_0000  device, one page, no lock
 *     0x1000_1000  device, one page, the machine lock (the default)
 *     2^40 + i * 64 KiB  extra region i, one page: a device without a lock, or
 *                  RAM; nested four deep, every third through an alias
 *
 * Devices read as value + the offset; a store sets value. All extra RAM shows
 * one host page, whose 32-bit words hold their own offset.
 */
#ifndef XBAR_BENCH_WORLD_H
#define XBAR_BENCH_WORLD_H

#include <xbar/xbar.h>

#define WORLD_RAM        0x80000000u
#define WORLD_RAM_SIZE   (16u << 20)
#define WORLD_DEV        0x10000000u
#define WORLD_DEV_LOCKED 0x10001000u
#define WORLD_PAGE       4096u

/* What the extra regions are. */
enum world_kind {
    WORLD_DEVICES,
    WORLD_RAM_PAGES,
};

struct world {
    SoftTLB tlb; /* entered by those who use it */
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion dev;
    MemoryRegion dev_locked;
    MemoryRegion level[3]; /* root > 0 > 1 > 2 > extra regions */
    MemoryRegion *extra;   /* [extra_count] */
    MemoryRegion *alias;   /* [extra_count]; every third is in use */
    size_t extra_count;
    enum world_kind kind;
    uint32_t *page; /* behind all extra RAM */
    size_t pending; /* regions that have not ended yet */

    /* The devices' only state. */
    uint64_t value;
    uint64_t writes;

    /* Of loads: what came, and what should have come; see world_check(). */
    uint64_t sum;
    uint64_t expected;
};

/* An engine on mimalloc; NULL if memory is short. */
struct xbar_engine *world_engine_new(void);

/* NULL if memory is short. */
struct world *world_new(size_t extra_regions);
struct world *world_new_kind(size_t extra_regions, enum world_kind kind);
void world_free(struct world *world);

/*
 * The same world for every caller that asks for the same again: a million
 * regions are made once, not once a row. It ends when another is asked for,
 * or with world_shared_end(); who shares it leaves its tree as it was.
 */
struct world *world_shared(size_t extra_regions, enum world_kind kind);
void world_shared_end(void);

/* As bench.check(): is the sum of what was loaded the right one? */
const char *world_check(void *world);

/* Where extra region @i starts. */
static inline hwaddr world_extra_at(size_t i)
{
    return ((hwaddr)1 << 40) + (hwaddr)i * 0x10000;
}

#endif
