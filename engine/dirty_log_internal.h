/* SPDX-License-Identifier: MIT */
/*
 * What dirty_log.c, which keeps the logs, and dirty_log_news.c, which says what
 * listeners know of them, share.
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

struct dirty_log {
    struct dirty_log *next; /* constant once published */
    unsigned client;
    unsigned users; /* atomic; changed under the writer lock */
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

static inline struct dirty_area *dirty_log__find_area(const MemoryRegion *mr)
{
    struct dirty_area *area = dirty_log__first_area(mr->engine);

    while (area != NULL && area->mr != mr) {
        area = dirty_log__next_area(area);
    }
    return area;
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

/* dirty_log_news.c: @mr is logged from its making on. */
void dirty_log__born_news(const MemoryRegion *mr);

#endif
