/* SPDX-License-Identifier: MIT */
/* All address spaces at once, letter by letter. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/memory_ram.h"
#include "flatview/dump.h"
#include "tests/unit/flatview/board.h"

static void check_text(struct board *b, unsigned flags, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(xbar_mtree_info(b->engine, out, flags), 0);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

/* Two address spaces of one root, one of another, that shows the first. */
struct more {
    AddressSpace cpu;
    AddressSpace dma;
    MemoryRegion window;
};

static struct more more;

static int set_up(void **state)
{
    int err = board_set_up(state);
    struct board *b = *state;

    return err | address_space_init(&more.cpu, &b->root, "an earlier name") |
           memory_region_init_alias(&more.window, (Object *)0x1234, "window",
                                    &b->ram, 0x800, 0x100) |
           address_space_init(&more.dma, &more.window, "dma");
}

static int tear_down(void **state)
{
    return xbar_address_space_destroy(&more.dma, NULL, NULL) |
           xbar_address_space_destroy(&more.cpu, NULL, NULL) |
           xbar_region_destroy(&more.window, NULL, NULL) |
           board_tear_down(state);
}

#define TREE_HEAD                                                \
    "address-space: an earlier name\n"                           \
    "address-space: board\n"                                     \
    "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"  \
    "    0000000000000000-0000000000000fff (prio 0, ram): ram\n" \
    "    0000000000001000-0000000000001fff (prio 0, rom): rom\n"
#define TREE_TAIL                                                          \
    "    0000000000003000-00000000000030ff (prio 0, i/o): alias shut @ram" \
    " 0000000000000000-00000000000000ff\n"                                 \
    "    fffffffffffffff0-ffffffffffffffff (prio 0, i/o): edge\n"          \
    "\n"                                                                   \
    "address-space: dma\n"                                                 \
    "  0000000000000000-00000000000000ff (prio 0, i/o): alias window @ram" \
    " 0000000000000800-00000000000008ff"
#define TREE_END                 \
    "\n\n\nmemory-region: ram\n" \
    "  0000000000000000-0000000000000fff (prio 0, ram): ram\n"

static void test_trees(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_enabled(&b->device, false), 0);
    check_text(b, 0, TREE_HEAD TREE_TAIL TREE_END);
    check_text(b, XBAR_MTREE_DISABLED,
               TREE_HEAD "    0000000000002000-00000000000020ff (prio 0, i/o):"
                         " device [disabled]\n" TREE_TAIL TREE_END);
    check_text(b, XBAR_MTREE_OWNER,
               TREE_HEAD TREE_TAIL " owner:{0x1234}" TREE_END);
}

static void test_views(void **state)
{
    struct board *b = *state;

    check_text(b, XBAR_MTREE_FLAT,
               "FlatView #0\n"
               " AS \"an earlier name\", root: root\n"
               " AS \"board\", root: root\n"
               " Root memory region: root\n"
               "  0000000000000000-0000000000000fff (prio 0, ram): ram\n"
               "  0000000000001000-0000000000001fff (prio 0, rom): rom\n"
               "  0000000000002000-00000000000020ff (prio 0, i/o): device\n"
               "  0000000000003000-00000000000030ff (prio 0, rom): ram\n"
               "  fffffffffffffff0-ffffffffffffffff (prio 0, i/o): edge\n"
               "\n"
               "FlatView #1\n"
               " AS \"dma\", root: window, alias ram\n"
               " Root memory region: ram\n"
               "  0000000000000000-00000000000000ff (prio 0, ram): ram"
               " @0000000000000800\n"
               "\n");
    assert_int_equal(memory_region_set_enabled(&more.window, false), 0);
    assert_int_equal(memory_region_set_enabled(&b->root, false), 0);
    check_text(b, XBAR_MTREE_FLAT,
               "FlatView #0\n"
               " AS \"an earlier name\", root: root\n"
               " AS \"board\", root: root\n"
               " Root memory region: root\n"
               "  No rendered FlatView\n"
               "\n"
               "FlatView #1\n"
               " AS \"dma\", root: window, alias ram\n"
               " Root memory region: ram\n"
               "  No rendered FlatView\n"
               "\n");
}

/* Of each section that of its region, not that of an alias which shows it. */
static void test_view_owners(void **state)
{
    struct board *b = *state;
    MemoryRegion owned;

    assert_int_equal(
        memory_region_init_reservation(&owned, (Object *)0x5678, "owned", 0x10),
        0);
    assert_int_equal(memory_region_add_subregion(&b->ram, 0x800, &owned), 0);
    check_text(b, XBAR_MTREE_FLAT | XBAR_MTREE_OWNER,
               "FlatView #0\n"
               " AS \"an earlier name\", root: root\n"
               " AS \"board\", root: root\n"
               " Root memory region: root\n"
               "  0000000000000000-00000000000007ff (prio 0, ram): ram\n"
               "  0000000000000800-000000000000080f (prio 0, i/o): owned"
               " owner:{0x5678}\n"
               "  0000000000000810-0000000000000fff (prio 0, ram): ram"
               " @0000000000000810\n"
               "  0000000000001000-0000000000001fff (prio 0, rom): rom\n"
               "  0000000000002000-00000000000020ff (prio 0, i/o): device\n"
               "  0000000000003000-00000000000030ff (prio 0, rom): ram\n"
               "  fffffffffffffff0-ffffffffffffffff (prio 0, i/o): edge\n"
               "\n"
               "FlatView #1\n"
               " AS \"dma\", root: window, alias ram\n"
               " Root memory region: ram\n"
               "  0000000000000000-000000000000000f (prio 0, i/o): owned"
               " owner:{0x5678}\n"
               "  0000000000000010-00000000000000ff (prio 0, ram): ram"
               " @0000000000000810\n"
               "\n");
    assert_int_equal(xbar_region_destroy(&owned, NULL, NULL), 0);
}

static void test_dispatch(void **state)
{
    struct board *b = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(
        xbar_mtree_info(b->engine, out, XBAR_MTREE_FLAT | XBAR_MTREE_DISPATCH),
        0);
    fclose(out);
    assert_non_null(strstr(
        text, "  Dispatch\n    Physical sections\n"
              "      #0 @0000000000000000..0000000000000fff ram\n"
              "      #1 @0000000000001000..0000000000001fff rom [ROM]\n"
              "      #2 @0000000000002000..00000000000020ff device [MMIO]\n"
              "      #3 @0000000000003000..00000000000030ff ram [ROM]\n"
              "      #4 @fffffffffffffff0..ffffffffffffffff edge [MMIO]\n"
              "    Radix trie: 5 keys in "));
    free(text);
}

static void test_unwritable(void **state)
{
    struct board *b = *state;
    FILE *full = fopen("/dev/full", "w");

    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    assert_int_equal(xbar_mtree_info(b->engine, full, 0), -EIO);
    assert_int_equal(xbar_mtree_info(b->engine, full, XBAR_MTREE_FLAT), -EIO);
    fclose(full);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trees),    TEST(test_views),      TEST(test_view_owners),
        TEST(test_dispatch), TEST(test_unwritable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
