/* SPDX-License-Identifier: MIT */
/*
 * Constraints
 *   - going back costs the pages that were written, not those that there are:
 *     a fuzzer does it a hundred thousand times a second;
 *   - several snapshots, each to go back to at any time;
 *   - nothing is asked of who writes but what dirty logs ask.
 *
 * Design
 *
 *     snapshot --> block --> block --> NULL        one for each region
 *                   |
 *                   +-- pages[]:  NULL             zeros
 *                                 page -> bytes    counted: snapshots share
 *
 * A copy is made of each page when the snapshot is taken, not when the page is
 * first written: DMA and mapped memory tell after they wrote, so that would be
 * too late. A page that is zero costs nothing, and one that an older snapshot
 * has, and nobody wrote since, is that one's.
 *
 * What was written since is the dirty log's to know: a client for each snapshot
 * (engine/dirty_log.h).
 *
 *     B after A       pages that A's log has clean are A's, the rest are copied;
 *                     B's log starts clean
 *     restore(A)      what A's log has dirty is put back, and dirty in B's
 *     restore(B)      so this finds them
 *
 * Under the writer lock: blocks (regions come and go), counts of pages.
 */
#include "flatview/ram_snapshot.h"

#include <errno.h>
#include <string.h>

#include "engine/alloc.h"
#include "engine/commit.h"
#include "engine/dirty_log.h"
#include "engine/ram_block.h"
#include "engine/tree.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener_internal.h"

static_assert(XBAR_RAM_SNAPSHOTS == XBAR_DIRTY_COPIES, "a client for each");

#define PAGE XBAR_DIRTY_PAGE_SIZE

/* Looked at as a whole: pages of an older snapshot that are all clean. */
#define GROUP 64

struct saved_page {
    uint64_t users;
    uint8_t bytes[PAGE];
};

struct saved_block {
    struct saved_block *next;
    MemoryRegion *mr;
    RAMBlock *block;
    uint8_t *host;
    uint64_t size;
    uint64_t count; /* of pages */
    bool is_logged; /* by our client, from when it was copied */
    struct saved_page *pages[];
};

struct xbar_ram_snapshot {
    struct xbar_engine *engine;
    unsigned client;
    struct saved_block *blocks;
    struct xbar_ram_snapshot_info info;
};

/* ---- Pages ------------------------------------------------------------- */

/* The last one may be short. */
static size_t page_length(const struct saved_block *block, uint64_t page)
{
    uint64_t left = block->size - page * PAGE;

    return left < PAGE ? (size_t)left : PAGE;
}

/* Most pages that are not zero say so by their first words. */
static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static void put_page(struct xbar_engine *engine, struct saved_page *page)
{
    if (page != NULL && --page->users == 0) {
        xbar_free(engine, page, sizeof(*page));
    }
}

static int copy_page(struct xbar_ram_snapshot *s, struct saved_block *block,
                     uint64_t n)
{
    const uint8_t *bytes = block->host + n * PAGE;
    size_t length = page_length(block, n);
    struct saved_page *page;

    if (is_zero(bytes, length)) {
        return 0;
    }
    page = xbar_alloc(s->engine, sizeof(*page));
    if (page == NULL) {
        return -ENOMEM;
    }
    page->users = 1;
    memcpy(page->bytes, bytes, length);
    block->pages[n] = page;
    s->info.copies++;
    return 0;
}

static void share_page(struct xbar_ram_snapshot *s, struct saved_block *block,
                       const struct saved_block *from, uint64_t n)
{
    if (from->pages[n] != NULL) {
        from->pages[n]->users++;
        block->pages[n] = from->pages[n];
        s->info.shared++;
    }
}

/* ---- Blocks ------------------------------------------------------------ */

static size_t block_bytes(uint64_t count)
{
    return sizeof(struct saved_block) +
           (size_t)count * sizeof(struct saved_page *);
}

/* For xbar_ram_block_foreach(). */
static int add_block(RAMBlock *block, void *opaque)
{
    struct xbar_ram_snapshot *s = opaque;
    struct xbar_ram_block_info info;
    struct saved_block *saved;
    uint64_t count;

    xbar_ram_block_get_info(block, &info);
    if (info.size == 0 || memory_region_is_ram_device(info.mr) ||
        !xbar_region_is_usable(info.mr)) {
        return 0; /* or is about to go */
    }
    count = (info.size + PAGE - 1) / PAGE;
    saved = xbar_alloc(s->engine, block_bytes(count));
    if (saved == NULL) {
        return -ENOMEM;
    }
    saved->mr = info.mr;
    saved->block = block;
    saved->host = info.host;
    saved->size = info.size;
    saved->count = count;
    saved->next = s->blocks;
    s->blocks = saved;
    s->info.pages += count;
    return 0;
}

static void free_block(struct xbar_ram_snapshot *s, struct saved_block *block)
{
    for (uint64_t n = 0; n < block->count; n++) {
        put_page(s->engine, block->pages[n]);
    }
    xbar_free(s->engine, block, block_bytes(block->count));
}

/* A region that was made at the address of one that has ended is not logged by
 * our client. */
static bool is_there(const struct xbar_ram_snapshot *s,
                     const struct saved_block *block)
{
    return block->is_logged &&
           xbar_dirty_has_log(s->engine, block->mr, s->client);
}

static const struct saved_block *find_block(const struct xbar_ram_snapshot *s,
                                            const struct saved_block *like)
{
    const struct saved_block *b = s != NULL ? s->blocks : NULL;

    while (b != NULL &&
           (b->mr != like->mr || b->size != like->size || !is_there(s, b))) {
        b = b->next;
    }
    return b;
}

/* ---- Listeners that log ------------------------------------------------ */

static bool wants_logs(const MemoryListener *l)
{
    return l->log_sync != NULL || l->log_sync_global != NULL ||
           l->log_clear != NULL;
}

/* Does somebody else see writes, a hypervisor, that we would have to ask? */
static bool has_loggers(struct xbar_engine *engine)
{
    struct xbar_flatview_space *space = NULL;

    while ((space = flatview__next_space(engine, space)) != NULL) {
        for (const MemoryListener *l = space->first_listener; l != NULL;
             l = l->link_next) {
            if (wants_logs(l)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- Taking ------------------------------------------------------------ */

static int copy_group(struct xbar_ram_snapshot *s, struct saved_block *block,
                      const struct xbar_ram_snapshot *after,
                      const struct saved_block *older, uint64_t first)
{
    uint64_t end = first + GROUP < block->count ? first + GROUP : block->count;
    bool all = older == NULL;
    bool any = all || xbar_dirty_test(block->mr, after->client, first, end - 1);
    int rc = 0;

    for (uint64_t n = first; n < end && rc == 0; n++) {
        if (all || (any && xbar_dirty_test(block->mr, after->client, n, n))) {
            rc = copy_page(s, block, n);
        } else {
            share_page(s, block, older, n);
        }
    }
    return rc;
}

/* Clean first, and then copied. */
static int copy_block(struct xbar_ram_snapshot *s, struct saved_block *block,
                      const struct xbar_ram_snapshot *after)
{
    const struct saved_block *older = find_block(after, block);
    int rc = memory_region_set_log(block->mr, true, s->client);

    if (rc) {
        return rc;
    }
    block->is_logged = true;
    if (has_loggers(s->engine)) {
        memory_region_sync_dirty_bitmap(block->mr);
    }
    memory_region_reset_dirty(block->mr, 0, UINT64_MAX, s->client);
    for (uint64_t n = 0; n < block->count && rc == 0; n += GROUP) {
        rc = copy_group(s, block, after, older, n);
    }
    return rc;
}

static int copy_all(struct xbar_ram_snapshot *s,
                    const struct xbar_ram_snapshot *after)
{
    int rc = xbar_ram_block_foreach(add_block, s);

    for (struct saved_block *b = s->blocks; b != NULL && rc == 0; b = b->next) {
        rc = copy_block(s, b, after);
    }
    return rc;
}

/* Blocks are those of the current engine. */
static int fill(struct xbar_ram_snapshot *s,
                const struct xbar_ram_snapshot *after)
{
    int rc = xbar_engine_enter(s->engine);

    if (rc) {
        return rc;
    }
    rc = copy_all(s, after);
    (void)xbar_engine_leave(s->engine);
    return rc;
}

static struct xbar_ram_snapshot *new_snapshot(struct xbar_engine *engine,
                                              int *rc)
{
    struct xbar_ram_snapshot *s = xbar_alloc(engine, sizeof(*s));

    *rc = -ENOMEM;
    if (s != NULL) {
        s->engine = engine;
        *rc = xbar_dirty_take_copy(engine, &s->client);
    }
    if (s != NULL && *rc) {
        xbar_free(engine, s, sizeof(*s));
        s = NULL;
    }
    return s;
}

/* Under the writer lock. */
static void free_snapshot(struct xbar_ram_snapshot *s)
{
    while (s->blocks != NULL) {
        struct saved_block *block = s->blocks;

        s->blocks = block->next;
        if (is_there(s, block)) {
            (void)memory_region_set_log(block->mr, false, s->client);
        }
        free_block(s, block);
    }
    xbar_dirty_return_copy(s->engine, s->client);
    xbar_free(s->engine, s, sizeof(*s));
}

int xbar_ram_snapshot_take(struct xbar_engine *engine,
                           const struct xbar_ram_snapshot *after,
                           struct xbar_ram_snapshot **to)
{
    struct xbar_ram_snapshot *s;
    int rc;

    *to = NULL;
    if (after != NULL && after->engine != engine) {
        return -EINVAL;
    }
    if (xbar_transaction_is_open()) {
        return -EBUSY;
    }
    xbar_tree_hold(engine);
    s = new_snapshot(engine, &rc);
    if (s != NULL) {
        rc = fill(s, after);
        if (rc) {
            free_snapshot(s);
        } else {
            *to = s;
        }
    }
    xbar_tree_release(engine);
    return rc;
}

void xbar_ram_snapshot_drop(struct xbar_ram_snapshot *snapshot)
{
    struct xbar_engine *engine;

    if (snapshot != NULL) {
        engine = snapshot->engine;
        xbar_tree_hold(engine);
        free_snapshot(snapshot);
        xbar_tree_release(engine);
    }
}

/* ---- Going back -------------------------------------------------------- */

static uint64_t size_now(const struct saved_block *block)
{
    struct xbar_ram_block_info info;

    xbar_ram_block_get_info(block->block, &info);
    return info.size;
}

static int check(const struct xbar_ram_snapshot *s)
{
    for (const struct saved_block *b = s->blocks; b != NULL; b = b->next) {
        if (!is_there(s, b) || !xbar_region_is_usable(b->mr) ||
            size_now(b) != b->size) {
            return -ESTALE;
        }
    }
    return 0;
}

int xbar_ram_snapshot_check(const struct xbar_ram_snapshot *snapshot)
{
    int rc = -EBUSY;

    if (!xbar_transaction_is_open()) {
        xbar_tree_hold(snapshot->engine);
        rc = check(snapshot);
        xbar_tree_release(snapshot->engine);
    }
    return rc;
}

static bool put_page_back(void *opaque, uint64_t n)
{
    const struct saved_block *block = opaque;
    const struct saved_page *page;

    if (n >= block->count) {
        return false; /* set aside, and not shown */
    }
    page = block->pages[n];
    if (page != NULL) {
        memcpy(block->host + n * PAGE, page->bytes, page_length(block, n));
    } else {
        memset(block->host + n * PAGE, 0, page_length(block, n));
    }
    return true;
}

static uint64_t put_block_back(struct xbar_ram_snapshot *s,
                               struct saved_block *block, bool asks)
{
    uint64_t pages;

    if (asks) {
        memory_region_sync_dirty_bitmap(block->mr);
    }
    pages = xbar_dirty_put_back(block->mr, s->client, put_page_back, block);
    if (asks && pages != 0) {
        memory_region_clear_dirty_bitmap(block->mr, 0, block->size);
    }
    return pages;
}

static uint64_t put_all_back(struct xbar_ram_snapshot *s)
{
    bool asks = has_loggers(s->engine);
    uint64_t pages = 0;

    for (struct saved_block *b = s->blocks; b != NULL; b = b->next) {
        pages += put_block_back(s, b, asks);
    }
    s->info.restores++;
    s->info.pages_copied += pages;
    return pages;
}

int xbar_ram_snapshot_restore(struct xbar_ram_snapshot *snapshot,
                              uint64_t *pages)
{
    uint64_t count = 0;
    int rc;

    if (xbar_transaction_is_open()) {
        return -EBUSY;
    }
    xbar_tree_hold(snapshot->engine);
    rc = check(snapshot);
    if (rc == 0) {
        count = put_all_back(snapshot);
    }
    xbar_tree_release(snapshot->engine);
    if (pages != NULL) {
        *pages = count;
    }
    return rc;
}

void xbar_ram_snapshot_get_info(const struct xbar_ram_snapshot *snapshot,
                                struct xbar_ram_snapshot_info *info)
{
    *info = snapshot->info;
}
