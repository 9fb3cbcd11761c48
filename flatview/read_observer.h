/* SPDX-License-Identifier: MIT */
/**
 * Observing what devices read: a fuzzer fills memory in just before a device
 * looks at it, a checker notes what was looked at.
 *
 * An observer is a region that shows a part of another address space, at the
 * same addresses, and is told before memory is read through it. It stands in
 * the address space that the devices use; nothing else pays for it:
 *
 *     device --dma_as--> observer --> memory_as --> RAM, other devices
 *                           |
 *     vCPU ----------------------> memory_as          is not observed
 *
 * An IOMMU region does the same by its class's before_read.
 */
#ifndef XBAR_FLATVIEW_READ_OBSERVER_H
#define XBAR_FLATVIEW_READ_OBSERVER_H

#include "iommu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_read_observer;

/**
 * @length bytes at @addr are about to be read, which are @offset of @mr.
 *
 * Once for each piece that one region answers, by every way: bulk, fixed
 * widths, and maps for reading, when they are made. Not for devices, writes,
 * or what is refused.
 *
 * Context: any thread, inside a read section, no lock of ours held. May access
 * any address space, also to write what is about to be read.
 */
typedef void xbar_read_observer_fn(struct xbar_read_observer *observer,
                                   hwaddr addr, hwaddr length, MemoryRegion *mr,
                                   hwaddr offset);

/** Embedded like a MemoryRegion. */
struct xbar_read_observer {
    IOMMUMemoryRegion iommu; /* add its parent_obj to the tree, and end it */

    /* private */
    AddressSpace *as XBAR_PRIVATE_FLATVIEW;
    hwaddr base XBAR_PRIVATE_FLATVIEW;
    xbar_read_observer_fn *fn XBAR_PRIVATE_FLATVIEW;
};

/**
 * xbar_read_observer_init() - a region that shows @as from @base on
 * @as: must outlive @observer; not the address space that shows it
 * @base: a multiple of 4096; add the region at this offset
 * @size: bytes; UINT64_MAX means 2^64
 *
 * Row M-99. Return: 0; -EINVAL; -ENOMEM.
 */
XBAR_API int xbar_read_observer_init(struct xbar_read_observer *observer,
                                     Object *owner, const char *name,
                                     AddressSpace *as, hwaddr base,
                                     uint64_t size, xbar_read_observer_fn *fn);

#ifdef __cplusplus
}
#endif

#endif
