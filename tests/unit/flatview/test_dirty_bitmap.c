/* SPDX-License-Identifier: MIT */
/* Every way to write, through the calls that devices use; and listeners. */
#include "flatview/dirty_bitmap.h"

#include <errno.h>
#include <stdio.h>

#include "engine/dispatch.h"
#include "flatview/listener.h"
#include "flatview/region_cache.h"
#include "tests/unit/flatview/board.h"

#define PAGE ((hwaddr)4096)

struct dirty_board {
    struct board *board;
    MemoryRegion vram;  /* 8 pages at 0x10000 */
    MemoryRegion alias; /* of its pages 2 and 3, at 0x20000 */
    unsigned char *bytes;
};

static struct dirty_board d;

static bool test_and_clear(uint64_t page)
{
    return memory_region_test_and_clear_dirty(&d.vram, page * PAGE, PAGE, 0);
}

static void clear_all(void)
{
    memory_region_reset_dirty(&d.vram, 0, 8 * PAGE, 0);
    assert_false(memory_region_get_dirty(&d.vram, 0, 8 * PAGE, 0));
}

/* Just @page is dirty; it is clean then. */
static void check_only(uint64_t page)
{
    for (uint64_t p = 0; p < 8; p++) {
        assert_int_equal(memory_region_get_dirty(&d.vram, p * PAGE, PAGE, 0),
                         p == page);
    }
    assert_true(test_and_clear(page));
    assert_false(test_and_clear(page));
}

static void test_every_way_to_write(void **state)
{
    AddressSpace *as = &((struct board *)*state)->as;
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    char many[40] = { 1, 2 };
    MemoryRegionCache cache;
    hwaddr length = 16;
    void *host;

    assert_int_equal(memory_region_set_log(&d.vram, true, DIRTY_MEMORY_VGA), 0);
    assert_true(memory_region_get_dirty(&d.vram, 7 * PAGE, 1, 0));
    clear_all();
    address_space_stb(as, 0x10000 + 5 * PAGE, 1, attrs, NULL);
    check_only(5);
    address_space_stl(as, 0x10000 + 4 * PAGE - 4, 1, attrs, NULL);
    check_only(3);
    address_space_stq(as, 0x10000 + 4 * PAGE + 1, 1, attrs, NULL);
    check_only(4);
    address_space_write(as, 0x10000, attrs, many, 2);
    check_only(0);
    address_space_write_rom(as, 0x10000 + PAGE, attrs, many, 2);
    check_only(1);
    address_space_write(as, 0x10000 + 2 * PAGE + 1, attrs, many, sizeof(many));
    check_only(2);
    assert_int_equal(address_space_set(as, 0x10000 + 7 * PAGE, 3, 99, attrs),
                     MEMTX_OK);
    check_only(7);
    host = address_space_map(as, 0x10000 + 6 * PAGE, &length, true, attrs);
    assert_non_null(host);
    clear_all();
    assert_int_equal(address_space_unmap(as, host, length, true, length), 0);
    check_only(6);
    assert_int_equal(
        address_space_cache_init(&cache, as, 0x10000, 8 * PAGE, true),
        8 * PAGE);
    address_space_stl_le_cached(&cache, 5 * PAGE, 1, attrs, NULL);
    check_only(5);
    address_space_write_cached(&cache, 4 * PAGE, many, sizeof(many));
    check_only(4);
    address_space_cache_destroy(&cache);
    address_space_stw(as, 0x20000 + PAGE, 1, attrs, NULL);
    check_only(3);
    assert_int_equal(
        memory_region_dispatch_write(&d.vram, 6 * PAGE, 1, MO_64, attrs), 0);
    check_only(6);
    assert_int_equal(memory_region_dispatch_write(&d.alias, 0, 1, MO_8, attrs),
                     0);
    check_only(2);
    memory_region_set_dirty(&d.vram, 7 * PAGE + 17, 1);
    check_only(7);
    /* Across a page: both. */
    address_space_stw(as, 0x10000 + PAGE - 1, 1, attrs, NULL);
    assert_true(test_and_clear(0));
    assert_true(test_and_clear(1));
    address_space_ldq(as, 0x10000, attrs, NULL);
    assert_false(memory_region_get_dirty(&d.vram, 0, 8 * PAGE, 0));
}

static void test_misuse(void **state)
{
    struct board *b = *state;

    assert_int_equal(memory_region_set_log(&d.alias, true, 0), -EINVAL);
    assert_int_equal(memory_region_set_log(&b->device, true, 0), -EINVAL);
    assert_int_equal(memory_region_set_log(NULL, true, 0), -EINVAL);
    assert_int_equal(memory_region_set_log(&d.vram, false, 0), -EINVAL);
    assert_false(memory_region_get_dirty(&d.vram, 0, 1, 0));
    assert_false(memory_region_test_and_clear_dirty(&d.vram, 0, 1, 0));
    assert_null(memory_region_snapshot_and_clear_dirty(&d.vram, 0, 1, 0));
    assert_int_equal(memory_region_set_log(&d.vram, true, 0), 0);
    clear_all();
    memory_region_set_dirty(&d.vram, 8 * PAGE, 1);
    memory_region_set_dirty(&d.vram, UINT64_MAX, UINT64_MAX);
    memory_region_set_dirty(&d.vram, 0, 0);
    memory_region_set_dirty(&b->device, 0, 1);
    assert_false(memory_region_get_dirty(&d.vram, 0, UINT64_MAX, 0));
    assert_null(
        memory_region_snapshot_and_clear_dirty(&d.vram, 8 * PAGE, 1, 0));
    assert_null(memory_region_snapshot_and_clear_dirty(&d.vram, 0, 0, 0));
    xbar_dirty_snapshot_free(NULL);
    memory_region_set_dirty(&d.vram, 7 * PAGE, UINT64_MAX);
    check_only(7);
}

/* A part of it, and nothing beside it: bit by bit. */
static void test_snapshot(void **state)
{
    DirtyBitmapSnapshot *snap;

    (void)state;
    assert_int_equal(memory_region_set_log(&d.vram, true, 0), 0);
    assert_int_equal(memory_region_set_log(&d.vram, true, 77), 0);
    assert_true(memory_region_is_logging(&d.vram, 77));
    assert_int_equal(memory_region_get_dirty_log_mask(&d.vram), 1 | 1 << 30);
    clear_all();
    memory_region_set_dirty(&d.vram, 2 * PAGE, 1);
    memory_region_set_dirty(&d.vram, 3 * PAGE, 1);
    memory_region_set_dirty(&d.vram, 6 * PAGE, 1);
    snap = memory_region_snapshot_and_clear_dirty(&d.vram, 3 * PAGE + 5,
                                                  2 * PAGE, 0);
    assert_non_null(snap);
    assert_true(memory_region_snapshot_get_dirty(&d.vram, snap, 3 * PAGE, 1));
    assert_true(memory_region_snapshot_get_dirty(&d.vram, snap, 0, 8 * PAGE));
    assert_false(memory_region_snapshot_get_dirty(&d.vram, snap, 2 * PAGE, 1));
    assert_false(memory_region_snapshot_get_dirty(&d.vram, snap, 4 * PAGE, 1));
    assert_false(memory_region_snapshot_get_dirty(&d.vram, snap, 6 * PAGE, 1));
    assert_false(memory_region_snapshot_get_dirty(&d.vram, snap, 3 * PAGE, 0));
    assert_true(memory_region_get_dirty(&d.vram, 2 * PAGE, PAGE, 0));
    assert_false(memory_region_get_dirty(&d.vram, 3 * PAGE, PAGE, 0));
    assert_true(memory_region_get_dirty(&d.vram, 6 * PAGE, PAGE, 0));
    assert_true(memory_region_get_dirty(&d.vram, 3 * PAGE, PAGE, 77));
    xbar_dirty_snapshot_free(snap);
    assert_int_equal(memory_region_set_log(&d.vram, false, 77), 0);
}

/* ---- Listeners --------------------------------------------------------- */

struct ear {
    MemoryListener listener;
    char log[512];
    hwaddr dirty; /* what it reports when it is asked */
};

static void note(MemoryListener *l, const char *event, MemoryRegionSection *s,
                 int old_val, int new_val)
{
    char *log = ((struct ear *)l)->log;
    size_t n = strlen(log);

    if (s == NULL) {
        snprintf(log + n, sizeof(((struct ear *)l)->log) - n, "%s\n", event);
    } else if (s->mr == &d.vram) {
        snprintf(log + n, sizeof(((struct ear *)l)->log) - n,
                 "%s %llx+%llx %d>%d\n", event,
                 (unsigned long long)s->offset_within_address_space,
                 (unsigned long long)s->size, old_val, new_val);
    }
}

static void on_add(MemoryListener *l, MemoryRegionSection *s)
{
    note(l, "add", s, 0, 0);
}

static void on_del(MemoryListener *l, MemoryRegionSection *s)
{
    note(l, "del", s, 0, 0);
}

static void on_start(MemoryListener *l, MemoryRegionSection *s, int old_val,
                     int new_val)
{
    note(l, "start", s, old_val, new_val);
}

static void on_stop(MemoryListener *l, MemoryRegionSection *s, int old_val,
                    int new_val)
{
    note(l, "stop", s, old_val, new_val);
}

static void on_sync(MemoryListener *l, MemoryRegionSection *s)
{
    note(l, "sync", s, 0, 0);
    memory_region_set_dirty(s->mr, ((struct ear *)l)->dirty, 1);
}

static void on_clear(MemoryListener *l, MemoryRegionSection *s)
{
    note(l, "clear", s, 0, 0);
}

static void on_after_sync(MemoryListener *l)
{
    note(l, "after", NULL, 0, 0);
}

static void expect(struct ear *e, const char *log)
{
    assert_string_equal(e->log, log);
    e->log[0] = '\0';
}

static void test_listeners(void **state)
{
    struct board *b = *state;
    struct ear e = {
        .listener = { .region_add = on_add,
                      .region_del = on_del,
                      .log_start = on_start,
                      .log_stop = on_stop,
                      .log_sync = on_sync,
                      .log_clear = on_clear,
                      .log_global_after_sync = on_after_sync },
        .dirty = 6 * PAGE,
    };
    DirtyBitmapSnapshot *snap;

    assert_int_equal(memory_region_set_log(&d.vram, true, 0), 0);
    clear_all();
    assert_int_equal(memory_listener_register(&e.listener, &b->as), 0);
    expect(&e, "add 10000+8000 0>0\nstart 10000+8000 0>1\n"
               "add 20000+2000 0>0\nstart 20000+2000 0>1\n");
    assert_int_equal(memory_region_set_log(&d.vram, true, 0), 0);
    expect(&e, "");
    assert_int_equal(memory_region_set_log(&d.vram, true, 2), 0);
    expect(&e, "start 10000+8000 1>5\nstart 20000+2000 1>5\n");
    assert_int_equal(memory_region_set_log(&d.vram, false, 2), 0);
    expect(&e, "stop 10000+8000 5>1\nstop 20000+2000 5>1\n");

    snap =
        memory_region_snapshot_and_clear_dirty(&d.vram, 2 * PAGE, 5 * PAGE, 0);
    expect(&e, "sync 10000+8000 0>0\nsync 20000+2000 0>0\nafter\n"
               "clear 12000+5000 0>0\nclear 20000+2000 0>0\n");
    assert_true(memory_region_snapshot_get_dirty(&d.vram, snap, e.dirty, 1));
    xbar_dirty_snapshot_free(snap);

    assert_int_equal(memory_region_set_enabled(&d.alias, false), 0);
    expect(&e, "stop 20000+2000 1>0\ndel 20000+2000 0>0\n");
    assert_int_equal(memory_region_set_enabled(&d.alias, true), 0);
    expect(&e, "add 20000+2000 0>0\nstart 20000+2000 0>1\n");
    assert_int_equal(memory_listener_unregister(&e.listener), 0);
    expect(&e, "stop 10000+8000 1>0\ndel 10000+8000 0>0\n"
               "stop 20000+2000 1>0\ndel 20000+2000 0>0\n");
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up(void **state)
{
    int err = board_set_up(state);
    struct board *b = *state;

    d.bytes = aligned_alloc(4096, 8 * PAGE);
    return err |
           memory_region_init_ram_ptr(&d.vram, NULL, "vram", 8 * PAGE,
                                      d.bytes) |
           memory_region_init_alias(&d.alias, NULL, "alias", &d.vram, 2 * PAGE,
                                    2 * PAGE) |
           memory_region_add_subregion(&b->root, 0x10000, &d.vram) |
           memory_region_add_subregion(&b->root, 0x20000, &d.alias);
}

static int tear_down(void **state)
{
    int err = xbar_region_destroy(&d.alias, NULL, NULL) |
              xbar_region_destroy(&d.vram, NULL, NULL);

    err |= board_tear_down(state);
    free(d.bytes);
    return err;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_way_to_write),
        TEST(test_misuse),
        TEST(test_snapshot),
        TEST(test_listeners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
