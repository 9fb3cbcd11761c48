/* SPDX-License-Identifier: MIT */
/* Fixed widths: orders, edges, and one access where one is meant. */
#include "engine/rcu.h"
#include "flatview/dirty_bitmap.h"
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static void test_loads_of_ram(void **state)
{
    struct board *b = *state;
    AddressSpace *as = &b->as;
    MemTxResult r = MEMTX_ERROR;

    assert_int_equal(address_space_ldub(as, 0x11, plain, &r), 0x11);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(address_space_lduw_le(as, 0x10, plain, NULL), 0x1110);
    assert_int_equal(address_space_lduw_be(as, 0x10, plain, NULL), 0x1011);
    assert_int_equal(address_space_ldl_le(as, 0x10, plain, NULL), 0x13121110);
    assert_int_equal(address_space_ldl_be(as, 0x10, plain, NULL), 0x10111213);
    assert_int_equal(address_space_ldq_le(as, 0x10, plain, NULL),
                     0x1716151413121110);
    assert_int_equal(address_space_ldq_be(as, 0x10, plain, NULL),
                     0x1011121314151617);
    assert_int_equal(address_space_lduw(as, 0x10, plain, NULL), 0x1110);
    assert_int_equal(address_space_ldl(as, 0x10, plain, NULL), 0x13121110);
    assert_int_equal(address_space_ldq(as, 0x10, plain, NULL),
                     0x1716151413121110);
    assert_int_equal(address_space_ldl_be(as, 0x13, plain, &r), 0x13141516);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->log_count, 0);
}

static void check_bytes(const struct board *b, const char *bytes, size_t n)
{
    assert_memory_equal(b->ram_bytes + 0x10, bytes, n);
}

static void test_stores_to_ram(void **state)
{
    struct board *b = *state;
    AddressSpace *as = &b->as;
    MemTxResult r = MEMTX_ERROR;

    address_space_stb(as, 0x10, 0xa0, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    check_bytes(b, "\xa0\x11", 2);
    address_space_stw_le(as, 0x10, 0x0102, plain, NULL);
    check_bytes(b, "\x02\x01\x12", 3);
    address_space_stw_be(as, 0x10, 0x0102, plain, NULL);
    check_bytes(b, "\x01\x02\x12", 3);
    address_space_stl_le(as, 0x10, 0x01020304, plain, NULL);
    check_bytes(b, "\x04\x03\x02\x01\x14", 5);
    address_space_stl_be(as, 0x10, 0x01020304, plain, NULL);
    check_bytes(b, "\x01\x02\x03\x04\x14", 5);
    address_space_stq_le(as, 0x10, 0x0102030405060708, plain, NULL);
    check_bytes(b, "\x08\x07\x06\x05\x04\x03\x02\x01\x18", 9);
    address_space_stq_be(as, 0x10, 0x0102030405060708, plain, NULL);
    check_bytes(b, "\x01\x02\x03\x04\x05\x06\x07\x08\x18", 9);
    address_space_stw(as, 0x10, 0x1122, plain, NULL);
    address_space_stl(as, 0x14, 0x33445566, plain, NULL);
    check_bytes(b, "\x22\x11\x03\x04\x66\x55\x44\x33\x18", 9);
    address_space_stq(as, 0x11, 0, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    check_bytes(b, "\x22\0\0\0\0\0\0\0\0\x19", 10);
}

/* The section that was accessed last, whatever the width. */
static void store_again(AddressSpace *as, hwaddr addr, unsigned size,
                        MemTxResult *r)
{
    switch (size) {
    case 1:
        address_space_stb(as, addr, 1, plain, r);
        break;
    case 2:
        address_space_stw(as, addr, 1, plain, r);
        break;
    case 4:
        address_space_stl(as, addr, 1, plain, r);
        break;
    default:
        address_space_stq(as, addr, 1, plain, r);
        break;
    }
}

/* Whoever logs writes is told of every width, and the read section ends. */
static void test_stores_are_logged(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_log(&b->ram, true, DIRTY_MEMORY_VGA), 0);
    for (unsigned size = 1; size <= 8; size *= 2) {
        MemTxResult r = MEMTX_ERROR;

        store_again(&b->as, 0x200, size, NULL);
        memory_region_reset_dirty(&b->ram, 0, 0x1000, DIRTY_MEMORY_VGA);
        store_again(&b->as, 0x100, size, &r);
        assert_int_equal(r, MEMTX_OK);
        assert_true(
            memory_region_get_dirty(&b->ram, 0x100, size, DIRTY_MEMORY_VGA));
        assert_int_equal(b->ram_bytes[0x100], 1);
        assert_false(xbar_rcu_read_held());
    }
    assert_int_equal(memory_region_set_log(&b->ram, false, DIRTY_MEMORY_VGA),
                     0);
}

/* A device gets one access, in its own order. */
static void test_devices(void **state)
{
    struct board *b = *state;
    MemTxResult r = MEMTX_ERROR;

    assert_int_equal(address_space_ldl_be(&b->as, 0x2004, plain, &r),
                     0x04050607);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->log_count, 1);
    assert_int_equal(b->log[0].size, 4);
    assert_int_equal(b->log[0].value, 0x07060504);
    address_space_stw_be(&b->as, 0x2004, 0x0102, plain, &r);
    assert_int_equal(b->log_count, 2);
    assert_int_equal(b->log[1].value, 0x0201);
    b->device_fails = true;
    (void)address_space_ldub(&b->as, 0x2004, plain, &r);
    assert_int_equal(r, MEMTX_ERROR);
    address_space_stb(&b->as, 0x2004, 1, plain, &r);
    assert_int_equal(r, MEMTX_ERROR);
}

static void test_across_sections(void **state)
{
    struct board *b = *state;
    MemTxResult r = MEMTX_ERROR;

    assert_int_equal(address_space_ldl_be(&b->as, 0xffe, plain, &r),
                     0xfeff0001);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(address_space_ldq_be(&b->as, 0x20fc, plain, &r),
                     0xfcfdfeff00000000);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    address_space_stl_be(&b->as, 0xffe, 0xaabbccdd, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->ram_bytes[0xffe], 0xaa);
    assert_int_equal(b->ram_bytes[0xfff], 0xbb);
    assert_int_equal(b->rom_bytes[0], 0);
}

static void test_refusals(void **state)
{
    const MemTxAttrs ram_only = { .memory = 1 };
    struct board *b = *state;
    MemTxResult r = MEMTX_OK;

    assert_int_equal(address_space_ldl(&b->as, 0x2800, plain, &r), 0);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    address_space_stl(&b->as, 0x2800, 1, plain, &r);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_ldl(&b->as, 0x2000, ram_only, &r), 0);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    address_space_stl(&b->as, 0x2000, 1, ram_only, &r);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    assert_int_equal(address_space_ldub(&b->as, 1, ram_only, &r), 1);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->log_count, 0);
    address_space_stl(&b->as, 0x1000, 1, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(b->rom_bytes[1], 1);
    assert_int_equal(address_space_ldl_be(&b->as, UINT64_MAX - 1, plain, &r),
                     0x0e0f0000);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
}

/* Without a suffix, the order is the guest's. */
static void test_big_endian_guest(void **state)
{
    struct xbar_engine_config config = { .guest_is_big_endian = true };
    struct xbar_engine *engine = xbar_engine_new(&config);
    unsigned char bytes[8]
        __attribute__((aligned(8))) = { 1, 2, 3, 4, 5, 6, 7, 8 };
    MemoryRegion ram;
    AddressSpace as;

    (void)state;
    assert_int_equal(xbar_engine_enter(engine), 0);
    assert_int_equal(memory_region_init_ram_ptr(&ram, NULL, "ram", 8, bytes),
                     0);
    assert_int_equal(address_space_init(&as, &ram, "big"), 0);
    assert_int_equal(address_space_lduw(&as, 0, plain, NULL), 0x0102);
    assert_int_equal(address_space_ldl(&as, 0, plain, NULL), 0x01020304);
    assert_int_equal(address_space_ldq(&as, 0, plain, NULL),
                     0x0102030405060708);
    assert_int_equal(address_space_ldl_le(&as, 0, plain, NULL), 0x04030201);
    address_space_stl(&as, 4, 0x0a0b0c0d, plain, NULL);
    assert_int_equal(bytes[4], 0x0a);
    address_space_destroy(&as);
    assert_int_equal(xbar_region_destroy(&ram, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    assert_int_equal(xbar_engine_free(engine), 0);
}

/* ---- Devices without a lock -------------------------------------------- */

static uint64_t read_bare(void *opaque, hwaddr addr, unsigned size)
{
    return *(uint64_t *)opaque + addr + size * 0x10000;
}

static void write_bare(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    *(uint64_t *)opaque = addr + data + size * 0x10000;
}

static const MemoryRegionOps bare_ops = {
    .read = read_bare,
    .write = write_bare,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 2, .max_access_size = 4 },
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

static void check_bare(AddressSpace *as, uint64_t *reg)
{
    const MemTxAttrs memory = { .memory = 1 };
    MemTxResult r = MEMTX_ERROR;
    uint32_t value = 0;

    *reg = 0x100;
    assert_int_equal(address_space_ldl_le(as, 0x6004, plain, &r), 0x40104);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(address_space_lduw_be(as, 0x6004, plain, &r), 0x0401);
    assert_int_equal(address_space_read(as, 0x6004, plain, &value, 4),
                     MEMTX_OK);
    assert_int_equal(value, 0x40104);
    address_space_stl_le(as, 0x6008, 0x200, plain, &r);
    assert_int_equal(*reg, 0x40208);
    assert_int_equal(address_space_write(as, 0x600c, plain, &value, 2),
                     MEMTX_OK);
    assert_int_equal(*reg, 0x20110);
    /* What the plain callback is not for. */
    assert_int_equal(address_space_ldub(as, 0x6004, plain, &r), 0);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_ldl_le(as, 0x6002, plain, &r), 0);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_ldl_le(as, 0x6004, memory, &r), 0);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    *reg = 0x100;
    address_space_stl_le(as, 0x6004, 1, memory, &r);
    assert_int_equal(r, MEMTX_ACCESS_ERROR);
    assert_int_equal(*reg, 0x100);
    assert_false(xbar_rcu_read_held());
}

/* The same device again and again, without a lock and with one: the sections
 * of the one before must not answer for it. */
static void test_bare_devices(void **state)
{
    struct board *b = *state;
    uint64_t reg[4];
    MemoryRegion mr;
    MemTxResult r = MEMTX_ERROR;

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(
            memory_region_init_io(&mr, NULL, &bare_ops, &reg[i], "bare", 0x100),
            0);
        assert_int_equal(
            xbar_region_set_lock_policy(&mr, i % 2 == 0 ? XBAR_LOCK_NONE
                                                        : XBAR_LOCK_MACHINE),
            0);
        assert_int_equal(memory_region_add_subregion(&b->root, 0x6000, &mr), 0);
        check_bare(&b->as, &reg[i]);
        assert_int_equal(memory_region_set_readonly(&mr, true), 0);
        (void)address_space_ldl_le(&b->as, 0x6004, plain, &r);
        address_space_stl_le(&b->as, 0x6004, 1, plain, &r);
        assert_int_equal(r, MEMTX_OK);
        assert_int_equal(reg[i], 0x100); /* dropped */
        assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
    }
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_bare_devices),
        BOARD_TEST(test_loads_of_ram),
        BOARD_TEST(test_stores_to_ram),
        BOARD_TEST(test_devices),
        BOARD_TEST(test_across_sections),
        BOARD_TEST(test_refusals),
        BOARD_TEST(test_stores_are_logged),
        cmocka_unit_test(test_big_endian_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
