/* SPDX-License-Identifier: MIT */
#include "flatview/read_observer.h"

#include <errno.h>

#include "engine/check.h"

static struct xbar_read_observer *observer_of(IOMMUMemoryRegion *iommu)
{
    return xbar_container_of(iommu, struct xbar_read_observer, iommu);
}

/* As far as the same distance lies between both: to where @base is aligned. */
static hwaddr mask_of(hwaddr base)
{
    return (base & -base) - 1;
}

static IOMMUTLBEntry translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                               IOMMUAccessFlags flag, int iommu_idx)
{
    const struct xbar_read_observer *observer = observer_of(iommu);
    hwaddr mask = mask_of(observer->base);

    (void)flag;
    (void)iommu_idx;
    return (IOMMUTLBEntry){
        .target_as = observer->as,
        .iova = addr & ~mask,
        .translated_addr = (addr & ~mask) + observer->base,
        .addr_mask = mask,
        .perm = addr <= UINT64_MAX - observer->base ? IOMMU_RW : IOMMU_NONE,
    };
}

static void before_read(IOMMUMemoryRegion *iommu, hwaddr addr, hwaddr length,
                        MemoryRegion *target, hwaddr offset)
{
    struct xbar_read_observer *observer = observer_of(iommu);

    observer->fn(observer, observer->base + addr, length, target, offset);
}

static const IOMMUMemoryRegionClass observer_class = {
    .translate = translate,
    .before_read = before_read,
};

int xbar_read_observer_init(struct xbar_read_observer *observer, Object *owner,
                            const char *name, AddressSpace *as, hwaddr base,
                            uint64_t size, xbar_read_observer_fn *fn)
{
    if (observer == NULL || as == NULL || as->space == NULL || fn == NULL ||
        base % 4096 != 0) {
        return -EINVAL;
    }
    observer->as = as;
    observer->base = base;
    observer->fn = fn;
    return memory_region_init_iommu(&observer->iommu, &observer_class, owner,
                                    name, size);
}
