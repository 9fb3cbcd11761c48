/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages that are put back to what they were.
 *
 *     summary   bit n: look at word n          a bit for 256 KiB
 *     bits      bit n: page n is dirty
 *
 * Whoever puts a page back is a writer to everybody else: to the other logs of
 * the area, which are marked a word at a time, to areas that show the same host
 * memory, and to who keeps code of it. Only its own log forgets the page.
 */
#include <errno.h>

#include "engine/code_pages.h"
#include "engine/dirty_log_internal.h"

struct back {
    struct xbar_engine *engine;
    struct dirty_area *area;
    struct dirty_log *log;
    xbar_dirty_page_fn *put_back;
    void *opaque;
    uint64_t count;   /* of pages that were put back */
    bool has_cleared; /* a page's bit, put back or not */
    bool has_changed; /* a page that was clean for somebody else is not */
};

static uint64_t lowest_bit(uint64_t word)
{
    return (uint64_t)__builtin_ctzll(word);
}

static void tell_areas(struct back *back, uint64_t host)
{
    struct dirty_area *area = dirty_log__first_area(back->engine);

    for (; area != NULL; area = dirty_log__next_area(area)) {
        if (area != back->area) {
            back->has_changed |= dirty_log__mark_area(area, host, PAGE_SIZE);
        }
    }
}

static void tell_logs(struct back *back, uint64_t word, uint64_t pages)
{
    struct dirty_log *log = dirty_log__first(back->area);

    for (; log != NULL; log = log->next) {
        if (log != back->log && dirty_log__is_on(log)) {
            back->has_changed |= dirty_log__set(log, word, pages);
        }
    }
}

static void put_word_back(struct back *back, uint64_t word)
{
    uint64_t left =
        __atomic_exchange_n(&back->log->bits[word], 0, __ATOMIC_SEQ_CST);
    uint64_t pages = 0;

    back->has_cleared |= left != 0;
    for (; left != 0; left &= left - 1) {
        uint64_t page = word * WORD_BITS + lowest_bit(left);
        uint64_t host = back->area->host + page * PAGE_SIZE;

        if (back->put_back(back->opaque, page)) {
            pages |= left & -left;
            tell_areas(back, host);
            xbar_code_wrote(back->engine, host);
            back->count++;
        }
    }
    if (pages != 0) {
        tell_logs(back, word, pages);
    }
}

static void put_all_back(struct back *back)
{
    uint64_t words = dirty_log__words(dirty_log__pages(back->area));

    for (uint64_t i = 0; i < dirty_log__words(words); i++) {
        uint64_t *summary = &back->log->summary[i];
        uint64_t left = __atomic_load_n(summary, __ATOMIC_ACQUIRE);

        if (left != 0) {
            left = __atomic_exchange_n(summary, 0, __ATOMIC_SEQ_CST);
        }
        for (; left != 0; left &= left - 1) {
            put_word_back(back, i * WORD_BITS + lowest_bit(left));
        }
    }
}

uint64_t xbar_dirty_put_back(MemoryRegion *mr, unsigned client,
                             xbar_dirty_page_fn *put_back, void *opaque)
{
    struct back back = { .engine = mr->engine,
                         .area = dirty_log__find_area(mr),
                         .put_back = put_back,
                         .opaque = opaque };

    xbar_assert(engine__writer_is_mine(mr->engine));
    back.log = dirty_log__find_log(back.area, client);
    if (back.log == NULL || !dirty_log__is_on(back.log)) {
        return 0;
    }
    put_all_back(&back);
    if (back.has_changed) {
        __atomic_fetch_add(&mr->engine->dirty_logs.changes, 1,
                           __ATOMIC_RELEASE);
    }
    if (back.has_cleared) {
        dirty_log__recheck(mr->engine);
    }
    return back.count;
}

bool xbar_dirty_has_log(const struct xbar_engine *engine,
                        const MemoryRegion *mr, unsigned client)
{
    const struct dirty_log *log =
        dirty_log__find_log(dirty_log__find_area_in(engine, mr), client);

    xbar_assert(engine__writer_is_mine(engine));
    return log != NULL && dirty_log__is_on(log);
}

/* ---- Clients ----------------------------------------------------------- */

static_assert(XBAR_DIRTY_COPIES == 64, "a bit of a word for each");

int xbar_dirty_take_copy(struct xbar_engine *engine, unsigned *client)
{
    struct dirty_logs *logs = &engine->dirty_logs;
    uint64_t free_bits = ~logs->copies;

    xbar_assert(engine__writer_is_mine(engine));
    if (free_bits == 0) {
        return -ENOSPC;
    }
    *client = XBAR_DIRTY_FIRST_COPY + (unsigned)lowest_bit(free_bits);
    logs->copies |= free_bits & -free_bits;
    return 0;
}

void xbar_dirty_return_copy(struct xbar_engine *engine, unsigned client)
{
    xbar_assert(engine__writer_is_mine(engine));
    engine->dirty_logs.copies &=
        ~(UINT64_C(1) << (client - XBAR_DIRTY_FIRST_COPY));
}
