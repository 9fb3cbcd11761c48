/* SPDX-License-Identifier: MIT */
/**
 * Finding out what an address space shows of a region, and copies of that.
 */
#ifndef XBAR_FLATVIEW_SECTION_H
#define XBAR_FLATVIEW_SECTION_H

#include "flatview.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * memory_region_find() - what is visible at @addr of @mr. Row M-16.
 * @mr: a region of the tree; its outermost container must be the root of an
 * address space (of several, the one that was made first)
 * @addr, @size: a range in @mr, in bytes
 *
 * The first piece of the range that decodes, cut to the range; its offset
 * counts in the region that was found. Call again for what comes after it.
 * The region is referenced: memory_region_section_unref() ends that, or
 * memory_region_unref(). fv is NULL.
 *
 * Context: any thread; takes the engine's writer lock. Aliases are not climbed:
 * a region shown through an alias only is found through the alias.
 * Return: size 0 and mr NULL if nothing is visible there.
 */
XBAR_API MemoryRegionSection memory_region_find(MemoryRegion *mr, hwaddr addr,
                                                uint64_t size);

/**
 * memory_region_present() - does a sub-region of @container answer @addr?
 *
 * Not @container itself, which fills its own holes. Row M-17. Context: as
 * memory_region_find().
 */
XBAR_API bool memory_region_present(MemoryRegion *container, hwaddr addr);

/**
 * memory_region_section_new_copy() - a copy that keeps the region alive
 *
 * Row M-18. Context: while @section's region is alive (a read section, a
 * listener's callback, a reference). Return: NULL if memory is short.
 */
XBAR_API MemoryRegionSection *
memory_region_section_new_copy(const MemoryRegionSection *section)
    XBAR_MUST_CHECK;

/** memory_region_section_free_copy() - end it; NULL is allowed. Row M-18. */
XBAR_API void memory_region_section_free_copy(MemoryRegionSection *copy);

/** memory_region_section_unref() - the reference of memory_region_find().
 * Row M-16. */
XBAR_API void memory_region_section_unref(MemoryRegionSection *section);

/**
 * memory_region_section_intersect_range() - cut @section to a range
 * @offset, @size: in the section's region
 *
 * Row M-18. Return: false, with @section as it was, if they have no byte in common.
 */
XBAR_API bool
memory_region_section_intersect_range(MemoryRegionSection *section,
                                      uint64_t offset, uint64_t size);

/**
 * MemoryRegionSection_eq() - do both say the same? Row M-18.
 *
 * fv counts, too: copies of sections of two views differ.
 */
static inline bool MemoryRegionSection_eq(const MemoryRegionSection *a,
                                          const MemoryRegionSection *b)
{
    return a->mr == b->mr && a->fv == b->fv &&
           a->offset_within_region == b->offset_within_region &&
           a->offset_within_address_space == b->offset_within_address_space &&
           a->size == b->size && a->readonly == b->readonly &&
           a->nonvolatile == b->nonvolatile;
}

#ifdef __cplusplus
}
#endif

#endif
