/* SPDX-License-Identifier: MIT */
/*
 * How often each region was accessed, and how long that took; what pages of RAM
 * were accessed. Counted on the hart's thread.
 *
 *     RAM                 the library: all accesses of the hart, less what
 *                         began elsewhere; and by page
 *     devices             accesses by the hart, with the time of some
 *     other memory        each access, or what of it is there
 */
#ifndef XBAR_PROFILE_COUNTS_H
#define XBAR_PROFILE_COUNTS_H

#include <xbar/xbar.h>

#include "histogram.h"

#define COUNTS_MAX_REGIONS 32
#define COUNTS_NAME_SIZE   32
#define COUNTS_REGISTERS   1024 /* a power of two */
#define COUNTS_PAGE_SIZE   4096

struct region_count {
    const MemoryRegion *mr; /* identity only: the board may be gone */
    char name[COUNTS_NAME_SIZE];
    hwaddr first; /* of its lowest section */
    hwaddr last;
    bool is_ram;
    uint64_t sizes[2][TLB_SIZES]; /* by TLB_READ, TLB_WRITE and log2 of size */
    struct histogram ticks;       /* of accesses to a device */
};

/* An offset of a device that was accessed. */
struct register_count {
    bool is_used;
    unsigned region;
    hwaddr offset;
    uint64_t reads;
    uint64_t writes;
    uint64_t ticks;
};

/* regions[] is sorted by address; `latest` is where the last hit was. */
struct counts {
    unsigned num_regions;
    unsigned latest;
    struct region_count regions[COUNTS_MAX_REGIONS];
    /* Hashed; beyond three quarters of it, accesses only count as lost. */
    unsigned num_registers;
    unsigned latest_register; /* its place */
    uint64_t registers_lost;
    struct register_count registers[COUNTS_REGISTERS];

    bool has_ticks;
    struct xbar_tlb_counts tlb; /* for the hart's configuration */
    const MemoryRegion *ram;
    hwaddr ram_first;
    uint64_t num_pages;
    uint64_t *fetches; /* by page, as tlb.pages; NULL without those */
};

/*
 * counts_init() - before the board is made
 * @ram_size: bytes of RAM
 * @has_pages: count by page
 * @has_ticks: accesses to devices come with their time
 *
 * Return: 0; -ENOMEM with @errp set. End it with counts_end().
 */
int counts_init(struct counts *counts, uint64_t ram_size, bool has_pages,
                bool has_ticks, Error **errp) XBAR_MUST_CHECK;
void counts_end(struct counts *counts);

/* counts_prepare() - a row, still zero, for each region that @as shows */
void counts_prepare(struct counts *counts, AddressSpace *as);

/* counts_finish() - the run is over, and @hart counted that much: RAM's row */
void counts_finish(struct counts *counts, const struct xbar_riscv_counts *hart);

/* counts_fetched() - @count instructions of the page at @phys were executed */
void counts_fetched(struct counts *counts, hwaddr phys, uint64_t count);

/* As xbar_riscv_device_fn tells them. */
struct device_access {
    hwaddr offset;
    enum xbar_tlb_access access;
    unsigned size_log2;
    uint64_t count;
    uint64_t ticks; /* each */
};

/* counts_add_device() - accesses to a device of @section's */
void counts_add_device(struct counts *counts, const FlatRange *section,
                       const struct device_access *access);

/* counts_observe_memory() - the same, of memory */
void counts_observe_memory(void *opaque, const FlatRange *section,
                           enum xbar_tlb_access access, unsigned size);

/* counts_accesses() - of @row, TLB_READ or TLB_WRITE; counts_bytes() */
uint64_t counts_accesses(const struct region_count *row,
                         enum xbar_tlb_access access);
uint64_t counts_bytes(const struct region_count *row,
                      enum xbar_tlb_access access);

/* counts_total() - all reads and writes */
uint64_t counts_total(const struct counts *counts);

#endif
