/* SPDX-License-Identifier: MIT */
/*
 * First half of rendering: the tree, depth first, in decode order.
 *
 *     node       extent in the root's addresses, clipped by all above it
 *     container  its sub-regions, best first; it answers nothing itself
 *     leaf       its sub-regions, and then itself: it fills its own holes
 *     alias      what it shows, moved so that alias_offset comes to lie at
 *                the alias's own start
 *
 *   root  0 |-----------------------------------------------|
 *   alias       |--------|            base 4, shows from 6
 *   target    |...........|           base 4 - 6 = -2, clipped to the alias
 *
 * A base may be negative or lie beyond 2^64, so bases are 128-bit; what is
 * left after clipping is not empty and lies in [0, 2^64).
 *
 * The stack is explicit: nesting is the embedder's choice, and thread stacks
 * are small. Regions repeat on it when aliases show them more than once. Most
 * windows need a few entries, which lie on the thread's stack.
 */
#include "flatview/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/alloc.h"
#include "engine/commit.h"

#define FEW_VISITS 16

/* Something to visit, or, with @is_self, to emit: its sub-regions are done. */
struct visit {
    const MemoryRegion *mr;
    Int128 base; /* where byte 0 of @mr lies */
    struct xbar_range clip;
    uint32_t inherited; /* READONLY and NONVOLATILE of the way here */
    bool is_self;
};

struct walk {
    struct xbar_engine *engine;
    struct flatview_pieces *leaves;
    struct visit *stack;
    size_t depth;
    size_t capacity;
    uint32_t visits;
    struct visit few[FEW_VISITS];
};

static void free_stack(struct walk *walk)
{
    if (walk->stack != walk->few) {
        xbar_free(walk->engine, walk->stack,
                  walk->capacity * sizeof(*walk->stack));
    }
}

static int grow_stack(struct walk *walk)
{
    size_t capacity = walk->capacity * 2;
    struct visit *stack = xbar_alloc(walk->engine, capacity * sizeof(*stack));

    if (stack == NULL) {
        return -ENOMEM;
    }
    memcpy(stack, walk->stack, walk->depth * sizeof(*stack));
    free_stack(walk);
    walk->stack = stack;
    walk->capacity = capacity;
    return 0;
}

static int push(struct walk *walk, const struct visit *visit)
{
    if (walk->depth == walk->capacity && grow_stack(walk) != 0) {
        return -ENOMEM;
    }
    walk->stack[walk->depth++] = *visit;
    return 0;
}

/* Cut @clip to [base, base + size). Is anything left? */
static bool clip_to(struct xbar_range *clip, Int128 base, Int128 size)
{
    Int128 last = base + size - 1;

    if (last < (Int128)clip->first || base > (Int128)clip->last || size == 0) {
        return false;
    }
    if (base > (Int128)clip->first) {
        clip->first = (hwaddr)base;
    }
    if (last < (Int128)clip->last) {
        clip->last = (hwaddr)last;
    }
    return true;
}

/* ---- Leaves ------------------------------------------------------------ */

static uint32_t leaf_flags(const struct xbar_region_info *info,
                           uint32_t inherited)
{
    bool is_ram = (info->flags & XBAR_REGION_RAM) != 0;
    bool is_romd = (info->flags & XBAR_REGION_ROMD) != 0;
    uint32_t flags = inherited;

    if (info->host != NULL && (is_ram || is_romd)) {
        flags |= FLAT_RANGE_RAM;
        if (is_ram && !is_romd && (inherited & FLAT_RANGE_READONLY) == 0) {
            flags |= FLAT_RANGE_WRITABLE;
        }
    }
    return flags;
}

static int emit_leaf(struct walk *walk, const struct visit *visit,
                     const struct xbar_region_info *info)
{
    struct flatview_piece *piece =
        flatview__pieces_add(walk->engine, walk->leaves);

    if (piece == NULL) {
        return -ENOMEM;
    }
    piece->first = visit->clip.first;
    piece->last = visit->clip.last;
    piece->mr = (MemoryRegion *)visit->mr;
    piece->mr_delta = -(uint64_t)visit->base;
    piece->plan = info->plan;
    piece->flags = leaf_flags(info, visit->inherited);
    if (piece->flags & FLAT_RANGE_RAM) {
        piece->host_delta = (uint64_t)(uintptr_t)info->host + piece->mr_delta;
    }
    piece->ordinal = (uint32_t)(walk->leaves->count - 1);
    return 0;
}

/* ---- Nodes ------------------------------------------------------------- */

static int push_target(struct walk *walk, const struct visit *alias,
                       const struct xbar_region_info *info)
{
    struct visit target = *alias;

    target.mr = info->alias;
    target.base -= info->alias_offset;
    return push(walk, &target);
}

/* A node whose sub-regions are being pushed. */
struct parent {
    struct walk *walk;
    const struct visit *visit;
};

static int push_child(void *opaque, MemoryRegion *mr)
{
    const struct parent *parent = opaque;
    struct visit child = *parent->visit;
    struct xbar_region_info info;

    xbar_region_inspect(mr, &info);
    child.mr = mr;
    child.base += info.addr;
    return push(parent->walk, &child);
}

/* The stack turns the order round: the best comes last. */
static int compare_visits(const void *a, const void *b)
{
    return xbar_region_compare(((const struct visit *)b)->mr,
                               ((const struct visit *)a)->mr);
}

static bool are_in_order(const struct visit *visits, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (compare_visits(&visits[i - 1], &visits[i]) > 0) {
            return false;
        }
    }
    return true;
}

/* qsort falls back to sorting in place, so it cannot fail. */
static int push_children(struct walk *walk, const struct visit *visit)
{
    struct parent parent = { walk, visit };
    size_t start = walk->depth;
    int err = xbar_region_overlaps(
        visit->mr, (hwaddr)((Int128)visit->clip.first - visit->base),
        (hwaddr)((Int128)visit->clip.last - visit->base), push_child, &parent);

    if (err == 0 && !are_in_order(walk->stack + start, walk->depth - start)) {
        qsort(walk->stack + start, walk->depth - start, sizeof(walk->stack[0]),
              compare_visits);
    }
    return err;
}

static uint32_t inherit(const struct xbar_region_info *info)
{
    return (info->flags & XBAR_REGION_READONLY ? FLAT_RANGE_READONLY : 0) |
           (info->flags & XBAR_REGION_NONVOLATILE ? FLAT_RANGE_NONVOLATILE : 0);
}

static int visit_node(struct walk *walk, struct visit visit)
{
    struct xbar_region_info info;
    int err;

    xbar_region_inspect(visit.mr, &info);
    if (visit.is_self) {
        return emit_leaf(walk, &visit, &info);
    }
    if ((info.flags & XBAR_REGION_ENABLED) == 0 ||
        !clip_to(&visit.clip, visit.base, info.size)) {
        return 0;
    }
    if (++walk->visits > RENDER_MAX_VISITS) {
        return -E2BIG;
    }
    visit.inherited |= inherit(&info);
    if (info.alias != NULL) {
        return push_target(walk, &visit, &info);
    }
    if (info.flags & XBAR_REGION_TERMINATES) {
        visit.is_self = true;
        err = push(walk, &visit);
        if (err != 0) {
            return err;
        }
        visit.is_self = false;
    }
    return push_children(walk, &visit);
}

int flatview__walk(const MemoryRegion *root, struct xbar_range window,
                   struct flatview_pieces *leaves)
{
    struct visit top = { .mr = root, .clip = window };
    struct walk walk;
    int err;

    walk.engine = xbar_region_engine(root);
    walk.leaves = leaves;
    walk.stack = walk.few;
    walk.depth = 0;
    walk.capacity = FEW_VISITS;
    walk.visits = 0;
    err = push(&walk, &top);
    while (err == 0 && walk.depth != 0) {
        err = visit_node(&walk, walk.stack[--walk.depth]);
    }
    free_stack(&walk);
    return err;
}
