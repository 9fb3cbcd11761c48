/* SPDX-License-Identifier: MIT */
/*
 * How few marks get to the root: each region's by themselves, without sets.
 *
 * Boards nest their devices in a bus, that in another, and so on, and what is
 * there seldom changes, while the devices do. So the way of the container that
 * is asked for is kept, of one: what is added to addresses, and from where they
 * are to be looked at, for all of a range in which nothing is cut off and nobody
 * else is met.
 *
 *     top      |--ram--|---------level---------|--rom--|
 *     level    .       |----bottom----|        .
 *     bottom   .       |   . devices  |        .
 *     range            |==============|
 *
 * A region on the way says so (is_on_way). When such a one changes, or gets a
 * place in what it did not, or begins or ceases to be where ways part, or when
 * what is in one changes, other than in the lowest, which asks who is there each
 * time, the way is forgotten; and when a transaction is undone, in which nothing
 * is marked. It is learned again when the same container missed it twice in a
 * row, so that two that take turns cost no more than without.
 */
#include <errno.h>
#include <limits.h>

#include "engine/dirty_internal.h"
#include "engine/interval.h"

/* ---- Where marks are ---------------------------------------------------- */

/* Marks on their way up, as one range. */
struct climb {
    MemoryRegion *mr; /* where they are */
    struct xbar_range hull;
    uint64_t by; /* what was added to addresses */
    const MemoryRegion *from;
    uint64_t base; /* of @from */
    uint32_t flags;
};

/* To the container, where the hull is already. @is_alone: nobody else is met. */
static inline void go_up(struct climb *c, bool is_alone)
{
    MemoryRegion *container = c->mr->container;

    c->by += c->mr->addr;
    c->base += c->mr->addr;
    c->flags |= container->flags;
    if (!is_alone) {
        c->from = container;
        c->base = 0;
        c->flags = 0;
    }
    c->mr = container;
}

/* ---- Learning the way -------------------------------------------------- */

void dirty__forget_way(struct xbar_engine *engine)
{
    struct dirty_way *way = &engine->dirty.way;

    way->bottom = NULL;
    while (way->count) {
        way->regions[--way->count]->is_on_way = false;
    }
}

/* Who is in a container beside @mr, and where that leaves @mr alone. */
struct beside {
    const MemoryRegion *mr;
    struct xbar_range hull;
    struct xbar_range free; /* around @hull */
    bool is_shared;         /* in @hull, too */
};

static int note_beside(void *opaque, MemoryRegion *other)
{
    struct beside *b = opaque;
    const hwaddr end = interval__end(other);

    if (other == b->mr) {
        return 0;
    }
    if (end < b->hull.first) {
        b->free.first = end >= b->free.first ? end + 1 : b->free.first;
    } else if (other->addr > b->hull.last) {
        b->free.last =
            other->addr <= b->free.last ? other->addr - 1 : b->free.last;
    } else {
        b->is_shared = true;
    }
    return 0;
}

/* Is the region of @c alone in @container? @range is cut to where that holds. */
static bool is_alone_around(const struct climb *c,
                            const MemoryRegion *container,
                            struct xbar_range *range)
{
    struct beside b = { c->mr, c->hull, *range, false };

    if (container->flags & XBAR_REGION_TERMINATES) {
        return false;
    }
    (void)interval__overlaps(container, 0, UINT64_MAX, note_beside, &b);
    if (!b.is_shared) {
        *range = b.free;
    }
    return !b.is_shared;
}

/* As climb_one(), with all of @range, which is cut to what goes on. */
static bool learn_one(struct climb *c, struct xbar_range *range)
{
    MemoryRegion *mr = c->mr;
    MemoryRegion *container = mr->container;

    if (!container || container->child_count > XBAR_FEW_CHILDREN ||
        !dirty__lift(mr, &c->hull) || !dirty__lift(mr, range)) {
        return false;
    }
    go_up(c, is_alone_around(c, container, range));
    return true;
}

/*
 * Fields that forget what was known are set last. No way begins at an empty
 * region: what happens to such a one, even its end, is not marked.
 */
static void learn(MemoryRegion *bottom, const struct xbar_range *at)
{
    struct dirty_way *way = &bottom->engine->dirty.way;
    struct climb c = { .mr = bottom, .hull = *at };
    struct xbar_range range = { 0, bottom->last };
    MemoryRegion *mr = bottom;
    unsigned count = 1;

    if (bottom->flags & REGION_EMPTY) {
        return;
    }
    while (!c.mr->roots && !c.mr->aliased_by) {
        if (count++ == DIRTY_WAY_REGIONS || !learn_one(&c, &range)) {
            return;
        }
    }
    dirty__forget_way(bottom->engine);
    way->bottom = bottom;
    way->top = c.mr;
    way->range = (struct xbar_range){ range.first - c.by, range.last - c.by };
    way->by = c.by;
    way->from = c.from;
    way->base = c.base;
    way->flags = c.flags;
    for (way->count = 0; way->count < count; mr = mr->container) {
        mr->is_on_way = true;
        way->regions[way->count++] = mr;
    }
}

/* @bottom climbed from @at by itself. */
XBAR_COLD static void missed(MemoryRegion *bottom, const struct xbar_range *at)
{
    struct dirty_way *way = &bottom->engine->dirty.way;

    if (way->missed == bottom) {
        learn(bottom, at);
        bottom = NULL;
    }
    way->missed = bottom;
}

/* ---- Climbing ------------------------------------------------------------ */

/* Does the container of @mr show nothing else than it in @range? */
static inline bool is_alone(const MemoryRegion *mr,
                            const MemoryRegion *container,
                            const struct xbar_range *range)
{
    if (container->flags & XBAR_REGION_TERMINATES) {
        return false;
    }
    return container->child_count == 1 ||
           interval__is_alone(container, mr, range->first, range->last);
}

/* Cut to @hull, and @by higher. Is anything left? */
static inline bool shift(struct xbar_range *range,
                         const struct xbar_range *hull, uint64_t by)
{
    const hwaddr first = hull->first - by;
    const hwaddr last = hull->last - by;

    range->first = range->first > first ? range->first : first;
    range->last = range->last < last ? range->last : last;
    if (range->first > range->last) {
        return false;
    }
    range->first += by;
    range->last += by;
    return true;
}

/*
 * @range of @mr, to be looked at from @from on, is where marks are carried from,
 * or end: if all end at one root, and go no further, nothing is carried. (Field by
 * field: what was stored in parts is slow to load as a whole.)
 */
static inline int arrive(MemoryRegion *mr, const struct xbar_range *range,
                         const MemoryRegion *from, uint64_t base,
                         uint32_t flags)
{
    struct dirty_few *few = &mr->engine->dirty.few;
    struct xbar_window *window;

    if (mr->container || mr->aliased_by || (few->count && few->root != mr)) {
        const struct xbar_window other = { *range, from, base, flags };

        return dirty__add_window(mr, &other);
    }
    few->root = mr;
    window = &few->windows[few->count++];
    window->range.first = range->first;
    window->range.last = range->last;
    window->from = from;
    window->base = base;
    window->flags = flags;
    return 0;
}

/* A commit asks all participants; a change, of which it has many, not more. */
#define EXPECT_MOST 8

/*
 * Where there are many regions, what is known of a place is in no near cache: who
 * is to look at it, once @addr of @mr was carried to the root, hears of it now, and
 * what it needs comes while the index is looked at.
 */
static void announce(const MemoryRegion *mr, hwaddr addr, bool is_near)
{
    struct xbar_participant *p = mr->engine->first_participant;
    const struct dirty_way *way = &mr->engine->dirty.way;
    unsigned left = is_near ? UINT_MAX : EXPECT_MOST;

    while (!mr->roots && !mr->aliased_by && mr->container) {
        if (mr == way->bottom) {
            addr += way->by;
            mr = way->top;
            break;
        }
        addr += mr->addr;
        mr = mr->container;
    }
    while (p && p->root != mr && left-- > 0) {
        p = p->next;
    }
    if (p && p->root == mr && p->expect) {
        p->expect(p, addr, is_near);
    }
}

void dirty__expect(const MemoryRegion *container, hwaddr addr)
{
    interval__fetch(container, addr);
    announce(container, addr, false);
}

/* All the rest of the way, if it is known. */
static inline bool take_way(struct climb *c)
{
    const struct dirty_way *way = &c->mr->engine->dirty.way;

    if (c->mr != way->bottom || c->hull.first < way->range.first ||
        c->hull.last > way->range.last) {
        return false;
    }
    c->mr = way->top;
    c->hull.first += way->by;
    c->hull.last += way->by;
    c->by += way->by;
    c->from = way->from ? way->from : c->from;
    c->base = way->from ? way->base : c->base + way->base;
    c->flags = way->from ? way->flags : c->flags | way->flags;
    return true;
}

/* To the container; false if nothing is seen there. */
static inline bool climb_one(struct climb *c)
{
    MemoryRegion *container = c->mr->container;

    if (!container || !dirty__lift(c->mr, &c->hull)) {
        return false;
    }
    go_up(c, is_alone(c->mr, container, &c->hull));
    return true;
}

/* To the first that is a root or is shown in more than one place. */
static bool climb_all(struct climb *c)
{
    MemoryRegion *bottom = NULL;
    struct xbar_range range;

    while (!c->mr->roots && !c->mr->aliased_by) {
        if (take_way(c)) {
            if (!bottom) {
                c->mr->engine->dirty.way.missed = NULL;
            }
            break;
        }
        if (!bottom && c->mr->children) {
            bottom = c->mr;
            range = c->hull;
        }
        if (!climb_one(c)) {
            return false;
        }
    }
    if (bottom) {
        missed(bottom, &range);
    }
    return true;
}

/*
 * Marks of one region, as one range, to the first that is a root or is shown in
 * more than one place. What is met on the way need not be met again on the way
 * down, as long as the region that was marked is alone there.
 */
static int climb(const struct dirty_mark *marks, size_t count)
{
    struct climb c = { .mr = marks[0].mr,
                       .hull = marks[0].range,
                       .from = marks[0].mr };
    int rc = 0;

    for (size_t i = 1; i < count; i++) {
        dirty__unite(&c.hull, &marks[i].range);
    }
    if (engine__has_many_regions(c.mr->engine)) {
        announce(c.mr, c.hull.first, true);
    }
    if (!climb_all(&c)) {
        return 0;
    }
    c.flags &= XBAR_REGION_READONLY | XBAR_REGION_NONVOLATILE;
    if (count == 1) {
        return arrive(c.mr, &c.hull, c.from, c.base, c.flags);
    }
    for (size_t i = 0; i < count && !rc; i++) {
        struct xbar_range range = marks[i].range;

        if (shift(&range, &c.hull, c.by)) {
            rc = arrive(c.mr, &range, c.from, c.base, c.flags);
        }
    }
    return rc;
}

int dirty__climb(const struct dirty_mark *marks, size_t count)
{
    int rc = 0;

    while (count && !rc) {
        size_t run = 1;

        while (run < count && marks[run].mr == marks[0].mr) {
            run++;
        }
        rc = climb(marks, run);
        marks += run;
        count -= run;
    }
    return rc;
}
