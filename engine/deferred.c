/* SPDX-License-Identifier: MIT */
/*
 * Eventfds and coalesced writes of a region; what happens to one access.
 *
 *     write --> an eventfd's? --yes--> signal it, done
 *                  | no
 *               in a coalesced range, and the embedder wants queues?
 *                  | no          `--yes--> append, done
 *     read  --> deliver what waits, then the access itself
 *
 * A queue is delivered under the lock that its region's callbacks run under,
 * so that order is kept against everything else that the device sees; without
 * one, under a lock of its own. Entries are taken one by one: a callback that
 * reaches its own device delivers the rest first.
 *
 * Lock order: the region's lock (or `delivery`), then `lock`, which is held
 * for a copy only.
 */
#include "engine/deferred.h"

#include <errno.h>
#include <unistd.h>

#include "engine/access.h"
#include "engine/deferred_internal.h"
#include "engine/engine_internal.h"
#include "engine/event_notifier.h"
#include "engine/guard.h"
#include "engine/ops.h"
#include "engine/plan.h"
#include "engine/rcu.h"

/* ---- Making ------------------------------------------------------------ */

bool xbar_region_can_defer(const MemoryRegion *mr)
{
    return region__is_usable(mr) && mr->ops != NULL && mr->ram_block == NULL;
}

static struct deferred *new_deferred(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    struct deferred *d = xbar_alloc_aligned(engine, sizeof(*d), 64);

    if (d == NULL) {
        return NULL;
    }
    d->direct = mr->plan;
    d->plan.ops = mr->ops;
    d->plan.is_big_endian = mr->plan->is_big_endian;
    d->plan.is_deferred = true;
    d->mr = mr;
    pthread_mutex_init(&d->queue.lock, NULL);
    d->next = engine->deferred;
    __atomic_store_n(&engine->deferred, d, __ATOMIC_RELEASE);
    return d;
}

/* The transaction is void, the plan stays: a round more shows it. */
static void show_plan(void *opaque, uintptr_t old)
{
    MemoryRegion *mr = opaque;

    (void)old;
    xbar_mutation_stays(mr->engine);
}

/*
 * The region gets its own plan, and views are to take it over: the commit does
 * not forget that before it has happened. Should memory be short until then,
 * the device itself gets the writes, which is never wrong.
 */
struct deferred *deferred__make(MemoryRegion *mr)
{
    struct deferred *d = deferred__of(mr);

    if (d != NULL && !d->is_hidden) {
        return d;
    }
    if (transaction__reserve(mr->engine, 1) != 0) {
        return NULL;
    }
    d = d != NULL ? d : new_deferred(mr);
    if (d == NULL) {
        return NULL;
    }
    transaction__log(mr->engine, show_plan, mr, 0);
    __atomic_store_n(&mr->plan, &d->plan, __ATOMIC_RELEASE);
    d->is_hidden = true;
    mr->engine->has_hidden_plans = true;
    return d;
}

int deferred__mark(struct xbar_engine *engine)
{
    for (struct deferred *d = engine->deferred; d != NULL; d = d->next) {
        if (d->is_hidden && dirty__reserve(engine, 1) != 0) {
            return -ENOMEM;
        }
        if (d->is_hidden) {
            dirty__mark(d->mr, 0, d->mr->last);
        }
    }
    return 0;
}

void deferred__settle(struct xbar_engine *engine)
{
    for (struct deferred *d = engine->deferred; d != NULL; d = d->next) {
        d->is_hidden = false;
    }
    engine->has_hidden_plans = false;
}

/* ---- Eventfds ---------------------------------------------------------- */

static bool is_for(const struct xbar_ioevent *event, const struct access *a,
                   uint64_t value)
{
    return event->addr == a->offset &&
           (event->size == 0 || (event->size == a->size &&
                                 (!event->match_data || event->data == value)));
}

/* The first one that matches, as one bus has it. */
static const struct xbar_ioevent *
find_event(const struct deferred *d, const struct access *a, uint64_t value)
{
    const struct xbar_ioevent *event =
        __atomic_load_n(&d->events, __ATOMIC_ACQUIRE);

    while (event != NULL && !is_for(event, a, value)) {
        event = __atomic_load_n(&event->next, __ATOMIC_ACQUIRE);
    }
    return event;
}

static void signal_event(const struct xbar_ioevent *event)
{
    const uint64_t one = 1;

    /* A counter that is full is signalled already. */
    while (write(event->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static bool signal_write(const struct deferred *d, const struct access *a,
                         uint64_t value)
{
    const struct xbar_ioevent *event = find_event(d, a, value);
    bool fires = event != NULL && access__is_valid(a);

    if (fires) {
        signal_event(event);
    }
    return fires;
}

bool deferred__signal(const struct access *part, uint64_t value)
{
    const struct deferred *d = deferred__of(part->mr);
    const struct xbar_ioevent *event =
        d != NULL ? find_event(d, part, value) : NULL;

    if (event != NULL) {
        signal_event(event);
    }
    return event != NULL;
}

/* ---- The queue --------------------------------------------------------- */

static bool is_coalesced(const struct deferred *d, const struct access *a)
{
    const struct xbar_coalesced *r =
        __atomic_load_n(&d->ranges, __ATOMIC_ACQUIRE);

    while (r != NULL && (a->offset < r->first || a->offset > r->last ||
                         a->size - 1 > r->last - a->offset)) {
        r = r->next; /* constant */
    }
    return r != NULL;
}

/* What `accepts` would say may depend on what is before it in the queue. */
static bool may_wait(const struct deferred *d, const struct access *a)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;

    return a->is_write && config->coalesced != NULL && is_coalesced(d, a) &&
           !a->mr->ops->valid.accepts && access__is_valid(a);
}

/* False: there is no room. @was_empty: somebody has to be asked to flush. */
static bool append(struct queue *queue, const struct access *a, uint64_t value,
                   bool *was_empty)
{
    bool room;

    pthread_mutex_lock(&queue->lock);
    room = queue->count < QUEUE_LENGTH;
    *was_empty = queue->count == 0;
    if (room) {
        queue->entries[(queue->first + queue->count) % QUEUE_LENGTH] =
            (struct waiting){ a->offset, value, a->size, a->attrs };
        __atomic_store_n(&queue->count, queue->count + 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&queue->lock);
    return room;
}

static bool take(struct queue *queue, struct waiting *entry)
{
    bool any;

    pthread_mutex_lock(&queue->lock);
    any = queue->count != 0;
    if (any) {
        *entry = queue->entries[queue->first];
        queue->first = (queue->first + 1) % QUEUE_LENGTH;
        __atomic_store_n(&queue->count, queue->count - 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&queue->lock);
    return any;
}

/* The oldest of the queue. False: none, or the device may not be entered. */
static bool deliver_one(struct deferred *d)
{
    struct access a = { .mr = d->mr,
                        .is_big = d->plan.is_big_endian,
                        .is_write = true };
    bool is_unlocked = a.mr->lock == NULL || a.mr->lock == &guard__no_lock;
    MemTxResult result = MEMTX_OK;
    struct waiting entry;
    bool any;

    if (!access__enter(&a)) {
        return false;
    }
    if (is_unlocked) {
        lock__take(&d->delivery, &guard__chain);
    }
    any = take(&d->queue, &entry);
    if (any) {
        a.offset = entry.offset;
        a.size = entry.size;
        a.attrs = entry.attrs;
        result = access__inside(&a, &entry.value);
    }
    if (is_unlocked) {
        lock__release(&d->delivery);
    }
    access__leave(&a);
    if (any) {
        access__observe(&a, entry.value, result);
    }
    return any;
}

static void deliver(struct deferred *d)
{
    while (__atomic_load_n(&d->queue.count, __ATOMIC_RELAXED) != 0 &&
           deliver_one(d)) {
    }
}

static void deliver_all(struct xbar_engine *engine)
{
    struct deferred *d;

    xbar_rcu_read_lock();
    for (d = __atomic_load_n(&engine->deferred, __ATOMIC_ACQUIRE); d != NULL;
         d = __atomic_load_n(&d->next, __ATOMIC_ACQUIRE)) {
        deliver(d);
    }
    xbar_rcu_read_unlock();
}

int xbar_engine_flush_coalesced(struct xbar_engine *engine)
{
    if (xbar_transaction_is_open() || engine__writer_is_mine(engine)) {
        return -EDEADLK;
    }
    deliver_all(engine);
    return 0;
}

/* ---- One access -------------------------------------------------------- */

/* A region that asks for it is behind what waits for any region. */
static void deliver_others(const struct deferred *d)
{
    if (__atomic_load_n(&d->flushes, __ATOMIC_RELAXED)) {
        deliver_all(d->mr->engine);
    }
}

void deferred__before(const struct access *a)
{
    struct deferred *d = deferred__of(a->mr);

    if (d != NULL) {
        deliver_others(d);
        deliver(d);
    }
}

bool deferred__access(const struct access *a, const uint64_t *value)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;
    struct deferred *d = deferred__of(a->mr);
    bool was_empty;

    if (d == NULL || (a->is_write && signal_write(d, a, *value))) {
        return d != NULL;
    }
    deliver_others(d);
    if (may_wait(d, a) && append(&d->queue, a, *value, &was_empty)) {
        if (was_empty) {
            config->coalesced(config->coalesced_opaque);
        }
        return true;
    }
    deliver(d);
    return false;
}

/* ---- The end of a region ----------------------------------------------- */

/* Before its grace period: nobody finds it any more. */
void deferred__unlink(MemoryRegion *mr)
{
    struct deferred **link = &mr->engine->deferred;

    while (*link != NULL && (*link)->mr != mr) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        __atomic_store_n(link, (*link)->next, __ATOMIC_RELEASE);
    }
}

void deferred__relink(MemoryRegion *mr)
{
    struct deferred *d = deferred__of(mr);

    if (d != NULL) {
        d->next = mr->engine->deferred;
        __atomic_store_n(&mr->engine->deferred, d, __ATOMIC_RELEASE);
    }
}

/* After it. */
void deferred__finish(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    struct deferred *d = deferred__of(mr);

    if (d == NULL) {
        return;
    }
    mr->plan = d->direct;
    deferred__free_lists(d);
    pthread_mutex_destroy(&d->queue.lock);
    xbar_free(engine, d, sizeof(*d));
}
