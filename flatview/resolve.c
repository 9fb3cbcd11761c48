/* SPDX-License-Identifier: MIT */
/*
 * Where an access ends up, and what can be told of it beforehand.
 *
 *     view ----> section -------------------------> target
 *                  | an IOMMU's: translate,           ^
 *                  v and look again in target_as -----+
 *
 * A loop, not a recursion: an IOMMU that leads to an IOMMU is one more round,
 * and there are at most XBAR_IOMMU_MAX_DEPTH.
 */
#include "engine/plan.h"
#include "flatview/discard.h"
#include "flatview/flatview_internal.h"
#include "flatview/iommu.h"

/* How many of @length bytes at @addr one section answers, or none does. */
static hwaddr part_length(const FlatView *view, const FlatRange *range,
                          hwaddr addr, hwaddr length)
{
    hwaddr last = range->last;

    if (range->flags & FLAT_RANGE_UNASSIGNED) {
        const FlatRange *next = flatview__trie_next(&view->trie, addr);

        last = next != NULL ? next->first - 1 : UINT64_MAX;
    }
    return length - 1 > last - addr ? last - addr + 1 : length;
}

/* A read-only path ends here: what is behind it is not asked. */
static bool is_translated(const FlatRange *range, unsigned need)
{
    return (range->flags & FLAT_RANGE_IOMMU) != 0 &&
           !((need & IOMMU_WO) && (range->flags & FLAT_RANGE_READONLY));
}

static void refuse(struct flatview_target *t, MemTxResult fault)
{
    t->range = &flatview__unassigned;
    t->fault = fault;
}

/* One translation: where @t is now leads on to where it points. */
static void translate(struct flatview_target *t, unsigned need,
                      MemTxAttrs attrs)
{
    const FlatRange *range = t->range;
    hwaddr offset = t->addr + range->mr_delta;
    IOMMUTLBEntry entry =
        flatview__iommu_translate(range->mr, offset, need, attrs);
    hwaddr inside = offset & entry.addr_mask;

    if (t->observer == NULL && flatview__iommu_observes(range->mr)) {
        t->observer = range->mr;
        t->observed_at = offset;
    }
    if (t->length - 1 > entry.addr_mask - inside) {
        t->length = entry.addr_mask - inside + 1;
    }
    t->page_mask &= entry.addr_mask;
    t->perm &= entry.perm;
    if ((entry.perm & need) != need) {
        refuse(t, entry.fault != MEMTX_OK ? entry.fault : MEMTX_ACCESS_ERROR);
        return;
    }
    if (entry.target_as == NULL) {
        refuse(t, MEMTX_DECODE_ERROR);
        return;
    }
    t->addr = (entry.translated_addr & ~entry.addr_mask) | inside;
    if (t->length - 1 > UINT64_MAX - t->addr) {
        t->length = UINT64_MAX - t->addr + 1;
    }
    t->as = entry.target_as;
    t->view = flatview__current(t->as);
    t->range = flatview__find(t->view, t->addr);
    t->length = part_length(t->view, t->range, t->addr, t->length);
}

static void follow(struct flatview_target *t, unsigned need, MemTxAttrs attrs)
{
    unsigned depth = 0;

    t->as = NULL;
    t->page_mask = UINT64_MAX;
    t->perm = IOMMU_RW;
    t->fault = MEMTX_OK;
    t->observer = NULL;
    while (unlikely(is_translated(t->range, need))) {
        if (depth++ == XBAR_IOMMU_MAX_DEPTH) {
            refuse(t, MEMTX_DECODE_ERROR);
            return;
        }
        translate(t, need, attrs);
    }
}

void flatview__resolve(const FlatView *view, hwaddr addr, hwaddr length,
                       unsigned need, MemTxAttrs attrs,
                       struct flatview_target *t)
{
    xbar_assert(length != 0 && length - 1 <= UINT64_MAX - addr);
    t->view = view;
    t->range = flatview__find_again(view, addr);
    t->addr = addr;
    t->length = part_length(view, t->range, addr, length);
    follow(t, need, attrs);
}

void flatview__resolve_through(MemoryRegion *mr, hwaddr offset, hwaddr length,
                               unsigned need, MemTxAttrs attrs,
                               struct flatview_target *t)
{
    const FlatRange start = {
        .last = UINT64_MAX,
        .mr = mr,
        .flags = FLAT_RANGE_IOMMU,
    };

    t->view = &flatview__empty;
    t->range = &start;
    t->addr = offset;
    t->length = length;
    follow(t, need, attrs);
}

/* ---- Asking ------------------------------------------------------------ */

static unsigned need_of(bool is_write)
{
    return is_write ? IOMMU_WO : IOMMU_RO;
}

MemoryRegion *address_space_translate(AddressSpace *as, hwaddr addr,
                                      hwaddr *xlat, hwaddr *len, bool is_write,
                                      MemTxAttrs attrs)
{
    struct flatview_target t;
    hwaddr room = UINT64_MAX - addr;

    xbar_assert_slow(xbar_rcu_read_held());
    if (*len == 0) {
        *xlat = 0;
        return NULL;
    }
    flatview__resolve(flatview__current(as), addr,
                      *len - 1 > room ? room + 1 : *len, need_of(is_write),
                      attrs, &t);
    *len = t.length;
    *xlat = t.range->mr != NULL ? t.addr + t.range->mr_delta : 0;
    return t.range->mr;
}

/* Would all of the bytes be transferred, with MEMTX_OK? */
static bool is_target_valid(const struct flatview_target *t, bool is_write,
                            MemTxAttrs attrs)
{
    const FlatRange *range = t->range;

    if (range->flags & FLAT_RANGE_UNASSIGNED) {
        return false;
    }
    if (is_write && (range->flags & FLAT_RANGE_READONLY)) {
        return true; /* dropped */
    }
    if (range->flags & (is_write ? FLAT_RANGE_WRITABLE : FLAT_RANGE_RAM)) {
        return true;
    }
    return xbar_plan_bulk_valid(range->mr, t->addr + range->mr_delta, t->length,
                                is_write, attrs);
}

bool address_space_access_valid(AddressSpace *as, hwaddr addr, hwaddr len,
                                bool is_write, MemTxAttrs attrs)
{
    struct flatview_target t;
    bool is_valid = len == 0 || len - 1 <= UINT64_MAX - addr;

    xbar_rcu_read_lock();
    while (is_valid && len != 0) {
        flatview__resolve(flatview__current(as), addr, len, need_of(is_write),
                          attrs, &t);
        is_valid = is_target_valid(&t, is_write, attrs);
        addr += t.length;
        len -= t.length;
    }
    xbar_rcu_read_unlock();
    return is_valid;
}

bool address_space_is_io(AddressSpace *as, hwaddr addr)
{
    struct flatview_target t;

    xbar_rcu_read_lock();
    flatview__resolve(flatview__current(as), addr, 1, IOMMU_NONE,
                      MEMTXATTRS_UNSPECIFIED, &t);
    xbar_rcu_read_unlock();
    return (t.range->flags & FLAT_RANGE_RAM) == 0;
}

/* ---- Pages ------------------------------------------------------------- */

/* The largest page around @offset that [first, last] holds. */
static hwaddr page_inside(hwaddr offset, hwaddr first, hwaddr last, hwaddr mask)
{
    while ((offset & ~mask) < first || (offset | mask) > last) {
        mask >>= 1;
    }
    return mask;
}

IOMMUTLBEntry address_space_get_iotlb_entry(AddressSpace *as, hwaddr addr,
                                            bool is_write, MemTxAttrs attrs)
{
    IOMMUTLBEntry entry = { .iova = addr, .addr_mask = 0 };
    const FlatView *view = flatview__current(as);
    const FlatRange *range = flatview__find_again(view, addr);
    struct flatview_target t;

    xbar_assert_slow(xbar_rcu_read_held());
    flatview__resolve(view, addr, 1, need_of(is_write), attrs, &t);
    if ((t.range->flags & FLAT_RANGE_RAM) == 0 ||
        (is_write && (t.range->flags & FLAT_RANGE_WRITABLE) == 0)) {
        return entry;
    }
    entry.addr_mask = page_inside(addr, range->first, range->last, t.page_mask);
    entry.addr_mask =
        page_inside(t.addr, t.range->first, t.range->last, entry.addr_mask);
    entry.iova &= ~entry.addr_mask;
    entry.translated_addr = t.addr & ~entry.addr_mask;
    entry.target_as = t.as != NULL ? t.as : as;
    entry.perm = (IOMMUAccessFlags)t.perm;
    if ((t.range->flags & FLAT_RANGE_WRITABLE) == 0) {
        entry.perm = IOMMU_RO;
    }
    return entry;
}

/* May all of @t be pinned? */
static bool is_populated(const RamDiscardManager *rdm,
                         const struct flatview_target *t, hwaddr len)
{
    MemoryRegionSection section = {
        .mr = t->range->mr,
        .size = len,
        .offset_within_region = t->addr + t->range->mr_delta,
        .offset_within_address_space = t->addr,
    };

    return ram_discard_manager_is_populated(rdm, &section);
}

bool memory_get_xlat_addr(IOMMUTLBEntry *iotlb, void **vaddr,
                          ram_addr_t *ram_addr, bool *read_only,
                          bool *mr_has_discard_manager)
{
    bool is_write = (iotlb->perm & IOMMU_WO) != 0;
    hwaddr len = iotlb->addr_mask + 1;
    RamDiscardManager *rdm;
    struct flatview_target t;

    xbar_assert_slow(xbar_rcu_read_held());
    if (iotlb->target_as == NULL || len == 0 ||
        iotlb->addr_mask > UINT64_MAX - iotlb->translated_addr) {
        return false;
    }
    flatview__resolve(flatview__current(iotlb->target_as),
                      iotlb->translated_addr, len, need_of(is_write),
                      MEMTXATTRS_UNSPECIFIED, &t);
    if (!(t.range->flags & FLAT_RANGE_RAM) || t.length != len ||
        !memory_region_is_ram(t.range->mr)) {
        return false;
    }
    rdm = memory_region_get_ram_discard_manager(t.range->mr);
    if (rdm != NULL && !is_populated(rdm, &t, len)) {
        return false;
    }
    if (vaddr != NULL) {
        *vaddr = (void *)(uintptr_t)(t.addr + t.range->host_delta);
    }
    if (ram_addr != NULL) {
        *ram_addr = memory_region_get_ram_addr(t.range->mr) + t.addr +
                    t.range->mr_delta;
    }
    if (read_only != NULL) {
        *read_only = !is_write || !(t.range->flags & FLAT_RANGE_WRITABLE);
    }
    if (mr_has_discard_manager != NULL) {
        *mr_has_discard_manager = rdm != NULL;
    }
    return true;
}
