/* SPDX-License-Identifier: MIT */
/*
 * The engine's memory, and its deferred freeing.
 *
 * Everything that hangs off an engine is allocated here, so that a test can
 * fail the n-th request and a program can choose the allocator. Freeing needs
 * the size: nothing keeps a header.
 */
#ifndef XBAR_ENGINE_ALLOC_H
#define XBAR_ENGINE_ALLOC_H

#include "engine/engine.h"

/* Zeroed; NULL if memory is short. Any thread. */
void *xbar_alloc(struct xbar_engine *engine, size_t size) XBAR_MUST_CHECK;
void *xbar_alloc_aligned(struct xbar_engine *engine, size_t size, size_t align)
    XBAR_MUST_CHECK;
void xbar_free(struct xbar_engine *engine, void *ptr, size_t size);

/*
 * The same for what each commit makes and gives up: whole cache lines, aligned
 * to one, and not zeroed. Quick under the writer lock, and where a retired
 * object is released; freeing elsewhere may take that lock.
 */
void *xbar_alloc_lines(struct xbar_engine *engine, size_t size) XBAR_MUST_CHECK;
void xbar_free_lines(struct xbar_engine *engine, void *ptr, size_t size);

/*
 * Deferred freeing. The link is embedded in what is retired, so retiring
 * cannot fail; it must be a field that readers never look at.
 *
 * A queue is one kind of object. Its owner calls xbar_retire() under the
 * engine's writer lock, after the new state was published; reclaim takes all
 * that was retired, waits for a grace period outside any lock, and calls
 * @release on each. What that looks at may be brought into the cache before:
 * @fetch, if there is one, is called as the second one before is released, and
 * as the one before is (@ahead is 2, and then 1), unless the engine is a small
 * one.
 */
struct xbar_retired {
    struct xbar_retired *next;
};

struct xbar_retire_queue {
    void (*release)(struct xbar_engine *engine, struct xbar_retired *object);
    void (*fetch)(const struct xbar_retired *object, unsigned ahead);
    struct xbar_retired *head;      /* newest first; under the writer lock */
    struct xbar_retire_queue *next; /* the engine's list of queues */
    /* Of the reclaim under way: what it took, and its next queue. */
    struct xbar_retired *taken;
    struct xbar_retire_queue *taken_next;
};

/* @queue is caller's storage with @release set; lives until it is removed,
 * or as long as @engine. */
void xbar_retire_queue_add(struct xbar_engine *engine,
                           struct xbar_retire_queue *queue);

/*
 * @queue must be empty. The release callback of its last object may call
 * this, and free the queue.
 */
void xbar_retire_queue_remove(struct xbar_engine *engine,
                              struct xbar_retire_queue *queue);

/* @bytes: what freeing will give back, for the statistics and the limit. */
void xbar_retire(struct xbar_engine *engine, struct xbar_retire_queue *queue,
                 struct xbar_retired *object, size_t bytes);

#endif
