/* SPDX-License-Identifier: MIT */
/*
 * Rendering: from a tree of regions to a sorted array of what is visible.
 */
#ifndef XBAR_FLATVIEW_RENDER_RENDER_H
#define XBAR_FLATVIEW_RENDER_RENDER_H

#include "engine/check.h"
#include "engine/tree.h"
#include "flatview/flatview.h"
#include "flatview/subscriber.h"

/* What one section will say; everything in FlatRange but its identity. */
struct flatview_piece {
    hwaddr first;
    hwaddr last;
    uint64_t mr_delta;
    uint64_t host_delta;
    MemoryRegion *mr;
    const struct xbar_access_plan *plan;
    uint32_t flags;   /* enum flat_range_flags */
    uint32_t ordinal; /* decode order: the smallest wins */
};

struct flatview_pieces {
    struct flatview_piece *items;
    size_t count;
    size_t capacity;
    bool is_lent; /* @items is the caller's: not freed here */
};

/* Most windows have so few: an array of them lies on the caller's stack. */
#define FLATVIEW_FEW_PIECES 16

static inline struct flatview_pieces
flatview__pieces_in(struct flatview_piece few[FLATVIEW_FEW_PIECES])
{
    return (struct flatview_pieces){ few, 0, FLATVIEW_FEW_PIECES, true };
}

/*
 * Nodes that one rendering of one window visits at most: so many, and more for
 * each region there is. Aliases of aliases can show a small tree 2^k times
 * over; eight million take about a second and half a gigabyte. Regions
 * themselves are limited by nothing but memory.
 */
#define RENDER_MAX_VISITS      ((uint32_t)1 << 23)
#define RENDER_VISITS_A_REGION 16

/*
 * flatview__render() - what decodes in @range of @root
 * @out: zeroed or rendered before; replaced by disjoint pieces in ascending
 * order, neighbours that say the same merged. Ended by flatview__pieces_free.
 *
 * Context: the tree of @root's engine is held.
 * Return: 0; -ENOMEM; -E2BIG past RENDER_MAX_VISITS and what regions add to it.
 * @out is then empty.
 */
int flatview__render(const MemoryRegion *root, struct xbar_range range,
                     struct flatview_pieces *out) XBAR_MUST_CHECK;

/*
 * The same behind what @out has, which lies before @window and is merged with
 * it where they meet. On failure what is behind is unspecified.
 */
int flatview__render_more(const struct xbar_window *window,
                          struct flatview_pieces *out) XBAR_MUST_CHECK;

/*
 * The same if that is a matter of few visits; else -E2BIG, after no more than
 * these, with @out as it was.
 */
#define RENDER_FEW_VISITS 16

int flatview__render_few(const struct xbar_window *window,
                         struct flatview_pieces *out) XBAR_MUST_CHECK;

/* Append one piece, from @first to @last, in the same way. */
int flatview__pieces_append(struct xbar_engine *engine,
                            struct flatview_pieces *pieces,
                            const struct flatview_piece *piece, hwaddr first,
                            hwaddr last) XBAR_MUST_CHECK;

void flatview__pieces_drop(struct xbar_engine *engine,
                           struct flatview_pieces *pieces);

/* Nothing, if @pieces lie where they were lent. */
static inline void flatview__pieces_free(struct xbar_engine *engine,
                                         struct flatview_pieces *pieces)
{
    if (unlikely(!pieces->is_lent)) {
        flatview__pieces_drop(engine, pieces);
    }
}

int flatview__pieces_grow(struct xbar_engine *engine,
                          struct flatview_pieces *pieces) XBAR_MUST_CHECK;

/* Room for one more piece at the end, unset; NULL if memory is short. */
static inline struct flatview_piece *
flatview__pieces_add(struct xbar_engine *engine, struct flatview_pieces *pieces)
{
    if (unlikely(pieces->count == pieces->capacity) &&
        flatview__pieces_grow(engine, pieces) != 0) {
        return NULL;
    }
    return &pieces->items[pieces->count++];
}

/*
 * What walk.c does: the leaves in @window, clipped, in decode order, overlapping
 * one another, numbered by it. -E2BIG past @most visits.
 */
int flatview__walk(const struct xbar_window *window, uint32_t most,
                   struct flatview_pieces *leaves) XBAR_MUST_CHECK;

/*
 * The same where what is met on the way down is one region at a time: its leaf,
 * clipped, into @piece, but for the ordinal. Return: 1; 0 if nothing of it is
 * visible; -EAGAIN where several overlap.
 */
int flatview__walk_one(const struct xbar_window *window,
                       struct flatview_piece *piece) XBAR_MUST_CHECK;

#endif
