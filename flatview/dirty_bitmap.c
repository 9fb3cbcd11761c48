/* SPDX-License-Identifier: MIT */
/*
 * Dirty logs as a device sees them: bytes rather than pages, snapshots, and
 * the listeners that log (hypervisors) or mirror what is logged.
 */
#include "flatview/dirty_bitmap.h"

#include <errno.h>

#include "engine/dirty_log.h"
#include "engine/ram_writes.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"
#include "flatview/places.h"

struct DirtyBitmapSnapshot {
    struct xbar_engine *engine;
    size_t bytes; /* of all this */
    uint64_t first;
    uint64_t count; /* pages */
    uint64_t bits[];
};

struct pages {
    uint64_t first;
    uint64_t last;
};

/* The pages that @size bytes at @addr touch. False: none. */
static bool get_pages(hwaddr addr, hwaddr size, struct pages *pages)
{
    hwaddr last = addr + (size - 1);

    pages->first = addr >> XBAR_DIRTY_PAGE_BITS;
    pages->last = (last < addr ? UINT64_MAX : last) >> XBAR_DIRTY_PAGE_BITS;
    return size != 0;
}

/* ---- Listeners --------------------------------------------------------- */

/* What listeners are told of sections that show a region. */
struct news {
    MemoryRegion *mr;
    hwaddr first; /* of the region's bytes */
    hwaddr last;
    void (*tell)(MemoryListener *l, MemoryRegionSection *section,
                 const struct news *news);
    bool (*wants)(const MemoryListener *l, const struct news *news);
};

static bool any_wants(const struct xbar_flatview_space *space,
                      const struct news *news)
{
    const MemoryListener *l = space->first_listener;

    while (l != NULL && !news->wants(l, news)) {
        l = l->link_next;
    }
    return l != NULL;
}

/* The part of @range that shows the region's bytes; false: none. */
static bool cut_range(const FlatRange *range, const struct news *news,
                      hwaddr *first, hwaddr *last)
{
    hwaddr offset = range->first + range->mr_delta;
    hwaddr end = range->last + range->mr_delta;

    if (range->mr != news->mr || offset > news->last || end < news->first) {
        return false;
    }
    offset = offset > news->first ? offset : news->first;
    end = end < news->last ? end : news->last;
    *first = offset - range->mr_delta;
    *last = end - range->mr_delta;
    return true;
}

static void tell_section(struct xbar_flatview_space *space,
                         const MemoryRegionSection *section,
                         const struct news *news)
{
    struct flatview_walk walk;

    flatview__walk_begin(&walk, space, true);
    while (flatview__walk_next(&walk)) {
        MemoryRegionSection copy = *section;

        if (news->wants(walk.telling.who, news)) {
            news->tell(walk.telling.who, &copy, news);
        }
    }
    flatview__walk_end(&walk);
}

static void tell_space(struct xbar_flatview_space *space,
                       const struct news *news)
{
    FlatView *view = flatview__current(space->as);
    struct flatview_places places;
    const FlatRange *range;
    hwaddr first;
    hwaddr last;

    if (!any_wants(space, news)) {
        return;
    }
    flatview__places_region(&places, space, news->mr, news->first, news->last);
    for (range = flatview__places_first(&places, view); range != NULL;
         range = flatview__places_next(&places, view, range)) {
        if (cut_range(range, news, &first, &last)) {
            MemoryRegionSection section =
                flatview__section(view, range, first, last);

            tell_section(space, &section, news);
        }
    }
}

/* Under the writer lock, in a transaction. */
static void tell_spaces(const struct news *news)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(xbar_region_engine(news->mr),
                                         space)) != NULL) {
        tell_space(space, news);
    }
}

/* What callbacks edit is a commit after this, as for commits. */
static void begin_news(MemoryRegion *mr)
{
    memory_region_transaction_begin();
    xbar_tree_hold(xbar_region_engine(mr));
}

static void end_news(struct xbar_engine *engine)
{
    xbar_tree_release(engine);
    (void)memory_region_transaction_commit();
}

/* ---- Starting and stopping --------------------------------------------- */

int memory_region_set_log(MemoryRegion *mr, bool log, unsigned client)
{
    struct xbar_engine *engine = mr != NULL ? xbar_region_engine(mr) : NULL;
    int err;

    if (engine == NULL) {
        return -EINVAL;
    }
    begin_news(mr);
    err = log ? xbar_dirty_log_start(mr, client)
              : xbar_dirty_log_stop(mr, client);
    if (err == 0) {
        flatview__tell_later(engine);
    }
    end_news(engine);
    return err;
}

bool memory_region_is_logging(MemoryRegion *mr, unsigned client)
{
    return xbar_dirty_is_logged(mr, client);
}

int memory_region_get_dirty_log_mask(MemoryRegion *mr)
{
    return xbar_dirty_log_mask(mr);
}

/* ---- Bits -------------------------------------------------------------- */

void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr, hwaddr size)
{
    uint64_t room = memory_region_size(mr);
    char *host = memory_region_get_ram_ptr(mr);

    if (host == NULL || size == 0 || addr >= room) {
        return;
    }
    size = size < room - addr ? size : room - addr;
    xbar_ram_wrote(xbar_region_engine(mr), host + addr, size);
}

bool memory_region_get_dirty(MemoryRegion *mr, hwaddr addr, hwaddr size,
                             unsigned client)
{
    struct pages pages;

    return get_pages(addr, size, &pages) &&
           xbar_dirty_test(mr, client, pages.first, pages.last);
}

bool memory_region_test_and_clear_dirty(MemoryRegion *mr, hwaddr addr,
                                        hwaddr size, unsigned client)
{
    struct pages pages;

    if (!get_pages(addr, size, &pages) ||
        !xbar_dirty_clear(mr, client, pages.first, pages.last, NULL)) {
        return false;
    }
    memory_region_clear_dirty_bitmap(mr, addr, size);
    return true;
}

void memory_region_reset_dirty(MemoryRegion *mr, hwaddr addr, hwaddr size,
                               unsigned client)
{
    (void)memory_region_test_and_clear_dirty(mr, addr, size, client);
}

/* ---- Asking listeners, telling them ------------------------------------ */

static bool wants_sync(const MemoryListener *l, const struct news *news)
{
    (void)news;
    return l->log_sync != NULL;
}

static void tell_sync(MemoryListener *l, MemoryRegionSection *section,
                      const struct news *news)
{
    (void)news;
    l->log_sync(l, section);
}

static bool wants_clear(const MemoryListener *l, const struct news *news)
{
    (void)news;
    return l->log_clear != NULL;
}

static void tell_clear(MemoryListener *l, MemoryRegionSection *section,
                       const struct news *news)
{
    (void)news;
    l->log_clear(l, section);
}

void flatview__tell_globally(struct xbar_engine *engine,
                             void (*tell)(MemoryListener *l), bool is_forward)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(engine, space)) != NULL) {
        struct flatview_walk walk;

        flatview__walk_begin(&walk, space, is_forward);
        while (flatview__walk_next(&walk)) {
            tell(walk.telling.who);
        }
        flatview__walk_end(&walk);
    }
}

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

void memory_region_sync_dirty_bitmap(MemoryRegion *mr)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    struct news news = {
        .mr = mr,
        .last = UINT64_MAX,
        .tell = tell_sync,
        .wants = wants_sync,
    };

    if (engine == NULL) {
        return;
    }
    begin_news(mr);
    tell_spaces(&news);
    flatview__tell_globally(engine, sync_globally, true);
    flatview__tell_globally(engine, after_sync, true);
    end_news(engine);
}

void memory_region_clear_dirty_bitmap(MemoryRegion *mr, hwaddr start,
                                      hwaddr len)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    struct news news = {
        .mr = mr,
        .first = start,
        .last = start + (len - 1) < start ? UINT64_MAX : start + (len - 1),
        .tell = tell_clear,
        .wants = wants_clear,
    };

    if (engine == NULL || len == 0) {
        return;
    }
    begin_news(mr);
    tell_spaces(&news);
    end_news(engine);
}

/* ---- Snapshots --------------------------------------------------------- */

static DirtyBitmapSnapshot *new_snapshot(struct xbar_engine *engine,
                                         const struct pages *pages)
{
    DirtyBitmapSnapshot *snap;
    size_t bytes;

    /* One word more: bits are copied in by shifted words. */
    bytes = sizeof(*snap) +
            ((size_t)(pages->last - pages->first) / 64 + 2) * sizeof(uint64_t);
    snap = xbar_alloc(engine, bytes);
    if (snap != NULL) {
        snap->engine = engine;
        snap->bytes = bytes;
        snap->first = pages->first;
        snap->count = pages->last - pages->first + 1;
    }
    return snap;
}

DirtyBitmapSnapshot *memory_region_snapshot_and_clear_dirty(MemoryRegion *mr,
                                                            hwaddr addr,
                                                            hwaddr size,
                                                            unsigned client)
{
    uint64_t room = memory_region_size(mr);
    DirtyBitmapSnapshot *snap;
    struct pages pages;

    if (addr >= room || !xbar_dirty_is_logged(mr, client)) {
        return NULL;
    }
    size = size < room - addr ? size : room - addr;
    if (!get_pages(addr, size, &pages)) {
        return NULL;
    }
    snap = new_snapshot(xbar_region_engine(mr), &pages);
    if (snap == NULL) {
        return NULL;
    }
    memory_region_sync_dirty_bitmap(mr);
    if (xbar_dirty_clear(mr, client, pages.first, pages.last, snap->bits)) {
        memory_region_clear_dirty_bitmap(mr, addr, size);
    }
    return snap;
}

bool memory_region_snapshot_get_dirty(MemoryRegion *mr,
                                      DirtyBitmapSnapshot *snap, hwaddr addr,
                                      hwaddr size)
{
    struct pages pages;

    (void)mr;
    if (!get_pages(addr, size, &pages)) {
        return false;
    }
    if (pages.first < snap->first) {
        pages.first = snap->first;
    }
    for (uint64_t page = pages.first;
         page <= pages.last && page - snap->first < snap->count; page++) {
        uint64_t at = page - snap->first;

        if (snap->bits[at / 64] >> (at % 64) & 1) {
            return true;
        }
    }
    return false;
}

void xbar_dirty_snapshot_free(DirtyBitmapSnapshot *snap)
{
    if (snap != NULL) {
        xbar_free(snap->engine, snap, snap->bytes);
    }
}
