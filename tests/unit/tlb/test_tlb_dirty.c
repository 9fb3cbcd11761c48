/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's stores in dirty logs: the first one to a clean page is seen, the
 * next ones are inline, and clearing takes just the tags back that it must.
 * At the end, two writers and one who clears, in threads: no write is lost.
 */
#include <pthread.h>

#include "flatview/dirty_bitmap.h"
#include "tests/unit/tlb/world.h"

#define VA 0x40000000u

static struct world *new_world(void)
{
    struct world *world = world_new();

    for (unsigned i = 0; i < 16; i++) {
        world_map(world, VA + i * PAGE, 0x80000000u + i * PAGE, PROT_RWX);
    }
    world_map(world, VA + 16 * PAGE, 0x80000000u, PROT_RWX);
    assert_int_equal(memory_region_set_log(&world->mr[RAM], true, 0), 0);
    return world;
}

static void store(struct world *world, uint64_t va, uint64_t value)
{
    assert_int_equal(tlb_store_slow(&world->tlb, 0, va, 2, value), 0);
}

static bool is_inline(struct world *world, uint64_t va)
{
    return tlb_probe(&world->tlb, 0, va, 4, TLB_WRITE) != NULL;
}

static bool is_dirty(struct world *world, unsigned page)
{
    return memory_region_get_dirty(&world->mr[RAM], page * PAGE, PAGE, 0);
}

static bool clear(struct world *world, unsigned page)
{
    return memory_region_test_and_clear_dirty(&world->mr[RAM], page * PAGE,
                                              PAGE, 0);
}

static void clear_all(struct world *world)
{
    memory_region_reset_dirty(&world->mr[RAM], 0, UINT64_MAX, 0);
}

/* ---- One thread -------------------------------------------------------- */

static void first_store_is_seen_the_next_are_inline(void **state)
{
    struct world *world = new_world();

    (void)state;
    store(world, VA, 1);
    assert_true(is_inline(world, VA)); /* all is dirty at first */
    clear_all(world);
    assert_false(is_inline(world, VA));
    assert_non_null(tlb_probe(&world->tlb, 0, VA, 4, TLB_READ));
    store(world, VA + 4, 2);
    assert_true(is_inline(world, VA));
    assert_true(is_dirty(world, 0));
    assert_false(is_dirty(world, 1));
    assert_true(clear(world, 0));
    assert_false(is_inline(world, VA));
    assert_false(clear(world, 0));
    tlb_safepoint(&world->tlb);
    assert_false(is_dirty(world, 0));
    world_free(world);
}

static void clearing_takes_just_those_tags(void **state)
{
    struct world *world = new_world();

    (void)state;
    clear_all(world);
    for (unsigned i = 0; i < 4; i++) {
        store(world, VA + i * PAGE, i);
    }
    assert_true(clear(world, 2));
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(is_inline(world, VA + i * PAGE), i != 2);
        assert_int_equal(is_dirty(world, i), i != 2);
    }
    world_free(world);
}

/* Seen through a second address, the page is the same. */
static void two_addresses_are_one_page(void **state)
{
    struct world *world = new_world();

    (void)state;
    store(world, VA, 1);
    store(world, VA + 16 * PAGE, 1);
    assert_true(is_inline(world, VA));
    assert_true(is_inline(world, VA + 16 * PAGE));
    assert_true(clear(world, 0));
    assert_false(is_inline(world, VA));
    assert_false(is_inline(world, VA + 16 * PAGE));
    store(world, VA + 16 * PAGE, 1);
    assert_true(clear(world, 0));
    world_free(world);
}

static void every_client_has_to_be_dirty(void **state)
{
    struct world *world = new_world();

    (void)state;
    assert_int_equal(memory_region_set_log(&world->mr[RAM], true, 5), 0);
    clear_all(world);
    store(world, VA, 1);
    assert_true(memory_region_test_and_clear_dirty(&world->mr[RAM], 0, 1, 5));
    assert_true(is_dirty(world, 0));
    assert_false(is_inline(world, VA));
    store(world, VA, 1);
    assert_true(memory_region_get_dirty(&world->mr[RAM], 0, 1, 5));
    assert_true(is_inline(world, VA));
    world_free(world);
}

static void a_store_across_pages_marks_both(void **state)
{
    struct world *world = new_world();

    (void)state;
    clear_all(world);
    store(world, VA + 2 * PAGE - 1, 0x01020304);
    assert_true(is_dirty(world, 1));
    assert_true(is_dirty(world, 2));
    assert_false(is_dirty(world, 0));
    assert_false(is_dirty(world, 3));
    world_free(world);
}

/* An atomic uses the address until the next safe point. */
static void host_addresses_mark(void **state)
{
    struct world *world = new_world();
    void *host;

    (void)state;
    clear_all(world);
    assert_int_equal(
        tlb_host(&world->tlb, 0, VA + 3 * PAGE, 4, TLB_READ, &host), 0);
    assert_false(is_dirty(world, 3));
    assert_int_equal(
        tlb_host(&world->tlb, 0, VA + 3 * PAGE, 4, TLB_WRITE, &host), 0);
    assert_true(is_dirty(world, 3));
    world_free(world);
}

/* A page of pieces never hits inline: each store is marked. */
static void subpages_mark(void **state)
{
    struct world *world = world_new();
    MemoryRegion *mr = &world->mr[BIT_RAM];

    (void)state;
    world_map(world, VA, 0x10002000, PROT_RWX);
    assert_int_equal(memory_region_set_log(mr, true, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(memory_region_test_and_clear_dirty(mr, 0, 1, 0));
        assert_int_equal(tlb_store_slow(&world->tlb, 0, VA + 0x7f8, 2, i), 0);
    }
    assert_true(memory_region_test_and_clear_dirty(mr, 0, 1, 0));
    assert_false(memory_region_test_and_clear_dirty(mr, 0, 1, 0));
    world_free(world);
}

static void off_again_costs_nothing(void **state)
{
    struct world *world = new_world();

    (void)state;
    clear_all(world);
    assert_int_equal(memory_region_set_log(&world->mr[RAM], false, 0), 0);
    store(world, VA, 1);
    assert_true(is_inline(world, VA));
    tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
    store(world, VA + PAGE, 1);
    assert_true(is_inline(world, VA + PAGE));
    world_free(world);
}

/* The device's callback clears; the store that caused it goes on to memory. */
static void clear_in_callback(struct world *world)
{
    world->on_call = NULL;
    clear_all(world);
}

static void clearing_in_a_callback_loses_nothing(void **state)
{
    struct world *world = new_world();

    (void)state;
    assert_int_equal(memory_region_set_enabled(&world->mr[OVER_SOME], true), 0);
    tlb_safepoint(&world->tlb);
    world->on_call = clear_in_callback;
    /* Two bytes of memory, then two of the device. */
    store(world, VA + 0x53fe, 0x11223344);
    assert_int_equal(world->call_count, 1);
    assert_true(is_dirty(world, 5));
    assert_false(is_dirty(world, 4));
    world_free(world);
}

/* ---- Another thread ---------------------------------------------------- */

static void *clear_page_0(void *opaque)
{
    struct world *world = opaque;

    return (void *)(uintptr_t)clear(world, 0);
}

static void clear_elsewhere(struct world *world)
{
    pthread_t thread;
    void *was_dirty;

    assert_int_equal(pthread_create(&thread, NULL, clear_page_0, world), 0);
    assert_int_equal(pthread_join(thread, &was_dirty), 0);
    assert_non_null(was_dirty);
}

/* Until the safe point stores may go on inline, so there it is dirty again,
 * once, if there was a tag. */
static void a_running_vcpu_marks_at_its_safe_point(void **state)
{
    struct world *world = new_world();

    (void)state;
    clear_all(world);
    store(world, VA, 1);
    clear_elsewhere(world);
    assert_int_equal(world->kicks, 1);
    assert_true(is_inline(world, VA));
    assert_false(is_dirty(world, 0));
    tlb_safepoint(&world->tlb);
    assert_false(is_inline(world, VA));
    assert_true(is_dirty(world, 0));
    assert_true(clear(world, 0));
    tlb_safepoint(&world->tlb);
    assert_false(is_dirty(world, 0));
    world_free(world);
}

/* One that is away has stored nothing since. */
static void a_vcpu_that_is_away_marks_nothing(void **state)
{
    struct world *world = new_world();

    (void)state;
    clear_all(world);
    store(world, VA, 1);
    store(world, VA + 16 * PAGE, 1);
    tlb_leave(&world->tlb);
    clear_elsewhere(world);
    tlb_enter(&world->tlb);
    assert_false(is_inline(world, VA));
    assert_false(is_inline(world, VA + 16 * PAGE));
    assert_false(is_dirty(world, 0));
    world_free(world);
}

/* Lent for an atomic, and cleared before it was made. */
static void a_lent_address_marks_later(void **state)
{
    struct world *world = world_new();
    MemoryRegion *mr = &world->mr[BIT_RAM];
    void *host;

    (void)state;
    world_map(world, VA, 0x10002000, PROT_RWX);
    assert_int_equal(memory_region_set_log(mr, true, 0), 0);
    assert_int_equal(tlb_host(&world->tlb, 0, VA, 4, TLB_WRITE, &host), 0);
    memory_region_reset_dirty(mr, 0, 1, 0);
    memset(host, 1, 4);
    tlb_leave(&world->tlb);
    assert_true(memory_region_get_dirty(mr, 0, 1, 0));
    tlb_enter(&world->tlb);
    world_free(world);
}

/* ---- No write is lost -------------------------------------------------- */

#define RACE_PAGES 8
#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define RACE_WRITES 200000
#else
#define RACE_WRITES 3000000
#endif

struct race {
    struct world *world;
    unsigned running; /* atomic */
    uint32_t seen[2][RACE_PAGES];
};

/* A word for each writer in each page. */
static uint64_t word_of(unsigned writer, unsigned page)
{
    return page * PAGE + 64 * writer;
}

/* A vCPU: inline where it may, and a safe point now and then. */
static void *write_by_tlb(void *opaque)
{
    struct race *race = opaque;
    struct world *world = race->world;
    uint64_t seed = 1;

    tlb_enter(&world->tlb);
    for (uint32_t i = 1; i <= RACE_WRITES; i++) {
        uint64_t va = VA + word_of(0, next_random(&seed) % RACE_PAGES);
        void *host = tlb_probe(&world->tlb, 0, va, 4, TLB_WRITE);

        if (host != NULL) {
            tlb_ram_store(host, 2, i);
        } else if (i % 7 == 0 &&
                   tlb_host(&world->tlb, 0, va, 4, TLB_WRITE, &host) == 0) {
            __atomic_store_n((uint32_t *)host, i, __ATOMIC_RELAXED);
        } else {
            (void)!tlb_store_slow(&world->tlb, 0, va, 2, i);
        }
        if (i % 16 == 0) {
            tlb_safepoint(&world->tlb);
        }
    }
    tlb_leave(&world->tlb);
    __atomic_fetch_sub(&race->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* A device's DMA. */
static void *write_by_dma(void *opaque)
{
    struct race *race = opaque;
    uint64_t seed = 2;

    for (uint32_t i = 1; i <= RACE_WRITES; i++) {
        hwaddr addr = 0x80000000u + word_of(1, next_random(&seed) % RACE_PAGES);

        if (i % 3 == 0) {
            uint32_t value = i;

            (void)address_space_write(&race->world->as, addr,
                                      MEMTXATTRS_UNSPECIFIED, &value, 4);
        } else {
            address_space_stl_le(&race->world->as, addr, i,
                                 MEMTXATTRS_UNSPECIFIED, NULL);
        }
    }
    __atomic_fetch_sub(&race->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Whoever is told of a page looks at it then, and never again. */
static void look(struct race *race)
{
    for (unsigned page = 0; page < RACE_PAGES; page++) {
        if (!clear(race->world, page)) {
            continue;
        }
        for (unsigned writer = 0; writer < 2; writer++) {
            const uint8_t *host =
                race->world->bytes[RAM] + word_of(writer, page);

            race->seen[writer][page] = (uint32_t)tlb_ram_load(host, 2);
        }
    }
}

static void no_write_is_lost(void **state)
{
    struct world *world = new_world();
    struct race race = { .world = world, .running = 2 };
    pthread_t threads[2];

    (void)state;
    tlb_leave(&world->tlb);
    assert_int_equal(pthread_create(&threads[0], NULL, write_by_tlb, &race), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, write_by_dma, &race), 0);
    while (__atomic_load_n(&race.running, __ATOMIC_ACQUIRE) != 0) {
        look(&race);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    look(&race);
    for (unsigned page = 0; page < RACE_PAGES; page++) {
        for (unsigned writer = 0; writer < 2; writer++) {
            const uint8_t *host = world->bytes[RAM] + word_of(writer, page);

            assert_int_equal(race.seen[writer][page], tlb_ram_load(host, 2));
        }
    }
    tlb_enter(&world->tlb);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_store_is_seen_the_next_are_inline),
        cmocka_unit_test(clearing_takes_just_those_tags),
        cmocka_unit_test(two_addresses_are_one_page),
        cmocka_unit_test(every_client_has_to_be_dirty),
        cmocka_unit_test(a_store_across_pages_marks_both),
        cmocka_unit_test(host_addresses_mark),
        cmocka_unit_test(subpages_mark),
        cmocka_unit_test(off_again_costs_nothing),
        cmocka_unit_test(clearing_in_a_callback_loses_nothing),
        cmocka_unit_test(a_running_vcpu_marks_at_its_safe_point),
        cmocka_unit_test(a_vcpu_that_is_away_marks_nothing),
        cmocka_unit_test(a_lent_address_marks_later),
        cmocka_unit_test(no_write_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
