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
#include "engine/check.h"
#include "engine/commit.h"

#define FEW_VISITS 16

/*
 * Something to visit: not disabled, not an alias (what it shows stands in its
 * place), clipped to what is visible. With @is_self, to be emitted: its
 * sub-regions are done.
 */
struct visit {
    Int128 base; /* where byte 0 of @mr lies */
    struct xbar_range clip;
    const MemoryRegion *mr;
    const MemoryRegion *sibling; /* @mr, or the alias that it stands for */
    uint32_t inherited;          /* READONLY and NONVOLATILE of the way here */
    uint32_t flags;              /* enum xbar_region_flags of @mr */
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

XBAR_COLD static int grow_stack(struct walk *walk)
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

static inline int push(struct walk *walk, const struct visit *visit)
{
    if (unlikely(walk->depth == walk->capacity) && grow_stack(walk) != 0) {
        return -ENOMEM;
    }
    walk->stack[walk->depth++] = *visit;
    return 0;
}

/* Cut @clip to [base, base + last]. Is anything left? */
static bool clip_to(struct xbar_range *clip, Int128 base, uint64_t size_less_1)
{
    Int128 last = base + size_less_1;

    /* Most often neither is below 0 or past 2^64. */
    if (likely((uint64_t)(base >> 64) == 0 && (uint64_t)(last >> 64) == 0)) {
        hwaddr low = (hwaddr)base;
        hwaddr high = (hwaddr)last;

        clip->first = low > clip->first ? low : clip->first;
        clip->last = high < clip->last ? high : clip->last;
        return clip->first <= clip->last;
    }
    if (last < (Int128)clip->first || base > (Int128)clip->last) {
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

static uint32_t leaf_flags(const struct visit *visit, bool has_memory)
{
    bool is_ram = (visit->flags & XBAR_REGION_RAM) != 0;
    bool is_romd = (visit->flags & XBAR_REGION_ROMD) != 0;
    uint32_t flags = visit->inherited;

    if (visit->flags & XBAR_REGION_IOMMU) {
        flags |= FLAT_RANGE_IOMMU;
    }
    if (has_memory && (is_ram || is_romd)) {
        flags |= FLAT_RANGE_RAM;
        if (is_ram && !is_romd && (flags & FLAT_RANGE_READONLY) == 0) {
            flags |= FLAT_RANGE_WRITABLE;
        }
    }
    return flags;
}

static int emit_leaf(struct walk *walk, const struct visit *visit)
{
    struct flatview_piece *piece =
        flatview__pieces_add(walk->engine, walk->leaves);
    uint8_t *host = xbar_region_host(visit->mr);
    void *opaque;

    if (piece == NULL) {
        return -ENOMEM;
    }
    piece->first = visit->clip.first;
    piece->last = visit->clip.last;
    piece->mr = (MemoryRegion *)visit->mr;
    piece->mr_delta = -(uint64_t)visit->base;
    piece->plan = xbar_region_plan(visit->mr);
    piece->flags = leaf_flags(visit, host != NULL);
    if (piece->flags & FLAT_RANGE_RAM) {
        piece->host_delta = (uint64_t)(uintptr_t)host + piece->mr_delta;
    } else if (!(piece->flags & FLAT_RANGE_IOMMU) &&
               xbar_region_is_bare(visit->mr, &opaque)) {
        piece->flags |= FLAT_RANGE_BARE;
        piece->host_delta = (uint64_t)(uintptr_t)opaque;
    }
    piece->ordinal = (uint32_t)(walk->leaves->count - 1);
    return 0;
}

/* ---- Nodes ------------------------------------------------------------- */

static uint32_t inherit(const struct xbar_shown *shown)
{
    return (shown->flags & XBAR_REGION_READONLY ? FLAT_RANGE_READONLY : 0) |
           (shown->flags & XBAR_REGION_NONVOLATILE ? FLAT_RANGE_NONVOLATILE
                                                   : 0);
}

/*
 * @visit is to be made of @visit->mr, which says @shown: if anything of it is
 * visible, push that, or what it shows as an alias.
 */
static int push_shown(struct walk *walk, struct visit *visit,
                      struct xbar_shown *shown)
{
    while (clip_to(&visit->clip, visit->base, shown->last)) {
        if (++walk->visits > RENDER_MAX_VISITS) {
            return -E2BIG;
        }
        visit->inherited |= inherit(shown);
        if (shown->alias == NULL) {
            visit->flags = shown->flags;
            return push(walk, visit);
        }
        visit->mr = shown->alias;
        visit->base -= shown->alias_offset;
        if (!xbar_region_peek(visit->mr, shown)) {
            break;
        }
    }
    return 0;
}

/* A node whose sub-regions are being pushed. */
struct parent {
    struct walk *walk;
    const struct visit *visit;
};

static int push_child(void *opaque, MemoryRegion *mr)
{
    const struct parent *parent = opaque;
    struct visit child;
    struct xbar_shown shown;

    if (!xbar_region_peek(mr, &shown)) {
        return 0;
    }
    child.base = parent->visit->base + shown.addr;
    child.clip = parent->visit->clip;
    child.mr = mr;
    child.sibling = mr;
    child.inherited = parent->visit->inherited;
    child.is_self = false;
    return push_shown(parent->walk, &child, &shown);
}

/* The stack turns the order round: the best comes last. */
static int compare_visits(const void *a, const void *b)
{
    return xbar_region_compare(((const struct visit *)b)->sibling,
                               ((const struct visit *)a)->sibling);
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

/* @visit was popped; a leaf without sub-regions on top of it is all there is. */
static int visit_node(struct walk *walk, struct visit *visit)
{
    size_t depth = walk->depth;
    int err = 0;

    if (visit->is_self) {
        return emit_leaf(walk, visit);
    }
    if ((visit->flags & XBAR_REGION_TERMINATES) == 0) {
        return push_children(walk, visit);
    }
    visit->is_self = true;
    err = push(walk, visit);
    if (err == 0) {
        err = push_children(walk, visit);
    }
    if (err == 0 && walk->depth == depth + 1) {
        walk->depth = depth;
        err = emit_leaf(walk, visit);
    }
    return err;
}

static int push_root(struct walk *walk, const MemoryRegion *root,
                     struct xbar_range window)
{
    struct visit top = { .mr = root, .sibling = root, .clip = window };
    struct xbar_shown shown;

    return xbar_region_peek(root, &shown) ? push_shown(walk, &top, &shown) : 0;
}

int flatview__walk(const MemoryRegion *root, struct xbar_range window,
                   struct flatview_pieces *leaves)
{
    struct walk walk;
    int err;

    walk.engine = xbar_region_engine(root);
    walk.leaves = leaves;
    walk.stack = walk.few;
    walk.depth = 0;
    walk.capacity = FEW_VISITS;
    walk.visits = 0;
    err = push_root(&walk, root, window);
    while (err == 0 && walk.depth != 0) {
        struct visit visit = walk.stack[--walk.depth];

        err = visit_node(&walk, &visit);
    }
    free_stack(&walk);
    return err;
}
