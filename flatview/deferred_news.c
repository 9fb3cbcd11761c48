/* SPDX-License-Identifier: MIT */
/*
 * Telling listeners of eventfds and coalesced ranges.
 *
 * A section that comes or goes is told with what listeners know of its region:
 * engine/deferred.h says how that differs from what accesses find. What changed
 * is told one by one in passes that run when a transaction has been told
 * everywhere, so nobody hears of a section that it was not told of:
 *
 *     a callback adds an eventfd     accesses find it
 *     sections that come meanwhile   are told without it
 *     the pass: it is known          sections that come are told with it, and
 *                                    those that are there are told of it
 *
 * How far a listener is in a pass stands in it, as for commits.
 */
#include "engine/deferred.h"
#include "flatview/listener_internal.h"
#include "flatview/places.h"

struct flatview_news {
    const struct xbar_deferred_item *item;
    bool starts;
};

/* ---- Telling one listener of one section ------------------------------- */

/* Where @event lies. False: not where it is told with @part. */
static bool place_event(const struct xbar_ioevent *event,
                        const struct flatview_part *part,
                        MemoryRegionSection *place)
{
    const MemoryRegionSection *s = &part->section;
    Int128 first = (Int128)s->offset_within_address_space + event->addr -
                   s->offset_within_region;
    Int128 last = first + (event->size != 0 ? event->size : 1) - 1;

    if (first < part->reach.first || last > part->reach.last ||
        last < s->offset_within_address_space ||
        first >= s->offset_within_address_space + s->size) {
        return false;
    }
    *place = *s;
    place->offset_within_region = event->addr;
    place->offset_within_address_space = (hwaddr)first;
    place->size = event->size;
    return true;
}

static void tell_event(MemoryListener *l, const struct flatview_part *part,
                       const struct xbar_ioevent *event, bool starts)
{
    MemoryRegionSection place;

    if ((starts ? l->eventfd_add : l->eventfd_del) != NULL &&
        place_event(event, part, &place)) {
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

static void tell_item(MemoryListener *l, const struct flatview_part *part,
                      const struct xbar_deferred_item *item, bool starts)
{
    if (item->event != NULL) {
        tell_event(l, part, item->event, starts);
    } else {
        tell_range(l, &part->section, item->range, starts);
    }
}

void flatview__tell_deferred(const struct flatview_telling *telling,
                             const struct flatview_part *part, bool starts,
                             size_t skip)
{
    const struct xbar_deferred_item *item =
        xbar_deferred_told(part->section.mr);
    size_t told = 0;

    for (; item != NULL && telling->who != NULL; item = item->next) {
        if (told++ < skip) {
            continue;
        }
        telling->who->half_part = HALF_DEFERRED;
        telling->who->half_told = told;
        tell_item(telling->who, part, item, starts);
    }
}

/* ---- A pass: one change, to all listeners ------------------------------ */

static void tell_news(MemoryListener *l, const struct flatview_part *part,
                      const struct flatview_news *news)
{
    if (l->stage == STAGE_DEFERRED &&
        listener__advance(l, part->reach.first, part->reach.last)) {
        tell_item(l, part, news->item, news->starts);
    }
}

static void tell_section(struct xbar_flatview_space *space,
                         const struct flatview_part *part,
                         const struct flatview_news *news)
{
    struct flatview_walk walk;

    /* As QEMU has it: what comes is told from the highest priority down. */
    flatview__walk_begin(&walk, space, !news->starts);
    while (flatview__walk_next(&walk)) {
        tell_news(walk.telling.who, part, news);
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
                       const struct flatview_news *news)
{
    FlatView *view = flatview__current(space->as);
    MemoryRegion *mr = news->item->mr;
    struct flatview_places places;
    const FlatRange *range;

    if (!any_wants(space)) {
        return;
    }
    flatview__places_region(&places, space, mr, 0, UINT64_MAX);
    for (range = flatview__places_first(&places, view); range != NULL;
         range = flatview__places_next(&places, view, range)) {
        if (range->mr == mr) {
            struct flatview_part part = flatview__whole(view, range);

            tell_section(space, &part, news);
        }
    }
}

/* A listener that comes meanwhile has been told by its replay. */
static void start_all(struct xbar_flatview_space *space,
                      const struct flatview_news *news)
{
    space->news = news;
    for (MemoryListener *l = space->first_listener; l; l = l->link_next) {
        if (l->stage == STAGE_SETTLED) {
            listener__start_stage(l, STAGE_DEFERRED);
        }
    }
}

static void settle_all(struct xbar_flatview_space *space)
{
    space->news = NULL;
    for (MemoryListener *l = space->first_listener; l; l = l->link_next) {
        if (l->stage == STAGE_DEFERRED) {
            l->stage = STAGE_SETTLED;
        }
    }
}

static void tell_pass(struct xbar_engine *engine)
{
    struct xbar_flatview_space *space = NULL;
    struct flatview_news news;

    news.item = xbar_deferred_news_take(engine, &news.starts);
    if (news.item == NULL) {
        return;
    }
    while ((space = flatview__next_space(engine, space)) != NULL) {
        start_all(space, &news);
    }
    while ((space = flatview__next_space(engine, space)) != NULL) {
        tell_space(space, &news);
    }
    while ((space = flatview__next_space(engine, space)) != NULL) {
        settle_all(space);
    }
    xbar_deferred_news_done(news.item);
}

/* What callbacks change is a round of its own. */
void flatview__tell_deferred_news(struct xbar_engine *engine)
{
    for (size_t n = xbar_deferred_news(engine); n != 0; n--) {
        tell_pass(engine);
    }
}

/* ---- One that leaves in a pass ----------------------------------------- */

/* No callback can take @l away any more. */
void flatview__catch_up_deferred(struct xbar_flatview_space *space,
                                 MemoryListener *l)
{
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);

    if (l->stage != STAGE_DEFERRED) {
        return;
    }
    for (; range != NULL; range = flatview__after(view, range)) {
        if (range->mr == space->news->item->mr) {
            struct flatview_part part = flatview__whole(view, range);

            tell_news(l, &part, space->news);
        }
    }
    l->stage = STAGE_SETTLED;
}
