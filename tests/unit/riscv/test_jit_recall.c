/* SPDX-License-Identifier: MIT */
/*
 * Code that is patched back and forth: blocks that changed are kept, and found
 * again when what they were made from is there again (riscv__recall_block()).
 * At full speed: test_jit_harts.c; at random: test_patch_random.c.
 */
#include "tests/unit/riscv/hand.h"

#define LONELY 0x8000u /* no code in the pages beside it */

/* Code that is patched back and forth is translated once; but not what was made
 * before a breakpoint, or of other memory. */
static void test_code_that_changes_back(void **state)
{
    const uint32_t function[] = { li(11, 0), li(10, 0), RET };
    struct hand *hand = *state;
    struct xbar_riscv_hart *hart = hand->pair->hart[0];
    struct xbar_riscv_jit_stats before = { 0 };

    rig_code(&hand->pair->rig, FUNCTION, function, 3);
    hand->va += 4; /* all versions begin alike */
    hand->round = 6;
    for (unsigned i = 0; i < 100; i++) {
        hand->value = (int)(i * 5 % 6);
        ask(hand, store_version);
        if (i == 10) {
            before = stats_of(hand);
        }
        expect_new_code(hand);
        ask(hand, reach_safepoint);
    }
    assert_int_equal(stats_of(hand).blocks, before.blocks);
    assert_int_equal(stats_of(hand).recalled - before.recalled, 90);

    assert_int_equal(xbar_riscv_add_breakpoint(hart, RAM_ADDR + FUNCTION + 8),
                     0);
    hand->value = 5;
    ask(hand, store_version);
    assert_int_equal(xbar_riscv_run(hart, hand->round), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(hart->x[10], 5);
    assert_int_equal(xbar_riscv_run(hart, 2), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(
        xbar_riscv_remove_breakpoint(hart, RAM_ADDR + FUNCTION + 8), 0);
    expect_new_code(hand);

    hand->value = 6;
    ask(hand, store_version);
    expect_new_code(hand);
    hand->value = 5;
    ask(hand, store_version);
    before = stats_of(hand);
    expect_new_code(hand);
    assert_int_equal(stats_of(hand).recalled - before.recalled, 1);
}

/* fence.i alone: what follows it is not met. */
static void synchronize(struct hand *hand)
{
    struct xbar_riscv_hart *hart = hand->pair->hart[0];

    hart->pc = RAM_ADDR + LOOP;
    assert_int_equal(xbar_riscv_run(hart, 1), XBAR_RISCV_EXIT_BUDGET);
    hart->pc = RAM_ADDR + LOOP;
}

static void expect_recalled(struct hand *hand, unsigned count)
{
    uint64_t recalled = stats_of(hand).recalled;
    uint64_t blocks = stats_of(hand).blocks;

    expect_new_code(hand);
    assert_int_equal(stats_of(hand).recalled, recalled + count);
    assert_int_equal(stats_of(hand).blocks, blocks);
}

/* All code of a page is kept, and data is written to it: no fence.i has to watch
 * a page without code. What is found again has. */
static void test_found_again_where_nothing_is_watched(void **state)
{
    const uint32_t function[] = { li(10, 0), RET };
    struct hand *hand = *state;

    rig_code(&hand->pair->rig, LONELY, function, 2);
    hand->va = RAM_ADDR + LONELY;
    hand->pair->hart[0]->x[22] = hand->va;
    for (unsigned i = 0; i < 2; i++) { /* both versions are known then */
        hand->value = (int)i;
        ask(hand, store_version);
        expect_new_code(hand);
    }
    for (unsigned i = 0; i < 6; i++) {
        hand->value = (int)(i % 2);
        ask(hand, store_version);
        synchronize(hand);
        ask(hand, reach_safepoint);
        ask(hand, store_data);
        for (unsigned k = 0; k < 2 * XBAR_CODE_HOLD_MAX; k++) {
            synchronize(hand); /* until it is held no more */
        }
        ask(hand, reach_safepoint);
        ask(hand, is_inline);
        expect_recalled(hand, 1);
        ask(hand, reach_safepoint);
        ask(hand, is_protected);
    }
}

/* A page that is held is not watched, whatever is found again; it is compared. */
static void test_found_again_where_all_is_compared(void **state)
{
    struct hand *hand = *state;

    hand->value = -1;
    for (unsigned i = 0; i < 300; i++) {
        hand->value = (hand->value + 1) % 3 - 1;
        ask(hand, store_either_way);
        ask(hand, reach_safepoint);
        if (i < 20) { /* three versions, and how often they come */
            expect_new_code(hand);
            continue;
        }
        expect_recalled(hand, 1);
        if (hand->pair->hart[0]->code_party.held != 0) {
            ask(hand, reach_safepoint);
            ask(hand, is_inline);
        }
    }
    ask(hand, reach_safepoint);
    for (unsigned k = 0; k < 2 * XBAR_CODE_HOLD_MAX; k++) {
        expect_recalled(hand, 0);
    }
    ask(hand, reach_safepoint);
    ask(hand, is_protected); /* and then it is watched with what was found */
}

static bool store_tail(struct hand *hand)
{
    return tlb_store_slow(hand->tlb, CTX_M, hand->va + 0x100, 2,
                          li(11, hand->value)) == 0;
}

/* A function goes on with its tail: neither who leads to what is kept nor what
 * that led to is taken for what it was. */
static void test_links_of_what_is_kept(void **state)
{
    const uint32_t function[] = { li(10, 0),
                                  encode(RISCV_OP_BEQ, 0, 12, 0, 0x100 - 4) };
    const uint32_t tail[] = { li(11, 0), RET };
    struct hand *hand = *state;
    struct xbar_riscv_hart *hart = hand->pair->hart[0];

    rig_code(&hand->pair->rig, FUNCTION, function, 2);
    rig_code(&hand->pair->rig, FUNCTION + 0x100, tail, 2);
    hart->x[12] = 0;      /* the branch is taken */
    hand->round = 7 * 20; /* enough for all to be linked */
    for (unsigned i = 0; i < 60; i++) {
        int first = (int)(i / 2 % 2), second = (int)(i / 3 % 3);

        hand->value = second;
        ask(hand, store_tail);
        hand->value = first;
        ask(hand, store_version);
        for (unsigned k = 0; k < 2; k++) {
            expect_new_code(hand);
            assert_int_equal(hart->x[11], second);
        }
    }
    assert_true(stats_of(hand).recalled > 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_code_that_changes_back),
        CASE(test_found_again_where_nothing_is_watched),
        CASE(test_found_again_where_all_is_compared),
        CASE(test_links_of_what_is_kept),
    };

    if (!has_translator()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
