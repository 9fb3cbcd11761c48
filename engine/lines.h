/* SPDX-License-Identifier: MIT */
/* Memory that commits take and give back: see lines.c and, of much, chunks.c. */
#ifndef XBAR_ENGINE_LINES_H
#define XBAR_ENGINE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/rcu.h"
#include "engine/types.h"

struct xbar_engine;

#define LINE_BYTES 64
#define LINES_MOST 17 /* the greatest node of a trie */

struct line {
    struct line *next;
};

/*
 * Nobody's any more: a reader that comes too late is to notice, as with free() in
 * tests, or thread sanitizer, wherever it reads.
 */
#if defined(XBAR_CHECKED) || defined(XBAR_RCU_TSAN)
#define LINES_POISON 0xa5
#endif

static inline void lines__poison(void *ptr, size_t bytes)
{
#ifdef LINES_POISON
    memset(ptr, LINES_POISON, bytes);
#else
    (void)ptr;
    (void)bytes;
#endif
}

/* By size, in lines; see lines.c. */
struct line_pool {
    struct line *first[LINES_MOST + 1];
    struct line *last[LINES_MOST + 1]; /* where there is a first */
    size_t kept;                       /* bytes; relaxed atomic */
    size_t most;                       /* to be kept */
};

/* See chunks.c. Under the writer lock. */
struct chunks {
    struct chunk *newest;                 /* that was never full; or NULL */
    struct chunk *having[LINES_MOST + 1]; /* what was given back, by size */
    struct chunk **all;                   /* by address */
    struct chunk *spare;                  /* that could not be given back */
    size_t count;                         /* relaxed atomic */
    size_t room;
    uint64_t left_at; /* regions, at chunks__leave() since the newest one */
};

/*
 * lines.c: a reclaim begins, under the writer lock, or has released what it
 * took, or has ended regions, without it; and how many bytes are kept.
 */
void lines__init(struct xbar_engine *engine);
void lines__make_room(struct xbar_engine *engine);
void lines__take_back(struct xbar_engine *engine);
void lines__settle(struct xbar_engine *engine);
size_t lines__kept(const struct xbar_engine *engine);
void lines__finish(struct xbar_engine *engine);

/*
 * chunks.c: whether a large engine's lines come from there; some, or NULL if
 * memory is short; take back what is of a chunk, and is nobody's: false if it is
 * the allocator's. And the engine is large no more, or ends.
 */
bool chunks__are_wanted(const struct xbar_engine *engine);
void *chunks__take(struct xbar_engine *engine, size_t bytes) XBAR_MUST_CHECK;
bool chunks__give(struct xbar_engine *engine, void *ptr, size_t bytes);
void chunks__leave(struct xbar_engine *engine);

/* Are there any? For who frees what was taken while there were. */
static inline bool chunks__are_there(const struct chunks *chunks)
{
    return __atomic_load_n(&chunks->count, __ATOMIC_RELAXED) != 0;
}

#endif
