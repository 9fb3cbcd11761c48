/* SPDX-License-Identifier: MIT */
#include "tlb/device.h"

#include "tlb/tlb_internal.h"

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

/* ---- The slow path, from the front ------------------------------------- */

/* A device that is not called bare. */
static XBAR_NOINLINE int load_by_plan(SoftTLB *tlb, uint64_t va,
                                      const FlatRange *section, hwaddr phys,
                                      unsigned size_log2, uint64_t *value)
{
    uint64_t loaded;
    MemTxResult result =
        xbar_plan_read(section->plan, section->mr, phys + section->mr_delta,
                       &loaded, size_log2, (MemTxAttrs){ 0 });

    if (unlikely(result != MEMTX_OK)) {
        return tlb__fault(tlb, va, 0, result);
    }
    *value = loaded;
    return 0;
}

static XBAR_NOINLINE int store_by_plan(SoftTLB *tlb, uint64_t va,
                                       const FlatRange *section, hwaddr phys,
                                       unsigned size_log2, uint64_t value)
{
    MemTxResult result =
        xbar_plan_write(section->plan, section->mr, phys + section->mr_delta,
                        value, size_log2, (MemTxAttrs){ 0 });

    return likely(result == MEMTX_OK) ? 0 : tlb__fault(tlb, va, 0, result);
}

/*
 * Whatever is not a plain device is the last thing that these do, and each size
 * is compiled for itself: so next to nothing is saved around a callback.
 */
static XBAR_FORCE_INLINE int load_sized(SoftTLB *tlb, unsigned context,
                                        uint64_t va, unsigned size_log2,
                                        uint64_t *value)
{
    struct tlb_device device;

    if (unlikely(tlb->config.observe != NULL) ||
        unlikely(
            !tlb_find_device(tlb, context, va, size_log2, TLB_READ, &device))) {
        return tlb__load_otherwise(tlb, context, va, size_log2, value);
    }
    tlb->stats.slow++;
    tlb->stats.mmio_reads++;
    if (likely(flatview_read_bare(device.section, device.phys, value, size_log2,
                                  (MemTxAttrs){ 0 }))) {
        return 0;
    }
    return load_by_plan(tlb, va, device.section, device.phys, size_log2, value);
}

XBAR_HOT int tlb_load_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, uint64_t *value)
{
    if (likely(size_log2 == MO_32)) {
        return load_sized(tlb, context, va, MO_32, value);
    }
    if (size_log2 == MO_64) {
        return load_sized(tlb, context, va, MO_64, value);
    }
    return size_log2 == MO_16 ? load_sized(tlb, context, va, MO_16, value)
                              : load_sized(tlb, context, va, MO_8, value);
}

static XBAR_FORCE_INLINE int store_sized(SoftTLB *tlb, unsigned context,
                                         uint64_t va, unsigned size_log2,
                                         uint64_t value)
{
    struct tlb_device device;

    if (unlikely(tlb->config.observe != NULL) ||
        unlikely(!tlb_find_device(tlb, context, va, size_log2, TLB_WRITE,
                                  &device))) {
        return tlb__store_otherwise(tlb, context, va, size_log2, value);
    }
    tlb->stats.slow++;
    tlb->stats.mmio_writes++;
    if (likely(flatview_write_bare(device.section, device.phys, value,
                                   size_log2, (MemTxAttrs){ 0 }))) {
        return 0;
    }
    return store_by_plan(tlb, va, device.section, device.phys, size_log2,
                         value);
}

XBAR_HOT int tlb_store_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                            unsigned size_log2, uint64_t value)
{
    if (likely(size_log2 == MO_32)) {
        return store_sized(tlb, context, va, MO_32, value);
    }
    if (size_log2 == MO_64) {
        return store_sized(tlb, context, va, MO_64, value);
    }
    return size_log2 == MO_16 ? store_sized(tlb, context, va, MO_16, value)
                              : store_sized(tlb, context, va, MO_8, value);
}

/* ---- Counted, and told ------------------------------------------------- */

static inline uint64_t ticks_now(const SoftTLB *tlb)
{
    return tlb->config.ticks != NULL ? tlb->config.ticks() : 0;
}

/* It was carried out; @start: when it began. */
static inline void tell(const SoftTLB *tlb, const FlatRange *section,
                        hwaddr phys, enum xbar_tlb_access access,
                        unsigned size_log2, uint64_t start)
{
    tlb->config.device(tlb->config.device_opaque, section,
                       phys + section->mr_delta, access, size_log2,
                       ticks_now(tlb) - start);
}

MemTxResult tlb__load_told(const SoftTLB *tlb, const FlatRange *section,
                           hwaddr phys, unsigned size_log2, uint64_t *value)
{
    uint64_t start = ticks_now(tlb);
    MemTxResult result = MEMTX_OK;

    if (!flatview_read_bare(section, phys, value, size_log2,
                            (MemTxAttrs){ 0 })) {
        result =
            xbar_plan_read(section->plan, section->mr, phys + section->mr_delta,
                           value, size_log2, (MemTxAttrs){ 0 });
    }
    if (likely(result == MEMTX_OK)) {
        tell(tlb, section, phys, TLB_READ, size_log2, start);
    }
    return result;
}

MemTxResult tlb__store_told(const SoftTLB *tlb, const FlatRange *section,
                            hwaddr phys, unsigned size_log2, uint64_t value)
{
    uint64_t start = ticks_now(tlb);
    MemTxResult result = MEMTX_OK;

    if (!flatview_write_bare(section, phys, value, size_log2,
                             (MemTxAttrs){ 0 })) {
        result = xbar_plan_write(section->plan, section->mr,
                                 phys + section->mr_delta, value, size_log2,
                                 (MemTxAttrs){ 0 });
    }
    if (likely(result == MEMTX_OK)) {
        tell(tlb, section, phys, TLB_WRITE, size_log2, start);
    }
    return result;
}

int tlb__load_counted(SoftTLB *tlb, uint64_t va,
                      const struct tlb_device *device, unsigned size_log2,
                      uint64_t *value)
{
    MemTxResult result;
    uint64_t loaded;

    tlb->stats.slow++;
    tlb->stats.mmio_reads++;
    result =
        tlb__load_told(tlb, device->section, device->phys, size_log2, &loaded);
    if (unlikely(result != MEMTX_OK)) {
        return tlb__fault(tlb, va, 0, result);
    }
    tlb->config.counts->elsewhere[TLB_READ][size_log2]++;
    *value = loaded;
    return 0;
}

int tlb__store_counted(SoftTLB *tlb, uint64_t va,
                       const struct tlb_device *device, unsigned size_log2,
                       uint64_t value)
{
    MemTxResult result;

    tlb->stats.slow++;
    tlb->stats.mmio_writes++;
    result =
        tlb__store_told(tlb, device->section, device->phys, size_log2, value);
    if (unlikely(result != MEMTX_OK)) {
        return tlb__fault(tlb, va, 0, result);
    }
    tlb->config.counts->elsewhere[TLB_WRITE][size_log2]++;
    return 0;
}
