/* SPDX-License-Identifier: MIT */
/* What change.c and change_one.c say to one another. */
#ifndef XBAR_FLATVIEW_RENDER_CHANGE_INTERNAL_H
#define XBAR_FLATVIEW_RENDER_CHANGE_INTERNAL_H

#include "flatview/flatview_internal.h"
#include "flatview/render/render.h"

static inline struct flatview_root *
flatview__root_of(const struct flatview_change *change)
{
    return xbar_container_of(change, struct flatview_root, change);
}

/* Does @range say what @piece does? */
static inline bool flatview__says(const FlatRange *range,
                                  const struct flatview_piece *piece)
{
    return range->first == piece->first && range->last == piece->last &&
           range->mr == piece->mr && range->mr_delta == piece->mr_delta &&
           range->host_delta == piece->host_delta &&
           range->plan == piece->plan && range->flags == piece->flags;
}

/*
 * change.c: @range goes; @piece comes. In ascending order of where they begin.
 * @is_replaced: the piece to come has the same key, so the key stays.
 * Return: 0; -ENOMEM.
 */
int flatview__change_drop(struct flatview_change *change, FlatRange *range,
                          bool is_replaced) XBAR_MUST_CHECK;
int flatview__change_swap(struct flatview_change *change, FlatRange *old,
                          const struct flatview_piece *piece) XBAR_MUST_CHECK;
int flatview__change_add(struct flatview_change *change,
                         const struct flatview_piece *piece) XBAR_MUST_CHECK;

/*
 * @window and @next, with nothing between them, as one. If both may be looked at
 * from the same region on, that shows nothing between them either.
 */
static inline struct xbar_window
flatview__joined(const struct flatview_change *change,
                 const struct xbar_window *window,
                 const struct xbar_window *next)
{
    struct xbar_window both = *window;

    if (window->from != next->from) {
        both.from = flatview__root_of(change)->participant.root;
        both.base = 0;
        both.flags = 0;
    }
    both.range.last = next->range.last;
    return both;
}

/*
 * change_one.c: all of the window at @next, or of the two up to @end, in which
 * no more than one section was, and no more than one leaf is, with nothing
 * beside it that they could be a part of. Return: 0, and @next is behind it;
 * -ENOMEM; -EAGAIN if it is not so, and nothing was done.
 */
int flatview__change_one(struct flatview_change *change,
                         const struct xbar_window **next,
                         const struct xbar_window *end) XBAR_MUST_CHECK;

#endif
