/* SPDX-License-Identifier: MIT */
/*
 * Eventfds and coalesced ranges as devices set them, and the listeners that
 * are told. What is told at any time is what the current view's sections and
 * the regions' lists make: a change of a list is told at once, a change of the
 * view with its sections (listener_delta.c).
 */
#include "flatview/deferred_writes.h"

#include <errno.h>

#include "engine/deferred.h"
#include "engine/engine.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- Telling one listener of one section ------------------------------- */

/* Where @event lies in @section of its region. False: not all of it does. */
static bool place_event(const struct xbar_ioevent *event,
                        const MemoryRegionSection *section,
                        MemoryRegionSection *place)
{
    Int128 start = (Int128)event->addr - section->offset_within_region;
    Int128 size = event->size != 0 ? event->size : 1;

    if (start < 0 || start + size > section->size) {
        return false;
    }
    *place = *section;
    place->offset_within_region = event->addr;
    place->offset_within_address_space += (hwaddr)start;
    place->size = event->size;
    return true;
}

static void tell_event(MemoryListener *l, const MemoryRegionSection *section,
                       const struct xbar_ioevent *event, bool starts)
{
    MemoryRegionSection place;

    if ((starts ? l->eventfd_add : l->eventfd_del) != NULL &&
        place_event(event, section, &place)) {
        (starts ? l->eventfd_add : l->eventfd_del)(
            l, &place, event->match_data, event->data, event->notifier);
    }
}

static void tell_range(MemoryListener *l, const MemoryRegionSection *section,
                       const struct xbar_coalesced *range, bool starts)
{
    hwaddr first = section->offset_within_region;
    hwaddr last = (hwaddr)(first + section->size - 1);
    MemoryRegionSection copy = *section;

    if ((starts ? l->coalesced_io_add : l->coalesced_io_del) == NULL ||
        range->first > last || range->last < first) {
        return;
    }
    first = range->first > first ? range->first : first;
    last = range->last < last ? range->last : last;
    (starts ? l->coalesced_io_add
            : l->coalesced_io_del)(l, &copy,
                                   section->offset_within_address_space +
                                       (first - section->offset_within_region),
                                   last - first + 1);
}

void flatview__tell_deferred(const struct flatview_telling *telling,
                             const MemoryRegionSection *section, bool starts)
{
    const struct xbar_ioevent *event = xbar_ioevent_first(section->mr);
    const struct xbar_coalesced *range = xbar_coalesced_first(section->mr);

    for (; event != NULL && telling->who != NULL; event = event->next) {
        tell_event(telling->who, section, event, starts);
    }
    for (; range != NULL && telling->who != NULL; range = range->next) {
        tell_range(telling->who, section, range, starts);
    }
}

/* ---- Telling all of a change ------------------------------------------- */

struct news {
    const MemoryRegion *mr;
    const struct xbar_ioevent *event;
    const struct xbar_coalesced *ranges;
    bool starts;
};

static void tell_one(MemoryListener *l, const MemoryRegionSection *section,
                     const struct news *news)
{
    if (news->event != NULL) {
        tell_event(l, section, news->event, news->starts);
    }
}

static void tell_section(struct xbar_flatview_space *space,
                         const MemoryRegionSection *section,
                         const struct news *news)
{
    struct flatview_walk walk;

    /* As QEMU has it: what comes is told from the highest priority down. */
    flatview__walk_begin(&walk, space, !news->starts);
    while (flatview__walk_next(&walk)) {
        const struct xbar_coalesced *range = news->ranges;

        tell_one(walk.telling.who, section, news);
        for (; range != NULL && walk.telling.who != NULL; range = range->next) {
            tell_range(walk.telling.who, section, range, news->starts);
        }
    }
    flatview__walk_end(&walk);
}

static bool any_wants(const struct xbar_flatview_space *space)
{
    const MemoryListener *l = space->first_listener;

    while (l != NULL && l->eventfd_add == NULL && l->eventfd_del == NULL &&
           l->coalesced_io_add == NULL && l->coalesced_io_del == NULL) {
        l = l->link_next;
    }
    return l != NULL;
}

static void tell_space(struct xbar_flatview_space *space,
                       const struct news *news)
{
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);

    for (; range != NULL; range = flatview__after(view, range)) {
        if (range->mr == news->mr) {
            MemoryRegionSection section =
                flatview__section(view, range, range->first, range->last);

            tell_section(space, &section, news);
        }
    }
}

static void tell_spaces(const struct news *news)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(xbar_region_engine(news->mr),
                                         space)) != NULL) {
        if (any_wants(space)) {
            tell_space(space, news);
        }
    }
}

/* ---- Changes ----------------------------------------------------------- */

/* Begin a mutation of @mr. What callbacks edit is a commit after it. */
static int begin(MemoryRegion *mr)
{
    if (mr == NULL || !xbar_region_can_defer(mr)) {
        return -EINVAL;
    }
    return xbar_mutation_begin(xbar_region_engine(mr));
}

/* It stands even if views cannot be made of it now. */
static int end(struct xbar_engine *engine, int err)
{
    (void)xbar_mutation_end(engine);
    return err;
}

static bool is_event_sane(hwaddr addr, unsigned size, const EventNotifier *e)
{
    return size <= 8 && (size & (size - 1)) == 0 && e != NULL &&
           e->initialized && (size == 0 || addr <= UINT64_MAX - (size - 1));
}

static struct xbar_ioevent make_event(hwaddr addr, unsigned size,
                                      bool match_data, uint64_t data,
                                      EventNotifier *e)
{
    bool matches = match_data && size != 0;

    return (struct xbar_ioevent){
        .addr = addr,
        .size = size,
        .match_data = matches,
        .data = matches ? data & (UINT64_MAX >> (64 - 8 * size)) : 0,
        .notifier = e,
    };
}

int memory_region_add_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                              bool match_data, uint64_t data, EventNotifier *e)
{
    struct xbar_ioevent event;
    struct news news = { .mr = mr, .event = &event, .starts = true };
    int err;

    if (!is_event_sane(addr, size, e)) {
        return -EINVAL;
    }
    err = begin(mr);
    if (err != 0) {
        return err;
    }
    event = make_event(addr, size, match_data, data, e);
    err = xbar_ioevent_add(mr, &event);
    if (err == 0) {
        tell_spaces(&news);
    }
    return end(xbar_region_engine(mr), err);
}

int memory_region_del_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                              bool match_data, uint64_t data, EventNotifier *e)
{
    struct xbar_ioevent event;
    struct news news = { .mr = mr };
    int err;

    if (!is_event_sane(addr, size, e)) {
        return -EINVAL;
    }
    err = begin(mr);
    if (err != 0) {
        return err;
    }
    event = make_event(addr, size, match_data, data, e);
    news.event = xbar_ioevent_remove(mr, &event);
    if (news.event != NULL) {
        tell_spaces(&news);
    }
    return end(xbar_region_engine(mr), news.event != NULL ? 0 : -ENOENT);
}

/* ---- Coalescing -------------------------------------------------------- */

static int add_coalescing(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct xbar_coalesced range = { .first = first, .last = last };
    struct news news = { .mr = mr, .ranges = &range, .starts = true };
    int err = begin(mr);

    if (err != 0) {
        return err;
    }
    err = xbar_coalesced_add(mr, first, last);
    if (err == 0) {
        tell_spaces(&news);
    }
    return end(xbar_region_engine(mr), err);
}

int memory_region_add_coalescing(MemoryRegion *mr, hwaddr offset, uint64_t size)
{
    hwaddr last = offset + (size - 1);

    if (size == 0) {
        return -EINVAL;
    }
    return add_coalescing(mr, offset, last < offset ? UINT64_MAX : last);
}

int memory_region_set_coalescing(MemoryRegion *mr)
{
    int err = memory_region_clear_coalescing(mr);

    return err != 0 ? err : add_coalescing(mr, 0, UINT64_MAX);
}

int memory_region_clear_coalescing(MemoryRegion *mr)
{
    struct news news = { .mr = mr };
    int err = begin(mr);

    if (err != 0) {
        return err;
    }
    news.ranges = xbar_coalesced_take(mr);
    if (news.ranges != NULL) {
        tell_spaces(&news);
    }
    err = end(xbar_region_engine(mr), 0);
    xbar_engine_flush_coalesced(xbar_region_engine(mr));
    return err;
}

static int set_flush(MemoryRegion *mr, bool flush)
{
    int err = begin(mr);

    return err != 0 ? err
                    : end(xbar_region_engine(mr),
                          xbar_coalesced_set_flush(mr, flush));
}

int memory_region_set_flush_coalesced(MemoryRegion *mr)
{
    return set_flush(mr, true);
}

int memory_region_clear_flush_coalesced(MemoryRegion *mr)
{
    int err = set_flush(mr, false);

    if (err == 0) {
        xbar_engine_flush_coalesced(xbar_region_engine(mr));
    }
    return err;
}
