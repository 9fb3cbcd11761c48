/* SPDX-License-Identifier: MIT */
/*
 * Telling listeners who logs which memory.
 *
 * That changes at once, whenever somebody says so, also in a callback while a
 * commit is being told. What listeners were told of a region is therefore kept
 * beside who does log it, the same for all of them:
 *
 *     set_log  ->  users of the log           (engine/dirty_log.c)
 *     pass     ->  old_mask, new_mask         what they were, and are, told
 *
 * Sections that come and go are told by new_mask. A pass takes all changes since
 * the last one to all listeners. It runs at the end of the outermost
 * transaction, when its commit has been told everywhere: so nobody hears of a
 * section that was not added yet, or is deleted already.
 *
 * How far a listener is in a pass stands in it, as for commits, so that one that
 * leaves is told the rest first, and one that comes is not told twice.
 */
#include "engine/commit.h"
#include "engine/dirty_log.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener_internal.h"
#include "flatview/places.h"

/* ---- Sections that come and go ----------------------------------------- */

static void tell_masks(MemoryListener *l, MemoryRegionSection *section,
                       int old_mask, int new_mask)
{
    bool starts = (new_mask & ~old_mask) != 0;

    if (starts && l->log_start != NULL) {
        l->log_start(l, section, old_mask, new_mask);
    } else if (!starts && old_mask != new_mask && l->log_stop != NULL) {
        l->log_stop(l, section, old_mask, new_mask);
    }
}

void flatview__tell_log(MemoryListener *l, MemoryRegionSection *section,
                        bool starts)
{
    int mask = 0;

    if ((starts ? l->log_start : l->log_stop) != NULL) {
        mask = xbar_dirty_news_of(section->mr).new_mask;
    }
    tell_masks(l, section, starts ? 0 : mask, starts ? mask : 0);
}

static void tell_all_start(MemoryListener *l)
{
    l->knows_all_logged = true;
    if (l->log_global_start != NULL) {
        l->log_global_start(l);
    }
}

/* Not if it left before it was told of the start. */
static void tell_all_stop(MemoryListener *l)
{
    if (l->knows_all_logged && l->log_global_stop != NULL) {
        l->log_global_stop(l);
    }
    l->knows_all_logged = false;
}

void flatview__tell_global_log(struct xbar_engine *engine, MemoryListener *l,
                               bool starts)
{
    if (xbar_dirty_news_of_all(engine).new_mask) {
        (starts ? tell_all_start : tell_all_stop)(l);
    }
}

/* ---- One listener in a pass -------------------------------------------- */

static void start_all(MemoryListener *l)
{
    struct xbar_dirty_news all =
        xbar_dirty_news_of_all(l->address_space->space->engine);

    if (l->stage != STAGE_LOG_ALL) {
        return;
    }
    listener__start_stage(l, STAGE_LOG);
    if (all.new_mask & ~all.old_mask) {
        tell_all_start(l);
    }
}

static void stop_all(MemoryListener *l)
{
    struct xbar_dirty_news all =
        xbar_dirty_news_of_all(l->address_space->space->engine);

    if (l->stage != STAGE_LOG_NONE) {
        return;
    }
    l->stage = STAGE_SETTLED;
    if (all.old_mask & ~all.new_mask) {
        tell_all_stop(l);
    }
}

static void tell_section(MemoryListener *l, const MemoryRegionSection *section,
                         const struct xbar_dirty_news *news)
{
    hwaddr first = section->offset_within_address_space;
    MemoryRegionSection copy = *section;

    if (l->stage == STAGE_LOG &&
        listener__advance(l, first, first + (hwaddr)(section->size - 1))) {
        tell_masks(l, &copy, news->old_mask, news->new_mask);
    }
}

/* No callback can take @l away any more. */
void flatview__catch_up_log(struct xbar_flatview_space *space,
                            MemoryListener *l)
{
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);

    start_all(l);
    if (l->stage != STAGE_LOG) {
        stop_all(l);
        return;
    }
    for (; range != NULL; range = flatview__after(view, range)) {
        struct xbar_dirty_news news = xbar_dirty_news_of(range->mr);
        MemoryRegionSection section =
            flatview__section(view, range, range->first, range->last);

        tell_section(l, &section, &news);
    }
    l->stage = STAGE_LOG_NONE;
    stop_all(l);
}

/* ---- A pass ------------------------------------------------------------ */

static void move_all(struct xbar_engine *engine, enum listener_stage from,
                     enum listener_stage to)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(engine, space)) != NULL) {
        for (MemoryListener *l = space->first_listener; l; l = l->link_next) {
            if (l->stage == from) {
                listener__start_stage(l, to);
            }
        }
    }
}

static void tell_range(struct xbar_flatview_space *space, FlatView *view,
                       const FlatRange *range)
{
    struct xbar_dirty_news news = xbar_dirty_news_of(range->mr);
    MemoryRegionSection section;
    struct flatview_walk walk;

    if (news.old_mask == news.new_mask) {
        return;
    }
    section = flatview__section(view, range, range->first, range->last);
    flatview__walk_begin(&walk, space, true);
    while (flatview__walk_next(&walk)) {
        tell_section(walk.telling.who, &section, &news);
    }
    flatview__walk_end(&walk);
}

static bool any_wants(const struct xbar_flatview_space *space)
{
    const MemoryListener *l = space->first_listener;

    while (l != NULL && l->log_start == NULL && l->log_stop == NULL) {
        l = l->link_next;
    }
    return l != NULL;
}

static void tell_space(struct xbar_flatview_space *space)
{
    FlatView *view = flatview__current(space->as);
    struct flatview_places places;
    const FlatRange *range;

    if (!any_wants(space)) {
        return;
    }
    flatview__places_logged(&places, space);
    range = flatview__places_first(&places, view);
    while (range != NULL && space->first_listener != NULL) {
        tell_range(space, view, range);
        range = flatview__places_next(&places, view, range);
    }
}

static void tell_log_news(struct xbar_engine *engine)
{
    struct xbar_flatview_space *space = NULL;

    if (!xbar_dirty_news_begin(engine)) {
        return;
    }
    move_all(engine, STAGE_SETTLED, STAGE_LOG_ALL);
    flatview__tell_globally(engine, start_all, true);
    while ((space = flatview__next_space(engine, space)) != NULL) {
        tell_space(space);
    }
    move_all(engine, STAGE_LOG, STAGE_LOG_NONE);
    flatview__tell_globally(engine, stop_all, false);
    xbar_dirty_news_end(engine);
}

static void tell_news(struct xbar_engine *engine)
{
    tell_log_news(engine);
    flatview__tell_deferred_news(engine);
}

void flatview__tell_later(struct xbar_engine *engine)
{
    xbar_tell_later(engine, tell_news);
}
