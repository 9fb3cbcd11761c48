/* SPDX-License-Identifier: MIT */
#include "counts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memmap.h"
#include "mtree_walk.h"

/* ---- Life -------------------------------------------------------------- */

int counts_init(struct counts *counts, uint64_t ram_size, bool has_pages,
                bool has_ticks, Error **errp)
{
    memset(counts, 0, sizeof(*counts));
    counts->has_ticks = has_ticks;
    counts->num_pages = ram_size / COUNTS_PAGE_SIZE;
    if (!has_pages) {
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        counts->tlb.pages[i] = calloc(counts->num_pages, sizeof(uint64_t));
    }
    counts->fetches = calloc(counts->num_pages, sizeof(uint64_t));
    if (!counts->tlb.pages[0] || !counts->tlb.pages[1] || !counts->fetches) {
        counts_end(counts);
        error_setg(errp, "no memory to count accesses by page");
        return -ENOMEM;
    }
    return 0;
}

void counts_end(struct counts *counts)
{
    free(counts->tlb.pages[0]);
    free(counts->tlb.pages[1]);
    free(counts->fetches);
    counts->tlb.pages[0] = NULL;
    counts->tlb.pages[1] = NULL;
    counts->fetches = NULL;
}

/* The row of @mr; NULL if there is none: it came after counts_prepare(). */
static struct region_count *find_row(struct counts *counts,
                                     const MemoryRegion *mr)
{
    if (counts->latest < counts->num_regions &&
        counts->regions[counts->latest].mr == mr) {
        return &counts->regions[counts->latest];
    }
    for (unsigned i = 0; i < counts->num_regions; i++) {
        if (counts->regions[i].mr == mr) {
            counts->latest = i;
            return &counts->regions[i];
        }
    }
    return NULL;
}

static int add_section(void *opaque, const FlatRange *range)
{
    struct counts *counts = opaque;
    struct region_count *row;

    if (find_row(counts, range->mr) ||
        counts->num_regions == COUNTS_MAX_REGIONS) {
        return 0;
    }
    row = &counts->regions[counts->num_regions++];
    row->mr = range->mr;
    row->first = range->first;
    row->last = range->last;
    row->is_ram = range->flags & FLAT_RANGE_RAM;
    snprintf(row->name, sizeof(row->name), "%s", memory_region_name(range->mr));
    return 0;
}

void counts_prepare(struct counts *counts, AddressSpace *as)
{
    counts->ram = counts->tlb.ram;
    counts->ram_first = RAM_BASE;
    (void)mtree_for_each_range(as, add_section, counts);
}

/* ---- Devices ----------------------------------------------------------- */

/* NULL: there are too many. */
static struct register_count *look_up_register(struct counts *counts,
                                               unsigned region, hwaddr offset)
{
    uint64_t hash = (offset * 32 + region) * UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned i = (unsigned)(hash >> 32);; i++) {
        struct register_count *r = &counts->registers[i % COUNTS_REGISTERS];

        counts->latest_register = i % COUNTS_REGISTERS;
        if (r->is_used && r->region == region && r->offset == offset) {
            return r;
        }
        if (!r->is_used) {
            if (counts->num_registers == COUNTS_REGISTERS / 4 * 3) {
                return NULL;
            }
            counts->num_registers++;
            r->is_used = true;
            r->region = region;
            r->offset = offset;
            return r;
        }
    }
}

/* What is polled is the one of before. */
static inline struct register_count *
find_register(struct counts *counts, unsigned region, hwaddr offset)
{
    struct register_count *r = &counts->registers[counts->latest_register];

    return r->offset == offset && r->region == region && r->is_used
               ? r
               : look_up_register(counts, region, offset);
}

static void count_register(struct counts *counts, unsigned region,
                           const struct device_access *access)
{
    struct register_count *r = find_register(counts, region, access->offset);

    if (!r) {
        counts->registers_lost += access->count;
        return;
    }
    if (access->access == TLB_WRITE) {
        r->writes += access->count;
    } else {
        r->reads += access->count;
    }
    r->ticks += access->ticks * access->count;
}

void counts_add_device(struct counts *counts, const FlatRange *section,
                       const struct device_access *access)
{
    struct region_count *row = find_row(counts, section->mr);

    if (!row) {
        return;
    }
    row->sizes[access->access][access->size_log2] += access->count;
    if (counts->has_ticks) {
        histogram_add(&row->ticks, access->ticks, access->count);
    }
    count_register(counts, (unsigned)(row - counts->regions), access);
}

/* ---- Memory ------------------------------------------------------------ */

static unsigned log2_of(unsigned size)
{
    return size ? 31 - (unsigned)__builtin_clz(size) : 0;
}

void counts_observe_memory(void *opaque, const FlatRange *section,
                           enum xbar_tlb_access access, unsigned size)
{
    struct counts *counts = opaque;
    struct region_count *row;

    if (!(section->flags & FLAT_RANGE_RAM) || section->mr == counts->ram) {
        return;
    }
    row = find_row(counts, section->mr);
    if (row) {
        row->sizes[access][log2_of(size)]++;
    }
}

void counts_finish(struct counts *counts, const struct xbar_riscv_counts *hart)
{
    struct region_count *row = find_row(counts, counts->ram);

    for (unsigned i = 0; row && i < 2 * TLB_SIZES; i++) {
        unsigned access = i / TLB_SIZES;
        unsigned size = i % TLB_SIZES;
        uint64_t total = 0;

        for (unsigned mode = 0; mode < 4; mode++) {
            total += hart->mode[mode].accesses[access][size];
        }
        row->sizes[access][size] = total - counts->tlb.elsewhere[access][size];
    }
}

void counts_fetched(struct counts *counts, hwaddr phys, uint64_t count)
{
    uint64_t page = (phys - counts->ram_first) / COUNTS_PAGE_SIZE;

    if (counts->fetches && page < counts->num_pages) {
        counts->fetches[page] += count;
    }
}

/* ---- Sums -------------------------------------------------------------- */

uint64_t counts_accesses(const struct region_count *row,
                         enum xbar_tlb_access access)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < TLB_SIZES; i++) {
        total += row->sizes[access][i];
    }
    return total;
}

uint64_t counts_bytes(const struct region_count *row,
                      enum xbar_tlb_access access)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < TLB_SIZES; i++) {
        total += row->sizes[access][i] << i;
    }
    return total;
}

uint64_t counts_total(const struct counts *counts)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < counts->num_regions; i++) {
        total += counts_accesses(&counts->regions[i], TLB_READ) +
                 counts_accesses(&counts->regions[i], TLB_WRITE);
    }
    return total;
}
