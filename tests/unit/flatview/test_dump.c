/* SPDX-License-Identifier: MIT */
/* The texts, letter by letter. */
#include "flatview/dump.h"

#include <errno.h>

#include "tests/unit/flatview/board.h"

typedef int print_fn(AddressSpace *as, FILE *out);

static void check_text(struct board *b, print_fn *print, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(print(&b->as, out), 0);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void test_tree(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_enabled(&b->device, false), 0);
    check_text(
        b, xbar_mtree_print,
        "address-space: board\n"
        "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"
        "    0000000000000000-0000000000000fff (prio 0, ram): ram\n"
        "    0000000000001000-0000000000001fff (prio 0, rom): rom\n"
        "    0000000000002000-00000000000020ff (prio 0, i/o): device"
        " [disabled]\n"
        "    0000000000003000-00000000000030ff (prio 0, i/o): alias shut @ram"
        " 0000000000000000-00000000000000ff\n"
        "    fffffffffffffff0-ffffffffffffffff (prio 0, i/o): edge\n"
        "\n"
        "memory-region: ram\n"
        "  0000000000000000-0000000000000fff (prio 0, ram): ram\n");
}

/* Best first at one address; what sticks out is marked. */
static void test_odd_tree(void **state)
{
    struct board *b = *state;
    MemoryRegion *mr = &b->device;

    assert_int_equal(memory_region_del_subregion(&b->root, mr), 0);
    assert_int_equal(memory_region_del_subregion(&b->root, &b->shut), 0);
    assert_int_equal(memory_region_del_subregion(&b->root, &b->edge), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&b->rom, 0xf80, mr, -2), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&b->rom, 0xf80, &b->edge, 3), 0);
    assert_int_equal(memory_region_set_size(&b->edge, 0), 0);
    assert_int_equal(memory_region_set_address(&b->rom, UINT64_MAX - 0xfff), 0);
    check_text(b, xbar_mtree_print,
               "address-space: board\n"
               "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"
               "    0000000000000000-0000000000000fff (prio 0, ram): ram\n"
               "    fffffffffffff000-ffffffffffffffff (prio 0, rom): rom\n"
               "      ffffffffffffff80-ffffffffffffff80 (prio 3, i/o): edge"
               " [empty]\n"
               "      ffffffffffffff80-000000000000007f (prio -2, i/o): device"
               " [overflow]\n");
}

static void test_view(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_alias_offset(&b->shut, 0x80), 0);
    check_text(b, xbar_flatview_print,
               "FlatView of board, root root, sections: 5\n"
               "  0000000000000000-0000000000000fff (prio 0, ram): ram\n"
               "  0000000000001000-0000000000001fff (prio 0, rom): rom\n"
               "  0000000000002000-00000000000020ff (prio 0, i/o): device\n"
               "  0000000000003000-00000000000030ff (prio 0, rom): ram"
               " @0000000000000080\n"
               "  fffffffffffffff0-ffffffffffffffff (prio 0, i/o): edge\n");
}

static void test_output_fails(void **state)
{
    struct board *b = *state;
    FILE *out = fopen("/dev/full", "w");

    assert_non_null(out);
    setvbuf(out, NULL, _IONBF, 0);
    assert_int_equal(xbar_mtree_print(&b->as, out), -EIO);
    assert_int_equal(xbar_flatview_print(&b->as, out), -EIO);
    fclose(out);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_tree),
        BOARD_TEST(test_odd_tree),
        BOARD_TEST(test_view),
        BOARD_TEST(test_output_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
