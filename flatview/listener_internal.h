/* SPDX-License-Identifier: MIT */
/*
 * Telling listeners: what listener.c and listener_delta.c offer to each other
 * and to the rest of the folder.
 */
#ifndef XBAR_FLATVIEW_LISTENER_INTERNAL_H
#define XBAR_FLATVIEW_LISTENER_INTERNAL_H

#include "flatview/flatview_internal.h"
#include "flatview/listener.h"

/*
 * Who is being told, or comes next: on the caller's stack, linked from the
 * space. When that listener is unregistered, one who is told becomes NULL, and
 * one who comes next becomes the one after it.
 */
struct flatview_telling {
    MemoryListener *who;
    struct flatview_telling *outer;
    int step; /* 0: is told; 1, -1: comes next in a walk of this direction */
};

/*
 * For each listener, the lowest first or the highest first; a callback may
 * unregister and register any.
 *
 *     struct flatview_walk walk;
 *
 *     flatview__walk_begin(&walk, space, is_forward);
 *     while (flatview__walk_next(&walk)) {
 *         ... walk.telling.who, until it is NULL ...
 *     }
 *     flatview__walk_end(&walk);
 */
struct flatview_walk {
    struct xbar_flatview_space *space;
    struct flatview_telling telling;
    struct flatview_telling ahead;
};

void flatview__walk_begin(struct flatview_walk *walk,
                          struct xbar_flatview_space *space, bool is_forward);
bool flatview__walk_next(struct flatview_walk *walk);
void flatview__walk_end(struct flatview_walk *walk);

/* Addresses @first to @last of @range, which @view has. */
MemoryRegionSection flatview__section(FlatView *view, const FlatRange *range,
                                      hwaddr first, hwaddr last);

/*
 * What is told of a section at once: all of it, or a piece that a commit
 * changed. Eventfds are told with one piece that they lie in, even if only in
 * part: all of them lies in the section, and is shown meanwhile.
 *
 *     section   |---kept---|===piece===|---kept---|===piece===|
 *     goes      |<- begins in here --->|<- and ends anywhere ->|     first
 *     comes     |<- begins anywhere -->|<- ends ->|                  piece
 */
struct flatview_part {
    MemoryRegionSection section;
    struct xbar_range reach; /* of what is told with it */
};

/* All of @range. */
static inline struct flatview_part flatview__whole(FlatView *view,
                                                   const FlatRange *range)
{
    return (struct flatview_part){
        .section = flatview__section(view, range, range->first, range->last),
        .reach = { range->first, range->last },
    };
}

/* The section of @view after @range; NULL: none. */
const FlatRange *flatview__after(const FlatView *view, const FlatRange *range);

/* Of the commit under way, what is to come? */
enum listener_stage {
    STAGE_SETTLED, /* nothing */
    STAGE_BEGIN,   /* everything */
    STAGE_DEL,     /* region_del from `next` on, and what follows */
    STAGE_ADD,     /* region_add from `next` on, and commit */
    STAGE_COMMIT,  /* commit */
    STAGE_REPLAY,  /* region_add of the view, registering: from `next` on */
    /* Of a pass of dirty_news.c: */
    STAGE_LOG_ALL,  /* everything */
    STAGE_LOG,      /* log_start or _stop from `next` on, and what follows */
    STAGE_LOG_NONE, /* log_global_stop */
    /* Of one piece of news of deferred_writes.c: from `next` on */
    STAGE_DEFERRED,
};

static inline void listener__start_stage(MemoryListener *l,
                                         enum listener_stage stage)
{
    l->stage = (uint8_t)stage;
    l->next = 0;
    l->is_past_end = false;
}

/*
 * A section takes several calls: region_add, the log, eventfds and ranges; or
 * the log, eventfds and ranges, region_del. While one is made that is not the
 * last, the part is @l's `half`, and the rest of it says which call that is:
 * if it leaves in there, it is told those that follow.
 */
enum listener_half {
    HALF_REGION,   /* region_add */
    HALF_LOG,      /* log_start, log_stop */
    HALF_DEFERRED, /* of the eventfds and ranges, the one before half_told */
};

static inline void listener__begin_half(MemoryListener *l,
                                        struct flatview_part *part, bool comes)
{
    l->half = part;
    l->half_comes = comes;
    l->half_part = HALF_REGION;
}

/* @l has left, or has been told. */
static inline void listener__end_half(const struct flatview_telling *telling)
{
    if (telling->who != NULL) {
        telling->who->half = NULL;
    }
}

/* @part of a section came to @telling->who, or goes: all there is to tell. */
void flatview__tell_coming(const struct flatview_telling *telling,
                           struct flatview_part *part);
void flatview__tell_going(const struct flatview_telling *telling,
                          struct flatview_part *part);

/* Was all up to @last told before? If not, it is about to be. */
static inline bool listener__advance(MemoryListener *l, hwaddr first,
                                     hwaddr last)
{
    if (l->is_past_end || first < l->next) {
        return false;
    }
    l->is_past_end = last == UINT64_MAX;
    l->next = last + 1;
    return true;
}

/*
 * listener_delta.c: what @l, which has left the list, has not been told of the
 * change under way.
 */
void flatview__catch_up(struct xbar_flatview_space *space, MemoryListener *l);

/* ---- deferred_writes.c ------------------------------------------------- */

/*
 * The eventfds and coalesced ranges of a part that comes or goes, but for the
 * first @skip of its region's.
 */
void flatview__tell_deferred(const struct flatview_telling *telling,
                             const struct flatview_part *part, bool starts,
                             size_t skip);

/* What @l, which has left the list, was not told of the news under way. */
void flatview__catch_up_deferred(struct xbar_flatview_space *space,
                                 MemoryListener *l);

/* All news that waits, when a transaction has been told. */
void flatview__tell_deferred_news(struct xbar_engine *engine);

/* ---- dirty_news.c ------------------------------------------------------ */

/*
 * In a transaction: who logs some memory, or what is deferred, may have
 * changed. Listeners are told when it ends, after its commit.
 */
void flatview__tell_later(struct xbar_engine *engine);

/* What @l, which has left the list, was not told of the pass under way. */
void flatview__catch_up_log(struct xbar_flatview_space *space,
                            MemoryListener *l);

/* @section was added, or is about to be deleted: is it logged? */
void flatview__tell_log(MemoryListener *l, MemoryRegionSection *section,
                        bool starts);

/* All memory is logged, or is not: what a listener that comes or goes hears. */
void flatview__tell_global_log(struct xbar_engine *engine, MemoryListener *l,
                               bool starts);

/* ---- dirty_bitmap.c ---------------------------------------------------- */

/* Each listener of each address space of @engine; under the writer lock. */
void flatview__tell_globally(struct xbar_engine *engine,
                             void (*tell)(MemoryListener *l), bool is_forward);

/* ---- root.c ------------------------------------------------------------ */

/* The address space after @space (NULL: the first); under the writer lock. */
struct xbar_flatview_space *
flatview__next_space(struct xbar_engine *engine,
                     struct xbar_flatview_space *space);

/* ---- For notify -------------------------------------------------------- */

/* Tell the listeners of @space of the change under way. */
void flatview__tell_listeners(struct xbar_flatview_space *space);

#endif
