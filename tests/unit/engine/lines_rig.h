/* SPDX-License-Identifier: MIT */
/*
 * An engine whose memory goes from commit to commit, and objects of whole lines
 * in it: made, and retired. Its allocator counts.
 */
#ifndef XBAR_TESTS_UNIT_ENGINE_LINES_RIG_H
#define XBAR_TESTS_UNIT_ENGINE_LINES_RIG_H

#include "engine/engine_internal.h"
#include "tests/unit/counting_alloc.h"
#include "tests/unit/engine/fixture.h"

#define KEPT  ((size_t)4 << 20) /* as lines.c has it */
#define LINES ((size_t)64)

/* Under address sanitizer nothing is kept, for it to see what is freed. */
#ifdef TESTS_UNDER_ASAN
#define IS_KEPT 0
#else
#define IS_KEPT 1
#endif

struct object {
    struct xbar_retired link;
    struct object *next;
    size_t bytes;
};

static struct counting_alloc alloc;
static struct xbar_retire_queue queue;

static inline void release_object(struct xbar_engine *engine,
                                  struct xbar_retired *retired)
{
    struct object *object = (struct object *)retired;

    xbar_free_lines(engine, object, object->bytes);
}

static inline struct xbar_engine *open_engine(bool is_exact)
{
    const struct xbar_allocator hooks = { counting_alloc_get,
                                          counting_alloc_put, &alloc,
                                          is_exact };
    const struct xbar_engine_config config = { .allocator = &hooks };
    struct xbar_engine *engine;

    memset(&alloc, 0, sizeof(alloc));
    engine = xbar_engine_new(&config);
    assert_non_null(engine);
    memset(&queue, 0, sizeof(queue));
    queue.release = release_object;
    xbar_retire_queue_add(engine, &queue);
    return engine;
}

/* All of the allocator's, whoever kept it. */
static inline void close_engine(struct xbar_engine *engine)
{
    engine->stats.regions = 0;
    xbar_retire_queue_remove(engine, &queue);
    assert_int_equal(xbar_engine_free(engine), 0);
    assert_int_equal(atomic_load(&alloc.live_bytes), 0);
}

static inline struct object *make(struct xbar_engine *engine, size_t bytes)
{
    struct object *object;

    xbar_tree_hold(engine);
    object = xbar_alloc_lines(engine, bytes);
    xbar_tree_release(engine);
    assert_non_null(object);
    assert_int_equal((uintptr_t)object % LINES, 0);
    memset(object, 0x5a, bytes);
    object->next = NULL;
    object->bytes = bytes;
    return object;
}

/* @list: the first of them */
static inline void retire(struct xbar_engine *engine, struct object *list)
{
    xbar_tree_hold(engine);
    for (; list; list = list->next) {
        xbar_retire(engine, &queue, &list->link, list->bytes);
    }
    xbar_tree_release(engine);
}

static inline uint64_t bytes_live(struct xbar_engine *engine)
{
    struct xbar_engine_stats stats;

    xbar_engine_get_stats(engine, &stats);
    return stats.bytes_live;
}

#endif
