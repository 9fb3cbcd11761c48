/* SPDX-License-Identifier: MIT */
/*
 * The usual change: a device comes, goes or moves where nothing overlaps it.
 *
 *     window        |===========|          in it began one section at most, and
 *     old   |--A--|    |--B--|             what is before it ended before: two
 *     piece            |--B'-|             searches in one way down the index
 *
 * This is what change.c does, without lists: one old section and one piece are
 * compared where they stand. What it takes is told before anything is changed;
 * where it is not so change.c does all of the window:
 *
 *   - several regions overlap on the way down, or one has others inside;
 *   - several sections were in the window, or one crosses its edge;
 *   - two windows have something between them;
 *   - the region of the piece is also that of a section that touches the window,
 *     and both might be one.
 */
#include "flatview/render/change_internal.h"

#include <errno.h>

/* What was around a window; NULL where nothing was. */
struct around {
    FlatRange *old;    /* in it */
    FlatRange *before; /* the last one that began before */
    FlatRange *behind; /* that begins where it ends */
};

static FlatRange *section_of(const struct flatview_trie_slot *leaf)
{
    return leaf != NULL ? trie_value(leaf) : NULL;
}

/* The keys say where they begin: what they are may be on its way yet. */
static struct around look_around(const struct flatview_trie *trie,
                                 const struct xbar_range *range)
{
    const hwaddr last = range->last;
    const struct flatview_trie_slot *behind = NULL;
    const struct flatview_trie_slot *before;
    const struct flatview_trie_slot *old = flatview__trie_floor_two(
        trie, last != UINT64_MAX ? last + 1 : last, &before);

    if (old != NULL && old->bits > last) {
        behind = old;
        old = flatview__trie_floor_two(trie, last, &before);
    }
    if (old != NULL && old->bits < range->first) {
        before = old;
        old = NULL;
    }
    return (struct around){ section_of(old), section_of(before),
                            section_of(behind) };
}

/* Is @around.old all that was in @range, and nothing cut by its edges? */
static bool was_one(const struct around *around, const struct xbar_range *range)
{
    return (around->old == NULL || around->old->last <= range->last) &&
           (around->before == NULL || around->before->last < range->first);
}

/* Might @piece be one with what touches @range? */
static bool may_join(const struct around *around,
                     const struct xbar_range *range,
                     const struct flatview_piece *piece)
{
    return (around->behind != NULL && around->behind->mr == piece->mr) ||
           (around->before != NULL && around->before->mr == piece->mr &&
            around->before->last == range->first - 1);
}

static bool meets(const FlatRange *old, const struct xbar_range *gap)
{
    return old->last >= gap->first && old->first <= gap->last;
}

/* @piece may be NULL, and @old, too. */
static int apply(struct flatview_change *change, FlatRange *old,
                 const struct flatview_piece *piece)
{
    if (old == NULL) {
        return piece != NULL ? flatview__change_add(change, piece) : 0;
    }
    if (piece == NULL) {
        return flatview__change_drop(change, old, false);
    }
    return flatview__says(old, piece)
               ? 0
               : flatview__change_swap(change, old, piece);
}

/* Does @window alone say what is to be done in it? Then it is done. */
static int change_in(struct flatview_change *change,
                     const struct xbar_window *window,
                     const struct xbar_range *gap)
{
    const struct xbar_range *range = &window->range;
    const struct around around = look_around(&change->old_view->trie, range);
    struct flatview_piece piece;
    const int made = flatview__walk_one(window, &piece);

    if (made < 0) {
        return made;
    }
    if (!was_one(&around, range) ||
        (gap != NULL && around.old != NULL && meets(around.old, gap)) ||
        (made > 0 && may_join(&around, range, &piece))) {
        return -EAGAIN;
    }
    change->windows++;
    return apply(change, around.old, made > 0 ? &piece : NULL);
}

/*
 * Both windows of something that moved, from @next on, as one: if what was there
 * was not between them, nothing was.
 */
static int change_both(struct flatview_change *change,
                       const struct xbar_window *next)
{
    const struct xbar_range gap = { next[0].range.last + 1,
                                    next[1].range.first - 1 };
    const struct xbar_window both =
        flatview__joined(change, &next[0], &next[1]);

    return change_in(change, &both, &gap);
}

int flatview__change_one(struct flatview_change *change,
                         const struct xbar_window **next,
                         const struct xbar_window *end)
{
    const struct xbar_window *window = *next;
    int err = -EAGAIN;

    if (end - window == 2 && window[0].from == window[1].from) {
        err = change_both(change, window);
        *next += err == 0 ? 2 : 0;
    }
    if (err == -EAGAIN) {
        err = change_in(change, window, NULL);
        *next += err == 0 ? 1 : 0;
    }
    return err;
}
