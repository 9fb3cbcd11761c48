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
#include <fcntl.h>
#include <unistd.h>

#include "engine/access.h"
#include "engine/engine_internal.h"
#include "engine/event_notifier.h"
#include "engine/guard.h"
#include "engine/ops.h"
#include "engine/plan.h"
#include "engine/rcu.h"

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
    bool flushes;   /* atomic */
    bool is_hidden; /* views may have `direct` still; writer lock */
    struct engine_lock delivery;
    struct queue queue;
};

static struct deferred *deferred_of(const MemoryRegion *mr)
{
    const struct xbar_access_plan *plan = region__plan(mr);

    return plan && plan->is_deferred
               ? xbar_container_of((struct xbar_access_plan *)plan,
                                   struct deferred, plan)
               : NULL;
}

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
static struct deferred *make_deferred(MemoryRegion *mr)
{
    struct deferred *d = deferred_of(mr);

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
    struct deferred *d = engine->has_hidden_plans ? engine->deferred : NULL;

    for (; d != NULL; d = d->next) {
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
    struct deferred *d = engine->has_hidden_plans ? engine->deferred : NULL;

    for (; d != NULL; d = d->next) {
        d->is_hidden = false;
    }
    engine->has_hidden_plans = false;
}

static void
add_queue(struct xbar_engine *engine, struct xbar_retire_queue *queue,
          void (*release)(struct xbar_engine *, struct xbar_retired *))
{
    if (queue->release == NULL) {
        queue->release = release;
        xbar_retire_queue_add(engine, queue);
    }
}

/* ---- Eventfds ---------------------------------------------------------- */

static void release_event(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    struct xbar_ioevent *event =
        xbar_container_of(object, struct xbar_ioevent, retired);

    close(event->fd);
    xbar_free(engine, event, sizeof(*event));
}

/* By address, then the wildcard, then any data, then by data. */
static int compare(const struct xbar_ioevent *a, const struct xbar_ioevent *b)
{
    if (a->addr != b->addr) {
        return a->addr < b->addr ? -1 : 1;
    }
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    if (a->match_data != b->match_data) {
        return a->match_data < b->match_data ? -1 : 1;
    }
    if (a->match_data && a->data != b->data) {
        return a->data < b->data ? -1 : 1;
    }
    return 0;
}

static bool is_equal(const struct xbar_ioevent *a, const struct xbar_ioevent *b)
{
    return compare(a, b) == 0 && a->notifier == b->notifier;
}

static struct xbar_ioevent **find_link(struct deferred *d,
                                       const struct xbar_ioevent *event)
{
    struct xbar_ioevent **link = &d->events;

    while (*link != NULL && !is_equal(*link, event)) {
        link = &(*link)->next;
    }
    return link;
}

/* NULL, with @rc: memory is short, or what dup() says. */
static struct xbar_ioevent *copy_event(struct xbar_engine *engine,
                                       const struct xbar_ioevent *from, int *rc)
{
    struct xbar_ioevent *event = xbar_alloc(engine, sizeof(*event));

    *rc = -ENOMEM;
    if (event == NULL) {
        return NULL;
    }
    *event = *from;
    event->fd =
        fcntl(event_notifier_get_wfd(from->notifier), F_DUPFD_CLOEXEC, 0);
    if (event->fd < 0) {
        *rc = -errno;
        xbar_free(engine, event, sizeof(*event));
        return NULL;
    }
    return event;
}

int xbar_ioevent_add(MemoryRegion *mr, const struct xbar_ioevent *event)
{
    struct xbar_ioevent **link;
    struct xbar_ioevent *copy;
    struct deferred *d;
    int rc;

    d = deferred_of(mr);
    if (d != NULL && *find_link(d, event) != NULL) {
        return -EEXIST;
    }
    copy = copy_event(mr->engine, event, &rc);
    if (copy == NULL) {
        return rc;
    }
    d = make_deferred(mr);
    if (d == NULL) {
        release_event(mr->engine, &copy->retired);
        return -ENOMEM;
    }
    add_queue(mr->engine, &mr->engine->ioevents, release_event);
    link = &d->events;
    while (*link != NULL && compare(*link, copy) <= 0) {
        link = &(*link)->next;
    }
    copy->next = *link;
    __atomic_store_n(link, copy, __ATOMIC_RELEASE);
    return 0;
}

const struct xbar_ioevent *xbar_ioevent_remove(MemoryRegion *mr,
                                               const struct xbar_ioevent *event)
{
    struct deferred *d = deferred_of(mr);
    struct xbar_ioevent **link = d != NULL ? find_link(d, event) : NULL;
    struct xbar_ioevent *old = link != NULL ? *link : NULL;

    if (old != NULL) {
        __atomic_store_n(link, old->next, __ATOMIC_RELEASE);
        xbar_retire(mr->engine, &mr->engine->ioevents, &old->retired,
                    sizeof(*old));
    }
    return old;
}

const struct xbar_ioevent *xbar_ioevent_first(const MemoryRegion *mr)
{
    const struct deferred *d = deferred_of(mr);

    return d != NULL ? __atomic_load_n(&d->events, __ATOMIC_ACQUIRE) : NULL;
}

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
    const struct deferred *d = deferred_of(part->mr);
    const struct xbar_ioevent *event =
        d != NULL ? find_event(d, part, value) : NULL;

    if (event != NULL) {
        signal_event(event);
    }
    return event != NULL;
}

/* ---- Coalesced ranges -------------------------------------------------- */

static void release_range(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    struct xbar_coalesced *range =
        xbar_container_of(object, struct xbar_coalesced, retired);

    xbar_free(engine, range, sizeof(*range));
}

int xbar_coalesced_add(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct xbar_coalesced *range = xbar_alloc(mr->engine, sizeof(*range));
    struct deferred *d;

    if (range == NULL) {
        return -ENOMEM;
    }
    d = make_deferred(mr);
    if (d == NULL) {
        xbar_free(mr->engine, range, sizeof(*range));
        return -ENOMEM;
    }
    add_queue(mr->engine, &mr->engine->coalesced, release_range);
    range->first = first;
    range->last = last;
    range->next = d->ranges;
    __atomic_store_n(&d->ranges, range, __ATOMIC_RELEASE);
    return 0;
}

const struct xbar_coalesced *xbar_coalesced_first(const MemoryRegion *mr)
{
    const struct deferred *d = deferred_of(mr);

    return d != NULL ? __atomic_load_n(&d->ranges, __ATOMIC_ACQUIRE) : NULL;
}

const struct xbar_coalesced *xbar_coalesced_take(MemoryRegion *mr)
{
    struct deferred *d = deferred_of(mr);
    struct xbar_coalesced *list = d != NULL ? d->ranges : NULL;

    if (list != NULL) {
        __atomic_store_n(&d->ranges, NULL, __ATOMIC_RELEASE);
    }
    for (struct xbar_coalesced *r = list; r != NULL; r = r->next) {
        xbar_retire(mr->engine, &mr->engine->coalesced, &r->retired,
                    sizeof(*r));
    }
    return list;
}

int xbar_coalesced_set_flush(MemoryRegion *mr, bool flush)
{
    struct deferred *d = deferred_of(mr);

    if (d == NULL && !flush) {
        return 0;
    }
    d = make_deferred(mr);
    if (d == NULL) {
        return -ENOMEM;
    }
    __atomic_store_n(&d->flushes, flush, __ATOMIC_RELAXED);
    return 0;
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
    if (transaction__is_open() || engine__writer_is_mine(engine)) {
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
    struct deferred *d = deferred_of(a->mr);

    if (d != NULL) {
        deliver_others(d);
        deliver(d);
    }
}

bool deferred__access(const struct access *a, const uint64_t *value)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;
    struct deferred *d = deferred_of(a->mr);
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
    struct deferred *d = deferred_of(mr);

    if (d != NULL) {
        d->next = mr->engine->deferred;
        __atomic_store_n(&mr->engine->deferred, d, __ATOMIC_RELEASE);
    }
}

/* After it. */
void deferred__finish(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    struct deferred *d = deferred_of(mr);

    if (d == NULL) {
        return;
    }
    mr->plan = d->direct;
    while (d->events != NULL) {
        struct xbar_ioevent *event = d->events;

        d->events = event->next;
        release_event(engine, &event->retired);
    }
    while (d->ranges != NULL) {
        struct xbar_coalesced *range = d->ranges;

        d->ranges = range->next;
        release_range(engine, &range->retired);
    }
    pthread_mutex_destroy(&d->queue.lock);
    xbar_free(engine, d, sizeof(*d));
}
