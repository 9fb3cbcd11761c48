/* SPDX-License-Identifier: MIT */
/* What dirty.c and dirty_way.c share. */
#ifndef XBAR_ENGINE_DIRTY_INTERNAL_H
#define XBAR_ENGINE_DIRTY_INTERNAL_H

#include "engine/engine_internal.h"

static inline void dirty__unite(struct xbar_range *range,
                                const struct xbar_range *other)
{
    range->first = other->first < range->first ? other->first : range->first;
    range->last = other->last > range->last ? other->last : range->last;
}

/* Cut to what @mr shows of itself now. Is anything left? */
static inline bool dirty__clip(const MemoryRegion *mr, struct xbar_range *range)
{
    if ((mr->flags & (XBAR_REGION_ENABLED | REGION_EMPTY)) !=
            XBAR_REGION_ENABLED ||
        range->first > mr->last) {
        return false;
    }
    range->last = range->last < mr->last ? range->last : mr->last;
    return true;
}

/* @range of @mr, as its container sees it. False: nothing of it. */
static inline bool dirty__lift(const MemoryRegion *mr, struct xbar_range *range)
{
    if (__builtin_add_overflow(range->first, mr->addr, &range->first)) {
        return false;
    }
    if (__builtin_add_overflow(range->last, mr->addr, &range->last)) {
        range->last = UINT64_MAX;
    }
    return dirty__clip(mr->container, range);
}

/* dirty.c: one more for @mr, which passes it on, or is a root. -ENOMEM. */
int dirty__add_window(MemoryRegion *mr, const struct xbar_window *window)
    XBAR_MUST_CHECK;

/* dirty_way.c: each region's marks by themselves, as far as that goes. -ENOMEM. */
int dirty__climb(const struct dirty_mark *marks, size_t count) XBAR_MUST_CHECK;

#endif
