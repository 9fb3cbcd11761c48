/* SPDX-License-Identifier: MIT */
/*
 * Counting accesses.
 *
 * What a vCPU accesses is nearly always one large piece of RAM, so that is what
 * is counted inline: by page, or not at all, since whoever translates knows how
 * many accesses of which size were made. All that begins elsewhere is slow, and
 * counted here; the rest was in that RAM.
 *
 *     all accesses (the translator) - elsewhere (here) = in RAM
 *
 * An access belongs to where its first byte is.
 */
#include "tlb/tlb_internal.h"

/* With counts somebody observes, so that no path has one thing more to ask. */
static void ignore(void *opaque, const FlatRange *section,
                   enum xbar_tlb_access access, unsigned size)
{
    (void)opaque;
    (void)section;
    (void)access;
    (void)size;
}

bool tlb__may_count(const struct xbar_tlb_counts *counts)
{
    uint64_t host;

    if (counts == NULL || counts->ram == NULL) {
        return true;
    }
    host = (uintptr_t)memory_region_get_ram_ptr(counts->ram);
    return host != 0 && (host & ~TLB_PAGE_MASK) == 0;
}

void tlb__init_counts(SoftTLB *tlb)
{
    const struct xbar_tlb_counts *counts = tlb->config.counts;

    if (counts == NULL) {
        tlb->config.device = NULL;
        return;
    }
    if (tlb->config.observe == NULL) {
        tlb->config.observe = ignore;
    }
    if (counts->ram != NULL) {
        tlb->counted_host = (uintptr_t)memory_region_get_ram_ptr(counts->ram);
        tlb->counted_size = memory_region_size(counts->ram);
    }
}

static uint64_t *counter_of(const SoftTLB *tlb, enum xbar_tlb_access access,
                            unsigned size_log2, bool is_counted, uint64_t host)
{
    struct xbar_tlb_counts *counts = tlb->config.counts;
    uint64_t page = (host - tlb->counted_host) >> TLB_PAGE_BITS;

    if (!is_counted) {
        return &counts->elsewhere[access][size_log2];
    }
    return counts->pages[access] != NULL ? &counts->pages[access][page] : NULL;
}

uint64_t *tlb__counter(const SoftTLB *tlb, enum xbar_tlb_access access,
                       unsigned size_log2, const FlatRange *section,
                       hwaddr phys)
{
    if (tlb->config.counts == NULL) {
        return NULL;
    }
    return counter_of(tlb, access, size_log2, tlb__is_counted(tlb, section),
                      phys + section->host_delta);
}

void xbar_tlb_count(const SoftTLB *tlb, enum xbar_tlb_access access,
                    unsigned size_log2, const void *host)
{
    uint64_t at = (uintptr_t)host;
    bool is_counted = at - tlb->counted_host < tlb->counted_size;
    uint64_t *counter = counter_of(tlb, access, size_log2, is_counted, at);

    if (counter != NULL) {
        ++*counter;
    }
}
