/* SPDX-License-Identifier: MIT */
/*
 * The soft-TLB: life cycle and safe points.
 *
 * Constraints
 *   - a hit is decided by one compare, inline, in code we do not see;
 *   - entries hold section pointers and host addresses, which a commit on any
 *     thread may end;
 *   - a commit waits for nobody, so it cannot reach into a running TLB.
 *
 * Design
 *
 *   inline probe --hit--> host memory
 *        |
 *       miss          +--- entry grants it ---------------------+
 *        v            |                                         v
 *   access.c: entry for the page? --no--> fill.c: walk, --> pieces, each in
 *        ^                                look up, tags     one section
 *        |                                                  |         |
 *     flush.c <- inbox.c <- commits, other vCPUs          memory    device
 *
 * The owner thread is inside one read section while it is entered, so what an
 * entry points to lives at least until its next quiescent state. A commit
 * posts before it retires: whatever is freed after that quiescent state was
 * posted before it, and draining the inbox next drops the entries that refer
 * to it. Between the two nothing of the TLB is used:
 *
 *   committer   publish view . post . retire . . . . . . . . free
 *   owner       . . . use entries . . . . | quiescent | drain | use entries
 *
 * Use: see tlb.h.
 */
#include "tlb/tlb.h"

#include <errno.h>

#include "engine/rcu.h"
#include "tlb/tlb_internal.h"

static bool is_page_size(unsigned bits)
{
    return bits == 0 || (bits >= TLB_PAGE_BITS_MIN && bits <= TLB_PAGE_BITS);
}

int tlb_init(SoftTLB *tlb, const struct xbar_tlb_config *config)
{
    int err;

    if (!config->as || !config->walk || !tlb__may_count(config->counts) ||
        !is_page_size(config->page_bits)) {
        return -EINVAL;
    }
    tlb->config = *config;
    if (tlb->config.page_bits == 0) {
        tlb->config.page_bits = TLB_PAGE_BITS;
    }
    for (unsigned context = 0; context < TLB_CONTEXTS; context++) {
        tlb__clear_table(tlb, context);
    }
    tlb->fault = (struct xbar_tlb_fault){ 0 };
    tlb->stats = (struct xbar_tlb_stats){ 0 };
    tlb__init_spans(tlb);
    tlb__init_counts(tlb);
    tlb->asid = 0;
    tlb->iommu = NULL;
    tlb->lent = NULL;
    tlb->grants = (struct xbar_tlb_grants){ 0 };
    tlb->entered = false;
    err = tlb__l2_open(tlb);
    if (err == 0) {
        err = tlb__inbox_open(tlb);
        if (err != 0) {
            tlb__l2_close(tlb);
        }
    }
    return err;
}

void tlb_destroy(SoftTLB *tlb)
{
    xbar_assert(!tlb->entered);
    tlb__iommu_close(tlb);
    tlb__inbox_close(tlb);
    tlb__l2_close(tlb);
}

void tlb_enter(SoftTLB *tlb)
{
    xbar_assert(!tlb->entered);
    xbar_rcu_read_lock();
    tlb->entered = true;
    tlb__inbox_online(tlb, true);
    tlb__inbox_drain(tlb); /* nobody drained while we were away */
}

void tlb_leave(SoftTLB *tlb)
{
    xbar_assert(tlb->entered);
    tlb__stored_by_host(tlb);
    tlb->entered = false;
    tlb__inbox_online(tlb, false);
    xbar_rcu_read_unlock();
}

void tlb_safepoint(SoftTLB *tlb)
{
    xbar_assert(tlb->entered);
    xbar_rcu_quiescent();
    tlb__inbox_drain(tlb);
}

void tlb_set_asid(SoftTLB *tlb, uint16_t asid)
{
    tlb->asid = asid;
}
