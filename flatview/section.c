/* SPDX-License-Identifier: MIT */
/* Sections as QEMU's callers know them: found, copied, cut. */
#include "flatview/section.h"

#include "engine/alloc.h"
#include "engine/commit.h"
#include "engine/tree.h"
#include "flatview/flatview_internal.h"

/* ---- Finding ----------------------------------------------------------- */

/* Up to the outermost container. False: @addr is beyond 2^64 there. */
static bool climb(MemoryRegion **mr, hwaddr *addr)
{
    struct xbar_region_info info;

    xbar_region_inspect(*mr, &info);
    while (info.container != NULL) {
        if (__builtin_add_overflow(*addr, info.addr, addr)) {
            return false;
        }
        *mr = info.container;
        xbar_region_inspect(*mr, &info);
    }
    return true;
}

static MemoryRegionSection section_of(const FlatRange *range, hwaddr first,
                                      hwaddr last)
{
    hwaddr from = range->first > first ? range->first : first;
    hwaddr to = range->last < last ? range->last : last;

    return (MemoryRegionSection){
        .size = (Int128)(to - from) + 1,
        .mr = range->mr,
        .offset_within_region = from + range->mr_delta,
        .offset_within_address_space = from,
        .readonly = (range->flags & FLAT_RANGE_READONLY) != 0,
        .nonvolatile = (range->flags & FLAT_RANGE_NONVOLATILE) != 0,
    };
}

/* The tree is held, so the view stands still, too. */
static MemoryRegionSection find_held(MemoryRegion *mr, hwaddr addr,
                                     uint64_t size)
{
    MemoryRegionSection section = { .size = 0 };
    const FlatRange *range = NULL;
    AddressSpace *as;
    hwaddr last;

    if (size == 0 || !climb(&mr, &addr)) {
        return section;
    }
    as = flatview__space_of_root(mr);
    if (as != NULL) {
        range = flatview_next_range(flatview__current(as), addr);
    }
    last = size - 1 > UINT64_MAX - addr ? UINT64_MAX : addr + (size - 1);
    if (range != NULL && range->first <= last) {
        section = section_of(range, addr, last);
        xbar_region_get(section.mr);
    }
    return section;
}

MemoryRegionSection memory_region_find(MemoryRegion *mr, hwaddr addr,
                                       uint64_t size)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    MemoryRegionSection section = { .size = 0 };

    if (engine != NULL) {
        xbar_tree_hold(engine);
        section = find_held(mr, addr, size);
        xbar_tree_release(engine);
    }
    return section;
}

bool memory_region_present(MemoryRegion *container, hwaddr addr)
{
    MemoryRegionSection section = memory_region_find(container, addr, 1);
    bool is_present = section.mr != NULL && section.mr != container;

    memory_region_section_unref(&section);
    return is_present;
}

/* ---- Keeping ----------------------------------------------------------- */

void memory_region_section_unref(MemoryRegionSection *section)
{
    if (section->mr != NULL) {
        xbar_region_put(section->mr);
        *section = (MemoryRegionSection){ .size = 0 };
    }
}

MemoryRegionSection *
memory_region_section_new_copy(const MemoryRegionSection *section)
{
    struct xbar_engine *engine = xbar_region_engine(section->mr);
    MemoryRegionSection *copy = xbar_alloc(engine, sizeof(*copy));

    if (copy != NULL) {
        *copy = *section;
        xbar_region_get(copy->mr);
    }
    return copy;
}

/* The region may end with its last reference: its engine is asked before. */
void memory_region_section_free_copy(MemoryRegionSection *copy)
{
    struct xbar_engine *engine;

    if (copy != NULL) {
        engine = xbar_region_engine(copy->mr);
        xbar_region_put(copy->mr);
        xbar_free(engine, copy, sizeof(*copy));
    }
}

bool memory_region_section_intersect_range(MemoryRegionSection *section,
                                           uint64_t offset, uint64_t size)
{
    Int128 start = section->offset_within_region;
    Int128 end = start + section->size;
    Int128 from = offset > start ? (Int128)offset : start;
    Int128 to = (Int128)offset + size < end ? (Int128)offset + size : end;

    if (from >= to) {
        return false;
    }
    section->offset_within_address_space += (hwaddr)(from - start);
    section->offset_within_region = (hwaddr)from;
    section->size = to - from;
    return true;
}
