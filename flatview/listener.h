/* SPDX-License-Identifier: MIT */
/**
 * Memory listeners: who wants to know how an address space changes.
 *
 * A listener is the caller's structure of callbacks, each of which may be
 * NULL. One that is registered is told of the view as it is (replay), and of
 * each commit what that changed, so that it can mirror the view from
 * region_add and region_del alone:
 *
 *     begin
 *       region_del     what ceased to decode as it did     descending priority
 *       region_add     what decodes differently now        ascending priority
 *       region_nop     and what does not (who asks for it) ascending priority
 *     commit
 *
 * In both passes addresses ascend; all of the first pass comes before the
 * second. A commit that changes nothing visible in an address space tells its
 * listeners nothing, begin and commit included. So a listener costs what
 * changed; only one with region_nop costs the length of the view.
 *
 * Minimal deltas. A section is told for the addresses that changed and no
 * others. If a device is laid over the middle of RAM, that part of the RAM is
 * deleted; the rest is never deleted and added again, nor is RAM that grows or
 * joins its neighbour. A listener that keys on the sections it was told
 * (QEMU's rule: what is deleted was added in this shape) sets whole_sections.
 *
 * Edits from callbacks. A callback may change the tree, set_log, register and
 * unregister any listener. Changes to the tree are queued: they are a commit
 * of their own, after all listeners of all address spaces were told of this
 * one. If such commits follow one another without end, the 64th is void. What
 * is logged changes at once; it is told at the same time as such a commit, so
 * that for each section log_start follows region_add, log_stop comes before
 * region_del, and both match.
 *
 * A listener that is unregistered in the middle of a commit, by itself or by
 * another, is told first what it has not been told of that commit, and then
 * that everything is deleted; when the call returns it is told nothing more.
 * One that registers there is shown the new view.
 *
 * Context of callbacks: under the engine's writer lock, on the thread that
 * commits or registers; the new view is published already, and a lookup sees
 * it. Regions, and the section's view, live until the callback of `commit`
 * returned. A callback must not wait for a vCPU or for readers.
 *
 * Rows M-69 to M-73.
 */
#ifndef XBAR_FLATVIEW_LISTENER_H
#define XBAR_FLATVIEW_LISTENER_H

#include "../engine/event_notifier.h"
#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MemoryListener MemoryListener;

/**
 * Callbacks, in the caller's storage, which is zero where it is not set and
 * stays where it is while registered. Fields are constant meanwhile.
 *
 * The section that a callback gets is good during the call; its `fv` is the
 * view that has it: the one before the commit for region_del.
 */
struct MemoryListener {
    /** Once before and once after all that is told of one commit, of one
     * registration, of one removal. */
    void (*begin)(MemoryListener *listener);
    void (*commit)(MemoryListener *listener);

    void (*region_add)(MemoryListener *listener, MemoryRegionSection *section);
    void (*region_del)(MemoryListener *listener, MemoryRegionSection *section);
    /** Unchanged, in the pass of region_add. Makes each commit of its address
     * space cost the length of the view. */
    void (*region_nop)(MemoryListener *listener, MemoryRegionSection *section);

    /**
     * The clients that log writes to the section went from @old_val to
     * @new_val (see memory_region_get_dirty_log_mask()). log_start if any was
     * added, log_stop if any was taken away. A section that is added while
     * it is logged is started after it was added, and stopped before it is
     * deleted.
     */
    void (*log_start)(MemoryListener *listener, MemoryRegionSection *section,
                      int old_val, int new_val);
    void (*log_stop)(MemoryListener *listener, MemoryRegionSection *section,
                     int old_val, int new_val);
    /** Report what was written since the last time, with
     * memory_region_set_dirty(). At most one of the two may be set. */
    void (*log_sync)(MemoryListener *listener, MemoryRegionSection *section);
    void (*log_sync_global)(MemoryListener *listener);
    /** Dirty bits of the section were cleared: log its writes anew. */
    void (*log_clear)(MemoryListener *listener, MemoryRegionSection *section);
    /** memory_global_dirty_log_start() and _stop() */
    void (*log_global_start)(MemoryListener *listener);
    void (*log_global_stop)(MemoryListener *listener);
    /** After all log_sync of one request. */
    void (*log_global_after_sync)(MemoryListener *listener);

    /** Of the section that is one eventfd's addresses, all of its region's
     * that lie in one section of the view. Each comes once and goes once: what
     * a callback adds or takes away is told when all else has been. */
    void (*eventfd_add)(MemoryListener *listener, MemoryRegionSection *section,
                        bool match_data, uint64_t data, EventNotifier *e);
    void (*eventfd_del)(MemoryListener *listener, MemoryRegionSection *section,
                        bool match_data, uint64_t data, EventNotifier *e);

    /** Writes to @len bytes at the address @addr may, or may no longer, be
     * queued; they lie in the section. */
    void (*coalesced_io_add)(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len);
    void (*coalesced_io_del)(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len);

    /** The lowest is told first of what is added, and last of what goes;
     * among equals the one registered first is the lower. */
    unsigned priority;
    const char *name; /* for people; may be NULL */

    /** Set by memory_listener_register(); NULL: not registered. Read only. */
    AddressSpace *address_space;

    /**
     * xbar's own: region_del names just the sections that region_add named.
     * A section that is cut, joined or grown is then deleted and added again.
     */
    bool whole_sections;

    /* private */
    bool is_leaving XBAR_PRIVATE_FLATVIEW;
    bool is_past_end XBAR_PRIVATE_FLATVIEW; /* next would be 2^64 */
    bool half_comes XBAR_PRIVATE_FLATVIEW;
    bool knows_all_logged XBAR_PRIVATE_FLATVIEW;
    uint8_t half_part XBAR_PRIVATE_FLATVIEW; /* enum listener_half */
    uint8_t stage XBAR_PRIVATE_FLATVIEW;     /* enum stage: of the commit */
    /* which it is in the middle of being told of, and how far */
    struct flatview_part *half XBAR_PRIVATE_FLATVIEW;
    size_t half_told XBAR_PRIVATE_FLATVIEW;
    hwaddr next XBAR_PRIVATE_FLATVIEW;         /* below it all was told */
    uint64_t generation XBAR_PRIVATE_FLATVIEW; /* of the view told last */
    MemoryListener *link_next XBAR_PRIVATE_FLATVIEW;
    MemoryListener *link_prev XBAR_PRIVATE_FLATVIEW;
};

/**
 * memory_listener_register() - tell @listener of @as, now and from now on
 *
 * Shows it the present view: begin, region_add in ascending order, commit.
 *
 * Context: any thread, callbacks of listeners included; takes the writer
 * lock. In an open transaction the view of before is shown, and the
 * transaction's commit then tells what it changed.
 * Return: 0; -EINVAL if @listener is registered, @as is not initialised or
 * was destroyed, or both log_sync and log_sync_global are set. Row M-72.
 */
XBAR_API int memory_listener_register(MemoryListener *listener,
                                      AddressSpace *as);

/**
 * memory_listener_unregister() - tell it that all is gone, and no more
 *
 * begin, region_del in ascending order, commit: the mirror of registering.
 * When this returns @listener may be freed, unless it is one of its own
 * callbacks that called.
 *
 * Return: 0; -EINVAL if it is not registered. Row M-72.
 */
XBAR_API int memory_listener_unregister(MemoryListener *listener);

/** address_space_remove_listeners() - unregister all that @as has */
XBAR_API void address_space_remove_listeners(AddressSpace *as);

#ifdef __cplusplus
}
#endif

#endif
