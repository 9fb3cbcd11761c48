/* SPDX-License-Identifier: MIT */
/**
 * Snapshots of a whole machine in its process, to go back to: harts, memory,
 * the region tree, devices. For who runs one start many times, a fuzzer.
 *
 *     xbar_riscv_snapshot_take(&machine, NULL, &start, &err);
 *     for (;;) {
 *         ... put an input into memory, run ...
 *         xbar_riscv_snapshot_restore(start, &err);
 *     }
 *
 * Going back costs the pages of memory that were written, the regions that were
 * edited and what devices ask for, and nothing for what stayed as it was.
 * Translated code stays, but for what differs from memory as it is then. What
 * the guest does after it, it does the same each time, if inputs are the same and
 * time is deterministic (insns_per_tick); code that it patches without a fence.i
 * may be met as it was before or after, as ever.
 *
 *   part      as
 *   harts     xbar_riscv_save() says
 *   memory    flatview/ram_snapshot.h says
 *   tree      engine/snapshot.h says: places, sizes, enabled, ROMD modes, ...
 *   devices   each says for itself, by struct xbar_snapshot_ops
 *
 * Several snapshots may be there, and each be gone back to, in any order.
 *
 * Context of everything here: any thread, one at a time; no hart of the engine
 * runs, nothing else writes memory or edits the tree meanwhile, and no
 * transaction is open. Not from a device's callback.
 */
#ifndef XBAR_JIT_RISCV_MACHINE_SNAPSHOT_H
#define XBAR_JIT_RISCV_MACHINE_SNAPSHOT_H

#include "../../engine/error.h"
#include "../../flatview/ram_snapshot.h"
#include "hart.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_riscv_snapshot;

/**
 * How a device is saved, and becomes what it was. Its registers and what it
 * has in flight; not the memory that it was given, nor the lines that it
 * drives: those are saved at their other end, and are not to be driven here.
 */
struct xbar_snapshot_ops {
    /* Bytes that save() writes; NULL: none. */
    size_t (*size)(void *opaque);
    /* -errno, with @errp set: what there is now cannot be gone back to. */
    int (*save)(void *opaque, void *to, Error **errp);
    /* May restore() be called now? Changes nothing. NULL: it may. */
    int (*check)(void *opaque, const void *from, Error **errp);
    void (*restore)(void *opaque, const void *from);
};

struct xbar_riscv_device {
    const char *name; /* for messages */
    const struct xbar_snapshot_ops *ops;
    void *opaque;
};

/** What there is. Names, ops and opaques outlive the snapshots, as do the engine
 * and the harts; the rest is copied. */
struct xbar_riscv_machine {
    struct xbar_engine *engine;
    struct xbar_riscv_hart *const *harts; /* all that are in the engine */
    unsigned hart_count;
    const struct xbar_riscv_device *devices;
    unsigned device_count;
};

struct xbar_riscv_snapshot_info {
    struct xbar_ram_snapshot_info ram;
    uint64_t device_bytes; /* that save() wrote */
    uint64_t pages;        /* of memory, copied by the last restore */
};

/**
 * xbar_riscv_snapshot_take() - the machine as it is
 * @after: NULL, or an earlier one of it, whose unwritten pages are shared: see
 * xbar_ram_snapshot_take()
 * @to: gets the snapshot, which the caller drops; NULL if this fails
 *
 * Costs reading all memory; with @after, what was written since.
 *
 * Return: 0; with @errp set: -EBUSY if a hart runs, or a transaction is open;
 * -EINVAL for a hart, or an @after, of another engine; -ENOSPC for more than
 * XBAR_RAM_SNAPSHOTS; -ENOMEM; or what a device said.
 */
XBAR_API int xbar_riscv_snapshot_take(const struct xbar_riscv_machine *machine,
                                      const struct xbar_riscv_snapshot *after,
                                      struct xbar_riscv_snapshot **to,
                                      Error **errp) XBAR_MUST_CHECK;

/**
 * xbar_riscv_snapshot_restore() - the machine as it was
 *
 * Devices are restored in their order, then the harts.
 *
 * Return: 0; or with @errp set, and nothing changed: -EBUSY as above; -ESTALE if
 * a region has ended that is missed, see engine/snapshot.h, or had memory;
 * -ENOMEM and -ELOOP if the tree could not be edited; or what a device's check()
 * said.
 */
XBAR_API int xbar_riscv_snapshot_restore(struct xbar_riscv_snapshot *snapshot,
                                         Error **errp);

XBAR_API void
xbar_riscv_snapshot_get_info(const struct xbar_riscv_snapshot *snapshot,
                             struct xbar_riscv_snapshot_info *info);

/** xbar_riscv_snapshot_drop() - NULL is fine */
XBAR_API void xbar_riscv_snapshot_drop(struct xbar_riscv_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
