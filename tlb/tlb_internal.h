/* SPDX-License-Identifier: MIT */
/*
 * What the files of tlb/ share.
 *
 *   tlb.c      life cycle; enter, leave, safe point
 *   access.c   accesses that did not hit inline
 *   bytes.c    the same, of 1 to 16 bytes
 *   fill.c     walk, view lookup, which tags may hit
 *   l2.c       what walks found, for longer than the entries last
 *   flush.c    dropping entries (owner thread)
 *   inbox.c    what other threads ask to be dropped
 *   iommu.c    pages behind IOMMUs
 *   span.c     runs of pages
 *   count.c    accesses, for config.counts
 *   watch.c    bytes whose accesses are told
 */
#ifndef XBAR_TLB_TLB_INTERNAL_H
#define XBAR_TLB_TLB_INTERNAL_H

#include "engine/check.h"
#include "flatview/subscriber.h"
#include "tlb/tlb.h"

/* Whose regions @tlb's address space shows. */
static inline struct xbar_engine *tlb__engine(const SoftTLB *tlb)
{
    return xbar_address_space_engine(tlb->config.as);
}

/* ---- Pages ------------------------------------------------------------- */

/* config.page_bits is what it means here, never 0. */
static inline uint64_t tlb__page_size(const SoftTLB *tlb)
{
    return (uint64_t)1 << tlb->config.page_bits;
}

static inline uint64_t tlb__page_of(const SoftTLB *tlb, uint64_t addr)
{
    return addr & -tlb__page_size(tlb);
}

static inline uint64_t tlb__in_page(const SoftTLB *tlb, uint64_t addr)
{
    return addr & (tlb__page_size(tlb) - 1);
}

static inline unsigned tlb__slot(const SoftTLB *tlb, uint64_t va)
{
    return tlb_page_index(va, tlb->config.page_bits);
}

/* The tag that no address can match in the slot of @page. */
static inline uint64_t tlb__miss_tag(const SoftTLB *tlb, uint64_t page)
{
    return page ^ tlb__page_size(tlb);
}

/* ---- fill.c ------------------------------------------------------------ */

/*
 * Does @info answer @access at @va without a walk? The asid is not looked at:
 * what is in the table holds until it is dropped.
 */
static inline bool tlb__grants(const SoftTLB *tlb, const TLBInfo *info,
                               uint64_t va, enum xbar_tlb_access access)
{
    return (info->flags & TLB_INFO_VALID) &&
           info->page == tlb__page_of(tlb, va) && (info->prot & (1u << access));
}

/*
 * Walk and fill the slot of @va, whatever it held. Return: 0, after which
 * tlb__grants() holds; or nonzero with the fault set and the slot untouched.
 */
int tlb__fill(SoftTLB *tlb, unsigned context, uint64_t va,
              enum xbar_tlb_access access) XBAR_MUST_CHECK;

/*
 * A store of @size bytes to RAM at @va, which is at @phys in @section, is about
 * to happen: tell who keeps code of the page, mark it in dirty logs, and let
 * stores hit inline if nobody wants to know of them any more.
 *
 * Return: are there dirty logs? Then tlb__stored() follows the store.
 */
bool tlb__begin_store(SoftTLB *tlb, unsigned context, uint64_t va, hwaddr phys,
                      const FlatRange *section, unsigned size);

/*
 * Mark it once more: the bit may have been cleared since, by somebody who read
 * the memory before the store was made.
 */
void tlb__stored(const SoftTLB *tlb, const void *host, unsigned size);

/* The same for what was stored through tlb_host() up to now. */
void tlb__stored_by_host(SoftTLB *tlb);

/* Record a fault. Return: nonzero, the walker's code if there is one. */
int tlb__fault(SoftTLB *tlb, uint64_t va, int code, MemTxResult result);

/* ---- l2.c -------------------------------------------------------------- */

/* Without one while an entry at a time is all there may be. -ENOMEM. */
int tlb__l2_open(SoftTLB *tlb) XBAR_MUST_CHECK;
void tlb__l2_close(SoftTLB *tlb);

/* What a walk of the page of @va found, if that grants @access. */
bool tlb__l2_find(SoftTLB *tlb, unsigned context, uint64_t va,
                  enum xbar_tlb_access access, struct xbar_tlb_walk *walk);
void tlb__l2_put(SoftTLB *tlb, unsigned context, uint64_t va,
                 const struct xbar_tlb_walk *walk);

void tlb__l2_flush(SoftTLB *tlb, unsigned context);
void tlb__l2_flush_page(SoftTLB *tlb, unsigned context, uint64_t va);

/* ---- flush.c ----------------------------------------------------------- */

/* Slots that fill_list holds; beyond, a context is cleared as a table. */
#define TLB_FILL_LIST_SIZE \
    (sizeof(((SoftTLB *)0)->fill_list[0]) / sizeof(uint16_t))

/* Make every slot of @context empty, whatever is in the memory. */
void tlb__clear_table(SoftTLB *tlb, unsigned context);

/* Empty the slots and spans of @contexts; what walks found stays. */
void tlb__clear_contexts(SoftTLB *tlb, unsigned contexts);

/* A slot is about to be filled: remember it for the next clearing. */
void tlb__note_filled(SoftTLB *tlb, unsigned context, unsigned index);

/* A slot got a write tag that hits. */
void tlb__note_granted(SoftTLB *tlb, unsigned context, unsigned index);

/* tlb_protect_code() of everything. */
void tlb__protect_all(SoftTLB *tlb);

/*
 * Dirty bits were cleared: write tags of pages that are clean in some log go.
 * @marks: this thread may have stored through them since, so such pages are
 * dirty.
 */
void tlb__recheck_dirty(SoftTLB *tlb, bool marks);

/* Drop the entries whose physical page touches one of @ranges. */
void tlb__drop_ranges(SoftTLB *tlb, const struct xbar_range *ranges,
                      size_t count);

/* ---- span.c ------------------------------------------------------------ */

void tlb__init_spans(SoftTLB *tlb);
/* Drop what @context has; the spans that @page is in. */
void tlb__drop_spans(SoftTLB *tlb, unsigned context);
void tlb__drop_spans_of_page(SoftTLB *tlb, unsigned context, uint64_t page);
/* Drop spans for writing that show part of the frame at @host; all. */
void tlb__protect_spans(SoftTLB *tlb, unsigned context, uint64_t host);
void tlb__protect_all_spans(SoftTLB *tlb, unsigned context);
/* tlb__recheck_dirty() for spans. */
void tlb__recheck_spans(SoftTLB *tlb, unsigned context, bool marks);
/* The entry of @page was filled: drop spans that say something else. */
void tlb__check_spans(SoftTLB *tlb, unsigned context, uint64_t page);

/* ---- count.c ----------------------------------------------------------- */

bool tlb__may_count(const struct xbar_tlb_counts *counts);
void tlb__init_counts(SoftTLB *tlb);

/* What counts an access of 1 << @size_log2 bytes that begins at @phys in
 * @section, to be raised once it was made; NULL: nothing does. */
uint64_t *tlb__counter(const SoftTLB *tlb, enum xbar_tlb_access access,
                       unsigned size_log2, const FlatRange *section,
                       hwaddr phys);

/* Is it memory of which accesses are counted rather than told? */
static inline bool tlb__is_counted(const SoftTLB *tlb, const FlatRange *section)
{
    return tlb->config.counts != NULL && section->mr == tlb->config.counts->ram;
}

/* ---- watch.c ----------------------------------------------------------- */

/* Accesses that may not hit inline in the page of @va, as permission bits. */
unsigned tlb__watched(const SoftTLB *tlb, unsigned context, uint64_t va);

/* Tell of an access that was carried out. */
XBAR_COLD void tlb__touch(const SoftTLB *tlb, unsigned context, uint64_t va,
                          unsigned size, enum xbar_tlb_access access);

/* ---- iommu.c ----------------------------------------------------------- */

/*
 * Accesses that the page of @info, which an IOMMU's section covers, can take
 * straight in memory, as permission bits; and where that lies.
 */
unsigned tlb__iommu_prot(SoftTLB *tlb, const TLBInfo *info, uint64_t *host);

/* Addresses of @tlb's own space changed; under the writer lock. */
void tlb__iommu_changed(SoftTLB *tlb, const struct xbar_range *ranges,
                        size_t count);

/* Listen no more. */
void tlb__iommu_close(SoftTLB *tlb);

/* ---- inbox.c ----------------------------------------------------------- */

/* Make the inbox and listen to commits; -ENOMEM. */
int tlb__inbox_open(SoftTLB *tlb) XBAR_MUST_CHECK;

/* Stop listening; when it returns nobody posts any more. */
void tlb__inbox_close(SoftTLB *tlb);

/* Drop entries whose physical page touches @range, soon. Any thread. */
void tlb__inbox_post(SoftTLB *tlb, const struct xbar_range *range);

/* Apply what was posted. One load if nothing was. */
void tlb__inbox_drain(SoftTLB *tlb);

/* The owner is about to use the TLB, and drains next; or has used it. */
void tlb__inbox_online(SoftTLB *tlb, bool online);

/* There is an entry without a section: post also what only comes. */
void tlb__inbox_hear_all(const SoftTLB *tlb);

#endif
