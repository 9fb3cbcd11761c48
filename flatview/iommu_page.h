/* SPDX-License-Identifier: MIT */
/* What somebody who keeps translations, a TLB, asks of an IOMMU region. */
#ifndef XBAR_FLATVIEW_IOMMU_PAGE_H
#define XBAR_FLATVIEW_IOMMU_PAGE_H

#include "flatview/iommu.h"

/* RAM behind a page of an IOMMU's section. */
struct xbar_iommu_page {
    uint64_t host;
    AddressSpace *target; /* that shows it */
    bool is_readable;
    bool is_writable;
};

/*
 * Where @size bytes at @addr of @section, which is an IOMMU region's, lead: as
 * an access without attributes would find it, but that none follows. @size is a
 * power of two.
 *
 * False if they are no RAM in one piece behind one translation, or who is told
 * of reads would not be. Context: a read section.
 */
bool xbar_iommu_page(const FlatRange *section, hwaddr addr, hwaddr size,
                     struct xbar_iommu_page *page);

#endif
