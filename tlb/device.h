/* SPDX-License-Identifier: MIT */
/*
 * The usual reason to miss inline: a device, in a page that was accessed
 * before, by an access that lies in one section. Then there is nothing to
 * walk, to look up or to cut, and the caller need not be ready for more: this
 * is apart from access.c's general path so that nothing is saved for what does
 * not happen.
 *
 * Only for owners of a TLB whose accesses are neither observed nor replayed; or
 * who tell devices apart (config.device).
 */
#ifndef XBAR_TLB_DEVICE_H
#define XBAR_TLB_DEVICE_H

#include "flatview/access/bare.h"
#include "tlb/tlb.h"

struct tlb_device {
    const FlatRange *section;
    hwaddr phys;
};

/* Small pages are left to the general path, which asks how small; read-only
 * sections, too: they refuse writes. */
static inline bool tlb_find_device(const SoftTLB *tlb, unsigned context,
                                   uint64_t va, unsigned size_log2,
                                   enum xbar_tlb_access access,
                                   struct tlb_device *device)
{
    const uint32_t others = FLAT_RANGE_RAM | FLAT_RANGE_READONLY;
    const TLBInfo *info = &tlb->info[context][tlb_index(va)];
    const FlatRange *section = info->section;
    uint64_t in_page = va ^ info->page; /* or more than a page */
    uint64_t more = (1u << size_log2) - 1;

    if (in_page > TLB_PAGE_SIZE - 1 - more ||
        (info->flags & (TLB_INFO_VALID | TLB_INFO_SMALL)) != TLB_INFO_VALID ||
        !(info->prot & (1u << access)) || section == NULL ||
        (section->flags & others) != 0) {
        return false;
    }
    device->section = section;
    device->phys = info->phys | in_page;
    return section->first <= device->phys &&
           device->phys + more <= section->last;
}

/* access.c: tlb_load_slow() and tlb_store_slow() of all that is no device which
 * tlb_find_device() finds, and if somebody observes. */
int tlb__load_otherwise(SoftTLB *tlb, unsigned context, uint64_t va,
                        unsigned size_log2, uint64_t *value);
int tlb__store_otherwise(SoftTLB *tlb, unsigned context, uint64_t va,
                         unsigned size_log2, uint64_t value);

/* An access with all its checks behind it, to a device that is told of
 * (config.device). */
MemTxResult tlb__load_told(const SoftTLB *tlb, const FlatRange *section,
                           hwaddr phys, unsigned size_log2, uint64_t *value);
MemTxResult tlb__store_told(const SoftTLB *tlb, const FlatRange *section,
                            hwaddr phys, unsigned size_log2, uint64_t value);

/* The same, counted; returns as tlb_load_slow() does. */
int tlb__load_counted(SoftTLB *tlb, uint64_t va,
                      const struct tlb_device *device, unsigned size_log2,
                      uint64_t *value);
int tlb__store_counted(SoftTLB *tlb, uint64_t va,
                       const struct tlb_device *device, unsigned size_log2,
                       uint64_t value);

#endif
