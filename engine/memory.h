/* SPDX-License-Identifier: MIT */
/**
 * The region tree: what a machine's address space is made of.
 *
 * Regions are embedded by value in the caller's device and linked into a
 * tree. A container places sub-regions; RAM, ROM and I/O regions answer
 * accesses; an alias shows a window of another region. Where sub-regions
 * overlap, the higher priority wins, and among equals the one added last.
 * Addresses that no sub-region of a container claims fall through to what
 * lies below the container.
 *
 * Every change belongs to a transaction. A change outside one is its own
 * transaction. What changed becomes visible when the outermost transaction
 * commits, all at once, or not at all.
 *
 * Errors. Each call that changes the tree returns 0 or -errno and changes
 * nothing when it fails; QEMU's void-style callers may ignore that. A caller's
 * mistake (double add, cycle, bad size, wrong engine) is -EINVAL, -EEXIST,
 * -ELOOP or -EBUSY, and a line for the log (XBAR_LOG_MISUSE), never an abort.
 * If memory is short the whole outermost transaction is void: the tree and the
 * view stay what they were.
 *
 * Threads. Changes may come from any thread; one engine's transactions
 * exclude one another. Accesses never wait for them.
 */
#ifndef XBAR_ENGINE_MEMORY_H
#define XBAR_ENGINE_MEMORY_H

#include "error.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_access_plan;
struct xbar_engine;
struct xbar_interval_node;
struct xbar_ram_block;

typedef struct MemoryRegion MemoryRegion;
typedef struct MemoryRegionOps MemoryRegionOps;

/** An owner that regions keep alive; opaque here (see compat.h). */
typedef struct Object Object;

/**
 * How deep regions may nest: edges on any way down from a region, through
 * sub-regions and aliases. Deeper, and cycles, are refused with -ELOOP, so
 * that a walk of the tree may recurse.
 */
#define XBAR_TREE_MAX_DEPTH 256

/* ---- Device callbacks -------------------------------------------------- */

/**
 * What a device does, and which accesses it takes. Constant for as long as a
 * region uses it.
 *
 * `valid` says what a guest may do; anything else is MEMTX_DECODE_ERROR and
 * reads 0. `impl` says what the callbacks can do; the dispatcher splits,
 * widens and aligns in between, and never touches a byte that was not asked
 * for. Zero means: valid 1 to 8 (any), impl 1 to 4.
 */
struct MemoryRegionOps {
    /* The value is in the low @size bytes. Either form of each direction. */
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    void (*write)(void *opaque, hwaddr addr, uint64_t data, unsigned size);

    MemTxResult (*read_with_attrs)(void *opaque, hwaddr addr, uint64_t *data,
                                   unsigned size, MemTxAttrs attrs);
    MemTxResult (*write_with_attrs)(void *opaque, hwaddr addr, uint64_t data,
                                    unsigned size, MemTxAttrs attrs);

    enum device_endian endianness;
    struct {
        unsigned min_access_size; /* bytes; 0: 1 */
        unsigned max_access_size; /* bytes; 0: any size, min not looked at */
        bool unaligned; /* offset need not be a multiple of the size */
        bool (*accepts)(void *opaque, hwaddr addr, unsigned size, bool is_write,
                        MemTxAttrs attrs);
    } valid;
    struct {
        unsigned min_access_size; /* bytes; 0: 1 */
        unsigned max_access_size; /* bytes; 0: 4 */
        bool unaligned;
        /*
         * xbar's own: a write narrower than min_access_size reads the aligned
         * word, merges and writes it back. Under XBAR_LOCK_NONE that is a
         * race between vCPUs, and refused at init unless the device says
         * here that it has its own order.
         */
        bool narrow_write_is_safe;
    } impl;
};

/** What is held while a region's callbacks run. */
enum xbar_lock_policy {
    XBAR_LOCK_MACHINE, /* the engine's lock (default) */
    XBAR_LOCK_REGION,  /* one of its own, recursive */
    XBAR_LOCK_NONE, /* callbacks may run at the same time on several threads */
};

/* ---- The region -------------------------------------------------------- */

/**
 * A node of the tree. Zero it or leave it uninitialised before init; it must
 * not move or be copied while initialised.
 *
 * Field order: what dispatch reads comes first, in one cache line.
 */
struct MemoryRegion {
    /* private */
    const MemoryRegionOps *ops XBAR_PRIVATE_ENGINE;
    void *opaque XBAR_PRIVATE_ENGINE;
    const struct xbar_access_plan *plan XBAR_PRIVATE_ENGINE;
    void *lock XBAR_PRIVATE_ENGINE; /* NULL: none */
    struct xbar_engine *engine XBAR_PRIVATE_ENGINE;
    uint32_t flags XBAR_PRIVATE_ENGINE; /* enum xbar_region_flags */
    int32_t priority XBAR_PRIVATE_ENGINE;
    uint64_t last XBAR_PRIVATE_ENGINE;   /* size - 1; unused if is_empty */
    uint32_t hidden XBAR_PRIVATE_ENGINE; /* of @shown, by who reclaims */
    uint32_t refs XBAR_PRIVATE_ENGINE;   /* others than sections; atomic */

    /* What a commit reads beside, in another line. */
    hwaddr addr XBAR_PRIVATE_ENGINE; /* in the container */
    MemoryRegion *container XBAR_PRIVATE_ENGINE;
    uint64_t sequence XBAR_PRIVATE_ENGINE; /* the newest has the highest */
    struct xbar_interval_node *children XBAR_PRIVATE_ENGINE; /* the index */
    MemoryRegion *alias XBAR_PRIVATE_ENGINE; /* what I show, or NULL */
    hwaddr alias_offset XBAR_PRIVATE_ENGINE;
    MemoryRegion *aliased_by XBAR_PRIVATE_ENGINE; /* the aliases that show me */
    uint32_t shown XBAR_PRIVATE_ENGINE; /* sections made, by who commits */
    uint32_t roots XBAR_PRIVATE_ENGINE; /* address spaces of mine */

    struct xbar_ram_block *ram_block XBAR_PRIVATE_ENGINE;
    MemoryRegion *alias_next XBAR_PRIVATE_ENGINE;
    MemoryRegion *alias_prev XBAR_PRIVATE_ENGINE;
    Object *owner XBAR_PRIVATE_ENGINE;
    char *name XBAR_PRIVATE_ENGINE;
    void *work XBAR_PRIVATE_ENGINE; /* NULL: no walk has it in hand */
    uint32_t child_count XBAR_PRIVATE_ENGINE;
    uint16_t height XBAR_PRIVATE_ENGINE; /* longest way down from here */
    bool is_on_way XBAR_PRIVATE_ENGINE;  /* see dirty_way.c */
};

/* ---- Making regions ---------------------------------------------------- */

/*
 * Common to all of these: @mr belongs to the engine current on the thread;
 * @owner may be NULL and is referenced while a view refers to the region
 * (through the engine's owner_ref and owner_unref; without them, only kept);
 * @name is copied (NULL is shown as "anonymous"); @size is in bytes, and
 * UINT64_MAX means 2^64. On failure @mr is left empty and unmapped, and may
 * be initialised again.
 */

/** memory_region_init() - a container, without contents of its own; row M-01 */
XBAR_API int memory_region_init(MemoryRegion *mr, Object *owner,
                                const char *name, uint64_t size);

/**
 * memory_region_init_io() - a region answered by callbacks
 * @ops: must outlive @mr; NULL makes a reservation that answers nothing
 * @opaque: passed to each callback
 *
 * Return: 0; -EINVAL if @ops contradicts itself (sizes not powers of two,
 * min above max, unaligned impl without unaligned valid, no callback for a
 * direction that `valid.accepts` does not rule out); -ENOMEM.
 *
 * Rows M-27, M-34 to M-39.
 */
XBAR_API int memory_region_init_io(MemoryRegion *mr, Object *owner,
                                   const MemoryRegionOps *ops, void *opaque,
                                   const char *name, uint64_t size);

/**
 * memory_region_init_ram() - zeroed memory of its own
 *
 * Private anonymous memory, advised to use huge pages, released when the
 * region ends.
 *
 * Row M-20.
 */
XBAR_API int memory_region_init_ram(MemoryRegion *mr, Object *owner,
                                    const char *name, uint64_t size,
                                    Error **errp);

/**
 * memory_region_init_ram_ptr() - the caller's memory
 * @ptr: @size bytes; never freed or remapped here. It must live until the
 * region's `done` callback (see xbar_region_destroy). Any address will do, but
 * a guest's aligned accesses are single, and its atomics possible, only where
 * the host address is aligned to their size, too: better a page's.
 *
 * Row M-21.
 */
XBAR_API int memory_region_init_ram_ptr(MemoryRegion *mr, Object *owner,
                                        const char *name, uint64_t size,
                                        void *ptr);

/** memory_region_init_rom() - memory that a guest cannot write; row M-25 */
XBAR_API int memory_region_init_rom(MemoryRegion *mr, Object *owner,
                                    const char *name, uint64_t size,
                                    Error **errp);

/**
 * memory_region_init_alias() - a window onto another region
 * @orig: what is shown; must be of the same engine and outlive @mr
 * @offset: where in @orig the window starts
 *
 * Return: 0; -ELOOP if @orig is @mr, or nests too deep; -EINVAL if @orig is
 * not initialised, ends, or is another engine's; -ENOMEM.
 *
 * Row M-05.
 */
XBAR_API int memory_region_init_alias(MemoryRegion *mr, Object *owner,
                                      const char *name, MemoryRegion *orig,
                                      hwaddr offset, uint64_t size);

/**
 * xbar_region_set_lock_policy() - choose what is held around callbacks
 *
 * Only for regions with callbacks, and only while @mr is not mapped and no
 * view has it. Return: 0; -EBUSY; -EINVAL (no callbacks, or narrow writes
 * without a lock, see MemoryRegionOps.impl); -ENOMEM.
 *
 * Row M-96.
 */
XBAR_API int xbar_region_set_lock_policy(MemoryRegion *mr,
                                         enum xbar_lock_policy policy);

/**
 * How many callbacks of devices may be under way on one thread, each set off
 * by the one before. Row M-44.
 */
#define XBAR_REENTRY_MAX_DEPTH 8

/** May an access reach a device from one of its own callbacks? */
enum xbar_reentry {
    XBAR_REENTRY_DEFAULT, /* refuse; with XBAR_LOCK_NONE: nobody looks */
    XBAR_REENTRY_REFUSE,
    XBAR_REENTRY_ALLOW, /* as deep as XBAR_REENTRY_MAX_DEPTH */
};

/**
 * xbar_region_set_reentry() - what happens to a device that reaches itself
 *
 * A guest may make a device write to its own registers (by DMA, or through
 * another device) while a callback of it is under way. Such an access is
 * refused: MEMTX_ACCESS_ERROR, reads give 0, no callback is made, a line for
 * the log. So is one that would be deeper than XBAR_REENTRY_MAX_DEPTH, even if
 * re-entry is allowed. Memory, and ROM devices that are read as memory, may
 * always be reached. Two regions are one device if they have the same owner,
 * or no owners and the same opaque pointer; a chain of callbacks is one
 * thread's.
 *
 * With XBAR_LOCK_NONE nobody looks by default: the callbacks of such a region
 * should set off no access that a guest chooses, or ask for REFUSE or ALLOW.
 *
 * Row M-44. As xbar_region_set_lock_policy(): 0; -EBUSY; -EINVAL.
 */
XBAR_API int xbar_region_set_reentry(MemoryRegion *mr,
                                     enum xbar_reentry reentry);

/** xbar_access_depth() - how many callbacks is this thread in? Regions that are
 * not recorded (above) do not count. Row M-44. */
XBAR_API unsigned xbar_access_depth(void);

/**
 * xbar_access_origin() - what set this access off?
 * @n: 0 is the first device that was entered, xbar_access_depth() - 1 the one
 * whose callback this is
 *
 * The region is good until that callback returns. Row M-44.
 * Return: NULL if there is none.
 */
XBAR_API MemoryRegion *xbar_access_origin(unsigned n);

/* ---- Ending regions ---------------------------------------------------- */

/**
 * xbar_region_destroy() - detach @mr now, end it when nothing refers to it
 * @done: called once no view, TLB or map can reach @mr, on the thread that
 * reclaims; then @mr and memory given to memory_region_init_ram_ptr() may be
 * reused. NULL: wait for that here.
 *
 * Sub-regions of @mr are detached and live on; aliases of @mr show nothing.
 * Inside a transaction that becomes void, @mr lives on and @done is not
 * called. Waiting here is like xbar_engine_reclaim(): hold no lock that a
 * device callback takes.
 *
 * Return: 0; -EBUSY if @done is NULL while @mr is the root of an address space
 * that has not been destroyed: the wait would have no end; -EDEADLK if @done is
 * NULL where xbar_engine_reclaim() would be; -EINVAL if @mr is not initialised
 * or was destroyed before; -ENOMEM (nothing changed).
 *
 * Row M-94.
 */
XBAR_API int xbar_region_destroy(MemoryRegion *mr,
                                 void (*done)(MemoryRegion *mr, void *opaque),
                                 void *opaque);

/* ---- Changing the tree ------------------------------------------------- */

/**
 * memory_region_transaction_begin() / memory_region_transaction_commit()
 *
 * Nest; the outermost commit publishes. One thread's transaction may cover
 * several engines: all of them commit, or none. Threads that open such
 * transactions must touch the engines in the same order. A transaction ends
 * on the thread that began it. Once it is void, further changes are refused
 * with the error that made it so.
 *
 * Return (commit): 0; -EINVAL without a begin; or, if the transaction is void
 * and everything is (for an inner commit: will be) as it was at its begin:
 *
 *     -ENOMEM      memory was short, for a change or for a view
 *     -E2BIG       what aliases of aliases show has no end: in one window of
 *                  addresses that changed, regions would be visited more than
 *                  8 million times and 16 times each. Known at the outermost
 *                  commit only. Without aliases no number is too great
 *     -ECANCELED   xbar_transaction_abort()
 *
 * Edits that subscribers make while they are told follow as rounds of their
 * own; if one of those is void, the result is that of the first round all the
 * same. The engine's transaction_void hook is told of every one.
 *
 * Row M-69.
 */
XBAR_API void memory_region_transaction_begin(void);
XBAR_API int memory_region_transaction_commit(void);

/**
 * xbar_transaction_abort() - make the open outermost transaction void
 *
 * Every begin still needs its commit; the outermost one undoes all changes
 * and returns -ECANCELED. Row M-69. Return: 0; -EINVAL without an open
 * transaction.
 */
XBAR_API int xbar_transaction_abort(void);

/**
 * memory_region_add_subregion() - place @subregion at @offset in @mr
 *
 * Return: 0; -EBUSY if @subregion has a container already; -ELOOP if that
 * would make a cycle, or nest too deep (XBAR_TREE_MAX_DEPTH); -EINVAL for an
 * alias as @mr, or another engine.
 *
 * Row M-02.
 */
XBAR_API int memory_region_add_subregion(MemoryRegion *mr, hwaddr offset,
                                         MemoryRegion *subregion);

/** memory_region_add_subregion_overlap() - the same, with a @priority;
 * rows M-02, M-04 */
XBAR_API int memory_region_add_subregion_overlap(MemoryRegion *mr,
                                                 hwaddr offset,
                                                 MemoryRegion *subregion,
                                                 int priority);

/** memory_region_del_subregion() - take it out; -EINVAL if it is not in @mr;
 * row M-03 */
XBAR_API int memory_region_del_subregion(MemoryRegion *mr,
                                         MemoryRegion *subregion);

/** memory_region_set_enabled() - a disabled region is as if detached;
 * row M-07 */
XBAR_API int memory_region_set_enabled(MemoryRegion *mr, bool enabled);

/** memory_region_set_address() - move it; its order among siblings stays;
 * row M-08 */
XBAR_API int memory_region_set_address(MemoryRegion *mr, hwaddr addr);

/**
 * memory_region_set_size() - show more or less; RAM behind it stays
 *
 * Return: 0; -EINVAL beyond the memory of a RAM region.
 *
 * Rows M-09, M-10.
 */
XBAR_API int memory_region_set_size(MemoryRegion *mr, uint64_t size);

/** memory_region_set_alias_offset() - move the window; -EINVAL if no alias;
 * row M-05 */
XBAR_API int memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset);

/**
 * memory_region_set_readonly() - allow or forbid writes through @mr
 *
 * On a container or alias it holds for that path only.
 *
 * Rows M-13, M-29.
 */
XBAR_API int memory_region_set_readonly(MemoryRegion *mr, bool readonly);

/* ---- Asking ------------------------------------------------------------ */

/** memory_region_size() - bytes; UINT64_MAX for 2^64; rows M-10, M-105 */
XBAR_API uint64_t memory_region_size(MemoryRegion *mr);
/** memory_region_name() - lives as long as @mr is initialised; row M-105 */
XBAR_API const char *memory_region_name(const MemoryRegion *mr);
/** memory_region_owner() - as it was given at init; NULL if none was; row M-93.
 * The caller's reference is not raised. */
XBAR_API Object *memory_region_owner(MemoryRegion *mr);
/** memory_region_is_ram() - RAM or ROM, from the allocator or a pointer;
 * row M-105 */
XBAR_API bool memory_region_is_ram(MemoryRegion *mr);
/** memory_region_is_rom() - RAM that is read-only; row M-105 */
XBAR_API bool memory_region_is_rom(MemoryRegion *mr);
/** memory_region_is_mapped() - in a container, or an alias of it is;
 * row M-06 */
XBAR_API bool memory_region_is_mapped(MemoryRegion *mr);
/**
 * memory_region_get_ram_ptr() - host address of byte 0, through aliases
 *
 * Return: NULL if there is no memory behind @mr. Lives as long as @mr.
 *
 * Row M-105.
 */
XBAR_API void *memory_region_get_ram_ptr(MemoryRegion *mr);

#ifdef __cplusplus
}
#endif

#endif
