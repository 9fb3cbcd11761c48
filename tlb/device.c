/* SPDX-License-Identifier: MIT */
#include "tlb/device.h"

/* Each size is compiled for itself: most of what is left depends on it. */
static XBAR_FORCE_INLINE bool load(SoftTLB *tlb, unsigned context, uint64_t va,
                                   unsigned size_log2, uint64_t *value)
{
    struct tlb_device device;

    if (!tlb_find_device(tlb, context, va, size_log2, TLB_READ, &device) ||
        !flatview_read_bare(device.section, device.phys, value, size_log2,
                            (MemTxAttrs){ 0 })) {
        return false;
    }
    tlb->stats.slow++;
    tlb->stats.mmio_reads++;
    return true;
}

static XBAR_FORCE_INLINE bool store(SoftTLB *tlb, unsigned context, uint64_t va,
                                    unsigned size_log2, uint64_t value)
{
    struct tlb_device device;

    if (!tlb_find_device(tlb, context, va, size_log2, TLB_WRITE, &device) ||
        !flatview_write_bare(device.section, device.phys, value, size_log2,
                             (MemTxAttrs){ 0 })) {
        return false;
    }
    tlb->stats.slow++;
    tlb->stats.mmio_writes++;
    return true;
}

bool tlb_load_device(SoftTLB *tlb, unsigned context, uint64_t va,
                     unsigned size_log2, uint64_t *value)
{
    switch (size_log2) {
    case 0:
        return load(tlb, context, va, 0, value);
    case 1:
        return load(tlb, context, va, 1, value);
    case 2:
        return load(tlb, context, va, 2, value);
    default:
        return load(tlb, context, va, 3, value);
    }
}

bool tlb_store_device(SoftTLB *tlb, unsigned context, uint64_t va,
                      unsigned size_log2, uint64_t value)
{
    switch (size_log2) {
    case 0:
        return store(tlb, context, va, 0, value);
    case 1:
        return store(tlb, context, va, 1, value);
    case 2:
        return store(tlb, context, va, 2, value);
    default:
        return store(tlb, context, va, 3, value);
    }
}
