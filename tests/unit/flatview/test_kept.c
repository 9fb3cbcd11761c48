/* SPDX-License-Identifier: MIT */
/*
 * Kept views: they say what was, and pin it, while commits and reclaims go on;
 * what only they have is freed when the last that has it is released; what
 * differs between two of them.
 */
#include "flatview/flatview_internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "engine/rcu.h"
#include "engine/tree.h"
#include "tests/unit/counting_alloc.h"

#define PAGE    0x1000
#define DEVICES 200
#define KEPT    6

struct yard {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion devices[DEVICES];
    AddressSpace as;
    uint64_t seed;
    unsigned ended;
};

/* A kept view, and what it said when it was kept. */
struct memory {
    FlatView *view;
    FlatRange sections[DEVICES];
    size_t count;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void keep(struct yard *yard, struct memory *memory)
{
    const FlatRange *range;

    memory->view = xbar_view_keep(&yard->as);
    assert_non_null(memory->view);
    memory->count = 0;
    range = flatview_next_range(memory->view, 0);
    for (; range != NULL; range = flatview__range_after(memory->view, range)) {
        memory->sections[memory->count++] = *range;
    }
}

/* Freed memory is overwritten, so what was freed too early shows. */
static void check(const struct memory *memory)
{
    const FlatRange *range = flatview_next_range(memory->view, 0);

    assert_int_equal(flatview_num_ranges(memory->view), memory->count);
    assert_true(flatview__trie_is_valid(&memory->view->trie));
    for (size_t i = 0; i < memory->count; i++) {
        const FlatRange *said = &memory->sections[i];

        assert_true(flatview__range_equals(range, said));
        assert_ptr_equal(flatview_lookup(memory->view, said->last), range);
        range = flatview__range_after(memory->view, range);
    }
    assert_null(range);
}

/* Device @i is now somewhere in its own 16 pages. */
static void change_one(struct yard *yard)
{
    uint64_t random = next_random(&yard->seed);
    size_t i = random % DEVICES;
    MemoryRegion *mr = &yard->devices[i];

    if (random >> 32 & 1) {
        assert_int_equal(
            memory_region_set_enabled(mr, !(mr->flags & XBAR_REGION_ENABLED)),
            0);
    } else {
        assert_int_equal(memory_region_set_address(
                             mr, (16 * i + (random >> 40) % 15) * PAGE),
                         0);
    }
}

static void reclaim(struct yard *yard)
{
    assert_true(xbar_engine_reclaim(yard->engine) >= 0);
}

/* ---- Tests ------------------------------------------------------------- */

static void test_a_view_is_kept(void **state)
{
    struct yard *yard = *state;
    struct memory memory;
    struct memory again;

    keep(yard, &memory);
    keep(yard, &again);
    assert_ptr_equal(memory.view, again.view);
    for (int i = 0; i < 500; i++) {
        change_one(yard);
        reclaim(yard);
    }
    check(&memory);
    xbar_view_release(again.view);
    reclaim(yard);
    check(&memory);
    xbar_view_release(memory.view);
}

/* Bytes are those of the tree as it is, whoever was kept meanwhile. */
static void test_all_is_given_back(void **state)
{
    struct yard *yard = *state;
    struct memory memories[KEPT] = { { .view = NULL } };
    long bytes;

    for (int round = 0; round < 3000; round++) {
        struct memory *memory = &memories[next_random(&yard->seed) % KEPT];

        change_one(yard);
        if (next_random(&yard->seed) % 4 == 0) {
            reclaim(yard);
        }
        if (memory->view == NULL) {
            keep(yard, memory);
        } else if (next_random(&yard->seed) % 8 == 0) {
            check(memory);
            xbar_view_release(memory->view);
            memory->view = NULL;
        }
    }
    for (int i = 0; i < KEPT; i++) {
        if (memories[i].view != NULL) {
            check(&memories[i]);
            xbar_view_release(memories[i].view);
        }
    }
    reclaim(yard);
    bytes = atomic_load(&yard->alloc.live_bytes);
    for (size_t i = 0; i < DEVICES; i++) {
        assert_int_equal(memory_region_set_enabled(&yard->devices[i], false),
                         0);
    }
    reclaim(yard);
    assert_int_equal(yard->as.current_map->trie.count, 0);
    assert_true(atomic_load(&yard->alloc.live_bytes) < bytes);
    /* Nothing is shown: that is nobody's view, and only the space is left. */
    assert_int_equal(yard->as.space->root->spaces, 1);
    assert_int_equal(yard->as.space->root->views_made,
                     yard->as.space->root->views_freed);
}

/* Sections that came and went after the keeping do not wait for anybody. */
static void test_only_what_is_kept_waits(void **state)
{
    struct yard *yard = *state;
    struct memory memory;
    long bytes = 0;

    keep(yard, &memory);
    for (int i = 0; i < 1000; i++) {
        if (i == 2) {
            reclaim(yard);
            bytes = atomic_load(&yard->alloc.live_bytes);
        }
        assert_int_equal(memory_region_set_enabled(&yard->devices[5], i % 2),
                         0);
    }
    reclaim(yard);
    assert_int_equal(atomic_load(&yard->alloc.live_bytes), bytes);
    check(&memory);
    xbar_view_release(memory.view);
}

static void count_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (*(unsigned *)opaque)++;
}

static void test_regions_are_pinned(void **state)
{
    struct yard *yard = *state;
    unsigned ended = 0;
    struct memory memory;

    keep(yard, &memory);
    assert_int_equal(xbar_region_destroy(&yard->devices[3], count_end, &ended),
                     0);
    reclaim(yard);
    reclaim(yard);
    assert_int_equal(ended, 0);
    assert_string_equal(
        memory_region_name(flatview_lookup(memory.view, 48 * PAGE)->mr),
        "device");
    xbar_view_release(memory.view);
    reclaim(yard);
    assert_int_equal(ended, 1);
    assert_int_equal(memory_region_init_io(&yard->devices[3], NULL, NULL, NULL,
                                           "device", PAGE),
                     0);
}

static void note_end(AddressSpace *as, void *opaque)
{
    (void)as;
    *(bool *)opaque = true;
}

/* A kept view does not keep its address space, nor the other way round. */
static void test_an_address_space_that_ended(void **state)
{
    struct yard *yard = *state;
    struct memory memory;
    AddressSpace other;
    bool is_over = false;

    assert_int_equal(address_space_init(&other, &yard->root, "other"), 0);
    memory.view = xbar_view_keep(&other);
    assert_non_null(memory.view);
    assert_int_equal(xbar_address_space_destroy(&other, note_end, &is_over), 0);
    assert_null(xbar_view_keep(&other));
    reclaim(yard);
    assert_true(is_over);
    assert_null(xbar_view_keep(&other));
    assert_int_equal(memory_region_set_enabled(&yard->devices[0], false), 0);
    reclaim(yard);
    assert_ptr_equal(flatview_lookup(memory.view, 0)->mr, &yard->devices[0]);
    xbar_view_release(memory.view);
}

/* The last one of a root, too. */
static void test_all_address_spaces_ended(void **state)
{
    struct yard *yard = *state;
    struct memory memory;
    MemoryRegion root;
    MemoryRegion device;
    AddressSpace other;

    assert_int_equal(memory_region_init(&root, NULL, "root", PAGE), 0);
    assert_int_equal(
        memory_region_init_io(&device, NULL, NULL, NULL, "device", PAGE), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &device), 0);
    assert_int_equal(address_space_init(&other, &root, "other"), 0);
    keep(yard, &memory);
    xbar_view_release(memory.view);
    memory.view = xbar_view_keep(&other);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
    assert_ptr_equal(flatview_lookup(memory.view, 0)->mr, &device);
    xbar_view_release(memory.view);
    assert_int_equal(xbar_region_destroy(&device, NULL, NULL), 0);
}

/* There is one, which needs no memory. */
static void test_the_empty_view(void **state)
{
    struct yard *yard = *state;
    FlatView *empty;

    for (size_t i = 0; i < DEVICES; i++) {
        assert_int_equal(memory_region_set_enabled(&yard->devices[i], false),
                         0);
    }
    counting_alloc_fail(&yard->alloc, 1);
    empty = xbar_view_keep(&yard->as);
    counting_alloc_fail(&yard->alloc, 0);
    assert_non_null(empty);
    assert_int_equal(memory_region_set_enabled(&yard->devices[3], true), 0);
    assert_int_equal(flatview_num_ranges(empty), 0);
    assert_int_equal(flatview_num_ranges(yard->as.current_map), 1);
    xbar_view_release(empty);
}

static void test_without_memory(void **state)
{
    struct yard *yard = *state;
    struct memory memory;

    counting_alloc_fail(&yard->alloc, 1);
    assert_null(xbar_view_keep(&yard->as));
    counting_alloc_fail(&yard->alloc, 0);
    keep(yard, &memory);
    check(&memory);
    xbar_view_release(memory.view);
}

/* ---- Released while a reclaim is under way ----------------------------- */

/* Relaxed: they must not order anything, or a missing order would not show. */
static atomic_bool is_letting_go;
static atomic_bool is_released;
static unsigned let_go;

/* Of the owner of what the view after the kept one had, and nobody else. */
static void wait_for_release(Object *owner)
{
    (void)owner;
    let_go++;
    atomic_store_explicit(&is_letting_go, true, memory_order_relaxed);
    while (!atomic_load_explicit(&is_released, memory_order_relaxed)) {
        sched_yield();
    }
}

static void *reclaim_here(void *engine)
{
    assert_int_equal(xbar_engine_reclaim(engine), 2);
    atomic_store_explicit(&is_letting_go, true, memory_order_relaxed);
    return NULL;
}

/* Nobody reads while a thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

/*
 * The view of @devices[0] is kept, the next one has @devices[1] too, and the
 * last one neither. A reclaim lets the second go, so that the section of
 * @devices[0] waits for the kept one, and has that itself in its hands when it
 * is released.
 */
static void test_released_on_its_way(void **state)
{
    const struct xbar_engine_config config = { .owner_unref =
                                                   wait_for_release };
    struct yard *yard = *state;
    struct xbar_engine *engine;
    MemoryRegion devices[3];
    MemoryRegion root;
    pthread_t thread;
    AddressSpace as;
    FlatView *view;

    engine = xbar_engine_new(&config); /* counting would order, too */
    assert_int_equal(xbar_engine_enter(engine), 0);
    assert_int_equal(memory_region_init(&root, NULL, "root", UINT64_MAX), 0);
    for (size_t i = 0; i < 3; i++) {
        Object *owner = i == 1 ? (Object *)yard : NULL;

        assert_int_equal(memory_region_init_io(&devices[i], owner, NULL, NULL,
                                               "device", PAGE),
                         0);
        assert_int_equal(memory_region_set_enabled(&devices[i], i != 1), 0);
        assert_int_equal(
            memory_region_add_subregion(&root, 16 * i * PAGE, &devices[i]), 0);
    }
    assert_int_equal(address_space_init(&as, &root, "as"), 0);
    assert_true(xbar_engine_reclaim(engine) >= 0);
    view = xbar_view_keep(&as);
    assert_int_equal(memory_region_set_enabled(&devices[1], true), 0);
    memory_region_transaction_begin();
    memory_region_set_enabled(&devices[0], false);
    memory_region_set_enabled(&devices[1], false);
    assert_int_equal(memory_region_transaction_commit(), 0);
    atomic_store(&is_letting_go, false);
    atomic_store(&is_released, false);
    let_go = 0;
    assert_int_equal(pthread_create(&thread, NULL, reclaim_here, engine), 0);
    while (!atomic_load_explicit(&is_letting_go, memory_order_relaxed)) {
        sched_yield();
    }
    xbar_view_release(view);
    atomic_store_explicit(&is_released, true, memory_order_relaxed);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(let_go, 1);
    address_space_destroy(&as);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(xbar_region_destroy(&devices[i], NULL, NULL), 0);
    }
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    assert_int_equal(xbar_engine_free(engine), 0);
}

/* ---- Differences ------------------------------------------------------- */

struct difference {
    hwaddr starts[4];
    unsigned came;
    unsigned went;
    unsigned told;
};

static bool note_difference(const FlatRange *from, const FlatRange *to,
                            void *opaque)
{
    struct difference *d = opaque;

    assert_true(from != NULL || to != NULL);
    assert_true(d->told < 4);
    d->starts[d->told++] = from != NULL ? from->first : to->first;
    d->came += from == NULL;
    d->went += to == NULL;
    return false;
}

static void test_differences(void **state)
{
    struct yard *yard = *state;
    struct difference forth = { .told = 0 };
    struct difference back = { .told = 0 };
    struct difference none = { .told = 0 };
    struct memory before;
    struct memory after;
    AddressSpace other;

    keep(yard, &before);
    assert_int_equal(memory_region_set_address(&yard->devices[9], 145 * PAGE),
                     0);
    assert_int_equal(memory_region_set_size(&yard->devices[20], 2 * PAGE), 0);
    assert_int_equal(memory_region_set_enabled(&yard->devices[30], false), 0);
    assert_int_equal(memory_region_set_enabled(&yard->devices[30], true), 0);
    keep(yard, &after);
    assert_false(
        xbar_view_diff(before.view, after.view, note_difference, &forth));
    assert_int_equal(forth.told, 3);
    assert_int_equal(forth.starts[0], 144 * PAGE);
    assert_int_equal(forth.starts[1], 145 * PAGE);
    assert_int_equal(forth.starts[2], 320 * PAGE);
    assert_true(forth.came == 1 && forth.went == 1);
    assert_false(
        xbar_view_diff(after.view, before.view, note_difference, &back));
    assert_true(back.told == 3 && back.came == 1 && back.went == 1);
    assert_int_equal(address_space_init(&other, &yard->root, "other"), 0);
    assert_false(
        xbar_view_diff(after.view, other.current_map, note_difference, &none));
    assert_int_equal(none.told, 0);
    address_space_destroy(&other);
    xbar_view_release(before.view);
    xbar_view_release(after.view);
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up(void **state)
{
    struct yard *yard = calloc(1, sizeof(*yard));

    *state = yard;
    xbar_rcu_synchronize_hook = wait_for_nobody;
    yard->engine = counting_alloc_engine(&yard->alloc);
    (void)xbar_engine_enter(yard->engine);
    (void)memory_region_init(&yard->root, NULL, "root", UINT64_MAX);
    for (size_t i = 0; i < DEVICES; i++) {
        MemoryRegion *mr = &yard->devices[i];

        (void)memory_region_init_io(mr, NULL, NULL, NULL, "device", PAGE);
        (void)memory_region_add_subregion(&yard->root, 16 * i * PAGE, mr);
    }
    return address_space_init(&yard->as, &yard->root, "as");
}

static int tear_down(void **state)
{
    struct yard *yard = *state;
    unsigned ended = 0;
    int err;

    address_space_destroy(&yard->as);
    for (size_t i = 0; i < DEVICES; i++) {
        (void)xbar_region_destroy(&yard->devices[i], count_end, &ended);
    }
    (void)xbar_region_destroy(&yard->root, count_end, &ended);
    (void)xbar_engine_reclaim(yard->engine);
    (void)xbar_engine_leave(yard->engine);
    err = xbar_engine_free(yard->engine);
    err = err != 0 || atomic_load(&yard->alloc.live_bytes) != 0 ? -1 : 0;
    free(yard);
    return err;
}

#define yard_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        yard_test(test_a_view_is_kept),
        yard_test(test_all_is_given_back),
        yard_test(test_only_what_is_kept_waits),
        yard_test(test_regions_are_pinned),
        yard_test(test_an_address_space_that_ended),
        yard_test(test_all_address_spaces_ended),
        yard_test(test_the_empty_view),
        yard_test(test_without_memory),
        yard_test(test_released_on_its_way),
        yard_test(test_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
