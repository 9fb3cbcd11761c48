/* SPDX-License-Identifier: MIT */
/* Bulk accesses: cut at sections, sized for devices, clipped at 2^64. */
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };
static const MemTxAttrs ram_only = { .memory = 1 };

static void check_log(const struct board *b, unsigned i, hwaddr addr,
                      unsigned size, bool is_write)
{
    assert_true(i < b->log_count);
    assert_int_equal(b->log[i].addr, addr);
    assert_int_equal(b->log[i].size, size);
    assert_int_equal(b->log[i].is_write, is_write);
}

static void test_across_sections(void **state)
{
    struct board *b = *state;
    unsigned char bytes[0x1200];

    assert_int_equal(address_space_read(&b->as, 0xf80, plain, bytes, 0x1100),
                     MEMTX_OK);
    for (unsigned i = 0; i < 0x1100; i++) {
        assert_int_equal(bytes[i], (unsigned char)(0xf80 + i));
    }
    assert_int_equal(b->log_count, 0x80 / 4);
    check_log(b, 0, 0, 4, false);
    check_log(b, 31, 0x7c, 4, false);
}

static void test_device_sizes(void **state)
{
    struct board *b = *state;
    unsigned char bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

    assert_int_equal(address_space_write(&b->as, 0x2001, plain, bytes, 8),
                     MEMTX_OK);
    check_log(b, 0, 1, 1, true);
    check_log(b, 1, 2, 2, true);
    check_log(b, 2, 4, 4, true);
    check_log(b, 3, 8, 1, true);
    assert_int_equal(b->log_count, 4);
    assert_int_equal(b->log[1].value, 0x0302);
    assert_int_equal(b->log[2].value, 0x07060504);
}

static void test_holes_do_not_stop_it(void **state)
{
    struct board *b = *state;
    unsigned char bytes[0x1100];

    memset(bytes, 0xee, sizeof(bytes));
    assert_int_equal(address_space_read(&b->as, 0x20fc, plain, bytes, 0xf08),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(bytes[3], 0xff);
    for (unsigned i = 4; i < 0xf04; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_int_equal(bytes[0xf04], 0);
    assert_int_equal(bytes[0xf07], 3);
    assert_int_equal(bytes[0xf08], 0xee);
}

static void test_results_are_joined(void **state)
{
    struct board *b = *state;
    unsigned char bytes[16] = { 0 };

    b->device_fails = true;
    assert_int_equal(address_space_rw(&b->as, 0x20f8, plain, bytes, 16, true),
                     MEMTX_ERROR | MEMTX_DECODE_ERROR);
    assert_int_equal(b->log_count, 2);
    assert_int_equal(address_space_rw(&b->as, 0x20f8, plain, bytes, 0, true),
                     MEMTX_OK);
    assert_int_equal(address_space_read(&b->as, 0x2100, plain, bytes, 0),
                     MEMTX_OK);
}

/* What is read-only, by itself or by the way to it, drops writes. */
static void test_rom(void **state)
{
    struct board *b = *state;
    unsigned char bytes[4] = { 9, 9, 9, 9 };

    assert_int_equal(address_space_write(&b->as, 0x1ffe, plain, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(b->rom_bytes[0xffe], 0xfe);
    check_log(b, 0, 0, 2, true);
    assert_int_equal(address_space_write(&b->as, 0x3004, plain, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(b->ram_bytes[4], 4);

    assert_int_equal(address_space_write_rom(&b->as, 0x1ffe, plain, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(b->rom_bytes[0xffe], 9);
    assert_int_equal(b->log_count, 1);
    assert_int_equal(address_space_write_rom(&b->as, 0x3004, plain, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(b->ram_bytes[4], 9);
    assert_int_equal(address_space_write_rom(&b->as, 0x2100, plain, bytes, 4),
                     MEMTX_DECODE_ERROR);
}

static void test_memory_only(void **state)
{
    struct board *b = *state;
    unsigned char bytes[8] = { 0 };

    assert_int_equal(address_space_read(&b->as, 0xffc, ram_only, bytes, 8),
                     MEMTX_OK);
    assert_int_equal(address_space_read(&b->as, 0x1ffc, ram_only, bytes, 8),
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(bytes[3], 0xff);
    assert_int_equal(bytes[4], 0);
    assert_int_equal(address_space_write(&b->as, 0x2000, ram_only, bytes, 4),
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(address_space_write(&b->as, 0x1000, ram_only, bytes, 4),
                     MEMTX_OK);
    assert_int_equal(b->log_count, 0);
}

static void test_ends_at_the_top(void **state)
{
    struct board *b = *state;
    unsigned char bytes[32];

    memset(bytes, 0xee, sizeof(bytes));
    assert_int_equal(
        address_space_read(&b->as, UINT64_MAX - 7, plain, bytes, 16),
        MEMTX_DECODE_ERROR);
    assert_int_equal(bytes[7], 15);
    assert_int_equal(bytes[8], 0);
    assert_int_equal(bytes[15], 0);
    assert_int_equal(bytes[16], 0xee);
    assert_int_equal(
        address_space_write(&b->as, UINT64_MAX - 7, plain, bytes, 8), MEMTX_OK);
    assert_int_equal(b->ram_bytes[0], 0);
}

/* The parts of one access are those of one view, whatever a callback does. */
static void move_device(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct board *b = opaque;

    (void)data;
    (void)size;
    if (addr == 0) {
        assert_int_equal(memory_region_set_enabled(&b->device, false), 0);
    }
    board_log(b, addr, data, size, true);
}

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void test_one_view(void **state)
{
    static const MemoryRegionOps ops = {
        .read = read_nothing,
        .write = move_device,
        .endianness = DEVICE_LITTLE_ENDIAN,
    };
    struct board *b = *state;
    unsigned char bytes[16] = { 0 };
    MemoryRegion mover;

    assert_int_equal(memory_region_init_io(&mover, NULL, &ops, b, "mover", 8),
                     0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&b->root, 0x2000, &mover, 1), 0);
    assert_int_equal(address_space_write(&b->as, 0x2000, plain, bytes, 16),
                     MEMTX_OK);
    assert_int_equal(b->log_count, 4);
    check_log(b, 2, 8, 4, true);
    assert_int_equal(address_space_write(&b->as, 0x2008, plain, bytes, 4),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(xbar_region_destroy(&mover, NULL, NULL), 0);
}

/* RAM, ROM, a device, nothing: as a write of so many bytes. */
static void test_set(void **state)
{
    struct board *b = *state;

    assert_int_equal(address_space_set(&b->as, 0x11, 0xab, 0x30, plain),
                     MEMTX_OK);
    for (unsigned i = 0; i < 0x60; i++) {
        assert_int_equal(b->ram_bytes[i], i >= 0x11 && i < 0x41 ? 0xab : i);
    }
    assert_int_equal(address_space_set(&b->as, 0x10, 1, 0, plain), MEMTX_OK);
    assert_int_equal(address_space_set(&b->as, 0x1ffc, 0x12, 0x4c, plain),
                     MEMTX_OK);
    assert_int_equal(b->rom_bytes[0xfff], 0xff);
    assert_int_equal(b->log_count, 0x12);
    assert_int_equal(b->log[0x11].addr, 0x44);
    assert_int_equal(b->log[0x11].value, 0x12121212);
    assert_int_equal(
        address_space_set(&b->as, 0x3100, 0, UINT64_MAX - 0x3200, plain),
        MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_set(&b->as, UINT64_MAX - 3, 9, 8, plain),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(b->log_count, 0x13);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_across_sections),
        BOARD_TEST(test_device_sizes),
        BOARD_TEST(test_holes_do_not_stop_it),
        BOARD_TEST(test_results_are_joined),
        BOARD_TEST(test_rom),
        BOARD_TEST(test_memory_only),
        BOARD_TEST(test_ends_at_the_top),
        BOARD_TEST(test_one_view),
        BOARD_TEST(test_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
