/* SPDX-License-Identifier: MIT */
/*
 * What address spaces of one root region share.
 *
 *     AddressSpace  AddressSpace  AddressSpace      each: subscribers (TLBs),
 *           \            |            /             listeners, maps, caches
 *            +----- flatview_root ----+             one: sections, trie, kept
 *                         |                         views, the commit's work
 *                    MemoryRegion
 *
 *     prepare   render, diff, new trie     once; all allocation happens here
 *     publish   current_map = new view     one release store each
 *     notify    subscribers: what changed  each
 *     retire    the old view, with what only it had
 *
 * A commit that changes nothing visible leaves new_view NULL, and the last
 * three do nothing. Roots that show nothing have flatview__empty.
 *
 * An address space that joins a root shows at once what the others show, also
 * in a transaction, which is no part of that yet.
 */
#include <errno.h>

#include "engine/tree.h"
#include "flatview/listener_internal.h"

/* ---- The phases of a commit -------------------------------------------- */

static struct flatview_root *root_of(struct xbar_participant *p)
{
    return xbar_container_of(p, struct flatview_root, participant);
}

/* A change looks at what begins before it, and after. */
static void expect_root(struct xbar_participant *p, hwaddr addr, bool is_near)
{
    struct flatview_root *root = root_of(p);
    const struct flatview_trie *trie = &root->current->trie;
    const hwaddr before = addr != 0 ? addr - 1 : 0;

    if (is_near) {
        root->levels = flatview__trie_fetch(trie, before);
    } else {
        flatview__trie_fetch_node(trie, before, root->levels);
    }
}

static int prepare_root(struct xbar_participant *p)
{
    return flatview__change_begin(root_of(p));
}

static void cancel_root(struct xbar_participant *p)
{
    flatview__change_cancel(root_of(p));
}

/* Before marks are looked at, in the order of all: xbar_view_cache_section(). */
static void publish(const struct xbar_flatview_space *space, FlatView *view)
{
    if (space->first_subscriber != NULL) {
        __atomic_store_n(&space->as->current_map, view, __ATOMIC_SEQ_CST);
    } else {
        __atomic_store_n(&space->as->current_map, view, __ATOMIC_RELEASE);
    }
}

static void publish_root(struct xbar_participant *p)
{
    struct flatview_root *root = root_of(p);
    const struct flatview_change *change = &root->change;
    struct xbar_flatview_space *space = root->first_space;

    root->is_stale = false;
    if (change->new_view == NULL) {
        return;
    }
    root->current = change->new_view;
    for (; space != NULL; space = space->next) {
        publish(space, change->new_view);
        flatview__caches_drop(space, change->affected, change->affected_count);
    }
}

/* Does a section go that a cache has, or had? */
static bool is_any_marked(const struct flatview_change *change)
{
    const struct xbar_retired *link = change->old_ranges;

    for (; link != NULL; link = link->next) {
        const FlatRange *range = xbar_container_of(link, FlatRange, retired);

        if (__atomic_load_n(&range->born, __ATOMIC_SEQ_CST) &
            FLAT_RANGE_MARKED) {
            return true;
        }
    }
    return false;
}

static bool is_to_be_told(const struct xbar_view_subscriber *sub,
                          const struct flatview_change *change)
{
    return !sub->caches_sections ||
           __atomic_load_n(&sub->hears_all, __ATOMIC_RELAXED) ||
           is_any_marked(change);
}

static void notify_space(struct xbar_flatview_space *space)
{
    const struct flatview_change *change = &space->root->change;
    struct xbar_view_subscriber *sub = space->first_subscriber;

    while (sub != NULL) {
        struct xbar_view_subscriber *next = sub->next;

        if (is_to_be_told(sub, change)) {
            sub->changed(sub, change->affected, change->affected_count);
        }
        sub = next;
    }
    flatview__tell_listeners(space);
}

/* Whom to tell next; root_leave() keeps it right meanwhile. */
static struct xbar_flatview_space *take_next_told(struct flatview_root *root)
{
    struct xbar_flatview_space *space = root->next_told;

    root->next_told = space != NULL ? space->next : NULL;
    return space;
}

static void notify_root(struct xbar_participant *p)
{
    struct flatview_root *root = root_of(p);
    struct xbar_flatview_space *space;

    if (root->change.new_view == NULL) {
        return;
    }
    root->next_told = root->first_space;
    while ((space = take_next_told(root)) != NULL) {
        if (!space->is_late) {
            notify_space(space);
        }
    }
}

static void retire_root(struct xbar_participant *p)
{
    struct flatview_root *root = root_of(p);

    for (struct xbar_flatview_space *s = root->first_space; s; s = s->next) {
        s->is_late = false;
    }
    flatview__change_finish(root);
}

static const struct xbar_participant phases = {
    .expect = expect_root,
    .prepare = prepare_root,
    .cancel = cancel_root,
    .publish = publish_root,
    .notify = notify_root,
    .retire = retire_root,
};

/* Who else takes part in commits is not an address space. */
static struct flatview_root *root_from(struct xbar_participant *p)
{
    while (p != NULL && p->prepare != prepare_root) {
        p = p->next;
    }
    return p != NULL ? root_of(p) : NULL;
}

struct xbar_flatview_space *
flatview__next_space(struct xbar_engine *engine,
                     struct xbar_flatview_space *space)
{
    struct flatview_root *root;

    if (space != NULL && space->next != NULL) {
        return space->next;
    }
    root = root_from(space != NULL ? space->root->participant.next
                                   : xbar_participant_first(engine));
    return root != NULL ? root->first_space : NULL;
}

struct flatview_root *flatview__root_find(const MemoryRegion *mr)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    struct xbar_participant *p = xbar_participant_next(engine, NULL, mr);

    while (p != NULL && p->prepare != prepare_root) {
        p = xbar_participant_next(engine, p, mr);
    }
    return p != NULL ? root_of(p) : NULL;
}

/* ---- Life -------------------------------------------------------------- */

static void release_view(struct xbar_engine *engine,
                         struct xbar_retired *object)
{
    FlatView *view = xbar_container_of(object, FlatView, retired);

    struct flatview_root *root = view->root;

    (void)engine;
    if (likely(__atomic_load_n(&root->newest_kept, __ATOMIC_ACQUIRE) == NULL) ||
        !flatview__kept_takes(view)) {
        flatview__view_free(view);
        flatview__root_drop_view(root);
    }
}

/*
 * Of the nodes and sections that a view took along the first; then what these
 * lead to. While views are kept, these lists belong to who has the writer lock.
 */
static void fetch_view(const struct xbar_retired *object, unsigned ahead)
{
    const FlatView *view = xbar_container_of(object, FlatView, retired);

    if (unlikely(__atomic_load_n(&view->root->newest_kept, __ATOMIC_ACQUIRE) !=
                 NULL)) {
        return;
    }
    if (ahead > 1) {
        __builtin_prefetch(view->nodes);
        __builtin_prefetch(view->ranges);
        return;
    }
    if (view->nodes != NULL) {
        __builtin_prefetch(view->nodes->next);
    }
    if (view->ranges != NULL) {
        xbar_region_fetch_hidden(
            xbar_container_of(view->ranges, FlatRange, retired)->mr);
    }
}

static struct flatview_root *new_root(struct xbar_engine *engine,
                                      MemoryRegion *mr)
{
    struct flatview_root *root = xbar_alloc(engine, sizeof(*root));

    if (root != NULL) {
        root->participant = phases;
        root->participant.root = mr;
        root->engine = engine;
        root->current = (FlatView *)&flatview__empty;
        root->is_stale = true;
        root->queue.release = release_view;
        root->queue.fetch = fetch_view;
        xbar_retire_queue_add(engine, &root->queue);
    }
    return root;
}

/* Without address spaces it gets no new views, so there is one end. */
static void end_if_unused(struct flatview_root *root)
{
    if (__atomic_load_n(&root->spaces, __ATOMIC_ACQUIRE) == 0 &&
        __atomic_load_n(&root->views_made, __ATOMIC_RELAXED) ==
            root->views_freed) {
        xbar_retire_queue_remove(root->engine, &root->queue);
        xbar_free(root->engine, root, sizeof(*root));
    }
}

void flatview__root_drop(struct flatview_root *root)
{
    __atomic_fetch_sub(&root->spaces, 1, __ATOMIC_ACQ_REL);
    end_if_unused(root);
}

void flatview__root_drop_view(struct flatview_root *root)
{
    root->views_freed++;
    end_if_unused(root);
}

static void link_space(struct flatview_root *root,
                       struct xbar_flatview_space *space)
{
    __atomic_fetch_add(&root->spaces, 1, __ATOMIC_RELAXED);
    space->root = root;
    space->prev = root->last_space;
    *(space->prev != NULL ? &space->prev->next : &root->first_space) = space;
    root->last_space = space;
    space->is_late = root->change.new_view != NULL;
    __atomic_store_n(&space->as->current_map, root->current, __ATOMIC_RELEASE);
}

static void unlink_space(struct xbar_flatview_space *space)
{
    struct flatview_root *root = space->root;

    if (root->next_told == space) {
        root->next_told = space->next;
    }
    *(space->prev != NULL ? &space->prev->next : &root->first_space) =
        space->next;
    *(space->next != NULL ? &space->next->prev : &root->last_space) =
        space->prev;
}

/*
 * Void: an init that made the transaction itself fails with it. One that was
 * inside another's has returned, so its address space stays, and is shown the
 * tree as it is after all of the log has been replayed.
 */
static void undo_join(void *opaque, uintptr_t old)
{
    struct flatview_root *root = opaque;

    (void)old;
    if (root->is_joining) {
        xbar_participant_remove(root->engine, &root->participant);
    } else {
        xbar_mutation_stays(root->engine);
    }
}

/* In a mutation: the first view is made when that commits. */
static int join_new_root(struct xbar_flatview_space *space, MemoryRegion *mr)
{
    struct flatview_root *root = new_root(space->engine, mr);
    int err;

    if (root == NULL) {
        return -ENOMEM;
    }
    link_space(root, space);
    root->is_joining = true;
    err = xbar_mutation_log(space->engine, undo_join, root, 0);
    if (err == 0) {
        xbar_participant_add(space->engine, &root->participant);
    }
    return err;
}

int flatview__root_join(struct xbar_flatview_space *space, MemoryRegion *mr)
{
    struct xbar_engine *engine = space->engine;
    struct flatview_root *root;
    int err = xbar_mutation_begin(engine);
    int end;

    if (err != 0) {
        return err;
    }
    root = flatview__root_find(mr);
    if (root != NULL) {
        link_space(root, space);
        (void)xbar_mutation_end(engine); /* nothing was changed */
        return 0;
    }
    err = join_new_root(space, mr);
    end = xbar_mutation_end(engine);
    err = err != 0 ? err : end;
    root = space->root;
    if (root != NULL) {
        root->is_joining = false;
    }
    if (root != NULL && err != 0) {
        unlink_space(space);
        flatview__root_drop(root);
    }
    return err;
}

void flatview__root_leave(struct xbar_flatview_space *space)
{
    struct flatview_root *root = space->root;

    unlink_space(space);
    if (root->first_space != NULL) {
        return;
    }
    xbar_participant_remove(root->engine, &root->participant);
    flatview__change_finish(root);
    if (!flatview__is_empty(root->current)) {
        flatview__view_retire(root->current);
        root->current = (FlatView *)&flatview__empty;
    }
}
