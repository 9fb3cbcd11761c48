/* SPDX-License-Identifier: MIT */
#include "engine/alloc.h"

#include <string.h>

#include "engine/engine_internal.h"

void *xbar_alloc_aligned(struct xbar_engine *engine, size_t size, size_t align)
{
    const struct xbar_allocator *a = &engine->allocator;
    void *ptr = a->alloc(a->opaque, size, align);

    if (ptr) {
        engine__stat_add(&engine->stats.bytes_live, size);
    }
    return ptr;
}

void *xbar_alloc(struct xbar_engine *engine, size_t size)
{
    return xbar_alloc_aligned(engine, size, sizeof(void *));
}

void xbar_free(struct xbar_engine *engine, void *ptr, size_t size)
{
    if (ptr) {
        engine__stat_sub(&engine->stats.bytes_live, size);
        engine->allocator.free(engine->allocator.opaque, ptr, size);
    }
}
