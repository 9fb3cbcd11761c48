/* SPDX-License-Identifier: MIT */
/* Sections that may show a region: all that do, and few others. */
#include "flatview/places.h"

#include "engine/tree.h"
#include "tests/unit/flatview/board.h"

#define ALIASES 12
#define OTHERS  500
#define STRIDE  ((hwaddr)0x100)
#define START   ((hwaddr)0x100000)

static MemoryRegion alias[ALIASES];
static MemoryRegion other[OTHERS];

/* A row of devices; every now and then the board's is shown in between. */
static void add_row(struct board *b, unsigned aliases)
{
    memory_region_transaction_begin();
    for (unsigned i = 0; i < OTHERS; i++) {
        memory_region_init_io(&other[i], NULL, &board_ops, b, "other", STRIDE);
        memory_region_add_subregion(&b->root, START + STRIDE * i, &other[i]);
    }
    for (unsigned i = 0; i < aliases; i++) {
        memory_region_init_alias(&alias[i], NULL, "alias", &b->device, 0x10 * i,
                                 0x20);
        memory_region_add_subregion_overlap(
            &b->root, START + STRIDE * 40 * i + 0x40, &alias[i], 1);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static void remove_row(unsigned aliases)
{
    for (unsigned i = 0; i < aliases; i++) {
        assert_int_equal(xbar_region_destroy(&alias[i], NULL, NULL), 0);
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        assert_int_equal(xbar_region_destroy(&other[i], NULL, NULL), 0);
    }
}

/* What a look at all sections finds; those that were looked at instead. */
static size_t expect_all(struct board *b, hwaddr first, hwaddr last)
{
    FlatView *view = flatview__current(&b->as);
    const FlatRange *next = flatview_next_range(view, 0);
    struct flatview_places places;
    const FlatRange *range;
    size_t looked_at = 0;

    xbar_tree_hold(b->engine);
    flatview__places_region(&places, b->as.space, &b->device, first, last);
    xbar_tree_release(b->engine);
    for (range = flatview__places_first(&places, view); range != NULL;
         range = flatview__places_next(&places, view, range)) {
        looked_at++;
        while (next != range) {
            assert_non_null(next); /* ascending, each once */
            assert_true(next->mr != &b->device ||
                        next->last + next->mr_delta < first ||
                        next->first + next->mr_delta > last);
            next = flatview__range_after(view, next);
        }
        next = flatview__range_after(view, range);
    }
    for (; next != NULL; next = flatview__range_after(view, next)) {
        assert_true(next->mr != &b->device ||
                    next->last + next->mr_delta < first ||
                    next->first + next->mr_delta > last);
    }
    return looked_at;
}

static void test_few_places(void **state)
{
    struct board *b = *state;

    assert_int_equal(expect_all(b, 0, UINT64_MAX), 1);
    add_row(b, 4);
    assert_int_equal(expect_all(b, 0, UINT64_MAX), 5);
    assert_int_equal(expect_all(b, 0, 0xf), 2);
    assert_int_equal(expect_all(b, 0x80, 0x8f), 1);
    assert_int_equal(expect_all(b, 0x100, UINT64_MAX), 0);
    remove_row(4);
}

/* More than can be kept apart: some others are looked at, none is missed. */
static void test_many_places(void **state)
{
    struct board *b = *state;

    add_row(b, ALIASES);
    assert_in_range(expect_all(b, 0, UINT64_MAX), ALIASES + 1, OTHERS);
    remove_row(ALIASES);
}

static void test_edits_wait(void **state)
{
    struct board *b = *state;

    add_row(b, 1);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&alias[0], false), 0);
    /* The view still shows it: all are looked at. */
    assert_int_equal(expect_all(b, 0, UINT64_MAX),
                     flatview_num_ranges(flatview__current(&b->as)));
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(expect_all(b, 0, UINT64_MAX), 1);
    remove_row(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_few_places, board_set_up,
                                        board_tear_down),
        cmocka_unit_test_setup_teardown(test_many_places, board_set_up,
                                        board_tear_down),
        cmocka_unit_test_setup_teardown(test_edits_wait, board_set_up,
                                        board_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
