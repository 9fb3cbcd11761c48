/* SPDX-License-Identifier: MIT */
/*
 * The second level: what saves a walk, and what must not.
 */
#include "world.h"

#define VA      UINT64_C(0x40000000)
#define ALIAS   (VA + TLB_L1_SIZE * TLB_PAGE_SIZE) /* the same slot of L1 */
#define CONTEXT 2u

static uint64_t walks(const struct world *world)
{
    return world->tlb.stats.walks;
}

static uint64_t load(struct world *world, uint64_t va)
{
    uint64_t value = 0;

    assert_int_equal(world_load(world, CONTEXT, va, 3, &value), 0);
    return value;
}

/* Two pages of RAM behind VA and ALIAS, each beginning with its number. */
static struct world *open_world(void)
{
    struct world *world = world_new();

    world_map(world, VA, 0x80000000, TLB_PROT_READ | TLB_PROT_WRITE);
    world_map(world, ALIAS, 0x80001000, TLB_PROT_READ);
    memcpy(world->bytes[RAM], &(uint64_t){ 1 }, 8);
    memcpy(world->bytes[RAM] + PAGE, &(uint64_t){ 2 }, 8);
    return world;
}

/* Both are known; VA is not in the first level. */
static void know_both(struct world *world)
{
    assert_int_equal(load(world, VA), 1);
    assert_int_equal(load(world, ALIAS), 2);
    assert_false(world_hits(world, CONTEXT, VA, TLB_READ));
}

static void test_back_without_a_walk(void **state)
{
    struct world *world = open_world();
    uint64_t before;

    (void)state;
    know_both(world);
    before = walks(world);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(load(world, VA), 1);
        assert_int_equal(load(world, ALIAS), 2);
    }
    assert_int_equal(walks(world), before);
    assert_int_equal(world->tlb.stats.l2_hits, 20);
    world_free(world);
}

/* After each kind of flush the walker is asked again. */
static void test_flushes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct world *world = open_world();
        uint64_t before;

        know_both(world);
        before = walks(world);
        switch (kind) {
        case 0:
            tlb_flush(&world->tlb, 1u << CONTEXT);
            break;
        case 1:
            tlb_flush_page(&world->tlb, 1u << CONTEXT, VA + 0x123);
            break;
        case 2:
            tlb_flush_asid(&world->tlb, 1u << CONTEXT, 0);
            break;
        default:
            tlb_flush(&world->tlb, TLB_ALL_CONTEXTS);
            break;
        }
        world_map(world, VA, 0x80001000, TLB_PROT_READ);
        assert_int_equal(load(world, VA), 2);
        assert_int_equal(walks(world), before + 1);
        world_free(world);
    }
}

/* Another context's flush, and another page's, leave it. */
static void test_other_flushes(void **state)
{
    struct world *world = open_world();
    uint64_t before;

    (void)state;
    know_both(world);
    before = walks(world);
    tlb_flush(&world->tlb, TLB_ALL_CONTEXTS & ~(1u << CONTEXT));
    tlb_flush_page(&world->tlb, TLB_ALL_CONTEXTS, VA + PAGE);
    tlb_flush_page(&world->tlb, TLB_ALL_CONTEXTS & ~(1u << CONTEXT), VA);
    assert_int_equal(load(world, VA), 1);
    assert_int_equal(walks(world), before);
    world_free(world);
}

/* Each address space keeps its own; a page of all of them is found by each. */
static void test_ids(void **state)
{
    struct world *world = open_world();
    uint64_t before;

    (void)state;
    world_find(world, ALIAS)->walk.global = true;
    assert_int_equal(load(world, VA), 1);
    assert_int_equal(load(world, ALIAS), 2);

    tlb_switch_asid(&world->tlb, 1u << CONTEXT, 7);
    world_map(world, VA, 0x80001000, TLB_PROT_READ);
    before = walks(world);
    assert_int_equal(load(world, ALIAS), 2);
    assert_int_equal(walks(world), before);
    assert_int_equal(load(world, VA), 2);
    assert_int_equal(walks(world), before + 1);

    for (unsigned i = 0; i < 4; i++) {
        tlb_switch_asid(&world->tlb, 1u << CONTEXT, i % 2 ? 7 : 0);
        assert_int_equal(load(world, VA), i % 2 ? 2 : 1);
    }
    assert_int_equal(walks(world), before + 1);
    world_free(world);
}

/* A store to a page that was only read has to be walked for: the dirty bit. */
static void test_permissions(void **state)
{
    struct world *world = open_world();
    uint64_t before;

    (void)state;
    world_find(world, VA)->walk.prot = TLB_PROT_READ;
    know_both(world);
    before = walks(world);
    world_find(world, VA)->walk.prot = TLB_PROT_READ | TLB_PROT_WRITE;
    assert_int_equal(world_store(world, CONTEXT, VA, 3, 5), 0);
    assert_int_equal(walks(world), before + 1);
    assert_int_equal(load(world, ALIAS), 2);
    assert_int_equal(world_store(world, CONTEXT, VA, 3, 6), 0);
    assert_int_equal(load(world, VA), 6);
    assert_int_equal(walks(world), before + 1);
    world_free(world);
}

/* What decodes is not kept here: a commit is seen, and no walk is made. */
static void test_commits(void **state)
{
    struct world *world = world_new();
    uint64_t before;
    uint64_t value;

    (void)state;
    world_map(world, VA, 0x80003000, TLB_PROT_READ | TLB_PROT_WRITE);
    assert_int_equal(world_store(world, CONTEXT, VA, 3, 77), 0);
    before = walks(world);
    world_enable(world, OVER, true);
    tlb_safepoint(&world->tlb);
    assert_int_equal(world_load(world, CONTEXT, VA, 3, &value), 0);
    assert_int_not_equal(value, 77);
    world_enable(world, OVER, false);
    tlb_safepoint(&world->tlb);
    assert_int_equal(load(world, VA), 77);
    assert_int_equal(walks(world), before);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_without_a_walk),
        cmocka_unit_test(test_flushes),
        cmocka_unit_test(test_other_flushes),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
