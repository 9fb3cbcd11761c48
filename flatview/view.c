/* SPDX-License-Identifier: MIT */
/*
 * From one view to the next.
 *
 * The old view's sections and the freshly rendered pieces are both sorted, so
 * one pass over both finds what differs:
 *
 *     old      |---A---|---B---|       |---D---|
 *     pieces   |---A---|-B'-|      |C| |---D---|
 *                keep   replace    add    keep
 *     affected         |-------|   |-|
 *
 * What is kept keeps its FlatRange: pointers to it stay good. What is
 * affected is everything that any section covered that comes or goes, as
 * somebody may hold a pointer to a section of which only a part moved.
 */
#include <errno.h>
#include <string.h>

#include "flatview/flatview_internal.h"
#include "flatview/render.h"

/* ---- Sections ---------------------------------------------------------- */

static struct xbar_retired *link_of(FlatRange *range)
{
    return (struct xbar_retired *)&range->retired;
}

static FlatRange *range_of(struct xbar_retired *link)
{
    return xbar_container_of(link, FlatRange, retired);
}

static FlatRange *new_range(struct xbar_engine *engine,
                            const struct flatview_piece *piece)
{
    FlatRange *range =
        xbar_alloc_aligned(engine, sizeof(*range), sizeof(*range));

    if (range == NULL) {
        return NULL;
    }
    range->first = piece->first;
    range->last = piece->last;
    range->mr_delta = piece->mr_delta;
    range->host_delta = piece->host_delta;
    range->mr = piece->mr;
    range->plan = piece->plan;
    range->flags = piece->flags;
    xbar_region_get(range->mr);
    return range;
}

static void free_ranges(struct xbar_engine *engine, struct xbar_retired *list)
{
    while (list != NULL) {
        FlatRange *range = range_of(list);

        list = list->next;
        xbar_region_put(range->mr);
        xbar_free(engine, range, sizeof(*range));
    }
}

static void push_range(struct xbar_retired **list, FlatRange *range)
{
    link_of(range)->next = *list;
    *list = link_of(range);
}

static bool is_same(const FlatRange *range, const struct flatview_piece *piece)
{
    return range->first == piece->first && range->last == piece->last &&
           range->mr == piece->mr && range->mr_delta == piece->mr_delta &&
           range->host_delta == piece->host_delta &&
           range->plan == piece->plan && range->flags == piece->flags;
}

static FlatRange *next_range(const FlatView *view, const FlatRange *range)
{
    if (range->last == UINT64_MAX) {
        return NULL;
    }
    return flatview__trie_next(&view->trie, range->last + 1);
}

/* ---- What is affected -------------------------------------------------- */

static struct xbar_engine *engine_of(const struct flatview_change *change)
{
    return change->old_view->space->engine;
}

static int grow_affected(struct flatview_change *change)
{
    size_t capacity =
        change->affected_capacity == 0 ? 8 : change->affected_capacity * 2;
    struct xbar_range *ranges =
        xbar_alloc(engine_of(change), capacity * sizeof(*ranges));

    if (ranges == NULL) {
        return -ENOMEM;
    }
    if (change->affected_count != 0) {
        memcpy(ranges, change->affected,
               change->affected_count * sizeof(*ranges));
    }
    xbar_free(engine_of(change), change->affected,
              change->affected_capacity * sizeof(*ranges));
    change->affected = ranges;
    change->affected_capacity = capacity;
    return 0;
}

/* Calls come in ascending order of @first; what touches is merged. */
static int add_affected(struct flatview_change *change, hwaddr first,
                        hwaddr last)
{
    struct xbar_range *newest = NULL; /* none yet: there is no array */

    if (change->affected_count != 0) {
        newest = &change->affected[change->affected_count - 1];
    }
    if (newest != NULL &&
        (first <= newest->last || first - 1 == newest->last)) {
        newest->last = last > newest->last ? last : newest->last;
        return 0;
    }
    if (change->affected_count == change->affected_capacity &&
        grow_affected(change) != 0) {
        return -ENOMEM;
    }
    change->affected[change->affected_count++] =
        (struct xbar_range){ first, last };
    return 0;
}

/* ---- The pass over both ------------------------------------------------ */

/* @is_replaced: the piece to come has the same key, so the key stays. */
static int drop_range(struct flatview_change *change, FlatRange *range,
                      bool is_replaced)
{
    int err = add_affected(change, range->first, range->last);

    if (err == 0 && !is_replaced) {
        err = flatview__trie_remove(&change->edit, range->first);
    }
    if (err == 0) {
        push_range(&change->old_ranges, range);
        change->old_bytes += sizeof(*range);
    }
    return err;
}

static int add_piece(struct flatview_change *change,
                     const struct flatview_piece *piece)
{
    FlatRange *range = new_range(engine_of(change), piece);
    int err;

    if (range == NULL) {
        return -ENOMEM;
    }
    push_range(&change->new_ranges, range);
    err = flatview__trie_put(&change->edit, range->first, range);
    if (err == 0) {
        err = add_affected(change, range->first, range->last);
    }
    return err;
}

static int apply_diff(struct flatview_change *change,
                      const struct flatview_pieces *pieces)
{
    const FlatView *old = change->old_view;
    FlatRange *range = flatview__trie_next(&old->trie, 0);
    const struct flatview_piece *piece = pieces->items;
    const struct flatview_piece *end = piece + pieces->count;
    int err = 0;

    while (err == 0 && (range != NULL || piece != end)) {
        if (range == NULL || (piece != end && piece->first < range->first)) {
            err = add_piece(change, piece++);
        } else if (piece != end && is_same(range, piece)) {
            range = next_range(old, range);
            piece++;
        } else {
            FlatRange *dropped = range;

            range = next_range(old, range);
            err = drop_range(change, dropped,
                             piece != end && piece->first == dropped->first);
        }
    }
    return err;
}

/* ---- A change ---------------------------------------------------------- */

static void forget_change(struct flatview_change *change)
{
    xbar_free(engine_of(change), change->affected,
              change->affected_capacity * sizeof(change->affected[0]));
    memset(change, 0, sizeof(*change));
}

/* Sum up, once nothing can fail any more. */
static void complete_change(struct flatview_change *change)
{
    change->old_nodes =
        flatview__trie_commit(&change->edit, &change->new_view->trie);
    change->old_bytes += sizeof(*change->old_view);
    for (const struct xbar_retired *node = change->old_nodes; node != NULL;
         node = node->next) {
        change->old_bytes += flatview__trie_node_bytes(node);
    }
}

static int build_view(struct flatview_change *change,
                      const struct flatview_pieces *pieces)
{
    int err = apply_diff(change, pieces);

    if (err != 0 || change->affected_count == 0) {
        return err;
    }
    change->new_view = flatview__view_new(change->old_view->space);
    if (change->new_view == NULL) {
        return -ENOMEM;
    }
    complete_change(change);
    return 0;
}

/*
 * Generations are unique in the process, so that one names a view for good:
 * what a thread remembers of it cannot be taken for another's that came to
 * lie at the same address. They only grow, as the trie wants it.
 */
static uint64_t last_generation;

static uint64_t new_generation(void)
{
    return __atomic_add_fetch(&last_generation, 1, __ATOMIC_RELAXED);
}

int flatview__change_begin(struct xbar_flatview_space *space)
{
    static const struct xbar_range whole_space = { 0, UINT64_MAX };
    struct flatview_change *change = &space->change;
    struct flatview_pieces pieces = { NULL, 0, 0 };
    int err = flatview__render(space->as->root, whole_space, &pieces);

    if (err != 0) {
        flatview__pieces_free(space->engine, &pieces);
        return err;
    }
    change->old_view = flatview__current(space->as);
    flatview__trie_begin(&change->edit, space->engine, &change->old_view->trie);
    change->edit.trie.generation = new_generation();
    err = build_view(change, &pieces);
    flatview__pieces_free(space->engine, &pieces);
    if (err != 0 || change->new_view == NULL) {
        flatview__change_cancel(space);
    }
    return err;
}

void flatview__change_cancel(struct xbar_flatview_space *space)
{
    struct flatview_change *change = &space->change;

    if (change->old_view == NULL) {
        return;
    }
    flatview__trie_cancel(&change->edit);
    free_ranges(space->engine, change->new_ranges);
    if (change->new_view != NULL) {
        flatview__view_free(change->new_view);
    }
    forget_change(change);
}

void flatview__change_finish(struct xbar_flatview_space *space)
{
    struct flatview_change *change = &space->change;
    FlatView *old = change->old_view;

    if (old == NULL) {
        return;
    }
    old->nodes = change->old_nodes;
    old->ranges = change->old_ranges;
    xbar_retire(space->engine, &space->queue, &old->retired, change->old_bytes);
    forget_change(change);
}

/* ---- Views ------------------------------------------------------------- */

FlatView *flatview__view_new(struct xbar_flatview_space *space)
{
    FlatView *view =
        xbar_alloc_aligned(space->engine, sizeof(*view), sizeof(*view));

    if (view != NULL) {
        view->space = space;
        __atomic_fetch_add(&space->live_views, 1, __ATOMIC_RELAXED);
    }
    return view;
}

void flatview__view_retire(FlatView *view)
{
    size_t bytes = sizeof(*view) + flatview__trie_bytes(&view->trie);
    FlatRange *range = flatview__trie_next(&view->trie, 0);

    while (range != NULL) {
        push_range(&view->ranges, range);
        bytes += sizeof(*range);
        range = next_range(view, range);
    }
    view->nodes = flatview__trie_collect(&view->trie);
    xbar_retire(view->space->engine, &view->space->queue, &view->retired,
                bytes);
}

bool flatview__view_free(FlatView *view)
{
    struct xbar_flatview_space *space = view->space;

    while (view->nodes != NULL) {
        struct xbar_retired *node = view->nodes;

        view->nodes = node->next;
        flatview__trie_node_free(space->engine, node);
    }
    free_ranges(space->engine, view->ranges);
    xbar_free(space->engine, view, sizeof(*view));
    return __atomic_sub_fetch(&space->live_views, 1, __ATOMIC_ACQ_REL) == 0;
}
