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
 * that differs in the end was marked at the place where it first differed.
 *
 * Marks are made in the mutators, not in what undoes them: after an undo the
 * tree is what it was, and all marks are forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"

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

static void unite(struct xbar_range *range, const struct xbar_range *other)
{
    range->first = other->first < range->first ? other->first : range->first;
    range->last = other->last > range->last ? other->last : range->last;
}

void dirty__mark(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct dirty *dirty = &mr->engine->dirty;
    struct dirty_mark *newest = dirty->marks + dirty->count;
    struct xbar_range range = { first, last };

    if (is_hidden(mr)) {
        return;
    }
    if (dirty->count && (--newest)->mr == mr && meets(&newest->range, &range)) {
        unite(&newest->range, &range);
        return;
    }
    xbar_assert(dirty->count < dirty->capacity);
    dirty->marks[dirty->count++] = (struct dirty_mark){ mr, range };
}

/* Cut to what @mr shows of itself now. Is anything left? */
static bool clip(const MemoryRegion *mr, struct xbar_range *range)
{
    if ((mr->flags & (XBAR_REGION_ENABLED | REGION_EMPTY)) !=
            XBAR_REGION_ENABLED ||
        range->first > mr->last) {
        return false;
    }
    range->last = range->last < mr->last ? range->last : mr->last;
    return true;
}

/* @range of @mr, as its container sees it. False: nothing of it. */
static bool lift_to_container(const MemoryRegion *mr, struct xbar_range *range)
{
    if (range->first > UINT64_MAX - mr->addr) {
        return false;
    }
    range->first += mr->addr;
    range->last = range->last > UINT64_MAX - mr->addr ? UINT64_MAX
                                                      : range->last + mr->addr;
    return clip(mr->container, range);
}

static bool lift_to_alias(const MemoryRegion *alias, struct xbar_range *range)
{
    hwaddr offset = alias->alias_offset;

    if (range->last < offset) {
        return false;
    }
    range->first = range->first > offset ? range->first - offset : 0;
    range->last -= offset;
    return clip(alias, range);
}

void dirty__mark_place(const MemoryRegion *mr, hwaddr first, hwaddr last)
{
    struct xbar_range range = { first, last };

    if (mr->container && lift_to_container(mr, &range)) {
        dirty__mark(mr->container, range.first, range.last);
    }
}

/* ---- Sets of intervals ------------------------------------------------- */

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
    node->capacity = DIRTY_FEW_RANGES;
    node->ranges = node->few;
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

static void free_ranges(struct xbar_engine *engine, struct dirty_node *node)
{
    if (node->ranges != node->few) {
        xbar_free(engine, node->ranges,
                  node->capacity * sizeof(node->ranges[0]));
    }
}

static int grow_ranges(struct xbar_engine *engine, struct dirty_node *node)
{
    size_t bytes = node->capacity * sizeof(node->ranges[0]);
    struct xbar_range *ranges = xbar_alloc(engine, 4 * bytes);

    if (!ranges) {
        return -ENOMEM;
    }
    memcpy(ranges, node->ranges, bytes);
    free_ranges(engine, node);
    node->ranges = ranges;
    node->capacity *= 4;
    return 0;
}

static int add_range(MemoryRegion *mr, const struct xbar_range *range)
{
    struct dirty_node *node;
    struct xbar_range *newest;

    if (is_hidden(mr)) {
        return 0;
    }
    node = node_of(mr);
    if (!node) {
        return -ENOMEM;
    }
    newest = node->ranges + node->count;
    if (node->count && meets(--newest, range)) {
        unite(newest, range);
        return 0;
    }
    if (node->count == node->capacity && grow_ranges(mr->engine, node)) {
        return -ENOMEM;
    }
    node->ranges[node->count++] = *range;
    return 0;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct xbar_range *x = a;
    const struct xbar_range *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static bool are_sorted(const struct xbar_range *ranges, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (ranges[i].first < ranges[i - 1].first) {
            return false;
        }
    }
    return true;
}

/* By insertion: for a few. */
static void sort_few(struct xbar_range *ranges, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct xbar_range range = ranges[i];
        size_t k = i;

        for (; k > 0 && ranges[k - 1].first > range.first; k--) {
            ranges[k] = ranges[k - 1];
        }
        ranges[k] = range;
    }
}

/* Ascending, disjoint, not touching. */
static void normalise(struct dirty_node *node)
{
    size_t kept = 0;

    if (node->count == 1) {
        return;
    }
    if (node->count <= DIRTY_FEW_RANGES) {
        sort_few(node->ranges, node->count);
    } else if (!are_sorted(node->ranges, node->count)) {
        qsort(node->ranges, node->count, sizeof(node->ranges[0]),
              compare_ranges);
    }
    for (size_t i = 1; i < node->count; i++) {
        if (meets(&node->ranges[kept], &node->ranges[i])) {
            unite(&node->ranges[kept], &node->ranges[i]);
        } else {
            node->ranges[++kept] = node->ranges[i];
        }
    }
    node->count = kept + 1;
}

/* ---- The way up -------------------------------------------------------- */

static int pass_on(const struct dirty_node *node, MemoryRegion *to,
                   bool (*lift)(const MemoryRegion *, struct xbar_range *),
                   const MemoryRegion *by)
{
    for (size_t i = 0; i < node->count; i++) {
        struct xbar_range range = node->ranges[i];
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

    normalise(node);
    if (mr->container) {
        rc = pass_on(node, mr->container, lift_to_container, mr);
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

/* To the first region that is a root, or is shown in more than one place. */
static int climb(MemoryRegion *mr, struct xbar_range range)
{
    while (!mr->roots && !mr->aliased_by) {
        if (!mr->container || !lift_to_container(mr, &range)) {
            return 0;
        }
        mr = mr->container;
    }
    return add_range(mr, &range);
}

int dirty__carry(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;
    bool are_few = dirty->count <= DIRTY_FEW_RANGES;
    int rc = 0;

    xbar_assert(!dirty->newest);
    for (size_t i = 0; i < dirty->count && !rc; i++) {
        const struct dirty_mark *mark = &dirty->marks[i];

        rc = are_few ? climb(mark->mr, mark->range)
                     : add_range(mark->mr, &mark->range);
    }
    if (!rc) {
        rc = pass_all_on(dirty);
    }
    if (rc) {
        dirty__drop(engine);
    }
    return rc;
}

size_t dirty__of(const MemoryRegion *root, const struct xbar_range **ranges)
{
    const struct dirty_node *node = root->work;

    *ranges = node ? node->ranges : NULL;
    return node ? node->count : 0;
}

void dirty__drop(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;

    while (dirty->newest) {
        struct dirty_node *node = dirty->newest;

        dirty->newest = node->older;
        dirty->by_height[node->mr->height] = NULL;
        node->mr->work = NULL;
        free_ranges(engine, node);
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

void dirty__clear(struct xbar_engine *engine)
{
    struct dirty *dirty = &engine->dirty;

    xbar_assert(!dirty->newest);
    if (dirty->marks != dirty->first_marks) {
        xbar_free(engine, dirty->marks,
                  dirty->capacity * sizeof(dirty->marks[0]));
    }
    dirty->count = 0;
    dirty__init(engine);
}
