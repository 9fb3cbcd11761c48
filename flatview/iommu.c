/* SPDX-License-Identifier: MIT */
/*
 * IOMMU regions, and who is told of their changes.
 *
 * To engine/ such a region is one with callbacks: they translate, and pass the
 * access on. So dispatch, and a vCPU's slow path, reach what is behind it
 * without knowing; the paths of this folder ask for the translation instead
 * (resolve.c), and pass on more than eight bytes at once.
 *
 * Notifiers are a list under the engine's writer lock. Telling them holds it.
 * A notifier may take any of them off the list, and may itself tell them of
 * another change: where each such walk is stands in the region.
 */
#include "flatview/iommu.h"

#include <errno.h>

#include "engine/commit.h"
#include "engine/tree.h"
#include "flatview/flatview_internal.h"
#include "flatview/iommu_page.h"

/* A walk over the notifiers that is under way. */
struct xbar_iommu_walk {
    IOMMUNotifier *next;
    struct xbar_iommu_walk *outer;
};

static IOMMUMemoryRegion *iommu_of(MemoryRegion *mr)
{
    return xbar_container_of(mr, IOMMUMemoryRegion, parent_obj);
}

IOMMUTLBEntry flatview__iommu_translate(MemoryRegion *mr, hwaddr offset,
                                        unsigned need, MemTxAttrs attrs)
{
    IOMMUMemoryRegion *iommu = iommu_of(mr);

    return iommu->imrc->translate(
        iommu, offset, (IOMMUAccessFlags)need,
        memory_region_iommu_attrs_to_index(iommu, attrs));
}

/* ---- The region, as a device ------------------------------------------- */

static MemTxResult read_through(void *opaque, hwaddr addr, uint64_t *data,
                                unsigned size, MemTxAttrs attrs)
{
    return flatview__iommu_read(opaque, addr, attrs, data, size);
}

static MemTxResult write_through(void *opaque, hwaddr addr, uint64_t data,
                                 unsigned size, MemTxAttrs attrs)
{
    return flatview__iommu_write(opaque, addr, attrs, data, size);
}

/* Values in the host's order: as if the bytes had been copied. */
static const MemoryRegionOps through_ops = {
    .read_with_attrs = read_through,
    .write_with_attrs = write_through,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    .endianness = DEVICE_LITTLE_ENDIAN,
#else
    .endianness = DEVICE_BIG_ENDIAN,
#endif
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

int memory_region_init_iommu(IOMMUMemoryRegion *iommu,
                             const IOMMUMemoryRegionClass *imrc, Object *owner,
                             const char *name, uint64_t size)
{
    int err;

    if (imrc == NULL || imrc->translate == NULL) {
        return -EINVAL;
    }
    iommu->imrc = imrc;
    iommu->notifiers = NULL;
    iommu->walks = NULL;
    iommu->iommu_notify_flags = IOMMU_NOTIFIER_NONE;
    err = memory_region_init_io(&iommu->parent_obj, owner, &through_ops,
                                &iommu->parent_obj, name, size);
    if (err == 0) {
        xbar_region_mark_iommu(&iommu->parent_obj);
        err = xbar_region_set_lock_policy(&iommu->parent_obj, XBAR_LOCK_NONE);
    }
    return err;
}

IOMMUMemoryRegion *memory_region_get_iommu(MemoryRegion *mr)
{
    struct xbar_engine *engine = xbar_region_engine(mr);
    struct xbar_region_info info = { .alias = mr };

    if (engine == NULL) {
        return NULL;
    }
    xbar_tree_hold(engine);
    while (info.alias != NULL) {
        mr = info.alias;
        xbar_region_inspect(mr, &info);
    }
    xbar_tree_release(engine);
    return info.flags & XBAR_REGION_IOMMU ? iommu_of(mr) : NULL;
}

/* ---- Asking ------------------------------------------------------------ */

int memory_region_iommu_attrs_to_index(IOMMUMemoryRegion *iommu,
                                       MemTxAttrs attrs)
{
    return iommu->imrc->attrs_to_index != NULL
               ? iommu->imrc->attrs_to_index(iommu, attrs)
               : 0;
}

int memory_region_iommu_num_indexes(IOMMUMemoryRegion *iommu)
{
    return iommu->imrc->num_indexes != NULL ? iommu->imrc->num_indexes(iommu)
                                            : 1;
}

uint64_t memory_region_iommu_get_min_page_size(IOMMUMemoryRegion *iommu)
{
    return iommu->imrc->get_min_page_size != NULL
               ? iommu->imrc->get_min_page_size(iommu)
               : 4096;
}

int memory_region_iommu_get_attr(IOMMUMemoryRegion *iommu,
                                 enum IOMMUMemoryRegionAttr attr, void *data)
{
    return iommu->imrc->get_attr != NULL
               ? iommu->imrc->get_attr(iommu, attr, data)
               : -EINVAL;
}

int memory_region_iommu_set_page_size_mask(IOMMUMemoryRegion *iommu,
                                           uint64_t page_size_mask,
                                           Error **errp)
{
    return iommu->imrc->iommu_set_page_size_mask != NULL
               ? iommu->imrc->iommu_set_page_size_mask(iommu, page_size_mask,
                                                       errp)
               : 0;
}

/* ---- Pages that are kept ----------------------------------------------- */

bool xbar_iommu_page(const FlatRange *section, hwaddr addr, hwaddr size,
                     struct xbar_iommu_page *page)
{
    const MemTxAttrs attrs = { 0 };
    hwaddr offset = addr + section->mr_delta;
    const FlatRange *range;
    IOMMUTLBEntry entry;

    if (flatview__iommu_observes(section->mr)) {
        return false;
    }
    entry = flatview__iommu_translate(section->mr, offset, IOMMU_NONE, attrs);
    if (entry.target_as == NULL || (entry.addr_mask & (size - 1)) != size - 1 ||
        (offset & (size - 1)) != 0 ||
        xbar_address_space_engine(entry.target_as) !=
            xbar_region_engine(section->mr)) {
        return false;
    }
    addr =
        (entry.translated_addr & ~entry.addr_mask) | (offset & entry.addr_mask);
    range = flatview__find(flatview__current(entry.target_as), addr);
    if (!(range->flags & FLAT_RANGE_RAM) || range->last - addr < size - 1) {
        return false;
    }
    page->host = addr + range->host_delta;
    page->target = entry.target_as;
    page->is_readable = (entry.perm & IOMMU_RO) != 0;
    page->is_writable = (entry.perm & IOMMU_WO) != 0 &&
                        (range->flags & FLAT_RANGE_WRITABLE) != 0 &&
                        (section->flags & FLAT_RANGE_READONLY) == 0;
    return page->is_readable || page->is_writable;
}

/* ---- Observing reads ---------------------------------------------------- */

bool flatview__iommu_observes(const MemoryRegion *mr)
{
    return iommu_of((MemoryRegion *)mr)->imrc->before_read != NULL;
}

void flatview__iommu_tell_read(const struct flatview_target *t)
{
    IOMMUMemoryRegion *iommu = iommu_of(t->observer);

    iommu->imrc->before_read(iommu, t->observed_at, t->length, t->range->mr,
                             t->addr + t->range->mr_delta);
}

/* ---- Notifiers --------------------------------------------------------- */

static struct xbar_engine *engine_of(IOMMUMemoryRegion *iommu)
{
    return xbar_region_engine(&iommu->parent_obj);
}

/* What all of them want; the class may refuse what is new in it. */
static int update_flags(IOMMUMemoryRegion *iommu, Error **errp)
{
    IOMMUNotifierFlag old = iommu->iommu_notify_flags;
    unsigned flags = IOMMU_NOTIFIER_NONE;
    int err = 0;

    for (const IOMMUNotifier *n = iommu->notifiers; n != NULL; n = n->next) {
        flags |= n->notifier_flags;
    }
    if (flags != (unsigned)old && iommu->imrc->notify_flag_changed != NULL) {
        err = iommu->imrc->notify_flag_changed(iommu, old,
                                               (IOMMUNotifierFlag)flags, errp);
    }
    if (err == 0) {
        iommu->iommu_notify_flags = (IOMMUNotifierFlag)flags;
    }
    return err;
}

static IOMMUNotifier **find_link(IOMMUMemoryRegion *iommu,
                                 const IOMMUNotifier *n)
{
    IOMMUNotifier **link = &iommu->notifiers;

    while (*link != NULL && *link != n) {
        link = &(*link)->next;
    }
    return link;
}

static int register_held(IOMMUMemoryRegion *iommu, IOMMUNotifier *n,
                         Error **errp)
{
    IOMMUNotifier **link = find_link(iommu, n);
    int err;

    if (*link != NULL) {
        error_setg(errp, "the notifier is registered already");
        return -EEXIST;
    }
    n->next = NULL;
    *link = n; /* at the end: told in the order of registration */
    err = update_flags(iommu, errp);
    if (err != 0) {
        *link = NULL;
    }
    return err;
}

int memory_region_register_iommu_notifier(MemoryRegion *mr, IOMMUNotifier *n,
                                          Error **errp)
{
    IOMMUMemoryRegion *iommu = memory_region_get_iommu(mr);
    int err;

    if (iommu == NULL || n->notify == NULL || n->start > n->end ||
        n->notifier_flags == IOMMU_NOTIFIER_NONE || n->iommu_idx < 0 ||
        n->iommu_idx >= memory_region_iommu_num_indexes(iommu)) {
        error_setg(errp, "not an IOMMU notifier, or not an IOMMU");
        return -EINVAL;
    }
    xbar_tree_hold(engine_of(iommu));
    err = register_held(iommu, n, errp);
    xbar_tree_release(engine_of(iommu));
    return err;
}

/* @n goes: no walk may come to it. */
static void pass_over(IOMMUMemoryRegion *iommu, const IOMMUNotifier *n)
{
    struct xbar_iommu_walk *walk = iommu->walks;

    for (; walk != NULL; walk = walk->outer) {
        if (walk->next == n) {
            walk->next = n->next;
        }
    }
}

int memory_region_unregister_iommu_notifier(MemoryRegion *mr, IOMMUNotifier *n)
{
    IOMMUMemoryRegion *iommu = memory_region_get_iommu(mr);
    IOMMUNotifier **link;
    int err = -ENOENT;

    if (iommu == NULL) {
        return -EINVAL;
    }
    xbar_tree_hold(engine_of(iommu));
    link = find_link(iommu, n);
    if (*link != NULL) {
        *link = n->next;
        pass_over(iommu, n);
        /* Wanting less cannot be refused: there is nobody to tell. */
        (void)update_flags(iommu, NULL);
        err = 0;
    }
    xbar_tree_release(engine_of(iommu));
    return err;
}

static bool is_event(const IOMMUTLBEvent *event)
{
    unsigned type = event->type;
    bool grants = event->entry.perm != IOMMU_NONE;

    return (type == IOMMU_NOTIFIER_MAP && grants) ||
           ((type == IOMMU_NOTIFIER_UNMAP ||
             type == IOMMU_NOTIFIER_DEVIOTLB_UNMAP) &&
            !grants);
}

/*
 * The part of the event's range that the notifier is for, as one entry; its
 * mask then says how long it is, and need not be a page's.
 */
static bool crop(const IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
    hwaddr first = entry->iova;
    hwaddr last = first + entry->addr_mask;

    if (last < first) {
        last = UINT64_MAX;
    }
    if (first > n->end || last < n->start) {
        return false;
    }
    if (first < n->start) {
        entry->translated_addr += n->start - first;
        first = n->start;
    }
    last = last > n->end ? n->end : last;
    entry->iova = first;
    entry->addr_mask = last - first;
    return true;
}

int memory_region_notify_iommu_one(IOMMUNotifier *notifier,
                                   const IOMMUTLBEvent *event)
{
    IOMMUTLBEntry entry = event->entry;

    if (!is_event(event)) {
        return -EINVAL;
    }
    if (!(notifier->notifier_flags & event->type) || !crop(notifier, &entry)) {
        return 0;
    }
    return notifier->notify(notifier, &entry);
}

static int notify_held(IOMMUMemoryRegion *iommu, int iommu_idx,
                       const IOMMUTLBEvent *event)
{
    struct xbar_iommu_walk walk = { iommu->notifiers, iommu->walks };
    int first_err = 0;

    iommu->walks = &walk;
    while (walk.next != NULL) {
        IOMMUNotifier *n = walk.next;
        int err = 0;

        walk.next = n->next;
        if (n->iommu_idx == iommu_idx) {
            err = memory_region_notify_iommu_one(n, event);
        }
        first_err = first_err != 0 ? first_err : err;
    }
    iommu->walks = walk.outer;
    return first_err;
}

int memory_region_notify_iommu(IOMMUMemoryRegion *iommu, int iommu_idx,
                               IOMMUTLBEvent event)
{
    int err;

    if (!is_event(&event)) {
        return -EINVAL;
    }
    xbar_tree_hold(engine_of(iommu));
    err = notify_held(iommu, iommu_idx, &event);
    xbar_tree_release(engine_of(iommu));
    return err;
}

int memory_region_unmap_iommu_notifier_range(IOMMUNotifier *notifier)
{
    IOMMUTLBEvent event = {
        .type = IOMMU_NOTIFIER_UNMAP,
        .entry = { .iova = notifier->start,
                   .addr_mask = notifier->end - notifier->start },
    };

    return memory_region_notify_iommu_one(notifier, &event);
}

/* ---- Replay ------------------------------------------------------------ */

int memory_region_iommu_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n)
{
    hwaddr page = memory_region_iommu_get_min_page_size(iommu) - 1;
    hwaddr at = n->start;
    int err = 0;

    if (iommu->imrc->replay != NULL) {
        iommu->imrc->replay(iommu, n);
        return 0;
    }
    for (;;) {
        IOMMUTLBEvent event = { .type = IOMMU_NOTIFIER_MAP };
        hwaddr last;

        event.entry =
            iommu->imrc->translate(iommu, at, IOMMU_NONE, n->iommu_idx);
        last = at | page | event.entry.addr_mask;
        if (event.entry.perm != IOMMU_NONE) {
            event.entry.iova = at & ~event.entry.addr_mask;
            event.entry.translated_addr &= ~event.entry.addr_mask;
            err = memory_region_notify_iommu_one(n, &event);
        }
        if (err != 0 || last >= n->end) {
            return err;
        }
        at = last + 1;
    }
}
