/* SPDX-License-Identifier: MIT */
/*
 * An allocator for tests: counts what is live, fails the n-th request, and
 * fills what is freed with a pattern that no pointer or address looks like.
 */
#ifndef XBAR_TESTS_COUNTING_ALLOC_H
#define XBAR_TESTS_COUNTING_ALLOC_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

#define COUNTING_ALLOC_POISON 0xa5

/* Which sanitizer is in this build; gcc and clang say it differently. */
#if defined(__SANITIZE_ADDRESS__)
#define TESTS_UNDER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TESTS_UNDER_TSAN 1
#elif defined(__clang__)
#if __has_feature(address_sanitizer)
#define TESTS_UNDER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TESTS_UNDER_TSAN 1
#endif
#endif

struct counting_alloc {
    struct xbar_allocator hooks;
    atomic_long live_bytes;
    atomic_long requests;
    atomic_long fail_at; /* this request (from 1) and no other; 0: none */
};

static inline void *counting_alloc_get(void *opaque, size_t size, size_t align)
{
    struct counting_alloc *self = opaque;
    void *ptr = NULL;

    if (atomic_fetch_add(&self->requests, 1) + 1 ==
        atomic_load(&self->fail_at)) {
        return NULL;
    }
    if (posix_memalign(&ptr, align < sizeof(ptr) ? sizeof(ptr) : align, size)) {
        return NULL;
    }
    atomic_fetch_add(&self->live_bytes, (long)size);
    return memset(ptr, 0, size);
}

static inline void counting_alloc_put(void *opaque, void *ptr, size_t size)
{
    struct counting_alloc *self = opaque;

    if (ptr != NULL) {
        atomic_fetch_sub(&self->live_bytes, (long)size);
        memset(ptr, COUNTING_ALLOC_POISON, size);
        free(ptr);
    }
}

/* Fail the @n-th request from now on; 0: none. */
static inline void counting_alloc_fail(struct counting_alloc *self, long n)
{
    atomic_store(&self->requests, 0);
    atomic_store(&self->fail_at, n);
}

/* An engine whose memory @self counts. @self must outlive it. */
static inline struct xbar_engine *
counting_alloc_engine(struct counting_alloc *self)
{
    struct xbar_engine_config config = { .allocator = &self->hooks };

    memset(self, 0, sizeof(*self));
    self->hooks.alloc = counting_alloc_get;
    self->hooks.free = counting_alloc_put;
    self->hooks.opaque = self;
    self->hooks.is_exact = true;
    return xbar_engine_new(&config);
}

#endif
