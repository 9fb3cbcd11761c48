/* SPDX-License-Identifier: MIT */
/*
 * Watched bytes: each access to them is told, whatever way it takes, and no
 * other; and accesses do what they do without.
 */
#include "tests/unit/tlb/world.h"

#define VA     UINT64_C(0x40000000) /* of RAM's first two pages */
#define DEV_VA UINT64_C(0x41000000)
#define BIT_VA UINT64_C(0x42000000) /* the page of pieces */

struct hit {
    const struct xbar_tlb_watch *watch;
    uint64_t first;
    enum xbar_tlb_access access;
};

struct ears {
    struct hit hits[8];
    unsigned count;
};

static struct ears ears;

static void touched(void *opaque, const struct xbar_tlb_watch *watch,
                    uint64_t first, enum xbar_tlb_access access)
{
    struct ears *e = opaque;

    assert_true(e->count < 8);
    e->hits[e->count++] = (struct hit){ watch, first, access };
}

static struct world *open_world(void)
{
    struct world *world = world_new();

    ears.count = 0;
    world_map(world, VA, 0x80000000, PROT_RWX);
    world_map(world, VA + PAGE, 0x80001000, PROT_RWX);
    world_map(world, VA + 2 * PAGE, 0x80002000, PROT_RWX);
    world_map(world, DEV_VA, 0x10000000, PROT_RWX);
    world_map(world, BIT_VA, 0x10002000, PROT_RWX);
    return world;
}

/* ---- What is told ------------------------------------------------------ */

static bool is_told(struct world *world, uint64_t va, unsigned size_log2,
                    enum xbar_tlb_access access)
{
    unsigned before = ears.count;
    uint64_t value = 0;

    if (access == TLB_WRITE) {
        assert_int_equal(world_store(world, 0, va, size_log2, 0x55), 0);
    } else {
        assert_int_equal(world_load(world, 0, va, size_log2, &value), 0);
    }
    if (ears.count == before) {
        return false;
    }
    assert_int_equal(ears.count, before + 1);
    assert_int_equal(ears.hits[before].access, access);
    ears.count = before;
    return true;
}

/* Every size at every place around watched bytes of every length, against what
 * can be said by counting on one's fingers. */
static void check_around(struct world *world, uint64_t base, unsigned prot)
{
    for (unsigned watched = 1; watched <= 9; watched += 2) {
        const struct xbar_tlb_watch watch = { base, watched, (uint8_t)prot };
        const struct xbar_tlb_watches watches = { &watch, 1, 1, touched,
                                                  &ears };

        tlb_watch(&world->tlb, &watches);
        for (uint64_t va = base - 9; va != base + 19; va++) {
            for (unsigned log2 = 0; log2 < 4; log2++) {
                bool meets = va + (1u << log2) > base && va < base + watched;

                assert_int_equal(is_told(world, va, log2, TLB_READ),
                                 meets && (prot & TLB_PROT_READ));
                assert_int_equal(is_told(world, va, log2, TLB_WRITE),
                                 meets && (prot & TLB_PROT_WRITE));
                if (meets) {
                    assert_ptr_equal(ears.hits[0].watch, &watch);
                    assert_int_equal(ears.hits[0].first, va < base ? base : va);
                }
            }
        }
        tlb_watch(&world->tlb, NULL);
    }
}

static void what_touches_is_told_and_nothing_else(void **state)
{
    struct world *world = open_world();

    (void)state;
    for (unsigned prot = 1; prot <= 3; prot++) {
        check_around(world, VA + 0x100, prot);
        check_around(world, VA + PAGE - 4, prot); /* over the page's end */
        check_around(world, VA + PAGE, prot);
    }
    world_free(world);
}

static void devices_are_watched_too(void **state)
{
    struct world *world = open_world();

    (void)state;
    for (unsigned prot = 1; prot <= 3; prot++) {
        check_around(world, DEV_VA + 0x100, prot);
        check_around(world, BIT_VA + 0x700, prot);
    }
    world_free(world);
}

static void several_watches_are_told_each(void **state)
{
    struct world *world = open_world();
    const struct xbar_tlb_watch watch[] = {
        { VA + 4, 4, TLB_PROT_WRITE },
        { VA + 6, 1, TLB_PROT_READ | TLB_PROT_WRITE },
        { VA + 8, 8, TLB_PROT_READ | TLB_PROT_WRITE },
        { VA, 0, TLB_PROT_READ | TLB_PROT_WRITE },
    };
    const struct xbar_tlb_watches watches = { watch, 4, 1, touched, &ears };

    (void)state;
    tlb_watch(&world->tlb, &watches);
    assert_int_equal(world_store(world, 0, VA, 3, 0), 0);
    assert_int_equal(ears.count, 2);
    assert_ptr_equal(ears.hits[0].watch, &watch[0]);
    assert_ptr_equal(ears.hits[1].watch, &watch[1]);
    assert_int_equal(ears.hits[1].first, VA + 6);
    assert_int_equal(world_must_load(world, VA, 3), 0);
    assert_int_equal(ears.count, 3);
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

/* The last bytes there are, and a watch that holds all. */
static void the_top_is_no_special_place(void **state)
{
    struct world *world = open_world();
    struct xbar_tlb_watch watch = { UINT64_MAX - 3, 4, TLB_PROT_READ };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };

    (void)state;
    world_map(world, -(uint64_t)PAGE, 0x80000000, PROT_RWX);
    world_map(world, 0, 0x80001000, PROT_RWX);
    tlb_watch(&world->tlb, &watches);
    assert_false(is_told(world, 0, 2, TLB_READ));
    assert_false(is_told(world, UINT64_MAX - 7, 2, TLB_READ));
    assert_true(is_told(world, UINT64_MAX - 4, 1, TLB_READ));
    assert_true(is_told(world, UINT64_MAX, 0, TLB_READ));
    assert_true(is_told(world, UINT64_MAX, 1, TLB_READ)); /* wraps around */
    watch = (struct xbar_tlb_watch){ 0, UINT64_MAX, TLB_PROT_READ };
    tlb_watch(&world->tlb, &watches);
    assert_true(is_told(world, VA, 2, TLB_READ));
    assert_true(is_told(world, UINT64_MAX - 1, 0, TLB_READ));
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

static void other_ways_are_watched(void **state)
{
    struct world *world = open_world();
    const struct xbar_tlb_watch watch = { VA + 20, 4,
                                          TLB_PROT_READ | TLB_PROT_WRITE };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };
    uint8_t bytes[16] = { 0 };
    void *host;

    (void)state;
    tlb_watch(&world->tlb, &watches);
    assert_int_equal(tlb_load_bytes(&world->tlb, 0, VA + 8, bytes, 13), 0);
    assert_int_equal(tlb_store_bytes(&world->tlb, 0, VA + 23, bytes, 16), 0);
    assert_int_equal(tlb_load_bytes(&world->tlb, 0, VA + 8, bytes, 12), 0);
    assert_int_equal(tlb_store_bytes(&world->tlb, 0, VA + 24, bytes, 16), 0);
    assert_int_equal(ears.count, 2);
    assert_int_equal(ears.hits[0].access, TLB_READ);
    assert_int_equal(ears.hits[1].access, TLB_WRITE);
    /* An atomic access is a load and a store. */
    assert_int_equal(tlb_host(&world->tlb, 0, VA + 20, 4, TLB_WRITE, &host), 0);
    assert_int_equal(ears.count, 4);
    assert_int_equal(tlb_host(&world->tlb, 0, VA + 20, 4, TLB_READ, &host), 0);
    assert_int_equal(ears.count, 5);
    assert_int_equal(tlb_host(&world->tlb, 0, VA + 20, 4, TLB_EXEC, &host), 0);
    assert_int_equal(tlb_host(&world->tlb, 0, VA + 24, 4, TLB_WRITE, &host), 0);
    assert_int_equal(ears.count, 5);
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

/* An access that is not carried out touched nothing. */
static void faults_are_not_told(void **state)
{
    struct world *world = open_world();
    const struct xbar_tlb_watch watch = { VA, 4 * PAGE,
                                          TLB_PROT_READ | TLB_PROT_WRITE };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };
    uint8_t bytes[16] = { 0 };
    uint64_t value;
    void *host;

    (void)state;
    world_map(world, VA + PAGE, 0x80001000, TLB_PROT_READ);
    tlb_watch(&world->tlb, &watches);
    assert_int_not_equal(world_store(world, 0, VA + PAGE, 3, 0), 0);
    assert_int_not_equal(world_store(world, 0, VA + PAGE - 4, 3, 0), 0);
    assert_int_not_equal(world_load(world, 0, VA + 3 * PAGE, 3, &value), 0);
    assert_int_not_equal(
        tlb_store_bytes(&world->tlb, 0, VA + PAGE - 8, bytes, 16), 0);
    assert_int_not_equal(
        tlb_load_bytes(&world->tlb, 0, VA + 3 * PAGE - 8, bytes, 16), 0);
    assert_int_not_equal(
        tlb_host(&world->tlb, 0, VA + PAGE, 8, TLB_WRITE, &host), 0);
    assert_int_equal(ears.count, 0);
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

/* ---- What it costs others ---------------------------------------------- */

static void only_watched_pages_miss(void **state)
{
    struct world *world = open_world();
    struct xbar_tlb_watch watch = { VA + 8, 1, TLB_PROT_WRITE };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };

    (void)state;
    tlb_watch(&world->tlb, &watches);
    world_must_load(world, VA + 100, 0);
    world_must_load(world, VA + PAGE, 0);
    assert_true(world_hits(world, 0, VA + 100, TLB_READ));
    assert_false(world_hits(world, 0, VA + 100, TLB_WRITE));
    assert_true(world_hits(world, 0, VA + 100, TLB_EXEC));
    assert_true(world_hits(world, 0, VA + PAGE, TLB_WRITE));
    watch.prot = TLB_PROT_READ;
    tlb_watch(&world->tlb, &watches);
    world_must_load(world, VA + 100, 0);
    assert_false(world_hits(world, 0, VA + 100, TLB_READ));
    assert_false(world_hits(world, 0, VA + 100, TLB_WRITE));
    assert_true(world_hits(world, 0, VA + 100, TLB_EXEC));
    tlb_watch(&world->tlb, NULL);
    world_must_load(world, VA + 100, 0);
    assert_true(world_hits(world, 0, VA + 100, TLB_WRITE));
    world_free(world);
}

static bool hits_small(const struct world *world, uint64_t va)
{
    return tlb_probe_page(&world->tlb, 0, va, 1, TLB_READ, 10) != NULL;
}

static void small_pages_miss_each_by_itself(void **state)
{
    struct world *world = open_world();
    struct xbar_tlb_config config = world->tlb.config;
    const struct xbar_tlb_watch watch = { VA + 8, 1, TLB_PROT_READ };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };
    uint64_t value;

    (void)state;
    tlb_leave(&world->tlb);
    tlb_destroy(&world->tlb);
    config.page_bits = 10;
    assert_int_equal(tlb_init(&world->tlb, &config), 0);
    tlb_enter(&world->tlb);
    tlb_watch(&world->tlb, &watches);
    for (uint64_t va = VA; va != VA + PAGE; va += 1024) {
        assert_int_equal(tlb_load_slow(&world->tlb, 0, va + 8, 0, &value), 0);
        assert_int_equal(hits_small(world, va + 8), va != VA);
    }
    assert_int_equal(ears.count, 1);
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

/* What hit before it was watched does so no more, spans included. */
static void what_is_cached_goes(void **state)
{
    struct world *world = open_world();
    const struct xbar_tlb_watch watch = { VA + PAGE + 8, 1, TLB_PROT_READ };
    const struct xbar_tlb_watches watches = { &watch, 1, 1 << 1, touched,
                                              &ears };
    uint64_t value;

    (void)state;
    for (unsigned context = 0; context < 2; context++) {
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(
                world_load(world, context, VA + i * PAGE + 8, 0, &value), 0);
        }
    }
    tlb_watch(&world->tlb, &watches);
    assert_int_equal(world_load(world, 1, VA + 8, 0, &value), 0);
    assert_int_equal(world_load(world, 1, VA + PAGE + 8, 0, &value), 0);
    assert_int_equal(ears.count, 1);
    /* Another context is nobody's business. */
    assert_true(world_hits(world, 0, VA + PAGE + 8, TLB_READ));
    assert_int_equal(world_load(world, 0, VA + PAGE + 8, 0, &value), 0);
    assert_int_equal(ears.count, 1);
    tlb_watch(&world->tlb, NULL);
    assert_int_equal(world_load(world, 1, VA + PAGE + 8, 0, &value), 0);
    assert_int_equal(ears.count, 1);
    world_free(world);
}

static void devices_do_what_they_do(void **state)
{
    struct world *world = open_world();
    const struct xbar_tlb_watch watch = { DEV_VA, PAGE,
                                          TLB_PROT_READ | TLB_PROT_WRITE };
    const struct xbar_tlb_watches watches = { &watch, 1, 1, touched, &ears };

    (void)state;
    tlb_watch(&world->tlb, &watches);
    assert_int_equal(world_store(world, 0, DEV_VA + 8, 2, 0x1234), 0);
    assert_int_equal(world_must_load(world, DEV_VA + 8, 2), 0x1234);
    assert_int_equal(world_must_load(world, DEV_VA + 8, 2), 0x1234);
    assert_int_equal(world->call_count, 3);
    assert_int_equal(world->calls[0].size, 4);
    assert_true(world->calls[0].is_write);
    assert_int_equal(world->calls[2].offset, 8);
    assert_int_equal(ears.count, 3);
    tlb_watch(&world->tlb, NULL);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_touches_is_told_and_nothing_else),
        cmocka_unit_test(devices_are_watched_too),
        cmocka_unit_test(several_watches_are_told_each),
        cmocka_unit_test(the_top_is_no_special_place),
        cmocka_unit_test(other_ways_are_watched),
        cmocka_unit_test(faults_are_not_told),
        cmocka_unit_test(only_watched_pages_miss),
        cmocka_unit_test(small_pages_miss_each_by_itself),
        cmocka_unit_test(what_is_cached_goes),
        cmocka_unit_test(devices_do_what_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
