/* SPDX-License-Identifier: MIT */
/*
 * Dirty logs. One area for each region that was ever logged, with a log for
 * each client that ever did:
 *
 *   engine -> area -> area -> NULL
 *              |  host, size, region
 *              +-> log (client 0) -> log (client 2) -> NULL
 *                   bits
 *
 * Logs stay with their area when they are switched off, and areas with their
 * region: it takes them along when it ends, after a grace period of their own.
 * So readers walk both lists in a section and with nothing else. A board logs
 * a few regions, for a few clients.
 */
#include "engine/dirty_log.h"

#include <errno.h>

#include "engine/dirty_log_internal.h"
#include "engine/engine_internal.h"
#include "engine/ram.h"
#include "engine/ram_writes.h"
#include "engine/rcu.h"

int dirty_log__init(struct dirty_logs *logs)
{
    return -pthread_mutex_init(&logs->lock, NULL);
}

void dirty_log__finish(struct dirty_logs *logs)
{
    xbar_assert(logs->areas == NULL && logs->parties == NULL);
    pthread_mutex_destroy(&logs->lock);
}

/* ---- Areas and logs ---------------------------------------------------- */

static size_t log_bytes(const struct dirty_area *area)
{
    uint64_t words = dirty_log__words(dirty_log__pages(area));

    return sizeof(struct dirty_log) +
           (size_t)(words + dirty_log__words(words)) * sizeof(uint64_t);
}

static void release_area(struct xbar_engine *engine,
                         struct xbar_retired *object)
{
    struct dirty_area *area =
        xbar_container_of(object, struct dirty_area, retired);

    while (area->logs != NULL) {
        struct dirty_log *log = area->logs;

        area->logs = log->next;
        xbar_free(engine, log, log_bytes(area));
    }
    xbar_free(engine, area, sizeof(*area));
}

static struct dirty_log *add_log(struct xbar_engine *engine,
                                 struct dirty_area *area, unsigned client)
{
    struct dirty_log *log = xbar_alloc(engine, log_bytes(area));

    if (log != NULL) {
        log->client = client;
        log->summary = log->bits + dirty_log__words(dirty_log__pages(area));
        log->next = area->logs;
        __atomic_store_n(&area->logs, log, __ATOMIC_RELEASE);
    }
    return log;
}

/* With its first log, or not at all. */
static struct dirty_log *make_area(MemoryRegion *mr, unsigned client)
{
    struct xbar_engine *engine = mr->engine;
    struct dirty_logs *logs = &engine->dirty_logs;
    struct dirty_area *area = xbar_alloc(engine, sizeof(*area));

    if (area == NULL) {
        return NULL;
    }
    area->mr = mr;
    area->host = (uintptr_t)mr->ram_block->host;
    area->size = mr->ram_block->max_size;
    if (add_log(engine, area, client) == NULL) {
        xbar_free(engine, area, sizeof(*area));
        return NULL;
    }
    if (logs->queue.release == NULL) {
        logs->queue.release = release_area;
        xbar_retire_queue_add(engine, &logs->queue);
    }
    area->next = logs->areas;
    __atomic_store_n(&logs->areas, area, __ATOMIC_RELEASE);
    return area->logs;
}

static struct dirty_log *make_log(MemoryRegion *mr, unsigned client)
{
    struct dirty_area *area = dirty_log__find_area(mr);
    struct dirty_log *log = dirty_log__find_log(area, client);

    if (log != NULL) {
        return log;
    }
    return area != NULL ? add_log(mr->engine, area, client)
                        : make_area(mr, client);
}

/* Under the writer lock. */
void dirty_log__forget(const MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;
    struct dirty_area **link = &engine->dirty_logs.areas;
    struct dirty_area *area;

    while (*link != NULL && (*link)->mr != mr) {
        link = &(*link)->next;
    }
    area = *link;
    if (area == NULL) {
        return;
    }
    for (struct dirty_log *log = area->logs; log != NULL; log = log->next) {
        if (dirty_log__is_on(log)) {
            xbar_ram_writes_watch(engine, false);
        }
    }
    __atomic_store_n(link, area->next, __ATOMIC_RELEASE);
    xbar_retire(engine, &engine->dirty_logs.queue, &area->retired,
                sizeof(*area));
}

/* ---- Bits -------------------------------------------------------------- */

/* The bits of pages @first to @last that are in the word of @first. */
static uint64_t mask_of(uint64_t first, uint64_t last)
{
    unsigned low = first % WORD_BITS;
    uint64_t count = last - first + 1;
    uint64_t mask = UINT64_MAX << low;

    if (count < WORD_BITS - low) {
        mask &= (UINT64_MAX >> (WORD_BITS - low - count));
    }
    return mask;
}

static uint64_t next_word(uint64_t page)
{
    return (page | (WORD_BITS - 1)) + 1;
}

/* Was one clear? */
static bool set_bits(struct dirty_log *log, uint64_t first, uint64_t last)
{
    bool was_clear = false;

    for (; first <= last; first = next_word(first)) {
        was_clear |=
            dirty_log__set(log, first / WORD_BITS, mask_of(first, last));
    }
    return was_clear;
}

static bool is_all_set(const struct dirty_log *log, uint64_t first,
                       uint64_t last)
{
    for (; first <= last; first = next_word(first)) {
        uint64_t mask = mask_of(first, last);

        if ((__atomic_load_n(&log->bits[first / WORD_BITS], __ATOMIC_ACQUIRE) &
             mask) != mask) {
            return false;
        }
    }
    return true;
}

/* ---- By host address: writers ------------------------------------------ */

struct pages {
    uint64_t first;
    uint64_t last;
};

/* Pages of @area in [@host, @host + @length). False: none. */
static bool cut(const struct dirty_area *area, uint64_t host, uint64_t length,
                struct pages *pages)
{
    uint64_t start = host > area->host ? host - area->host : 0;
    uint64_t end = host + length - area->host; /* if it reaches the area */

    if (length == 0 || host + length <= area->host || start >= area->size) {
        return false;
    }
    end = end < area->size ? end : area->size;
    pages->first = start >> XBAR_DIRTY_PAGE_BITS;
    pages->last = (end - 1) >> XBAR_DIRTY_PAGE_BITS;
    return true;
}

bool xbar_dirty_is_on(const struct xbar_engine *engine)
{
    return dirty_log__first_area(engine) != NULL;
}

static bool is_area_wanted(const struct dirty_area *area,
                           const struct pages *pages)
{
    for (struct dirty_log *log = dirty_log__first(area); log; log = log->next) {
        if (dirty_log__is_on(log) &&
            !is_all_set(log, pages->first, pages->last)) {
            return true;
        }
    }
    return false;
}

/* Does @is_it say so of some area's part of the memory? NULL: is it logged? */
static bool
any_area(const struct xbar_engine *engine, uint64_t host, uint64_t length,
         bool (*is_it)(const struct dirty_area *, const struct pages *))
{
    struct pages pages;
    bool found = false;

    if (likely(!xbar_dirty_is_on(engine))) {
        return false;
    }
    xbar_rcu_read_lock();
    for (struct dirty_area *area = dirty_log__first_area(engine);
         area && !found; area = dirty_log__next_area(area)) {
        found = cut(area, host, length, &pages) &&
                (is_it ? is_it(area, &pages) : dirty_log__mask(area) != 0);
    }
    xbar_rcu_read_unlock();
    return found;
}

bool xbar_dirty_is_wanted(const struct xbar_engine *engine, uint64_t host,
                          uint64_t length)
{
    return any_area(engine, host, length, is_area_wanted);
}

bool xbar_dirty_is_logged_at(const struct xbar_engine *engine, uint64_t host,
                             uint64_t length)
{
    return any_area(engine, host, length, NULL);
}

bool dirty_log__mark_area(struct dirty_area *area, uint64_t host,
                          uint64_t length)
{
    bool has_changed = false;
    struct pages pages;

    if (!cut(area, host, length, &pages)) {
        return false;
    }
    for (struct dirty_log *log = dirty_log__first(area); log; log = log->next) {
        if (dirty_log__is_on(log)) {
            has_changed |= set_bits(log, pages.first, pages.last);
        }
    }
    return has_changed;
}

void xbar_dirty_wrote(struct xbar_engine *engine, uint64_t host,
                      uint64_t length)
{
    bool has_changed = false;

    if (likely(!xbar_dirty_is_on(engine))) {
        return;
    }
    xbar_rcu_read_lock();
    for (struct dirty_area *area = dirty_log__first_area(engine); area != NULL;
         area = dirty_log__next_area(area)) {
        has_changed |= dirty_log__mark_area(area, host, length);
    }
    xbar_rcu_read_unlock();
    if (has_changed) {
        __atomic_fetch_add(&engine->dirty_logs.changes, 1, __ATOMIC_RELEASE);
    }
}

const uint64_t *xbar_dirty_changes(const struct xbar_engine *engine)
{
    return &engine->dirty_logs.changes;
}

/* ---- Switching on and off ---------------------------------------------- */

int xbar_dirty_log_start(MemoryRegion *mr, unsigned client)
{
    struct dirty_log *log;
    uint64_t pages;

    xbar_assert(engine__writer_is_mine(mr->engine));
    if (mr->ram_block == NULL || mr->ram_block->max_size == 0) {
        return -EINVAL;
    }
    log = make_log(mr, client);
    if (log == NULL) {
        return -ENOMEM;
    }
    if (log->users == 0) {
        /* Written or not, the client has not seen it. */
        pages = dirty_log__pages(dirty_log__find_area(mr));
        (void)set_bits(log, 0, pages - 1);
        xbar_ram_writes_watch(mr->engine, true);
    }
    __atomic_store_n(&log->users, log->users + 1, __ATOMIC_RELEASE);
    return 0;
}

int xbar_dirty_log_stop(MemoryRegion *mr, unsigned client)
{
    struct dirty_log *log =
        dirty_log__find_log(dirty_log__find_area(mr), client);

    xbar_assert(engine__writer_is_mine(mr->engine));
    if (log == NULL || log->users == 0) {
        return -EINVAL;
    }
    __atomic_store_n(&log->users, log->users - 1, __ATOMIC_RELEASE);
    if (log->users == 0) {
        xbar_ram_writes_watch(mr->engine, false);
    }
    return 0;
}

static void stop_before(struct xbar_ram_block *end, struct xbar_engine *engine,
                        unsigned client)
{
    for (struct xbar_ram_block *block = engine->ram_blocks; block != end;
         block = block->next) {
        (void)xbar_dirty_log_stop(block->mr, client);
    }
}

int xbar_dirty_log_all(struct xbar_engine *engine, unsigned client)
{
    struct dirty_logs *logs = &engine->dirty_logs;

    xbar_assert(engine__writer_is_mine(engine) && !logs->logs_all);
    for (struct xbar_ram_block *block = engine->ram_blocks; block != NULL;
         block = block->next) {
        int rc =
            block->max_size != 0 ? xbar_dirty_log_start(block->mr, client) : 0;

        if (rc) {
            stop_before(block, engine, client);
            return rc;
        }
    }
    logs->logs_all = true;
    logs->all_client = client;
    return 0;
}

void xbar_dirty_log_all_stop(struct xbar_engine *engine)
{
    struct dirty_logs *logs = &engine->dirty_logs;

    xbar_assert(engine__writer_is_mine(engine) && logs->logs_all);
    stop_before(NULL, engine, logs->all_client);
    logs->logs_all = false;
}

unsigned *xbar_dirty_reasons(struct xbar_engine *engine)
{
    return &engine->dirty_logs.reasons;
}

/* ---- By region: who looks ---------------------------------------------- */

void dirty_log__recheck(struct xbar_engine *engine)
{
    struct dirty_logs *logs = &engine->dirty_logs;

    pthread_mutex_lock(&logs->lock);
    for (struct xbar_dirty_party *p = logs->parties; p; p = p->next) {
        p->recheck(p);
    }
    pthread_mutex_unlock(&logs->lock);
}

/* The log with pages @first to @last, cut to what there is; NULL: none. */
static struct dirty_log *find_pages(const MemoryRegion *mr, unsigned client,
                                    uint64_t first, uint64_t *last)
{
    struct dirty_log *log =
        dirty_log__find_log(dirty_log__find_area(mr), client);
    uint64_t pages;

    if (log == NULL || !dirty_log__is_on(log) || first > *last) {
        return NULL;
    }
    pages = (ram__size(mr->ram_block) + PAGE_SIZE - 1) >> XBAR_DIRTY_PAGE_BITS;
    if (first >= pages) {
        return NULL;
    }
    *last = *last < pages ? *last : pages - 1;
    return log;
}

bool xbar_dirty_test(const MemoryRegion *mr, unsigned client, uint64_t first,
                     uint64_t last)
{
    uint64_t found = 0;
    struct dirty_log *log;

    xbar_rcu_read_lock();
    log = find_pages(mr, client, first, &last);
    for (; log != NULL && !found && first <= last; first = next_word(first)) {
        found =
            __atomic_load_n(&log->bits[first / WORD_BITS], __ATOMIC_ACQUIRE) &
            mask_of(first, last);
    }
    xbar_rcu_read_unlock();
    return found != 0;
}

/* @word is of pages from @page on; its lowest bit may be any page's. */
static void put_bits(uint64_t *bits, uint64_t at, uint64_t word)
{
    unsigned shift = at % WORD_BITS;

    bits[at / WORD_BITS] |= word << shift;
    if (shift != 0 && word >> (WORD_BITS - shift) != 0) {
        bits[at / WORD_BITS + 1] |= word >> (WORD_BITS - shift);
    }
}

bool xbar_dirty_clear(MemoryRegion *mr, unsigned client, uint64_t first,
                      uint64_t last, uint64_t *bits)
{
    uint64_t start = first;
    bool found = false;
    struct dirty_log *log;

    xbar_rcu_read_lock();
    log = find_pages(mr, client, first, &last);
    for (; log != NULL && first <= last; first = next_word(first)) {
        uint64_t mask = mask_of(first, last);
        uint64_t was = mask & __atomic_fetch_and(&log->bits[first / WORD_BITS],
                                                 ~mask, __ATOMIC_SEQ_CST);

        found |= was != 0;
        if (was != 0 && bits != NULL) {
            put_bits(bits, first - start, was >> (first % WORD_BITS));
        }
    }
    xbar_rcu_read_unlock();
    if (found) {
        dirty_log__recheck(mr->engine);
    }
    return found;
}

/* ---- Parties ----------------------------------------------------------- */

void xbar_dirty_join(struct xbar_engine *engine, struct xbar_dirty_party *party)
{
    struct dirty_logs *logs = &engine->dirty_logs;

    pthread_mutex_lock(&logs->lock);
    party->next = logs->parties;
    logs->parties = party;
    pthread_mutex_unlock(&logs->lock);
}

void xbar_dirty_leave(struct xbar_engine *engine,
                      struct xbar_dirty_party *party)
{
    struct dirty_logs *logs = &engine->dirty_logs;
    struct xbar_dirty_party **p = &logs->parties;

    pthread_mutex_lock(&logs->lock);
    while (*p != party) {
        p = &(*p)->next;
    }
    *p = party->next;
    pthread_mutex_unlock(&logs->lock);
}

int dirty_log__born(MemoryRegion *mr)
{
    const struct dirty_logs *logs = &mr->engine->dirty_logs;
    int rc;

    if (!logs->logs_all || mr->ram_block->max_size == 0) {
        return 0;
    }
    rc = xbar_dirty_log_start(mr, logs->all_client);
    if (rc) {
        region__finish(mr);
    } else {
        dirty_log__born_news(mr); /* no view has it yet: nobody is told */
    }
    return rc;
}

int xbar_dirty_log_mask(const MemoryRegion *mr)
{
    int mask;

    xbar_rcu_read_lock();
    mask = dirty_log__mask(dirty_log__find_area(mr));
    xbar_rcu_read_unlock();
    return mask;
}

bool xbar_dirty_is_logged(const MemoryRegion *mr, unsigned client)
{
    struct dirty_log *log;
    bool logged;

    xbar_rcu_read_lock();
    log = dirty_log__find_log(dirty_log__find_area(mr), client);
    logged = log != NULL && dirty_log__is_on(log);
    xbar_rcu_read_unlock();
    return logged;
}
