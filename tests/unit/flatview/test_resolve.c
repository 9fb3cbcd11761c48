/* SPDX-License-Identifier: MIT */
/* What can be asked of an address before it is accessed (IOMMUs: test_iommu). */
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static MemoryRegion *translated(struct board *b, hwaddr addr, hwaddr want,
                                hwaddr *xlat, hwaddr *len, bool is_write)
{
    MemoryRegion *mr;

    *len = want;
    xbar_read_begin();
    mr = address_space_translate(&b->as, addr, xlat, len, is_write, plain);
    xbar_read_end();
    return mr;
}

static void test_translate(void **state)
{
    struct board *b = *state;
    hwaddr xlat;
    hwaddr len;

    assert_ptr_equal(translated(b, 0x10, 0x10, &xlat, &len, false), &b->ram);
    assert_int_equal(xlat, 0x10);
    assert_int_equal(len, 0x10);
    assert_ptr_equal(translated(b, 0x3080, 0x1000, &xlat, &len, true), &b->ram);
    assert_int_equal(xlat, 0x80); /* through the alias, cut at its end */
    assert_int_equal(len, 0x80);
    /* A device is cut, too: what is beyond belongs to somebody else. */
    assert_ptr_equal(translated(b, 0x20fe, 4, &xlat, &len, false), &b->device);
    assert_int_equal(xlat, 0xfe);
    assert_int_equal(len, 2);
    assert_null(translated(b, 0x2100, UINT64_MAX, &xlat, &len, false));
    assert_int_equal(len, 0xf00); /* as much of nothing */
    assert_null(translated(b, 0x10, 0, &xlat, &len, false));
    assert_ptr_equal(translated(b, UINT64_MAX, 9, &xlat, &len, false),
                     &b->edge);
    assert_int_equal(xlat, 15);
    assert_int_equal(len, 1);
}

static bool is_valid(struct board *b, hwaddr addr, hwaddr len, bool is_write)
{
    return address_space_access_valid(&b->as, addr, len, is_write, plain);
}

static void test_access_valid(void **state)
{
    struct board *b = *state;

    assert_true(is_valid(b, 0, 0x2000, false));
    assert_true(is_valid(b, 0, 0x2000, true)); /* to ROM: dropped */
    assert_true(is_valid(b, 0, 0x2100, false));
    assert_false(is_valid(b, 0, 0x2101, false));
    assert_true(is_valid(b, 0x3000, 0x100, true));
    assert_true(is_valid(b, 0x2100, 0, false));
    assert_true(is_valid(b, UINT64_MAX, 0, false));
    assert_true(is_valid(b, UINT64_MAX - 15, 16, false));
    assert_false(is_valid(b, UINT64_MAX - 15, 17, false));
    assert_false(is_valid(b, 0, UINT64_MAX, false));
    assert_int_equal(b->log_count, 0);
}

static bool only_words(void *opaque, hwaddr addr, unsigned size, bool is_write,
                       MemTxAttrs attrs)
{
    (void)opaque;
    (void)is_write;
    (void)attrs;
    return size == 4 && addr != 0x18;
}

/*
 * Q6: the width comes from the offset in the region, not from the address.
 * This one lies at an odd word, and takes words at even ones.
 */
static void test_devices_are_asked_at_their_offsets(void **state)
{
    static const MemoryRegionOps ops = {
        .read_with_attrs = board_read,
        .write_with_attrs = board_write,
        .endianness = DEVICE_LITTLE_ENDIAN,
        .valid = { .min_access_size = 4,
                   .max_access_size = 4,
                   .accepts = only_words },
    };
    struct board *b = *state;
    MemoryRegion words;

    assert_int_equal(
        memory_region_init_io(&words, NULL, &ops, b, "words", 0x20), 0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x6002, &words), 0);
    assert_true(is_valid(b, 0x6002, 4, false));
    assert_true(is_valid(b, 0x6002, 0x18, false));
    assert_false(is_valid(b, 0x6002, 0x1c, false)); /* 0x18 is refused */
    assert_true(is_valid(b, 0x601e, 4, true));
    assert_false(is_valid(b, 0x6004, 4, false)); /* misaligned there */
    assert_false(is_valid(b, 0x6002, 3, false));
    assert_int_equal(xbar_region_destroy(&words, NULL, NULL), 0);
}

static void test_is_io(void **state)
{
    struct board *b = *state;

    assert_false(address_space_is_io(&b->as, 0));
    assert_false(address_space_is_io(&b->as, 0x1000));
    assert_false(address_space_is_io(&b->as, 0x3000));
    assert_true(address_space_is_io(&b->as, 0x2000));
    assert_true(address_space_is_io(&b->as, 0x2100));
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_translate),
        BOARD_TEST(test_access_valid),
        BOARD_TEST(test_devices_are_asked_at_their_offsets),
        BOARD_TEST(test_is_io),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
