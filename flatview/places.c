/* SPDX-License-Identifier: MIT */
#include "flatview/places.h"

#include "engine/dirty_log.h"
#include "engine/where.h"

/* ---- Finding ----------------------------------------------------------- */

static void set_everywhere(struct flatview_places *places)
{
    places->count = 1;
    places->ranges[0] = (struct xbar_range){ 0, UINT64_MAX };
}

static void set_ranges(struct flatview_places *places, const MemoryRegion *root)
{
    const struct xbar_window *windows;
    size_t count = root != NULL ? xbar_where_of(root, &windows) : 0;
    const size_t room = FLATVIEW_PLACES_RANGES;

    places->count = count < room ? count : room;
    for (size_t i = 0; i < places->count; i++) {
        places->ranges[i] = windows[i].range;
    }
    if (count > room) {
        places->ranges[room - 1].last = windows[count - 1].range.last;
    }
}

/* What xbar_where_add() was said of, or could not be. */
static void finish(struct flatview_places *places,
                   const struct xbar_flatview_space *space, int err)
{
    if (err == 0) {
        err = xbar_where_carry(space->engine);
    }
    if (err == 0) {
        set_ranges(places, space->as->root);
    } else {
        set_everywhere(places);
    }
    xbar_where_end(space->engine);
}

void flatview__places_region(struct flatview_places *places,
                             const struct xbar_flatview_space *space,
                             MemoryRegion *mr, hwaddr first, hwaddr last)
{
    places->at = 0;
    if (xbar_where_begin(space->engine)) {
        finish(places, space, xbar_where_add(mr, first, last));
    } else {
        set_everywhere(places);
    }
}

void flatview__places_logged(struct flatview_places *places,
                             const struct xbar_flatview_space *space)
{
    places->at = 0;
    if (xbar_where_begin(space->engine)) {
        finish(places, space, xbar_dirty_news_where(space->engine));
    } else {
        set_everywhere(places);
    }
}

/* ---- Walking ----------------------------------------------------------- */

/* @range or the first one after it that is in a place. */
static const FlatRange *settle(struct flatview_places *places,
                               const FlatView *view, const FlatRange *range)
{
    while (range != NULL && places->at < places->count) {
        const struct xbar_range *place = &places->ranges[places->at];

        if (range->first > place->last) {
            places->at++;
        } else if (range->last < place->first) {
            range = flatview_next_range(view, place->first);
        } else {
            return range;
        }
    }
    return NULL;
}

const FlatRange *flatview__places_first(struct flatview_places *places,
                                        const FlatView *view)
{
    return settle(places, view, flatview_next_range(view, 0));
}

const FlatRange *flatview__places_next(struct flatview_places *places,
                                       const FlatView *view,
                                       const FlatRange *range)
{
    return settle(places, view, flatview__range_after(view, range));
}
