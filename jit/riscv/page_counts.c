/* SPDX-License-Identifier: MIT */
/*
 * Accesses by page, as translated code counts them (config.counts).
 *
 * What hits a span counts in the span's cursor: a span is one page then, which
 * the cursor knows. So whoever makes a span go elsewhere, the TLB when it learns
 * or emitted code (jit/x86_64/count.c), has the cursor follow:
 *
 *     a span that is not empty is the page of its cursor
 *
 * and what it has counted is added to the page that it leaves. A span that is
 * emptied counts nothing; what it has counted stays until then, or until the
 * hart stops running.
 *
 * What misses its span is somewhere else: a base that goes to and fro, or leaps.
 * One span in each context, of as many pages as follow one another, is asked
 * then (JIT_LONG_SPAN). It has no cursor: what hits it counts by its address.
 * Code that is made when a base was seen to leap asks that one at once.
 */
#include "jit/riscv/jit.h"

static struct jit_cursor *cursor_of(struct xbar_riscv_hart *hart,
                                    unsigned context,
                                    enum xbar_tlb_access access, unsigned slot)
{
    return &hart->jit_state.cursors[context][access][slot];
}

static void settle(const struct xbar_riscv_hart *hart,
                   struct jit_cursor *cursor, enum xbar_tlb_access access)
{
    uint64_t page = cursor->page - hart->tlb.counted_host / TLB_PAGE_SIZE;

    hart->config.counts->pages[access][page] += cursor->count;
    cursor->count = 0;
}

/* A cursor whose span is empty may be of any page. */
static void follow(struct xbar_riscv_hart *hart, unsigned context,
                   enum xbar_tlb_access access, unsigned slot)
{
    const TLBSpan *span = &hart->tlb.spans[context][access][slot];
    struct jit_cursor *cursor = cursor_of(hart, context, access, slot);

    if (span->count != 0) {
        settle(hart, cursor, access);
        cursor->page = (span->start + span->addend) / TLB_PAGE_SIZE;
        cursor->patience = cursor->given;
    }
}

typedef void cursor_fn(struct xbar_riscv_hart *hart, unsigned context,
                       enum xbar_tlb_access access, unsigned slot);

static void for_each_cursor(struct xbar_riscv_hart *hart, cursor_fn *function)
{
    for (unsigned context = 0; context < CTX_FETCH_M; context++) {
        for (unsigned slot = 0; slot < TLB_SPANS; slot++) {
            if (slot != JIT_LONG_SPAN) {
                function(hart, context, TLB_READ, slot);
                function(hart, context, TLB_WRITE, slot);
            }
        }
    }
}

static void start_one(struct xbar_riscv_hart *hart, unsigned context,
                      enum xbar_tlb_access access, unsigned slot)
{
    cursor_of(hart, context, access, slot)->page =
        hart->tlb.counted_host / TLB_PAGE_SIZE;
    follow(hart, context, access, slot);
}

void riscv__start_pages(struct xbar_riscv_hart *hart)
{
    const struct xbar_tlb_counts *counts = hart->config.counts;
    uint64_t page = hart->tlb.counted_host / TLB_PAGE_SIZE;

    if (!riscv__counts_pages(hart)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        hart->jit_state.pages[i] =
            (uintptr_t)counts->pages[i] - page * sizeof(uint64_t);
    }
    for_each_cursor(hart, start_one);
}

/* Most of those that come by here are in it, and cost it nothing. */
static void learn_long(struct xbar_riscv_hart *hart,
                       enum xbar_tlb_access access, uint64_t va)
{
    TLBSpan *span = &hart->tlb.spans[hart->data_context][access][JIT_LONG_SPAN];

    if (va - span->start >= span->count) {
        span->credit--;
        tlb_learn_long_span(&hart->tlb, hart->data_context, access,
                            JIT_LONG_SPAN, va);
    }
}

void riscv__follow_span(struct xbar_riscv_hart *hart,
                        enum xbar_tlb_access access, unsigned slot, uint64_t va)
{
    if (riscv__counts_pages(hart)) {
        learn_long(hart, access, va);
        follow(hart, hart->data_context, access, slot);
    }
}

void riscv__find_leaps(const struct xbar_riscv_hart *hart, uint32_t leaps[2])
{
    for (unsigned i = 0; riscv__counts_pages(hart) && i < 2 * TLB_SPANS; i++) {
        unsigned access = i / TLB_SPANS, slot = i % TLB_SPANS;
        const struct jit_cursor *cursor =
            &hart->jit_state.cursors[hart->data_context][access][slot];

        leaps[access] |= (uint32_t)(cursor->given > JIT_LEAPS) << slot;
    }
}

static void settle_one(struct xbar_riscv_hart *hart, unsigned context,
                       enum xbar_tlb_access access, unsigned slot)
{
    settle(hart, cursor_of(hart, context, access, slot), access);
}

void riscv__settle_pages(struct xbar_riscv_hart *hart)
{
    if (hart->jit != NULL && riscv__counts_pages(hart)) {
        for_each_cursor(hart, settle_one);
    }
}
