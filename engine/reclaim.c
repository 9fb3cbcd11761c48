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
    queue->next = engine->queues;
    engine->queues = queue;
    engine__unlock_writer(engine);
}

void xbar_retire(struct xbar_engine *engine, struct xbar_retire_queue *queue,
                 struct xbar_retired *object, size_t bytes)
{
    xbar_assert(engine__writer_is_mine(engine));
    object->next = queue->head;
    queue->head = object;
    engine__stat_add(&engine->stats.bytes_retired, bytes);
}

bool reclaim__is_due(struct xbar_engine *engine)
{
    uint64_t bytes =
        __atomic_load_n(&engine->stats.bytes_retired, __ATOMIC_RELAXED);

    xbar_assert(engine__writer_is_mine(engine));
    if (bytes <= RECLAIM_BYTES || engine->is_reclaim_wanted) {
        return false;
    }
    engine->is_reclaim_wanted = true;
    return true;
}

/* What one reclaim works on; the queues hold their part in `taken`. */
struct batch {
    struct xbar_retire_queue *queues;
    struct region_ending *endings;
    uint64_t bytes;
    bool needs_grace;
};

static void take_batch(struct xbar_engine *engine, struct batch *batch)
{
    engine__lock_writer(engine);
    engine->is_reclaim_wanted = false;
    batch->queues = engine->queues;
    batch->endings = destroy__take(engine);
    batch->bytes =
        __atomic_load_n(&engine->stats.bytes_retired, __ATOMIC_RELAXED);
    batch->needs_grace = destroy__needs_grace(batch->endings);
    for (struct xbar_retire_queue *q = batch->queues; q; q = q->next) {
        q->taken = q->head;
        q->head = NULL;
        batch->needs_grace |= q->taken != NULL;
    }
    engine__unlock_writer(engine);
}

static int64_t release_queue(struct xbar_engine *engine,
                             struct xbar_retire_queue *queue)
{
    int64_t freed = 0;

    while (queue->taken) {
        struct xbar_retired *object = queue->taken;

        queue->taken = object->next;
        queue->release(engine, object);
        freed++;
    }
    return freed;
}

/* Under the reclaim lock. Moves finished regions to @finished. */
static int64_t reclaim_batch(struct xbar_engine *engine,
                             struct region_ending **finished)
{
    struct batch batch;
    int64_t freed = 0;

    take_batch(engine, &batch);
    if (batch.needs_grace) {
        xbar_rcu_synchronize();
    }
    for (struct xbar_retire_queue *q = batch.queues; q; q = q->next) {
        freed += release_queue(engine, q);
    }
    engine__stat_sub(&engine->stats.bytes_retired, batch.bytes);
    *finished = destroy__finish(engine, batch.endings);
    return freed;
}

bool reclaim__is_mine(const struct xbar_engine *engine)
{
    return __atomic_load_n(&engine->is_reclaiming, __ATOMIC_RELAXED) &&
           pthread_equal(__atomic_load_n(&engine->reclaimer, __ATOMIC_RELAXED),
                         pthread_self());
}

int64_t xbar_engine_reclaim(struct xbar_engine *engine)
{
    struct region_ending *finished;
    int64_t freed;

    /* A reader that wants a lock held here would never end its section. */
    if (xbar_rcu_read_held() || engine__writer_is_mine(engine) ||
        reclaim__is_mine(engine)) {
        return -EDEADLK;
    }
    pthread_mutex_lock(&engine->reclaim_lock);
    __atomic_store_n(&engine->reclaimer, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&engine->is_reclaiming, true, __ATOMIC_RELAXED);
    freed = reclaim_batch(engine, &finished);
    __atomic_store_n(&engine->is_reclaiming, false, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&engine->reclaim_lock);
    return freed + destroy__done(engine, finished);
}
