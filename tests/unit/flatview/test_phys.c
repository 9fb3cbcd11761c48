/* SPDX-License-Identifier: MIT */
/* The short forms: each reaches the access of its width and order. */
#include "flatview/phys.h"

#include "tests/unit/flatview/board.h"

static void test_loads(void **state)
{
    struct board *b = *state;
    AddressSpace *as = &b->as;

    assert_int_equal(ldub_phys(as, 0x10), 0x10);
    assert_int_equal(lduw_phys(as, 0x10), 0x1110);
    assert_int_equal(lduw_le_phys(as, 0x10), 0x1110);
    assert_int_equal(lduw_be_phys(as, 0x10), 0x1011);
    assert_int_equal(ldl_phys(as, 0x10), 0x13121110);
    assert_int_equal(ldl_le_phys(as, 0x10), 0x13121110);
    assert_int_equal(ldl_be_phys(as, 0x10), 0x10111213);
    assert_int_equal(ldq_phys(as, 0x10), 0x1716151413121110);
    assert_int_equal(ldq_le_phys(as, 0x10), 0x1716151413121110);
    assert_int_equal(ldq_be_phys(as, 0x10), 0x1011121314151617);
}

static void test_stores(void **state)
{
    struct board *b = *state;
    AddressSpace *as = &b->as;
    MemTxResult r = MEMTX_ERROR;

    stb_phys(as, 0x10, 1);
    stw_phys(as, 0x12, 0x0203);
    stw_le_phys(as, 0x14, 0x0405);
    stw_be_phys(as, 0x16, 0x0607);
    stl_phys(as, 0x18, 0x08090a0b);
    stl_le_phys(as, 0x1c, 0x0c0d0e0f);
    stl_be_phys(as, 0x20, 0x10111213);
    stq_phys(as, 0x28, 0x0102030405060708);
    stq_le_phys(as, 0x30, 0x0102030405060708);
    stq_be_phys(as, 0x38, 0x0102030405060708);
    address_space_stl_notdirty(as, 0x24, 0x55, (MemTxAttrs){ 0 }, &r);
    address_space_flush_icache_range(as, 0, 0x1000);
    assert_int_equal(r, MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x10,
                        "\x01\x11\x03\x02\x05\x04\x06\x07\x0b\x0a\x09\x08"
                        "\x0f\x0e\x0d\x0c\x10\x11\x12\x13\x55\0\0\0"
                        "\x08\x07\x06\x05\x04\x03\x02\x01"
                        "\x08\x07\x06\x05\x04\x03\x02\x01"
                        "\x01\x02\x03\x04\x05\x06\x07\x08\x40",
                        0x31);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_loads),
        BOARD_TEST(test_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
