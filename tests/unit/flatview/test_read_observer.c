/* SPDX-License-Identifier: MIT */
/* Observers of reads: what they are told, by every way, and that it is in time
 * to change what is read. */
#include "flatview/read_observer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dispatch.h"
#include "flatview/dma.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

/* The board, seen by a device: all of it, but observed up to 0x2fff. */
struct rig {
    struct board *b;
    struct xbar_read_observer observer;
    MemoryRegion root;
    MemoryRegion rest;
    AddressSpace as;
    char log[512];
    bool fills;
    struct xbar_read_observer *expected;
};

static const MemTxAttrs plain = { .unspecified = 1 };

static struct rig *current;

static void observe(struct xbar_read_observer *observer, hwaddr addr,
                    hwaddr length, MemoryRegion *mr, hwaddr offset)
{
    struct rig *rig = current;
    size_t used = strlen(rig->log);

    assert_ptr_equal(observer, rig->expected);
    snprintf(rig->log + used, sizeof(rig->log) - used, "%llx+%llx %s@%llx ",
             (unsigned long long)addr, (unsigned long long)length,
             memory_region_name(mr), (unsigned long long)offset);
    for (hwaddr i = 0; rig->fills && i < length; i++) {
        uint8_t byte = 0xf0;

        assert_int_equal(
            address_space_write_rom(&rig->b->as, addr + i, plain, &byte, 1),
            MEMTX_OK);
    }
}

static void expect(struct rig *rig, const char *log)
{
    assert_string_equal(rig->log, log);
    rig->log[0] = '\0';
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int err = board_set_up(state);

    rig->b = *state;
    *state = rig;
    current = rig;
    rig->expected = &rig->observer;
    err |= memory_region_init(&rig->root, NULL, "bus", UINT64_MAX);
    err |= memory_region_init_alias(&rig->rest, NULL, "rest", &rig->b->root, 0,
                                    UINT64_MAX);
    err |= memory_region_add_subregion_overlap(&rig->root, 0, &rig->rest, -1);
    err |= xbar_read_observer_init(&rig->observer, NULL, "observer",
                                   &rig->b->as, 0, 0x3000, observe);
    err |= memory_region_add_subregion(&rig->root, 0,
                                       &rig->observer.iommu.parent_obj);
    return err | address_space_init(&rig->as, &rig->root, "bus");
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    int err = xbar_address_space_destroy(&rig->as, NULL, NULL);

    err |= xbar_region_destroy(&rig->observer.iommu.parent_obj, NULL, NULL);
    err |= xbar_region_destroy(&rig->rest, NULL, NULL);
    err |= xbar_region_destroy(&rig->root, NULL, NULL);
    *state = rig->b;
    free(rig);
    return err | board_tear_down(state);
}

static void test_every_way(void **state)
{
    struct rig *rig = *state;
    MemoryRegionCache cache;
    uint8_t bytes[64];
    hwaddr length = 32;
    uint64_t value;
    void *host;

    assert_int_equal(address_space_read(&rig->as, 0x10, plain, bytes, 4),
                     MEMTX_OK);
    expect(rig, "10+4 ram@10 ");
    assert_int_equal(address_space_read(&rig->as, 0xff0, plain, bytes, 32),
                     MEMTX_OK);
    expect(rig, "ff0+10 ram@ff0 1000+10 rom@0 ");
    assert_int_equal(address_space_ldl_le(&rig->as, 0x1004, plain, NULL),
                     0x07060504);
    expect(rig, "1004+4 rom@4 ");
    (void)address_space_ldub(&rig->as, 7, plain, NULL);
    expect(rig, "7+1 ram@7 ");
    assert_int_equal(dma_memory_read(&rig->as, 8, bytes, 3, plain), MEMTX_OK);
    expect(rig, "8+3 ram@8 ");
    host = address_space_map(&rig->as, 0x20, &length, false, plain);
    assert_ptr_equal(host, rig->b->ram_bytes + 0x20);
    expect(rig, "20+20 ram@20 ");
    assert_int_equal(address_space_unmap(&rig->as, host, length, false, 0), 0);
    assert_int_equal(
        address_space_cache_init(&cache, &rig->as, 0x40, 16, false), 16);
    expect(rig, "");
    (void)address_space_ldl_le_cached(&cache, 4, plain, NULL);
    expect(rig, "44+4 ram@44 ");
    address_space_cache_destroy(&cache);
    assert_int_equal(
        memory_region_dispatch_read(&rig->observer.iommu.parent_obj, 0x50,
                                    &value, MO_16, plain),
        MEMTX_OK);
    expect(rig, "50+2 ram@50 ");
}

/* Writes, devices, queries, what lies beside it, and the memory's own space. */
static void test_nothing_else(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[64] = { 0 };
    hwaddr length = 32, xlat;
    void *host;

    assert_int_equal(address_space_write(&rig->as, 0x10, plain, bytes, 8),
                     MEMTX_OK);
    address_space_stl_le(&rig->as, 0x20, 1, plain, NULL);
    host = address_space_map(&rig->as, 0x20, &length, true, plain);
    assert_non_null(host);
    assert_int_equal(address_space_unmap(&rig->as, host, length, true, 4), 0);
    (void)address_space_ldl_le(&rig->as, 0x2000, plain, NULL);
    assert_int_equal(address_space_read(&rig->as, 0x2ff0, plain, bytes, 8),
                     MEMTX_DECODE_ERROR);
    assert_true(address_space_access_valid(&rig->as, 0, 16, false, plain));
    xbar_read_begin();
    length = 4;
    assert_ptr_equal(
        address_space_translate(&rig->as, 0, &xlat, &length, false, plain),
        &rig->b->ram);
    xbar_read_end();
    (void)address_space_ldl_le(&rig->as, 0x3000, plain, NULL);
    (void)address_space_ldl_le(&rig->b->as, 0x10, plain, NULL);
    expect(rig, "");
}

/* What the observer writes is what is read. */
static void test_in_time(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[4] = { 0 };
    hwaddr length = 4;
    uint8_t *host;

    rig->fills = true;
    assert_int_equal(address_space_read(&rig->as, 0x10, plain, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(bytes[0], 0xf0);
    assert_int_equal(bytes[3], 0xf0);
    assert_int_equal(address_space_ldl_le(&rig->as, 0x1000, plain, NULL),
                     0xf0f0f0f0);
    host = address_space_map(&rig->as, 0x80, &length, false, plain);
    assert_int_equal(host[3], 0xf0);
    assert_int_equal(address_space_unmap(&rig->as, host, length, false, 0), 0);
    assert_int_equal(address_space_ldub(&rig->as, 0x90, plain, NULL), 0xf0);
}

/* At an offset: addresses are those of the address space behind it. */
static void test_base(void **state)
{
    struct rig *rig = *state;
    struct xbar_read_observer upper;
    uint8_t bytes[0x20];

    assert_int_equal(
        xbar_region_destroy(&rig->observer.iommu.parent_obj, NULL, NULL), 0);
    rig->expected = &upper;
    assert_int_equal(xbar_read_observer_init(&upper, NULL, "upper", &rig->b->as,
                                             0x1000, UINT64_MAX, observe),
                     0);
    assert_int_equal(memory_region_add_subregion(&rig->root, 0x1000,
                                                 &upper.iommu.parent_obj),
                     0);
    assert_int_equal(address_space_read(&rig->as, 0xff0, plain, bytes, 0x20),
                     MEMTX_OK);
    expect(rig, "1000+10 rom@0 ");
    assert_int_equal(bytes[0x1f], 0xf);
    assert_int_equal(address_space_read(&rig->as, 0x30f0, plain, bytes, 0x10),
                     MEMTX_OK);
    expect(rig, "30f0+10 ram@f0 ");
    /* Not round the end of the addresses. */
    assert_int_equal(memory_region_dispatch_read(&upper.iommu.parent_obj,
                                                 UINT64_MAX - 0xff,
                                                 &(uint64_t){ 0 }, MO_8, plain),
                     MEMTX_ACCESS_ERROR);
    expect(rig, "");
    assert_int_equal(xbar_region_destroy(&upper.iommu.parent_obj, NULL, NULL),
                     0);
    /* for the end */
    assert_int_equal(xbar_read_observer_init(&rig->observer, NULL, "observer",
                                             &rig->b->as, 0, 0x3000, observe),
                     0);
}

static void test_misuse(void **state)
{
    struct rig *rig = *state;
    struct xbar_read_observer o;
    AddressSpace none = { 0 };

    assert_int_equal(
        xbar_read_observer_init(&o, NULL, "o", &rig->b->as, 1, 16, observe),
        -EINVAL);
    assert_int_equal(
        xbar_read_observer_init(&o, NULL, "o", NULL, 0, 16, observe), -EINVAL);
    assert_int_equal(
        xbar_read_observer_init(&o, NULL, "o", &none, 0, 16, observe), -EINVAL);
    assert_int_equal(
        xbar_read_observer_init(&o, NULL, "o", &rig->b->as, 0, 16, NULL),
        -EINVAL);
    assert_int_equal(
        xbar_read_observer_init(NULL, NULL, "o", &rig->b->as, 0, 16, observe),
        -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_way), TEST(test_nothing_else), TEST(test_in_time),
        TEST(test_base),      TEST(test_misuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
