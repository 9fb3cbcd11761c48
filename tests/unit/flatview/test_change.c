/* SPDX-License-Identifier: MIT */
/*
 * A change by itself: what is looked at is what was touched, and what lies
 * beside it is neither looked at nor replaced. That the outcome is right, at
 * random: tests/model/test_incremental.c.
 */
#include "flatview/flatview_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/counting_alloc.h"

#define PAGE    0x1000
#define DEVICES 2000

struct row {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion devices[DEVICES]; /* every second page has one */
    AddressSpace as;
    struct xbar_view_subscriber sub;
    unsigned told;
    size_t told_ranges;
};

static void count_news(struct xbar_view_subscriber *sub,
                       const struct xbar_range *ranges, size_t count)
{
    struct row *row = xbar_container_of(sub, struct row, sub);

    (void)ranges;
    row->told++;
    row->told_ranges += count;
}

static hwaddr place_of(size_t i)
{
    return (hwaddr)i * 2 * PAGE;
}

static const FlatRange *look(const struct row *row, hwaddr addr)
{
    return flatview_lookup(row->as.current_map, addr);
}

static long requests(struct row *row)
{
    return atomic_load(&row->alloc.requests);
}

/* Sections elsewhere are the same; a few things are allocated, not thousands. */
static void test_one_among_many(void **state)
{
    struct row *row = *state;
    const FlatRange *before = look(row, place_of(999));
    const FlatRange *after = look(row, place_of(1001));
    long start = requests(row);

    assert_int_equal(memory_region_set_enabled(&row->devices[1000], false), 0);
    assert_true(requests(row) - start < 10);
    assert_null(look(row, place_of(1000))->mr);
    assert_ptr_equal(look(row, place_of(999)), before);
    assert_ptr_equal(look(row, place_of(1001)), after);
    assert_int_equal(row->told, 1);
    assert_int_equal(row->told_ranges, 1);
}

/* One window, one view, and the nodes on one way down. */
static void test_statistics(void **state)
{
    struct row *row = *state;
    struct xbar_engine_stats before;
    struct xbar_engine_stats after;

    xbar_engine_get_stats(row->engine, &before);
    assert_int_equal(memory_region_set_enabled(&row->devices[7], false), 0);
    xbar_engine_get_stats(row->engine, &after);
    assert_int_equal(after.views, before.views + 1);
    assert_int_equal(after.windows, before.windows + 1);
    assert_in_range(after.nodes_copied - before.nodes_copied, 1, 4);
    assert_int_equal(memory_region_set_readonly(&row->devices[7], true), 0);
    xbar_engine_get_stats(row->engine, &before);
    assert_int_equal(before.views, after.views);
    assert_int_equal(before.windows, after.windows + 1);
    assert_int_equal(before.nodes_copied, after.nodes_copied);
}

/* Two halves of one region stand apart, then meet: one section. */
static void test_merged_across_the_window(void **state)
{
    struct row *row = *state;
    MemoryRegion big;
    MemoryRegion hole;

    assert_int_equal(
        memory_region_init_io(&big, NULL, NULL, NULL, "big", 16 * PAGE), 0);
    assert_int_equal(
        memory_region_init_io(&hole, NULL, NULL, NULL, "hole", PAGE), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&row->root, 0x100000, &big, 1), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&row->root, 0x104000, &hole, 2), 0);
    assert_int_equal(look(row, 0x100000)->last, 0x103fff);
    assert_int_equal(look(row, 0x105000)->first, 0x105000);
    assert_int_equal(memory_region_set_address(&hole, 0x108000), 0);
    assert_int_equal(look(row, 0x100000)->last, 0x107fff);
    assert_int_equal(memory_region_del_subregion(&row->root, &hole), 0);
    assert_int_equal(look(row, 0x100000)->last, 0x10ffff);
    assert_int_equal(xbar_region_destroy(&hole, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&big, NULL, NULL), 0);
}

/* Windows with one section between them, or many, or nothing. */
static void test_two_windows(void **state)
{
    struct row *row = *state;
    const FlatRange *between = look(row, place_of(11));

    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&row->devices[10], false), 0);
    assert_int_equal(memory_region_set_enabled(&row->devices[12], false), 0);
    assert_int_equal(memory_region_set_enabled(&row->devices[500], false), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_ptr_equal(look(row, place_of(11)), between);
    assert_null(look(row, place_of(10))->mr);
    assert_null(look(row, place_of(12))->mr);
    assert_int_equal(row->told, 1);
    assert_int_equal(row->told_ranges, 3);
    assert_int_equal(flatview_num_ranges(row->as.current_map), DEVICES - 3);
}

/* All at once: there and back. */
static void test_bulk(void **state)
{
    struct row *row = *state;

    for (int on = 0; on < 2; on++) {
        memory_region_transaction_begin();
        for (size_t i = 0; i < DEVICES; i += 2) {
            assert_int_equal(
                memory_region_set_enabled(&row->devices[i], on == 1), 0);
        }
        assert_int_equal(memory_region_transaction_commit(), 0);
        assert_int_equal(flatview_num_ranges(row->as.current_map),
                         on ? DEVICES : DEVICES / 2);
    }
    for (size_t i = 0; i < DEVICES; i++) {
        assert_ptr_equal(look(row, place_of(i))->mr, &row->devices[i]);
    }
}

static void test_nothing_to_see(void **state)
{
    struct row *row = *state;
    const FlatView *view = row->as.current_map;
    MemoryRegion below;

    assert_int_equal(
        memory_region_init_io(&below, NULL, NULL, NULL, "below", PAGE), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&row->root, 0, &below, -1), 0);
    assert_ptr_equal(row->as.current_map, view);
    assert_int_equal(row->told, 0);
    assert_int_equal(xbar_region_destroy(&below, NULL, NULL), 0);
    assert_ptr_equal(row->as.current_map, view);
}

static int set_up(void **state)
{
    struct row *row = calloc(1, sizeof(*row));

    *state = row;
    row->engine = counting_alloc_engine(&row->alloc);
    (void)xbar_engine_enter(row->engine);
    (void)memory_region_init(&row->root, NULL, "root", UINT64_MAX);
    memory_region_transaction_begin();
    for (size_t i = 0; i < DEVICES; i++) {
        MemoryRegion *mr = &row->devices[i];

        (void)memory_region_init_io(mr, NULL, NULL, NULL, NULL, PAGE);
        (void)memory_region_add_subregion(&row->root, place_of(i), mr);
    }
    (void)memory_region_transaction_commit();
    if (address_space_init(&row->as, &row->root, "as") != 0) {
        return -1;
    }
    row->sub.changed = count_news;
    xbar_view_subscribe(&row->as, &row->sub);
    return 0;
}

static void forget(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static int tear_down(void **state)
{
    struct row *row = *state;
    int err;

    xbar_view_unsubscribe(&row->as, &row->sub);
    address_space_destroy(&row->as);
    for (size_t i = 0; i < DEVICES; i++) {
        (void)xbar_region_destroy(&row->devices[i], forget, NULL);
    }
    (void)xbar_region_destroy(&row->root, forget, NULL);
    (void)xbar_engine_reclaim(row->engine);
    (void)xbar_engine_leave(row->engine);
    err = xbar_engine_free(row->engine);
    err = err != 0 || atomic_load(&row->alloc.live_bytes) != 0 ? -1 : 0;
    free(row);
    return err;
}

#define row_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        row_test(test_one_among_many),
        row_test(test_statistics),
        row_test(test_merged_across_the_window),
        row_test(test_two_windows),
        row_test(test_bulk),
        row_test(test_nothing_to_see),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
