/* SPDX-License-Identifier: MIT */
/* IOMMU regions: where accesses go, what refuses them, who is told. */
#include <errno.h>

#include "engine/check.h"
#include "engine/dispatch.h"
#include "flatview/iommu.h"
#include "flatview/region_cache.h"
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

static struct rig *rig_of(IOMMUMemoryRegion *iommu)
{
    return xbar_container_of(iommu, struct rig, iommu);
}

static IOMMUTLBEntry translate(IOMMUMemoryRegion *iommu, hwaddr addr,
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

static uint64_t min_page_size(IOMMUMemoryRegion *iommu)
{
    (void)iommu;
    return PAGE;
}

static int flags_changed(IOMMUMemoryRegion *iommu, IOMMUNotifierFlag old_flags,
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

static int index_of(IOMMUMemoryRegion *iommu, MemTxAttrs attrs)
{
    (void)iommu;
    return attrs.secure;
}

static int two(IOMMUMemoryRegion *iommu)
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

static int rig_set_up(void **state)
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

static int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    int err = xbar_address_space_destroy(&rig->as, NULL, NULL);

    err |= xbar_region_destroy(&rig->iommu.parent_obj, NULL, NULL);
    err |= xbar_region_destroy(&rig->root, NULL, NULL);
    *state = rig->b;
    free(rig);
    return err | board_tear_down(state);
}

/* ---- Accesses ---------------------------------------------------------- */

static void test_fixed_widths_pass_through(void **state)
{
    struct rig *rig = *state;
    MemTxResult r = MEMTX_ERROR;

    rig->to[1] = 0x300;
    assert_int_equal(address_space_ldl_le(&rig->as, 0x4110, plain, &r),
                     0x13121110);
    assert_int_equal(r, MEMTX_OK);
    address_space_stl_be(&rig->as, 0x4110, 0x01020304, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    assert_memory_equal(rig->b->ram_bytes + 0x310, "\1\2\3\4", 4);
}

/* A device behind it sees one access of the width, as without. */
static void test_devices_see_one_access(void **state)
{
    struct rig *rig = *state;
    struct board *b = rig->b;
    MemTxResult r = MEMTX_ERROR;

    rig->to[0] = 0x2000;
    assert_int_equal(address_space_ldl_be(&rig->as, 0x4004, plain, &r),
                     0x04050607);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->log_count, 1);
    assert_int_equal(b->log[0].size, 4);
    address_space_stw_le(&rig->as, 0x4008, 0x1234, plain, &r);
    assert_int_equal(b->log_count, 2);
    assert_int_equal(b->log[1].size, 2);
    assert_int_equal(b->log[1].value, 0x1234);
}

static void test_bulk_is_cut_at_pages(void **state)
{
    struct rig *rig = *state;
    unsigned char bytes[0x210];

    rig->to[0] = 0x500;
    rig->to[1] = 0x200;
    rig->to[2] = 0x2000;
    assert_int_equal(address_space_read(&rig->as, 0x40f8, plain, bytes, 0x110),
                     MEMTX_OK);
    assert_memory_equal(bytes, rig->b->ram_bytes + 0x5f8, 8);
    assert_memory_equal(bytes + 8, rig->b->ram_bytes + 0x200, 0x100);
    assert_memory_equal(bytes + 0x108, "\0\1\2\3\4\5\6\7", 8);
    memset(bytes, 0x77, sizeof(bytes));
    assert_int_equal(address_space_write(&rig->as, 0x40fe, plain, bytes, 4),
                     MEMTX_OK);
    assert_memory_equal(rig->b->ram_bytes + 0x5fe, "\x77\x77", 2);
    assert_memory_equal(rig->b->ram_bytes + 0x200, "\x77\x77\x02", 3);
    assert_int_equal(address_space_ldl_le(&rig->as, 0x40fe, plain, NULL),
                     0x77777777);
    assert_int_equal(address_space_set(&rig->as, 0x40fc, 0x11, 8, plain),
                     MEMTX_OK);
    assert_memory_equal(rig->b->ram_bytes + 0x5fc, "\x11\x11\x11\x11\0", 5);
    assert_memory_equal(rig->b->ram_bytes + 0x200, "\x11\x11\x11\x11\4", 5);
}

static void test_permission_is_per_direction(void **state)
{
    struct rig *rig = *state;
    unsigned char bytes[4] = { 9, 9, 9, 9 };
    MemTxResult r = MEMTX_OK;
    hwaddr len = 4;

    rig->perm[0] = IOMMU_RO;
    rig->perm[1] = IOMMU_WO;
    assert_int_equal(address_space_ldub(&rig->as, 0x4001, plain, &r), 1);
    assert_int_equal(r, MEMTX_OK);
    address_space_stb(&rig->as, 0x4001, 9, plain, &r);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    assert_int_equal(rig->b->ram_bytes[1], 1);
    address_space_stb(&rig->as, 0x4101, 9, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(address_space_ldub(&rig->as, 0x4101, plain, &r), 0);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    assert_int_equal(address_space_write(&rig->as, 0x40fe, plain, bytes, 4),
                     MEMTX_ACCESS_ERROR);
    assert_memory_equal(rig->b->ram_bytes + 0xfe, "\xfe\xff\x09\x09", 4);
    assert_true(address_space_access_valid(&rig->as, 0x40f0, 4, false, plain));
    assert_false(address_space_access_valid(&rig->as, 0x40f0, 4, true, plain));
    assert_false(address_space_access_valid(&rig->as, 0x40fe, 4, false, plain));
    assert_int_not_equal(
        address_space_unmap(
            &rig->as, address_space_map(&rig->as, 0x4000, &len, true, plain),
            len, true, len),
        0);
    assert_int_equal(rig->b->ram_bytes[0], 0);
    rig->fault = MEMTX_ERROR;
    address_space_stb(&rig->as, 0x4001, 9, plain, &r);
    assert_int_equal(r, MEMTX_ERROR);
    rig->perm[0] = IOMMU_NONE;
    address_space_ldub(&rig->as, 0x4001, plain, &r);
    assert_int_equal(r, MEMTX_ERROR);
}

static void test_index_by_attributes(void **state)
{
    struct rig *rig = *state;
    const MemTxAttrs secure = { .secure = 1 };
    MemTxResult r = MEMTX_OK;

    address_space_ldub(&rig->as, 0x4001, secure, &r);
    assert_int_equal(r, MEMTX_DECODE_ERROR); /* index 1 leads nowhere */
    rig->target[1] = rig->target[0];
    assert_int_equal(address_space_ldub(&rig->as, 0x4001, secure, &r), 1);
    assert_int_equal(r, MEMTX_OK);
}

static void test_read_only_paths(void **state)
{
    struct rig *rig = *state;
    MemoryRegion shut;
    MemTxResult r = MEMTX_ERROR;

    assert_int_equal(memory_region_init_alias(&shut, NULL, "shut",
                                              &rig->iommu.parent_obj, 0x100,
                                              0x100),
                     0);
    assert_int_equal(memory_region_set_readonly(&shut, true), 0);
    assert_int_equal(memory_region_add_subregion(&rig->root, 0x8000, &shut), 0);
    assert_ptr_equal(memory_region_get_iommu(&shut), &rig->iommu);
    assert_null(memory_region_get_iommu(&rig->root));
    assert_int_equal(address_space_ldub(&rig->as, 0x8001, plain, &r), 1);
    rig->asked = 0;
    address_space_stb(&rig->as, 0x8001, 9, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(rig->asked, 0);
    assert_int_equal(rig->b->ram_bytes[0x101], 1);
    assert_int_equal(xbar_region_destroy(&shut, NULL, NULL), 0);
}

/* The region itself, for those who know of no IOMMU. */
static void test_dispatch_passes_through(void **state)
{
    struct rig *rig = *state;
    uint64_t value = 0;

    rig->to[0] = 0x500;
    rig->to[1] = 0x200;
    assert_int_equal(memory_region_dispatch_read(&rig->iommu.parent_obj, 0xfc,
                                                 &value, MO_64, plain),
                     MEMTX_OK);
    assert_int_equal(value, 0x03020100fffefdfc);
    assert_int_equal(memory_region_dispatch_write(&rig->iommu.parent_obj, 0xff,
                                                  0x4342, MO_16, plain),
                     MEMTX_OK);
    assert_int_equal(rig->b->ram_bytes[0x5ff], 0x42);
    assert_int_equal(rig->b->ram_bytes[0x200], 0x43);
    rig->perm[0] = IOMMU_NONE;
    assert_int_equal(memory_region_dispatch_read(&rig->iommu.parent_obj, 0,
                                                 &value, MO_8, plain),
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(value, 0);
}

/* ---- Chains ------------------------------------------------------------ */

/* It leads to itself: every path ends, with an error. */
static void test_a_cycle_is_bounded(void **state)
{
    struct rig *rig = *state;
    unsigned char bytes[8] = { 1 };
    MemTxResult r = MEMTX_OK;
    uint64_t value;
    hwaddr len = 8;
    hwaddr xlat;
    void *host;

    rig->target[0] = &rig->as;
    for (unsigned i = 0; i < PAGES; i++) {
        rig->to[i] = 0x4000 + ((i + 1) % PAGES) * PAGE;
    }
    assert_int_equal(address_space_ldl_le(&rig->as, 0x4000, plain, &r), 0);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    assert_int_equal(rig->asked, 2 * XBAR_IOMMU_MAX_DEPTH);
    assert_int_equal(address_space_read(&rig->as, 0x4000, plain, bytes, 8),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(address_space_write(&rig->as, 0x4000, plain, bytes, 8),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_dispatch_read(&rig->iommu.parent_obj, 0,
                                                 &value, MO_32, plain),
                     MEMTX_DECODE_ERROR);
    assert_false(address_space_access_valid(&rig->as, 0x4000, 8, false, plain));
    xbar_read_begin();
    assert_null(
        address_space_translate(&rig->as, 0x4000, &xlat, &len, false, plain));
    xbar_read_end();
    host = address_space_map(&rig->as, 0x4000, &len, false, plain);
    assert_int_equal(address_space_unmap(&rig->as, host, len, false, len),
                     -EIO);
}

/* As long as a chain may be: page 0 to 1, and so on; the last leads to RAM. */
static void test_a_long_chain(void **state)
{
    struct rig *rig = *state;
    MemoryRegion window;
    MemTxResult r = MEMTX_ERROR;

    assert_int_equal(PAGES, XBAR_IOMMU_MAX_DEPTH);
    assert_int_equal(memory_region_init_alias(&window, NULL, "window",
                                              &rig->b->ram, 0x100, PAGE),
                     0);
    assert_int_equal(
        memory_region_add_subregion(&rig->root, 0x4000 + PAGES * PAGE, &window),
        0);
    rig->target[0] = &rig->as;
    for (unsigned i = 0; i < PAGES; i++) {
        rig->to[i] = 0x4000 + (i + 1) * PAGE;
    }
    assert_int_equal(address_space_lduw_le(&rig->as, 0x4022, plain, &r),
                     0x2322);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(xbar_region_destroy(&window, NULL, NULL), 0);
}

/* ---- Asking ------------------------------------------------------------ */

static void test_translate_and_iotlb_entry(void **state)
{
    struct rig *rig = *state;
    IOMMUTLBEntry entry;
    hwaddr len = 0x1000;
    hwaddr xlat = 0;

    rig->to[1] = 0x300;
    rig->to[2] = 0x2000;
    rig->perm[1] = IOMMU_RO;
    xbar_read_begin();
    assert_ptr_equal(
        address_space_translate(&rig->as, 0x4110, &xlat, &len, false, plain),
        &rig->b->ram);
    assert_int_equal(xlat, 0x310);
    assert_int_equal(len, 0xf0);
    assert_null(
        address_space_translate(&rig->as, 0x4110, &xlat, &len, true, plain));
    entry = address_space_get_iotlb_entry(&rig->as, 0x4123, false, plain);
    assert_ptr_equal(entry.target_as, &rig->b->as);
    assert_int_equal(entry.iova, 0x4100);
    assert_int_equal(entry.translated_addr, 0x300);
    assert_int_equal(entry.addr_mask, 0xff);
    assert_int_equal(entry.perm, IOMMU_RO);
    entry = address_space_get_iotlb_entry(&rig->as, 0x4123, true, plain);
    assert_null(entry.target_as);
    entry = address_space_get_iotlb_entry(&rig->as, 0x4200, false, plain);
    assert_null(entry.target_as); /* a device */
    entry = address_space_get_iotlb_entry(&rig->b->as, 0x123, true, plain);
    assert_int_equal(entry.addr_mask, 0xfff);
    assert_int_equal(entry.perm, IOMMU_RW);
    entry = address_space_get_iotlb_entry(&rig->b->as, 0x3010, false, plain);
    assert_int_equal(entry.addr_mask, 0xff);
    assert_int_equal(entry.perm, IOMMU_RO);
    xbar_read_end();
    assert_false(address_space_is_io(&rig->as, 0x4100));
    assert_true(address_space_is_io(&rig->as, 0x4200));
}

static void test_maps_end_at_pages_or_go_on(void **state)
{
    struct rig *rig = *state;
    hwaddr len = 0x1000;
    void *host;

    rig->to[2] = 0x900;
    host = address_space_map(&rig->as, 0x4010, &len, true, plain);
    assert_ptr_equal(host, rig->b->ram_bytes + 0x10);
    assert_int_equal(len, 0x1f0); /* pages 0 and 1 are contiguous */
    assert_int_equal(address_space_unmap(&rig->as, host, len, true, len), 0);
}

/* A cache asks each time: what the IOMMU says may change without a commit. */
static void test_caches_follow_it(void **state)
{
    struct rig *rig = *state;
    MemoryRegionCache cache;

    assert_int_equal(
        address_space_cache_init(&cache, &rig->as, 0x4100, 0x20, true), 0x20);
    assert_int_equal(ldl_le_phys_cached(&cache, 4), 0x07060504);
    rig->to[1] = 0x210;
    assert_int_equal(ldl_le_phys_cached(&cache, 4), 0x07060504);
    rig->to[1] = 0x2000;
    assert_int_equal(ldl_le_phys_cached(&cache, 8), 0x0b0a0908);
    assert_int_equal(rig->b->log_count, 1);
    address_space_cache_destroy(&cache);
}

/* ---- Notifiers --------------------------------------------------------- */

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

#define RIG_TEST(name) \
    cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_fixed_widths_pass_through),
        RIG_TEST(test_devices_see_one_access),
        RIG_TEST(test_bulk_is_cut_at_pages),
        RIG_TEST(test_permission_is_per_direction),
        RIG_TEST(test_index_by_attributes),
        RIG_TEST(test_read_only_paths),
        RIG_TEST(test_dispatch_passes_through),
        RIG_TEST(test_a_cycle_is_bounded),
        RIG_TEST(test_a_long_chain),
        RIG_TEST(test_translate_and_iotlb_entry),
        RIG_TEST(test_maps_end_at_pages_or_go_on),
        RIG_TEST(test_caches_follow_it),
        RIG_TEST(test_notifiers_hear_what_they_asked_for),
        RIG_TEST(test_notifiers_answer),
        RIG_TEST(test_mistakes),
        RIG_TEST(test_replay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
