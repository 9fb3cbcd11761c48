/* SPDX-License-Identifier: MIT */
/* Which instructions become a region, in which parts. */
#include "jit/riscv/region/region.h"

#include "loops.h"
#include "rig.h"

#define PAGE         ((uint64_t)0x80001000u)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t jump(int insns)
{
    return encode(RISCV_OP_JAL, 0, 0, 0, 4 * insns);
}

struct look {
    const uint32_t *code;
    size_t count;
    unsigned at;   /* bytes into the page where the code is */
    unsigned from; /* instruction that is hot */
    bool innermost;
    uint64_t unwanted; /* pc, or 0 */
};

/* NULL if there is no region; else the caller's to free. */
static struct riscv_region *look(const struct look *l)
{
    struct riscv_region *region = test_calloc(1, sizeof(*region));
    uint64_t unwanted = l->unwanted;

    memcpy(region->page + l->at, l->code, 4 * l->count);
    if (!riscv__find_region(region, PAGE + l->at + 4 * l->from, l->innermost,
                            any, unwanted ? &unwanted : NULL)) {
        test_free(region);
        return NULL;
    }
    return region;
}

static void a_loop_of_one_part(void **state)
{
    const uint32_t code[] = { INSN_NOP,   STEP,     INSN_NOP,
                              branch(-2), INSN_NOP, INSN_SELF };
    struct riscv_region *region =
        look(&(struct look){ code, COUNT(code), 0x20, 2 });

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->pc, PAGE + 0x24);
    assert_int_equal(region->size, 12);
    assert_int_equal(region->part_count, 2); /* 2 was a leader: it is hot */
    assert_int_equal(region->insn_count, 3);
    assert_int_equal(region->leaving, 1);
    assert_true(region->parts[0].checks && region->parts[0].joins);
    assert_false(region->parts[1].checks || region->parts[1].joins);
    assert_false(region->parts[0].branches);
    assert_int_equal(region->parts[0].next.part, 1);
    assert_true(region->parts[1].branches);
    assert_int_equal(region->parts[1].taken.part, 0);
    assert_true(region->parts[1].next.leaves);
    assert_int_equal(region->parts[1].next.offset, 12);
    assert_int_equal(region->offsets[2], 8);
    test_free(region);
}

/* An if in an inner loop in an outer one; the inner loop's head is hot. */
static struct riscv_region *look_at_nested(bool innermost, uint64_t unwanted)
{
    const uint32_t code[] = {
        STEP,       /* 0: outer */
        branch(2),  /* 1: inner */
        INSN_NOP,   /* 2 */
        STEP,       /* 3 */
        branch(-3), /* 4: to 1 */
        branch(-5), /* 5: to 0 */
        INSN_SELF,  /* 6 */
    };

    return look(&(struct look){ code, COUNT(code), 0, 1, innermost, unwanted });
}

static void nested_loops(void **state)
{
    struct riscv_region *region = look_at_nested(false, 0);

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->pc, PAGE);
    assert_int_equal(region->part_count, 5);
    assert_int_equal(region->insn_count, 6);
    assert_int_equal(region->parts[0].depth, 1);
    assert_int_equal(region->parts[1].depth, 2);
    assert_int_equal(region->parts[3].depth, 2);
    assert_int_equal(region->parts[4].depth, 1);
    assert_true(region->parts[1].checks);
    assert_true(region->parts[3].joins && !region->parts[3].checks);
    assert_false(region->parts[2].joins);
    test_free(region);
}

static void the_innermost_loop(void **state)
{
    struct riscv_region *region = look_at_nested(true, 0);

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->pc, PAGE + 4);
    assert_int_equal(region->part_count, 3);
    assert_int_equal(region->leaving, 1);
    test_free(region);
}

/* Edges to what was never executed leave. */
static void unwanted_ways(void **state)
{
    struct riscv_region *region = look_at_nested(false, PAGE + 4 * 2);

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->part_count, 4);
    assert_true(region->parts[1].next.leaves);
    assert_int_equal(region->parts[1].next.offset, 8);
    test_free(region);
}

static void no_way_back(void **state)
{
    const uint32_t straight[] = { STEP, branch(2), INSN_NOP, INSN_MRET };
    const uint32_t call[] = { STEP, encode(RISCV_OP_JAL, 1, 0, 0, 64),
                              branch(-2) };
    const uint32_t system[] = { STEP, INSN_ECALL, branch(-2) };
    const uint32_t fp[] = { STEP, encode(RISCV_OP_FLD, 1, 2, 0, 0),
                            branch(-2) };
    const uint32_t idle[] = { INSN_SELF };
    const uint32_t pointer[] = { STEP, encode(RISCV_OP_JALR, 0, 10, 0, 0) };
    const struct look looks[] = {
        { straight, COUNT(straight) }, { call, COUNT(call) },
        { system, COUNT(system) },     { fp, COUNT(fp) },
        { pointer, COUNT(pointer) },   { idle, COUNT(idle) },
    };

    (void)state;
    for (unsigned i = 0; i < COUNT(looks); i++) {
        assert_null(look(&looks[i]));
    }
}

/* A part that runs off the page, and a jump into another, leave. */
static void the_page_ends(void **state)
{
    const uint32_t code[] = { STEP, branch(3), branch(-2) };
    const uint32_t far[] = { branch(100), STEP, branch(-2), jump(-3) };
    struct riscv_region *region =
        look(&(struct look){ code, COUNT(code), 0xff4, 0 });

    (void)state;
    assert_non_null(region);
    assert_int_equal(region->insn_count, 3);
    assert_true(region->parts[0].taken.leaves);
    assert_int_equal(region->parts[0].taken.offset, 16);
    test_free(region);
    region = look(&(struct look){ far, COUNT(far), 0, 1 });
    assert_non_null(region);
    assert_int_equal(region->pc, PAGE);
    assert_int_equal(region->insn_count, 4);
    assert_true(region->parts[0].taken.leaves);
    test_free(region);
}

/* More than fits: the loop around the hot instruction alone. */
static void a_loop_that_is_too_large(void **state)
{
    uint32_t code[REGION_INSNS + 64];
    struct riscv_region *region;

    (void)state;
    for (unsigned i = 0; i < COUNT(code); i++) {
        code[i] = INSN_NOP;
    }
    code[10] = branch(-4);
    code[COUNT(code) - 1] = branch(-(int)COUNT(code) + 1);
    region = look(&(struct look){ code, COUNT(code), 0, 8 });
    assert_non_null(region);
    assert_int_equal(region->pc, PAGE + 4 * 6);
    assert_int_equal(region->insn_count, 5);
    test_free(region);
    assert_null(look(&(struct look){ code, COUNT(code), 0, 100 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_of_one_part),
        cmocka_unit_test(nested_loops),
        cmocka_unit_test(the_innermost_loop),
        cmocka_unit_test(unwanted_ways),
        cmocka_unit_test(no_way_back),
        cmocka_unit_test(the_page_ends),
        cmocka_unit_test(a_loop_that_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
