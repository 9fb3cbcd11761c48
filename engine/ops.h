/* SPDX-License-Identifier: MIT */
/*
 * What a device's MemoryRegionOps say, with the defaults filled in.
 */
#ifndef XBAR_ENGINE_OPS_H
#define XBAR_ENGINE_OPS_H

#include "engine/memory.h"

static inline unsigned ops__impl_min(const MemoryRegionOps *ops)
{
    unsigned min = ops->impl.min_access_size;

    return min ? min : 1;
}

/* The default is 4, but a device that wants 8 at least does 8. */
static inline unsigned ops__impl_max(const MemoryRegionOps *ops)
{
    unsigned max = ops->impl.max_access_size;

    if (max) {
        return max;
    }
    return ops->impl.min_access_size > 4 ? ops->impl.min_access_size : 4;
}

static inline bool ops__has_read(const MemoryRegionOps *ops)
{
    return ops->read || ops->read_with_attrs;
}

static inline bool ops__has_write(const MemoryRegionOps *ops)
{
    return ops->write || ops->write_with_attrs;
}

/* Does `valid` take this size? max 0: any, and min is not looked at. */
static inline bool ops__takes_size(const MemoryRegionOps *ops, unsigned size)
{
    return !ops->valid.max_access_size || (size >= ops->valid.min_access_size &&
                                           size <= ops->valid.max_access_size);
}

/* Is the device's order not the host's? */
bool ops__is_swapped(const struct xbar_engine *engine,
                     const MemoryRegionOps *ops);
bool ops__is_big_endian(const struct xbar_engine *engine,
                        const MemoryRegionOps *ops);

/* memory_region_init_io()'s list of contradictions. */
bool ops__is_consistent(const MemoryRegionOps *ops);

/* No access needs read, merge and write: XBAR_LOCK_NONE is possible. */
bool ops__is_safe_unlocked(const MemoryRegionOps *ops);

#endif
