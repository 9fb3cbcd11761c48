/* SPDX-License-Identifier: MIT */
/*
 * Dirty logs: which pages of a region's memory were written, for whom.
 *
 * A log is one client's bitmap over the memory behind one region, a bit for
 * 4 KiB of it. Like code pages, memory is named by where it lies in the host:
 * what writes to it (a TLB, DMA, a map) knows that and nothing more, and two
 * regions that show one buffer are both right.
 *
 *   writer            stores, then marks               xbar_dirty_wrote()
 *   a TLB             stores inline where every log has the page's bit set
 *                     already: xbar_dirty_is_wanted() is asked at fills
 *   who clears bits   clears, then has all TLBs look again at their write
 *                     tags (recheck), then reads memory
 *
 * No write is lost: one that is not yet visible to whoever cleared the bit is
 * marked afterwards, or was made inline through a tag that is still there
 * when the TLB rechecks, and then the TLB marks the page. So a page that a
 * vCPU was storing to while it was cleared may be reported once too often.
 *
 *                       written                          read
 *   areas, logs         release, under the writer lock   acquire, in a section
 *   bits                RMW, seq_cst                     RMW; a test: acquire
 *   parties             under `lock`                     under `lock`
 *
 * Lock order: writer lock, `lock`, then what recheck() takes (an inbox).
 */
#ifndef XBAR_ENGINE_DIRTY_LOG_H
#define XBAR_ENGINE_DIRTY_LOG_H

#include "engine/memory.h"

#define XBAR_DIRTY_PAGE_BITS 12

/* A vCPU, whose inline stores nobody sees. */
struct xbar_dirty_party {
    /*
     * Take inline stores to pages that xbar_dirty_is_wanted() back, soon. Any
     * thread, under the registry's lock: must not block or call back.
     */
    void (*recheck)(struct xbar_dirty_party *party);
    struct xbar_dirty_party *next; /* private */
};

/* Any thread; when leave returns, no recheck is under way. */
void xbar_dirty_join(struct xbar_engine *engine,
                     struct xbar_dirty_party *party);
void xbar_dirty_leave(struct xbar_engine *engine,
                      struct xbar_dirty_party *party);

/*
 * @client logs @mr once more, or once less; all pages are dirty when it starts
 * to. Under the writer lock. -EINVAL without memory behind @mr, or (stop) if
 * @client does not log; -ENOMEM.
 */
int xbar_dirty_log_start(MemoryRegion *mr, unsigned client) XBAR_MUST_CHECK;
int xbar_dirty_log_stop(MemoryRegion *mr, unsigned client);

/*
 * @client logs all memory that is there, and what will be made; under the
 * writer lock, one client at a time. -ENOMEM: nothing changed.
 */
int xbar_dirty_log_all(struct xbar_engine *engine, unsigned client)
    XBAR_MUST_CHECK;
void xbar_dirty_log_all_stop(struct xbar_engine *engine);

/* Why: flatview/'s bits, for it to keep. */
unsigned *xbar_dirty_reasons(struct xbar_engine *engine);

/* Who logs @mr, as memory_region_get_dirty_log_mask(). Any thread. */
int xbar_dirty_log_mask(const MemoryRegion *mr);
bool xbar_dirty_is_logged(const MemoryRegion *mr, unsigned client);

/* The same for a region that may have ended: who began to log what was at @mr
 * then is not told of what is there now. Under the writer lock. */
bool xbar_dirty_has_log(const struct xbar_engine *engine,
                        const MemoryRegion *mr, unsigned client);

/*
 * Who logged @mr when listeners were last told, and who they are told now: the
 * same outside of a pass. Of all memory: 0 or 1. Under the writer lock.
 */
struct xbar_dirty_news {
    int old_mask;
    int new_mask;
};
struct xbar_dirty_news xbar_dirty_news_of(const MemoryRegion *mr);
struct xbar_dirty_news xbar_dirty_news_of_all(const struct xbar_engine *engine);

/* A pass over what changed since the last one. begin: false, there is none. */
bool xbar_dirty_news_begin(struct xbar_engine *engine);
void xbar_dirty_news_end(struct xbar_engine *engine);
/* xbar_where_add() for each region that the pass is about. */
int xbar_dirty_news_where(struct xbar_engine *engine) XBAR_MUST_CHECK;

/* Is there any log in @engine? One load. */
bool xbar_dirty_is_on(const struct xbar_engine *engine);

/* Does some log have a clean page in [@host, @host + @length)? */
bool xbar_dirty_is_wanted(const struct xbar_engine *engine, uint64_t host,
                          uint64_t length);

/* Does anybody log part of it, whether it is clean or not? */
bool xbar_dirty_is_logged_at(const struct xbar_engine *engine, uint64_t host,
                             uint64_t length);

/* [@host, @host + @length) was written. */
void xbar_dirty_wrote(struct xbar_engine *engine, uint64_t host,
                      uint64_t length);

/* See flatview/dirty_bitmap.h. */
XBAR_API const uint64_t *xbar_dirty_changes(const struct xbar_engine *engine);

/*
 * Pages @first to @last of @mr. test: is any dirty? clear: the same, and none
 * is any more; bit i of @bits (NULL: not wanted), counted from @first, is set
 * if page @first + i was. False if @client does not log.
 */
bool xbar_dirty_test(const MemoryRegion *mr, unsigned client, uint64_t first,
                     uint64_t last);
bool xbar_dirty_clear(MemoryRegion *mr, unsigned client, uint64_t first,
                      uint64_t last, uint64_t *bits);

/*
 * @put_back writes page @page of @mr, for each that @client has dirty, in no
 * order; some may lie behind the bytes that @mr shows now. Did it? All are clean
 * for @client then; those that it wrote are dirty for everybody else, and told
 * to who keeps code of them. Costs what is dirty, and a load for each 16 MiB.
 *
 * For who made a copy when all was clean, while nobody else writes: what is
 * written to a page while it is put back may be lost. Under the writer lock.
 * Return: how many were written.
 */
typedef bool xbar_dirty_page_fn(void *opaque, uint64_t page);
uint64_t xbar_dirty_put_back(MemoryRegion *mr, unsigned client,
                             xbar_dirty_page_fn *put_back, void *opaque);

/* Clients of such copies: numbers that embedders and adapters leave alone. */
#define XBAR_DIRTY_COPIES     64
#define XBAR_DIRTY_FIRST_COPY ((UINT32_C(1) << 31) - XBAR_DIRTY_COPIES)

/* A client that no other copy has; -ENOSPC. Under the writer lock. */
int xbar_dirty_take_copy(struct xbar_engine *engine, unsigned *client)
    XBAR_MUST_CHECK;
void xbar_dirty_return_copy(struct xbar_engine *engine, unsigned client);

#endif
