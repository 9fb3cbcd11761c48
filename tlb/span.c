/* SPDX-License-Identifier: MIT */
/*
 * Spans: runs of pages that follow one another in the guest and on the host.
 *
 * An entry answers for 4 KiB, and where it lies depends on the address, so the
 * address is two loads away from the memory. A span answers for as much as was
 * seen to have one addend, and lies at a place that is known when code is
 * made: the slot of the register that the address is made of.
 *
 *     va  - start  < count            a hit: all 8 bytes at va are inside
 *     va  + addend                    where they are
 *
 * What a span says was said by entries whose tags hit, and by nothing since
 * that would have dropped them. Entries may be replaced under a span, so:
 *
 *     dropped                     what goes
 *     a context                   its spans
 *     one page                    spans that it is in
 *     what some predicate names   all spans of the context
 *     the write tags of a frame   spans for writing that it is in
 *     a page that is filled anew  spans that it is in and contradicts
 *
 * Dirty logs need to know which pages are written: no span for writing is made
 * of memory that anybody logs. One from before the log is marked whole, and
 * goes, when the log is first cleared.
 *
 * A miss costs little where the entry hits, and making a span a call. So a
 * slot learns from every n-th miss, and n doubles each time: a register that
 * goes back and forth between two runs keeps the span that it has.
 *
 * Where accesses are counted by page a span is one page, so that who counts what
 * hits it need not look at the address; unless that does look.
 */
#include "engine/dirty_log.h"
#include "tlb/tlb_internal.h"

#define PERIOD_MIN 8
#define PERIOD_MAX 1024

/* What may lie behind an address that a span's count admits. */
#define REACH (sizeof(uint64_t) - 1)

/* Pages from @start to @end, which is not in it. */
struct run {
    uint64_t start;
    uint64_t end;
    uint64_t addend;
};

static uint64_t span_end(const TLBSpan *span)
{
    return span->start + span->count + REACH;
}

static bool holds_page(const TLBSpan *span, uint64_t page)
{
    return page - span->start < span->count;
}

static void empty_span(const SoftTLB *tlb, TLBSpan *span)
{
    unsigned period = tlb->config.eager_spans ? 0 : PERIOD_MIN;

    *span = (TLBSpan){ .credit = (int32_t)period, .period = period };
}

void tlb__init_spans(SoftTLB *tlb)
{
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        for (unsigned slot = 0; slot < TLB_SPANS; slot++) {
            empty_span(tlb, &tlb->spans[context][TLB_READ][slot]);
            empty_span(tlb, &tlb->spans[context][TLB_WRITE][slot]);
        }
        tlb->spans_used[context][TLB_READ] = 0;
        tlb->spans_used[context][TLB_WRITE] = 0;
    }
}

/* ---- Dropping ---------------------------------------------------------- */

typedef bool span_fn(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                     unsigned access, uint64_t at);

/* Empty the spans for @access that @named names. */
static void drop_named(SoftTLB *tlb, unsigned context, unsigned access,
                       span_fn *named, uint64_t at)
{
    for (uint32_t left = tlb->spans_used[context][access]; left != 0;
         left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        TLBSpan *span = &tlb->spans[context][access][slot];

        if (named(tlb, context, span, access, at)) {
            empty_span(tlb, span);
            tlb->spans_used[context][access] &= ~(UINT32_C(1) << slot);
        }
    }
}

static bool is_any(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                   unsigned access, uint64_t at)
{
    (void)tlb;
    (void)context;
    (void)span;
    (void)access;
    (void)at;
    return true;
}

static bool is_at_page(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                       unsigned access, uint64_t page)
{
    (void)tlb;
    (void)context;
    (void)access;
    return holds_page(span, page);
}

void tlb__drop_spans(SoftTLB *tlb, unsigned context)
{
    drop_named(tlb, context, TLB_READ, is_any, 0);
    drop_named(tlb, context, TLB_WRITE, is_any, 0);
}

void tlb__drop_spans_of_page(SoftTLB *tlb, unsigned context, uint64_t page)
{
    drop_named(tlb, context, TLB_READ, is_at_page, page);
    drop_named(tlb, context, TLB_WRITE, is_at_page, page);
}

/* Do the frames of @span share bytes with the one at @host? */
static bool is_at_host(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                       unsigned access, uint64_t host)
{
    uint64_t first = span->start + span->addend;

    (void)tlb;
    (void)context;
    (void)access;
    return host + TLB_PAGE_SIZE > first && host < first + span->count + REACH;
}

void tlb__protect_spans(SoftTLB *tlb, unsigned context, uint64_t host)
{
    drop_named(tlb, context, TLB_WRITE, is_at_host, host);
}

void tlb__protect_all_spans(SoftTLB *tlb, unsigned context)
{
    drop_named(tlb, context, TLB_WRITE, is_any, 0);
}

/* Is memory logged behind @span? @marks: then all of it may be written. */
static bool is_logged(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                      unsigned access, uint64_t marks)
{
    struct xbar_engine *engine = tlb__engine(tlb);
    uint64_t host = span->start + span->addend;
    uint64_t length = span->count + REACH;

    (void)context;
    (void)access;
    if (!xbar_dirty_is_logged_at(engine, host, length)) {
        return false;
    }
    if (marks) {
        xbar_dirty_wrote(engine, host, length);
    }
    return true;
}

void tlb__recheck_spans(SoftTLB *tlb, unsigned context, bool marks)
{
    drop_named(tlb, context, TLB_WRITE, is_logged, marks);
}

/* Does the entry of @page, just filled, say something else than @span? */
static bool is_contradicted(SoftTLB *tlb, unsigned context, const TLBSpan *span,
                            unsigned access, uint64_t page)
{
    const TLBEntry *entry = &tlb->l1[context][tlb_index(page)];

    return holds_page(span, page) &&
           (entry->tag[access] != page || entry->addend != span->addend);
}

void tlb__check_spans(SoftTLB *tlb, unsigned context, uint64_t page)
{
    drop_named(tlb, context, TLB_READ, is_contradicted, page);
    drop_named(tlb, context, TLB_WRITE, is_contradicted, page);
}

/* ---- Learning ---------------------------------------------------------- */

/* Does the entry of @page continue @run? */
static bool continues(const SoftTLB *tlb, unsigned context, unsigned access,
                      const struct run *run, uint64_t page)
{
    const TLBEntry *entry = &tlb->l1[context][tlb_index(page)];

    return entry->tag[access] == page && entry->addend == run->addend;
}

/* The last page of the address space is in no run: its end would be 0. */
static bool may_be_in_run(uint64_t page)
{
    return page != (UINT64_MAX & TLB_PAGE_MASK);
}

/* Add what the entries know on both sides. */
static void grow_by_entries(const SoftTLB *tlb, unsigned context,
                            unsigned access, struct run *run)
{
    for (unsigned i = 0;
         i < TLB_L1_SIZE && run->start != 0 &&
         continues(tlb, context, access, run, run->start - TLB_PAGE_SIZE);
         i++) {
        run->start -= TLB_PAGE_SIZE;
    }
    for (unsigned i = 0; i < TLB_L1_SIZE && may_be_in_run(run->end) &&
                         continues(tlb, context, access, run, run->end);
         i++) {
        run->end += TLB_PAGE_SIZE;
    }
}

/* Add what other slots' spans know. */
static void grow_by_spans(const SoftTLB *tlb, unsigned context, unsigned access,
                          struct run *run)
{
    for (uint32_t left = tlb->spans_used[context][access]; left != 0;
         left &= left - 1) {
        const TLBSpan *span = &tlb->spans[context][access][__builtin_ctz(left)];

        if (span->addend == run->addend && span->start <= run->end &&
            span_end(span) >= run->start) {
            run->start = span->start < run->start ? span->start : run->start;
            run->end = span_end(span) > run->end ? span_end(span) : run->end;
        }
    }
}

static bool counts_pages(const SoftTLB *tlb)
{
    return tlb->config.counts != NULL && tlb->config.counts->pages[0] != NULL;
}

static void set_span(TLBSpan *span, const struct run *run)
{
    span->start = run->start;
    span->count = run->end - run->start - REACH;
    span->addend = run->addend;
}

static bool may_be_one(const SoftTLB *tlb, unsigned access,
                       const struct run *run)
{
    return access != TLB_WRITE ||
           !xbar_dirty_is_logged_at(tlb__engine(tlb), run->start + run->addend,
                                    run->end - run->start);
}

static void learn(SoftTLB *tlb, unsigned context, unsigned access,
                  unsigned slot, struct run *run, bool is_long)
{
    TLBSpan *span = &tlb->spans[context][access][slot];

    const struct run page = *run;

    if (is_long) {
        grow_by_spans(tlb, context, access, run);
        grow_by_entries(tlb, context, access, run);
    }
    set_span(span, may_be_one(tlb, access, run) ? run : &page);
    tlb->spans_used[context][access] |= UINT32_C(1) << slot;
    span->credit = (int32_t)span->period;
    if (span->period < PERIOD_MAX) {
        span->period *= 2;
    }
}

static void learn_at(SoftTLB *tlb, unsigned context,
                     enum xbar_tlb_access access, unsigned slot, uint64_t va,
                     bool is_long)
{
    TLBSpan *span = &tlb->spans[context][access][slot];
    uint64_t page = va & TLB_PAGE_MASK;
    const TLBEntry *entry = &tlb->l1[context][tlb_index(va)];
    struct run run = { page, page + TLB_PAGE_SIZE, entry->addend };

    if (tlb->config.page_bits != TLB_PAGE_BITS || entry->tag[access] != page) {
        return;
    }
    if (tlb->config.no_spans || !may_be_in_run(page) ||
        !may_be_one(tlb, access, &run)) {
        span->credit = PERIOD_MAX;
    } else if (span->count && span->addend == run.addend &&
               span_end(span) == page) {
        if (is_long) {
            run.start = span->start;
        }
        set_span(span, &run); /* a pointer that walks up */
    } else if (span->credit < 0) {
        learn(tlb, context, access, slot, &run, is_long);
    }
}

void tlb_learn_span(SoftTLB *tlb, unsigned context, enum xbar_tlb_access access,
                    unsigned slot, uint64_t va)
{
    learn_at(tlb, context, access, slot, va, !counts_pages(tlb));
}

void tlb_learn_long_span(SoftTLB *tlb, unsigned context,
                         enum xbar_tlb_access access, unsigned slot,
                         uint64_t va)
{
    learn_at(tlb, context, access, slot, va, true);
}
