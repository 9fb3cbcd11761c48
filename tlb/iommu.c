/* SPDX-License-Identifier: MIT */
/*
 * Pages behind an IOMMU region that hit inline.
 *
 *     entry: va -> page of an IOMMU's section -> RAM that another address
 *                  (phys, in our own space)      space shows (the addend)
 *
 * Three things may change on the way, and each has a watcher, one set for each
 * section and target:
 *
 *     our own space     the TLB's own subscriber: if a commit touches the
 *                       section's addresses, the watch ends
 *     the translation   a notifier for unmaps in the section's offsets
 *     the target        a subscriber there: any commit
 *
 * Whatever happens becomes a range of our own physical addresses in the inbox:
 * just the pages that were unmapped, or all of the section's. Who watches does
 * so before it translates for the entry, so a change that the translation does
 * not show is posted after that, and drained at a safe point after the fill.
 *
 * A watch is begun by the owner and ended by whoever has the writer lock, all
 * under it. It ends before what it watches can be freed: an IOMMU region that
 * ends leaves our space first, which touches the section; an address space that
 * ends says so.
 *
 *     field           written                        read
 *     mr              begin: release; end: release   owner: acquire
 *     the others      begin                          owner; under the lock
 *
 * What is not kept is asked for at each access, as everything was: translations
 * finer than a page, chains of IOMMUs, observed ones, more than WATCHES.
 * Instructions are not fetched through them, nor atomics made.
 */
#include "engine/alloc.h"
#include "engine/tree.h"
#include "flatview/iommu_page.h"
#include "tlb/tlb_internal.h"

#define WATCHES 8

struct watch {
    IOMMUNotifier notifier;
    struct xbar_view_subscriber subscriber; /* unless the target is our own */
    SoftTLB *tlb;
    MemoryRegion *mr; /* NULL: free */
    AddressSpace *target;
    uint64_t mr_delta;
    struct xbar_range place; /* of the section */
};

struct xbar_tlb_iommu {
    struct watch watch[WATCHES];
};

static MemoryRegion *region_of(const struct watch *w)
{
    return __atomic_load_n(&w->mr, __ATOMIC_ACQUIRE);
}

static bool has_own_target(const struct watch *w)
{
    return w->target == w->tlb->config.as;
}

/* ---- Ending: under the writer lock ------------------------------------- */

static void end(struct watch *w)
{
    (void)memory_region_unregister_iommu_notifier(w->mr, &w->notifier);
    if (!has_own_target(w)) {
        xbar_view_unsubscribe(w->target, &w->subscriber);
    }
    __atomic_store_n(&w->mr, NULL, __ATOMIC_RELEASE);
    tlb__inbox_post(w->tlb, &w->place);
}

static bool touches(const struct watch *w, const struct xbar_range *ranges,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first <= w->place.last &&
            ranges[i].last >= w->place.first) {
            return true;
        }
    }
    return false;
}

void tlb__iommu_changed(SoftTLB *tlb, const struct xbar_range *ranges,
                        size_t count)
{
    for (unsigned i = 0; tlb->iommu != NULL && i < WATCHES; i++) {
        struct watch *w = &tlb->iommu->watch[i];

        if (w->mr == NULL) {
            continue;
        }
        if (touches(w, ranges, count)) {
            end(w);
        } else if (has_own_target(w)) {
            tlb__inbox_post(tlb, &w->place);
        }
    }
}

void tlb__iommu_close(SoftTLB *tlb)
{
    struct xbar_engine *engine = tlb__engine(tlb);

    if (tlb->iommu == NULL) {
        return;
    }
    xbar_tree_hold(engine);
    for (unsigned i = 0; i < WATCHES; i++) {
        if (tlb->iommu->watch[i].mr != NULL) {
            end(&tlb->iommu->watch[i]);
        }
    }
    xbar_tree_release(engine);
    xbar_free(engine, tlb->iommu, sizeof(*tlb->iommu));
    tlb->iommu = NULL;
}

/* ---- What is heard ----------------------------------------------------- */

/* @data is cropped to the notifier's range, which is the section's. */
static int hear_unmap(IOMMUNotifier *notifier, IOMMUTLBEntry *data)
{
    const struct watch *w = xbar_container_of(notifier, struct watch, notifier);
    hwaddr first = data->iova - w->mr_delta;
    struct xbar_range range = { first, first + data->addr_mask };

    if (range.first < w->place.first || range.last > w->place.last ||
        range.last < range.first) {
        range = w->place;
    }
    tlb__inbox_post(w->tlb, &range);
    return 0;
}

static void hear_target(struct xbar_view_subscriber *sub,
                        const struct xbar_range *ranges, size_t count)
{
    const struct watch *w = xbar_container_of(sub, struct watch, subscriber);

    (void)ranges;
    (void)count;
    tlb__inbox_post(w->tlb, &w->place);
}

static void hear_end(struct xbar_view_subscriber *sub)
{
    end(xbar_container_of(sub, struct watch, subscriber));
}

/* ---- Beginning: the owner ---------------------------------------------- */

static const struct watch *find(const SoftTLB *tlb, const TLBInfo *info,
                                const AddressSpace *target)
{
    const FlatRange *section = info->section;

    for (unsigned i = 0; tlb->iommu != NULL && i < WATCHES; i++) {
        const struct watch *w = &tlb->iommu->watch[i];

        if (region_of(w) == section->mr && w->mr_delta == section->mr_delta &&
            w->target == target && w->place.first <= info->phys &&
            info->phys + (tlb__page_size(tlb) - 1) <= w->place.last) {
            return w;
        }
    }
    return NULL;
}

static struct watch *find_free(SoftTLB *tlb)
{
    if (tlb->iommu == NULL) {
        tlb->iommu = xbar_alloc(tlb__engine(tlb), sizeof(*tlb->iommu));
    }
    for (unsigned i = 0; tlb->iommu != NULL && i < WATCHES; i++) {
        if (tlb->iommu->watch[i].mr == NULL) {
            return &tlb->iommu->watch[i];
        }
    }
    return NULL;
}

/* False: the IOMMU does not say when translations change. */
static bool listen(struct watch *w, MemoryRegion *mr)
{
    const MemTxAttrs attrs = { 0 };
    IOMMUMemoryRegion *iommu = IOMMU_MEMORY_REGION(mr);

    iommu_notifier_init(&w->notifier, hear_unmap, IOMMU_NOTIFIER_UNMAP,
                        w->place.first + w->mr_delta,
                        w->place.last + w->mr_delta,
                        memory_region_iommu_attrs_to_index(iommu, attrs));
    if (xbar_address_space_is_ending(w->target) ||
        memory_region_register_iommu_notifier(mr, &w->notifier, NULL) != 0) {
        return false;
    }
    if (!has_own_target(w)) {
        xbar_view_subscribe(w->target, &w->subscriber);
    }
    return true;
}

/* With the lock, what is shown is not about to change. Is @section there? */
static bool is_shown(const SoftTLB *tlb, const FlatRange *section)
{
    const FlatView *view = address_space_to_flatview(tlb->config.as);

    return flatview_lookup(view, section->first) == section;
}

static bool begin(SoftTLB *tlb, const FlatRange *section, AddressSpace *target)
{
    struct xbar_engine *engine = tlb__engine(tlb);
    struct watch *w;
    bool listens = false;

    xbar_tree_hold(engine);
    w = is_shown(tlb, section) ? find_free(tlb) : NULL;
    if (w != NULL) {
        w->subscriber.changed = hear_target;
        w->subscriber.ends = hear_end;
        w->tlb = tlb;
        w->target = target;
        w->mr_delta = section->mr_delta;
        w->place = (struct xbar_range){ section->first, section->last };
        if (has_own_target(w)) {
            tlb__inbox_hear_all(tlb); /* what is behind it was not marked */
        }
        listens = listen(w, section->mr);
        if (listens) {
            __atomic_store_n(&w->mr, section->mr, __ATOMIC_RELEASE);
        }
    }
    xbar_tree_release(engine);
    return listens;
}

unsigned tlb__iommu_prot(SoftTLB *tlb, const TLBInfo *info, uint64_t *host)
{
    struct xbar_iommu_page page;
    AddressSpace *target;

    if (!xbar_iommu_page(info->section, info->phys, tlb__page_size(tlb),
                         &page)) {
        return 0;
    }
    target = page.target;
    if (find(tlb, info, target) == NULL &&
        (!begin(tlb, info->section, target) ||
         !xbar_iommu_page(info->section, info->phys, tlb__page_size(tlb),
                          &page) ||
         page.target != target)) {
        return 0;
    }
    *host = page.host;
    return (page.is_readable ? TLB_PROT_READ : 0) |
           (page.is_writable ? TLB_PROT_WRITE : 0);
}
