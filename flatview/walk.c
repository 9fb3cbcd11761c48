/* SPDX-License-Identifier: MIT */
/*
 * First half of rendering: the tree, depth first, in decode order.
 *
 *     node       its window: the visible part of it, in its own addresses
 *     container  its sub-regions, best first; it answers nothing itself
 *     leaf       its sub-regions, and then itself: it fills its own holes
 *     alias      what it shows, moved so that alias_offset comes to lie at
 *                the alias's own start
 *
 *   root  0 |-----------------------------------------------|
 *   alias       |--------|            base 4, shows from 6
 *   target    |...........|           base 4 - 6 = -2, clipped to the alias
 *
 * What is left after clipping is not empty, and lies in [0, 2^64) of the root
 * and of every node on the way. So windows are kept in the node's own
 * addresses, beside the distance to the root's modulo 2^64: a base that is
 * negative, or lies beyond 2^64, needs no wider arithmetic.
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
    struct xbar_range window; /* what of @mr is visible */
    uint64_t base;            /* where byte 0 of @mr lies, modulo 2^64 */
    const MemoryRegion *mr;
    const MemoryRegion *sibling; /* @mr, or the alias that it stands for */
    uint32_t inherited;          /* READONLY and NONVOLATILE of the way here */
    uint16_t flags;              /* enum xbar_region_flags of @mr */
    bool is_self;
};

static_assert(sizeof(struct visit) == 48, "visits are copied often");

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

/* Room for one more on top, which is not pushed yet; NULL: no memory. */
static inline struct visit *top_of(struct walk *walk)
{
    if (unlikely(walk->depth == walk->capacity) && grow_stack(walk) != 0) {
        return NULL;
    }
    return &walk->stack[walk->depth];
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
    piece->first = visit->window.first + visit->base;
    piece->last = visit->window.last + visit->base;
    piece->mr = (MemoryRegion *)visit->mr;
    piece->mr_delta = -visit->base;
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

static inline uint32_t inherit(const struct xbar_shown *shown)
{
    return (shown->flags & XBAR_REGION_READONLY ? FLAT_RANGE_READONLY : 0) |
           (shown->flags & XBAR_REGION_NONVOLATILE ? FLAT_RANGE_NONVOLATILE
                                                   : 0);
}

/* Cut to what a region of this size has. Is anything left? */
static inline bool cut(struct xbar_range *window, uint64_t last)
{
    window->last = window->last < last ? window->last : last;
    return window->first <= window->last;
}

/* From an alias to what it shows. False: it shows what lies beyond 2^64. */
static bool enter_alias(struct visit *visit, const struct xbar_shown *shown)
{
    const hwaddr offset = shown->alias_offset;
    struct xbar_range *window = &visit->window;

    if (window->first > UINT64_MAX - offset) {
        return false;
    }
    window->first += offset;
    window->last =
        window->last > UINT64_MAX - offset ? UINT64_MAX : window->last + offset;
    visit->base -= offset;
    visit->mr = shown->alias;
    return true;
}

/*
 * @visit, the top of the stack, is made of an alias, which says @shown: what
 * it shows stands in its place, if anything of that is visible.
 */
static int push_target(struct walk *walk, struct visit *visit,
                       struct xbar_shown *shown)
{
    do {
        if (!enter_alias(visit, shown) || !xbar_region_peek(visit->mr, shown) ||
            !cut(&visit->window, shown->last)) {
            return 0;
        }
        if (++walk->visits > RENDER_MAX_VISITS) {
            return -E2BIG;
        }
        visit->inherited |= inherit(shown);
    } while (shown->alias != NULL);
    visit->flags = shown->flags;
    walk->depth++;
    return 0;
}

/* The same for any region; most are no alias. */
static inline int push_shown(struct walk *walk, struct visit *visit,
                             struct xbar_shown *shown)
{
    if (!cut(&visit->window, shown->last)) {
        return 0;
    }
    if (++walk->visits > RENDER_MAX_VISITS) {
        return -E2BIG;
    }
    visit->inherited |= inherit(shown);
    if (shown->alias != NULL) {
        return push_target(walk, visit, shown);
    }
    visit->flags = shown->flags;
    walk->depth++;
    return 0;
}

/* A node whose sub-regions are being pushed. */
struct parent {
    struct walk *walk;
    const struct visit *visit;
};

/* @mr touches the parent's window: that is why it is called. */
static int push_child(void *opaque, MemoryRegion *mr)
{
    const struct parent *parent = opaque;
    const struct visit *from = parent->visit;
    struct visit *child;
    struct xbar_shown shown;

    if (!xbar_region_peek(mr, &shown)) {
        return 0;
    }
    child = top_of(parent->walk);
    if (child == NULL) {
        return -ENOMEM;
    }
    child->window.first =
        from->window.first > shown.addr ? from->window.first - shown.addr : 0;
    child->window.last = from->window.last - shown.addr;
    child->base = from->base + shown.addr;
    child->mr = mr;
    child->sibling = mr;
    child->inherited = from->inherited;
    child->is_self = false;
    return push_shown(parent->walk, child, &shown);
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
    int err = xbar_region_overlaps(visit->mr, visit->window.first,
                                   visit->window.last, push_child, &parent);

    if (walk->depth - start > 1 && err == 0 &&
        !are_in_order(walk->stack + start, walk->depth - start)) {
        qsort(walk->stack + start, walk->depth - start, sizeof(walk->stack[0]),
              compare_visits);
    }
    return err;
}

/*
 * @visit was popped. A leaf has its place below its sub-regions, but most have
 * none, and are emitted at once.
 */
static int visit_leaf(struct walk *walk, struct visit *visit)
{
    size_t depth = walk->depth;
    int err;

    if (top_of(walk) == NULL) {
        return -ENOMEM;
    }
    walk->depth++;
    err = push_children(walk, visit);
    if (err != 0) {
        return err;
    }
    if (walk->depth == depth + 1) {
        walk->depth = depth;
        return emit_leaf(walk, visit);
    }
    visit->is_self = true;
    walk->stack[depth] = *visit;
    return 0;
}

static int visit_node(struct walk *walk, struct visit *visit)
{
    if (visit->is_self) {
        return emit_leaf(walk, visit);
    }
    return visit->flags & XBAR_REGION_TERMINATES ? visit_leaf(walk, visit)
                                                 : push_children(walk, visit);
}

static int push_root(struct walk *walk, const MemoryRegion *root,
                     struct xbar_range window)
{
    struct visit *top = top_of(walk);
    struct xbar_shown shown;

    *top = (struct visit){ .window = window, .mr = root, .sibling = root };
    return xbar_region_peek(root, &shown) ? push_shown(walk, top, &shown) : 0;
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
