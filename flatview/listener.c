/* SPDX-License-Identifier: MIT */
/*
 * Listeners come, are walked, and go; listener_delta.c says what they are told
 * of a commit.
 *
 * A walk over them survives whatever its callbacks do: who is told, and who
 * comes next, is known to the space while the walk is under way, and whoever
 * unregisters a listener puts it right there.
 */
#include "flatview/listener.h"

#include <errno.h>

#include "engine/log.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- Walks ------------------------------------------------------------- */

static void begin_telling(struct xbar_flatview_space *space,
                          struct flatview_telling *telling,
                          MemoryListener *listener, int step)
{
    telling->who = listener;
    telling->step = step;
    telling->outer = space->telling;
    space->telling = telling;
}

static void end_telling(struct xbar_flatview_space *space,
                        const struct flatview_telling *telling)
{
    xbar_assert(space->telling == telling);
    space->telling = telling->outer;
}

void flatview__walk_begin(struct flatview_walk *walk,
                          struct xbar_flatview_space *space, bool is_forward)
{
    walk->space = space;
    begin_telling(space, &walk->ahead,
                  is_forward ? space->first_listener : space->last_listener,
                  is_forward ? 1 : -1);
    begin_telling(space, &walk->telling, NULL, 0);
}

bool flatview__walk_next(struct flatview_walk *walk)
{
    MemoryListener *l = walk->ahead.who;

    walk->telling.who = l;
    if (l != NULL) {
        walk->ahead.who = walk->ahead.step > 0 ? l->link_next : l->link_prev;
    }
    return l != NULL;
}

void flatview__walk_end(struct flatview_walk *walk)
{
    end_telling(walk->space, &walk->telling);
    end_telling(walk->space, &walk->ahead);
}

const FlatRange *flatview__after(const FlatView *view, const FlatRange *range)
{
    return range->last == UINT64_MAX
               ? NULL
               : flatview_next_range(view, range->last + 1);
}

/* ---- One section ------------------------------------------------------- */

static void tell_add(MemoryListener *l, MemoryRegionSection *section)
{
    if (l->region_add != NULL) {
        l->region_add(l, section);
    }
}

static void tell_del(MemoryListener *l, MemoryRegionSection *section)
{
    if (l->region_del != NULL) {
        l->region_del(l, section);
    }
}

void flatview__tell_coming(const struct flatview_telling *telling,
                           struct flatview_part *part)
{
    MemoryListener *l = telling->who;

    listener__begin_half(l, part, true);
    tell_add(l, &part->section);
    if (telling->who != NULL) {
        l->half_part = HALF_LOG;
        flatview__tell_log(l, &part->section, true);
    }
    if (telling->who != NULL) {
        flatview__tell_deferred(telling, part, true, 0);
    }
    listener__end_half(telling);
}

void flatview__tell_going(const struct flatview_telling *telling,
                          struct flatview_part *part)
{
    MemoryListener *l = telling->who;

    listener__begin_half(l, part, false);
    l->half_part = HALF_LOG;
    flatview__tell_log(l, &part->section, false);
    if (telling->who != NULL) {
        flatview__tell_deferred(telling, part, false, 0);
    }
    listener__end_half(telling);
    if (telling->who != NULL) {
        tell_del(l, &part->section);
    }
}

/* The rest of the section in whose middle @l has left. */
static void finish_half(MemoryListener *l)
{
    const struct flatview_telling telling = { .who = l };
    struct flatview_part part;

    if (l->half == NULL) {
        return;
    }
    part = *l->half;
    l->half = NULL;
    if (l->half_part == HALF_REGION) {
        flatview__tell_log(l, &part.section, true);
    }
    flatview__tell_deferred(&telling, &part, l->half_comes,
                            l->half_part == HALF_DEFERRED ? l->half_told : 0);
    if (!l->half_comes) {
        tell_del(l, &part.section);
    }
}

/* ---- Leaving ----------------------------------------------------------- */

/* What @l has: the current view, or what of it was replayed. */
static void delete_all(struct xbar_flatview_space *space, MemoryListener *l,
                       bool is_replaying)
{
    const struct flatview_telling telling = { .who = l };
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);

    for (; range != NULL; range = flatview__after(view, range)) {
        struct flatview_part part = flatview__whole(view, range);

        if (is_replaying && !l->is_past_end && range->first >= l->next) {
            return;
        }
        flatview__tell_going(&telling, &part);
    }
}

static void leave(struct xbar_flatview_space *space, MemoryListener *l)
{
    bool is_replaying = l->stage == STAGE_REPLAY;

    finish_half(l);
    if (is_replaying) {
        l->stage = STAGE_COMMIT; /* `next` stays: so far it came */
    }
    flatview__catch_up(space, l);
    flatview__catch_up_log(space, l);
    flatview__catch_up_deferred(space, l);
    if (l->begin != NULL) {
        l->begin(l);
    }
    delete_all(space, l, is_replaying);
    flatview__tell_global_log(space->engine, l, false);
    l->stage = STAGE_SETTLED;
    if (l->commit != NULL) {
        l->commit(l);
    }
}

/* ---- Registering ------------------------------------------------------- */

static void link_listener(struct xbar_flatview_space *space, MemoryListener *l)
{
    MemoryListener *prev = space->last_listener;

    while (prev != NULL && prev->priority > l->priority) {
        prev = prev->link_prev;
    }
    l->link_prev = prev;
    l->link_next = prev != NULL ? prev->link_next : space->first_listener;
    *(prev != NULL ? &prev->link_next : &space->first_listener) = l;
    *(l->link_next != NULL ? &l->link_next->link_prev : &space->last_listener) =
        l;
}

static void unlink_listener(struct xbar_flatview_space *space,
                            MemoryListener *l)
{
    for (struct flatview_telling *t = space->telling; t; t = t->outer) {
        if (t->who == l) {
            t->who = t->step > 0   ? l->link_next
                     : t->step < 0 ? l->link_prev
                                   : NULL;
        }
    }
    *(l->link_prev != NULL ? &l->link_prev->link_next
                           : &space->first_listener) = l->link_next;
    *(l->link_next != NULL ? &l->link_next->link_prev : &space->last_listener) =
        l->link_prev;
    l->link_next = NULL;
    l->link_prev = NULL;
}

static void replay(struct xbar_flatview_space *space, MemoryListener *l)
{
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);
    struct flatview_telling telling;

    l->generation = view->trie.generation;
    listener__start_stage(l, STAGE_REPLAY);
    begin_telling(space, &telling, l, 0);
    if (l->begin != NULL) {
        l->begin(l);
    }
    if (telling.who != NULL) {
        flatview__tell_global_log(space->engine, l, true);
    }
    for (; range != NULL && telling.who != NULL;
         range = flatview__after(view, range)) {
        struct flatview_part part = flatview__whole(view, range);

        (void)listener__advance(l, range->first, range->last);
        flatview__tell_coming(&telling, &part);
    }
    end_telling(space, &telling);
    if (telling.who != NULL) {
        l->stage = STAGE_SETTLED;
        if (l->commit != NULL) {
            l->commit(l);
        }
    }
}

/*
 * What callbacks edit while one listener is told waits for the end of that:
 * there is a transaction open, if not that of the commit under way.
 */
static void begin_registry(struct xbar_flatview_space *space)
{
    memory_region_transaction_begin();
    xbar_tree_hold(space->engine);
}

static void end_registry(struct xbar_engine *engine)
{
    xbar_tree_release(engine);
    (void)memory_region_transaction_commit(); /* the callbacks' edits */
}

int memory_listener_register(MemoryListener *listener, AddressSpace *as)
{
    struct xbar_engine *engine;
    int err = -EINVAL;

    if (listener == NULL || as == NULL || as->space == NULL ||
        (listener->log_sync != NULL && listener->log_sync_global != NULL)) {
        return -EINVAL;
    }
    engine = as->space->engine;
    begin_registry(as->space);
    if (listener->address_space == NULL && as->space->done == NULL) {
        err = 0;
        listener->address_space = as;
        link_listener(as->space, listener);
        replay(as->space, listener);
    } else {
        log__refuse(engine, as->name, err, __func__,
                    "the listener is registered, or the space is ending");
    }
    end_registry(engine);
    return err;
}

/* Under the writer lock. */
static void unregister(struct xbar_flatview_space *space, MemoryListener *l)
{
    l->is_leaving = true;
    unlink_listener(space, l);
    leave(space, l);
    l->is_leaving = false;
    l->address_space = NULL;
}

int memory_listener_unregister(MemoryListener *listener)
{
    AddressSpace *as = listener != NULL ? listener->address_space : NULL;
    struct xbar_engine *engine;
    int err = -EINVAL;

    if (as == NULL) {
        return log__refuse(NULL, "no listener", -EINVAL, __func__,
                           "it is not registered");
    }
    engine = as->space->engine;
    begin_registry(as->space);
    if (listener->address_space == as && !listener->is_leaving) {
        unregister(as->space, listener);
        err = 0;
    }
    end_registry(engine);
    return err;
}

void address_space_remove_listeners(AddressSpace *as)
{
    struct xbar_engine *engine;

    if (as == NULL || as->space == NULL) {
        return;
    }
    engine = as->space->engine;
    begin_registry(as->space);
    while (as->space->last_listener != NULL) {
        unregister(as->space, as->space->last_listener);
    }
    end_registry(engine);
}
