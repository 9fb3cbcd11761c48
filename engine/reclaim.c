/* SPDX-License-Identifier: MIT */
/*
 * Deferred freeing, a batch at a time:
 *
 *   commit    publish new state, retire the old: queue->head, newest first
 *   reclaim   head -> taken       under the writer lock
 *             grace period        under the reclaim lock only
 *             release each of taken
 *             finish regions that were destroyed and have no view left
 *             call their `done`   under no lock
 *
 * One grace period pays for all that is retired. A region's end needs two
 * things: a grace period after it was detached (direct dispatch), and no
 * references left (views, whose own release comes a grace period after they
 * were replaced).
 */
#include <errno.h>

#include "engine/engine_internal.h"
#include "engine/rcu.h"

#ifdef XBAR_RCU_TSAN
char xbar_rcu_tsan_clock;
#endif

void (*xbar_rcu_synchronize_hook)(void);

void xbar_rcu_synchronize(void)
{
    if (unlikely(xbar_rcu_synchronize_hook != NULL)) {
        xbar_rcu_synchronize_hook();
        return;
    }
    urcu_bp_synchronize_rcu();
    XBAR_RCU_ACQUIRE();
}

void xbar_retire_queue_add(struct xbar_engine *engine,
                           struct xbar_retire_queue *queue)
{
    engine__lock_writer(engine);
    queue->head = NULL;
    queue->taken = NULL;
    queue->taken_next = NULL;
    queue->next = engine->queues;
    engine->queues = queue;
    engine__unlock_writer(engine);
}

void xbar_retire_queue_remove(struct xbar_engine *engine,
                              struct xbar_retire_queue *queue)
{
    struct xbar_retire_queue **link = &engine->queues;

    engine__lock_writer(engine);
    xbar_assert(!queue->head && !queue->taken);
    while (*link != queue) {
        link = &(*link)->next;
    }
    *link = queue->next;
    engine__unlock_writer(engine);
}

void xbar_retire(struct xbar_engine *engine, struct xbar_retire_queue *queue,
                 struct xbar_retired *object, size_t bytes)
{
    xbar_assert(engine__writer_is_mine(engine));
    object->next = queue->head;
    queue->head = object;
    engine__stat_count(&engine->retired, bytes);
}

XBAR_COLD bool reclaim__is_news(struct xbar_engine *engine)
{
    const bool is_news = !engine->is_reclaim_wanted;

    xbar_assert(engine__writer_is_mine(engine));
    engine->is_reclaim_wanted = true;
    return is_news;
}

/* What one reclaim works on: the queues that held something, and their part
 * of it in `taken`. A queue with something taken cannot be removed. */
struct batch {
    struct xbar_retire_queue *queues;
    struct region_ending *endings;
    uint64_t retired; /* bytes, ever */
    bool needs_grace;
};

static void take_queues(struct xbar_engine *engine, struct batch *batch)
{
    for (struct xbar_retire_queue *q = engine->queues; q; q = q->next) {
        if (q->head) {
            q->taken = q->head;
            q->head = NULL;
            q->taken_next = batch->queues;
            batch->queues = q;
        }
    }
}

static struct batch take_batch(struct xbar_engine *engine)
{
    struct batch batch = { .queues = NULL };

    engine__lock_writer(engine);
    engine->is_reclaim_wanted = false;
    take_queues(engine, &batch);
    lines__make_room(engine);
    batch.endings = destroy__take(engine);
    batch.retired = __atomic_load_n(&engine->retired, __ATOMIC_RELAXED);
    batch.needs_grace = batch.queues || destroy__needs_grace(batch.endings);
    engine__unlock_writer(engine);
    return batch;
}

/* Before the one before @next is released; its own successor comes closer. */
static inline void fetch_ahead(const struct xbar_retire_queue *queue,
                               const struct xbar_retired *next)
{
    if (!next) {
        return;
    }
    queue->fetch(next, 1);
    if (next->next) {
        __builtin_prefetch(next->next->next);
        queue->fetch(next->next, 2);
    }
}

/* With the last object the queue itself may go. */
static int64_t release_queue(struct xbar_engine *engine,
                             struct xbar_retire_queue *queue)
{
    const bool fetches = queue->fetch && engine__has_many_regions(engine);
    int64_t freed = 0;
    bool is_last;

    do {
        struct xbar_retired *object = queue->taken;

        queue->taken = object->next;
        is_last = !queue->taken;
        if (fetches) {
            fetch_ahead(queue, object->next);
        } else {
            __builtin_prefetch(object->next);
        }
        queue->release(engine, object);
        freed++;
    } while (!is_last);
    return freed;
}

static int64_t release_queues(struct xbar_engine *engine,
                              struct xbar_retire_queue *queue)
{
    int64_t freed = 0;

    while (queue) {
        struct xbar_retire_queue *next = queue->taken_next;

        freed += release_queue(engine, queue);
        queue = next;
    }
    return freed;
}

/* Under the reclaim lock. Moves finished regions to @finished. */
static int64_t reclaim_batch(struct xbar_engine *engine,
                             struct region_ending **finished)
{
    struct batch batch = take_batch(engine);
    int64_t freed;

    if (batch.needs_grace) {
        xbar_rcu_synchronize();
    }
    freed = release_queues(engine, batch.queues);
    lines__take_back(engine);
    __atomic_store_n(&engine->reclaimed, batch.retired, __ATOMIC_RELEASE);
    *finished = destroy__finish(engine, batch.endings);
    lines__settle(engine);
    return freed;
}

int64_t xbar_engine_reclaim(struct xbar_engine *engine)
{
    struct region_ending *finished;
    int64_t freed;

    if (!engine__may_wait()) {
        return -EDEADLK;
    }
    engine__lock_reclaim(engine);
    freed = reclaim_batch(engine, &finished);
    engine__unlock_reclaim(engine);
    return freed + destroy__done(engine, finished);
}
