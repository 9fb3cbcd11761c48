/* SPDX-License-Identifier: MIT */
/*
 * An AddressSpace in the life of its engine: it takes part in each commit,
 * tells its subscribers, and ends.
 *
 *     prepare   render, diff, new trie     all allocation happens here
 *     publish   current_map = new view     one release store
 *     notify    subscribers: what changed
 *     retire    the old view, with what only it had
 *
 * A commit that changes nothing visible here leaves new_view NULL, and the
 * last three do nothing.
 */
#include "flatview/address_space.h"

#include <errno.h>
#include <string.h>

#include "engine/ram_writes.h"
#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- The phases of a commit -------------------------------------------- */

static struct xbar_flatview_space *space_of(struct xbar_participant *p)
{
    return xbar_container_of(p, struct xbar_flatview_space, participant);
}

static int prepare_space(struct xbar_participant *p)
{
    return flatview__change_begin(space_of(p));
}

static void cancel_space(struct xbar_participant *p)
{
    flatview__change_cancel(space_of(p));
}

static void publish_space(struct xbar_participant *p)
{
    struct xbar_flatview_space *space = space_of(p);

    space->is_stale = false;
    if (space->change.new_view != NULL) {
        __atomic_store_n(&space->as->current_map, space->change.new_view,
                         __ATOMIC_RELEASE);
        flatview__caches_drop(space, space->change.affected,
                              space->change.affected_count);
    }
}

static void notify_space(struct xbar_participant *p)
{
    struct xbar_flatview_space *space = space_of(p);
    const struct flatview_change *change = &space->change;
    struct xbar_view_subscriber *sub = space->first_subscriber;

    while (change->new_view != NULL && sub != NULL) {
        struct xbar_view_subscriber *next = sub->next;

        sub->changed(sub, change->affected, change->affected_count);
        sub = next;
    }
    if (change->new_view != NULL) {
        flatview__tell_listeners(space);
    }
}

static void retire_space(struct xbar_participant *p)
{
    flatview__change_finish(space_of(p));
}

static const struct xbar_participant phases = {
    .prepare = prepare_space,
    .cancel = cancel_space,
    .publish = publish_space,
    .notify = notify_space,
    .retire = retire_space,
};

/* Who else takes part in commits is not an address space. */
struct xbar_flatview_space *
flatview__next_space(struct xbar_engine *engine,
                     struct xbar_flatview_space *space)
{
    struct xbar_participant *p = space != NULL ? space->participant.next
                                               : xbar_participant_first(engine);

    while (p != NULL && p->prepare != prepare_space) {
        p = p->next;
    }
    return p != NULL ? space_of(p) : NULL;
}

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

static void release_view(struct xbar_engine *engine,
                         struct xbar_retired *object);

static char *copy_name(struct xbar_engine *engine, const char *name)
{
    const char *from = name != NULL ? name : "anonymous";
    size_t size = strlen(from) + 1;
    char *copy = xbar_alloc(engine, size);

    return copy != NULL ? memcpy(copy, from, size) : NULL;
}

static struct xbar_flatview_space *new_space(AddressSpace *as,
                                             struct xbar_engine *engine)
{
    struct xbar_flatview_space *space = xbar_alloc(engine, sizeof(*space));

    if (space != NULL && flatview__maps_init(&space->maps) != 0) {
        xbar_free(engine, space, sizeof(*space));
        return NULL;
    }
    if (space != NULL) {
        space->participant = phases;
        space->participant.root = as->root;
        space->is_stale = true;
        space->engine = engine;
        space->ram_watchers = xbar_ram_writes_watchers(engine);
        space->as = as;
        space->queue.release = release_view;
    }
    return space;
}

/* All but the views, which end before. */
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
    as->name = copy_name(engine, name);
    as->space = new_space(as, engine);
    if (as->name != NULL && as->space != NULL) {
        as->current_map = flatview__view_new(as->space);
    }
    if (as->current_map == NULL) {
        free_parts(as, engine);
        return -ENOMEM;
    }
    return 0;
}

/*
 * Void: an init that made the transaction itself fails with it. One that was
 * inside another's has returned, so the address space stays, and is shown the
 * tree as it is after all of the log has been replayed.
 */
static void undo_join(void *opaque, uintptr_t old)
{
    struct xbar_flatview_space *space = opaque;

    (void)old;
    if (space->is_joining) {
        xbar_participant_remove(space->engine, &space->participant);
    } else {
        xbar_mutation_stays(space->engine);
    }
}

/* Become a participant and have the first view made; no participant if not. */
static int join_engine(struct xbar_flatview_space *space)
{
    struct xbar_engine *engine = space->engine;
    int err = xbar_mutation_begin(engine);
    int end;

    if (err != 0) {
        return err;
    }
    space->is_joining = true;
    err = xbar_mutation_log(engine, undo_join, space, 0);
    if (err == 0) {
        xbar_participant_add(engine, &space->participant);
    }
    end = xbar_mutation_end(engine);
    space->is_joining = false;
    return err != 0 ? err : end;
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

/* The queue comes first: the commit may retire the empty view. */
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
    err = join_engine(as->space);
    if (err != 0) {
        xbar_retire_queue_remove(engine, &as->space->queue);
        put_root(root);
        flatview__view_free(as->current_map);
        free_parts(as, engine);
    }
    return err;
}

/* ---- Life: the end ----------------------------------------------------- */

/* The last view is gone, so no reader is in @space. */
static void end_space(struct xbar_flatview_space *space)
{
    void (*done)(AddressSpace *, void *) = space->done;
    void *opaque = space->done_opaque;
    AddressSpace *as = space->as;

    xbar_retire_queue_remove(space->engine, &space->queue);
    xbar_region_put(as->root);
    free_parts(as, space->engine);
    done(as, opaque);
}

static void release_view(struct xbar_engine *engine,
                         struct xbar_retired *object)
{
    FlatView *view = xbar_container_of(object, FlatView, retired);
    struct xbar_flatview_space *space = view->space;

    (void)engine;
    if (flatview__kept_takes(view)) {
        return;
    }
    if (flatview__view_free(view)) {
        end_space(space);
    }
}

static int leave_engine(AddressSpace *as,
                        void (*done)(AddressSpace *as, void *opaque),
                        void *opaque, bool waits)
{
    struct xbar_flatview_space *space = as->space;
    FlatView *last;
    int err = -EBUSY;

    xbar_tree_hold(space->engine);
    if (space->first_subscriber == NULL && space->first_listener == NULL &&
        space->caches == NULL && space->done == NULL &&
        !flatview__maps_are_used(&space->maps) &&
        (!waits || space->newest_kept == NULL)) {
        xbar_participant_remove(space->engine, &space->participant);
        xbar_region_root_remove(as->root);
        flatview__change_finish(space);
        space->done = done;
        space->done_opaque = opaque;
        last = flatview__current(as);
        __atomic_store_n(&as->current_map, (FlatView *)&flatview__empty,
                         __ATOMIC_RELEASE);
        flatview__view_retire(last);
        err = 0;
    }
    xbar_tree_release(space->engine);
    return err;
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
        return leave_engine(as, done, opaque, false);
    }
    /* Would waiting deadlock? Reclaim knows, and nothing has changed yet. */
    engine = as->space->engine;
    freed = xbar_engine_reclaim(engine);
    err = freed < 0 ? (int)freed : leave_engine(as, set_flag, &is_done, true);
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
    struct xbar_engine *engine = xbar_region_engine(root);
    struct xbar_participant *p = xbar_participant_next(engine, NULL, root);

    while (p != NULL && p->publish != publish_space) {
        p = xbar_participant_next(engine, p, root);
    }
    return p != NULL ? space_of(p)->as : NULL;
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
