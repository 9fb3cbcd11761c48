/* SPDX-License-Identifier: MIT */
/*
 * Loops with a copy behind them: what it looks like in a few, and of random
 * ones that every walk passes the same instructions and leaves at the same
 * place as before.
 */
#include "jit/riscv/region/region.h"

#include "random_regions.h"

static void a_loop(void **state)
{
    const uint32_t code[] = { STEP, branch(2), INSN_NOP, branch(-3),
                              INSN_SELF };
    struct riscv_region *region = look(code, COUNT(code), 0);
    const struct region_part *parts;

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->part_count, 3);
    assert_int_equal(region->leaving, 1);
    riscv__peel_loops(region);
    parts = region->parts;
    assert_int_equal(region->part_count, 6);
    assert_int_equal(region->leaving, 2);
    assert_int_equal(region->insn_count, 4); /* the copy is of parts alone */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(parts[i].first, parts[3 + i].first);
        assert_int_equal(parts[i].count, parts[3 + i].count);
        assert_int_equal(parts[i].offset, parts[3 + i].offset);
        assert_int_equal(parts[i].depth, 0);
        assert_int_equal(parts[3 + i].depth, 1);
        assert_int_equal(parts[3 + i].head, 3);
    }
    /* Within, as it was; back, to the copy. */
    assert_int_equal(parts[0].next.part, 1);
    assert_int_equal(parts[0].taken.part, 2);
    assert_int_equal(parts[2].taken.part, 3);
    assert_int_equal(parts[3].taken.part, 5);
    assert_int_equal(parts[5].taken.part, 3);
    assert_true(parts[2].next.leaves && parts[5].next.leaves);
    assert_int_equal(parts[5].next.offset, 16);
    assert_false(parts[0].checks || parts[0].joins);
    assert_true(parts[3].checks && parts[3].joins);
    test_free(region);
}

/* The inner loop alone, and what is behind it moves. */
static void nested_loops(void **state)
{
    const uint32_t code[] = {
        INSN_NOP,   /* 0: outer */
        STEP,       /* 1: inner */
        branch(-1), /* 2: to 1 */
        STEP,       /* 3 */
        branch(-4), /* 4: to 0 */
        INSN_SELF,  /* 5 */
    };
    struct riscv_region *region = look(code, COUNT(code), 1);
    const struct region_part *parts;

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->part_count, 3);
    riscv__peel_loops(region);
    parts = region->parts;
    assert_int_equal(region->part_count, 4);
    assert_int_equal(region->leaving, 1);
    assert_int_equal(parts[0].next.part, 1);
    assert_int_equal(parts[1].taken.part, 2);
    assert_int_equal(parts[1].next.part, 3);
    assert_int_equal(parts[2].taken.part, 2);
    assert_int_equal(parts[2].next.part, 3);
    assert_int_equal(parts[3].taken.part, 0);
    assert_true(parts[3].next.leaves);
    assert_true(parts[0].checks && parts[2].checks);
    assert_false(parts[1].checks);
    assert_int_equal(parts[1].depth, 1);
    assert_int_equal(parts[2].depth, 2);
    assert_int_equal(parts[3].depth, 1);
    test_free(region);
}

/* @ifs of two instructions in a loop, each over the next two. */
static struct riscv_region *look_at_ifs(unsigned ifs, bool leave)
{
    uint32_t code[2 * JIT_PARTS + 4];
    unsigned count = 0;

    for (unsigned i = 0; i < ifs; i++) {
        code[count] = branch(leave ? 600 : 2);
        count++;
        code[count++] = STEP;
    }
    code[count] = branch(-(int)count);
    count++;
    code[count++] = INSN_SELF;
    return look(code, count, 0);
}

static void no_room(void **state)
{
    struct riscv_region *region = look_at_ifs(JIT_PARTS / 4 - 1, false);
    struct riscv_region *old = test_malloc(sizeof(*old));

    (void)state;
    /* The largest of which a copy fits. */
    assert_non_null(region);
    assert_int_equal(region->part_count, JIT_PARTS / 2 - 1);
    riscv__peel_loops(region);
    assert_int_equal(region->part_count, JIT_PARTS - 2);
    test_free(region);

    region = look_at_ifs(JIT_PARTS / 4 + 1, false);
    assert_non_null(region);
    *old = *region;
    riscv__peel_loops(region);
    assert_memory_equal(old, region, sizeof(*region));
    test_free(region);

    /* Parts enough, but not links: one is the block's own. */
    region = look_at_ifs(XBAR_JIT_LINKS / 2 - 2, true);
    assert_non_null(region);
    assert_int_equal(region->leaving, XBAR_JIT_LINKS / 2 - 1);
    riscv__peel_loops(region);
    assert_int_equal(region->leaving, XBAR_JIT_LINKS - 2);
    test_free(region);
    region = look_at_ifs(XBAR_JIT_LINKS / 2 - 1, true);
    assert_non_null(region);
    riscv__peel_loops(region);
    assert_int_equal(region->leaving, XBAR_JIT_LINKS / 2);
    test_free(region);
    test_free(old);
}

/* ---- Walks ------------------------------------------------------------- */

static const struct region_edge *choose(const struct region_part *part,
                                        bool taken)
{
    return part->branches && taken ? &part->taken : &part->next;
}

/* Both regions the same way, for a while or until it leaves. Between two parts
 * that check no more is executed than is reserved. */
static void walk(const struct riscv_region *a, const struct riscv_region *b,
                 uint64_t *seed)
{
    unsigned at_a = 0, at_b = 0, reserve = 0, unchecked = 0;

    for (unsigned i = 0; i < b->part_count; i++) {
        reserve += b->parts[i].count;
    }
    for (unsigned step = 0; step < 200; step++) {
        const struct region_part *pa = &a->parts[at_a];
        const struct region_part *pb = &b->parts[at_b];
        bool taken = rig_random(seed) % 2;
        const struct region_edge *ea = choose(pa, taken);
        const struct region_edge *eb = choose(pb, taken);

        assert_int_equal(pa->first, pb->first);
        assert_int_equal(pa->count, pb->count);
        assert_int_equal(pa->offset, pb->offset);
        assert_int_equal(pa->branches, pb->branches);
        assert_int_equal(ea->leaves, eb->leaves);
        unchecked = (pb->checks ? 0 : unchecked) + pb->count;
        assert_true(unchecked <= reserve);
        if (ea->leaves) {
            assert_int_equal(ea->offset, eb->offset);
            return;
        }
        assert_true(eb->part < b->part_count);
        assert_true(eb->part > at_b || b->parts[eb->part].checks);
        at_a = ea->part;
        at_b = eb->part;
    }
}

static unsigned count_leaving(const struct riscv_region *region)
{
    unsigned count = 0;

    for (unsigned i = 0; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];

        count += part->next.leaves + (part->branches && part->taken.leaves);
    }
    return count;
}

static void walks(void **state)
{
    struct riscv_region *peeled = test_malloc(sizeof(*peeled));
    uint64_t seed = 0x9e3779b97f4a7c15u;
    unsigned regions = 0, changed = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct riscv_region *region = random_region(&seed);

        if (region == NULL) {
            continue;
        }
        *peeled = *region;
        riscv__peel_loops(peeled);
        assert_true(peeled->part_count <= JIT_PARTS);
        assert_int_equal(peeled->leaving, count_leaving(peeled));
        assert_true(peeled->leaving < XBAR_JIT_LINKS);
        for (unsigned k = 0; k < 20; k++) {
            walk(region, peeled, &seed);
        }
        regions++;
        changed += peeled->part_count != region->part_count;
        test_free(region);
    }
    print_message("%u regions, %u of them with copies\n", regions, changed);
    assert_true(regions > 500 && changed > regions / 2);
    test_free(peeled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop),
        cmocka_unit_test(nested_loops),
        cmocka_unit_test(no_room),
        cmocka_unit_test(walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
