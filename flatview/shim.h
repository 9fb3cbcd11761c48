/* SPDX-License-Identifier: MIT */
/*
 * Two calls of engine/ that may not be there yet: without them a retired
 * queue stays with the engine, and guests are little-endian.
 */
#ifndef XBAR_FLATVIEW_SHIM_H
#define XBAR_FLATVIEW_SHIM_H

#include "engine/alloc.h"

__attribute__((weak)) void
xbar_retire_queue_remove(struct xbar_engine *engine,
                         struct xbar_retire_queue *queue);
__attribute__((weak)) bool
xbar_engine_is_big_endian(const struct xbar_engine *engine);

static inline void flatview__queue_free(struct xbar_engine *engine,
                                        struct xbar_retire_queue *queue)
{
    if (xbar_retire_queue_remove != NULL) {
        xbar_retire_queue_remove(engine, queue);
        xbar_free(engine, queue, sizeof(*queue));
    }
}

static inline bool flatview__is_big_endian(const struct xbar_engine *engine)
{
    return xbar_engine_is_big_endian != NULL &&
           xbar_engine_is_big_endian(engine);
}

#endif
