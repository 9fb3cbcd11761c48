/* SPDX-License-Identifier: MIT */
/*
 * What the files of deferred writes share.
 *
 *   deferred.c        one access: what is signalled, what waits
 *   deferred_lists.c  the lists, and what listeners know of them
 */
#ifndef XBAR_ENGINE_DEFERRED_INTERNAL_H
#define XBAR_ENGINE_DEFERRED_INTERNAL_H

#include "engine/deferred.h"
#include "engine/engine_internal.h"
#include "engine/plan.h"

/* A screenful of register writes; the first that finds no room delivers. */
#define QUEUE_LENGTH 128

struct waiting {
    hwaddr offset;
    uint64_t value; /* in the device's order */
    unsigned size;
    MemTxAttrs attrs;
};

struct queue {
    pthread_mutex_t lock;
    unsigned first; /* under lock */
    unsigned count; /* under lock; and read without it, relaxed */
    struct waiting entries[QUEUE_LENGTH];
};

struct deferred {
    struct xbar_access_plan plan;
    const struct xbar_access_plan *direct; /* what it had before */
    MemoryRegion *mr;
    struct deferred *next; /* of the engine; in sections */
    struct xbar_ioevent *events;
    struct xbar_coalesced *ranges;
    struct xbar_deferred_item *told; /* eventfds in order, then ranges */
    bool flushes;                    /* atomic */
    bool is_hidden; /* views may have `direct` still; writer lock */
    struct engine_lock delivery;
    struct queue queue;
};

/* NULL: @mr never deferred anything. */
static inline struct deferred *deferred__of(const MemoryRegion *mr)
{
    const struct xbar_access_plan *plan = region__plan(mr);

    return plan && plan->is_deferred
               ? xbar_container_of((struct xbar_access_plan *)plan,
                                   struct deferred, plan)
               : NULL;
}

/* deferred.c: it will. NULL: memory is short. */
struct deferred *deferred__make(MemoryRegion *mr) XBAR_MUST_CHECK;

/* deferred_lists.c: the region has ended, also for readers. */
void deferred__free_lists(struct deferred *d);

#endif
