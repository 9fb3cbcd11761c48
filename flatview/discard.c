/* SPDX-License-Identifier: MIT */
/* Discard managers: a bit for each granule, and whom to tell of it. */
#include "flatview/discard.h"

#include <errno.h>
#include <pthread.h>

#include "engine/alloc.h"
#include "engine/check.h"
#include "engine/commit.h"
#include "engine/tree.h"

#define MIN_GRANULARITY 4096

struct RamDiscardManager {
    RamDiscardManager *next; /* of the engine, under the writer lock */
    struct xbar_engine *engine;
    MemoryRegion *mr;
    uint64_t size; /* of the region, bytes */
    uint64_t granularity;
    size_t bytes; /* of all this */
    pthread_mutex_t lock;
    RamDiscardListener *first; /* in order of registration */
    uint8_t populated[];       /* a byte for each granule */
};

/* Bytes of the region, not empty. */
struct part {
    uint64_t first;
    uint64_t last;
};

/* ---- The map ----------------------------------------------------------- */

static bool is_populated(const RamDiscardManager *rdm, uint64_t offset)
{
    return rdm->populated[offset / rdm->granularity] != 0;
}

/* The part that begins at @first, ends by @last, and is all like its start. */
static struct part part_at(const RamDiscardManager *rdm, uint64_t first,
                           uint64_t last)
{
    bool state = is_populated(rdm, first);
    uint64_t end = first | (rdm->granularity - 1);

    while (end < last && is_populated(rdm, end + 1) == state) {
        end += rdm->granularity;
    }
    return (struct part){ first, end < last ? end : last };
}

static bool is_all(const RamDiscardManager *rdm, const struct part *p,
                   bool state)
{
    struct part head = part_at(rdm, p->first, p->last);

    return is_populated(rdm, p->first) == state && head.last == p->last;
}

static void set(RamDiscardManager *rdm, const struct part *p, bool state)
{
    for (uint64_t i = p->first / rdm->granularity;
         i <= p->last / rdm->granularity; i++) {
        rdm->populated[i] = state;
    }
}

/* What @section has of the region. False: nothing. */
static bool part_of(const RamDiscardManager *rdm,
                    const MemoryRegionSection *section, struct part *p)
{
    Int128 end = (Int128)section->offset_within_region + section->size;

    if (section->mr != rdm->mr || section->size <= 0 ||
        section->offset_within_region >= rdm->size) {
        return false;
    }
    p->first = section->offset_within_region;
    p->last = (end < (Int128)rdm->size ? (uint64_t)end : rdm->size) - 1;
    return true;
}

/* @section, cut to @p. False: nothing is left. */
static bool cut(const MemoryRegionSection *section, const struct part *p,
                MemoryRegionSection *out)
{
    uint64_t first = section->offset_within_region;
    Int128 end = (Int128)first + section->size;
    uint64_t start = p->first > first ? p->first : first;

    end = end < (Int128)p->last + 1 ? end : (Int128)p->last + 1;
    if ((Int128)start >= end) {
        return false;
    }
    *out = *section;
    out->offset_within_region = start;
    out->offset_within_address_space += start - first;
    out->size = end - start;
    return true;
}

/* ---- Life -------------------------------------------------------------- */

static RamDiscardManager *find(MemoryRegion *mr)
{
    RamDiscardManager *rdm = *xbar_discard_managers(xbar_region_engine(mr));

    while (rdm != NULL && rdm->mr != mr) {
        rdm = rdm->next;
    }
    return rdm;
}

static RamDiscardManager *new_manager(MemoryRegion *mr, uint64_t granularity)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    uint64_t size = memory_region_size(mr);
    uint64_t count = (size - 1) / granularity + 1;
    RamDiscardManager *rdm = xbar_alloc(engine, sizeof(*rdm) + count);

    if (rdm != NULL) {
        rdm->engine = engine;
        rdm->mr = mr;
        rdm->size = size;
        rdm->granularity = granularity;
        rdm->bytes = sizeof(*rdm) + count;
        pthread_mutex_init(&rdm->lock, NULL);
        rdm->next = *xbar_discard_managers(engine);
        *xbar_discard_managers(engine) = rdm;
    }
    return rdm;
}

RamDiscardManager *xbar_ram_discard_manager_new(MemoryRegion *mr,
                                                uint64_t granularity,
                                                Error **errp)
{
    RamDiscardManager *rdm = NULL;
    struct xbar_engine *engine;

    if (mr == NULL || xbar_region_engine(mr) == NULL ||
        !memory_region_is_ram(mr) || memory_region_size(mr) == 0 ||
        granularity < MIN_GRANULARITY ||
        (granularity & (granularity - 1)) != 0) {
        error_setg(errp, "no RAM, or no granularity, to manage");
        return NULL;
    }
    engine = xbar_region_engine(mr);
    xbar_tree_hold(engine);
    if (memory_region_is_mapped(mr) || find(mr) != NULL) {
        error_setg(errp, "%s is mapped or managed already",
                   memory_region_name(mr));
    } else {
        rdm = new_manager(mr, granularity);
        if (rdm == NULL) {
            error_setg(errp, "no memory to manage %s", memory_region_name(mr));
        }
    }
    xbar_tree_release(engine);
    return rdm;
}

int xbar_ram_discard_manager_free(RamDiscardManager *rdm)
{
    RamDiscardManager **link;

    if (rdm == NULL) {
        return 0;
    }
    if (rdm->first != NULL) {
        return -EBUSY;
    }
    xbar_tree_hold(rdm->engine);
    link = xbar_discard_managers(rdm->engine);
    while (*link != rdm) {
        link = &(*link)->next;
    }
    *link = rdm->next;
    xbar_tree_release(rdm->engine);
    pthread_mutex_destroy(&rdm->lock);
    xbar_free(rdm->engine, rdm, rdm->bytes);
    return 0;
}

RamDiscardManager *memory_region_get_ram_discard_manager(MemoryRegion *mr)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    RamDiscardManager *rdm;

    if (engine == NULL) {
        return NULL;
    }
    xbar_tree_hold(engine);
    rdm = find(mr);
    xbar_tree_release(engine);
    return rdm;
}

bool memory_region_has_ram_discard_manager(MemoryRegion *mr)
{
    return memory_region_get_ram_discard_manager(mr) != NULL;
}

/* ---- The device -------------------------------------------------------- */

static bool get_granules(const RamDiscardManager *rdm, uint64_t offset,
                         uint64_t size, struct part *p)
{
    if (size == 0 || offset >= rdm->size || size > rdm->size - offset ||
        offset % rdm->granularity != 0 ||
        (size % rdm->granularity != 0 && offset + size != rdm->size)) {
        return false;
    }
    *p = (struct part){ offset, offset + size - 1 };
    return true;
}

static void discard_before(RamDiscardManager *rdm,
                           const RamDiscardListener *end, const struct part *p)
{
    MemoryRegionSection section;

    for (RamDiscardListener *l = rdm->first; l != end; l = l->next) {
        if (cut(l->section, p, &section)) {
            l->notify_discard(l, &section);
        }
    }
}

static int ask_all(RamDiscardManager *rdm, const struct part *p)
{
    MemoryRegionSection section;

    for (RamDiscardListener *l = rdm->first; l != NULL; l = l->next) {
        int err =
            cut(l->section, p, &section) ? l->notify_populate(l, &section) : 0;

        if (err != 0) {
            discard_before(rdm, l, p);
            return err;
        }
    }
    return 0;
}

int xbar_ram_discard_manager_populate(RamDiscardManager *rdm, uint64_t offset,
                                      uint64_t size)
{
    struct part p;
    int err = -EINVAL;

    if (!get_granules(rdm, offset, size, &p)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&rdm->lock);
    if (is_all(rdm, &p, false)) {
        err = ask_all(rdm, &p);
    }
    if (err == 0) {
        set(rdm, &p, true);
    }
    pthread_mutex_unlock(&rdm->lock);
    return err;
}

int xbar_ram_discard_manager_discard(RamDiscardManager *rdm, uint64_t offset,
                                     uint64_t size)
{
    struct part p;
    int err = -EINVAL;

    if (!get_granules(rdm, offset, size, &p)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&rdm->lock);
    if (is_all(rdm, &p, true)) {
        set(rdm, &p, false);
        discard_before(rdm, NULL, &p);
        err = 0;
    }
    pthread_mutex_unlock(&rdm->lock);
    return err;
}

/* ---- Who pins ---------------------------------------------------------- */

uint64_t ram_discard_manager_get_min_granularity(const RamDiscardManager *rdm,
                                                 const MemoryRegion *mr)
{
    xbar_assert(mr == rdm->mr);
    return rdm->granularity;
}

bool ram_discard_manager_is_populated(const RamDiscardManager *rdm,
                                      const MemoryRegionSection *section)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&rdm->lock;
    struct part p;
    bool all;

    pthread_mutex_lock(lock);
    all = part_of(rdm, section, &p) && is_all(rdm, &p, true);
    pthread_mutex_unlock(lock);
    return all;
}

/* Each part of @section in this @state, until @fn says otherwise. */
static int replay(const RamDiscardManager *rdm,
                  const MemoryRegionSection *section, bool state,
                  ReplayRamPopulate fn, void *opaque)
{
    struct part all;
    int err = 0;

    if (!part_of(rdm, section, &all)) {
        return 0;
    }
    for (uint64_t next = all.first; err == 0 && next <= all.last;) {
        struct part p = part_at(rdm, next, all.last);
        MemoryRegionSection piece;

        if (is_populated(rdm, next) == state && cut(section, &p, &piece)) {
            err = fn(&piece, opaque);
        }
        next = p.last + 1;
    }
    return err;
}

int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                         MemoryRegionSection *section,
                                         ReplayRamPopulate replay_fn,
                                         void *opaque)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&rdm->lock;
    int err;

    pthread_mutex_lock(lock);
    err = replay(rdm, section, true, replay_fn, opaque);
    pthread_mutex_unlock(lock);
    return err;
}

struct discard_call {
    ReplayRamDiscard fn;
    void *opaque;
};

static int call_discard(MemoryRegionSection *section, void *opaque)
{
    const struct discard_call *call = opaque;

    call->fn(section, call->opaque);
    return 0;
}

void ram_discard_manager_replay_discarded(const RamDiscardManager *rdm,
                                          MemoryRegionSection *section,
                                          ReplayRamDiscard replay_fn,
                                          void *opaque)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&rdm->lock;
    struct discard_call call = { replay_fn, opaque };

    pthread_mutex_lock(lock);
    (void)replay(rdm, section, false, call_discard, &call);
    pthread_mutex_unlock(lock);
}

/* ---- Listeners --------------------------------------------------------- */

/* Tells a listener that comes, and counts what it took. */
struct joining {
    RamDiscardListener *rdl;
    unsigned taken;
};

static int tell_populated(MemoryRegionSection *section, void *opaque)
{
    struct joining *j = opaque;
    int err = j->rdl->notify_populate(j->rdl, section);

    j->taken += err == 0;
    return err;
}

static int tell_discarded(MemoryRegionSection *section, void *opaque)
{
    struct joining *j = opaque;

    if (j->taken == 0) {
        return 1; /* it was told no more than this */
    }
    j->taken--;
    j->rdl->notify_discard(j->rdl, section);
    return 0;
}

int ram_discard_manager_register_listener(RamDiscardManager *rdm,
                                          RamDiscardListener *rdl,
                                          MemoryRegionSection *section)
{
    struct joining j = { rdl, 0 };
    RamDiscardListener **link;
    struct part p;
    int err;

    if (rdl->section != NULL || !part_of(rdm, section, &p)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&rdm->lock);
    err = replay(rdm, section, true, tell_populated, &j);
    if (err != 0) {
        (void)replay(rdm, section, true, tell_discarded, &j);
    } else {
        link = &rdm->first;
        while (*link != NULL) {
            link = &(*link)->next;
        }
        rdl->section = section;
        rdl->next = NULL;
        *link = rdl;
    }
    pthread_mutex_unlock(&rdm->lock);
    return err;
}

static void tell_end(RamDiscardManager *rdm, RamDiscardListener *rdl)
{
    struct joining j = { rdl, UINT32_MAX };

    if (rdl->double_discard_supported) {
        rdl->notify_discard(rdl, rdl->section);
    } else {
        (void)replay(rdm, rdl->section, true, tell_discarded, &j);
    }
}

int ram_discard_manager_unregister_listener(RamDiscardManager *rdm,
                                            RamDiscardListener *rdl)
{
    RamDiscardListener **link = &rdm->first;
    int err = -EINVAL;

    pthread_mutex_lock(&rdm->lock);
    while (*link != NULL && *link != rdl) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = rdl->next;
        tell_end(rdm, rdl);
        rdl->section = NULL;
        err = 0;
    }
    pthread_mutex_unlock(&rdm->lock);
    return err;
}
