/* SPDX-License-Identifier: MIT */
/* An IOMMU of 16 pages before the board; for tests of IOMMU regions. */
#ifndef XBAR_TESTS_FLATVIEW_IOMMU_RIG_H
#define XBAR_TESTS_FLATVIEW_IOMMU_RIG_H

#include <errno.h>

#include "engine/check.h"
#include "flatview/iommu.h"
#include "tests/unit/flatview/board.h"

/*
 * The board, behind an IOMMU of 16 pages of 256 bytes at 0x4000 of another
 * address space; entry i of @to is where page i leads, @perm what it grants.
 */
#define PAGES 16
#define PAGE  0x100

struct rig {
    struct board *b;
    IOMMUMemoryRegion iommu;
    MemoryRegion root;
    AddressSpace as;
    AddressSpace *target[2]; /* by index */
    hwaddr to[PAGES];
    IOMMUAccessFlags perm[PAGES];
    MemTxResult fault;
    IOMMUNotifierFlag flags;
    bool refuses;
    unsigned asked;
};

static const MemTxAttrs plain = { .unspecified = 1 };

static inline struct rig *rig_of(IOMMUMemoryRegion *iommu)
{
    return xbar_container_of(iommu, struct rig, iommu);
}

static inline IOMMUTLBEntry translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                      IOMMUAccessFlags flag, int iommu_idx)
{
    struct rig *rig = rig_of(iommu);
    unsigned page = (unsigned)(addr / PAGE) % PAGES;

    (void)flag;
    rig->asked++;
    return (IOMMUTLBEntry){
        .target_as = rig->target[iommu_idx],
        .iova = addr & ~(hwaddr)(PAGE - 1),
        .translated_addr = rig->to[page],
        .addr_mask = PAGE - 1,
        .perm = rig->perm[page],
        .fault = rig->fault,
    };
}

static inline uint64_t min_page_size(IOMMUMemoryRegion *iommu)
{
    (void)iommu;
    return PAGE;
}

static inline int flags_changed(IOMMUMemoryRegion *iommu,
                                IOMMUNotifierFlag old_flags,
                                IOMMUNotifierFlag new_flags, Error **errp)
{
    struct rig *rig = rig_of(iommu);

    assert_int_equal(old_flags, rig->flags);
    if (rig->refuses) {
        error_setg(errp, "no notifiers here");
        return -EPERM;
    }
    rig->flags = new_flags;
    return 0;
}

static inline int index_of(IOMMUMemoryRegion *iommu, MemTxAttrs attrs)
{
    (void)iommu;
    return attrs.secure;
}

static inline int two(IOMMUMemoryRegion *iommu)
{
    (void)iommu;
    return 2;
}

static const IOMMUMemoryRegionClass rig_class = {
    .translate = translate,
    .get_min_page_size = min_page_size,
    .notify_flag_changed = flags_changed,
    .attrs_to_index = index_of,
    .num_indexes = two,
};

static inline int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int err = board_set_up(state);

    rig->b = *state;
    *state = rig;
    rig->target[0] = &rig->b->as;
    for (unsigned i = 0; i < PAGES; i++) {
        rig->to[i] = i * PAGE;
        rig->perm[i] = IOMMU_RW;
    }
    err |= memory_region_init(&rig->root, NULL, "bus", UINT64_MAX);
    err |= memory_region_init_iommu(&rig->iommu, &rig_class, NULL, "iommu",
                                    PAGES * PAGE);
    err |=
        memory_region_add_subregion(&rig->root, 0x4000, &rig->iommu.parent_obj);
    err |= address_space_init(&rig->as, &rig->root, "bus");
    return err;
}

static inline int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    int err = xbar_address_space_destroy(&rig->as, NULL, NULL);

    err |= xbar_region_destroy(&rig->iommu.parent_obj, NULL, NULL);
    err |= xbar_region_destroy(&rig->root, NULL, NULL);
    *state = rig->b;
    free(rig);
    return err | board_tear_down(state);
}

#define RIG_TEST(name) \
    cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
