/* SPDX-License-Identifier: MIT */
/*
 * Writes that do not call the device there and then: those that an eventfd is
 * signalled for, and those that wait in a region's queue.
 *
 * A region that has either gets an access plan of its own, all of whose steps
 * are general, with what it defers beside it. So no other region pays, and no
 * fast path has a test for it: views, TLBs and emitted code learn of the plan
 * as of any change.
 *
 *     MemoryRegion.plan --> plan (ops, no direct steps)
 *                           deferred: eventfds, ranges, queue
 *
 * It stays with the region to its end. Lists are changed under the writer lock
 * and read in read sections; what is unlinked is freed a grace period later.
 */
#ifndef XBAR_ENGINE_DEFERRED_H
#define XBAR_ENGINE_DEFERRED_H

#include "engine/alloc.h"
#include "engine/memory.h"

/* One eventfd of a region. Constant once it is listed. */
struct xbar_ioevent {
    struct xbar_ioevent *next;
    hwaddr addr;   /* in the region */
    unsigned size; /* bytes; 0: a write of any size that begins at @addr */
    bool match_data;
    uint64_t data; /* as the device would get it */
    struct EventNotifier *notifier;
    int fd; /* a duplicate: the caller may close its own when it likes */
    struct xbar_retired retired;
};

/* Writes that lie in it may wait. */
struct xbar_coalesced {
    struct xbar_coalesced *next;
    hwaddr first;
    hwaddr last;
    struct xbar_retired retired;
};

/*
 * Under the writer lock, @mr a region with callbacks. add: -EEXIST if there is
 * an equal one; -ENOMEM; what dup() says. remove: the one that is gone, good
 * until the end of the section; NULL: there was none.
 */
int xbar_ioevent_add(MemoryRegion *mr, const struct xbar_ioevent *event)
    XBAR_MUST_CHECK;
const struct xbar_ioevent *
xbar_ioevent_remove(MemoryRegion *mr, const struct xbar_ioevent *event);
int xbar_coalesced_add(MemoryRegion *mr, hwaddr first, hwaddr last)
    XBAR_MUST_CHECK;
/* Take them all; linked by `next`, good until the end of the section. */
const struct xbar_coalesced *xbar_coalesced_take(MemoryRegion *mr);
/* Accesses to @mr first deliver what waits, in all regions. */
int xbar_coalesced_set_flush(MemoryRegion *mr, bool flush) XBAR_MUST_CHECK;

/* The lists, in a section or under the writer lock. */
const struct xbar_ioevent *xbar_ioevent_first(const MemoryRegion *mr);
const struct xbar_coalesced *xbar_coalesced_first(const MemoryRegion *mr);

/* Can @mr have any of this: does it have callbacks, and no memory? */
bool xbar_region_can_defer(const MemoryRegion *mr);

#endif
