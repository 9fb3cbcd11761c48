/* SPDX-License-Identifier: MIT */
/* IOMMU regions: where accesses go, and what refuses them. */
#include <errno.h>

#include "engine/dispatch.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/iommu_rig.h"

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
    assert_int_equal(rig->asked, XBAR_IOMMU_MAX_DEPTH);
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

static void test_xlat_addr(void **state)
{
    struct rig *rig = *state;
    IOMMUTLBEntry entry = {
        .target_as = &rig->b->as,
        .translated_addr = 0x300,
        .addr_mask = 0xff,
        .perm = IOMMU_RW,
    };
    void *host = NULL;
    ram_addr_t at = 0;
    bool read_only = true;
    bool discards = true;

    xbar_read_begin();
    assert_true(
        memory_get_xlat_addr(&entry, &host, &at, &read_only, &discards));
    assert_ptr_equal(host, rig->b->ram_bytes + 0x300);
    assert_int_equal(at, memory_region_get_ram_addr(&rig->b->ram) + 0x300);
    assert_false(read_only);
    assert_false(discards);
    entry.perm = IOMMU_RO;
    assert_true(memory_get_xlat_addr(&entry, NULL, NULL, &read_only, NULL));
    assert_true(read_only);
    entry.perm = IOMMU_RW;
    entry.translated_addr = 0x3000; /* RAM by a path that is not */
    assert_true(memory_get_xlat_addr(&entry, &host, NULL, &read_only, NULL));
    assert_ptr_equal(host, rig->b->ram_bytes);
    assert_true(read_only);
    entry.translated_addr = 0xf80; /* reaches out of the RAM */
    assert_false(memory_get_xlat_addr(&entry, &host, NULL, NULL, NULL));
    entry.translated_addr = 0x2000;
    assert_false(memory_get_xlat_addr(&entry, &host, NULL, NULL, NULL));
    entry.target_as = NULL;
    assert_false(memory_get_xlat_addr(&entry, &host, NULL, NULL, NULL));
    xbar_read_end();
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
        RIG_TEST(test_xlat_addr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
