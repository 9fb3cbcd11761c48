/* SPDX-License-Identifier: MIT */
/*
 * How deep regions nest, and thereby that they make no cycle.
 *
 * The height of a region is the number of edges on the longest way down from
 * it, through sub-regions and through aliases:
 *
 *     alias       1 + height of what it shows
 *     container   1 + the greatest height among its sub-regions
 *     leaf        0
 *
 * Heights are exact at all times. A new edge raises those above it; if they
 * close a cycle, they go on rising until one passes the limit, and the edge
 * is taken out again. So one bound serves both: a renderer may recurse, and
 * it ends. Where a leaf is added to a container with other leaves, which is
 * nearly always, nothing rises and the cost is one comparison.
 *
 * A region stands in the work list once, and rises 256 times at most: nested
 * double aliases, which are 2^k paths, cost k * 256 steps at the worst.
 */
#include <errno.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"

/* The end of the list links to itself: NULL means "in no list". */
static void push(MemoryRegion **list, MemoryRegion *mr)
{
    if (mr && !mr->work) {
        mr->work = *list ? *list : mr;
        *list = mr;
    }
}

static MemoryRegion *pop(MemoryRegion **list)
{
    MemoryRegion *mr = *list;

    *list = mr->work == mr ? NULL : mr->work;
    mr->work = NULL;
    return mr;
}

static unsigned compute_height(const MemoryRegion *mr)
{
    if (mr->alias) {
        return 1u + mr->alias->height;
    }
    return mr->child_count ? 1u + interval__height(mr) : 0;
}

/* Everything that shows @mr: its container, and the aliases of it. */
static void push_parents(MemoryRegion **list, MemoryRegion *mr)
{
    if (mr->container) {
        interval__refresh(mr->container, mr);
        push(list, mr->container);
    }
    for (MemoryRegion *a = mr->aliased_by; a; a = a->alias_next) {
        push(list, a);
    }
}

/*
 * Make heights right from @mr upwards. Past the limit a height is not stored:
 * -ELOOP, and where @stops the rest of the list is only emptied.
 */
static int update(MemoryRegion *mr, bool stops)
{
    MemoryRegion *list = NULL;
    int rc = 0;

    push(&list, mr);
    while (list) {
        MemoryRegion *next = pop(&list);
        unsigned height = compute_height(next);

        if (height > XBAR_TREE_MAX_DEPTH) {
            rc = -ELOOP;
        } else if (height != next->height && !(rc && stops)) {
            next->height = (uint16_t)height;
            push_parents(&list, next);
        }
    }
    return rc;
}

/* Most edges change no height. */
static inline bool is_right(const MemoryRegion *mr)
{
    return compute_height(mr) == mr->height;
}

int nesting__rise(MemoryRegion *mr)
{
    return likely(is_right(mr)) ? 0 : update(mr, true);
}

/*
 * After a rise that failed, some heights are too great. While they fall, one
 * that rests on several of them may still look too great; it is passed over,
 * and comes up again when the next of those has fallen.
 */
void nesting__fall(MemoryRegion *mr)
{
    if (unlikely(!is_right(mr))) {
        (void)update(mr, false);
    }
}
