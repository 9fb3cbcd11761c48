/* SPDX-License-Identifier: MIT */
/**
 * Looking at the region tree from outside engine/: what the renderer, the
 * dumps and a program's own listing read.
 *
 * Context of everything here: inside a transaction of the region's engine
 * (memory_region_transaction_begin and xbar_tree_hold), so that the tree
 * stands still.
 */
#ifndef XBAR_ENGINE_TREE_H
#define XBAR_ENGINE_TREE_H

#include "memory.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a region is, as bits; see struct xbar_region_info. */
enum xbar_region_flags {
    XBAR_REGION_TERMINATES = 1 << 0, /* answers accesses itself */
    XBAR_REGION_RAM = 1 << 1,        /* memory behind it (ROM included) */
    XBAR_REGION_READONLY = 1 << 2,
    XBAR_REGION_NONVOLATILE = 1 << 3,
    XBAR_REGION_ENABLED = 1 << 4,
    XBAR_REGION_ROMD = 1 << 5,       /* reads direct, writes to callbacks */
    XBAR_REGION_RAM_DEVICE = 1 << 6, /* memory of a device; RAM is set, too */
    XBAR_REGION_IOMMU = 1 << 7,      /* accesses go where it says */
};

/** A copy of a region's properties. */
struct xbar_region_info {
    uint32_t flags; /* enum xbar_region_flags */
    int32_t priority;
    hwaddr addr; /* in the container */
    Int128 size; /* bytes, 0 to 2^64 */
    MemoryRegion *container;
    MemoryRegion *alias; /* NULL if it is none */
    hwaddr alias_offset;
    uint8_t *host; /* host address of byte 0, or NULL */
    const struct xbar_access_plan *plan;
};

/** xbar_region_inspect() - copy what @mr is */
XBAR_API void xbar_region_inspect(const MemoryRegion *mr,
                                  struct xbar_region_info *info);

/** A growable list of regions; zero it to start, free it at the end. */
struct xbar_region_list {
    MemoryRegion **items;
    size_t count;
    size_t capacity;
};

/**
 * xbar_region_children() - append the sub-regions that touch a window
 * @first, @last: the window in @mr, inclusive
 *
 * Appended in decode order: highest priority first, newest first among
 * equals. Disabled and empty ones are included. Visits O(log n + found).
 *
 * Return: 0, or -ENOMEM with @list as it was.
 */
XBAR_API int xbar_region_children(const MemoryRegion *mr, hwaddr first,
                                  hwaddr last, struct xbar_region_list *list)
    XBAR_MUST_CHECK;

/** xbar_region_list_free() - with any region of the engine; it is empty then */
XBAR_API void xbar_region_list_free(const MemoryRegion *mr,
                                    struct xbar_region_list *list);

/**
 * xbar_tree_hold() / xbar_tree_release() - keep the tree of an engine still
 *
 * Takes the engine's writer lock; recursive on one thread. Accesses go on.
 */
XBAR_API void xbar_tree_hold(struct xbar_engine *engine);
XBAR_API void xbar_tree_release(struct xbar_engine *engine);

/** xbar_region_engine() - the engine that @mr belongs to */
XBAR_API struct xbar_engine *xbar_region_engine(const MemoryRegion *mr);

#ifdef __cplusplus
}
#endif

#endif
