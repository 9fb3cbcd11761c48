/* SPDX-License-Identifier: MIT */
/*
 * A region's eventfds and coalesced ranges: what accesses find, and what
 * listeners know.
 *
 *     deferred.events, .ranges    in sections; changed at once
 *     deferred.told               under the writer lock, as listeners know it
 *     the engine's news           what differs, oldest first
 *
 * An entry that is removed is freed a grace period after the later of both: it
 * left the list of accesses, and listeners were told.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/deferred_internal.h"
#include "engine/event_notifier.h"

static void
add_queue(struct xbar_engine *engine, struct xbar_retire_queue *queue,
          void (*release)(struct xbar_engine *, struct xbar_retired *))
{
    if (queue->release == NULL) {
        queue->release = release;
        xbar_retire_queue_add(engine, queue);
    }
}

static void release_event(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    struct xbar_ioevent *event =
        xbar_container_of(object, struct xbar_ioevent, retired);

    close(event->fd);
    xbar_free(engine, event, sizeof(*event));
}

static void release_range(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    struct xbar_coalesced *range =
        xbar_container_of(object, struct xbar_coalesced, retired);

    xbar_free(engine, range, sizeof(*range));
}

/* ---- What listeners know ----------------------------------------------- */

static void add_news(struct xbar_engine *engine,
                     struct xbar_deferred_item *item)
{
    item->is_news = true;
    item->newer = NULL;
    item->older = engine->newest_news;
    *(item->older ? &item->older->newer : &engine->oldest_news) = item;
    engine->newest_news = item;
    engine->news_count++;
}

static void drop_news(struct xbar_engine *engine,
                      struct xbar_deferred_item *item)
{
    if (!item->is_news) {
        return;
    }
    item->is_news = false;
    *(item->older ? &item->older->newer : &engine->oldest_news) = item->newer;
    *(item->newer ? &item->newer->older : &engine->newest_news) = item->older;
    engine->news_count--;
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

/* Does @item come before @other, which is new? */
static bool is_before(const struct xbar_deferred_item *item,
                      const struct xbar_deferred_item *other)
{
    return item->event &&
           (!other->event || compare(item->event, other->event) <= 0);
}

static void add_told(struct deferred *d, struct xbar_deferred_item *item)
{
    struct xbar_deferred_item **link = &d->told;

    while (*link && is_before(*link, item)) {
        link = &(*link)->next;
    }
    item->next = *link;
    *link = item;
    item->is_told = true;
}

static void drop_told(struct deferred *d, struct xbar_deferred_item *item)
{
    struct xbar_deferred_item **link = &d->told;

    while (*link != item) {
        link = &(*link)->next;
    }
    *link = item->next;
    item->is_told = false;
}

/* Neither accesses nor listeners know it any more. */
static void retire(const struct xbar_deferred_item *item)
{
    struct xbar_engine *engine = item->mr->engine;

    if (item->event) {
        struct xbar_ioevent *event =
            xbar_container_of(item, struct xbar_ioevent, item);

        xbar_retire(engine, &engine->ioevents, &event->retired, sizeof(*event));
    } else {
        struct xbar_coalesced *range =
            xbar_container_of(item, struct xbar_coalesced, item);

        xbar_retire(engine, &engine->coalesced, &range->retired,
                    sizeof(*range));
    }
}

/* Accesses do not find it any more. */
static void remove_item(struct xbar_deferred_item *item)
{
    struct xbar_engine *engine = item->mr->engine;

    if (item->is_told) {
        add_news(engine, item);
    } else {
        drop_news(engine, item);
        retire(item);
    }
}

const struct xbar_deferred_item *xbar_deferred_told(const MemoryRegion *mr)
{
    const struct deferred *d = deferred__of(mr);

    return d ? d->told : NULL;
}

size_t xbar_deferred_news(const struct xbar_engine *engine)
{
    return engine->news_count;
}

const struct xbar_deferred_item *
xbar_deferred_news_take(struct xbar_engine *engine, bool *starts)
{
    struct xbar_deferred_item *item = engine->oldest_news;

    xbar_assert(engine__writer_is_mine(engine));
    if (!item) {
        return NULL;
    }
    drop_news(engine, item);
    *starts = !item->is_told;
    if (*starts) {
        add_told(deferred__of(item->mr), item);
    } else {
        drop_told(deferred__of(item->mr), item);
    }
    return item;
}

void xbar_deferred_news_done(const struct xbar_deferred_item *item)
{
    if (!item->is_told) {
        retire(item);
    }
}

/* ---- Eventfds ---------------------------------------------------------- */

static struct xbar_ioevent **find_link(struct deferred *d,
                                       const struct xbar_ioevent *event)
{
    struct xbar_ioevent **link = &d->events;

    while (*link != NULL && !(compare(*link, event) == 0 &&
                              (*link)->notifier == event->notifier)) {
        link = &(*link)->next;
    }
    return link;
}

/* NULL, with @rc: memory is short, or what dup() says. */
static struct xbar_ioevent *copy_event(MemoryRegion *mr,
                                       const struct xbar_ioevent *from, int *rc)
{
    struct xbar_ioevent *event = xbar_alloc(mr->engine, sizeof(*event));

    *rc = -ENOMEM;
    if (event == NULL) {
        return NULL;
    }
    *event = *from;
    event->item = (struct xbar_deferred_item){ .mr = mr, .event = event };
    event->fd =
        fcntl(event_notifier_get_wfd(from->notifier), F_DUPFD_CLOEXEC, 0);
    if (event->fd < 0) {
        *rc = -errno;
        xbar_free(mr->engine, event, sizeof(*event));
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

    d = deferred__of(mr);
    if (d != NULL && *find_link(d, event) != NULL) {
        return -EEXIST;
    }
    copy = copy_event(mr, event, &rc);
    if (copy == NULL) {
        return rc;
    }
    d = deferred__make(mr);
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
    add_news(mr->engine, &copy->item);
    return 0;
}

int xbar_ioevent_remove(MemoryRegion *mr, const struct xbar_ioevent *event)
{
    struct deferred *d = deferred__of(mr);
    struct xbar_ioevent **link = d != NULL ? find_link(d, event) : NULL;
    struct xbar_ioevent *old = link != NULL ? *link : NULL;

    if (old == NULL) {
        return -ENOENT;
    }
    __atomic_store_n(link, old->next, __ATOMIC_RELEASE);
    remove_item(&old->item);
    return 0;
}

/* ---- Coalesced ranges -------------------------------------------------- */

int xbar_coalesced_add(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct xbar_coalesced *range = xbar_alloc(mr->engine, sizeof(*range));
    struct deferred *d;

    if (range == NULL) {
        return -ENOMEM;
    }
    d = deferred__make(mr);
    if (d == NULL) {
        xbar_free(mr->engine, range, sizeof(*range));
        return -ENOMEM;
    }
    add_queue(mr->engine, &mr->engine->coalesced, release_range);
    range->item = (struct xbar_deferred_item){ .mr = mr, .range = range };
    range->first = first;
    range->last = last;
    range->next = d->ranges;
    __atomic_store_n(&d->ranges, range, __ATOMIC_RELEASE);
    add_news(mr->engine, &range->item);
    return 0;
}

void xbar_coalesced_clear(MemoryRegion *mr)
{
    struct deferred *d = deferred__of(mr);
    struct xbar_coalesced *range = d != NULL ? d->ranges : NULL;

    if (range != NULL) {
        __atomic_store_n(&d->ranges, NULL, __ATOMIC_RELEASE);
    }
    while (range != NULL) {
        struct xbar_coalesced *next = range->next;

        remove_item(&range->item);
        range = next;
    }
}

int xbar_coalesced_set_flush(MemoryRegion *mr, bool flush)
{
    struct deferred *d = deferred__of(mr);

    if (d == NULL && !flush) {
        return 0;
    }
    d = deferred__make(mr);
    if (d == NULL) {
        return -ENOMEM;
    }
    __atomic_store_n(&d->flushes, flush, __ATOMIC_RELAXED);
    return 0;
}

/* ---- The end of a region ----------------------------------------------- */

static void release(struct xbar_deferred_item *item)
{
    struct xbar_engine *engine = item->mr->engine;

    if (item->event) {
        release_event(
            engine,
            &xbar_container_of(item, struct xbar_ioevent, item)->retired);
    } else {
        release_range(
            engine,
            &xbar_container_of(item, struct xbar_coalesced, item)->retired);
    }
}

/* What accesses do not find any more waits for listeners: told, and news. */
static void free_removed(struct deferred *d)
{
    struct xbar_deferred_item **link = &d->told;

    while (*link) {
        struct xbar_deferred_item *item = *link;

        if (!item->is_news) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        drop_news(d->mr->engine, item);
        release(item);
    }
}

void deferred__free_lists(struct deferred *d)
{
    struct xbar_engine *engine = d->mr->engine;

    free_removed(d);
    while (d->events != NULL) {
        struct xbar_ioevent *event = d->events;

        d->events = event->next;
        drop_news(engine, &event->item);
        release_event(engine, &event->retired);
    }
    while (d->ranges != NULL) {
        struct xbar_coalesced *range = d->ranges;

        d->ranges = range->next;
        drop_news(engine, &range->item);
        release_range(engine, &range->retired);
    }
}
