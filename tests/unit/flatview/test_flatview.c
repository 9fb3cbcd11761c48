/* SPDX-License-Identifier: MIT */
/* Looking up and walking a view that is known by heart. */
#include "flatview/flatview_internal.h"
#include "tests/unit/flatview/board.h"

#define SECTIONS 5 /* ram, rom, device, shut, edge */

struct walk {
    unsigned calls;
    unsigned stop_after;
    Int128 covered;
    const MemoryRegion *last_mr;
};

static bool on_range(Int128 start, Int128 length, const MemoryRegion *mr,
                     hwaddr offset_in_region, void *opaque)
{
    struct walk *walk = opaque;

    assert_true(start >= 0 && length > 0);
    assert_int_equal(offset_in_region, 0);
    walk->calls++;
    walk->covered += length;
    walk->last_mr = mr;
    return walk->calls == walk->stop_after;
}

static void test_for_each_range(void **state)
{
    struct board *b = *state;
    struct walk all = { 0 };
    struct walk some = { .stop_after = 2 };
    FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&b->as);
    flatview_for_each_range(view, on_range, &all);
    flatview_for_each_range(view, on_range, &some);
    assert_int_equal(flatview_num_ranges(view), SECTIONS);
    xbar_read_end();
    assert_int_equal(all.calls, SECTIONS);
    assert_true(all.covered == 0x2000 + 0x100 + 0x100 + 16);
    assert_ptr_equal(all.last_mr, &b->edge);
    assert_int_equal(some.calls, 2);
    assert_ptr_equal(some.last_mr, &b->rom);
}

static void test_next_range(void **state)
{
    struct board *b = *state;
    const FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&b->as);
    assert_ptr_equal(flatview_next_range(view, 0)->mr, &b->ram);
    assert_ptr_equal(flatview_next_range(view, 0xfff)->mr, &b->ram);
    assert_ptr_equal(flatview_next_range(view, 0x1000)->mr, &b->rom);
    assert_int_equal(flatview_next_range(view, 0x2100)->first, 0x3000);
    assert_ptr_equal(flatview_next_range(view, 0x4000)->mr, &b->edge);
    assert_ptr_equal(flatview_next_range(view, UINT64_MAX)->mr, &b->edge);
    assert_null(flatview_next_range(&flatview__empty, 0));
    xbar_read_end();
}

static void test_flags(void **state)
{
    struct board *b = *state;
    const FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&b->as);
    assert_int_equal(flatview_lookup(view, 0)->flags,
                     FLAT_RANGE_RAM | FLAT_RANGE_WRITABLE);
    assert_int_equal(flatview_lookup(view, 0x1000)->flags,
                     FLAT_RANGE_RAM | FLAT_RANGE_READONLY);
    assert_int_equal(flatview_lookup(view, 0x2000)->flags, 0);
    assert_int_equal(flatview_lookup(view, 0x3000)->flags,
                     FLAT_RANGE_RAM | FLAT_RANGE_READONLY);
    assert_ptr_equal(flatview_lookup(view, 0x3000)->mr, &b->ram);
    assert_int_equal(flatview_lookup(view, 0x2100)->flags,
                     FLAT_RANGE_UNASSIGNED);
    assert_int_equal(flatview_lookup(&flatview__empty, 0)->flags,
                     FLAT_RANGE_UNASSIGNED);
    xbar_read_end();
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_for_each_range),
        BOARD_TEST(test_next_range),
        BOARD_TEST(test_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
