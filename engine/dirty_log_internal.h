/* SPDX-License-Identifier: MIT */
/*
 * What dirty_log.c, which keeps the logs, dirty_log_back.c, which has dirty pages
 * put back, and dirty_log_news.c, which says what listeners know of them, share.
 */
#ifndef XBAR_ENGINE_DIRTY_LOG_INTERNAL_H
#define XBAR_ENGINE_DIRTY_LOG_INTERNAL_H

#include "engine/alloc.h"
#include "engine/dirty_log.h"
#include "engine/engine_internal.h"

#define WORD_BITS 64
#define PAGE_SIZE ((uint64_t)1 << XBAR_DIRTY_PAGE_BITS)

/* The highest bit of a mask that is an int and not negative. */
#define MAX_MASK_BIT 30

/*
 * summary: bit n is set if bits[n] is not 0, or was not; who finds few dirty
 * pages among many looks there first. Set after a word that was 0, and cleared
 * before the word is: a writer under way in between sets it for the next time.
 */
struct dirty_log {
    struct dirty_log *next; /* constant once published */
    unsigned client;
    unsigned users;    /* atomic; changed under the writer lock */
    uint64_t *summary; /* behind the bits */
    uint64_t bits[];
};

struct dirty_area {
    struct dirty_area *next;
    const MemoryRegion *mr;
    uint64_t host; /* of byte 0 */
    uint64_t size; /* bytes */
    struct dirty_log *logs;
    struct xbar_dirty_news news; /* under the writer lock */
    struct xbar_retired retired;
};

static inline uint64_t dirty_log__words(uint64_t bits)
{
    return (bits + WORD_BITS - 1) / WORD_BITS;
}

static inline uint64_t dirty_log__pages(const struct dirty_area *area)
{
    return (area->size + PAGE_SIZE - 1) >> XBAR_DIRTY_PAGE_BITS;
}

/*
 * Always a read-modify-write: it is what orders the store before it against
 * whoever clears the bit, also where the bit is set already. Was one clear?
 */
static inline bool dirty_log__set(struct dirty_log *log, uint64_t word,
                                  uint64_t mask)
{
    uint64_t old = __atomic_fetch_or(&log->bits[word], mask, __ATOMIC_SEQ_CST);

    if (old == 0) {
        __atomic_fetch_or(&log->summary[word / WORD_BITS],
                          UINT64_C(1) << (word % WORD_BITS), __ATOMIC_SEQ_CST);
    }
    return (mask & ~old) != 0;
}

static inline struct dirty_area *
dirty_log__first_area(const struct xbar_engine *engine)
{
    return __atomic_load_n(&engine->dirty_logs.areas, __ATOMIC_ACQUIRE);
}

static inline struct dirty_area *
dirty_log__next_area(const struct dirty_area *area)
{
    return __atomic_load_n(&area->next, __ATOMIC_ACQUIRE);
}

static inline bool dirty_log__is_on(const struct dirty_log *log)
{
    return __atomic_load_n(&log->users, __ATOMIC_ACQUIRE) != 0;
}

static inline struct dirty_log *dirty_log__first(const struct dirty_area *area)
{
    return __atomic_load_n(&area->logs, __ATOMIC_ACQUIRE);
}

static inline struct dirty_area *
dirty_log__find_area_in(const struct xbar_engine *engine,
                        const MemoryRegion *mr)
{
    struct dirty_area *area = dirty_log__first_area(engine);

    while (area != NULL && area->mr != mr) {
        area = dirty_log__next_area(area);
    }
    return area;
}

static inline struct dirty_area *dirty_log__find_area(const MemoryRegion *mr)
{
    return dirty_log__find_area_in(mr->engine, mr);
}

static inline int dirty_log__mask(const struct dirty_area *area)
{
    unsigned mask = 0;

    for (struct dirty_log *log = area ? dirty_log__first(area) : NULL; log;
         log = log->next) {
        unsigned bit = log->client < MAX_MASK_BIT ? log->client : MAX_MASK_BIT;

        mask |= (unsigned)dirty_log__is_on(log) << bit;
    }
    return (int)mask;
}

/* The log of @client, which may be off; NULL: none. */
static inline struct dirty_log *
dirty_log__find_log(const struct dirty_area *area, unsigned client)
{
    struct dirty_log *log = area != NULL ? dirty_log__first(area) : NULL;

    while (log != NULL && log->client != client) {
        log = log->next;
    }
    return log;
}

/* Mark what of [@host, @host + @length) is in @area, in all logs that are on.
 * Was any page clean? */
bool dirty_log__mark_area(struct dirty_area *area, uint64_t host,
                          uint64_t length);

/* Bits were cleared: have all TLBs look at their write tags. */
void dirty_log__recheck(struct xbar_engine *engine);

/* dirty_log_news.c: @mr is logged from its making on. */
void dirty_log__born_news(const MemoryRegion *mr);

#endif
