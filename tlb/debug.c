/* SPDX-License-Identifier: MIT */
/*
 * A debugger's accesses by virtual address: page by page, and of the guest
 * nothing changes but the memory that is written.
 */
#include "tlb/tlb_internal.h"

/* Where the page of @va is, if it may be read or executed. */
static bool find_page(const SoftTLB *tlb, xbar_tlb_walk_fn *walk,
                      unsigned context, uint64_t va, hwaddr *phys)
{
    void *opaque = tlb->config.walk_opaque;
    struct xbar_tlb_walk page;

    va = tlb__page_of(tlb, va);
    if (walk(opaque, context, va, TLB_READ, &page) != 0 &&
        walk(opaque, context, va, TLB_EXEC, &page) != 0) {
        return false;
    }
    *phys = tlb__page_of(tlb, page.phys);
    return true;
}

uint64_t tlb_debug_rw(const SoftTLB *tlb, xbar_tlb_walk_fn *walk,
                      unsigned context, uint64_t va, void *buf, uint64_t len,
                      bool is_write)
{
    AddressSpace *as = tlb->config.as;
    uint64_t done = 0;

    walk = walk != NULL ? walk : tlb->config.walk;
    while (done < len) {
        uint64_t offset = tlb__in_page(tlb, va + done);
        uint64_t room = tlb__page_size(tlb) - offset;
        uint64_t part = len - done < room ? len - done : room;
        uint64_t got;
        hwaddr phys;

        if (!find_page(tlb, walk, context, va + done, &phys)) {
            break;
        }
        got = xbar_address_space_debug_rw(as, phys + offset, (char *)buf + done,
                                          part, is_write);
        done += got;
        if (got < part) {
            break;
        }
    }
    return done;
}
