/* SPDX-License-Identifier: MIT */
/* An engine for each test of a file, that gives out memory only as often as the
 * test says. */
#ifndef XBAR_TESTS_UNIT_ENGINE_SCARCE_H
#define XBAR_TESTS_UNIT_ENGINE_SCARCE_H

#include <stdint.h>
#include <stdlib.h>

#include "engine/engine.h"

static struct xbar_engine *engine;
static unsigned allocations_left;

static inline void *alloc_some(void *opaque, size_t size, size_t align)
{
    (void)opaque;
    (void)align;
    return allocations_left && allocations_left-- ? calloc(1, size) : NULL;
}

static inline void free_some(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

/* Return: 0, with plenty. */
static inline int open_scarce(void)
{
    static const struct xbar_allocator allocator = { .alloc = alloc_some,
                                                     .free = free_some };
    const struct xbar_engine_config config = { .allocator = &allocator };

    allocations_left = UINT32_MAX;
    engine = xbar_engine_new(&config);
    return engine == NULL;
}

#endif
