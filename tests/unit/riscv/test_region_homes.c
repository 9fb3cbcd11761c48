/* SPDX-License-Identifier: MIT */
/*
 * Who gets a home where paths meet. What becomes of values in between is asked
 * by test_region_translate.c, of the code.
 */
#include "jit/riscv/region/region.h"

#include "encode.h"
#include "rig.h"

/* One loop in another: @outer and @inner name registers, 0 ends them. */
static struct riscv_region *make(const uint8_t *outer, const uint8_t *inner)
{
    struct riscv_region *region = test_calloc(1, sizeof(*region));
    const uint8_t *lists[] = { outer, inner };

    for (unsigned i = 0; i < 2; i++) {
        struct region_part *part = &region->parts[region->part_count++];

        part->first = (uint16_t)region->insn_count;
        part->depth = (uint8_t)(1 + i);
        for (const uint8_t *reg = lists[i]; *reg != 0; reg++) {
            struct riscv_insn *insn = &region->insns[region->insn_count++];

            /* Registers below 16 are read, the others written. */
            insn->op = RISCV_OP_ADD;
            insn->rd = *reg < 16 ? 0 : *reg;
            insn->rs1 = *reg < 16 ? *reg : 0;
            part->count++;
        }
    }
    return region;
}

static void choose(struct jit_homes *joined, const uint8_t *outer,
                   const uint8_t *inner, struct rig *rig)
{
    struct riscv_region *region = make(outer, inner);

    riscv__choose_homes(joined, region, rig->hart->jit->stubs);
    test_free(region);
}

static void check_maps(const struct jit_homes *joined)
{
    unsigned given = 0;

    assert_int_equal(joined->home[0], JIT_NO_HOME);
    for (unsigned reg = 1; reg < 32; reg++) {
        if (joined->home[reg] != JIT_NO_HOME) {
            assert_true(joined->home[reg] < jit_host__home_count());
            assert_int_equal(joined->reg[joined->home[reg]], reg);
            given++;
        }
    }
    for (unsigned home = 0; home < JIT_HOMES; home++) {
        given -= joined->reg[home] != 0;
    }
    assert_int_equal(given, 0);
    assert_int_equal(joined->narrow, 0);
}

static void inner_loops_first(void **state)
{
    /* More registers outside than there are homes, each twice. */
    const uint8_t outer[] = { 1, 1, 2, 2, 3, 3, 4,  4,  5,  5,  6, 6,
                              7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 0 };
    const uint8_t inner[] = { 28, 29, 12, 0 };
    struct rig *rig = *state;
    struct jit_homes joined;
    unsigned others = 0;

    choose(&joined, outer, inner, rig);
    check_maps(&joined);
    assert_int_not_equal(joined.home[28], JIT_NO_HOME);
    assert_int_not_equal(joined.home[29], JIT_NO_HOME);
    assert_int_not_equal(joined.home[12], JIT_NO_HOME);
    for (unsigned reg = 1; reg <= 11; reg++) {
        others += joined.home[reg] != JIT_NO_HOME;
    }
    assert_int_equal(others, jit_host__home_count() - 3);
    assert_int_equal(joined.dirty, 1u << 28 | 1u << 29);
}

/* What has a usual home keeps it, so that entering moves little. */
static void usual_homes_are_kept(void **state)
{
    const uint8_t outer[] = { 31, 30, 15, 14, 10, 0 };
    const uint8_t inner[] = { 17, 0 };
    struct rig *rig = *state;
    struct jit_homes joined;

    choose(&joined, outer, inner, rig);
    check_maps(&joined);
    for (unsigned reg = 10; reg < 16; reg++) {
        if (joined.home[reg] != JIT_NO_HOME) {
            assert_int_equal(joined.home[reg],
                             jit_host__usual_home(rig->hart->jit->stubs, reg));
        }
    }
    assert_int_not_equal(joined.home[10], JIT_NO_HOME);
    assert_int_not_equal(joined.home[30], JIT_NO_HOME);
    assert_int_equal(joined.home[1], JIT_NO_HOME); /* nobody names it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner_loops_first),
        cmocka_unit_test(usual_homes_are_kept),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, rig_open_shared, rig_close_shared);
}
