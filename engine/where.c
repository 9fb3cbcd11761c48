/* SPDX-License-Identifier: MIT */
/*
 * Where regions may be seen, asked while no change waits for its commit: the
 * way of marks from a region to the roots (dirty.c) is walked for nothing but
 * the answer.
 */
#include "engine/where.h"

#include <errno.h>

#include "engine/engine_internal.h"

bool xbar_where_begin(struct xbar_engine *engine)
{
    xbar_assert(engine__writer_is_mine(engine));
    return engine->dirty.count == 0 && engine->dirty.newest == NULL;
}

int xbar_where_add(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    if ((mr->flags & REGION_EMPTY) || first > mr->last) {
        return 0;
    }
    if (dirty__reserve(mr->engine, 1) != 0) {
        return -ENOMEM;
    }
    dirty__mark(mr, first, last < mr->last ? last : mr->last);
    return 0;
}

int xbar_where_carry(struct xbar_engine *engine)
{
    return dirty__carry(engine);
}

size_t xbar_where_of(const MemoryRegion *root,
                     const struct xbar_window **windows)
{
    return dirty__of(root->engine, root, windows);
}

void xbar_where_end(struct xbar_engine *engine)
{
    dirty__drop(engine);
    dirty__clear(engine);
}
