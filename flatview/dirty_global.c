/* SPDX-License-Identifier: MIT */
/*
 * Logging all memory of an engine, for as long as there is a reason to; and
 * asking all listeners what was written.
 */
#include <errno.h>

#include "engine/dirty_log.h"
#include "engine/tree.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener_internal.h"

#define ALL_REASONS \
    (GLOBAL_DIRTY_MIGRATION | GLOBAL_DIRTY_DIRTY_RATE | GLOBAL_DIRTY_LIMIT)

typedef void tell_section_fn(MemoryListener *l, MemoryRegionSection *section);

/* ---- Each section of each view ----------------------------------------- */

static void tell_listeners(struct xbar_flatview_space *space,
                           const MemoryRegionSection *section,
                           tell_section_fn *tell)
{
    struct flatview_walk walk;

    flatview__walk_begin(&walk, space, true);
    while (flatview__walk_next(&walk)) {
        MemoryRegionSection copy = *section;

        tell(walk.telling.who, &copy);
    }
    flatview__walk_end(&walk);
}

static void tell_space(struct xbar_flatview_space *space, tell_section_fn *tell)
{
    FlatView *view = flatview__current(space->as);
    const FlatRange *range = flatview_next_range(view, 0);

    while (range != NULL && space->first_listener != NULL) {
        MemoryRegionSection section =
            flatview__section(view, range, range->first, range->last);

        tell_listeners(space, &section, tell);
        range = flatview__after(view, range);
    }
}

static void tell_sections(struct xbar_engine *engine, tell_section_fn *tell)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(engine, space)) != NULL) {
        tell_space(space, tell);
    }
}

/* ---- What they are told ------------------------------------------------ */

static void tell_sync(MemoryListener *l, MemoryRegionSection *section)
{
    if (l->log_sync != NULL) {
        l->log_sync(l, section);
    }
}

/* ---- Starting and stopping --------------------------------------------- */

/* Callbacks' edits wait for the end: see begin_news() in dirty_bitmap.c. */
static struct xbar_engine *begin(void)
{
    struct xbar_engine *engine = xbar_engine_current();

    memory_region_transaction_begin();
    xbar_tree_hold(engine);
    return engine;
}

static void end(struct xbar_engine *engine)
{
    xbar_tree_release(engine);
    (void)memory_region_transaction_commit();
}

int memory_global_dirty_log_start(unsigned int flags)
{
    struct xbar_engine *engine;
    unsigned *reasons;
    int err = 0;

    if (flags == 0 || (flags & ~(unsigned)ALL_REASONS) != 0) {
        return -EINVAL;
    }
    engine = begin();
    reasons = xbar_dirty_reasons(engine);
    if (*reasons == 0) {
        err = xbar_dirty_log_all(engine, DIRTY_MEMORY_MIGRATION);
        flatview__tell_later(engine);
    }
    if (err == 0) {
        *reasons |= flags;
    }
    end(engine);
    return err;
}

int memory_global_dirty_log_stop(unsigned int flags)
{
    struct xbar_engine *engine;
    unsigned *reasons;

    if (flags == 0 || (flags & ~(unsigned)ALL_REASONS) != 0) {
        return -EINVAL;
    }
    engine = begin();
    reasons = xbar_dirty_reasons(engine);
    if (*reasons != 0 && (*reasons & ~flags) == 0) {
        xbar_dirty_log_all_stop(engine);
        flatview__tell_later(engine);
    }
    *reasons &= ~flags;
    end(engine);
    return 0;
}

/* ---- Syncing ----------------------------------------------------------- */

static void sync_globally(MemoryListener *l)
{
    if (l->log_sync_global != NULL) {
        l->log_sync_global(l);
    }
}

static void after_sync(MemoryListener *l)
{
    if (l->log_global_after_sync != NULL) {
        l->log_global_after_sync(l);
    }
}

void memory_global_dirty_log_sync(void)
{
    struct xbar_engine *engine = begin();

    tell_sections(engine, tell_sync);
    flatview__tell_globally(engine, sync_globally, true);
    flatview__tell_globally(engine, after_sync, true);
    end(engine);
}
