/* SPDX-License-Identifier: MIT */
/*
 * Address spaces of one root share sections, index and the work of commits;
 * each has its own subscribers and listeners. They come and go at any time,
 * also while others are told.
 */
#include "flatview/flatview_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "engine/rcu.h"
#include "flatview/listener.h"
#include "flatview/subscriber.h"
#include "tests/unit/counting_alloc.h"

#define PAGE   0x1000
#define SPACES 4

struct ear {
    struct xbar_view_subscriber sub;
    unsigned calls;
};

struct house {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion empty;
    MemoryRegion devices[2];
    AddressSpace spaces[SPACES];
    AddressSpace extra; /* for callbacks to make or to end */
    struct ear ears[SPACES];
    struct ear extra_ear;
    MemoryListener listener;
    unsigned commits;
    unsigned ended;
};

static void hear(struct xbar_view_subscriber *sub,
                 const struct xbar_range *ranges, size_t count)
{
    assert_true(count == 1 && (ranges->last - ranges->first + 1) % PAGE == 0);
    ((struct ear *)sub)->calls++;
}

static void note_end(AddressSpace *as, void *opaque)
{
    (void)as;
    ((struct house *)opaque)->ended++;
}

static void ignore_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static struct xbar_engine_stats stats_of(const struct house *h)
{
    struct xbar_engine_stats stats;

    xbar_engine_get_stats(h->engine, &stats);
    return stats;
}

static void show_device(struct house *h, int i, bool is_shown)
{
    assert_int_equal(memory_region_set_enabled(&h->devices[i], is_shown), 0);
}

static const FlatRange *find(const AddressSpace *as, hwaddr addr)
{
    return flatview_lookup(as->current_map, addr);
}

/* ---- Sharing ----------------------------------------------------------- */

static void test_one_view(void **state)
{
    struct house *h = *state;
    struct xbar_engine_stats before = stats_of(h);
    struct xbar_engine_stats after;

    show_device(h, 0, false);
    after = stats_of(h);
    assert_int_equal(after.views - before.views, 1);
    assert_int_equal(after.windows - before.windows, 1);
    for (int i = 0; i < SPACES; i++) {
        assert_ptr_equal(h->spaces[i].current_map, h->spaces[0].current_map);
        assert_true(find(&h->spaces[i], 0)->flags & FLAT_RANGE_UNASSIGNED);
        assert_ptr_equal(find(&h->spaces[i], PAGE)->mr, &h->devices[1]);
        assert_int_equal(h->ears[i].calls, 1);
    }
}

/* Another address space costs itself, whatever it shows. */
static void test_no_memory_for_sections(void **state)
{
    struct house *h = *state;
    long bytes = atomic_load(&h->alloc.live_bytes);

    assert_int_equal(address_space_init(&h->extra, &h->root, "extra"), 0);
    bytes = atomic_load(&h->alloc.live_bytes) - bytes;
    assert_int_equal(bytes, sizeof(struct xbar_flatview_space) + 6);
    assert_ptr_equal(h->extra.current_map, h->spaces[0].current_map);
    address_space_destroy(&h->extra);
}

/* What others show is there at once; what the transaction does is not yet. */
static void test_joining_in_a_transaction(void **state)
{
    struct house *h = *state;

    memory_region_transaction_begin();
    show_device(h, 0, false);
    assert_int_equal(address_space_init(&h->extra, &h->root, "extra"), 0);
    assert_ptr_equal(find(&h->extra, 0)->mr, &h->devices[0]);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_true(find(&h->extra, 0)->flags & FLAT_RANGE_UNASSIGNED);
    address_space_destroy(&h->extra);

    memory_region_transaction_begin();
    show_device(h, 0, true);
    assert_int_equal(address_space_init(&h->extra, &h->root, "extra"), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_true(find(&h->extra, 0)->flags & FLAT_RANGE_UNASSIGNED);
    show_device(h, 0, true);
    assert_ptr_equal(find(&h->extra, 0)->mr, &h->devices[0]);
    address_space_destroy(&h->extra);
}

/* Two of a root that is new in a transaction: void, and done. */
static void test_two_of_a_new_root(void **state)
{
    struct house *h = *state;
    MemoryRegion mirror;
    AddressSpace other;

    assert_int_equal(memory_region_init_alias(&mirror, NULL, "mirror", &h->root,
                                              0, UINT64_MAX),
                     0);
    for (int is_void = 1; is_void >= 0; is_void--) {
        memory_region_transaction_begin();
        show_device(h, 0, false);
        assert_int_equal(address_space_init(&h->extra, &mirror, "extra"), 0);
        assert_int_equal(address_space_init(&other, &mirror, "other"), 0);
        assert_true(find(&other, PAGE)->flags & FLAT_RANGE_UNASSIGNED);
        if (is_void) {
            assert_int_equal(xbar_transaction_abort(), 0);
        }
        assert_int_equal(memory_region_transaction_commit(),
                         is_void ? -ECANCELED : 0);
        assert_ptr_equal(h->extra.current_map, other.current_map);
        assert_ptr_equal(find(&other, PAGE)->mr, &h->devices[1]);
        assert_int_equal(find(&other, 0)->mr == &h->devices[0], is_void);
        address_space_destroy(&h->extra);
        address_space_destroy(&other);
    }
    assert_int_equal(xbar_region_destroy(&mirror, NULL, NULL), 0);
}

static void test_empty_views(void **state)
{
    struct house *h = *state;
    long bytes = atomic_load(&h->alloc.live_bytes);
    AddressSpace other;

    assert_int_equal(address_space_init(&h->extra, &h->empty, "extra"), 0);
    assert_int_equal(memory_region_set_enabled(&h->root, false), 0);
    assert_ptr_equal(h->extra.current_map, h->spaces[0].current_map);
    assert_int_equal(flatview_num_ranges(h->extra.current_map), 0);
    /* Reclaiming frees all that there was. */
    assert_true(xbar_engine_reclaim(h->engine) > 0);
    assert_true(atomic_load(&h->alloc.live_bytes) - bytes <
                (long)(sizeof(struct xbar_flatview_space) +
                       sizeof(struct flatview_root)));
    assert_int_equal(address_space_init(&other, &h->empty, "other"), 0);
    assert_ptr_equal(h->extra.current_map, other.current_map);
    address_space_destroy(&other);
    assert_int_equal(memory_region_set_enabled(&h->root, true), 0);
    assert_ptr_equal(find(&h->spaces[1], 0)->mr, &h->devices[0]);
    address_space_destroy(&h->extra);
}

/* Memory runs out on the way from the empty view, and to it. */
static void test_empty_views_without_memory(void **state)
{
    struct house *h = *state;

    for (int to = 0; to <= 1; to++) {
        int err = -ENOMEM;

        for (long n = 1; err != 0; n++) {
            const FlatView *view = h->spaces[0].current_map;
            long live = atomic_load(&h->alloc.live_bytes);

            counting_alloc_fail(&h->alloc, n);
            err = memory_region_set_enabled(&h->root, to);
            counting_alloc_fail(&h->alloc, 0);
            if (err != 0) {
                assert_int_equal(err, -ENOMEM);
                assert_ptr_equal(h->spaces[1].current_map, view);
                assert_int_equal(atomic_load(&h->alloc.live_bytes), live);
            }
        }
        assert_int_equal(flatview_num_ranges(h->spaces[3].current_map), 2 * to);
    }
}

/* ---- Caches ------------------------------------------------------------ */

/* One that caches hears of what was given to anybody, or of everything. */
static void test_caches_hear_of_what_they_have(void **state)
{
    struct house *h = *state;
    struct ear cache = { .sub = { .changed = hear, .caches_sections = true } };

    xbar_view_subscribe(&h->spaces[0], &cache.sub);
    show_device(h, 0, false);
    show_device(h, 0, true);
    assert_int_equal(cache.calls, 0);
    assert_int_equal(h->ears[0].calls, 2);
    xbar_read_begin();
    assert_ptr_equal(xbar_view_cache_section(&h->spaces[1], 8)->mr,
                     &h->devices[0]);
    assert_true(xbar_view_cache_section(&h->spaces[1], 2 * PAGE)->flags &
                FLAT_RANGE_UNASSIGNED);
    xbar_read_end();
    show_device(h, 1, false);
    assert_int_equal(cache.calls, 0);
    show_device(h, 0, false);
    assert_int_equal(cache.calls, 1);
    show_device(h, 0, true);
    assert_int_equal(cache.calls, 1);
    cache.sub.hears_all = true;
    show_device(h, 1, true);
    assert_int_equal(cache.calls, 2);
    xbar_view_unsubscribe(&h->spaces[0], &cache.sub);
}

/* A mark is no part of what a section says, and of whether it is kept. */
static void test_marked_sections_stay(void **state)
{
    struct house *h = *state;
    const FlatRange *range;
    FlatView *kept;

    xbar_read_begin();
    range = xbar_view_cache_section(&h->spaces[0], 0);
    xbar_read_end();
    kept = xbar_view_keep(&h->spaces[0]);
    assert_non_null(kept);
    show_device(h, 1, false);
    assert_ptr_equal(find(&h->spaces[0], 0), range);
    show_device(h, 0, false);
    assert_true(xbar_engine_reclaim(h->engine) > 0);
    assert_ptr_equal(flatview_lookup(kept, 0), range);
    assert_ptr_equal(range->mr, &h->devices[0]);
    xbar_view_release(kept);
}

/* ---- Coming and going -------------------------------------------------- */

static void test_one_after_the_other(void **state)
{
    struct house *h = *state;

    for (int i = 0; i < SPACES; i++) {
        show_device(h, 0, i % 2 != 0);
        assert_int_equal(find(&h->spaces[SPACES - 1], 0)->mr != NULL, i % 2);
        if (i < SPACES - 1) {
            xbar_view_unsubscribe(&h->spaces[i], &h->ears[i].sub);
            assert_int_equal(
                xbar_address_space_destroy(&h->spaces[i], note_end, h), 0);
            assert_ptr_equal(find(&h->spaces[SPACES - 1], PAGE)->mr,
                             &h->devices[1]);
        }
        assert_true(xbar_engine_reclaim(h->engine) >= 0);
    }
    assert_int_equal(h->ended, SPACES - 1);
    for (int i = 0; i < SPACES - 1; i++) {
        assert_int_equal(address_space_init(&h->spaces[i], &h->root, "again"),
                         0);
        xbar_view_subscribe(&h->spaces[i], &h->ears[i].sub);
    }
}

/* A reader is in an address space that ends while others go on. */
static void test_ending_waits_for_readers(void **state)
{
    struct house *h = *state;

    assert_int_equal(address_space_init(&h->extra, &h->root, "extra"), 0);
    xbar_read_begin();
    assert_int_equal(xbar_address_space_destroy(&h->extra, note_end, h), 0);
    assert_int_equal(xbar_engine_reclaim(h->engine), -EDEADLK);
    assert_true(find(&h->extra, PAGE)->flags & FLAT_RANGE_UNASSIGNED);
    assert_string_equal(xbar_address_space_name(&h->extra), "extra");
    assert_int_equal(h->ended, 0);
    xbar_read_end();
    assert_true(xbar_engine_reclaim(h->engine) > 0);
    assert_int_equal(h->ended, 1);
}

/* In the middle of the news: it sees the new view, and is told nothing. */
static void join_on_commit(MemoryListener *listener)
{
    struct house *h = xbar_container_of(listener, struct house, listener);

    if (h->commits++ == 1) {
        assert_int_equal(address_space_init(&h->extra, &h->root, "extra"), 0);
        xbar_view_subscribe(&h->extra, &h->extra_ear.sub);
        assert_ptr_equal(h->extra.current_map, h->spaces[0].current_map);
    }
}

static void test_joining_while_others_are_told(void **state)
{
    struct house *h = *state;

    h->listener.commit = join_on_commit;
    assert_int_equal(memory_listener_register(&h->listener, &h->spaces[0]), 0);
    show_device(h, 0, false);
    assert_int_equal(h->commits, 2);
    assert_int_equal(h->extra_ear.calls, 0);
    show_device(h, 0, true);
    assert_int_equal(h->extra_ear.calls, 1);
    assert_int_equal(memory_listener_unregister(&h->listener), 0);
    xbar_view_unsubscribe(&h->extra, &h->extra_ear.sub);
    address_space_destroy(&h->extra);
}

/* One that is still to be told ends; so does one that has been. */
static void leave_on_commit(MemoryListener *listener)
{
    struct house *h = xbar_container_of(listener, struct house, listener);

    if (h->commits++ == 1) {
        for (int i = 0; i < SPACES; i += 2) {
            xbar_view_unsubscribe(&h->spaces[i], &h->ears[i].sub);
            assert_int_equal(
                xbar_address_space_destroy(&h->spaces[i], note_end, h), 0);
        }
    }
}

static void test_leaving_while_others_are_told(void **state)
{
    struct house *h = *state;

    h->listener.commit = leave_on_commit;
    assert_int_equal(memory_listener_register(&h->listener, &h->spaces[1]), 0);
    show_device(h, 0, false);
    assert_int_equal(h->ears[0].calls, 1);
    assert_int_equal(h->ears[1].calls, 1);
    assert_int_equal(h->ears[2].calls, 0);
    assert_int_equal(h->ears[3].calls, 1);
    assert_true(xbar_engine_reclaim(h->engine) > 0);
    assert_int_equal(h->ended, 2);
    assert_int_equal(memory_listener_unregister(&h->listener), 0);
    for (int i = 0; i < SPACES; i += 2) {
        assert_int_equal(address_space_init(&h->spaces[i], &h->root, "again"),
                         0);
        xbar_view_subscribe(&h->spaces[i], &h->ears[i].sub);
    }
}

/* A listener ends its own address space, the last of its root. */
static void end_own(MemoryListener *listener)
{
    struct house *h = xbar_container_of(listener, struct house, listener);

    if (h->commits++ == 1) {
        assert_int_equal(memory_listener_unregister(listener), 0);
        assert_int_equal(xbar_address_space_destroy(&h->extra, note_end, h), 0);
    }
}

static void test_the_last_ends_while_it_is_told(void **state)
{
    struct house *h = *state;
    MemoryRegion mirror;

    assert_int_equal(memory_region_init_alias(&mirror, NULL, "mirror", &h->root,
                                              0, UINT64_MAX),
                     0);
    assert_int_equal(address_space_init(&h->extra, &mirror, "extra"), 0);
    h->listener.commit = end_own;
    assert_int_equal(memory_listener_register(&h->listener, &h->extra), 0);
    show_device(h, 0, false);
    assert_true(xbar_engine_reclaim(h->engine) > 0);
    assert_int_equal(h->ended, 1);
    assert_int_equal(xbar_region_destroy(&mirror, NULL, NULL), 0);
}

/* ---- Set-up ------------------------------------------------------------ */

/* Nobody reads while this thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

static int set_up(void **state)
{
    struct house *h = calloc(1, sizeof(*h));

    *state = h;
    xbar_rcu_synchronize_hook = wait_for_nobody;
    h->engine = counting_alloc_engine(&h->alloc);
    (void)xbar_engine_enter(h->engine);
    (void)memory_region_init(&h->root, NULL, "root", UINT64_MAX);
    (void)memory_region_init(&h->empty, NULL, "empty", UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        (void)memory_region_init_io(&h->devices[i], NULL, NULL, NULL, "device",
                                    PAGE);
        (void)memory_region_add_subregion(&h->root, PAGE * i, &h->devices[i]);
    }
    for (int i = 0; i < SPACES; i++) {
        if (address_space_init(&h->spaces[i], &h->root, "as") != 0) {
            return -1;
        }
        h->ears[i].sub.changed = hear;
        xbar_view_subscribe(&h->spaces[i], &h->ears[i].sub);
    }
    h->extra_ear.sub.changed = hear;
    return 0;
}

static int tear_down(void **state)
{
    struct house *h = *state;
    int err;

    for (int i = 0; i < SPACES; i++) {
        xbar_view_unsubscribe(&h->spaces[i], &h->ears[i].sub);
        address_space_destroy(&h->spaces[i]);
    }
    (void)xbar_region_destroy(&h->root, ignore_end, NULL);
    (void)xbar_region_destroy(&h->empty, ignore_end, NULL);
    (void)xbar_region_destroy(&h->devices[0], ignore_end, NULL);
    (void)xbar_region_destroy(&h->devices[1], ignore_end, NULL);
    (void)xbar_engine_reclaim(h->engine);
    (void)xbar_engine_leave(h->engine);
    err = xbar_engine_free(h->engine);
    err = err != 0 || atomic_load(&h->alloc.live_bytes) != 0 ? -1 : 0;
    free(h);
    return err;
}

#define house_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        house_test(test_one_view),
        house_test(test_no_memory_for_sections),
        house_test(test_joining_in_a_transaction),
        house_test(test_two_of_a_new_root),
        house_test(test_empty_views),
        house_test(test_empty_views_without_memory),
        house_test(test_caches_hear_of_what_they_have),
        house_test(test_marked_sections_stay),
        house_test(test_one_after_the_other),
        house_test(test_ending_waits_for_readers),
        house_test(test_joining_while_others_are_told),
        house_test(test_leaving_while_others_are_told),
        house_test(test_the_last_ends_while_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
