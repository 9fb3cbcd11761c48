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

/*
 * What listeners know of an eventfd or range. That is not what accesses find:
 * lists change at once, also in a callback while something else is being told.
 * What has changed waits, in the order of the changes, for a pass of its own.
 *
 *                      is_told   is_news      accesses find it
 *     added               -         x                x
 *     told                x         -                x
 *     removed             x         x                -
 *     removed before it was told: gone at once
 */
struct xbar_deferred_item {
    MemoryRegion *mr;
    const struct xbar_ioevent *event; /* one of these two */
    const struct xbar_coalesced *range;
    struct xbar_deferred_item *next; /* of those of @mr that are told */
    /* private */
    struct xbar_deferred_item *newer;
    struct xbar_deferred_item *older;
    bool is_told;
    bool is_news;
};

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
    struct xbar_deferred_item item; /* under the writer lock */
};

/* Writes that lie in it may wait. */
struct xbar_coalesced {
    struct xbar_coalesced *next;
    hwaddr first;
    hwaddr last;
    struct xbar_retired retired;
    struct xbar_deferred_item item; /* under the writer lock */
};

/*
 * Under the writer lock, @mr a region with callbacks. add: -EEXIST if there is
 * an equal one; -ENOMEM; what dup() says. remove: -ENOENT.
 */
int xbar_ioevent_add(MemoryRegion *mr, const struct xbar_ioevent *event)
    XBAR_MUST_CHECK;
int xbar_ioevent_remove(MemoryRegion *mr, const struct xbar_ioevent *event);
int xbar_coalesced_add(MemoryRegion *mr, hwaddr first, hwaddr last)
    XBAR_MUST_CHECK;
/* All of them. */
void xbar_coalesced_clear(MemoryRegion *mr);
/* Accesses to @mr first deliver what waits, in all regions. */
int xbar_coalesced_set_flush(MemoryRegion *mr, bool flush) XBAR_MUST_CHECK;

/* Of @mr, what listeners are told of a section that comes or goes; under the
 * writer lock. It changes in take and done alone. */
const struct xbar_deferred_item *xbar_deferred_told(const MemoryRegion *mr);

/*
 * A pass over what changed, under the writer lock: how many changes wait; the
 * oldest, which from here on is told of, or no longer; and the end of telling
 * of it. take: NULL if nothing waits.
 */
size_t xbar_deferred_news(const struct xbar_engine *engine);
const struct xbar_deferred_item *
xbar_deferred_news_take(struct xbar_engine *engine, bool *starts);
void xbar_deferred_news_done(const struct xbar_deferred_item *item);

/* Can @mr have any of this: does it have callbacks, and no memory? */
bool xbar_region_can_defer(const MemoryRegion *mr);

#endif
