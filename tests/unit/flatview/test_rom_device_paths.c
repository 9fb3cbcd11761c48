/* SPDX-License-Identifier: MIT */
/*
 * A ROM device with something on top, by every path: what is read in place
 * ends where the other begins, writes go to callbacks, and a change of mode
 * reaches maps and caches.
 *
 *     0x9000  flash   0x1000 bytes: byte i is (unsigned char)~i
 *     0x9400  device  0x100 bytes, over it: the board's, moved here
 */
#include "engine/memory_ram.h"
#include "flatview/phys.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

struct rig {
    struct board *b;
    MemoryRegion flash;
    unsigned reads;
    unsigned writes;
    uint64_t last;
};

static uint64_t flash_read(void *opaque, hwaddr addr, unsigned size)
{
    struct rig *rig = opaque;

    (void)addr;
    (void)size;
    rig->reads++;
    return 0x5a;
}

static void flash_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct rig *rig = opaque;

    (void)addr;
    (void)size;
    rig->writes++;
    rig->last = data;
}

static const MemoryRegionOps flash_ops = {
    .read = flash_read,
    .write = flash_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 4 },
    .impl = { .min_access_size = 1, .max_access_size = 1 },
};

static int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int err = board_set_up(state);
    unsigned char *bytes;

    rig->b = *state;
    *state = rig;
    err |= memory_region_init_rom_device(&rig->flash, NULL, &flash_ops, rig,
                                         "flash", 0x1000, NULL);
    bytes = memory_region_get_ram_ptr(&rig->flash);
    for (unsigned i = 0; i < 0x1000; i++) {
        bytes[i] = (unsigned char)~i;
    }
    err |= memory_region_add_subregion(&rig->b->root, 0x9000, &rig->flash);
    err |= memory_region_del_subregion(&rig->b->root, &rig->b->device);
    err |= memory_region_add_subregion_overlap(&rig->b->root, 0x9400,
                                               &rig->b->device, 1);
    return err;
}

static int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    int err = xbar_region_destroy(&rig->flash, NULL, NULL);

    *state = rig->b;
    free(rig);
    return err | board_tear_down(state);
}

static void test_bulk_reads_stop_at_it(void **state)
{
    struct rig *rig = *state;
    unsigned char bytes[0x110];

    assert_int_equal(address_space_read(&rig->b->as, 0x93f8, plain, bytes, 16),
                     MEMTX_OK);
    assert_memory_equal(bytes,
                        "\x07\x06\x05\x04\x03\x02\x01\x00"
                        "\x00\x01\x02\x03\x04\x05\x06\x07",
                        16);
    assert_int_equal(rig->b->log_count, 2);
    assert_int_equal(rig->b->log[0].addr, 0);
    assert_int_equal(address_space_ldq_le(&rig->b->as, 0x94fc, plain, NULL),
                     0xfcfdfefffffefdfc);
    assert_int_equal(rig->reads, 0);
    assert_int_equal(address_space_write(&rig->b->as, 0x93fe, plain, "abcd", 4),
                     MEMTX_OK);
    assert_int_equal(rig->writes, 2);
    assert_int_equal(rig->last, 'b');
    assert_int_equal(rig->b->log_count, 4);
    assert_int_equal(ldub_phys(&rig->b->as, 0x93fe), 0x01);
    assert_int_equal(
        address_space_write_rom(&rig->b->as, 0x93fe, plain, "abcd", 4),
        MEMTX_OK);
    assert_int_equal(ldub_phys(&rig->b->as, 0x93fe), 'a');
    assert_int_equal(rig->writes, 2);
    assert_int_equal(rig->b->log_count, 4);
}

static void test_maps_stop_at_it(void **state)
{
    struct rig *rig = *state;
    unsigned char *bytes = memory_region_get_ram_ptr(&rig->flash);
    hwaddr len = 0x1000;
    void *host = address_space_map(&rig->b->as, 0x9200, &len, false, plain);

    assert_ptr_equal(host, bytes + 0x200);
    assert_int_equal(len, 0x200);
    assert_int_equal(address_space_unmap(&rig->b->as, host, len, false, len),
                     0);
    len = 4;
    host = address_space_map(&rig->b->as, 0x9200, &len, true, plain);
    assert_ptr_not_equal(host, bytes + 0x200);
    memcpy(host, "wxyz", 4);
    assert_int_equal(rig->writes, 0);
    assert_int_equal(address_space_unmap(&rig->b->as, host, len, true, 3), 0);
    assert_int_equal(rig->writes, 3);
    assert_int_equal(rig->last, 'y');
}

static void test_the_mode_reaches_all(void **state)
{
    struct rig *rig = *state;
    unsigned char *host;
    MemoryRegionCache c;
    hwaddr len = 4;

    assert_int_equal(
        address_space_cache_init(&c, &rig->b->as, 0x9000, 0x20, true), 0x20);
    assert_int_equal(ldl_le_phys_cached(&c, 0), 0xfcfdfeff);
    stb_phys_cached(&c, 0, 0x77); /* no hit: it is a command */
    assert_int_equal(rig->writes, 1);
    assert_int_equal(rig->last, 0x77);
    assert_int_equal(memory_region_rom_device_set_romd(&rig->flash, false), 0);
    assert_true(xbar_cache_is_stale(&c));
    assert_int_equal(ldub_phys_cached(&c, 0), 0x5a);
    assert_int_equal(rig->reads, 1);
    host = address_space_map(&rig->b->as, 0x9000, &len, false, plain);
    assert_memory_equal(host, "\x5a\x5a\x5a\x5a", 4);
    assert_int_equal(rig->reads, 5);
    assert_int_equal(address_space_unmap(&rig->b->as, host, len, false, 4), 0);
    assert_int_equal(memory_region_rom_device_set_romd(&rig->flash, true), 0);
    assert_int_equal(ldub_phys_cached(&c, 0), 0xff);
    assert_int_equal(rig->reads, 5);
    address_space_cache_destroy(&c);
}

#define RIG_TEST(name) \
    cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_bulk_reads_stop_at_it),
        RIG_TEST(test_maps_stop_at_it),
        RIG_TEST(test_the_mode_reaches_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
