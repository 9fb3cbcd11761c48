/* SPDX-License-Identifier: MIT */
/*
 * The end of a region, in three steps:
 *
 *   destroy   detached from everything, as a part of a transaction
 *   commit    the ending starts to wait (or is forgotten, if void)
 *   reclaim   finished once a grace period has passed and no view has it;
 *             then `done`
 *
 * The record of it is allocated first, so the later steps cannot fail.
 */
#include <errno.h>
#include <time.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "engine/log.h"
#include "engine/memory_ram.h"

struct region_ending {
    struct region_ending *next;
    MemoryRegion *mr;
    void (*done)(MemoryRegion *mr, void *opaque);
    void *opaque;
    bool had_grace; /* since its commit */
};

/* ---- Commit and undo --------------------------------------------------- */

static void push(struct region_ending **list, struct region_ending *e)
{
    e->next = *list;
    *list = e;
}

static struct region_ending *pop(struct region_ending **list)
{
    struct region_ending *e = *list;

    *list = e->next;
    return e;
}

void destroy__start(struct xbar_engine *engine)
{
    while (engine->open_endings) {
        struct region_ending *e = pop(&engine->open_endings);

        snapshot__ended(e->mr);
        push(&engine->endings, e);
    }
}

void destroy__cancel(struct xbar_engine *engine)
{
    while (engine->open_endings) {
        struct region_ending *e = pop(&engine->open_endings);

        xbar_free(engine, e, sizeof(*e));
    }
}

/* ---- Reclaim ----------------------------------------------------------- */

struct region_ending *destroy__take(struct xbar_engine *engine)
{
    struct region_ending *list = engine->endings;

    engine->endings = NULL;
    return list;
}

bool destroy__needs_grace(const struct region_ending *list)
{
    for (; list; list = list->next) {
        if (!list->had_grace) {
            return true;
        }
    }
    return false;
}

/* Finish those that no view has; the others go back to wait. */
struct region_ending *destroy__finish(struct xbar_engine *engine,
                                      struct region_ending *list)
{
    struct region_ending *finished = NULL;

    engine__lock_writer(engine);
    while (list) {
        struct region_ending *e = pop(&list);

        e->had_grace = true;
        if (region__is_held(e->mr)) {
            push(&engine->endings, e);
        } else {
            region__finish(e->mr);
            push(&finished, e);
        }
    }
    engine__unlock_writer(engine);
    return finished;
}

int64_t destroy__done(struct xbar_engine *engine, struct region_ending *list)
{
    int64_t n = 0;

    while (list) {
        struct region_ending *first = pop(&list);
        struct region_ending e = *first;

        xbar_free(engine, first, sizeof(*first));
        e.done(e.mr, e.opaque);
        n++;
    }
    return n;
}

/* ---- Destroy ----------------------------------------------------------- */

static int detach_children(MemoryRegion *mr)
{
    MemoryRegion *child;

    while ((child = interval__any(mr)) != NULL) {
        int rc = tree__detach(child);

        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int detach_aliases(MemoryRegion *mr)
{
    while (mr->aliased_by) {
        int rc = tree__alias_detach(mr->aliased_by);

        if (rc) {
            return rc;
        }
    }
    return 0;
}

static void undo_unlink(void *opaque, uintptr_t old)
{
    (void)old;
    deferred__relink(opaque);
}

static int detach_region(MemoryRegion *mr)
{
    int rc = mr->container ? tree__detach(mr) : 0;

    if (!rc && mr->alias) {
        rc = tree__alias_detach(mr);
    }
    if (!rc) {
        rc = detach_children(mr);
    }
    if (!rc) {
        rc = detach_aliases(mr);
    }
    if (!rc) {
        rc = tree__set_flags(mr, mr->flags | REGION_ENDING);
    }
    if (!rc) {
        rc = transaction__reserve(mr->engine, 1);
    }
    if (!rc) {
        transaction__log(mr->engine, undo_unlink, mr, 0);
        deferred__unlink(mr);
    }
    return rc;
}

/* The `done` of a caller that waits. */
static void set_flag(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    __atomic_store_n((bool *)opaque, true, __ATOMIC_RELEASE);
}

static int destroy_in_transaction(MemoryRegion *mr,
                                  void (*done)(MemoryRegion *, void *),
                                  void *opaque)
{
    struct xbar_engine *engine = mr->engine;
    struct region_ending *e;
    int rc;

    if (!region__is_usable(mr)) {
        return -EINVAL;
    }
    if (done == set_flag && mr->roots != 0) {
        return -EBUSY;
    }
    e = xbar_alloc(engine, sizeof(*e));
    if (!e) {
        return transaction__void(-ENOMEM);
    }
    *e = (struct region_ending){ .mr = mr, .done = done, .opaque = opaque };
    rc = detach_region(mr);
    if (rc) {
        xbar_free(engine, e, sizeof(*e));
        return rc;
    }
    push(&engine->open_endings, e);
    return 0;
}

static int destroy_later(MemoryRegion *mr, void (*done)(MemoryRegion *, void *),
                         void *opaque)
{
    struct xbar_engine *engine = mr->engine;
    int rc = xbar_mutation_begin(engine);
    int end;

    if (rc) {
        return rc;
    }
    rc = destroy_in_transaction(mr, done, opaque);
    if (rc == -EBUSY) {
        log__refuse(engine, mr->name, rc, "xbar_region_destroy",
                    "it is the root of an address space");
    }
    end = xbar_mutation_end(engine);
    return rc ? rc : end;
}

/* Another thread's reclaim may be the one that finishes ours. */
static void wait_for_flag(struct xbar_engine *engine, const bool *flag)
{
    static const struct timespec pause = { .tv_nsec = 1000000 };

    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        if (xbar_engine_reclaim(engine) <= 0) {
            nanosleep(&pause, NULL); /* somebody keeps a view */
        }
    }
}

int xbar_region_destroy(MemoryRegion *mr,
                        void (*done)(MemoryRegion *mr, void *opaque),
                        void *opaque)
{
    struct xbar_engine *engine;
    bool flag = false;
    int rc;

    if (!region__is_usable(mr)) {
        return log__refuse(NULL, "no region", -EINVAL, __func__,
                           "it is none, or was destroyed");
    }
    if (done) {
        return destroy_later(mr, done, opaque);
    }
    engine = mr->engine;
    if (!engine__may_wait()) {
        return log__refuse(engine, mr->name, -EDEADLK, __func__,
                           "this thread would wait for itself");
    }
    rc = destroy_later(mr, set_flag, &flag);
    if (!rc) {
        wait_for_flag(engine, &flag);
    }
    return rc;
}

bool xbar_region_is_usable(const MemoryRegion *mr)
{
    return region__is_usable(mr);
}

/* ---- References -------------------------------------------------------- */

static void ref_owner(const struct xbar_engine *engine, Object *owner)
{
    if (owner && engine->config.owner_ref) {
        engine->config.owner_ref(owner);
    }
}

static void unref_owner(const struct xbar_engine *engine, Object *owner)
{
    if (owner && engine->config.owner_unref) {
        engine->config.owner_unref(owner);
    }
}

void xbar_region_get(MemoryRegion *mr)
{
    __atomic_fetch_add(&mr->refs, 1, __ATOMIC_RELAXED);
    ref_owner(mr->engine, mr->owner);
}

/* @mr may be gone once refs fell, so what is needed is read before. */
void xbar_region_put(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    Object *owner = mr->owner;
    uint32_t old = __atomic_fetch_sub(&mr->refs, 1, __ATOMIC_ACQ_REL);

    xbar_assert(old != 0);
    unref_owner(engine, owner);
}

/*
 * Sections come with commits, and go with reclaims or with commits that are
 * void. Each side has a count of its own, so neither takes a locked instruction:
 * a region's line may come from memory, and nothing else would go on meanwhile.
 */
void xbar_region_show(MemoryRegion *mr)
{
    xbar_assert(engine__writer_is_mine(mr->engine));
    __atomic_store_n(&mr->shown, mr->shown + 1, __ATOMIC_RELAXED);
    if (unlikely(mr->flags & REGION_OWNED)) {
        ref_owner(mr->engine, mr->owner);
    }
}

void xbar_region_hide(struct xbar_engine *engine, MemoryRegion *mr)
{
    Object *owner =
        unlikely(region__flags(mr) & REGION_OWNED) ? mr->owner : NULL;

    if (likely(engine__is_releasing(engine))) {
        __atomic_store_n(&mr->hidden, mr->hidden + 1, __ATOMIC_RELEASE);
    } else {
        xbar_assert(engine__writer_is_mine(engine));
        __atomic_store_n(&mr->shown, mr->shown - 1, __ATOMIC_RELAXED);
    }
    unref_owner(engine, owner);
}

void memory_region_ref(MemoryRegion *mr)
{
    if (mr && mr->engine) {
        xbar_region_get(mr);
    }
}

/* Not below 0: the caller's mistake must not free what views have. */
void memory_region_unref(MemoryRegion *mr)
{
    if (mr && mr->engine && __atomic_load_n(&mr->refs, __ATOMIC_RELAXED)) {
        xbar_region_put(mr);
    }
}

int xbar_region_root_add(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    int rc = -EINVAL;

    engine__lock_writer(engine);
    if (region__is_usable(mr)) {
        dirty__way_changes(mr);
        mr->roots++;
        rc = 0;
    }
    engine__unlock_writer(engine);
    return rc;
}

void xbar_region_root_remove(MemoryRegion *mr)
{
    engine__lock_writer(mr->engine);
    xbar_assert(mr->roots != 0);
    dirty__way_changes(mr);
    mr->roots--;
    engine__unlock_writer(mr->engine);
}
