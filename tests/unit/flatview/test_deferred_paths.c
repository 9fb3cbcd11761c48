/* SPDX-License-Identifier: MIT */
/*
 * Eventfds and coalesced writes on every path to a device: what signals, what
 * waits, what delivers; and in transactions that become void.
 */
#include <errno.h>
#include <stdio.h>

#include "engine/dispatch.h"
#include "engine/engine.h"
#include "flatview/deferred_writes.h"
#include "flatview/dma.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

#define DEV ((hwaddr)0x2000)

static MemTxAttrs attrs;

struct rig {
    struct board board;
    struct xbar_allocator hooks;
    long requests; /* that are still granted, if not negative */
    EventNotifier event;
    unsigned pending;
    MemoryRegion plain;
    unsigned plain_writes;
};

static void count_pending(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void expect_log(struct board *b, const char *accesses)
{
    char text[256] = "";

    for (unsigned i = 0; i < b->log_count; i++) {
        size_t n = strlen(text);

        snprintf(text + n, sizeof(text) - n, "%s%llx/%u ",
                 b->log[i].is_write ? "w" : "r",
                 (unsigned long long)b->log[i].addr, b->log[i].size);
    }
    assert_string_equal(text, accesses);
    b->log_count = 0;
}

static bool fired(struct rig *rig)
{
    return event_notifier_test_and_clear(&rig->event);
}

static void add_event(struct rig *rig, hwaddr at, unsigned size)
{
    assert_int_equal(memory_region_add_eventfd(&rig->board.device, at, size,
                                               false, 0, &rig->event),
                     0);
}

/* ---- Paths ------------------------------------------------------------- */

/* Four bytes to @offset of the device, by each path. */
typedef void put_fn(struct board *b, hwaddr offset);
/* Four bytes from there. */
typedef void get_fn(struct board *b, hwaddr offset);

static const uint32_t bytes4 = 0x04030201;

static void put_write(struct board *b, hwaddr offset)
{
    assert_int_equal(
        address_space_write(&b->as, DEV + offset, attrs, &bytes4, 4), MEMTX_OK);
}

static void put_rw(struct board *b, hwaddr offset)
{
    uint32_t copy = bytes4;

    assert_int_equal(
        address_space_rw(&b->as, DEV + offset, attrs, &copy, 4, true),
        MEMTX_OK);
}

static void put_le(struct board *b, hwaddr offset)
{
    address_space_stl_le(&b->as, DEV + offset, bytes4, attrs, NULL);
}

static void put_be(struct board *b, hwaddr offset)
{
    address_space_stl_be(&b->as, DEV + offset, bytes4, attrs, NULL);
}

static void put_fill(struct board *b, hwaddr offset)
{
    assert_int_equal(address_space_set(&b->as, DEV + offset, 7, 4, attrs),
                     MEMTX_OK);
}

static void put_dispatch(struct board *b, hwaddr offset)
{
    assert_int_equal(memory_region_dispatch_write(&b->device, offset, 1,
                                                  MO_LE | MO_32, attrs),
                     MEMTX_OK);
}

static void put_swapped(struct board *b, hwaddr offset)
{
    assert_int_equal(memory_region_dispatch_write(&b->device, offset, 1,
                                                  MO_BE | MO_32, attrs),
                     MEMTX_OK);
}

static void put_bytes(struct board *b, hwaddr offset)
{
    assert_int_equal(
        xbar_region_write_bytes(&b->device, offset, &bytes4, 4, attrs),
        MEMTX_OK);
}

static void put_map(struct board *b, hwaddr offset)
{
    hwaddr len = 4;
    void *ptr = address_space_map(&b->as, DEV + offset, &len, true, attrs);

    assert_non_null(ptr);
    assert_int_equal(len, 4);
    memcpy(ptr, &bytes4, 4);
    assert_int_equal(address_space_unmap(&b->as, ptr, len, true, 4), MEMTX_OK);
}

static void put_cache(struct board *b, hwaddr offset)
{
    MemoryRegionCache cache;

    assert_int_equal(
        address_space_cache_init(&cache, &b->as, DEV + offset, 4, true), 4);
    stl_le_phys_cached(&cache, 0, bytes4);
    address_space_cache_destroy(&cache);
}

static void put_cache_bytes(struct board *b, hwaddr offset)
{
    MemoryRegionCache cache;

    assert_int_equal(
        address_space_cache_init(&cache, &b->as, DEV + offset, 4, true), 4);
    assert_int_equal(address_space_write_cached(&cache, 0, &bytes4, 4),
                     MEMTX_OK);
    address_space_cache_destroy(&cache);
}

static void put_dma(struct board *b, hwaddr offset)
{
    assert_int_equal(dma_memory_write(&b->as, DEV + offset, &bytes4, 4, attrs),
                     MEMTX_OK);
}

static put_fn *const puts_all[] = {
    put_write, put_rw,  put_le,    put_be,          put_fill, put_dispatch,
    put_bytes, put_map, put_cache, put_cache_bytes, put_dma,  put_swapped,
};

#define PUTS (sizeof(puts_all) / sizeof(puts_all[0]))

static void get_read(struct board *b, hwaddr offset)
{
    uint32_t value;

    assert_int_equal(address_space_read(&b->as, DEV + offset, attrs, &value, 4),
                     MEMTX_OK);
}

static void get_le(struct board *b, hwaddr offset)
{
    (void)address_space_ldl_le(&b->as, DEV + offset, attrs, NULL);
}

static void get_dispatch(struct board *b, hwaddr offset)
{
    uint64_t value;

    assert_int_equal(memory_region_dispatch_read(&b->device, offset, &value,
                                                 MO_LE | MO_32, attrs),
                     MEMTX_OK);
}

static void get_bytes(struct board *b, hwaddr offset)
{
    uint32_t value;

    assert_int_equal(
        xbar_region_read_bytes(&b->device, offset, &value, 4, attrs), MEMTX_OK);
}

static void get_map(struct board *b, hwaddr offset)
{
    hwaddr len = 4;
    void *ptr = address_space_map(&b->as, DEV + offset, &len, false, attrs);

    assert_non_null(ptr);
    assert_int_equal(address_space_unmap(&b->as, ptr, len, false, 4), MEMTX_OK);
}

static void get_cache(struct board *b, hwaddr offset)
{
    MemoryRegionCache cache;

    assert_int_equal(
        address_space_cache_init(&cache, &b->as, DEV + offset, 4, false), 4);
    (void)ldl_le_phys_cached(&cache, 0);
    address_space_cache_destroy(&cache);
}

static get_fn *const gets_all[] = {
    get_read, get_le, get_dispatch, get_bytes, get_map, get_cache,
};

#define GETS (sizeof(gets_all) / sizeof(gets_all[0]))

/* ---- Eventfds ---------------------------------------------------------- */

static void test_every_path_signals(void **state)
{
    struct rig *rig = *state;
    struct board *b = &rig->board;

    add_event(rig, 0x10, 4);
    for (size_t i = 0; i < PUTS; i++) {
        puts_all[i](b, 0x10);
        assert_true(fired(rig));
        expect_log(b, "");
        puts_all[i](b, 0x14);
        assert_false(fired(rig));
        expect_log(b, "w14/4 ");
    }
    for (size_t i = 0; i < GETS; i++) {
        gets_all[i](b, 0x10);
        assert_false(fired(rig));
        expect_log(b, "r10/4 ");
    }
}

/* A part is an access: it signals, and what is beside it is written. */
static void test_parts_signal(void **state)
{
    static const uint8_t bytes[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct rig *rig = *state;
    struct board *b = &rig->board;
    uint8_t back[16];

    add_event(rig, 0x14, 4);
    assert_int_equal(
        xbar_region_write_bytes(&b->device, 0x10, bytes, 16, attrs), MEMTX_OK);
    assert_true(fired(rig));
    expect_log(b, "w10/4 w18/4 w1c/4 ");
    assert_int_equal(address_space_write(&b->as, DEV + 0x10, attrs, bytes, 16),
                     MEMTX_OK);
    assert_true(fired(rig));
    expect_log(b, "w10/4 w18/4 w1c/4 ");
    assert_int_equal(xbar_region_write_bytes(&b->device, 0x12, bytes, 6, attrs),
                     MEMTX_OK);
    assert_true(fired(rig));
    expect_log(b, "w12/2 ");
    assert_int_equal(xbar_region_read_bytes(&b->device, 0x10, back, 16, attrs),
                     MEMTX_OK);
    assert_false(fired(rig));
    expect_log(b, "r10/4 r14/4 r18/4 r1c/4 ");
    /* Beyond the end: all is refused, and nothing signalled. */
    add_event(rig, 0xfc, 4);
    assert_int_equal(
        xbar_region_write_bytes(&b->device, 0xf8, bytes, 16, attrs),
        MEMTX_DECODE_ERROR);
    assert_false(fired(rig));
    expect_log(b, "");
}

/* The data is compared in the device's order. */
static void test_data_of_bytes(void **state)
{
    struct rig *rig = *state;
    struct board *b = &rig->board;

    assert_int_equal(memory_region_add_eventfd(&b->device, 0x10, 4, true,
                                               0x04030201, &rig->event),
                     0);
    put_bytes(b, 0x10);
    assert_true(fired(rig));
    assert_int_equal(
        xbar_region_write_bytes(&b->device, 0x10, "\4\3\2\1", 4, attrs),
        MEMTX_OK);
    assert_false(fired(rig));
    expect_log(b, "w10/4 ");
}

/* ---- Coalesced writes -------------------------------------------------- */

/* By which path a write comes is not to be seen: it waits, or is in order. */
static void test_every_path_is_in_order(void **state)
{
    struct rig *rig = *state;
    struct board *b = &rig->board;

    assert_int_equal(memory_region_add_coalescing(&b->device, 0x10, 0x10), 0);
    for (size_t i = 0; i < PUTS; i++) {
        puts_all[i](b, 0x14);
        assert_true(b->log_count == 0 || puts_all[i] == put_bytes);
        puts_all[i](b, 0x40);
        expect_log(b, "w14/4 w40/4 ");
        put_le(b, 0x10);
        expect_log(b, "");
        puts_all[i](b, 0x40);
        expect_log(b, "w10/4 w40/4 ");
    }
    for (size_t i = 0; i < GETS; i++) {
        put_le(b, 0x1c);
        expect_log(b, "");
        gets_all[i](b, 0x1c);
        expect_log(b, "w1c/4 r1c/4 ");
    }
}

/* An access in parts is one: it does not wait, but what waits comes first. */
static void test_parts_do_not_wait(void **state)
{
    static const uint8_t bytes[16];
    struct rig *rig = *state;
    struct board *b = &rig->board;

    assert_int_equal(memory_region_set_coalescing(&b->device), 0);
    put_le(b, 0x40);
    assert_int_equal(xbar_region_write_bytes(&b->device, 0x10, bytes, 8, attrs),
                     MEMTX_OK);
    expect_log(b, "w40/4 w10/4 w14/4 ");
    /* One that flushes others, by bytes as well. */
    assert_int_equal(memory_region_set_flush_coalesced(&b->edge), 0);
    put_le(b, 0x44);
    assert_int_equal(xbar_region_write_bytes(&b->edge, 0, bytes, 4, attrs),
                     MEMTX_OK);
    expect_log(b, "w44/4 w0/4 ");
}

/* ---- Void transactions ------------------------------------------------- */

/* A device that views know a short way to, while it defers nothing. */
#define PLAIN ((hwaddr)0x4000)

static uint64_t plain_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)size;
    return addr;
}

static void plain_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)addr;
    (void)data;
    (void)size;
    ++*(unsigned *)opaque;
}

static const MemoryRegionOps plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void open_plain(struct rig *rig)
{
    assert_int_equal(memory_region_init_io(&rig->plain, NULL, &plain_ops,
                                           &rig->plain_writes, "plain", 0x100),
                     0);
    assert_int_equal(
        memory_region_add_subregion(&rig->board.root, PLAIN, &rig->plain), 0);
}

static void close_plain(struct rig *rig)
{
    assert_int_equal(xbar_region_destroy(&rig->plain, NULL, NULL), 0);
}

/* Is that what a write through the view does: signal, instead of a call? */
static bool signals(struct rig *rig)
{
    unsigned before = rig->plain_writes;

    address_space_stl_le(&rig->board.as, PLAIN + 0x10, 1, attrs, NULL);
    assert_int_equal(fired(rig), rig->plain_writes == before);
    return rig->plain_writes == before;
}

/* It stands, so views are made of it in spite of the transaction's end. */
static void test_aborted(void **state)
{
    struct rig *rig = *state;
    struct board *b = &rig->board;

    open_plain(rig);
    assert_false(signals(rig));
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&b->ram, false), 0);
    assert_int_equal(
        memory_region_add_eventfd(&rig->plain, 0x10, 4, false, 0, &rig->event),
        0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(address_space_ldub(&b->as, 5, attrs, NULL), 5);
    assert_true(signals(rig));
    close_plain(rig);
}

/*
 * From whichever request on memory is short: it is refused; or it stands, and
 * is shown by the next commit that has memory at the latest.
 */
static void test_short_of_memory(void **state)
{
    struct rig *rig = *state;
    struct board *b = &rig->board;
    int err = -ENOMEM;
    long n;

    open_plain(rig);
    for (n = 0; n < 100 && err != 0; n++) {
        memory_region_transaction_begin();
        assert_int_equal(memory_region_set_enabled(&b->rom, false), 0);
        rig->requests = n;
        err = memory_region_add_eventfd(&rig->plain, 0x10, 4, false, 0,
                                        &rig->event);
        rig->requests = 0;
        assert_int_equal(xbar_transaction_abort(), 0);
        assert_true(memory_region_transaction_commit() != 0);
        rig->requests = -1;
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(err == 0 || !signals(rig));
    }
    assert_true(n > 2 && err == 0);
    assert_int_equal(memory_region_set_enabled(&b->ram, false), 0);
    assert_true(signals(rig));
    close_plain(rig);
}

/* ---- Set-up ------------------------------------------------------------ */

static void *get_memory(void *opaque, size_t size, size_t align)
{
    struct rig *rig = opaque;
    void *ptr = NULL;

    if (rig->requests == 0) {
        return NULL;
    }
    rig->requests -= rig->requests > 0;
    align = align < sizeof(ptr) ? sizeof(ptr) : align;
    return posix_memalign(&ptr, align, size) != 0 ? NULL : memset(ptr, 0, size);
}

static void put_memory(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

static int set_up(void **state)
{
    struct rig *rig = aligned_alloc(64, (sizeof(*rig) + 63) / 64 * 64);
    struct xbar_engine_config config = {
        .allocator = &rig->hooks,
        .coalesced = count_pending,
        .coalesced_opaque = &rig->pending,
    };

    memset(rig, 0, sizeof(*rig));
    rig->hooks.alloc = get_memory;
    rig->hooks.free = put_memory;
    rig->hooks.opaque = rig;
    rig->hooks.is_exact = true;
    rig->requests = -1;
    *state = rig;
    return event_notifier_init(&rig->event, 0) |
           board_set_up_with(&rig->board, &config);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    event_notifier_cleanup(&rig->event);
    return board_tear_down(state); /* the board is the rig's first member */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_path_signals), TEST(test_parts_signal),
        TEST(test_data_of_bytes),      TEST(test_every_path_is_in_order),
        TEST(test_parts_do_not_wait),  TEST(test_aborted),
        TEST(test_short_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
