/* SPDX-License-Identifier: MIT */
/* What commits and other threads post, and how exactly it is applied. */
#include "tests/unit/tlb/world.h"

#include <pthread.h>
#include <stdatomic.h>

/* Guest page i shows physical page 0x8000_0000 + i, in all contexts. */
static void map_ram(struct world *world)
{
    for (unsigned i = 0; i < 16; i++) {
        world_map(world, (uint64_t)i * PAGE, 0x80000000 + i * PAGE, PROT_RWX);
    }
}

static void touch_all(struct world *world, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        world_must_load(world, (uint64_t)i * PAGE, 2);
    }
}

static bool is_cached(const struct world *world, uint64_t va)
{
    return tlb__grants(&world->tlb, &world->tlb.info[0][tlb_index(va)], va,
                       TLB_READ);
}

/* ---- Exactness --------------------------------------------------------- */

/* A device moves beside RAM: its entries go, those of RAM stay. */
static void a_commit_drops_what_it_changed(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    map_ram(world);
    world_map(world, 0x20000, 0x10000000, PROT_RWX);
    world_map(world, 0x21000, 0x10001000, PROT_RWX);
    touch_all(world, 16);
    world_must_load(world, 0x20000, 2);
    world_must_load(world, 0x21000, 2);

    assert_int_equal(memory_region_set_address(&world->mr[DEVICE], 0x80010000),
                     0);
    tlb_safepoint(&world->tlb);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(world_hits(world, 0, (uint64_t)i * PAGE, TLB_READ));
    }
    assert_true(is_cached(world, 0x21000));
    assert_false(is_cached(world, 0x20000));
    assert_int_equal(world->tlb.stats.invalidated, 1);
    assert_int_equal(world->tlb.stats.flush_contexts, 0);
    assert_true(world_load(world, 0, 0x20000, 2, &value) != 0);
    assert_fault(world, 0x20000, 0, MEMTX_DECODE_ERROR);
    world_free(world);
}

/* Sections that it never had come and go: nobody is kicked for that. */
static void what_it_never_had_is_not_posted(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    map_ram(world);
    world_map(world, 0x20000, 0x10000000, PROT_RWX);
    touch_all(world, 16);
    world->kicks = 0;
    for (unsigned i = 0; i < 100; i++) {
        world_enable(world, DEVICE, i % 2);
        assert_int_equal(memory_region_set_address(&world->mr[STRICT],
                                                   0x20000000 + i * PAGE),
                         0);
    }
    assert_int_equal(world->kicks, 0);
    world_must_load(world, 0x20000, 2);
    world_enable(world, DEVICE, false);
    assert_int_equal(world->kicks, 1);
    tlb_safepoint(&world->tlb);
    assert_true(world_load(world, 0, 0x20000, 2, &value) != 0);
    /* It has seen that there is nothing: what comes is news now. */
    world_enable(world, DEVICE, true);
    assert_int_equal(world->kicks, 2);
    tlb_safepoint(&world->tlb);
    world_must_load(world, 0x20000, 2);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(world_hits(world, 0, (uint64_t)i * PAGE, TLB_READ));
    }
    world_free(world);
}

/* A device over part of a RAM page: the page is no longer direct. */
static void a_sub_page_change_drops_the_page(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 16);
    world_enable(world, OVER_SOME, true);
    world->bytes[OVER_SOME][4] = 0x44;
    tlb_safepoint(&world->tlb);
    assert_int_equal(world_must_load(world, 0x5404, 0), 0x44);
    assert_false(world_hits(world, 0, 0x5000, TLB_READ));
    world_enable(world, OVER_SOME, false);
    tlb_safepoint(&world->tlb);
    assert_int_equal(world_must_load(world, 0x5404, 0), 0);
    assert_true(world_hits(world, 0, 0x5000, TLB_READ));
    world_free(world);
}

/* After a split of the RAM section, slow accesses to its other pages must
 * not use the section that the commit retired. */
static void no_entry_outlives_its_section(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 16);
    for (unsigned round = 0; round < 4; round++) {
        world_enable(world, OVER, round % 2 == 0);
        tlb_leave(&world->tlb);
        assert_true(xbar_engine_reclaim(world->engine) >= 0);
        tlb_enter(&world->tlb);
        for (unsigned i = 0; i < 15; i++) {
            world_must_load(world, (uint64_t)i * PAGE + PAGE - 2, 2);
        }
    }
    world_free(world);
}

static void a_commit_that_shows_nothing_posts_nothing(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 16);
    world->kicks = 0;
    memory_region_transaction_begin();
    world_enable(world, OVER, true);
    world_enable(world, OVER, false);
    assert_int_equal(memory_region_transaction_commit(), 0);
    tlb_safepoint(&world->tlb);
    assert_int_equal(world->kicks, 0);
    assert_int_equal(world->tlb.stats.invalidated, 0);
    world_free(world);
}

static void a_permission_change_reaches_the_write_tag(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 1);
    assert_true(world_hits(world, 0, 0, TLB_WRITE));
    assert_int_equal(memory_region_set_readonly(&world->mr[RAM], true), 0);
    tlb_safepoint(&world->tlb);
    assert_true(world_store(world, 0, 0, 2, 1) != 0);
    assert_fault(world, 0, 0, MEMTX_ERROR);
    assert_int_equal(world_must_load(world, 0, 2), 0);
    assert_false(world_hits(world, 0, 0, TLB_WRITE));
    assert_true(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

/* ---- Room -------------------------------------------------------------- */

static void the_same_window_again_takes_no_room(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 3);
    for (unsigned i = 0; i < 200; i++) {
        world_enable(world, STRICT, i % 2);
    }
    tlb_safepoint(&world->tlb);
    assert_int_equal(world->tlb.stats.flush_contexts, 0);
    assert_true(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

/* What was applied once is not applied again with the next mail. */
static void mail_is_read_once(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 1);
    world_enable(world, OVER, true);
    tlb_post_flush(&world->tlb, 1);
    tlb_safepoint(&world->tlb);
    assert_false(world_hits(world, 0, 0, TLB_READ));
    touch_all(world, 1);
    world_enable(world, STRICT, false);
    tlb_safepoint(&world->tlb);
    assert_true(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

/* More changes than the inbox holds: everything goes, nothing is missed. One
 * that has seen a hole is told of all. */
static void too_many_changes_flush_everything(void **state)
{
    struct world *world = world_new();
    uint64_t value;

    (void)state;
    map_ram(world);
    world_map(world, 0x30000, 0x70000000, PROT_RWX);
    assert_true(world_load(world, 0, 0x30000, 2, &value) != 0);
    touch_all(world, 16);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(memory_region_set_address(&world->mr[DEVICE],
                                                   0x90000000 + i * 0x10000),
                         0);
    }
    world_enable(world, OVER, true);
    world->bytes[OVER][0] = 0x66;
    tlb_safepoint(&world->tlb);
    assert_int_equal(world->tlb.stats.flush_contexts, TLB_CONTEXTS);
    assert_int_equal(world_must_load(world, 0x3000, 0), 0x66);
    world->tlb.stats.flush_contexts = 0;
    tlb_safepoint(&world->tlb); /* the mail was emptied */
    assert_int_equal(world->tlb.stats.flush_contexts, 0);
    world_free(world);
}

/* ---- Other threads ----------------------------------------------------- */

static void post_flush_waits_for_the_safe_point(void **state)
{
    struct world *world = world_new();

    (void)state;
    map_ram(world);
    touch_all(world, 4);
    world->kicks = 0;
    tlb_post_flush(&world->tlb, 1u << 1);
    tlb_safepoint(&world->tlb);
    assert_true(world_hits(world, 0, 0, TLB_READ));
    tlb_post_flush(&world->tlb, UINT32_MAX);
    assert_int_equal(world->kicks, 2);
    assert_true(world_hits(world, 0, 0, TLB_READ));
    tlb_safepoint(&world->tlb);
    assert_false(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

/* A committer that does one change per request. */
struct committer {
    struct world *world;
    _Atomic unsigned wanted;
    _Atomic unsigned done; /* commits that returned */
    _Atomic bool stop;
    _Atomic unsigned failures;
};

/* Odd rounds: the device shows; even ones: the RAM below it. */
static void commit_round(struct committer *committer, unsigned round)
{
    struct world *world = committer->world;

    if (memory_region_set_enabled(&world->mr[OVER], round % 2) != 0) {
        committer->failures++;
    }
    atomic_store(&committer->done, round);
    tlb_post_flush(&world->tlb, 1u << (round % TLB_CONTEXTS));
    if (round % 16 == 0 && xbar_engine_reclaim(world->engine) < 0) {
        committer->failures++;
    }
}

static void *run_committer(void *opaque)
{
    struct committer *committer = opaque;
    unsigned round = 0;

    while (!committer->stop) {
        if (atomic_load(&committer->wanted) > round) {
            commit_round(committer, ++round);
        }
    }
    return NULL;
}

/* While a commit is under way the owner sees the old or the new; after its
 * return and a safe point, the new. */
static void the_owner_runs_while_others_commit(void **state)
{
    struct world *world = world_new();
    struct committer committer = { .world = world };
    pthread_t thread;

    (void)state;
    map_ram(world);
    world->bytes[OVER][0] = 1;
    assert_int_equal(pthread_create(&thread, NULL, run_committer, &committer),
                     0);
    for (unsigned round = 1; round <= 500; round++) {
        atomic_store(&committer.wanted, round);
        do {
            assert_true(world_must_load(world, 0x3000, 0) <= 1);
            assert_int_equal(world_must_load(world, 0x2ffe, 1), 0);
            tlb_safepoint(&world->tlb);
        } while (atomic_load(&committer.done) < round);
        tlb_safepoint(&world->tlb);
        assert_int_equal(world_must_load(world, 0x3000, 0), round % 2);
    }
    committer.stop = true;
    tlb_leave(&world->tlb);
    pthread_join(thread, NULL);
    tlb_enter(&world->tlb);
    assert_int_equal(committer.failures, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_drops_what_it_changed),
        cmocka_unit_test(what_it_never_had_is_not_posted),
        cmocka_unit_test(a_sub_page_change_drops_the_page),
        cmocka_unit_test(no_entry_outlives_its_section),
        cmocka_unit_test(a_commit_that_shows_nothing_posts_nothing),
        cmocka_unit_test(a_permission_change_reaches_the_write_tag),
        cmocka_unit_test(the_same_window_again_takes_no_room),
        cmocka_unit_test(mail_is_read_once),
        cmocka_unit_test(too_many_changes_flush_everything),
        cmocka_unit_test(post_flush_waits_for_the_safe_point),
        cmocka_unit_test(the_owner_runs_while_others_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
