/* SPDX-License-Identifier: MIT */
/*
 * From one view to the next, at the price of what differs.
 *
 * The engine says in which windows something may have changed. They are
 * rendered afresh; what lies beside a window and touches it, or is cut by its
 * edge, is what it was, so the old sections say it:
 *
 *     old      |----A----|--B--|      |---C---|  |---D---|
 *     windows       [=====]                         [=]
 *     beside   |-A-|      |-B--|                 |D|   |D|
 *     rendered     |-A---|B|                        |E|
 *     pieces   |----A----|--B--|                 |D||E||D|
 *
 * Windows with one old section between them, and nothing else, make one
 * stretch; two with nothing between them are rendered as one if little is there;
 * otherwise each is one by itself. Pieces and old sections of a
 * stretch are both sorted, so one pass over both finds what differs:
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

#include "flatview/render/change_internal.h"

/* ---- What is affected -------------------------------------------------- */

static struct xbar_engine *engine_of(const struct flatview_change *change)
{
    return flatview__root_of(change)->engine;
}

static void free_affected(const struct flatview_change *change)
{
    if (change->affected != change->few) {
        xbar_free(engine_of(change), change->affected,
                  change->affected_capacity * sizeof(change->affected[0]));
    }
}

XBAR_COLD static int grow_affected(struct flatview_change *change)
{
    size_t capacity = change->affected_capacity * 2;
    struct xbar_range *ranges =
        xbar_alloc(engine_of(change), capacity * sizeof(*ranges));

    if (ranges == NULL) {
        return -ENOMEM;
    }
    memcpy(ranges, change->affected, change->affected_count * sizeof(*ranges));
    free_affected(change);
    change->affected = ranges;
    change->affected_capacity = capacity;
    return 0;
}

/* Calls come in ascending order of @first; what touches is merged. */
static int add_affected(struct flatview_change *change, hwaddr first,
                        hwaddr last)
{
    struct xbar_range *newest = change->affected + change->affected_count;

    if (change->affected_count != 0 &&
        (first <= (--newest)->last || first - 1 == newest->last)) {
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

int flatview__change_drop(struct flatview_change *change, FlatRange *range,
                          bool is_replaced)
{
    int err = add_affected(change, range->first, range->last);

    if (err == 0 && !is_replaced) {
        err = flatview__trie_remove(&change->edit, range->first);
    }
    if (err == 0) {
        flatview__range_push(&change->old_ranges, range);
        change->old_bytes += sizeof(*range);
    }
    return err;
}

int flatview__change_add(struct flatview_change *change,
                         const struct flatview_piece *piece)
{
    FlatRange *range = flatview__range_new(flatview__root_of(change), piece);
    int err;

    if (range == NULL) {
        return -ENOMEM;
    }
    flatview__range_push(&change->new_ranges, range);
    err = flatview__trie_put(&change->edit, range->first, range);
    if (err == 0) {
        err = add_affected(change, range->first, range->last);
    }
    return err;
}

/* What is affected is told in ascending order. */
int flatview__change_swap(struct flatview_change *change, FlatRange *old,
                          const struct flatview_piece *piece)
{
    FlatRange *range = flatview__range_new(flatview__root_of(change), piece);
    const FlatRange *left = old;
    const FlatRange *right = range;
    int err;

    if (range == NULL) {
        return -ENOMEM;
    }
    flatview__range_push(&change->new_ranges, range);
    err = flatview__trie_move(&change->edit, old->first, range->first, range);
    if (err != 0) {
        return err;
    }
    flatview__range_push(&change->old_ranges, old);
    change->old_bytes += sizeof(*old);
    if (range->first < old->first) {
        left = range;
        right = old;
    }
    err = add_affected(change, left->first, left->last);
    return err != 0 ? err : add_affected(change, right->first, right->last);
}

#define FEW_PASSED 4

/*
 * What is done at a time: from the first old section that is passed, or from
 * the first piece, up to @last, where both have an edge.
 */
struct stretch {
    hwaddr last;
    struct flatview_trie_cursor next; /* old sections that are not passed */
    const FlatRange *newest;          /* that was, or NULL */
    size_t passed;
    FlatRange
        *few[FEW_PASSED]; /* the first of those; if it has all, they are not */
    size_t applied;       /* looked for again */
};

static FlatRange *old_range(const struct flatview_trie_cursor *cursor)
{
    return trie_value(cursor->leaf);
}

static void pass(struct stretch *stretch)
{
    FlatRange *range = old_range(&stretch->next);

    if (stretch->passed < FEW_PASSED) {
        stretch->few[stretch->passed] = range;
    }
    stretch->passed++;
    stretch->newest = range;
    flatview__trie_step(&stretch->next);
}

/* To the first old section, if more were passed than are known. */
static void begin_diff(const struct flatview_change *change,
                       struct stretch *stretch)
{
    stretch->applied = 0;
    if (unlikely(stretch->passed > FEW_PASSED)) {
        flatview__trie_seek(&stretch->next, &change->old_view->trie,
                            stretch->few[0]->first);
        stretch->passed = 0;
    }
}

/* The old section that comes next in @stretch; NULL if there is none. */
static inline FlatRange *next_old(const struct stretch *stretch)
{
    const struct flatview_trie_slot *leaf = stretch->next.leaf;

    if (stretch->applied < stretch->passed) {
        return stretch->few[stretch->applied];
    }
    return leaf != NULL && leaf->bits <= stretch->last ? trie_value(leaf)
                                                       : NULL;
}

static inline void step_old(struct stretch *stretch)
{
    if (stretch->applied < stretch->passed) {
        stretch->applied++;
    } else {
        flatview__trie_step(&stretch->next);
    }
}

static int apply_diff(struct flatview_change *change,
                      const struct flatview_pieces *pieces,
                      struct stretch *stretch)
{
    const struct flatview_piece *piece = pieces->items;
    const struct flatview_piece *end = piece + pieces->count;
    int err = 0;

    begin_diff(change, stretch);
    while (err == 0) {
        FlatRange *old = next_old(stretch);

        if (old == NULL && piece == end) {
            break;
        }
        if (old == NULL || (piece != end && piece->first < old->first)) {
            err = flatview__change_add(change, piece++);
            continue;
        }
        step_old(stretch);
        if (piece != end && flatview__says(old, piece)) {
            piece++;
        } else {
            err = flatview__change_drop(
                change, old, piece != end && piece->first == old->first);
        }
    }
    return err;
}

/* ---- Windows and stretches --------------------------------------------- */

/*
 * Windows of one change, and how far they are done. If there are so many of
 * them that visiting every region costs no more (@is_bulk), those with nothing
 * between them are rendered as one.
 */
struct windows {
    const struct xbar_window *next;
    const struct xbar_window *end;
    bool is_bulk;
};

/* Was nothing there before @next, and after @addr, which is not the last? */
static bool is_gap_empty(const struct flatview_change *change, hwaddr addr,
                         const struct xbar_window *next)
{
    const FlatRange *range = flatview_next_range(change->old_view, addr + 1);

    return range == NULL || range->first >= next->range.first;
}

static inline void take_window(const struct flatview_change *change,
                               struct windows *windows,
                               struct xbar_window *window)
{
    *window = *windows->next++;
    while (unlikely(windows->is_bulk) && windows->next != windows->end &&
           is_gap_empty(change, window->range.last, windows->next)) {
        *window = flatview__joined(change, window, windows->next++);
    }
}

/* What @range says from @first to @last. */
static int append_old(const struct flatview_change *change,
                      struct flatview_pieces *pieces, const FlatRange *range,
                      hwaddr first, hwaddr last)
{
    const struct flatview_piece piece = {
        .mr_delta = range->mr_delta,
        .host_delta = range->host_delta,
        .mr = range->mr,
        .plan = range->plan,
        .flags = range->flags,
    };

    return flatview__pieces_append(engine_of(change), pieces, &piece, first,
                                   last);
}

/* The old section that has @addr, which only grows from call to call. */
static const FlatRange *find_right(struct stretch *stretch, hwaddr addr)
{
    while (stretch->next.leaf != NULL && stretch->next.leaf->bits <= addr) {
        pass(stretch);
    }
    return stretch->newest != NULL && addr <= stretch->newest->last
               ? stretch->newest
               : NULL;
}

/*
 * What stands behind a window that ends at @addr, up to the next window or to
 * its own end, which becomes that of @stretch.
 */
static int append_right(const struct flatview_change *change,
                        const struct windows *windows, struct stretch *stretch,
                        struct flatview_pieces *pieces, hwaddr addr)
{
    const FlatRange *range =
        addr != UINT64_MAX ? find_right(stretch, addr + 1) : NULL;

    stretch->last = addr;
    if (range == NULL) {
        return 0;
    }
    stretch->last = range->last;
    if (windows->next != windows->end &&
        range->last >= windows->next->range.first - 1) {
        stretch->last = windows->next->range.first - 1;
    }
    return append_old(change, pieces, range, addr + 1, stretch->last);
}

/*
 * The section where @cursor is is looked at next, and the one after it soon:
 * have both come at the same time.
 */
static void fetch_sections(const struct flatview_trie_cursor *cursor)
{
    const struct flatview_trie_slot *next;

    if (cursor->depth != 0) {
        next = cursor->path[cursor->depth - 1].next;
        if (next != cursor->path[cursor->depth - 1].end) {
            __builtin_prefetch((const void *)next->link);
        }
        __builtin_prefetch(trie_value(cursor->leaf));
    }
}

/* What stands before a window that begins at @addr, and touches it. */
static int append_left(const struct flatview_change *change,
                       struct flatview_pieces *pieces, hwaddr addr,
                       struct stretch *stretch)
{
    struct flatview_trie_cursor *old = &stretch->next;
    const FlatRange *left;

    flatview__trie_seek(old, &change->old_view->trie, addr != 0 ? addr - 1 : 0);
    fetch_sections(old);
    if (old->leaf == NULL || old->leaf->bits >= addr) {
        return 0;
    }
    left = old_range(old);
    if (left->last < addr - 1) {
        flatview__trie_step(old);
        return 0;
    }
    return append_old(change, pieces, left, left->first, addr - 1);
}

static bool reaches_next(const struct windows *windows, hwaddr window_last,
                         hwaddr last)
{
    return last != window_last && windows->next != windows->end &&
           last == windows->next->range.first - 1;
}

/* Is nothing there between @addr and @next, as far as is known on the right? */
static bool is_free_until(struct stretch *stretch, hwaddr addr,
                          const struct xbar_window *next)
{
    return find_right(stretch, addr + 1) == NULL &&
           (stretch->next.leaf == NULL ||
            stretch->next.leaf->bits >= next->range.first);
}

/*
 * Render @window. With nothing between it and the next one, as where something
 * moved, both are rendered as one, and @window becomes that, if it takes few
 * visits: what is there, but disabled, is not known before.
 */
static int render_window(struct flatview_change *change,
                         struct windows *windows, struct stretch *stretch,
                         struct flatview_pieces *pieces,
                         struct xbar_window *window)
{
    const struct xbar_window *next = windows->next;

    change->windows++;
    if (next != windows->end &&
        is_free_until(stretch, window->range.last, next)) {
        const struct xbar_window both = flatview__joined(change, window, next);
        int err = flatview__render_few(&both, pieces);

        if (err != -E2BIG) {
            windows->next++;
            *window = both;
            return err;
        }
    }
    return flatview__render_more(window, pieces);
}

/* The pieces of one stretch, and where it begins and ends. */
static int render_stretch(struct flatview_change *change,
                          struct windows *windows,
                          struct flatview_pieces *pieces,
                          struct stretch *stretch)
{
    struct xbar_window window;
    int err;

    pieces->count = 0;
    stretch->newest = NULL;
    stretch->passed = 0;
    take_window(change, windows, &window);
    err = append_left(change, pieces, window.range.first, stretch);
    while (err == 0) {
        err = render_window(change, windows, stretch, pieces, &window);
        if (err == 0) {
            err = append_right(change, windows, stretch, pieces,
                               window.range.last);
        }
        if (err != 0 ||
            !reaches_next(windows, window.range.last, stretch->last)) {
            break;
        }
        take_window(change, windows, &window);
    }
    return err;
}

static int apply_windows(struct flatview_change *change,
                         struct windows *windows)
{
    struct flatview_piece few[FLATVIEW_FEW_PIECES];
    struct flatview_pieces pieces = flatview__pieces_in(few);
    int err = 0;

    while (err == 0 && windows->next != windows->end) {
        struct stretch stretch;

        if (likely(!windows->is_bulk)) {
            err = flatview__change_one(change, &windows->next, windows->end);
            if (likely(err != -EAGAIN)) {
                continue;
            }
        }
        err = render_stretch(change, windows, &pieces, &stretch);
        if (err == 0) {
            err = apply_diff(change, &pieces, &stretch);
        }
    }
    flatview__pieces_free(engine_of(change), &pieces);
    return err;
}

/* @all: the whole space, if nothing is known of it yet. */
static struct windows windows_of(const struct flatview_root *root,
                                 struct xbar_window *all)
{
    const struct xbar_participant *p = &root->participant;

    if (root->is_stale) {
        *all = (struct xbar_window){ { 0, UINT64_MAX }, p->root, 0, 0 };
        return (struct windows){ all, all + 1, false };
    }
    return (struct windows){
        .next = p->dirty,
        .end = p->dirty + p->dirty_count,
        .is_bulk = p->dirty_count > 2 &&
                   p->dirty_count > xbar_engine_regions(root->engine) / 8,
    };
}

/* ---- Checking ---------------------------------------------------------- */

#ifdef XBAR_CHECKED

/* Of larger views only one in so many is checked, so that tests stay quick. */
#define CHECK_RANGES 256

static bool is_as_rendered(const struct flatview_trie *trie,
                           const struct flatview_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const struct flatview_piece *piece = &pieces->items[i];
        const FlatRange *range = flatview__trie_floor(trie, piece->first);

        if (range == NULL || !flatview__says(range, piece)) {
            return false;
        }
    }
    return trie->count == pieces->count;
}

/* Is the edited trie what rendering from scratch gives? */
static int check_change(const struct flatview_change *change)
{
    static const struct xbar_range whole_space = { 0, UINT64_MAX };
    const struct flatview_trie *trie = &change->edit.trie;
    struct flatview_piece few[FLATVIEW_FEW_PIECES];
    struct flatview_pieces pieces = flatview__pieces_in(few);
    int err = 0;

    if (trie->generation % (trie->count / CHECK_RANGES + 1) == 0) {
        err = flatview__render(flatview__root_of(change)->participant.root,
                               whole_space, &pieces);
        xbar_assert(err != 0 || is_as_rendered(trie, &pieces));
    }
    flatview__pieces_free(engine_of(change), &pieces);
    return err;
}

#else

static int check_change(const struct flatview_change *change)
{
    (void)change;
    return 0;
}

#endif

/* ---- A change ---------------------------------------------------------- */

static void start_change(struct flatview_change *change, FlatView *old_view)
{
    change->old_view = old_view;
    change->old_ranges = NULL;
    change->new_ranges = NULL;
    change->old_bytes = 0;
    change->affected = change->few;
    change->affected_count = 0;
    change->affected_capacity = FLATVIEW_FEW_AFFECTED;
    change->windows = 0;
}

/* What is left says that no change is under way. */
static void forget_change(struct flatview_change *change)
{
    free_affected(change);
    change->old_view = NULL;
    change->new_view = NULL;
}

/* Sum up, once nothing can fail any more. */
static void complete_change(struct flatview_change *change)
{
    struct flatview_trie none;

    change->old_nodes = flatview__trie_commit(
        &change->edit,
        flatview__is_empty(change->new_view) ? &none : &change->new_view->trie);
    change->old_bytes +=
        sizeof(*change->old_view) + change->edit.superseded_bytes;
}

static int build_view(struct flatview_change *change, struct windows *windows)
{
    int err = apply_windows(change, windows);

    if (err == 0) {
        err = check_change(change);
    }
    if (err != 0 || change->affected_count == 0) {
        return err;
    }
    change->new_view = change->edit.trie.count == 0
                           ? (FlatView *)&flatview__empty
                           : flatview__view_new(flatview__root_of(change));
    if (change->new_view == NULL) {
        return -ENOMEM;
    }
    complete_change(change);
    return 0;
}

/*
 * A view that could not be made is made up for by the next commit: if this
 * one is void, nothing changed and the marks are gone, so "stale" may stay.
 */
int flatview__change_begin(struct flatview_root *root)
{
    struct flatview_change *change = &root->change;
    struct xbar_window all;
    struct windows windows = windows_of(root, &all);
    int err;

    if (windows.next == windows.end) {
        return 0;
    }
    start_change(change, root->current);
    flatview__trie_begin(&change->edit, root->engine, &change->old_view->trie);
    change->edit.trie.generation = flatview__new_generation(root);
    err = build_view(change, &windows);
    xbar_engine_count_views(root->engine, change->new_view != NULL,
                            change->windows, change->edit.made);
    if (err != 0 || change->new_view == NULL) {
        flatview__change_cancel(root);
    }
    return err;
}

void flatview__change_cancel(struct flatview_root *root)
{
    struct flatview_change *change = &root->change;

    if (change->old_view == NULL) {
        return;
    }
    flatview__trie_cancel(&change->edit);
    flatview__ranges_free(root->engine, change->new_ranges);
    if (change->new_view != NULL && !flatview__is_empty(change->new_view)) {
        flatview__view_free(change->new_view);
        __atomic_store_n(&root->views_made, root->views_made - 1,
                         __ATOMIC_RELAXED);
    }
    forget_change(change);
}

void flatview__change_finish(struct flatview_root *root)
{
    struct flatview_change *change = &root->change;
    FlatView *old = change->old_view;

    if (old == NULL) {
        return;
    }
    if (!flatview__is_empty(old)) {
        old->nodes = change->old_nodes;
        old->ranges = change->old_ranges;
        xbar_retire(root->engine, &root->queue, &old->retired,
                    change->old_bytes);
    }
    forget_change(change);
}
