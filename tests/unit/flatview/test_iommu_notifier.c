/* SPDX-License-Identifier: MIT */
/* Who is told of an IOMMU's changes, and what they may answer. */
#include <errno.h>

#include "tests/unit/flatview/iommu_rig.h"

struct listener {
    IOMMUNotifier n;
    struct rig *rig;
    IOMMUTLBEntry last;
    unsigned told;
    int answer;
    struct listener *takes_off; /* in the callback */
};

static int listen(IOMMUNotifier *n, IOMMUTLBEntry *data)
{
    struct listener *l = xbar_container_of(n, struct listener, n);

    l->last = *data;
    l->told++;
    if (l->takes_off != NULL) {
        assert_int_equal(memory_region_unregister_iommu_notifier(
                             &l->rig->iommu.parent_obj, &l->takes_off->n),
                         0);
    }
    return l->answer;
}

static void add_listener(struct listener *l, struct rig *rig,
                         IOMMUNotifierFlag flags, hwaddr start, hwaddr end,
                         int idx)
{
    memset(l, 0, sizeof(*l));
    l->rig = rig;
    iommu_notifier_init(&l->n, listen, flags, start, end, idx);
    assert_int_equal(memory_region_register_iommu_notifier(
                         &rig->iommu.parent_obj, &l->n, NULL),
                     0);
}

static void remove_listener(struct listener *l)
{
    assert_int_equal(memory_region_unregister_iommu_notifier(
                         &l->rig->iommu.parent_obj, &l->n),
                     0);
}

static int tell(struct rig *rig, IOMMUNotifierFlag type, hwaddr iova,
                hwaddr mask, int idx)
{
    IOMMUTLBEvent event = {
        .type = type,
        .entry = { .iova = iova,
                   .addr_mask = mask,
                   .translated_addr = iova + 0x10000,
                   .perm = type == IOMMU_NOTIFIER_MAP ? IOMMU_RW : IOMMU_NONE },
    };

    return memory_region_notify_iommu(&rig->iommu, idx, event);
}

static void test_notifiers_hear_what_they_asked_for(void **state)
{
    struct rig *rig = *state;
    struct listener low;
    struct listener high;
    struct listener other;

    add_listener(&low, rig, IOMMU_NOTIFIER_UNMAP, 0, 0x2ff, 0);
    add_listener(&high, rig, IOMMU_NOTIFIER_IOTLB_EVENTS, 0x300, 0xfff, 0);
    add_listener(&other, rig, IOMMU_NOTIFIER_ALL, 0, UINT64_MAX, 1);
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_ALL);
    assert_int_equal(tell(rig, IOMMU_NOTIFIER_UNMAP, 0x200, 0x1ff, 0), 0);
    assert_int_equal(low.told, 1);
    assert_int_equal(low.last.iova, 0x200);
    assert_int_equal(low.last.addr_mask, 0xff); /* cropped */
    assert_int_equal(high.told, 1);
    assert_int_equal(high.last.iova, 0x300);
    assert_int_equal(other.told, 0);
    assert_int_equal(tell(rig, IOMMU_NOTIFIER_MAP, 0, UINT64_MAX, 0), 0);
    assert_int_equal(low.told, 1);
    assert_int_equal(high.told, 2);
    assert_int_equal(high.last.translated_addr, 0x10300);
    assert_int_equal(high.last.addr_mask, 0xcff);
    assert_int_equal(tell(rig, IOMMU_NOTIFIER_DEVIOTLB_UNMAP, 0, 0xff, 1), 0);
    assert_int_equal(other.told, 1);
    assert_int_equal(memory_region_unmap_iommu_notifier_range(&low.n), 0);
    assert_int_equal(low.last.addr_mask, 0x2ff);
    remove_listener(&low);
    remove_listener(&other);
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_IOTLB_EVENTS);
    remove_listener(&high);
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_NONE);
    assert_int_equal(memory_region_unregister_iommu_notifier(
                         &rig->iommu.parent_obj, &high.n),
                     -ENOENT);
}

static void test_notifiers_answer(void **state)
{
    struct rig *rig = *state;
    struct listener first;
    struct listener second;
    struct listener third;

    add_listener(&first, rig, IOMMU_NOTIFIER_UNMAP, 0, 0xfff, 0);
    add_listener(&second, rig, IOMMU_NOTIFIER_UNMAP, 0, 0xfff, 0);
    add_listener(&third, rig, IOMMU_NOTIFIER_UNMAP, 0, 0xfff, 0);
    first.answer = -EIO;
    third.answer = -ENOMEM;
    assert_int_equal(tell(rig, IOMMU_NOTIFIER_UNMAP, 0, 0xff, 0), -EIO);
    assert_int_equal(third.told, 1);
    first.takes_off = &second; /* the one that would be told next */
    third.takes_off = &third;
    assert_int_equal(tell(rig, IOMMU_NOTIFIER_UNMAP, 0, 0xff, 0), -EIO);
    assert_int_equal(first.told, 2);
    assert_int_equal(second.told, 1);
    assert_int_equal(third.told, 2);
    remove_listener(&first);
}

static void test_mistakes(void **state)
{
    struct rig *rig = *state;
    struct listener l = { .rig = rig };
    IOMMUTLBEvent no_event = { .type = IOMMU_NOTIFIER_MAP };
    MemoryRegion *mr = &rig->iommu.parent_obj;
    IOMMUMemoryRegion none;
    Error *err = NULL;

    iommu_notifier_init(&l.n, listen, IOMMU_NOTIFIER_UNMAP, 8, 7, 0);
    assert_int_equal(memory_region_register_iommu_notifier(mr, &l.n, &err),
                     -EINVAL);
    error_free(err);
    iommu_notifier_init(&l.n, listen, IOMMU_NOTIFIER_UNMAP, 0, 7, 2);
    assert_int_equal(memory_region_register_iommu_notifier(mr, &l.n, NULL),
                     -EINVAL);
    iommu_notifier_init(&l.n, listen, IOMMU_NOTIFIER_UNMAP, 0, 7, 0);
    assert_int_equal(
        memory_region_register_iommu_notifier(&rig->root, &l.n, NULL), -EINVAL);
    rig->refuses = true;
    assert_int_equal(memory_region_register_iommu_notifier(mr, &l.n, NULL),
                     -EPERM);
    rig->refuses = false;
    assert_int_equal(memory_region_unregister_iommu_notifier(mr, &l.n),
                     -ENOENT);
    assert_int_equal(memory_region_register_iommu_notifier(mr, &l.n, NULL), 0);
    assert_int_equal(memory_region_register_iommu_notifier(mr, &l.n, NULL),
                     -EEXIST);
    assert_int_equal(memory_region_notify_iommu(&rig->iommu, 0, no_event),
                     -EINVAL);
    assert_int_equal(l.told, 0);
    assert_int_equal(memory_region_unregister_iommu_notifier(mr, &l.n), 0);
    assert_int_equal(
        memory_region_init_iommu(&none, &(const IOMMUMemoryRegionClass){ NULL },
                                 NULL, "none", 0x1000),
        -EINVAL);
    assert_int_equal(memory_region_iommu_get_attr(
                         &rig->iommu, IOMMU_ATTR_SPAPR_TCE_FD, NULL),
                     -EINVAL);
    assert_int_equal(
        memory_region_iommu_set_page_size_mask(&rig->iommu, 0x1000, NULL), 0);
}

static void test_replay(void **state)
{
    struct rig *rig = *state;
    struct listener l;

    add_listener(&l, rig, IOMMU_NOTIFIER_MAP, 0x180, 0xfff, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        rig->perm[i] = i % 4 == 1 ? IOMMU_RO : IOMMU_NONE;
    }
    assert_int_equal(memory_region_iommu_replay(&rig->iommu, &l.n), 0);
    assert_int_equal(l.told, 4); /* pages 1, 5, 9, 13 */
    assert_int_equal(l.last.iova, 0xd00);
    assert_int_equal(l.last.translated_addr, 0xd00);
    assert_int_equal(l.last.perm, IOMMU_RO);
    l.answer = -EFAULT;
    assert_int_equal(memory_region_iommu_replay(&rig->iommu, &l.n), -EFAULT);
    assert_int_equal(l.told, 5);
    assert_int_equal(l.last.iova, 0x180);
    assert_int_equal(l.last.translated_addr, 0x180);
    remove_listener(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_notifiers_hear_what_they_asked_for),
        RIG_TEST(test_notifiers_answer),
        RIG_TEST(test_mistakes),
        RIG_TEST(test_replay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
