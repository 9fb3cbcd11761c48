/* SPDX-License-Identifier: MIT */
#include "engine/alloc.h"

#include <stddef.h>

#include "engine/engine_internal.h"

/*
 * Bytes are counted in two parts, of which one may have wrapped: who has the
 * writer lock, as a commit does, needs no locked instruction.
 */
void alloc__count(struct xbar_engine *engine, uint64_t bytes)
{
    if (engine__writer_is_mine(engine)) {
        engine__stat_count(&engine->writer_bytes, bytes);
    } else {
        engine__stat_add(&engine->stats.bytes_live, bytes);
    }
}

void *xbar_alloc_aligned(struct xbar_engine *engine, size_t size, size_t align)
{
    const struct xbar_allocator *a = &engine->allocator;
    void *ptr = a->alloc(a->opaque, size, align);

    if (ptr) {
        alloc__count(engine, size);
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
        alloc__count(engine, -(uint64_t)size);
        engine->allocator.free(engine->allocator.opaque, ptr, size);
    }
}

/* ---- For what lives beside an engine ----------------------------------- */

void *xbar_engine_allocate(struct xbar_engine *engine, size_t size)
{
    return xbar_alloc_aligned(engine, size, _Alignof(max_align_t));
}

void xbar_engine_release(struct xbar_engine *engine, void *ptr, size_t size)
{
    xbar_free(engine, ptr, size);
}
