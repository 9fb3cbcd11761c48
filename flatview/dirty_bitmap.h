/* SPDX-License-Identifier: MIT */
/**
 * Dirty logging: which pages of a region's memory were written since somebody
 * last looked. For displays, migration, snapshots, caches of what was decoded.
 *
 *     memory_region_set_log(&vram, true, DIRTY_MEMORY_VGA);
 *     ...
 *     snap = memory_region_snapshot_and_clear_dirty(&vram, 0, size,
 *                                                   DIRTY_MEMORY_VGA);
 *     redraw the lines for which memory_region_snapshot_get_dirty() is true
 *     xbar_dirty_snapshot_free(snap);
 *
 * A client is a number; any below 2^31 - 64 will do (what is above is snapshots'
 * and adapters', see docs/adapters.md), and each logs, and clears, on its own.
 * All of a region's memory is dirty when a client starts to log it.
 *
 * What counts: every write that goes through this library, by whichever region
 * or alias shows the memory. Stores and atomics of vCPUs, address_space_*,
 * memory_region_dispatch_write(), page walkers; mapped memory when it is
 * unmapped. What an embedder writes through memory_region_get_ram_ptr() it
 * reports itself: memory_region_set_dirty().
 *
 * Pages have 4 KiB, counted from the region's first byte. A range means the
 * pages that it touches, and no others.
 *
 * Writers in other threads. Once a bit is cleared, memory is read, and a write
 * that this read did not see is reported the next time; none is ever lost. A
 * vCPU on another thread that stored to the page shortly before may be reported
 * once more than it wrote.
 *
 * Off, this costs nothing. On, a vCPU's first store to a page takes the slow
 * path, once for each time that the page's bit is cleared.
 *
 * Context of everything here: any thread; @mr is kept alive by the caller.
 * Rows M-75 to M-80.
 */
#ifndef XBAR_FLATVIEW_DIRTY_BITMAP_H
#define XBAR_FLATVIEW_DIRTY_BITMAP_H

#include "../engine/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Clients that device models know by name. Row M-75. */
enum {
    DIRTY_MEMORY_VGA = 0,
    DIRTY_MEMORY_CODE = 1, /* free for use: xbar finds written code itself */
    DIRTY_MEMORY_MIGRATION = 2,
};

/** Bytes that one bit stands for. */
#define XBAR_DIRTY_PAGE_SIZE ((uint64_t)4096)

/** Why all memory is logged; see memory_global_dirty_log_start(). Row M-77. */
enum {
    GLOBAL_DIRTY_MIGRATION = 1 << 0,
    GLOBAL_DIRTY_DIRTY_RATE = 1 << 1,
    GLOBAL_DIRTY_LIMIT = 1 << 2,
};

/** A copy of dirty bits; see memory_region_snapshot_and_clear_dirty(). */
typedef struct DirtyBitmapSnapshot DirtyBitmapSnapshot;

/**
 * memory_region_set_log() - start or stop to log writes for @client
 *
 * Counted: as many stops as starts. Takes effect at once, also inside a
 * transaction, which does not undo it. Listeners are told by log_start and
 * log_stop when the outermost transaction ends, after what it commits; in a
 * callback of a listener, so, after all have heard of this commit.
 *
 * Context: takes the writer lock. Row M-76.
 * Return: 0; -EINVAL if there is no memory behind @mr (an alias has none of
 * its own), or @client does not log it; -ENOMEM.
 */
XBAR_API int memory_region_set_log(MemoryRegion *mr, bool log, unsigned client);

/** memory_region_is_logging() - does @client log @mr? Row M-76. */
XBAR_API bool memory_region_is_logging(MemoryRegion *mr, unsigned client);

/**
 * memory_region_get_dirty_log_mask() - who logs @mr
 *
 * Bit n for client n up to 29; bit 30 for any beyond. Row M-76.
 */
XBAR_API int memory_region_get_dirty_log_mask(MemoryRegion *mr);

/**
 * memory_region_set_dirty() - @size bytes at @addr of @mr were written
 *
 * After they were, by who wrote them behind the library's back. Row M-78.
 */
XBAR_API void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr,
                                      hwaddr size);

/**
 * memory_region_get_dirty() - was any of @size bytes at @addr written?
 *
 * False if @client does not log @mr. Row M-78.
 */
XBAR_API bool memory_region_get_dirty(MemoryRegion *mr, hwaddr addr,
                                      hwaddr size, unsigned client);

/** memory_region_test_and_clear_dirty() - the same; is clean then. Row M-78 */
XBAR_API bool memory_region_test_and_clear_dirty(MemoryRegion *mr, hwaddr addr,
                                                 hwaddr size, unsigned client);

/** memory_region_reset_dirty() - clean from now on. Row M-78 */
XBAR_API void memory_region_reset_dirty(MemoryRegion *mr, hwaddr addr,
                                        hwaddr size, unsigned client);

/**
 * memory_region_sync_dirty_bitmap() - ask listeners what was written to @mr
 *
 * Calls log_sync for each section that shows @mr, or log_sync_global, and then
 * log_global_after_sync. What vCPUs of this library write needs none of it.
 *
 * Context: takes the writer lock. Row M-80.
 */
XBAR_API void memory_region_sync_dirty_bitmap(MemoryRegion *mr);

/**
 * memory_region_clear_dirty_bitmap() - tell listeners that bits were cleared
 *
 * Calls log_clear for what shows the @len bytes at @start. The calls here that
 * clear do so by themselves. Takes the writer lock. Row M-80.
 */
XBAR_API void memory_region_clear_dirty_bitmap(MemoryRegion *mr, hwaddr start,
                                               hwaddr len);

/**
 * memory_region_snapshot_and_clear_dirty() - copy the bits of a range
 *
 * Syncs with listeners first. What is written while it runs is in this
 * snapshot or in the next one.
 *
 * Return: the caller's, to be freed; NULL if memory is short (nothing was
 * cleared) or @client does not log @mr. Row M-79.
 */
XBAR_API DirtyBitmapSnapshot *
memory_region_snapshot_and_clear_dirty(MemoryRegion *mr, hwaddr addr,
                                       hwaddr size, unsigned client)
    XBAR_MUST_CHECK;

/**
 * memory_region_snapshot_get_dirty() - was any of a part of it dirty?
 * @addr, @size: bytes of @mr; what is outside of the snapshot counts as clean
 *
 * Row M-79.
 */
XBAR_API bool memory_region_snapshot_get_dirty(MemoryRegion *mr,
                                               DirtyBitmapSnapshot *snap,
                                               hwaddr addr, hwaddr size);

/** xbar_dirty_snapshot_free() - QEMU's callers say g_free(); NULL is fine */
XBAR_API void xbar_dirty_snapshot_free(DirtyBitmapSnapshot *snap);

/**
 * xbar_dirty_changes() - a number that moves when a clean page becomes dirty
 *
 * For any client of @engine, after the page's bit was set: who polls compares
 * it with what it was, and looks for dirty pages only if it differs.
 *
 * Return: where it is, for as long as @engine; to be read with acquire.
 */
XBAR_API const uint64_t *xbar_dirty_changes(const struct xbar_engine *engine);

/* ---- All memory -------------------------------------------------------- */

/**
 * memory_global_dirty_log_start() - log all memory for DIRTY_MEMORY_MIGRATION
 * @flags: why: some of GLOBAL_DIRTY_*; logging lasts until each was stopped
 *
 * Of the engine that is current on the thread: all RAM and ROM, and what is
 * made from now on. Listeners are told by log_global_start, and of each section
 * by log_start. Row M-77.
 *
 * Context: takes the writer lock.
 * Return: 0; -EINVAL for other flags or none; -ENOMEM (nothing changed).
 */
XBAR_API int memory_global_dirty_log_start(unsigned int flags);

/** memory_global_dirty_log_stop() - the opposite; unset flags are ignored */
XBAR_API int memory_global_dirty_log_stop(unsigned int flags);

/**
 * memory_global_dirty_log_sync() - ask all listeners what was written
 *
 * log_sync for each section of every address space of the current engine, or
 * log_sync_global, then log_global_after_sync. Row M-80.
 */
XBAR_API void memory_global_dirty_log_sync(void);

#ifdef __cplusplus
}
#endif

#endif
