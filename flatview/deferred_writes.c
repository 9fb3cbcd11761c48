/* SPDX-License-Identifier: MIT */
/* Eventfds and coalesced ranges as devices set them. */
#include "flatview/deferred_writes.h"

#include <errno.h>

#include "engine/deferred.h"
#include "engine/engine.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- Changes ----------------------------------------------------------- */

/* Begin a mutation of @mr. */
static int begin(MemoryRegion *mr)
{
    if (mr == NULL || !xbar_region_can_defer(mr)) {
        return -EINVAL;
    }
    return xbar_mutation_begin(xbar_region_engine(mr));
}

/* It stands even if views cannot be made of it now; listeners are told. */
static int end(struct xbar_engine *engine, int err)
{
    if (err == 0) {
        flatview__tell_later(engine);
    }
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
    int err;

    if (!is_event_sane(addr, size, e)) {
        return -EINVAL;
    }
    err = begin(mr);
    if (err != 0) {
        return err;
    }
    event = make_event(addr, size, match_data, data, e);
    return end(xbar_region_engine(mr), xbar_ioevent_add(mr, &event));
}

int memory_region_del_eventfd(MemoryRegion *mr, hwaddr addr, unsigned size,
                              bool match_data, uint64_t data, EventNotifier *e)
{
    struct xbar_ioevent event;
    int err;

    if (!is_event_sane(addr, size, e)) {
        return -EINVAL;
    }
    err = begin(mr);
    if (err != 0) {
        return err;
    }
    event = make_event(addr, size, match_data, data, e);
    return end(xbar_region_engine(mr), xbar_ioevent_remove(mr, &event));
}

/* ---- Coalescing -------------------------------------------------------- */

static int add_coalescing(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    int err = begin(mr);

    return err != 0 ? err
                    : end(xbar_region_engine(mr),
                          xbar_coalesced_add(mr, first, last));
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
    int err = begin(mr);

    if (err != 0) {
        return err;
    }
    xbar_coalesced_clear(mr);
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
