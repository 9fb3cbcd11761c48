/* SPDX-License-Identifier: MIT */
/**
 * IOMMU regions: a region that answers by saying where the access goes.
 *
 *     as ---> section of an IOMMU region --translate--> target_as, address
 *                                                         |
 *                  RAM, a device, or the next IOMMU  <----+
 *
 * Every path follows them: bulk and fixed-width accesses, maps, caches,
 * queries, and vCPUs. A chain of more than XBAR_IOMMU_MAX_DEPTH translations,
 * a cycle included, is MEMTX_DECODE_ERROR.
 *
 * Only vCPUs remember translations, of whole pages, and listen for unmaps (see
 * memory_region_notify_iommu()). Who else does (a passed-through device, a map
 * that is held) registers a notifier and is told when one changes.
 */
#ifndef XBAR_FLATVIEW_IOMMU_H
#define XBAR_FLATVIEW_IOMMU_H

#include "../engine/error.h"
#include "../engine/memory_ram.h"
#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Translations that one access may pass through. */
#define XBAR_IOMMU_MAX_DEPTH 16

typedef struct IOMMUMemoryRegion IOMMUMemoryRegion;
typedef struct IOMMUMemoryRegionClass IOMMUMemoryRegionClass;
typedef struct IOMMUNotifier IOMMUNotifier;
typedef struct IOMMUTLBEntry IOMMUTLBEntry;
typedef struct IOMMUTLBEvent IOMMUTLBEvent;
struct xbar_iommu_walk;

/** What an access needs, or a translation grants; bits. Row M-60. */
typedef enum IOMMUAccessFlags {
    IOMMU_NONE = 0, /* as a need: tell all that is known, no access follows */
    IOMMU_RO = 1,
    IOMMU_WO = 2,
    IOMMU_RW = 3,
} IOMMUAccessFlags;

#define IOMMU_ACCESS_FLAG(r, w) \
    ((IOMMUAccessFlags)(((r) ? IOMMU_RO : 0) | ((w) ? IOMMU_WO : 0)))

/** One translation, for addr_mask + 1 bytes. Row M-60. */
struct IOMMUTLBEntry {
    /* NULL: nothing there. Must outlive the access: to end it, name it no
     * more, and then destroy it; what TLBs kept of it goes. */
    AddressSpace *target_as;
    hwaddr iova;            /* offset in the IOMMU region */
    hwaddr translated_addr; /* in target_as; low bits are those asked for */
    hwaddr addr_mask;       /* size - 1: 0xfff is 4 KiB */
    IOMMUAccessFlags perm;
    /* xbar's own: what a refused access gives; 0: MEMTX_ACCESS_ERROR. */
    MemTxResult fault;
};

/** What a notifier wants to hear of; bits. Row M-63. */
typedef enum IOMMUNotifierFlag {
    IOMMU_NOTIFIER_NONE = 0,
    IOMMU_NOTIFIER_UNMAP = 1,          /* translations that are gone */
    IOMMU_NOTIFIER_MAP = 2,            /* new ones */
    IOMMU_NOTIFIER_DEVIOTLB_UNMAP = 4, /* gone from a device's own TLB */
} IOMMUNotifierFlag;

#define IOMMU_NOTIFIER_IOTLB_EVENTS    (IOMMU_NOTIFIER_MAP | IOMMU_NOTIFIER_UNMAP)
#define IOMMU_NOTIFIER_DEVIOTLB_EVENTS IOMMU_NOTIFIER_DEVIOTLB_UNMAP
#define IOMMU_NOTIFIER_ALL \
    (IOMMU_NOTIFIER_IOTLB_EVENTS | IOMMU_NOTIFIER_DEVIOTLB_EVENTS)

/**
 * Told of a change. Return: 0, or -errno, which whoever made the change gets
 * to see (QEMU's return nothing). Called with the engine's writer lock held: it
 * may change the tree, and unregister any notifier, itself included.
 */
typedef int (*IOMMUNotify)(IOMMUNotifier *notifier, IOMMUTLBEntry *data);

/** Caller's storage; filled by iommu_notifier_init(). Row M-63. */
struct IOMMUNotifier {
    IOMMUNotify notify;
    IOMMUNotifierFlag notifier_flags;
    hwaddr start; /* offsets in the region, inclusive */
    hwaddr end;
    int iommu_idx;

    /* private */
    IOMMUNotifier *next XBAR_PRIVATE_FLATVIEW;
};

/** What happened to a translation. Row M-63. */
struct IOMMUTLBEvent {
    IOMMUNotifierFlag type; /* one bit */
    IOMMUTLBEntry entry;
};

/** What iommu_get_attr asks for; the meaning is the two parties' own. */
enum IOMMUMemoryRegionAttr {
    IOMMU_ATTR_SPAPR_TCE_FD,
};

/**
 * What an IOMMU does: the methods of QEMU's class, as a constant table.
 * Only translate is required.
 *
 * translate, attrs_to_index: any thread, inside a read section, no lock held;
 * must not wait. The others: as the call that leads to them.
 */
struct IOMMUMemoryRegionClass {
    /**
   * @addr: offset in the region. A mapping may depend on it and on
   * @iommu_idx alone: @flag says what for, so that a fault can be raised.
   * Nothing there: an entry with perm IOMMU_NONE.
   */
    IOMMUTLBEntry (*translate)(IOMMUMemoryRegion *iommu, hwaddr addr,
                               IOMMUAccessFlags flag, int iommu_idx);
    /** Smallest page, in bytes, a power of two; without it 4096. Row M-65. */
    uint64_t (*get_min_page_size)(IOMMUMemoryRegion *iommu);
    /**
   * What all notifiers together want changed. Return: 0; -errno refuses,
   * and the registration that wanted it fails. Row M-63.
   */
    int (*notify_flag_changed)(IOMMUMemoryRegion *iommu,
                               IOMMUNotifierFlag old_flags,
                               IOMMUNotifierFlag new_flags, Error **errp);
    /** Tell @notifier all that is mapped; without it every page is asked. */
    void (*replay)(IOMMUMemoryRegion *iommu, IOMMUNotifier *notifier);
    /** Return: 0, or -errno. Row M-65. */
    int (*get_attr)(IOMMUMemoryRegion *iommu, enum IOMMUMemoryRegionAttr attr,
                    void *data);
    /** Which table answers @attrs; without it 0. Row M-62. */
    int (*attrs_to_index)(IOMMUMemoryRegion *iommu, MemTxAttrs attrs);
    /** How many tables there are; without it 1. Row M-62. */
    int (*num_indexes)(IOMMUMemoryRegion *iommu);
    /** Which page sizes a user can do. Return: 0, or -errno. Row M-65. */
    int (*iommu_set_page_size_mask)(IOMMUMemoryRegion *iommu,
                                    uint64_t page_size_mask, Error **errp);
    /**
   * xbar's own: memory is about to be read through @iommu: @length bytes from
   * the offset @addr, which lie at @offset of @target. Any thread, inside a
   * read section, no lock held; it may write to what is to be read. A map for
   * reading is told once, when it is made. Row M-99.
   */
    void (*before_read)(IOMMUMemoryRegion *iommu, hwaddr addr, hwaddr length,
                        MemoryRegion *target, hwaddr offset);
};

/** A region and its IOMMU; embedded like a MemoryRegion. Row M-28. */
struct IOMMUMemoryRegion {
    MemoryRegion parent_obj; /* add this to the tree; end it as any region */

    /* private */
    const IOMMUMemoryRegionClass *imrc XBAR_PRIVATE_FLATVIEW;
    /* Under the engine's writer lock. */
    IOMMUNotifier *notifiers XBAR_PRIVATE_FLATVIEW;
    struct xbar_iommu_walk *walks XBAR_PRIVATE_FLATVIEW;
    IOMMUNotifierFlag iommu_notify_flags XBAR_PRIVATE_FLATVIEW;
};

#define IOMMU_MEMORY_REGION(obj) ((IOMMUMemoryRegion *)(obj))
#define MEMORY_REGION(obj)       ((MemoryRegion *)(obj))

/**
 * memory_region_init_iommu() - a region that translates. Row M-28.
 * @imrc: must outlive @iommu (in QEMU's call: instance size and type name)
 *
 * Whoever reaches the region itself, by memory_region_dispatch_read() or a
 * vCPU, is forwarded, too.
 *
 * Return: 0; -EINVAL without translate; -ENOMEM.
 */
XBAR_API int memory_region_init_iommu(IOMMUMemoryRegion *iommu,
                                      const IOMMUMemoryRegionClass *imrc,
                                      Object *owner, const char *name,
                                      uint64_t size);

/**
 * memory_region_get_iommu() - @mr as an IOMMU region, through aliases
 *
 * Takes the engine's writer lock. Row M-28. Return: NULL if it is none.
 */
XBAR_API IOMMUMemoryRegion *memory_region_get_iommu(MemoryRegion *mr);

/* ---- Asking. Rows M-62, M-65 ------------------------------------------- */

/* What the class says: which table answers @attrs, of how many; 0 of 1 if it
 * says nothing. Any thread. */
XBAR_API int memory_region_iommu_attrs_to_index(IOMMUMemoryRegion *iommu,
                                                MemTxAttrs attrs);
XBAR_API int memory_region_iommu_num_indexes(IOMMUMemoryRegion *iommu);
/** memory_region_iommu_get_min_page_size() - bytes, a power of two */
XBAR_API uint64_t
memory_region_iommu_get_min_page_size(IOMMUMemoryRegion *iommu);
/** memory_region_iommu_get_attr() - Return: 0; -EINVAL if it has none */
XBAR_API int memory_region_iommu_get_attr(IOMMUMemoryRegion *iommu,
                                          enum IOMMUMemoryRegionAttr attr,
                                          void *data);
/** memory_region_iommu_set_page_size_mask() - 0 if it does not care */
XBAR_API int memory_region_iommu_set_page_size_mask(IOMMUMemoryRegion *iommu,
                                                    uint64_t page_size_mask,
                                                    Error **errp);

/**
 * address_space_get_iotlb_entry() - where @addr of @as ends up. Row M-59.
 *
 * Through all IOMMUs on the way, for users that cache translations (vhost).
 * The entry's addr_mask is the largest page around @addr that one piece of RAM
 * backs; its iova is in @as; target_as NULL where there is no RAM, or the way
 * there does not grant the access.
 *
 * Context: a read section, for as long as target_as is used.
 */
XBAR_API IOMMUTLBEntry address_space_get_iotlb_entry(AddressSpace *as,
                                                     hwaddr addr, bool is_write,
                                                     MemTxAttrs attrs);

/**
 * memory_get_xlat_addr() - the memory behind a translation. Row M-65.
 * @iotlb: as a MAP event has it
 * @vaddr, @ram_addr, @read_only, @mr_has_discard_manager: get the host address,
 * the block's offset, whether writes are not granted, and whether the region has
 * a discard manager; each may be NULL
 *
 * Context: a read section, for as long as @vaddr is used; a notifier that
 * keeps it takes a reference to the region.
 * Return: false if it is no RAM, or not all of the page is one piece of it that
 * is populated.
 */
XBAR_API bool memory_get_xlat_addr(IOMMUTLBEntry *iotlb, void **vaddr,
                                   ram_addr_t *ram_addr, bool *read_only,
                                   bool *mr_has_discard_manager);

/* ---- Notifiers. Rows M-63, M-64 ---------------------------------------- */

/** iommu_notifier_init() - fill @n; @start and @end are inclusive */
static inline void iommu_notifier_init(IOMMUNotifier *n, IOMMUNotify fn,
                                       IOMMUNotifierFlag flags, hwaddr start,
                                       hwaddr end, int iommu_idx)
{
    n->notify = fn;
    n->notifier_flags = flags;
    n->start = start;
    n->end = end;
    n->iommu_idx = iommu_idx;
}

/**
 * memory_region_register_iommu_notifier() - hear of changes in @mr
 * @mr: an IOMMU region, or an alias of one
 * @n: must live until it is unregistered
 *
 * Return: 0; -EINVAL for a range or index that is none, or no IOMMU; what
 * notify_flag_changed refused with. Nothing is registered then.
 */
XBAR_API int memory_region_register_iommu_notifier(MemoryRegion *mr,
                                                   IOMMUNotifier *n,
                                                   Error **errp)
    XBAR_MUST_CHECK;

/** memory_region_unregister_iommu_notifier() - -ENOENT if it is not there */
XBAR_API int memory_region_unregister_iommu_notifier(MemoryRegion *mr,
                                                     IOMMUNotifier *n);

/**
 * memory_region_notify_iommu() - the IOMMU says that a translation changed
 *
 * After the tables changed: an access that begins after this returned uses the
 * new translation; a vCPU on another thread, from its next safe point on. So
 * whoever takes a translation away, or permission, must say so. Changing one in
 * place is UNMAP, then MAP. UNMAP and MAP events that reach out of a notifier's
 * range are cropped to it.
 *
 * Return: 0; -EINVAL if @event is none; or the first error that a notifier
 * returned, after all of them were told.
 */
XBAR_API int memory_region_notify_iommu(IOMMUMemoryRegion *iommu, int iommu_idx,
                                        IOMMUTLBEvent event);

/** memory_region_notify_iommu_one() - the same, @notifier alone */
XBAR_API int memory_region_notify_iommu_one(IOMMUNotifier *notifier,
                                            const IOMMUTLBEvent *event);

/** memory_region_unmap_iommu_notifier_range() - all of its range is gone */
XBAR_API int memory_region_unmap_iommu_notifier_range(IOMMUNotifier *notifier);

/**
 * memory_region_iommu_replay() - tell @n what is mapped in its range
 *
 * The class's replay, else MAP events found by asking translate for page after
 * page, over what it says is one piece at once.
 *
 * Return: 0, or the first error that @n returned.
 */
XBAR_API int memory_region_iommu_replay(IOMMUMemoryRegion *iommu,
                                        IOMMUNotifier *n);

#ifdef __cplusplus
}
#endif

#endif
