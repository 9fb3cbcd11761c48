/* SPDX-License-Identifier: MIT */
/*
 * Which addresses a transaction touched, and which address spaces show them.
 *
 *   a mutator     marks an interval of a region: where a child of it was, and
 *                 where it is now, or what of the region itself changed
 *   the commit    carries the marks up, through containers and aliases, to
 *                 the regions that are the root of an address space
 *
 * Carrying goes by height (see nesting.c): whatever shows a region is higher
 * than the region, so when the lowest are done first, a region has all that
 * reaches it before it passes anything on. Each region is visited once, with
 * a set of intervals, however many paths lead to it (but where there are few
 * marks, each may take the way to the first fork or root by itself):
 *
 *        root  h3            marks: disk [0, fff]
 *       /    \
 *   alias    bus  h2         h0 disk --> chip
 *  h2   \    /               h1 chip --> bus, alias: [4000, 4fff]
 *        chip  h1            h2 bus, alias --> root: two intervals
 *         |                  h3 root: sorted, merged, handed over
 *        disk  h0
 *
 * Why it is enough. Intervals are cut to the size that a region has when it
 * is marked or passed, and stop at a region that is disabled: what a change
 * of size, of `enabled`, of an edge or of an address brings in or takes away
 * is marked by itself, whole, in the region and in its container. So a byte
 * that differs in the end was marked at the place where it first differed. A
 * region that is disabled shows nothing, so its places are not marked, but that
 * which it leaves where the transaction did something before: it might have been
 * enabled. Whoever enables it marks all of it, wherever it is in the end.
 *
 * Marks are made in the mutators, not in what undoes them: after an undo the
 * tree is what it was, and all marks are forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dirty_internal.h"
#include "engine/engine_internal.h"

/* ---- Marks ------------------------------------------------------------- */

/* Nobody can see into @mr: whoever shows it later marks it whole. */
static bool is_hidden(const MemoryRegion *mr)
{
    return !mr->container && !mr->aliased_by && !mr->roots;
}

static int grow_marks(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;
    size_t bytes = dirty->capacity * sizeof(dirty->marks[0]);
    struct dirty_mark *marks = xbar_alloc(engine, 2 * bytes);

    if (!marks) {
        return -ENOMEM;
    }
    memcpy(marks, dirty->marks, bytes);
    if (dirty->marks != dirty->first_marks) {
        xbar_free(engine, dirty->marks, bytes);
    }
    dirty->marks = marks;
    dirty->capacity *= 2;
    return 0;
}

int dirty__reserve(struct xbar_engine *engine, size_t n)
{
    struct dirty *dirty = &engine->dirty;

    xbar_assert(n <= DIRTY_FIRST_MARKS);
    return dirty->capacity - dirty->count >= n ? 0 : grow_marks(engine);
}

/* Do two ranges overlap or touch, so that one can stand for both? */
static bool meets(const struct xbar_range *a, const struct xbar_range *b)
{
    return (a->first <= b->last || a->first - 1 == b->last) &&
           (b->first <= a->last || b->first - 1 == a->last);
}

static void mark(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct dirty *dirty = &mr->engine->dirty;
    struct dirty_mark *newest = dirty->marks + dirty->count;
    struct xbar_range range = { first, last };

    if (is_hidden(mr)) {
        return;
    }
    if (dirty->count && (--newest)->mr == mr && meets(&newest->range, &range)) {
        dirty__unite(&newest->range, &range);
        return;
    }
    xbar_assert(dirty->count < dirty->capacity);
    dirty->marks[dirty->count++] = (struct dirty_mark){ mr, range };
}

void dirty__mark(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    dirty__way_changes(mr);
    mark(mr, first, last);
}

static bool lift_to_alias(const MemoryRegion *alias, struct xbar_range *range)
{
    hwaddr offset = alias->alias_offset;

    if (range->last < offset) {
        return false;
    }
    range->first = range->first > offset ? range->first - offset : 0;
    range->last -= offset;
    return dirty__clip(alias, range);
}

void dirty__mark_place(const MemoryRegion *mr, hwaddr first, hwaddr last)
{
    MemoryRegion *container = mr->container;
    struct xbar_range range = { first, last };

    if (container && dirty__lift(mr, &range)) {
        mark(container, range.first, range.last);
    }
}

/* ---- Sets of windows --------------------------------------------------- */

static struct dirty_node *take_node(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;

    if (dirty->used < DIRTY_FIRST_NODES) {
        return &dirty->first_nodes[dirty->used];
    }
    return xbar_alloc(engine, sizeof(struct dirty_node));
}

static struct dirty_node *node_of(MemoryRegion *mr)
{
    struct dirty *dirty = &mr->engine->dirty;
    struct dirty_node *node = mr->work;

    if (node) {
        return node;
    }
    node = take_node(mr->engine);
    if (!node) {
        return NULL;
    }
    node->mr = mr;
    node->count = 0;
    node->capacity = DIRTY_FEW_WINDOWS;
    node->windows = node->few;
    node->older = dirty->newest;
    dirty->newest = node;
    dirty->used++;
    node->next = dirty->by_height[mr->height];
    dirty->by_height[mr->height] = node;
    if (mr->height > dirty->highest) {
        dirty->highest = mr->height;
    }
    if (mr->height < dirty->lowest) {
        dirty->lowest = mr->height;
    }
    mr->work = node;
    return node;
}

static void free_windows(struct xbar_engine *engine, struct dirty_node *node)
{
    if (node->windows != node->few) {
        xbar_free(engine, node->windows,
                  node->capacity * sizeof(node->windows[0]));
    }
}

static int grow_windows(struct xbar_engine *engine, struct dirty_node *node)
{
    size_t bytes = node->capacity * sizeof(node->windows[0]);
    struct xbar_window *windows = xbar_alloc(engine, 4 * bytes);

    if (!windows) {
        return -ENOMEM;
    }
    memcpy(windows, node->windows, bytes);
    free_windows(engine, node);
    node->windows = windows;
    node->capacity *= 4;
    return 0;
}

/* To be looked at from @mr itself. */
static struct xbar_window window_of(const MemoryRegion *mr,
                                    struct xbar_range range)
{
    return (struct xbar_window){ .range = range, .from = mr };
}

/* @other, of @mr like @window, meets it. */
static void unite_windows(const MemoryRegion *mr, struct xbar_window *window,
                          const struct xbar_window *other)
{
    dirty__unite(&window->range, &other->range);
    if (window->from != other->from) {
        *window = window_of(mr, window->range);
    }
}

int dirty__add_window(MemoryRegion *mr, const struct xbar_window *window)
{
    struct dirty_node *node;
    struct xbar_window *newest;

    if (is_hidden(mr)) {
        return 0;
    }
    node = node_of(mr);
    if (!node) {
        return -ENOMEM;
    }
    newest = node->windows + node->count;
    if (node->count && meets(&(--newest)->range, &window->range)) {
        unite_windows(mr, newest, window);
        return 0;
    }
    if (node->count == node->capacity && grow_windows(mr->engine, node)) {
        return -ENOMEM;
    }
    node->windows[node->count++] = *window;
    return 0;
}

static int add_range(MemoryRegion *mr, const struct xbar_range *range)
{
    const struct xbar_window window = window_of(mr, *range);

    return dirty__add_window(mr, &window);
}

static int compare_windows(const void *a, const void *b)
{
    hwaddr x = ((const struct xbar_window *)a)->range.first;
    hwaddr y = ((const struct xbar_window *)b)->range.first;

    return (x > y) - (x < y);
}

static bool are_sorted(const struct xbar_window *windows, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (windows[i].range.first < windows[i - 1].range.first) {
            return false;
        }
    }
    return true;
}

/* By insertion: for a few. */
static void sort_few(struct xbar_window *windows, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct xbar_window window = windows[i];
        size_t k = i;

        for (; k > 0 && windows[k - 1].range.first > window.range.first; k--) {
            windows[k] = windows[k - 1];
        }
        windows[k] = window;
    }
}

/* Of @mr: ascending, disjoint, not touching. Return: how many are left. */
static size_t normalise(const MemoryRegion *mr, struct xbar_window *windows,
                        size_t count)
{
    size_t kept = 0;

    if (count <= 1) {
        return count;
    }
    if (count <= DIRTY_FEW_WINDOWS) {
        sort_few(windows, count);
    } else if (!are_sorted(windows, count)) {
        qsort(windows, count, sizeof(windows[0]), compare_windows);
    }
    for (size_t i = 1; i < count; i++) {
        struct xbar_window *last = &windows[kept];

        if (meets(&last->range, &windows[i].range)) {
            unite_windows(mr, last, &windows[i]);
        } else {
            windows[++kept] = windows[i];
        }
    }
    return kept + 1;
}

/* ---- The way up -------------------------------------------------------- */

static int pass_on(const struct dirty_node *node, MemoryRegion *to,
                   bool (*lift)(const MemoryRegion *, struct xbar_range *),
                   const MemoryRegion *by)
{
    for (size_t i = 0; i < node->count; i++) {
        struct xbar_range range = node->windows[i].range;
        int rc = lift(by, &range) ? add_range(to, &range) : 0;

        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int pass_node_on(struct dirty_node *node)
{
    MemoryRegion *mr = node->mr;
    int rc = 0;

    node->count = normalise(mr, node->windows, node->count);
    if (mr->container) {
        rc = pass_on(node, mr->container, dirty__lift, mr);
    }
    for (MemoryRegion *a = mr->aliased_by; a && !rc; a = a->alias_next) {
        rc = pass_on(node, a, lift_to_alias, a);
    }
    return rc;
}

/* From the lowest up; what is passed on goes to what is higher. */
static int pass_all_on(struct dirty *dirty)
{
    for (unsigned height = dirty->lowest; height <= dirty->highest; height++) {
        struct dirty_node *node = dirty->by_height[height];

        for (; node; node = node->next) {
            int rc = pass_node_on(node);

            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

/* There are others. */
static int join_others(struct dirty_few *few)
{
    int rc = 0;

    while (few->count && !rc) {
        rc = dirty__add_window(few->root, &few->windows[--few->count]);
    }
    return rc;
}

static int carry_many(const struct dirty_mark *marks, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        rc = add_range(marks[i].mr, &marks[i].range);
    }
    return rc;
}

int dirty__carry(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;
    struct dirty_few *few = &dirty->few;
    int rc;

    xbar_assert(!dirty->newest && !few->count);
    rc = dirty->count <= DIRTY_FEW_WINDOWS
             ? dirty__climb(dirty->marks, dirty->count)
             : carry_many(dirty->marks, dirty->count);
    if (!rc && dirty->newest) {
        rc = join_others(&dirty->few);
    }
    if (!rc && dirty->newest) {
        rc = pass_all_on(dirty);
    }
    if (rc) {
        dirty__drop(engine);
        return rc;
    }
    if (few->count > 1) {
        few->count = normalise(few->root, few->windows, few->count);
    }
    return 0;
}

size_t dirty__of_many(const MemoryRegion *root,
                      const struct xbar_window **windows)
{
    const struct dirty_node *node = root->work;

    *windows = node ? node->windows : NULL;
    return node ? node->count : 0;
}

void dirty__drop_many(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;

    while (dirty->newest) {
        struct dirty_node *node = dirty->newest;

        dirty->newest = node->older;
        dirty->by_height[node->mr->height] = NULL;
        node->mr->work = NULL;
        free_windows(engine, node);
        if (dirty->used-- > DIRTY_FIRST_NODES) {
            xbar_free(engine, node, sizeof(*node));
        }
    }
    dirty->lowest = XBAR_TREE_MAX_DEPTH;
    dirty->highest = 0;
}

/* ---- Both -------------------------------------------------------------- */

void dirty__init(struct xbar_engine *engine)
{
    engine->dirty.marks = engine->dirty.first_marks;
    engine->dirty.capacity = DIRTY_FIRST_MARKS;
    engine->dirty.lowest = XBAR_TREE_MAX_DEPTH;
}

void dirty__clear_many(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;

    xbar_free(engine, dirty->marks, dirty->capacity * sizeof(dirty->marks[0]));
    dirty__init(engine);
}
