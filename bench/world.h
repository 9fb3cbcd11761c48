/* SPDX-License-Identifier: MIT */
/*
 * The machine the benchmarks measure: RAM, two devices, and as many small
 * regions beside them as a benchmark asks for, on an engine whose memory is
 * mimalloc's.
 *
 *     0x8000_0000  RAM, 16 MiB
 *     0x1000_0000  device, one page, no lock
 *     0x1000_1000  device, one page, the machine lock (the default)
 *     2^40 + i * 64 KiB  extra region i, one page, no lock; nested four deep,
 *                  every third through an alias
 */
#ifndef XBAR_BENCH_WORLD_H
#define XBAR_BENCH_WORLD_H

#include <xbar/xbar.h>

#define WORLD_RAM        0x80000000u
#define WORLD_RAM_SIZE   (16u << 20)
#define WORLD_DEV        0x10000000u
#define WORLD_DEV_LOCKED 0x10001000u
#define WORLD_PAGE       4096u

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
    size_t pending; /* regions that have not ended yet */
    uint64_t reads;
};

/* NULL if memory is short. */
struct world *world_new(size_t extra_regions);
void world_free(struct world *world);

/* Where extra region @i starts. */
static inline hwaddr world_extra_at(size_t i)
{
    return ((hwaddr)1 << 40) + (hwaddr)i * 0x10000;
}

#endif
