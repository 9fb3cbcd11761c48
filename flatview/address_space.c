/* SPDX-License-Identifier: MIT */
/*
 * An AddressSpace in the life of its engine: who is told of its changes, how it
 * begins, and how it ends. What it shows it shares: root.c.
 */
#include "flatview/address_space.h"

#include <errno.h>
#include <string.h>

#include "engine/log.h"
#include "engine/ram_writes.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- Subscribers ------------------------------------------------------- */

void xbar_view_subscribe(AddressSpace *as, struct xbar_view_subscriber *sub)
{
    struct xbar_flatview_space *space = as->space;

    xbar_tree_hold(space->engine);
    sub->next = NULL;
    sub->prev = space->last_subscriber;
    *(sub->prev != NULL ? &sub->prev->next : &space->first_subscriber) = sub;
    space->last_subscriber = sub;
    xbar_tree_release(space->engine);
}

void xbar_view_unsubscribe(AddressSpace *as, struct xbar_view_subscriber *sub)
{
    struct xbar_flatview_space *space = as->space;

    xbar_tree_hold(space->engine);
    *(sub->prev != NULL ? &sub->prev->next : &space->first_subscriber) =
        sub->next;
    *(sub->next != NULL ? &sub->next->prev : &space->last_subscriber) =
        sub->prev;
    xbar_tree_release(space->engine);
}

/* ---- Life: the beginning ----------------------------------------------- */

static char *copy_name(struct xbar_engine *engine, const char *name)
{
    const char *from = name != NULL ? name : "anonymous";
    size_t size = strlen(from) + 1;
    char *copy = xbar_alloc(engine, size);

    return copy != NULL ? memcpy(copy, from, size) : NULL;
}

/* A grace period has passed: no reader is in it. */
static void end_space(struct xbar_engine *engine, struct xbar_retired *object);

static struct xbar_flatview_space *new_space(AddressSpace *as,
                                             struct xbar_engine *engine)
{
    struct xbar_flatview_space *space = xbar_alloc(engine, sizeof(*space));

    if (space != NULL && flatview__maps_init(&space->maps) != 0) {
        xbar_free(engine, space, sizeof(*space));
        return NULL;
    }
    if (space != NULL) {
        space->engine = engine;
        space->ram_watchers = xbar_ram_writes_watchers(engine);
        space->as = as;
        space->queue.release = end_space;
    }
    return space;
}

static void free_parts(AddressSpace *as, struct xbar_engine *engine)
{
    if (as->name != NULL) {
        xbar_free(engine, as->name, strlen(as->name) + 1);
    }
    if (as->space != NULL) {
        flatview__maps_finish(&as->space->maps);
    }
    xbar_free(engine, as->space, sizeof(*as->space));
    memset(as, 0, sizeof(*as));
}

static int allocate_parts(AddressSpace *as, struct xbar_engine *engine,
                          const char *name)
{
    as->current_map = (FlatView *)&flatview__empty;
    as->name = copy_name(engine, name);
    as->space = new_space(as, engine);
    if (as->name == NULL || as->space == NULL) {
        free_parts(as, engine);
        return -ENOMEM;
    }
    return 0;
}

/* As a root, and as what the view may refer to until it has ended. */
static int take_root(AddressSpace *as, MemoryRegion *root)
{
    int err = xbar_region_root_add(root);

    if (err == 0) {
        xbar_region_get(root);
        as->root = root;
    }
    return err;
}

static void put_root(MemoryRegion *root)
{
    xbar_region_root_remove(root);
    xbar_region_put(root);
}

/* Return: 0, or -errno with @as zeroed. */
static int make_parts(AddressSpace *as, MemoryRegion *root, const char *name)
{
    struct xbar_engine *engine = xbar_region_engine(root);
    int err = take_root(as, root);

    if (err == 0) {
        err = allocate_parts(as, engine, name);
        if (err != 0) {
            put_root(root);
        }
    }
    return err;
}

int address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
    struct xbar_engine *engine = xbar_region_engine(root);
    int err;

    memset(as, 0, sizeof(*as));
    if (engine == NULL) {
        return -EINVAL;
    }
    err = make_parts(as, root, name);
    if (err != 0) {
        return err;
    }
    xbar_retire_queue_add(engine, &as->space->queue);
    as->native = xbar_engine_is_big_endian(engine) ? MO_BE : MO_LE;
    err = flatview__root_join(as->space, root);
    if (err != 0) {
        xbar_retire_queue_remove(engine, &as->space->queue);
        put_root(root);
        free_parts(as, engine);
    }
    return err;
}

/* ---- Life: the end ----------------------------------------------------- */

static void end_space(struct xbar_engine *engine, struct xbar_retired *object)
{
    struct xbar_flatview_space *space =
        xbar_container_of(object, struct xbar_flatview_space, retired);
    void (*done)(AddressSpace *, void *) = space->done;
    void *opaque = space->done_opaque;
    AddressSpace *as = space->as;

    xbar_retire_queue_remove(engine, &space->queue);
    xbar_region_put(as->root);
    flatview__root_drop(space->root);
    free_parts(as, engine);
    done(as, opaque);
}

/* Who only keeps something of it need not keep it from ending. */
static void tell_end(struct xbar_flatview_space *space)
{
    struct xbar_view_subscriber *sub = space->first_subscriber;

    while (sub != NULL) {
        struct xbar_view_subscriber *next = sub->next;

        if (sub->ends != NULL) {
            sub->ends(sub);
        }
        sub = next;
    }
}

bool xbar_address_space_is_ending(const AddressSpace *as)
{
    return as->space->done != NULL;
}

/* The readers that are in it see the view that they have, or nothing. */
static int leave_engine(AddressSpace *as,
                        void (*done)(AddressSpace *as, void *opaque),
                        void *opaque)
{
    struct xbar_flatview_space *space = as->space;
    struct xbar_engine *engine = space->engine;
    int err = -EBUSY;

    xbar_tree_hold(engine);
    if (space->done == NULL) {
        tell_end(space);
    }
    if (space->first_subscriber == NULL && space->first_listener == NULL &&
        space->caches == NULL && space->done == NULL &&
        !flatview__maps_are_used(&space->maps)) {
        space->done = done;
        space->done_opaque = opaque;
        __atomic_store_n(&as->current_map, (FlatView *)&flatview__empty,
                         __ATOMIC_RELEASE);
        flatview__root_leave(space);
        xbar_region_root_remove(as->root);
        xbar_retire(engine, &space->queue, &space->retired, sizeof(*space));
        err = 0;
    }
    xbar_tree_release(engine);
    return err ? log__refuse(engine, as->name, err, "address_space_destroy",
                             "somebody listens to it, or has a map or cache")
               : 0;
}

static void set_flag(AddressSpace *as, void *opaque)
{
    (void)as;
    __atomic_store_n((bool *)opaque, true, __ATOMIC_RELEASE);
}

int xbar_address_space_destroy(AddressSpace *as,
                               void (*done)(AddressSpace *as, void *opaque),
                               void *opaque)
{
    struct xbar_engine *engine;
    bool is_done = false;
    int64_t freed;
    int err;

    if (as->space == NULL) {
        return -EINVAL;
    }
    if (done != NULL) {
        return leave_engine(as, done, opaque);
    }
    /* Would waiting deadlock? Reclaim knows, and nothing has changed yet. */
    engine = as->space->engine;
    freed = xbar_engine_reclaim(engine);
    err = freed < 0 ? (int)freed : leave_engine(as, set_flag, &is_done);
    while (err == 0 && !__atomic_load_n(&is_done, __ATOMIC_ACQUIRE)) {
        freed = xbar_engine_reclaim(engine);
        xbar_assert(freed >= 0);
    }
    return err;
}

static void do_nothing(AddressSpace *as, void *opaque)
{
    (void)as;
    (void)opaque;
}

void address_space_destroy(AddressSpace *as)
{
    if (xbar_address_space_destroy(as, NULL, NULL) == -EDEADLK) {
        (void)xbar_address_space_destroy(as, do_nothing, NULL);
    }
}

/* ---- Asking ------------------------------------------------------------ */

AddressSpace *flatview__space_of_root(const MemoryRegion *root)
{
    struct flatview_root *shared = flatview__root_find(root);

    return shared != NULL ? shared->first_space->as : NULL;
}

const char *xbar_address_space_name(const AddressSpace *as)
{
    return as->name;
}

MemoryRegion *xbar_address_space_root(const AddressSpace *as)
{
    return as->root;
}

struct xbar_engine *xbar_address_space_engine(const AddressSpace *as)
{
    return as->space->engine;
}
