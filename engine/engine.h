/* SPDX-License-Identifier: MIT */
/**
 * An engine: everything that one machine's regions, views and caches share.
 *
 * No state lives outside an engine but one default engine, so two machines
 * in two threads of one process never meet. Calls that keep QEMU's shape and
 * have no room for an engine (memory_region_init, memory_region_transaction_
 * begin) use the one current on the thread:
 *
 *     struct xbar_engine *engine = xbar_engine_new(NULL);
 *     xbar_engine_enter(engine);
 *     memory_region_init(&root, NULL, "system", UINT64_MAX);
 *     ...
 *     xbar_engine_leave(engine);
 *
 * With none entered, the process default is used; it is made on first use and
 * never freed.
 */
#ifndef XBAR_ENGINE_ENGINE_H
#define XBAR_ENGINE_ENGINE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_engine;
struct Object;
struct MemoryRegion;

/**
 * Where an engine's memory comes from. The default is the C library's.
 *
 * @alloc returns zeroed memory aligned to @align (a power of two, at least 8)
 * or NULL. @free gets what @alloc returned, with the same size. Both may be
 * called on any thread. Guest RAM does not come from here; nor, unless
 * @is_exact, does what an engine makes for its views and its index once it has
 * more than 4 096 regions: that lies in huge pages, which it maps by itself.
 */
struct xbar_allocator {
    void *(*alloc)(void *opaque, size_t size, size_t align);
    void (*free)(void *opaque, void *ptr, size_t size);
    void *opaque;

    /*
     * Ask @alloc for every object, and call @free as soon as nobody uses it any
     * more. Else an engine keeps up to 2 MiB of what commits gave up, for the
     * next commits: that is quicker, but who counts requests, or fails the n-th,
     * or looks for uses after free, sees less.
     */
    bool is_exact;
};

/** One access that reached dispatch, as an observer sees it. */
struct xbar_access {
    struct MemoryRegion *mr;
    hwaddr offset;  /* in @mr */
    uint64_t value; /* read or written, in the device's byte order */
    unsigned size;  /* bytes: 1, 2, 4, 8 */
    bool is_write;
    MemTxResult result;
    /* What the callbacks took, by config.ticks, waiting for the region's lock
     * included; 0 without it, and for a write that had waited in a queue. */
    uint64_t ticks;
};

/** How to make an engine; zero means the default for every field. */
struct xbar_engine_config {
    const struct xbar_allocator *allocator; /* copied */

    /* What DEVICE_NATIVE_ENDIAN means here. */
    bool guest_is_big_endian;

    /*
     * Called after each access that reached a device's callbacks (once, even
     * if it took several), on the accessing thread, inside its read section,
     * without the region's lock. Access plans are made for it when a
     * region is initialised, so that an engine without one pays nothing.
     */
    void (*observe)(void *opaque, const struct xbar_access *access);
    void *observe_opaque;

    /* A clock for the observer's sake, of whatever unit: see xbar_access. Any
     * thread. NULL: nobody asks. */
    uint64_t (*ticks)(void);

    /*
     * Told when a call without a checked result (a device model's void-style
     * memory_region_add_subregion) voided a transaction for want of memory.
     */
    void (*out_of_memory)(void *opaque);
    void *out_of_memory_opaque;

    /*
     * Told of every transaction that became void, whoever looks at results or
     * not: @error is what memory_region_transaction_commit() lists, and -ELOOP
     * if subscribers' edits never settled, which no result says. On the thread
     * that committed, after the undo, once for each engine it touched and with
     * none of that engine's locks; after out_of_memory for the same.
     */
    void (*transaction_void)(void *opaque, int error);
    void *transaction_void_opaque;

    /*
     * Asked, at the end of a commit, when more than 64 MiB wait for
     * xbar_engine_reclaim(): have a thread call it soon. Once per reclaim, on
     * the committing thread, which may be inside a device callback: so do not
     * reclaim here, but make vCPUs reach a safe point and let another thread
     * do it. Without it memory may pile up while commits are frequent.
     */
    void (*reclaim_wanted)(void *opaque);
    void *reclaim_wanted_opaque;

    /*
     * Told what is worth a line, if @log_mask has its bit (XBAR_LOG_*): a
     * guest's access that a device refuses, and what device models say with
     * xbar_log(). On the thread where it happens, maybe inside a callback.
     * @text has no newline and lives until the return.
     */
    void (*log)(void *opaque, unsigned mask, const char *text);
    void *log_opaque;
    unsigned log_mask;

    /*
     * Writes to coalesced ranges (memory_region_add_coalescing) are queued, and
     * some wait now, where none did in their region: call
     * xbar_engine_flush_coalesced() soon. On the thread that wrote; must not
     * block. NULL: nothing is ever queued.
     */
    void (*coalesced)(void *opaque);
    void *coalesced_opaque;

    /*
     * Keep a region's owner alive: once for each reference that a view takes
     * to a region, and the opposite when it lets go. Any thread, maybe under
     * the writer lock: must not change the tree. NULL: owners are not counted.
     */
    void (*owner_ref)(struct Object *owner);
    void (*owner_unref)(struct Object *owner);
};

/**
 * xbar_engine_new() - make an engine
 * @config: NULL for the defaults
 *
 * Return: the engine, owned by the caller; NULL if memory is short.
 */
XBAR_API struct xbar_engine *
xbar_engine_new(const struct xbar_engine_config *config) XBAR_MUST_CHECK;

/**
 * xbar_engine_free() - end an engine
 *
 * Every AddressSpace must be destroyed and every region of it finalised.
 * Waits for a grace period. Freeing the process default is -EINVAL.
 *
 * Context: as xbar_engine_reclaim(); no thread is in @engine.
 * Return: 0; -EBUSY while regions, address spaces or snapshots are left, or
 * while this thread has entered it (nothing freed); -EDEADLK.
 */
XBAR_API int xbar_engine_free(struct xbar_engine *engine);

/**
 * xbar_engine_enter() / xbar_engine_leave() - make @engine the thread's own
 *
 * Nests, up to 8 deep; leave must name the engine entered last.
 * Return: 0; -EINVAL on a mismatch or past the depth.
 */
XBAR_API int xbar_engine_enter(struct xbar_engine *engine);
XBAR_API int xbar_engine_leave(struct xbar_engine *engine);

/** xbar_engine_current() - the engine in force on this thread, never NULL. */
XBAR_API struct xbar_engine *xbar_engine_current(void);

/** xbar_engine_is_big_endian() - the guest's byte order, as configured */
XBAR_API bool xbar_engine_is_big_endian(const struct xbar_engine *engine);

/**
 * xbar_engine_lock() / xbar_engine_unlock() - the machine lock
 *
 * Held around callbacks of regions with XBAR_LOCK_MACHINE, the default. A
 * thread that touches device state from outside a callback (an I/O thread, a
 * timer) takes it too. Recursive.
 *
 * Row M-96. Context: any thread. Taken before the writer lock of a commit,
 * never after.
 */
XBAR_API void xbar_engine_lock(struct xbar_engine *engine);
XBAR_API void xbar_engine_unlock(struct xbar_engine *engine);

/**
 * xbar_engine_reclaim() - free what commits retired
 *
 * Waits for one grace period if anything is retired, then frees it and calls
 * the `done` callbacks of regions and address spaces that ended. libxbar
 * starts no thread: the embedder calls this now and then, at most about once
 * a millisecond. It waits for vCPUs, so the caller must hold no lock that a
 * device callback takes, the machine lock included.
 *
 * Context: outside any read section, open transaction, xbar_tree_hold() and
 * callback of a reclaim, of whichever engine, or it is -EDEADLK: it waits for
 * the readers of all engines.
 * Return: the number of objects freed, or -errno.
 */
XBAR_API int64_t xbar_engine_reclaim(struct xbar_engine *engine);

/**
 * xbar_engine_allocate() / xbar_engine_release() - the engine's allocator
 *
 * For what lives beside an engine and shall come from where its memory does.
 * @ptr: what allocate returned, with the same @size; NULL is fine.
 * Return: zeroed memory, aligned for any type; NULL if memory is short.
 */
XBAR_API void *xbar_engine_allocate(struct xbar_engine *engine, size_t size)
    XBAR_MUST_CHECK;
XBAR_API void xbar_engine_release(struct xbar_engine *engine, void *ptr,
                                  size_t size);

/* ---- The log ----------------------------------------------------------- */

/** What a line is about; values are QEMU's. Row M-34. */
#define XBAR_LOG_UNIMP       (1u << 10) /* a device does not do that (yet) */
#define XBAR_LOG_GUEST_ERROR (1u << 11) /* a guest does what it should not */
/* xbar's own: a call was refused, as its caller made a mistake: which, of what,
 * why. Maybe under the writer lock, so the hook must not change the tree. */
#define XBAR_LOG_MISUSE (1u << 30)

/**
 * xbar_log() - a line for the log of an engine
 * @mask: XBAR_LOG_*, or bits that the embedder gives a meaning
 * @fmt: one line, with or without a newline; cut at 255 bytes
 *
 * The engine is that of the device whose callback this thread is in, if it is
 * recorded (xbar_access_origin); else the one current on the thread.
 */
XBAR_API void xbar_log(unsigned mask, const char *fmt, ...) XBAR_PRINTF(2, 3);

/** xbar_log_is_wanted() - would xbar_log() with @mask tell anybody? */
XBAR_API bool xbar_log_is_wanted(unsigned mask);

/**
 * xbar_engine_flush_coalesced() - make the writes that wait in queues
 *
 * Calls devices, under their regions' locks. What waits for a device that this
 * thread is inside of goes on waiting. Row M-68.
 *
 * Context: any thread that may call devices. Return: 0; -EDEADLK where a
 * listener is told or a transaction is open, as there it may not.
 */
XBAR_API int xbar_engine_flush_coalesced(struct xbar_engine *engine);

/** Counters since the engine was made; live values where named so. */
struct xbar_engine_stats {
    uint64_t commits;       /* outermost, with something to do */
    uint64_t commits_void;  /* rolled back: out of memory, or aborted */
    uint64_t regions;       /* live */
    uint64_t bytes_live;    /* in use, now */
    uint64_t bytes_retired; /* of those, awaiting a grace period */

    /* What commits did to views: how many they published, how many windows of
     * addresses they resolved anew, how many nodes of an index they made. */
    uint64_t views;
    uint64_t windows;
    uint64_t nodes_copied;
};

/** xbar_engine_get_stats() - all of them, as of now. Context: any thread. */
XBAR_API void xbar_engine_get_stats(struct xbar_engine *engine,
                                    struct xbar_engine_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
