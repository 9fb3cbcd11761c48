/* SPDX-License-Identifier: MIT */
#include "engine/guard.h"

#include "engine/engine_internal.h"

_Thread_local struct guard_chain guard__chain;

const struct engine_lock guard__no_lock = { .depth = 0 };

static bool is_same_device(const MemoryRegion *a, const MemoryRegion *b)
{
    if (a->owner || b->owner) {
        return a->owner == b->owner;
    }
    return a == b || (a->opaque && a->opaque == b->opaque);
}

bool guard__may_nest(const struct guard_chain *chain, const MemoryRegion *mr)
{
    if (chain->depth >= XBAR_REENTRY_MAX_DEPTH) {
        return false;
    }
    if (region__flags(mr) & REGION_REENTRANT) {
        return true;
    }
    for (uint32_t i = 0; i < chain->depth; i++) {
        if (is_same_device(chain->inside[i], mr)) {
            return false;
        }
    }
    return true;
}

unsigned xbar_access_depth(void)
{
    return guard__chain.depth;
}

MemoryRegion *xbar_access_origin(unsigned n)
{
    return n < guard__chain.depth ? guard__chain.inside[n] : NULL;
}
