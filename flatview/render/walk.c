/* SPDX-License-Identifier: MIT */
/*
 * First half of rendering: the tree, depth first, in decode order. It begins
 * where the commit found the window's regions by themselves, or at the root.
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
#include "flatview/render/render.h"

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
    uint32_t most; /* visits; beyond, -E2BIG */
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

static uint8_t *host_of(const struct visit *visit)
{
    return visit->flags & (XBAR_REGION_RAM | XBAR_REGION_ROMD)
               ? xbar_region_host(visit->mr)
               : NULL;
}

/* All that @visit says, but for its place in decode order. */
static inline void fill_leaf(const struct visit *visit,
                             struct flatview_piece *piece)
{
    uint8_t *host = host_of(visit);
    void *opaque;

    piece->first = visit->window.first + visit->base;
    piece->last = visit->window.last + visit->base;
    piece->mr = (MemoryRegion *)visit->mr;
    piece->mr_delta = -visit->base;
    piece->host_delta = 0;
    piece->plan = xbar_region_plan(visit->mr);
    piece->flags = leaf_flags(visit, host != NULL);
    if (piece->flags & FLAT_RANGE_RAM) {
        piece->host_delta = (uint64_t)(uintptr_t)host + piece->mr_delta;
    } else if (!(piece->flags & FLAT_RANGE_IOMMU) &&
               xbar_region_is_bare(visit->mr, &opaque)) {
        piece->flags |= FLAT_RANGE_BARE;
        piece->host_delta = (uint64_t)(uintptr_t)opaque;
    }
}

static int emit_leaf(struct walk *walk, const struct visit *visit)
{
    const size_t ordinal = walk->leaves->count;
    struct flatview_piece *piece =
        flatview__pieces_add(walk->engine, walk->leaves);

    if (piece == NULL) {
        return -ENOMEM;
    }
    fill_leaf(visit, piece);
    piece->ordinal = (uint32_t)ordinal;
    return 0;
}

/* ---- Nodes ------------------------------------------------------------- */

/* Of enum xbar_region_flags. Most ways say nothing. */
static inline uint32_t inherit(uint32_t flags)
{
    if (likely(!(flags & (XBAR_REGION_READONLY | XBAR_REGION_NONVOLATILE)))) {
        return 0;
    }
    return (flags & XBAR_REGION_READONLY ? FLAT_RANGE_READONLY : 0) |
           (flags & XBAR_REGION_NONVOLATILE ? FLAT_RANGE_NONVOLATILE : 0);
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
 * @visit is made of an alias, which says @shown: what it shows stands in its
 * place. Return: 1; 0 if nothing of that is visible; -E2BIG.
 */
static int make_target(struct walk *walk, struct visit *visit,
                       struct xbar_shown *shown)
{
    do {
        if (!enter_alias(visit, shown) || !xbar_region_peek(visit->mr, shown) ||
            !cut(&visit->window, shown->last)) {
            return 0;
        }
        if (++walk->visits > walk->most) {
            return -E2BIG;
        }
        visit->inherited |= inherit(shown->flags);
    } while (shown->alias != NULL);
    visit->flags = shown->flags;
    return 1;
}

/* The same for any region; most are no alias. */
static inline int make_shown(struct walk *walk, struct visit *visit,
                             struct xbar_shown *shown)
{
    if (!cut(&visit->window, shown->last)) {
        return 0;
    }
    if (++walk->visits > walk->most) {
        return -E2BIG;
    }
    visit->inherited |= inherit(shown->flags);
    if (shown->alias != NULL) {
        return make_target(walk, visit, shown);
    }
    visit->flags = shown->flags;
    return 1;
}

/*
 * Make @child, which may be @from, of @mr: it touches the window of @from,
 * which it is in, and is here for that. Return: as above.
 */
static inline int make_child(struct walk *walk, const struct visit *from,
                             const MemoryRegion *mr, struct visit *child)
{
    struct xbar_shown shown;

    if (!xbar_region_peek(mr, &shown)) {
        return 0;
    }
    child->window.first =
        from->window.first > shown.addr ? from->window.first - shown.addr : 0;
    child->window.last = from->window.last - shown.addr;
    child->base = from->base + shown.addr;
    child->mr = mr;
    child->sibling = mr;
    child->inherited = from->inherited;
    child->is_self = false;
    return make_shown(walk, child, &shown);
}

static inline int push_child(struct walk *walk, const struct visit *from,
                             const MemoryRegion *mr)
{
    struct visit *top = top_of(walk);
    int made = top != NULL ? make_child(walk, from, mr, top) : -ENOMEM;

    walk->depth += made > 0;
    return made < 0 ? made : 0;
}

/* The stack turns the order round: the best comes last. */
static void sort_few(MemoryRegion **few, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        MemoryRegion *mr = few[i];
        size_t k = i;

        for (; k > 0 && xbar_region_compare(few[k - 1], mr) < 0; k--) {
            few[k] = few[k - 1];
        }
        few[k] = mr;
    }
}

/* A node whose sub-regions are being pushed. */
struct parent {
    struct walk *walk;
    const struct visit *visit;
};

static int push_one_of_many(void *opaque, MemoryRegion *mr)
{
    const struct parent *parent = opaque;

    return push_child(parent->walk, parent->visit, mr);
}

static int compare_visits(const void *a, const void *b)
{
    return xbar_region_compare(((const struct visit *)b)->sibling,
                               ((const struct visit *)a)->sibling);
}

/* qsort falls back to sorting in place, so it cannot fail. */
XBAR_COLD static int push_many(struct walk *walk, const struct visit *visit)
{
    struct parent parent = { walk, visit };
    size_t start = walk->depth;
    int err;

    if (walk->most < XBAR_FEW_CHILDREN) {
        return -E2BIG; /* they may all be disabled, and count for nothing */
    }
    err = xbar_region_overlaps(visit->mr, visit->window.first,
                               visit->window.last, push_one_of_many, &parent);
    if (err == 0) {
        qsort(walk->stack + start, walk->depth - start, sizeof(walk->stack[0]),
              compare_visits);
    }
    return err;
}

/*
 * @visit has been popped, and is not a leaf: its sub-regions are pushed. A
 * single one takes its place at once. Return: 1 if so; 0; -errno.
 */
static int visit_container(struct walk *walk, struct visit *visit)
{
    MemoryRegion *few[XBAR_FEW_CHILDREN];
    size_t count = xbar_region_few_overlaps(visit->mr, visit->window.first,
                                            visit->window.last, few);
    int err = 0;

    if (count == 1) {
        return make_child(walk, visit, few[0], visit);
    }
    if (unlikely(count > XBAR_FEW_CHILDREN)) {
        return push_many(walk, visit);
    }
    sort_few(few, count);
    for (size_t i = 0; i < count && err == 0; i++) {
        err = push_child(walk, visit, few[i]);
    }
    return err;
}

/* The same for a leaf. It has its place below its sub-regions, but most have
 * none, and are emitted at once. */
static int visit_leaf(struct walk *walk, struct visit *visit)
{
    struct visit *top;

    if (likely(visit->is_self || !xbar_region_has_children(visit->mr))) {
        return emit_leaf(walk, visit);
    }
    top = top_of(walk);
    if (top == NULL) {
        return -ENOMEM;
    }
    *top = *visit;
    top->is_self = true;
    walk->depth++;
    return visit_container(walk, visit);
}

/* @visit, which was popped, and what takes its place. */
static inline int visit_all_of(struct walk *walk, struct visit *visit)
{
    int rc;

    do {
        rc = visit->flags & XBAR_REGION_TERMINATES
                 ? visit_leaf(walk, visit)
                 : visit_container(walk, visit);
    } while (rc > 0);
    return rc;
}

static int visit_top(struct walk *walk)
{
    struct visit visit = walk->stack[--walk->depth];

    return visit_all_of(walk, &visit);
}

/* Make that of where @window begins. Return: as make_shown(). */
static inline int make_first(struct walk *walk,
                             const struct xbar_window *window,
                             struct visit *visit)
{
    struct xbar_shown shown;

    if (!xbar_region_peek(window->from, &shown)) {
        return 0;
    }
    visit->window.first = window->range.first - window->base;
    visit->window.last = window->range.last - window->base;
    visit->base = window->base;
    visit->mr = window->from;
    visit->sibling = window->from;
    visit->inherited = inherit(window->flags);
    visit->is_self = false;
    return make_shown(walk, visit, &shown);
}

/* It is on no stack: most walks end with it. */
static int visit_first(struct walk *walk, const struct xbar_window *window)
{
    struct visit visit;
    int made = make_first(walk, window, &visit);

    return made > 0 ? visit_all_of(walk, &visit) : made;
}

int flatview__walk(const struct xbar_window *window, uint32_t most,
                   struct flatview_pieces *leaves)
{
    struct walk walk;
    int err;

    walk.engine = xbar_region_engine(window->from);
    walk.leaves = leaves;
    walk.stack = walk.few;
    walk.depth = 0;
    walk.capacity = FEW_VISITS;
    walk.visits = 0;
    walk.most = most;
    err = visit_first(&walk, window);
    while (err == 0 && walk.depth != 0) {
        err = visit_top(&walk);
    }
    free_stack(&walk);
    return err;
}

/* Nothing is stacked, so only what counts visits is set up. */
int flatview__walk_one(const struct xbar_window *window,
                       struct flatview_piece *piece)
{
    struct walk walk;
    struct visit visit;
    int made;

    walk.visits = 0;
    walk.most = UINT32_MAX;
    made = make_first(&walk, window, &visit);
    while (made > 0) {
        MemoryRegion *few[XBAR_FEW_CHILDREN];
        size_t count;

        if (visit.flags & XBAR_REGION_TERMINATES) {
            if (unlikely(xbar_region_has_children(visit.mr))) {
                return -EAGAIN;
            }
            fill_leaf(&visit, piece);
            return 1;
        }
        count = xbar_region_few_overlaps(visit.mr, visit.window.first,
                                         visit.window.last, few);
        if (count != 1) {
            return count == 0 ? 0 : -EAGAIN;
        }
        made = make_child(&walk, &visit, few[0], &visit);
    }
    return made;
}
