/* SPDX-License-Identifier: MIT */
/**
 * Snapshots of all memory of an engine, to go back to.
 *
 *     xbar_ram_snapshot_take(engine, NULL, &start);
 *     ... the guest runs, devices write ...
 *     xbar_ram_snapshot_restore(start, NULL);    memory is what it was
 *     ... again, as often as wanted ...
 *     xbar_ram_snapshot_drop(start);
 *
 * Each snapshot is a client of the dirty log of all memory, so going back
 * copies the pages that were written since it was taken, or last gone back to,
 * and looks at no others: writes are found as flatview/dirty_bitmap.h says, and
 * cost what it says. Several may be there; each can be gone back to, in any
 * order.
 *
 * What is covered: RAM, ROM and ROM devices' memory of regions that the engine
 * has when it is taken, whether the tree shows them or not. Not a device's own
 * memory (memory_region_init_ram_device_ptr()), nor what is made later. What is
 * written through host pointers has to be told, memory_region_set_dirty(), and
 * what is mapped is told when it is unmapped: nothing is mapped for writing when
 * one is taken or gone back to. What others write to memory that is shared with
 * them is neither seen nor kept.
 *
 * This is memory alone. With harts, devices and the tree:
 * jit/riscv/machine_snapshot.h.
 */
#ifndef XBAR_FLATVIEW_RAM_SNAPSHOT_H
#define XBAR_FLATVIEW_RAM_SNAPSHOT_H

#include "../engine/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_ram_snapshot;

/** Snapshots of one engine at a time: each of them costs a first store a bit. */
#define XBAR_RAM_SNAPSHOTS 64

/** What one has, and did. A page is XBAR_DIRTY_PAGE_SIZE bytes. */
struct xbar_ram_snapshot_info {
    uint64_t pages;        /* of memory that is covered */
    uint64_t copies;       /* of them, kept by this one first */
    uint64_t shared;       /* of them, kept by the one it was taken after */
    uint64_t restores;     /* ever */
    uint64_t pages_copied; /* by all of these */
};

/**
 * xbar_ram_snapshot_take() - copy memory as it is
 * @after: NULL, or a snapshot of @engine: pages that were not written since it
 * was taken, or gone back to, are its pages, and not copied again
 * @to: gets the snapshot, which the caller drops; NULL if this fails
 *
 * Reads all memory (with @after, what was written), and keeps what is not zero:
 * one copy of each such page, and 8 bytes for each page that there is. The
 * memory is the engine's allocator's.
 *
 * Context: takes the writer lock; nothing writes memory meanwhile: harts,
 * devices and DMA stand still.
 * Return: 0; -ENOMEM; -ENOSPC for too many; -EINVAL if @after is another
 * engine's; -EBUSY inside a transaction.
 */
XBAR_API int xbar_ram_snapshot_take(struct xbar_engine *engine,
                                    const struct xbar_ram_snapshot *after,
                                    struct xbar_ram_snapshot **to)
    XBAR_MUST_CHECK;

/**
 * xbar_ram_snapshot_check() - could xbar_ram_snapshot_restore() do it now?
 *
 * Return: 0; -ESTALE if a region that it covers has ended, or was resized;
 * -EBUSY inside a transaction.
 */
XBAR_API int xbar_ram_snapshot_check(const struct xbar_ram_snapshot *snapshot);

/**
 * xbar_ram_snapshot_restore() - make memory what it was
 * @pages: gets how many were copied; may be NULL
 *
 * Other dirty logs, other snapshots among them, have these pages as written.
 * Code that harts keep of them follows where xbar_riscv_restore() or a fence.i
 * says so. Allocates nothing.
 *
 * Context: as above. Return: as xbar_ram_snapshot_check(), with nothing changed.
 */
XBAR_API int xbar_ram_snapshot_restore(struct xbar_ram_snapshot *snapshot,
                                       uint64_t *pages);

/** xbar_ram_snapshot_get_info() - Context: as xbar_ram_snapshot_restore() */
XBAR_API void
xbar_ram_snapshot_get_info(const struct xbar_ram_snapshot *snapshot,
                           struct xbar_ram_snapshot_info *info);

/** xbar_ram_snapshot_drop() - NULL is fine; before its engine is freed; not in
 * a transaction. Takes the writer lock. */
XBAR_API void xbar_ram_snapshot_drop(struct xbar_ram_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
