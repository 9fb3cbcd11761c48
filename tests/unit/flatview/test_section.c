/* SPDX-License-Identifier: MIT */
/* memory_region_find() and its kin. */
#include "flatview/section.h"
#include "tests/unit/flatview/board.h"

static void check_found(MemoryRegion *in, hwaddr addr, uint64_t size,
                        const MemoryRegionSection *want)
{
    MemoryRegionSection got = memory_region_find(in, addr, size);

    assert_true(MemoryRegionSection_eq(&got, want));
    memory_region_section_unref(&got);
    assert_null(got.mr);
}

static void test_find(void **state)
{
    struct board *b = *state;
    const MemoryRegionSection nothing = { .size = 0 };

    check_found(&b->root, 0x10, 0x20,
                &(MemoryRegionSection){ .size = 0x20,
                                        .mr = &b->ram,
                                        .offset_within_region = 0x10,
                                        .offset_within_address_space = 0x10 });
    /* The first of several; what was asked for is cut, not moved. */
    check_found(&b->root, 0x1ff0, 0x1000,
                &(MemoryRegionSection){ .size = 0x10,
                                        .mr = &b->rom,
                                        .offset_within_region = 0xff0,
                                        .offset_within_address_space = 0x1ff0,
                                        .readonly = true });
    check_found(&b->root, 0x2100, 0x1000,
                &(MemoryRegionSection){ .size = 0x100,
                                        .mr = &b->ram,
                                        .offset_within_address_space = 0x3000,
                                        .readonly = true });
    check_found(&b->root, 0x2100, 0xf00, &nothing);
    check_found(&b->root, 0x10, 0, &nothing);
    check_found(
        &b->root, UINT64_MAX, UINT64_MAX,
        &(MemoryRegionSection){ .size = 1,
                                .mr = &b->edge,
                                .offset_within_region = 15,
                                .offset_within_address_space = UINT64_MAX });
    check_found(&b->root, 0, UINT64_MAX,
                &(MemoryRegionSection){ .size = 0x1000, .mr = &b->ram });
}

/* A range in a region inside: offsets count up to the root, and back down. */
static void test_find_climbs(void **state)
{
    struct board *b = *state;
    MemoryRegion box;
    MemoryRegion alone;

    check_found(
        &b->device, 0x80, 0x1000,
        &(MemoryRegionSection){ .size = 0x80,
                                .mr = &b->device,
                                .offset_within_region = 0x80,
                                .offset_within_address_space = 0x2080 });
    assert_int_equal(memory_region_init(&box, NULL, "box", 0x1000), 0);
    assert_int_equal(memory_region_init(&alone, NULL, "alone", 0x100), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x8000, &box), 0);
    assert_int_equal(memory_region_add_subregion(&box, 0x100, &alone), 0);
    check_found(&alone, 0x10, 4, &(MemoryRegionSection){ .size = 0 });
    assert_int_equal(memory_region_del_subregion(&b->root, &b->device), 0);
    assert_int_equal(memory_region_add_subregion(&alone, 0x20, &b->device), 0);
    check_found(
        &box, 0, 0x1000,
        &(MemoryRegionSection){ .size = 0xe0,
                                .mr = &b->device,
                                .offset_within_address_space = 0x8120 });
    assert_true(memory_region_present(&box, 0x120));
    assert_true(memory_region_present(&alone, 0x20));
    assert_false(memory_region_present(&box, 0x11f));
    assert_false(memory_region_present(&b->device, 0)); /* it is itself */
    assert_int_equal(memory_region_del_subregion(&b->root, &box), 0);
    check_found(&box, 0, 0x1000, &(MemoryRegionSection){ .size = 0 });
    assert_false(memory_region_present(&box, 0x120));
    assert_int_equal(xbar_region_destroy(&alone, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&box, NULL, NULL), 0);
}

static void note(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

static bool is_ended(struct board *b, const bool *is_done)
{
    xbar_engine_reclaim(b->engine);
    xbar_engine_reclaim(b->engine);
    return *is_done;
}

static void test_references(void **state)
{
    struct board *b = *state;
    bool is_done = false;
    MemoryRegionSection found;
    MemoryRegionSection *copy;
    MemoryRegion extra;

    assert_int_equal(
        memory_region_init_ram(&extra, NULL, "extra", 0x1000, NULL), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x8000, &extra), 0);
    found = memory_region_find(&b->root, 0x8000, 0x1000);
    copy = memory_region_section_new_copy(&found);
    assert_true(MemoryRegionSection_eq(&found, copy));
    assert_int_equal(xbar_region_destroy(&extra, note, &is_done), 0);
    assert_false(is_ended(b, &is_done));
    memory_region_section_unref(&found);
    assert_false(is_ended(b, &is_done));
    memory_region_section_free_copy(copy);
    memory_region_section_free_copy(NULL);
    assert_true(is_ended(b, &is_done));
}

static void test_intersect(void **state)
{
    struct board *b = *state;
    const MemoryRegionSection whole = { .size = 0x100,
                                        .mr = &b->ram,
                                        .offset_within_region = 0x40,
                                        .offset_within_address_space = 0x3040 };
    MemoryRegionSection s = whole;

    assert_true(memory_region_section_intersect_range(&s, 0x50, 0x10));
    assert_int_equal(s.offset_within_region, 0x50);
    assert_int_equal(s.offset_within_address_space, 0x3050);
    assert_int_equal((uint64_t)s.size, 0x10);
    s = whole;
    assert_true(memory_region_section_intersect_range(&s, 0, UINT64_MAX));
    assert_true(MemoryRegionSection_eq(&s, &whole));
    assert_true(memory_region_section_intersect_range(&s, 0x13f, 0x100));
    assert_int_equal((uint64_t)s.size, 1);
    assert_int_equal(s.offset_within_address_space, 0x313f);
    s = whole;
    assert_false(memory_region_section_intersect_range(&s, 0x140, 0x100));
    assert_false(memory_region_section_intersect_range(&s, 0, 0x40));
    assert_false(memory_region_section_intersect_range(&s, 0x50, 0));
    assert_true(MemoryRegionSection_eq(&s, &whole));
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_find),
        BOARD_TEST(test_find_climbs),
        BOARD_TEST(test_references),
        BOARD_TEST(test_intersect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
