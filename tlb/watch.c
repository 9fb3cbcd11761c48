/* SPDX-License-Identifier: MIT */
/*
 * Watched bytes. Their pages have no tag that hits for what is watched, so each
 * access comes to the slow path, which tells of those that touch the bytes.
 *
 *              tags that miss
 *     read     read, and write: an atomic reads through the write tag
 *     write    write
 *
 * Spans are made of tags that hit, and go when the watches change. A page of a
 * device has its section in no entry, so that tlb/device.h leaves it to the
 * path that tells (fill.c).
 */
#include "tlb/tlb_internal.h"

/* Do @watch and the @size - 1 bytes behind @va have a byte in common? */
static bool overlaps(const struct xbar_tlb_watch *watch, uint64_t va,
                     uint64_t more)
{
    return watch->size != 0 &&
           (va - watch->va < watch->size || watch->va - va <= more);
}

static bool is_watched_context(const struct xbar_tlb_watches *watches,
                               unsigned context)
{
    return watches->contexts >> context & 1;
}

unsigned tlb__watched(const SoftTLB *tlb, unsigned context, uint64_t va)
{
    const struct xbar_tlb_watches *watches = tlb->watches;
    uint64_t page = tlb__page_of(tlb, va);
    unsigned prot = 0;

    if (!is_watched_context(watches, context)) {
        return 0;
    }
    for (size_t i = 0; i < watches->count; i++) {
        if (overlaps(&watches->watch[i], page, tlb__page_size(tlb) - 1)) {
            prot |= watches->watch[i].prot;
        }
    }
    return prot & TLB_PROT_READ ? prot | TLB_PROT_WRITE : prot;
}

void tlb__touch(const SoftTLB *tlb, unsigned context, uint64_t va,
                unsigned size, enum xbar_tlb_access access)
{
    const struct xbar_tlb_watches *watches = tlb->watches;

    if (!is_watched_context(watches, context)) {
        return;
    }
    for (size_t i = 0; i < watches->count; i++) {
        const struct xbar_tlb_watch *watch = &watches->watch[i];

        if ((watch->prot & 1u << access) && overlaps(watch, va, size - 1)) {
            watches->touched(watches->opaque, watch,
                             va - watch->va < watch->size ? va : watch->va,
                             access);
        }
    }
}

void tlb_watch(SoftTLB *tlb, const struct xbar_tlb_watches *watches)
{
    unsigned contexts = watches != NULL ? watches->contexts : 0;

    contexts |= tlb->watches != NULL ? tlb->watches->contexts : 0;
    tlb->watches = watches;
    tlb__clear_contexts(tlb, contexts & TLB_ALL_CONTEXTS);
}
