/* SPDX-License-Identifier: MIT */
/*
 * Memory of commits, over and over.
 *
 * A commit makes a view, a few nodes and sections, and a grace period later as
 * many are given up: the same sizes, all of them whole cache lines. They are
 * kept here instead of going to the allocator and back, by size:
 *
 *     alloc    writer lock     pool  ----->  a view, a node, a section
 *     free     writer lock     pool  <-----  of a commit that was void
 *     free     reclaim lock    back  <-----  after their grace period
 *     reclaim  both            pool  <-----  back, as a whole
 *
 * So neither end takes an atomic instruction, and what was given up last, and
 * is in a cache still, is used first. What is kept is no part of the bytes that
 * live. When a reclaim begins, it may add what the pool is short of LINES_KEPT
 * bytes; who writes adds up to as many meanwhile. The engine's end gives all of
 * it back.
 *
 * What no list has is the allocator's, or, of a large engine, of a chunk
 * (chunks.c), and goes back to whom it is of. Only who has the writer lock can
 * tell: so while there are chunks a reclaim lists all that it releases, and when
 * it has done so gives back, under that lock, what is more than it may add. A
 * million regions may go at once: then so much at a time.
 *
 * Nothing is kept where the embedder's allocator is to be asked each time
 * (is_exact), nor beside address sanitizer, which is to see what is freed: its
 * own quarantine finds later uses than any poison that ends with the next
 * commit.
 */
#include "engine/lines.h"

#include <string.h>

#include "engine/alloc.h"
#include "engine/engine_internal.h"
#include "engine/rcu.h"

#ifdef XBAR_RCU_ASAN
#define LINES_KEPT ((size_t)0)
#else
#define LINES_KEPT ((size_t)4 << 20)
#endif

void lines__init(struct xbar_engine *engine)
{
    engine->lines.most = engine->allocator.is_exact ? 0 : LINES_KEPT;
}

static size_t lines_of(size_t bytes)
{
    return bytes / LINE_BYTES;
}

/* Is there a list for what is of this size? */
static bool has_list(size_t bytes)
{
    return bytes <= LINES_MOST * LINE_BYTES;
}

static void set_kept(struct line_pool *pool, size_t bytes)
{
    __atomic_store_n(&pool->kept, bytes, __ATOMIC_RELAXED);
}

/* There is none on a list. */
static XBAR_NOINLINE void *alloc_more(struct xbar_engine *engine, size_t bytes)
{
    void *ptr = NULL;

    if (has_list(bytes) && engine__writer_is_mine(engine) &&
        chunks__are_wanted(engine)) {
        ptr = chunks__take(engine, bytes);
    }
    if (!ptr) {
        return xbar_alloc_aligned(engine, bytes, LINE_BYTES);
    }
    alloc__count(engine, bytes);
    return ptr;
}

void *xbar_alloc_lines(struct xbar_engine *engine, size_t bytes)
{
    struct line_pool *pool = &engine->lines;
    const size_t lines = lines_of(bytes);
    struct line *line;

    if (unlikely(!has_list(bytes) || !engine__writer_is_mine(engine) ||
                 pool->first[lines] == NULL)) {
        return alloc_more(engine, bytes);
    }
    line = pool->first[lines];
    pool->first[lines] = line->next;
    __builtin_prefetch(line->next, 1); /* the next commit's */
    set_kept(pool, pool->kept - bytes);
    return line;
}

/* Onto @pool's list. */
static inline void keep(struct line_pool *pool, void *ptr, size_t bytes)
{
    const size_t lines = lines_of(bytes);
    struct line *line = ptr;

    lines__poison(ptr, bytes);
    line->next = pool->first[lines];
    if (line->next == NULL) {
        pool->last[lines] = line;
    }
    pool->first[lines] = line;
    set_kept(pool, pool->kept + bytes);
}

/* The one that this thread may add to, or NULL. */
static inline struct line_pool *pool_of_mine(struct xbar_engine *engine)
{
    if (engine__is_releasing(engine)) {
        return &engine->lines_back;
    }
    return engine__writer_is_mine(engine) ? &engine->lines : NULL;
}

/* To whom it is of. Under the writer lock, if there are chunks. */
static void give_back(struct xbar_engine *engine, void *ptr, size_t bytes)
{
    if (chunks__are_there(&engine->chunks) &&
        chunks__give(engine, ptr, bytes)) {
        alloc__count(engine, -(uint64_t)bytes);
    } else {
        xbar_free(engine, ptr, bytes);
    }
}

/*
 * No list is for it, or has room. With chunks around only the writer can tell
 * whose it is: a reclaim lists it anyway.
 */
static XBAR_NOINLINE void free_more(struct xbar_engine *engine,
                                    struct line_pool *pool, void *ptr,
                                    size_t bytes)
{
    if (!has_list(bytes) || !chunks__are_there(&engine->chunks)) {
        xbar_free(engine, ptr, bytes);
    } else if (pool == &engine->lines_back) {
        keep(pool, ptr, bytes);
    } else {
        engine__lock_writer(engine);
        give_back(engine, ptr, bytes);
        engine__unlock_writer(engine);
    }
}

void xbar_free_lines(struct xbar_engine *engine, void *ptr, size_t bytes)
{
    struct line_pool *pool = pool_of_mine(engine);

    if (unlikely(!has_list(bytes) || pool == NULL ||
                 pool->kept + bytes > pool->most)) {
        free_more(engine, pool, ptr, bytes);
        return;
    }
    keep(pool, ptr, bytes);
}

void lines__make_room(struct xbar_engine *engine)
{
    const struct line_pool *pool = &engine->lines;

    engine->lines_back.most =
        pool->kept < pool->most ? pool->most - pool->kept : 0;
}

/* What a reclaim gives back under one hold of the writer lock. */
#define GIVEN_AT_ONCE 256

/* The first of size @lines of @pool, which has one. */
static void *pop(struct line_pool *pool, size_t lines)
{
    struct line *line = pool->first[lines];

    pool->first[lines] = line->next;
    set_kept(pool, pool->kept - lines * LINE_BYTES);
    return line;
}

/* Up to @most of what @pool has to whom it is of: all, or what is in chunks. */
static void empty(struct xbar_engine *engine, struct line_pool *pool,
                  size_t most)
{
    for (size_t i = 0; i <= LINES_MOST; i++) {
        for (; pool->first[i] != NULL && most > 0; most--) {
            give_back(engine, pop(pool, i), i * LINE_BYTES);
        }
    }
}

/* More came back than is kept: that is not for the next commits. */
XBAR_COLD static void take_less_back(struct xbar_engine *engine)
{
    const size_t room = engine->lines_back.most;

    while (engine->lines_back.kept > room) {
        engine__lock_writer(engine);
        empty(engine, &engine->lines_back, GIVEN_AT_ONCE);
        engine__unlock_writer(engine);
    }
}

/* The engine is large no more: what is kept keeps chunks. */
XBAR_COLD static void leave_chunks(struct xbar_engine *engine)
{
    empty(engine, &engine->lines, SIZE_MAX);
    chunks__leave(engine);
}

/* Bytes leave one count before they enter the other: lines__kept(). */
void lines__take_back(struct xbar_engine *engine)
{
    struct line_pool *back = &engine->lines_back;
    struct line_pool *pool = &engine->lines;
    size_t bytes;

    if (unlikely(back->kept > back->most)) {
        take_less_back(engine);
    }
    bytes = back->kept;
    if (bytes == 0) {
        return;
    }
    engine__lock_writer(engine);
    for (size_t i = 0; i <= LINES_MOST; i++) {
        if (back->first[i] != NULL) {
            back->last[i]->next = pool->first[i];
            if (pool->first[i] == NULL) {
                pool->last[i] = back->last[i];
            }
            pool->first[i] = back->first[i];
            back->first[i] = NULL;
        }
    }
    set_kept(back, 0);
    __atomic_store_n(&pool->kept, pool->kept + bytes, __ATOMIC_RELEASE);
    engine__unlock_writer(engine);
}

/*
 * When it has become small, and, as the pool is for its commits again then, each
 * time that it is half as large: few lines that are kept can keep many chunks.
 */
void lines__settle(struct xbar_engine *engine)
{
    if (likely(!chunks__are_there(&engine->chunks) ||
               chunks__are_wanted(engine))) {
        return;
    }
    engine__lock_writer(engine);
    if (xbar_engine_regions(engine) <= engine->chunks.left_at / 2) {
        leave_chunks(engine);
    }
    engine__unlock_writer(engine);
}

/* Never more than there is, whoever moves some meanwhile. */
size_t lines__kept(const struct xbar_engine *engine)
{
    const size_t bytes = __atomic_load_n(&engine->lines.kept, __ATOMIC_ACQUIRE);

    return bytes + __atomic_load_n(&engine->lines_back.kept, __ATOMIC_ACQUIRE);
}

void lines__finish(struct xbar_engine *engine)
{
    xbar_assert(engine->lines_back.kept == 0);
    engine__lock_writer(engine);
    leave_chunks(engine);
    xbar_assert(!chunks__are_there(&engine->chunks));
    engine__unlock_writer(engine);
}
