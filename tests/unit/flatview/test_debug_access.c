/* SPDX-License-Identifier: MIT */
/* A debugger's accesses by physical address: what they reach and leave alone.
 */
#include "flatview/dirty_bitmap.h"
#include "tests/unit/flatview/board.h"

static uint64_t get(struct board *b, hwaddr addr, void *buf, uint64_t len)
{
    return xbar_address_space_debug_rw(&b->as, addr, buf, len, false);
}

static uint64_t put(struct board *b, hwaddr addr, const void *buf, uint64_t len)
{
    return xbar_address_space_debug_rw(&b->as, addr, (void *)buf, len, true);
}

static void memory_is_read_across_sections(void **state)
{
    struct board *b = *state;
    unsigned char bytes[0x2001];

    assert_int_equal(get(b, 0, bytes, 0x2000), 0x2000);
    for (unsigned i = 0; i < 0x2000; i++) {
        assert_int_equal(bytes[i], (unsigned char)i);
    }
    assert_int_equal(get(b, 0x3010, bytes, 3), 3);
    assert_int_equal(bytes[2], 0x12);
    assert_int_equal(get(b, 0, bytes, 0), 0);
}

/* Each length, at each distance from the end. */
static void it_ends_where_memory_does(void **state)
{
    struct board *b = *state;

    for (unsigned len = 1; len < 40; len++) {
        for (unsigned room = 0; room < 40; room++) {
            unsigned char bytes[41];
            unsigned want = len < room ? len : room;

            memset(bytes, 0xee, sizeof(bytes));
            assert_int_equal(get(b, 0x2000 - room, bytes, len), want);
            assert_int_equal(bytes[want], 0xee);
            assert_int_equal(put(b, 0x2000 - room, bytes, len), want);
            for (unsigned i = 0; i < 0x1000; i++) {
                b->rom_bytes[i] = (unsigned char)i;
            }
        }
    }
    assert_int_equal(b->log_count, 0);
}

static void what_is_read_only_is_written(void **state)
{
    struct board *b = *state;

    assert_int_equal(put(b, 0x0ffe, "abcd", 4), 4);
    assert_memory_equal(b->ram_bytes + 0xffe, "ab", 2);
    assert_memory_equal(b->rom_bytes, "cd", 2);
    assert_int_equal(put(b, 0x3008, "shut", 4), 4);
    assert_memory_equal(b->ram_bytes + 8, "shut", 4);
}

static void devices_and_holes_are_left_alone(void **state)
{
    struct board *b = *state;
    unsigned char bytes[32];

    memset(bytes, 0xee, sizeof(bytes));
    assert_int_equal(get(b, 0x2000, bytes, 32), 0);
    assert_int_equal(put(b, 0x2000, bytes, 32), 0);
    assert_int_equal(get(b, 0x2200, bytes, 1), 0);
    assert_int_equal(put(b, 0x2200, bytes, 1), 0);
    assert_int_equal(get(b, UINT64_MAX - 20, bytes, 32), 0);
    assert_int_equal(get(b, UINT64_MAX, bytes, UINT64_MAX), 0);
    assert_int_equal(bytes[0], 0xee);
    assert_int_equal(b->log_count, 0);
}

/* Memory up to the last byte: nothing goes on at 0. */
static void it_does_not_wrap_around(void **state)
{
    struct board *b = *state;
    MemoryRegion top;
    unsigned char bytes[32];

    assert_int_equal(
        memory_region_init_alias(&top, NULL, "top", &b->ram, 0x100, 16), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&b->root, UINT64_MAX - 15, &top, 1),
        0);
    memset(bytes, 0xee, sizeof(bytes));
    assert_int_equal(get(b, UINT64_MAX - 7, bytes, 32), 8);
    assert_int_equal(bytes[7], 0x0f);
    assert_int_equal(bytes[8], 0xee);
    assert_int_equal(put(b, UINT64_MAX - 7, bytes, 32), 8);
    assert_int_equal(b->ram_bytes[0], 0);
    assert_int_equal(get(b, UINT64_MAX, bytes, 1), 1);
    assert_int_equal(b->log_count, 0);
    assert_int_equal(memory_region_del_subregion(&b->root, &top), 0);
    assert_int_equal(xbar_region_destroy(&top, NULL, NULL), 0);
}

static void who_logs_is_told_of_writes(void **state)
{
    struct board *b = *state;
    unsigned char byte = 0;

    assert_int_equal(memory_region_set_log(&b->ram, true, DIRTY_MEMORY_VGA), 0);
    memory_region_reset_dirty(&b->ram, 0, 0x1000, DIRTY_MEMORY_VGA);
    assert_int_equal(get(b, 0x10, &byte, 1), 1);
    assert_false(memory_region_get_dirty(&b->ram, 0x10, 1, DIRTY_MEMORY_VGA));
    assert_int_equal(put(b, 0x10, &byte, 1), 1);
    assert_true(memory_region_get_dirty(&b->ram, 0x10, 1, DIRTY_MEMORY_VGA));
    assert_int_equal(memory_region_set_log(&b->ram, false, DIRTY_MEMORY_VGA),
                     0);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(memory_is_read_across_sections),
        BOARD_TEST(it_ends_where_memory_does),
        BOARD_TEST(what_is_read_only_is_written),
        BOARD_TEST(devices_and_holes_are_left_alone),
        BOARD_TEST(it_does_not_wrap_around),
        BOARD_TEST(who_logs_is_told_of_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
