/* SPDX-License-Identifier: MIT */
/*
 * What parts take off the budget: of a few loops, and of random ones that on
 * every walk each instruction is paid for before it is executed, once, and that
 * nothing is in advance where a loop begins.
 */
#include "jit/riscv/region/region.h"

#include "random_regions.h"

static struct riscv_region *plan(const uint32_t *code, size_t count,
                                 struct region_budget *budget)
{
    struct riscv_region *region = look(code, count, 0);

    assert_non_null(region);
    riscv__plan_budget(region, budget);
    return region;
}

/* The head pays for all, whatever leaves on the way. */
static void ways_out(void **state)
{
    const uint32_t code[] = { STEP, branch(9), STEP,       branch(9),
                              STEP, STEP,      branch(-6), INSN_SELF };
    struct region_budget budget;
    struct riscv_region *region = plan(code, COUNT(code), &budget);

    (void)state;
    assert_int_equal(region->part_count, 3);
    assert_int_equal(budget.charge[0], 7);
    assert_int_equal(budget.charge[1], 0);
    assert_int_equal(budget.charge[2], 0);
    assert_int_equal(budget.ahead[0], 5);
    assert_int_equal(budget.ahead[1], 3);
    assert_int_equal(budget.ahead[2], 0);
    assert_int_equal(budget.ahead_max, 5);
    test_free(region);
}

/* Its inside pays for itself. */
static void an_if(void **state)
{
    const uint32_t code[] = { STEP, branch(4), STEP,       STEP,
                              STEP, STEP,      branch(-6), INSN_SELF };
    struct region_budget budget;
    struct riscv_region *region = plan(code, COUNT(code), &budget);

    (void)state;
    assert_int_equal(region->part_count, 3);
    assert_int_equal(budget.charge[0], 4);
    assert_int_equal(budget.charge[1], 3);
    assert_int_equal(budget.charge[2], 0);
    assert_int_equal(budget.ahead[0], 2);
    assert_int_equal(budget.ahead[1], 2);
    test_free(region);
}

/* Of two ways the longer one pays for what it is longer by. */
static void an_else(void **state)
{
    const uint32_t code[] = {
        branch(5), /* 0: to 5 */
        STEP,      /* 1 */
        STEP,      /* 2 */
        STEP,      /* 3 */
        encode(RISCV_OP_JAL, 0, 0, 0, 8),
        STEP,       /* 5 */
        branch(-6), /* 6: to 0 */
        INSN_SELF,
    };
    struct region_budget budget;
    struct riscv_region *region = plan(code, COUNT(code), &budget);

    (void)state;
    assert_int_equal(region->part_count, 4);
    assert_int_equal(budget.charge[0], 3); /* 0, 5 and 6 */
    assert_int_equal(budget.charge[1], 3);
    assert_int_equal(budget.charge[2], 0);
    assert_int_equal(budget.charge[3], 0);
    test_free(region);
}

/* Nothing is in advance where an inner one begins. */
static void nested_loops(void **state)
{
    const uint32_t code[] = {
        INSN_NOP,   /* 0: outer */
        STEP,       /* 1: inner */
        branch(-1), /* 2: to 1 */
        STEP,       /* 3 */
        branch(-4), /* 4: to 0 */
        INSN_SELF,
    };
    struct region_budget budget;
    struct riscv_region *region = plan(code, COUNT(code), &budget);

    (void)state;
    assert_int_equal(region->part_count, 3);
    assert_int_equal(budget.charge[0], 1);
    assert_int_equal(budget.charge[1], 2);
    assert_int_equal(budget.charge[2], 2);
    assert_int_equal(budget.ahead_max, 0);
    test_free(region);
}

/* ---- Walks ------------------------------------------------------------- */

static void walk(const struct riscv_region *region,
                 const struct region_budget *budget, uint64_t *seed)
{
    unsigned at = 0, advance = 0;

    for (unsigned step = 0; step < 200; step++) {
        const struct region_part *part = &region->parts[at];
        const struct region_edge *edge =
            part->branches && rig_random(seed) % 2 ? &part->taken : &part->next;

        assert_true(!part->checks || advance == 0);
        assert_true(!part->checks || budget->charge[at] != 0);
        advance += budget->charge[at];
        assert_true(advance >= part->count);
        advance -= part->count;
        assert_int_equal(advance, budget->ahead[at]);
        assert_true(advance <= budget->ahead_max);
        if (edge->leaves) {
            return;
        }
        at = edge->part;
    }
}

static unsigned count_paying(const struct riscv_region *region,
                             const struct region_budget *budget)
{
    unsigned paying = 0;

    for (unsigned i = 0; i < region->part_count; i++) {
        paying += budget->charge[i] != 0;
    }
    return paying;
}

static void walks(void **state)
{
    struct region_budget budget;
    uint64_t seed = 0xd1b54a32d192ed03u;
    unsigned regions = 0, parts = 0, paying = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct riscv_region *region = random_region(&seed);

        if (region == NULL) {
            continue;
        }
        if (rig_random(&seed) % 2) {
            riscv__peel_loops(region);
        }
        riscv__plan_budget(region, &budget);
        for (unsigned k = 0; k < 20; k++) {
            walk(region, &budget, &seed);
        }
        regions++;
        parts += region->part_count;
        paying += count_paying(region, &budget);
        test_free(region);
    }
    print_message("%u regions of %u parts, of which %u pay\n", regions, parts,
                  paying);
    assert_true(regions > 500 && paying < parts * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_out), cmocka_unit_test(an_if),
        cmocka_unit_test(an_else),  cmocka_unit_test(nested_loops),
        cmocka_unit_test(walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
