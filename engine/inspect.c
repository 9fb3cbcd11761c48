/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "engine/ram.h"

static Int128 size_of(const MemoryRegion *mr)
{
    return mr->flags & REGION_EMPTY ? 0 : (Int128)mr->last + 1;
}

void xbar_region_inspect(const MemoryRegion *mr, struct xbar_region_info *info)
{
    *info = (struct xbar_region_info){
        .flags = mr->flags & REGION_PUBLIC_FLAGS,
        .priority = mr->priority,
        .addr = mr->addr,
        .size = size_of(mr),
        .container = mr->container,
        .alias = mr->alias,
        .alias_offset = mr->alias_offset,
        .host = mr->ram_block ? mr->ram_block->host : NULL,
        .plan = region__plan(mr),
    };
}

uint8_t *xbar_region_host(const MemoryRegion *mr)
{
    return mr->ram_block ? mr->ram_block->host : NULL;
}

struct xbar_engine *xbar_region_engine(const MemoryRegion *mr)
{
    return mr->engine;
}

/* ---- Children ---------------------------------------------------------- */

struct collector {
    struct xbar_engine *engine;
    struct xbar_region_list *list;
};

static int grow(struct collector *c)
{
    struct xbar_region_list *list = c->list;
    size_t capacity = list->capacity ? 2 * list->capacity : 16;
    MemoryRegion **items = xbar_alloc(c->engine, capacity * sizeof(*items));

    if (!items) {
        return -ENOMEM;
    }
    if (list->count) {
        memcpy(items, list->items, list->count * sizeof(*items));
    }
    xbar_free(c->engine, list->items, list->capacity * sizeof(*items));
    list->items = items;
    list->capacity = capacity;
    return 0;
}

static int collect(void *opaque, MemoryRegion *mr)
{
    struct collector *c = opaque;

    if (c->list->count == c->list->capacity) {
        int rc = grow(c);

        if (rc) {
            return rc;
        }
    }
    c->list->items[c->list->count++] = mr;
    return 0;
}

static int compare_items(const void *a, const void *b)
{
    return xbar_region_compare(*(MemoryRegion *const *)a,
                               *(MemoryRegion *const *)b);
}

int xbar_region_overlaps(const MemoryRegion *mr, hwaddr first, hwaddr last,
                         int (*visit)(void *opaque, MemoryRegion *child),
                         void *opaque)
{
    xbar_assert_slow(interval__is_valid(mr));
    return interval__overlaps(mr, first, last, visit, opaque);
}

size_t xbar_region_few_overlaps(const MemoryRegion *mr, hwaddr first,
                                hwaddr last,
                                MemoryRegion *few[XBAR_FEW_CHILDREN])
{
    xbar_assert_slow(interval__is_valid(mr));
    return interval__few(mr, first, last, few, XBAR_FEW_CHILDREN);
}

int xbar_region_children(const MemoryRegion *mr, hwaddr first, hwaddr last,
                         struct xbar_region_list *list)
{
    struct collector c = { mr->engine, list };
    size_t start = list->count;
    int rc;

    rc = xbar_region_overlaps(mr, first, last, collect, &c);
    if (rc) {
        list->count = start;
        return rc;
    }
    if (list->count - start > 1) {
        qsort(list->items + start, list->count - start, sizeof(*list->items),
              compare_items);
    }
    return 0;
}

void xbar_region_list_free(const MemoryRegion *mr,
                           struct xbar_region_list *list)
{
    xbar_free(mr->engine, list->items, list->capacity * sizeof(*list->items));
    memset(list, 0, sizeof(*list));
}

void xbar_region_mark_iommu(MemoryRegion *mr)
{
    mr->flags |= XBAR_REGION_IOMMU;
}

struct xbar_participant *xbar_participant_next(struct xbar_engine *engine,
                                               struct xbar_participant *p,
                                               const MemoryRegion *root)
{
    xbar_assert(engine__writer_is_mine(engine));
    p = p ? p->next : engine->first_participant;
    while (p && p->root != root) {
        p = p->next;
    }
    return p;
}
