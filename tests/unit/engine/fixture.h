/* SPDX-License-Identifier: MIT */
/*
 * What the tests of engine/ share: an engine of one's own on an allocator
 * that counts, fails on demand, and tells at the end what was not freed.
 */
#ifndef XBAR_TESTS_UNIT_ENGINE_FIXTURE_H
#define XBAR_TESTS_UNIT_ENGINE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/alloc.h"
#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/tree.h"

#define ATTRS MEMTXATTRS_UNSPECIFIED

struct fixture {
    struct xbar_engine *engine;
    size_t blocks;      /* allocated and not freed */
    size_t bytes;       /* of those */
    size_t requests;    /* so far */
    size_t fail_at;     /* the request that fails, counted from 1; 0: none */
    unsigned oom_told;  /* calls of the out-of-memory hook */
    unsigned void_told; /* of transaction_void */
    int void_error;     /* the last */
    unsigned reclaim_told;
};

static inline void *fixture_alloc(void *opaque, size_t size, size_t align)
{
    struct fixture *f = opaque;
    void *ptr = NULL;

    if (__atomic_add_fetch(&f->requests, 1, __ATOMIC_RELAXED) == f->fail_at) {
        return NULL;
    }
    if (posix_memalign(&ptr, align < 8 ? 8 : align, size)) {
        return NULL;
    }
    __atomic_fetch_add(&f->blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&f->bytes, size, __ATOMIC_RELAXED);
    return memset(ptr, 0, size);
}

static inline void fixture_free(void *opaque, void *ptr, size_t size)
{
    struct fixture *f = opaque;

    __atomic_fetch_sub(&f->blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&f->bytes, size, __ATOMIC_RELAXED);
    memset(ptr, 0x5a, size); /* a wrong size shows under asan */
    free(ptr);
}

static inline void fixture_oom(void *opaque)
{
    ((struct fixture *)opaque)->oom_told++;
}

static inline void fixture_void(void *opaque, int error)
{
    struct fixture *f = opaque;

    f->void_told++;
    f->void_error = error;
}

static inline void fixture_reclaim_wanted(void *opaque)
{
    ((struct fixture *)opaque)->reclaim_told++;
}

/* An engine with @config's options on the fixture's allocator, entered. */
static inline void fixture_open(struct fixture *f,
                                struct xbar_engine_config config)
{
    struct xbar_allocator allocator = { fixture_alloc, fixture_free, f, true };

    memset(f, 0, sizeof(*f));
    config.allocator = &allocator;
    config.out_of_memory = fixture_oom;
    config.out_of_memory_opaque = f;
    config.transaction_void = fixture_void;
    config.transaction_void_opaque = f;
    config.reclaim_wanted = fixture_reclaim_wanted;
    config.reclaim_wanted_opaque = f;
    f->engine = xbar_engine_new(&config);
    assert_non_null(f->engine);
    assert_int_equal(xbar_engine_enter(f->engine), 0);
}

static inline void fixture_close(struct fixture *f)
{
    struct xbar_engine_stats stats;

    while (xbar_engine_reclaim(f->engine) > 0) {
    }
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.regions, 0);
    assert_int_equal(stats.bytes_live, 0);
    assert_int_equal(stats.bytes_retired, 0);
    assert_int_equal(xbar_engine_leave(f->engine), 0);
    assert_int_equal(xbar_engine_free(f->engine), 0);
    assert_int_equal(f->blocks, 0);
    assert_int_equal(f->bytes, 0);
}

static inline int setup_engine(void **state)
{
    static struct fixture fixture;

    fixture_open(&fixture, (struct xbar_engine_config){ 0 });
    *state = &fixture;
    return 0;
}

static inline int teardown_engine(void **state)
{
    fixture_close(*state);
    return 0;
}

#define engine_test(f) \
    cmocka_unit_test_setup_teardown(f, setup_engine, teardown_engine)

static inline void end_region(MemoryRegion *mr)
{
    assert_int_equal(xbar_region_destroy(mr, NULL, NULL), 0);
}

/* A small generator of one's own, so that a failure repeats. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
