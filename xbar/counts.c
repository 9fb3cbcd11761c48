/* SPDX-License-Identifier: MIT */
#include "counts.h"

#include <stdio.h>
#include <string.h>

#include "mtree_walk.h"

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
    memset(counts, 0, sizeof(*counts));
    (void)mtree_for_each_range(as, add_section, counts);
}

static void count(struct counts *counts, const MemoryRegion *mr, bool is_write,
                  unsigned size)
{
    struct region_count *row = find_row(counts, mr);

    if (!row) {
        return;
    }
    if (is_write) {
        row->writes++;
        row->bytes_written += size;
    } else {
        row->reads++;
        row->bytes_read += size;
    }
}

void counts_observe_device(void *opaque, const struct xbar_access *access)
{
    if (!memory_region_is_ram(access->mr)) {
        count(opaque, access->mr, access->is_write, access->size);
    }
}

void counts_observe_memory(void *opaque, const FlatRange *section,
                           enum xbar_tlb_access access, unsigned size)
{
    if ((section->flags & FLAT_RANGE_RAM) && access != TLB_EXEC) {
        count(opaque, section->mr, access == TLB_WRITE, size);
    }
}

uint64_t counts_total(const struct counts *counts)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < counts->num_regions; i++) {
        total += counts->regions[i].reads + counts->regions[i].writes;
    }
    return total;
}
