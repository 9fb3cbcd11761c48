/* SPDX-License-Identifier: MIT */
/*
 * Sections and views: making them, giving them up, and freeing them when no
 * reader can see them. How one view becomes the next: render/change.c.
 */
#include "flatview/flatview_internal.h"
#include "flatview/render/render.h"

/* ---- Sections ---------------------------------------------------------- */

FlatRange *flatview__range_new(struct flatview_root *root,
                               const struct flatview_piece *piece)
{
    FlatRange *range = xbar_alloc_lines(root->engine, sizeof(*range));

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
    range->born = root->kept_ever;
    xbar_region_show(range->mr);
    return range;
}

void flatview__ranges_free(struct xbar_engine *engine,
                           struct xbar_retired *list)
{
    while (list != NULL) {
        FlatRange *range = xbar_container_of(list, FlatRange, retired);

        list = list->next;
        xbar_region_hide(engine, range->mr);
        xbar_free_lines(engine, range, sizeof(*range));
    }
}

/* ---- Views ------------------------------------------------------------- */

/*
 * Generations are unique in the process, so that one names a view for good:
 * what a thread remembers of it cannot be taken for another's that came to
 * lie at the same address. They only grow, as the trie wants it; a root takes
 * so many at a time.
 */
static uint64_t last_generation;

uint64_t flatview__new_generation(struct flatview_root *root)
{
    if (unlikely(root->next_generation == root->end_generation)) {
        root->end_generation = __atomic_add_fetch(
            &last_generation, FLATVIEW_GENERATIONS, __ATOMIC_RELAXED);
        root->next_generation = root->end_generation - FLATVIEW_GENERATIONS;
    }
    return ++root->next_generation;
}

FlatView *flatview__view_new(struct flatview_root *root)
{
    FlatView *view = xbar_alloc_lines(root->engine, sizeof(*view));

    if (view != NULL) {
        view->root = root;
        view->nodes = NULL;
        view->ranges = NULL;
        __atomic_store_n(&root->views_made, root->views_made + 1,
                         __ATOMIC_RELAXED);
    }
    return view;
}

void flatview__view_retire(FlatView *view)
{
    size_t bytes = sizeof(*view) + flatview__trie_bytes(&view->trie);
    FlatRange *range = flatview__trie_next(&view->trie, 0);

    while (range != NULL) {
        flatview__range_push(&view->ranges, range);
        bytes += sizeof(*range);
        range = flatview__range_after(view, range);
    }
    view->nodes = flatview__trie_collect(&view->trie);
    xbar_retire(view->root->engine, &view->root->queue, &view->retired, bytes);
}

void flatview__view_free(FlatView *view)
{
    struct flatview_root *root = view->root;

    while (view->nodes != NULL) {
        struct xbar_retired *node = view->nodes;

        view->nodes = node->next;
        flatview__trie_node_free(root->engine, node);
    }
    flatview__ranges_free(root->engine, view->ranges);
    xbar_free_lines(root->engine, view, sizeof(*view));
}
