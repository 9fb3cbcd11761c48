/* SPDX-License-Identifier: MIT */
/* How often each region was accessed, counted on the hart's thread. */
#ifndef XBAR_COUNTS_H
#define XBAR_COUNTS_H

#include <xbar/xbar.h>

#define COUNTS_MAX_REGIONS 32
#define COUNTS_NAME_SIZE   32

struct region_count {
    const MemoryRegion *mr; /* identity only: the board may be gone */
    char name[COUNTS_NAME_SIZE];
    hwaddr first; /* of its lowest section */
    hwaddr last;
    bool is_ram;
    uint64_t reads;
    uint64_t writes;
    uint64_t bytes_read;
    uint64_t bytes_written;
};

/* regions[] is sorted by address; `latest` is where the last hit was. */
struct counts {
    unsigned num_regions;
    unsigned latest;
    struct region_count regions[COUNTS_MAX_REGIONS];
};

/* counts_prepare() - a row, still zero, for each region that @as shows */
void counts_prepare(struct counts *counts, AddressSpace *as);

/* counts_observe_device() - for struct xbar_engine_config */
void counts_observe_device(void *opaque, const struct xbar_access *access);

/* counts_observe_memory() - for struct xbar_riscv_config; devices are left to
 * the other one, which sees them on any path */
void counts_observe_memory(void *opaque, const FlatRange *section,
                           enum xbar_tlb_access access, unsigned size);

/* counts_total() - all reads and writes */
uint64_t counts_total(const struct counts *counts);

#endif
