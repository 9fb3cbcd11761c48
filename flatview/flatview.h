/* SPDX-License-Identifier: MIT */
/**
 * A FlatView: an immutable snapshot of what decodes where.
 *
 * A commit renders the region tree into sections and publishes a new view
 * with one store. Readers look addresses up without locks; a view, and the
 * sections that only it has, live until a grace period after the next one was
 * published. A section keeps its identity across commits that do not touch
 * it, so a pointer to one may be cached until the cache is told otherwise.
 *
 * Rows M-12, M-95.
 */
#ifndef XBAR_FLATVIEW_FLATVIEW_H
#define XBAR_FLATVIEW_FLATVIEW_H

#include "../engine/memory.h"
#include "../engine/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct AddressSpace AddressSpace;
typedef struct FlatView FlatView;
typedef struct FlatRange FlatRange;
typedef struct MemoryRegionSection MemoryRegionSection;

enum flat_range_flags {
    FLAT_RANGE_RAM = 1 << 0, /* reads go to memory: host address is valid */
    FLAT_RANGE_WRITABLE = 1 << 1, /* so do writes */
    /* By the region or by its path: writes are dropped, and that is MEMTX_OK,
     * whatever is behind it. */
    FLAT_RANGE_READONLY = 1 << 2,
    FLAT_RANGE_NONVOLATILE = 1 << 3,
    FLAT_RANGE_UNASSIGNED = 1 << 4, /* nothing decodes here */
    FLAT_RANGE_BARE = 1 << 6,  /* callbacks with nothing held: see FlatRange */
    FLAT_RANGE_IOMMU = 1 << 5, /* mr says where the access goes: iommu.h */
};

/**
 * One section: a range of addresses that one region answers in one way.
 *
 *   addresses first .. last (inclusive); region offset = addr + mr_delta
 *   host address = addr + host_delta, if RAM; else, if BARE, host_delta is
 *   the callbacks' opaque pointer
 *
 * Immutable once published, and exactly one cache line. Public because TLB
 * entries and generated code hold pointers to it.
 */
struct FlatRange {
    hwaddr first;
    hwaddr last;
    uint64_t mr_delta;   /* offset in @mr of address 0, mod 2^64 */
    uint64_t host_delta; /* host address of guest address 0, mod 2^64 */
    MemoryRegion *mr;    /* the leaf that answers; NULL where unassigned */
    const struct xbar_access_plan *plan;
    uint32_t flags; /* enum flat_range_flags */
    uint32_t born;  /* private to flatview/; atomic */
    void *retired;  /* private: link of the retire queue */
};

/** A piece of an address space, as QEMU's callers know it. */
struct MemoryRegionSection {
    Int128 size; /* bytes; 0: nothing found */
    MemoryRegion *mr;
    FlatView *fv;
    hwaddr offset_within_region;
    hwaddr offset_within_address_space;
    bool readonly;
    bool nonvolatile;
};

/**
 * address_space_to_flatview() - the current view
 *
 * Context: inside a read section (xbar_read_begin, or a callback). The view
 * lives until that section ends.
 */
XBAR_API FlatView *address_space_to_flatview(AddressSpace *as);

/**
 * flatview_lookup() - find the section that decodes @addr
 * @view: a snapshot; the caller keeps it alive
 * @addr: guest-physical address
 *
 * Context: any thread, inside a read section. Never blocks or allocates.
 * Return: the section; one flagged FLAT_RANGE_UNASSIGNED, whose mr is NULL
 * and whose first and last say nothing, where nothing decodes.
 */
XBAR_API const FlatRange *flatview_lookup(const FlatView *view, hwaddr addr);

/** A callback for each section; true stops. */
typedef bool (*flatview_cb)(Int128 start, Int128 len, const MemoryRegion *mr,
                            hwaddr offset_in_region, void *opaque);

/** flatview_for_each_range() - in ascending order of addresses */
XBAR_API void flatview_for_each_range(FlatView *view, flatview_cb cb,
                                      void *opaque);

/**
 * flatview_next_range() - the first section that ends at or after @addr
 *
 * Return: NULL if there is none. Lets a caller walk a view with its flags.
 */
XBAR_API const FlatRange *flatview_next_range(const FlatView *view,
                                              hwaddr addr);

/** flatview_num_ranges() - how many sections @view has */
XBAR_API uint64_t flatview_num_ranges(const FlatView *view);

/* ---- Kept views -------------------------------------------------------- */

/**
 * xbar_view_keep() / xbar_view_release() - a snapshot beyond a read section
 *
 * Keeps the current view of @as, its sections and their regions, until it was
 * released as often as it was kept: to look up in, walk, dump and compare, on
 * any thread. It does not follow the tree, and cannot be put back: an address
 * space shows what the tree says (to make that what it was: snapshot.h). Its
 * sections are not for accesses: memory behind them may be shown elsewhere, or
 * not at all, by now.
 *
 * Meanwhile `done` callbacks of its regions wait; @as may end. Memory that only
 * kept views have is given back by reclaims after the release.
 *
 * Context: not from a view's own callbacks. They take the engine's writer lock.
 * Return: the view; NULL if memory is short, or @as is ending.
 */
XBAR_API FlatView *xbar_view_keep(AddressSpace *as) XBAR_MUST_CHECK;
XBAR_API void xbar_view_release(FlatView *view);

/** What xbar_view_diff() calls for a section of either view; true stops. */
typedef bool (*xbar_view_diff_cb)(const FlatRange *from, const FlatRange *to,
                                  void *opaque);

/**
 * xbar_view_diff() - what differs between two views
 * @cb: called in ascending order: @from and @to are the sections that start at
 * one address, NULL where no section does; true stops
 *
 * Costs what differs if both are of one address space, or of two with the same
 * root, whichever is older; else as much as both have sections. Sections that
 * say the same are not told.
 *
 * Context: both views are kept, or found in the read section that is open.
 * Return: was it stopped?
 */
XBAR_API bool xbar_view_diff(const FlatView *from, const FlatView *to,
                             xbar_view_diff_cb cb, void *opaque);

/**
 * xbar_read_begin() / xbar_read_end() - a read section
 *
 * Nests. Between them, views, sections, and regions seen through them stay
 * alive. Do not sleep in one for long: memory is not given back meanwhile.
 */
XBAR_API void xbar_read_begin(void);
XBAR_API void xbar_read_end(void);

#ifdef __cplusplus
}
#endif

#endif
