/* SPDX-License-Identifier: MIT */
/*
 * Short reads and writes do what the same bytes do in parts: at every edge of
 * the board, in the section of the last access and in another.
 */
#include "tests/unit/flatview/board.h"

#include "flatview/dirty_bitmap.h"
#include "flatview/flatview_internal.h"

#define BARE_AT 0x5000

static const MemTxAttrs plain = { .unspecified = 1 };
static const MemTxAttrs ram_only = { .memory = 1 };
static const hwaddr lengths[] = { 1, 2, 4, 8 };

/* What lies there: the end of one section and the start of the next. */
static const hwaddr edges[] = { 0x1000, 0x2000,  0x2100,      0x3000,
                                0x3100, BARE_AT, BARE_AT + 7, 0 };

/* A device that is called with nothing held: seven bytes of registers. */
struct bare {
    MemoryRegion region;
    uint64_t written;
    unsigned calls;
};

static uint64_t bare_read(void *opaque, hwaddr addr, unsigned size)
{
    struct bare *bare = opaque;

    bare->calls++;
    return ~UINT64_C(0) << 16 | (addr << 8 | size);
}

static void bare_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct bare *bare = opaque;

    bare->calls++;
    bare->written = data << 8 | (addr << 4 | size);
}

static const MemoryRegionOps bare_ops = {
    .read = bare_read,
    .write = bare_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

static void add_bare(struct board *b, struct bare *bare)
{
    *bare = (struct bare){ .calls = 0 };
    assert_int_equal(
        memory_region_init_io(&bare->region, NULL, &bare_ops, bare, "bare", 7),
        0);
    assert_int_equal(xbar_region_set_lock_policy(&bare->region, XBAR_LOCK_NONE),
                     0);
    assert_int_equal(
        memory_region_add_subregion(&b->root, BARE_AT, &bare->region), 0);
}

static void remove_bare(struct board *b, struct bare *bare)
{
    assert_int_equal(memory_region_del_subregion(&b->root, &bare->region), 0);
    assert_int_equal(xbar_region_destroy(&bare->region, NULL, NULL), 0);
}

/* The next access is to another section. */
static void go_away(struct board *b)
{
    unsigned char byte;

    assert_int_equal(address_space_read(&b->as, 0x40, plain, &byte, 1),
                     MEMTX_OK);
}

static void check_read(struct board *b, hwaddr addr, hwaddr len,
                       MemTxAttrs attrs)
{
    unsigned char in_parts[9];
    unsigned char at_once[9];
    MemTxResult expected;

    memset(in_parts, 0xee, sizeof(in_parts));
    memset(at_once, 0xee, sizeof(at_once));
    expected = flatview__read_parts(&b->as, addr, attrs, in_parts, len);
    assert_int_equal(address_space_read(&b->as, addr, attrs, at_once, len),
                     expected);
    assert_memory_equal(at_once, in_parts, sizeof(at_once));
}

static void each_edge(struct board *b,
                      void (*check)(struct board *b, hwaddr addr, hwaddr len,
                                    MemTxAttrs attrs))
{
    for (size_t e = 0; e < sizeof(edges) / sizeof(edges[0]); e++) {
        for (unsigned i = 0; i < 24; i++) {
            hwaddr addr = edges[e] - 12 + i;

            for (size_t l = 0; l < 4; l++) {
                go_away(b);
                check(b, addr, lengths[l], plain);
                check(b, addr, lengths[l], plain);
                check(b, addr, lengths[l], ram_only);
            }
        }
    }
}

static void test_reads(void **state)
{
    struct board *b = *state;
    struct bare bare;

    b->quiet = true;
    add_bare(b, &bare);
    each_edge(b, check_read);
    assert_true(bare.calls > 0);
    remove_bare(b, &bare);
}

/* Each byte is what it was but for what was written, in both ways. */
static void check_write(struct board *b, hwaddr addr, hwaddr len,
                        MemTxAttrs attrs)
{
    static unsigned char after[sizeof(b->ram_bytes)];
    static const unsigned char bytes[8] = { 0xa1, 0xa2, 0xa3, 0xa4,
                                            0xa5, 0xa6, 0xa7, 0xa8 };
    MemTxResult expected;

    memset(b->ram_bytes, 0, sizeof(b->ram_bytes));
    expected = flatview__write_parts(&b->as, addr, attrs, bytes, len);
    memcpy(after, b->ram_bytes, sizeof(after));
    memset(b->ram_bytes, 0, sizeof(b->ram_bytes));
    assert_int_equal(address_space_write(&b->as, addr, attrs, bytes, len),
                     expected);
    assert_memory_equal(b->ram_bytes, after, sizeof(after));
}

static void test_writes(void **state)
{
    struct board *b = *state;
    struct bare bare;

    b->quiet = true;
    add_bare(b, &bare);
    each_edge(b, check_write);
    for (unsigned i = 0; i < sizeof(b->rom_bytes); i++) {
        assert_int_equal(b->rom_bytes[i], (unsigned char)i);
    }
    remove_bare(b, &bare);
}

/* One call with the value as it is, be the section the last one or not. */
static void test_a_device_is_called_once(void **state)
{
    struct board *b = *state;
    struct bare bare;
    uint32_t value;

    add_bare(b, &bare);
    for (unsigned again = 0; again < 2; again++) {
        value = 0;
        assert_int_equal(address_space_read(&b->as, BARE_AT, plain, &value, 4),
                         MEMTX_OK);
        assert_int_equal(value, 0xffff0004);
        assert_int_equal(bare.calls, 2 * again + 1);
        value = 0x89abcdef;
        assert_int_equal(address_space_write(&b->as, BARE_AT, plain, &value, 4),
                         MEMTX_OK);
        assert_int_equal(bare.written, UINT64_C(0x89abcdef04));
        assert_int_equal(bare.calls, 2 * again + 2);
    }
    remove_bare(b, &bare);
}

/* Addresses that differ from a device's in no bit that the trie looks at. */
static void test_likenesses_are_holes(void **state)
{
    struct board *b = *state;
    struct bare bare;
    uint32_t value = 0;

    add_bare(b, &bare);
    for (unsigned bit = 16; bit < 62; bit++) {
        const hwaddr addr = BARE_AT | UINT64_C(1) << bit;

        go_away(b);
        assert_int_equal(address_space_read(&b->as, addr, plain, &value, 4),
                         MEMTX_DECODE_ERROR);
        go_away(b);
        assert_int_equal(address_space_write(&b->as, addr, plain, &value, 4),
                         MEMTX_DECODE_ERROR);
        assert_int_equal(address_space_ldl(&b->as, addr, plain, NULL), 0);
    }
    assert_int_equal(bare.calls, 0);
    remove_bare(b, &bare);
}

/* Whoever logs writes is told of short ones. */
static void test_writes_are_logged(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_log(&b->ram, true, DIRTY_MEMORY_VGA), 0);
    for (size_t l = 0; l < 4; l++) {
        hwaddr addr = 0x100 + 0x10 * l;
        uint64_t value = 1;

        memory_region_reset_dirty(&b->ram, 0, 0x1000, DIRTY_MEMORY_VGA);
        go_away(b);
        assert_int_equal(
            address_space_write(&b->as, addr, plain, &value, lengths[l]),
            MEMTX_OK);
        assert_true(memory_region_get_dirty(&b->ram, addr, lengths[l],
                                            DIRTY_MEMORY_VGA));
    }
    assert_int_equal(memory_region_set_log(&b->ram, false, DIRTY_MEMORY_VGA),
                     0);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_reads),
        BOARD_TEST(test_writes),
        BOARD_TEST(test_a_device_is_called_once),
        BOARD_TEST(test_likenesses_are_holes),
        BOARD_TEST(test_writes_are_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
