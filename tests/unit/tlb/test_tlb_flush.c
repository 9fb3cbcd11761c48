/* SPDX-License-Identifier: MIT */
/* Dropping exactly what was named, on the owner thread. */
#include "tests/unit/tlb/world.h"

/* Fill @count slots of @context with RAM pages. */
static void fill_many(struct world *world, unsigned context, unsigned count)
{
    uint64_t value;

    for (unsigned i = 0; i < count; i++) {
        world->mappings = 0;
        world_map(world, (uint64_t)i * PAGE, 0x80000000 + i % 16 * PAGE,
                  PROT_RWX);
        assert_int_equal(
            world_load(world, context, (uint64_t)i * PAGE, 0, &value), 0);
    }
}

static unsigned count_hits(struct world *world, unsigned context)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < TLB_L1_SIZE; i++) {
        hits += world_hits(world, context, (uint64_t)i * PAGE, TLB_READ);
    }
    return hits;
}

/* Around the length of the fill list, and with the whole table. */
static void flush_empties_the_contexts_named(void **state)
{
    static const unsigned counts[] = {
        0, 1, 255, 256, 257, 258, TLB_L1_SIZE - 1, TLB_L1_SIZE
    };
    struct world *world = world_new();

    (void)state;
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        fill_many(world, 3, counts[i]);
        fill_many(world, 5, 10);
        assert_int_equal(count_hits(world, 3), counts[i]);
        tlb_flush(&world->tlb, 1u << 3 | 1u << 0);
        assert_int_equal(count_hits(world, 3), 0);
        assert_int_equal(world->tlb.filled[3], 0); /* short again */
        assert_int_equal(count_hits(world, 5), 10);
        tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
        assert_int_equal(count_hits(world, 5), 0);
    }
    world_free(world);
}

static void flush_counts_contexts(void **state)
{
    struct world *world = world_new();

    (void)state;
    tlb_flush(&world->tlb, 0);
    assert_int_equal(world->tlb.stats.flush_contexts, 0);
    tlb_flush(&world->tlb, UINT32_MAX);
    assert_int_equal(world->tlb.stats.flush_contexts, TLB_CONTEXTS);
    world_free(world);
}

/* Dropped and filled again many times: the list may name a slot twice. */
static void refilling_does_not_lose_slots(void **state)
{
    struct world *world = world_new();

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        fill_many(world, 0, 3);
        tlb_flush_page(&world->tlb, 1, (uint64_t)(i % 3) * PAGE);
        assert_int_equal(count_hits(world, 0), 2);
    }
    fill_many(world, 0, 40);
    tlb_flush(&world->tlb, 1);
    assert_int_equal(count_hits(world, 0), 0);
    world_free(world);
}

static void flush_page_takes_that_page_only(void **state)
{
    struct world *world = world_new();

    (void)state;
    fill_many(world, 0, 100);
    fill_many(world, 1, 100);
    tlb_flush_page(&world->tlb, 1u << 1, 7 * PAGE + 0x123);
    assert_int_equal(count_hits(world, 0), 100);
    assert_int_equal(count_hits(world, 1), 99);
    assert_false(world_hits(world, 1, 7 * PAGE, TLB_READ));
    /* The same slot, another page. */
    tlb_flush_page(&world->tlb, 1u << 1, (8 + TLB_L1_SIZE) * (uint64_t)PAGE);
    assert_true(world_hits(world, 1, 8 * PAGE, TLB_READ));
    assert_int_equal(world->tlb.stats.flush_pages, 2);
    world_free(world);
}

/* Entries that do not hit inline go as well: a device page moves. */
static void flush_page_takes_device_pages(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x10000000, PROT_RWX);
    world_must_load(world, 0, 2);
    world_map(world, 0, 0x10001000, PROT_RWX);
    tlb_flush_page(&world->tlb, TLB_ALL_CONTEXTS, 0);
    world_must_load(world, 0, 2);
    assert_int_equal(world->calls[1].place, STRICT);
    world_free(world);
}

/* Fill @count slots of @context, every fourth with a global page. */
static void fill_some_global(struct world *world, unsigned context,
                             unsigned count)
{
    uint64_t value;

    for (unsigned i = 0; i < count; i++) {
        world->mappings = 0;
        world_map(world, (uint64_t)i * PAGE, 0x80000000 + i % 16 * PAGE,
                  PROT_RWX);
        world->map[0].walk.global = i % 4 == 0;
        assert_int_equal(
            world_load(world, context, (uint64_t)i * PAGE, 0, &value), 0);
    }
}

/* With few entries, which are listed, and with many, whose list ran over. */
static void switch_keeps_what_is_global(void **state)
{
    static const unsigned counts[] = { 0,   1,   255,  256,
                                       257, 800, 1023, TLB_L1_SIZE };
    struct world *world = world_new();

    (void)state;
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        unsigned kept = (counts[i] + 3) / 4;

        fill_some_global(world, 3, counts[i]);
        fill_some_global(world, 5, 10);
        tlb_switch_asid(&world->tlb, 1u << 3, (uint16_t)(i + 1));
        assert_int_equal(count_hits(world, 3), kept);
        for (unsigned slot = 0; slot < counts[i]; slot++) {
            assert_int_equal(
                world_hits(world, 3, (uint64_t)slot * PAGE, TLB_READ),
                slot % 4 == 0);
        }
        assert_int_equal(count_hits(world, 5), 10);
        /* Whatever was kept is found again by who drops all. */
        tlb_switch_asid(&world->tlb, 1u << 3, 0);
        assert_int_equal(count_hits(world, 3), kept);
        tlb_flush(&world->tlb, 1u << 3 | 1u << 5);
        assert_int_equal(count_hits(world, 3), 0);
        assert_int_equal(world->tlb.filled[3], 0);
    }
    world_free(world);
}

/* Global entries and those of other ids stay. */
static void flush_asid_takes_its_own(void **state)
{
    struct world *world = world_new();

    (void)state;
    for (unsigned i = 0; i < 80; i++) {
        uint64_t va = (uint64_t)i * PAGE;

        world->mappings = 0;
        world_map(world, va, 0x80000000, PROT_RWX);
        world->map[0].walk.global = i % 4 == 0;
        tlb_set_asid(&world->tlb, i % 2 ? 0x1234 : 0x34);
        world_must_load(world, va, 0);
    }
    tlb_flush_asid(&world->tlb, ~1u, 0x34); /* not this context */
    assert_int_equal(count_hits(world, 0), 80);
    tlb_flush_asid(&world->tlb, 1, 0x34);
    for (unsigned i = 0; i < 80; i++) {
        assert_int_equal(world_hits(world, 0, (uint64_t)i * PAGE, TLB_READ),
                         i % 4 == 0 || i % 2 == 1);
    }
    tlb_flush_asid(&world->tlb, 1, 0x1234);
    assert_int_equal(count_hits(world, 0), 20);
    world_free(world);
}

static void set_asid_flushes_nothing(void **state)
{
    struct world *world = world_new();

    (void)state;
    fill_many(world, 0, 20);
    tlb_set_asid(&world->tlb, 9);
    assert_int_equal(count_hits(world, 0), 20);
    world_free(world);
}

/* Ranges touch a page from below, from above, inside, and around it. */
static void ranges_drop_the_pages_they_touch(void **state)
{
    static const struct {
        struct xbar_range range;
        bool drops[3]; /* the pages at 0x8000_1000, _2000, _3000 */
    } cases[] = {
        { { 0x80001fff, 0x80002000 }, { true, true, false } },
        { { 0x80002000, 0x80002fff }, { false, true, false } },
        { { 0x80002800, 0x80002800 }, { false, true, false } },
        { { 0x80002fff, 0x80003000 }, { false, true, true } },
        { { 0, UINT64_MAX }, { true, true, true } },
        { { 0, 0x80000fff }, { false, false, false } },
        { { 0x80004000, UINT64_MAX }, { false, false, false } },
    };
    struct world *world = world_new();

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world_map(world, i * PAGE, 0x80001000 + i * PAGE, PROT_RWX);
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned page = 0; page < 3; page++) {
            world_must_load(world, page * PAGE, 0);
        }
        tlb__drop_ranges(&world->tlb, &cases[i].range, 1);
        for (unsigned page = 0; page < 3; page++) {
            assert_int_equal(world_hits(world, 0, page * PAGE, TLB_READ),
                             !cases[i].drops[page]);
        }
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flush_empties_the_contexts_named),
        cmocka_unit_test(flush_counts_contexts),
        cmocka_unit_test(refilling_does_not_lose_slots),
        cmocka_unit_test(flush_page_takes_that_page_only),
        cmocka_unit_test(flush_page_takes_device_pages),
        cmocka_unit_test(switch_keeps_what_is_global),
        cmocka_unit_test(flush_asid_takes_its_own),
        cmocka_unit_test(set_asid_flushes_nothing),
        cmocka_unit_test(ranges_drop_the_pages_they_touch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
