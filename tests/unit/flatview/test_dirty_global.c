/* SPDX-License-Identifier: MIT */
/* All memory, that which is there and that which comes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener.h"
#include "tests/unit/flatview/board.h"

static char heard[1024];

static void hear(const char *event, const MemoryRegionSection *s, int old_val,
                 int new_val)
{
    size_t n = strlen(heard);

    if (s == NULL) {
        snprintf(heard + n, sizeof(heard) - n, "%s\n", event);
    } else {
        snprintf(heard + n, sizeof(heard) - n, "%s %s %d>%d\n", event,
                 memory_region_name(s->mr), old_val, new_val);
    }
}

static void on_start(MemoryListener *l, MemoryRegionSection *s, int old_val,
                     int new_val)
{
    (void)l;
    hear("start", s, old_val, new_val);
}

static void on_stop(MemoryListener *l, MemoryRegionSection *s, int old_val,
                    int new_val)
{
    (void)l;
    hear("stop", s, old_val, new_val);
}

static void on_global_start(MemoryListener *l)
{
    (void)l;
    hear("all", NULL, 0, 0);
}

static void on_global_stop(MemoryListener *l)
{
    (void)l;
    hear("none", NULL, 0, 0);
}

static void on_sync_global(MemoryListener *l)
{
    (void)l;
    hear("sync", NULL, 0, 0);
}

static void on_after_sync(MemoryListener *l)
{
    (void)l;
    hear("after", NULL, 0, 0);
}

static void expect(const char *text)
{
    assert_string_equal(heard, text);
    heard[0] = '\0';
}

static MemoryListener ear = {
    .log_start = on_start,
    .log_stop = on_stop,
    .log_sync_global = on_sync_global,
    .log_global_start = on_global_start,
    .log_global_stop = on_global_stop,
    .log_global_after_sync = on_after_sync,
};

static void test_all_memory(void **state)
{
    struct board *b = *state;
    MemoryRegion late;

    assert_int_equal(memory_region_set_log(&b->ram, true, 0), 0);
    assert_int_equal(memory_global_dirty_log_start(0), -EINVAL);
    assert_int_equal(memory_global_dirty_log_start(64), -EINVAL);
    assert_int_equal(memory_global_dirty_log_start(GLOBAL_DIRTY_MIGRATION), 0);
    assert_int_equal(memory_global_dirty_log_start(GLOBAL_DIRTY_LIMIT), 0);
    assert_int_equal(memory_region_get_dirty_log_mask(&b->ram), 5);
    assert_int_equal(memory_region_get_dirty_log_mask(&b->rom), 4);
    assert_int_equal(memory_region_get_dirty_log_mask(&b->device), 0);

    assert_int_equal(memory_region_init_ram(&late, NULL, "late", 8192, NULL),
                     0);
    assert_true(memory_region_test_and_clear_dirty(&late, 0, 8192, 2));
    memory_region_set_dirty(&late, 4096, 1);
    assert_false(memory_region_get_dirty(&late, 0, 4096, 2));
    assert_true(memory_region_get_dirty(&late, 4096, 4096, 2));

    assert_int_equal(memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION), 0);
    assert_true(memory_region_is_logging(&late, 2));
    assert_int_equal(memory_global_dirty_log_stop(GLOBAL_DIRTY_LIMIT), 0);
    assert_int_equal(memory_region_get_dirty_log_mask(&b->ram), 1);
    assert_int_equal(memory_region_get_dirty_log_mask(&late), 0);
    assert_int_equal(memory_global_dirty_log_stop(GLOBAL_DIRTY_LIMIT), 0);
    assert_int_equal(memory_global_dirty_log_stop(0), -EINVAL);
    assert_int_equal(xbar_region_destroy(&late, NULL, NULL), 0);
}

static void test_listeners(void **state)
{
    struct board *b = *state;

    heard[0] = '\0';
    assert_int_equal(memory_region_set_log(&b->ram, true, 2), 0);
    assert_int_equal(memory_listener_register(&ear, &b->as), 0);
    expect("start ram 0>4\nstart ram 0>4\n");
    assert_int_equal(memory_global_dirty_log_start(GLOBAL_DIRTY_MIGRATION), 0);
    expect("all\nstart rom 0>4\n");
    memory_global_dirty_log_sync();
    expect("sync\nafter\n");
    assert_int_equal(memory_listener_unregister(&ear), 0);
    expect("stop ram 4>0\nstop rom 4>0\nstop ram 4>0\nnone\n");
    assert_int_equal(memory_listener_register(&ear, &b->as), 0);
    expect("all\nstart ram 0>4\nstart rom 0>4\nstart ram 0>4\n");
    assert_int_equal(memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION), 0);
    expect("stop rom 4>0\nnone\n");
    assert_int_equal(memory_region_set_log(&b->ram, false, 2), 0);
    expect("stop ram 4>0\nstop ram 4>0\n");
    assert_int_equal(memory_listener_unregister(&ear), 0);
    expect("");
}

/* What is grown is dirty, and what is cut off is nobody's. */
static void test_resize(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_resizeable_ram(&mr, NULL, "grows", 8192,
                                                       65536, NULL, NULL),
                     0);
    assert_int_equal(memory_region_set_log(&mr, true, 0), 0);
    memory_region_reset_dirty(&mr, 0, UINT64_MAX, 0);
    assert_int_equal(memory_region_ram_resize(&mr, 12288, NULL), 0);
    assert_true(memory_region_get_dirty(&mr, 8192, 4096, 0));
    assert_false(memory_region_get_dirty(&mr, 12288, 4096, 0));
    memory_region_reset_dirty(&mr, 0, UINT64_MAX, 0);
    assert_int_equal(memory_region_ram_resize(&mr, 4096, NULL), 0);
    assert_true(memory_region_test_and_clear_dirty(&mr, 0, UINT64_MAX, 0));
    assert_false(memory_region_get_dirty(&mr, 0, UINT64_MAX, 0));
    memory_region_set_dirty(&mr, 4096, 4096);
    assert_false(memory_region_get_dirty(&mr, 0, UINT64_MAX, 0));
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
}

#define TEST(fn) \
    cmocka_unit_test_setup_teardown(fn, board_set_up, board_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_memory),
        TEST(test_listeners),
        TEST(test_resize),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
