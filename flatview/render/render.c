/* SPDX-License-Identifier: MIT */
/*
 * Second half of rendering: from leaves that overlap to what is visible.
 *
 *     ordinal 0        |=======|                a sweep from left to right
 *     ordinal 1   |-----------------|           over the starts; a heap holds
 *     ordinal 2     |...|                       the leaves that lie under the
 *                                               sweep, the best on top
 *     visible     |----|=======|----|
 *
 * Every leaf enters the heap once and leaves it once: O(n log n), whatever
 * overlaps what. A leaf that is visible on both sides of a hidden start is
 * cut there and merged again.
 */
#include "flatview/render/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alloc.h"
#include "engine/check.h"

/* ---- Arrays of pieces -------------------------------------------------- */

static void free_items(struct xbar_engine *engine,
                       const struct flatview_pieces *pieces)
{
    if (!pieces->is_lent) {
        xbar_free(engine, pieces->items,
                  pieces->capacity * sizeof(pieces->items[0]));
    }
}

XBAR_COLD int flatview__pieces_grow(struct xbar_engine *engine,
                                    struct flatview_pieces *pieces)
{
    size_t capacity = pieces->capacity == 0 ? 32 : pieces->capacity * 2;
    struct flatview_piece *items =
        xbar_alloc(engine, capacity * sizeof(*items));

    if (items == NULL) {
        return -ENOMEM;
    }
    if (pieces->count != 0) {
        memcpy(items, pieces->items, pieces->count * sizeof(*items));
    }
    free_items(engine, pieces);
    pieces->items = items;
    pieces->capacity = capacity;
    pieces->is_lent = false;
    return 0;
}

void flatview__pieces_drop(struct xbar_engine *engine,
                           struct flatview_pieces *pieces)
{
    free_items(engine, pieces);
    memset(pieces, 0, sizeof(*pieces));
}

/* ---- The heap: leaves under the sweep, smallest ordinal on top --------- */

struct heap {
    const struct flatview_piece **items; /* room for all leaves */
    size_t count;
};

static void heap_push(struct heap *heap, const struct flatview_piece *leaf)
{
    size_t i = heap->count++;

    while (i > 0 && heap->items[(i - 1) / 2]->ordinal > leaf->ordinal) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = leaf;
}

static void heap_pop(struct heap *heap)
{
    const struct flatview_piece *moved = heap->items[--heap->count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < heap->count &&
            heap->items[child + 1]->ordinal < heap->items[child]->ordinal) {
            child++;
        }
        if (child >= heap->count ||
            heap->items[child]->ordinal > moved->ordinal) {
            break;
        }
        heap->items[i] = heap->items[child];
        i = child;
    }
    heap->items[i] = moved;
}

/* ---- The sweep --------------------------------------------------------- */

struct sweep {
    struct xbar_engine *engine;
    const struct flatview_pieces *leaves; /* by start */
    size_t next;                          /* the first not yet in the heap */
    struct heap heap;
    struct flatview_pieces *out;
};

static bool says_the_same(const struct flatview_piece *a,
                          const struct flatview_piece *b)
{
    return a->mr == b->mr && a->mr_delta == b->mr_delta &&
           a->host_delta == b->host_delta && a->plan == b->plan &&
           a->flags == b->flags;
}

int flatview__pieces_append(struct xbar_engine *engine,
                            struct flatview_pieces *pieces,
                            const struct flatview_piece *piece, hwaddr first,
                            hwaddr last)
{
    struct flatview_piece *newest =
        pieces->count != 0 ? &pieces->items[pieces->count - 1] : NULL;

    if (newest != NULL && newest->last + 1 == first &&
        says_the_same(newest, piece)) {
        newest->last = last;
        return 0;
    }
    newest = flatview__pieces_add(engine, pieces);
    if (newest == NULL) {
        return -ENOMEM;
    }
    *newest = *piece;
    newest->first = first;
    newest->last = last;
    return 0;
}

/* Leaves that start at or before @at come under the sweep. */
static void enter_leaves(struct sweep *sweep, hwaddr at)
{
    const struct flatview_pieces *leaves = sweep->leaves;

    while (sweep->next < leaves->count &&
           leaves->items[sweep->next].first <= at) {
        heap_push(&sweep->heap, &leaves->items[sweep->next++]);
    }
}

/* How far the best leaf is known to be visible: to its end, or to just
 * before the next start, which may bring a better one. */
static hwaddr visible_until(const struct sweep *sweep)
{
    hwaddr last = sweep->heap.items[0]->last;

    if (sweep->next < sweep->leaves->count) {
        hwaddr start = sweep->leaves->items[sweep->next].first;

        last = start <= last ? start - 1 : last;
    }
    return last;
}

static int run_sweep(struct sweep *sweep)
{
    hwaddr at = 0;

    while (sweep->heap.count != 0 || sweep->next < sweep->leaves->count) {
        hwaddr last;
        int err;

        if (sweep->heap.count == 0) {
            at = sweep->leaves->items[sweep->next].first;
        }
        enter_leaves(sweep, at);
        while (sweep->heap.count != 0 && sweep->heap.items[0]->last < at) {
            heap_pop(&sweep->heap);
        }
        if (sweep->heap.count == 0) {
            continue;
        }
        last = visible_until(sweep);
        err = flatview__pieces_append(sweep->engine, sweep->out,
                                      sweep->heap.items[0], at, last);
        if (err != 0 || last == UINT64_MAX) {
            return err;
        }
        at = last + 1;
    }
    return 0;
}

/* ---- Both halves ------------------------------------------------------- */

static int compare_starts(const void *a, const void *b)
{
    const struct flatview_piece *left = a;
    const struct flatview_piece *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

static bool are_sorted(const struct flatview_pieces *pieces)
{
    for (size_t i = 1; i < pieces->count; i++) {
        if (pieces->items[i - 1].first > pieces->items[i].first) {
            return false;
        }
    }
    return true;
}

/* qsort falls back to sorting in place, so it cannot fail. */
static int sweep_leaves(struct xbar_engine *engine,
                        struct flatview_pieces *leaves,
                        struct flatview_pieces *out)
{
    const struct flatview_piece *few[FLATVIEW_FEW_PIECES];
    struct sweep sweep = { .engine = engine, .leaves = leaves, .out = out };
    size_t bytes = leaves->count * sizeof(sweep.heap.items[0]);
    int err;

    sweep.heap.items =
        leaves->count <= FLATVIEW_FEW_PIECES ? few : xbar_alloc(engine, bytes);
    if (sweep.heap.items == NULL) {
        return -ENOMEM;
    }
    if (!are_sorted(leaves)) {
        qsort(leaves->items, leaves->count, sizeof(leaves->items[0]),
              compare_starts);
    }
    err = run_sweep(&sweep);
    if (sweep.heap.items != few) {
        xbar_free(engine, sweep.heap.items, bytes);
    }
    return err;
}

static int render_upto(const struct xbar_window *window, uint32_t most,
                       struct flatview_pieces *out)
{
    struct xbar_engine *engine = xbar_region_engine(window->from);
    struct flatview_piece few[FLATVIEW_FEW_PIECES];
    struct flatview_pieces leaves = flatview__pieces_in(few);
    int err = flatview__walk(window, most, &leaves);

    if (err == 0 && leaves.count == 1) {
        err = flatview__pieces_append(engine, out, few, few[0].first,
                                      few[0].last);
    } else if (err == 0 && leaves.count != 0) {
        err = sweep_leaves(engine, &leaves, out);
    }
    flatview__pieces_free(engine, &leaves);
    return err;
}

static uint32_t most_visits(const MemoryRegion *mr)
{
    uint64_t most =
        RENDER_MAX_VISITS +
        RENDER_VISITS_A_REGION * xbar_engine_regions(xbar_region_engine(mr));

    return most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

int flatview__render_more(const struct xbar_window *window,
                          struct flatview_pieces *out)
{
    return render_upto(window, most_visits(window->from), out);
}

int flatview__render_few(const struct xbar_window *window,
                         struct flatview_pieces *out)
{
    return render_upto(window, RENDER_FEW_VISITS, out);
}

int flatview__render(const MemoryRegion *root, struct xbar_range range,
                     struct flatview_pieces *out)
{
    const struct xbar_window window = { .range = range, .from = root };
    int err;

    out->count = 0;
    err = flatview__render_more(&window, out);
    if (err != 0) {
        out->count = 0;
    }
    return err;
}
