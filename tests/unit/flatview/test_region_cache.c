/* SPDX-License-Identifier: MIT */
/* Region caches: hits, what is none, and commits. */
#include <errno.h>
#include <pthread.h>

#include "engine/ram_writes.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static void open_cache(MemoryRegionCache *cache, struct board *b, hwaddr addr,
                       hwaddr len, bool is_write)
{
    assert_int_equal(
        address_space_cache_init(cache, &b->as, addr, len, is_write), len);
}

static void test_loads(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    MemTxResult r = MEMTX_ERROR;

    open_cache(&c, b, 0x40, 0x20, false);
    assert_int_equal(address_space_ldub_cached(&c, 1, plain, &r), 0x41);
    assert_int_equal(r, MEMTX_OK);
    assert_int_equal(lduw_le_phys_cached(&c, 2), 0x4342);
    assert_int_equal(lduw_be_phys_cached(&c, 2), 0x4243);
    assert_int_equal(lduw_phys_cached(&c, 3), 0x4443); /* misaligned */
    assert_int_equal(ldl_le_phys_cached(&c, 4), 0x47464544);
    assert_int_equal(ldl_be_phys_cached(&c, 4), 0x44454647);
    assert_int_equal(ldl_be_phys_cached(&c, 5), 0x45464748);
    assert_int_equal(ldq_le_phys_cached(&c, 0x18), 0x5f5e5d5c5b5a5958);
    assert_int_equal(ldq_be_phys_cached(&c, 0x18), 0x58595a5b5c5d5e5f);
    address_space_cache_destroy(&c);
    address_space_cache_destroy(&c);
}

static void test_stores(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    MemTxResult r = MEMTX_ERROR;

    open_cache(&c, b, 0x40, 0x20, true);
    stb_phys_cached(&c, 0, 0xaa);
    stw_be_phys_cached(&c, 2, 0x0102);
    stl_le_phys_cached(&c, 4, 0x03040506);
    stl_be_phys_cached(&c, 9, 0x0708090a);
    stq_be_phys_cached(&c, 0x10, 0x1112131415161718);
    assert_memory_equal(b->ram_bytes + 0x40,
                        "\xaa\x41\1\2\6\5\4\3\x48\7\x08\x09\x0a\x4d\x4e\x4f"
                        "\x11\x12\x13\x14\x15\x16\x17\x18\x58",
                        25);
    address_space_stl_cached(&c, 0x1c, 1, plain, &r);
    assert_int_equal(r, MEMTX_OK);
    address_space_cache_destroy(&c);
    /* A cache for reading stores, too, by the long way. */
    open_cache(&c, b, 0x40, 0x20, false);
    stb_phys_cached(&c, 0, 0xbb);
    assert_int_equal(b->ram_bytes[0x40], 0xbb);
    address_space_cache_destroy(&c);
}

static void test_bounds(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    unsigned char bytes[8] = { 0 };
    const hwaddr outside[] = { 5, 8, 9, 0x1000, UINT64_MAX, UINT64_MAX - 3 };

    open_cache(&c, b, 0x40, 8, true);
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        MemTxResult r = MEMTX_OK;

        assert_int_equal(address_space_ldl_le_cached(&c, outside[i], plain, &r),
                         0);
        assert_int_equal(r, MEMTX_DECODE_ERROR);
        r = MEMTX_OK;
        address_space_stl_le_cached(&c, outside[i], 0, plain, &r);
        assert_int_equal(r, MEMTX_DECODE_ERROR);
        assert_int_equal(address_space_read_cached(&c, outside[i], bytes, 4),
                         MEMTX_DECODE_ERROR);
        assert_int_equal(address_space_write_cached(&c, outside[i], bytes, 4),
                         MEMTX_DECODE_ERROR);
    }
    assert_memory_equal(b->ram_bytes + 0x40,
                        "\x40\x41\x42\x43\x44\x45\x46\x47"
                        "\x48\x49",
                        10);
    assert_int_equal(b->ram_bytes[0x3d], 0x3d);
    assert_int_equal(address_space_read_cached(&c, 1, bytes, 7), MEMTX_OK);
    assert_memory_equal(bytes, "\x41\x42\x43\x44\x45\x46\x47", 7);
    assert_int_equal(address_space_write_cached(&c, 1, "xyz", 3), MEMTX_OK);
    assert_memory_equal(b->ram_bytes + 0x40, "\x40xyz\x44", 5);
    address_space_cache_destroy(&c);
    assert_int_equal(address_space_cache_init(&c, &b->as, 0, 0, false),
                     -EINVAL);
    assert_int_equal(
        address_space_cache_init(&c, &b->as, UINT64_MAX - 3, 8, false), 4);
    address_space_cache_destroy(&c);
}

/* Not RAM, or not all of it: each access as without a cache. */
static void test_the_slow_path(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    MemTxResult r = MEMTX_OK;

    open_cache(&c, b, 0x2000, 0x200, true);
    assert_int_equal(address_space_ldl_le_cached(&c, 4, plain, &r), 0x07060504);
    stw_le_phys_cached(&c, 0x10, 0x1234);
    assert_int_equal(b->log_count, 2);
    assert_int_equal(b->log[1].value, 0x1234);
    assert_int_equal(address_space_ldl_le_cached(&c, 0x100, plain, &r), 0);
    assert_int_equal(r, MEMTX_DECODE_ERROR);
    address_space_cache_destroy(&c);
    open_cache(&c, b, 0xffc, 8, true); /* RAM, then ROM */
    assert_int_equal(ldq_le_phys_cached(&c, 0), 0x03020100fffefdfc);
    stq_le_phys_cached(&c, 0, 0);
    assert_int_equal(ldq_le_phys_cached(&c, 0), 0x0302010000000000);
    address_space_cache_destroy(&c);
    open_cache(&c, b, 0x3000, 8, true); /* a read-only path */
    stb_phys_cached(&c, 1, 9);
    assert_int_equal(ldub_phys_cached(&c, 1), 1);
    address_space_cache_destroy(&c);
}

static void test_a_commit_makes_it_slow_and_right(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    MemoryRegionCache above;

    open_cache(&c, b, 0x40, 0x20, true);
    assert_int_equal(memory_region_set_enabled(&b->device, false), 0);
    assert_false(xbar_cache_is_stale(&c)); /* a commit elsewhere */
    open_cache(&above, b, 0x1000, 0x20, false);
    assert_int_equal(memory_region_set_readonly(&b->ram, true), 0);
    assert_false(xbar_cache_is_stale(&above));
    address_space_cache_destroy(&above);
    assert_true(xbar_cache_is_stale(&c));
    stb_phys_cached(&c, 0, 9);
    assert_int_equal(b->ram_bytes[0x40], 0x40);
    assert_int_equal(memory_region_set_readonly(&b->ram, false), 0);
    assert_int_equal(memory_region_set_address(&b->ram, 0x20), 0);
    assert_int_equal(ldub_phys_cached(&c, 0), 0x20);
    assert_int_equal(memory_region_set_enabled(&b->ram, false), 0);
    assert_int_equal(ldub_phys_cached(&c, 0), 0);
    assert_int_equal(memory_region_set_enabled(&b->ram, true), 0);
    address_space_cache_destroy(&c);
    open_cache(&c, b, 0x40, 0x20, true);
    assert_false(xbar_cache_is_stale(&c));
    assert_int_equal(ldub_phys_cached(&c, 0), 0x20);
    address_space_cache_destroy(&c);
}

static void note(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

static void test_it_keeps_the_region(void **state)
{
    struct board *b = *state;
    bool is_done = false;
    MemoryRegion ram;
    MemoryRegionCache c;

    assert_int_equal(memory_region_init_ram(&ram, NULL, "extra", 0x1000, NULL),
                     0);
    assert_int_equal(memory_region_add_subregion(&b->root, 0x8000, &ram), 0);
    open_cache(&c, b, 0x8000, 0x10, true);
    assert_int_equal(xbar_region_destroy(&ram, note, &is_done), 0);
    xbar_engine_reclaim(b->engine);
    xbar_engine_reclaim(b->engine);
    assert_false(is_done);
    assert_true(xbar_cache_is_stale(&c));
    assert_int_equal(xbar_address_space_destroy(&b->as, NULL, NULL), -EBUSY);
    address_space_cache_destroy(&c);
    xbar_engine_reclaim(b->engine);
    assert_true(is_done);
}

static void test_stores_are_told(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    uint64_t count;

    xbar_ram_writes_watch(b->engine, true);
    open_cache(&c, b, 0x40, 0x20, true);
    count = xbar_ram_writes_count(b->engine);
    (void)ldl_phys_cached(&c, 0);
    assert_int_equal(xbar_ram_writes_count(b->engine), count);
    stl_phys_cached(&c, 0, 1);
    assert_int_equal(xbar_ram_writes_count(b->engine), count + 1);
    stl_phys_cached(&c, 1, 1);
    assert_int_equal(xbar_ram_writes_count(b->engine), count + 2);
    assert_int_equal(address_space_write_cached(&c, 0, "ab", 2), MEMTX_OK);
    assert_int_equal(xbar_ram_writes_count(b->engine), count + 3);
    address_space_cache_invalidate(&c, 0, 2);
    assert_int_equal(xbar_ram_writes_count(b->engine), count + 4);
    address_space_cache_destroy(&c);
    xbar_ram_writes_watch(b->engine, false);
}

static void test_stores_are_logged(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;

    assert_int_equal(memory_region_set_log(&b->ram, true, 0), 0);
    open_cache(&c, b, 0x40, 0x20, true);
    memory_region_reset_dirty(&b->ram, 0, 0x1000, 0);
    (void)ldl_phys_cached(&c, 0);
    assert_false(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    stl_phys_cached(&c, 0, 1);
    assert_true(memory_region_test_and_clear_dirty(&b->ram, 0, 0x1000, 0));
    address_space_cache_invalidate(&c, 0x20, 1); /* not in the cache */
    assert_false(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    address_space_cache_invalidate(&c, 0x1f, 1);
    assert_true(memory_region_get_dirty(&b->ram, 0, 0x1000, 0));
    address_space_cache_destroy(&c);
    assert_int_equal(memory_region_set_log(&b->ram, false, 0), 0);
}

/* ---- Beside commits ---------------------------------------------------- */

struct reader {
    MemoryRegionCache *c;
    bool stop;
    unsigned wrong;
};

/* RAM at its place, RAM moved by 0x20, or nothing: nothing else. */
static void *read_on(void *opaque)
{
    struct reader *r = opaque;

    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        uint32_t value = ldl_le_phys_cached(r->c, 0);

        if (value != 0x43424140 && value != 0x23222120 && value != 0) {
            r->wrong++;
        }
    }
    return NULL;
}

static void test_beside_commits(void **state)
{
    struct board *b = *state;
    MemoryRegionCache c;
    struct reader r = { .c = &c };
    pthread_t thread;

    for (unsigned round = 0; round < 50; round++) {
        open_cache(&c, b, 0x40, 0x20, false);
        r.stop = false;
        assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(memory_region_set_address(&b->ram, i % 2 * 0x20),
                             0);
            assert_int_equal(memory_region_set_enabled(&b->ram, i % 3 != 0), 0);
            xbar_engine_reclaim(b->engine);
        }
        __atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        address_space_cache_destroy(&c);
        assert_int_equal(memory_region_set_address(&b->ram, 0), 0);
        assert_int_equal(memory_region_set_enabled(&b->ram, true), 0);
    }
    assert_int_equal(r.wrong, 0);
}

#define BOARD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_loads),
        BOARD_TEST(test_stores),
        BOARD_TEST(test_bounds),
        BOARD_TEST(test_the_slow_path),
        BOARD_TEST(test_a_commit_makes_it_slow_and_right),
        BOARD_TEST(test_it_keeps_the_region),
        BOARD_TEST(test_stores_are_told),
        BOARD_TEST(test_stores_are_logged),
        BOARD_TEST(test_beside_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
