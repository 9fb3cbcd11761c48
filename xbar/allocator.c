/* SPDX-License-Identifier: MIT */
#include "allocator.h"

#ifdef XBAR_WITH_MIMALLOC

#include <mimalloc.h>

static void *allocate(void *opaque, size_t size, size_t align)
{
    (void)opaque;
    return mi_zalloc_aligned(size, align);
}

static void release(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    mi_free(ptr);
}

const struct xbar_allocator *program_allocator(void)
{
    static const struct xbar_allocator mimalloc = { .alloc = allocate,
                                                    .free = release };

    return &mimalloc;
}

#else

const struct xbar_allocator *program_allocator(void)
{
    return NULL;
}

#endif
