/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/jit_code.c, step by step: the stores that a hart may
 * make unseen, before it has dropped its write tags, are a matter of
 * nanoseconds when harts run. Here the second hart does not run: the test uses
 * its TLB by hand. What happens at full speed: test_jit_harts.c.
 */
#include "tests/unit/riscv/hand.h"

static unsigned unsettled(const struct hand *hand)
{
    return hand->pair->hart[0]->code_party.unsettled.count;
}

/* Stores that a hart makes inline before it has dropped its write tag. */
static void store_before_settling(struct hand *hand)
{
    ask(hand, store_slowly);
    expect_new_code(hand); /* now there is code of the page */
    for (unsigned i = 0; i < 5; i++) {
        ask(hand, store_inline);
        expect_new_code(hand);
        expect_new_code(hand);
        assert_int_not_equal(unsettled(hand), 0);
    }
    ask(hand, store_inline);
    ask(hand, reach_safepoint);
    ask(hand, is_protected);
    expect_new_code(hand);
    assert_int_equal(unsettled(hand), 0);

    ask(hand, store_slowly); /* told, and then inline again */
    ask(hand, is_inline);
    ask(hand, store_inline);
    expect_new_code(hand);
    assert_int_not_equal(unsettled(hand), 0);
    ask(hand, store_inline);
    expect_new_code(hand);
    ask(hand, reach_safepoint);
    ask(hand, is_protected);

    ask(hand, store_data); /* told, too, but no code changes */
    expect_new_code(hand);
    ask(hand, store_inline);
    expect_new_code(hand);
    ask(hand, reach_safepoint);
    expect_new_code(hand);
}

static void test_stores_before_settling(void **state)
{
    store_before_settling(*state);
}

static void test_stores_at_another_address(void **state)
{
    struct hand *hand = *state;

    hand->va = ALIAS_ADDR + FUNCTION;
    store_before_settling(hand);
}

/* Who is away need not be waited for, and drops its tag before it stores. */
static void test_harts_that_are_away(void **state)
{
    struct hand *hand = *state;

    for (unsigned i = 0; i < 5; i++) {
        ask(hand, store_slowly);
        ask(hand, store_inline);
        ask(hand, leave);
        expect_new_code(hand);
        expect_new_code(hand);
        assert_int_equal(unsettled(hand), 0);
        ask(hand, enter);
        ask(hand, is_protected);
    }
}

/* A hart that goes for good takes nothing with it that others wait for. */
static void test_harts_that_end(void **state)
{
    struct hand *hand = *state;

    ask(hand, store_slowly);
    expect_new_code(hand);
    ask(hand, store_inline);
    ask(hand, leave);
    xbar_riscv_free(hand->pair->hart[1]);
    hand->pair->hart[1] = new_hart(hand->pair, XBAR_RISCV_JIT);
    hand->tlb = &hand->pair->hart[1]->tlb;
    expect_new_code(hand);
    expect_new_code(hand);
    assert_int_equal(unsettled(hand), 0);
    ask(hand, enter);
    ask(hand, store_slowly);
    ask(hand, store_inline);
    expect_new_code(hand);
}

static bool store_data_inline(struct hand *hand)
{
    void *host = tlb_probe(hand->tlb, CTX_M, hand->va ^ 0x80, 4, TLB_WRITE);

    if (host == NULL) {
        return store_data(hand);
    }
    tlb_ram_store(host, 2, 1);
    return true;
}

/* A page that is written all the time is held; code in it is as new as any, also
 * when it is written for the first time after long, and held no more. */
static void test_code_beside_data(void **state)
{
    struct hand *hand = *state;
    unsigned protected = 0, held = 0;

    for (unsigned i = 0; i < 1000; i++) {
        if (i % 400 < 300) {
            ask(hand, store_data_inline);
        }
        if (i % 7 == 0) {
            ask(hand, store_either_way);
        }
        ask(hand, reach_safepoint);
        expect_new_code(hand);
        ask(hand, reach_safepoint);
        held += hand->pair->hart[0]->code_party.held != 0;
        protected += !answer(hand, is_inline);
    }
    assert_in_range(held, 500, 900);
    assert_in_range(protected, 100, 500);
}

/* More pages than fit on any list: inboxes, what is written, what is
 * unsettled. */
#define PAGES 200u

/* As the hart would: inline where it may. */
static bool store_word(struct hand *hand, uint64_t va, uint32_t word)
{
    void *host = tlb_probe(hand->tlb, CTX_M, va, 4, TLB_WRITE);

    if (host != NULL) {
        tlb_ram_store(host, 2, word);
        return true;
    }
    return tlb_store_slow(hand->tlb, CTX_M, va, 2, word) == 0;
}

static bool store_to_pages(struct hand *hand)
{
    bool good = true;

    for (unsigned i = 0; i < PAGES; i++) {
        good &= store_word(hand, RAM_ADDR + FUNCTION + i * TLB_PAGE_SIZE,
                           li(10, (hand->value + (int)i) % 2000));
    }
    return good;
}

static bool store_data_to_pages(struct hand *hand)
{
    bool good = true;

    for (unsigned i = 0; i < PAGES; i++) {
        good &=
            store_word(hand, RAM_ADDR + FUNCTION + 0x80 + i * TLB_PAGE_SIZE, i);
    }
    return good;
}

static void call_pages(struct hand *hand)
{
    struct xbar_riscv_hart *hart = hand->pair->hart[0];

    for (unsigned i = 0; i < PAGES; i++) {
        hart->pc = RAM_ADDR + (i ? LOOP + 4 : LOOP); /* one fence.i */
        hart->x[22] = RAM_ADDR + FUNCTION + i * TLB_PAGE_SIZE;
        assert_int_equal(xbar_riscv_run(hart, i ? 3 : 4),
                         XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(hart->x[10], (hand->value + (int)i) % 2000);
    }
}

static void test_more_pages_than_fit(void **state)
{
    struct hand *hand = *state;

    for (unsigned i = 0; i < PAGES; i++) {
        const uint32_t function[] = { li(10, 0), RET };

        rig_code(&hand->pair->rig, FUNCTION + i * (uint32_t)TLB_PAGE_SIZE,
                 function, 2);
    }
    for (unsigned round = 0; round < 12; round++) {
        hand->value += 77;
        ask(hand, store_to_pages);
        if (round % 3 == 0) {
            ask(hand, reach_safepoint);
        }
        call_pages(hand);
        if (round % 4 == 0) {
            ask(hand, reach_safepoint);
            ask(hand, store_data_to_pages);
            call_pages(hand);
        }
    }
}

/*
 * Other memory at the functions' address, with the same bytes at first: it is
 * that memory whose stores count from then on. Two functions, because the
 * first that is called has the page looked up anew, and the second need not.
 */
static bool store_both(struct hand *hand)
{
    return store_slowly(hand) &&
           tlb_store_slow(hand->tlb, CTX_M, hand->va + 0x100, 2,
                          li(11, hand->value)) == 0;
}

static void expect_both(struct hand *hand)
{
    expect_new_code(hand);
    assert_int_equal(hand->pair->hart[0]->x[11], hand->value);
}

static void add_second_function(struct hand *hand)
{
    const uint32_t loop[] = { FENCE_I, call(22), call(23), jump(-12) };
    const uint32_t function[] = { li(11, 0), RET };

    rig_code(&hand->pair->rig, LOOP, loop, 4);
    rig_code(&hand->pair->rig, FUNCTION + 0x100, function, 2);
    hand->pair->hart[0]->x[23] = RAM_ADDR + FUNCTION + 0x100;
    hand->round = 8;
}

static void test_memory_is_replaced(void **state)
{
    struct hand *hand = *state;
    struct rig *rig = &hand->pair->rig;

    add_second_function(hand);
    for (unsigned i = 0; i < 6; i++) {
        bool other = i % 2 != 0;

        memcpy(rig->mem + (other ? 2 : 1) * FUNCTION,
               rig->mem + (other ? 1 : 2) * FUNCTION, i ? 0x200 : 0);
        assert_int_equal(memory_region_set_enabled(&hand->overlay, other), 0);
        expect_both(hand);
        hand->va = ALIAS_ADDR + (other ? 2 : 1) * FUNCTION;
        ask(hand, store_both);
        expect_both(hand);
        ask(hand, reach_safepoint);
        expect_both(hand); /* nothing is left on a list */
    }
}

/*
 * Memory at an odd host address, where guest pages lie in two frames of the
 * host, and an alias of it where they do not. The function begins in one
 * frame, and what is rewritten is in the next.
 *
 *     host     0             0x1000           0x2000
 *     odd       |16 ....... nop|li ret ...    (+ 16)
 *     shifted                  |li ret ...    (+ 0x1000)
 */
#define ODD     ((uint64_t)0xa0000000u)
#define SHIFTED ((uint64_t)0xa0010000u)

static _Alignas(4096) uint8_t odd_memory[0x3000];

static void add_odd_memory(struct hand *hand)
{
    const uint32_t function[] = { INSN_NOP, li(10, 0), RET };
    struct rig *rig = &hand->pair->rig;

    memcpy(odd_memory + 0xffc, function, sizeof(function));
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init_ram_ptr(&hand->odd, NULL, "odd", 0x2000,
                                                odd_memory + 16),
                     0);
    assert_int_equal(memory_region_init_alias(&hand->shifted, NULL, "shifted",
                                              &hand->odd, 0xff0, 0x1000),
                     0);
    memory_region_add_subregion(&rig->root, ODD, &hand->odd);
    memory_region_add_subregion(&rig->root, SHIFTED, &hand->shifted);
    xbar_engine_leave(rig->engine);
}

static void test_pages_in_two_frames(void **state)
{
    struct hand *hand = *state;

    add_odd_memory(hand);
    ask(hand, reach_safepoint);
    hand->pair->hart[0]->x[22] = ODD + 0xfec;
    hand->round = 6;
    hand->va = SHIFTED;
    store_before_settling(hand);
    hand->va = ODD + 0xff0;
    store_before_settling(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_stores_before_settling), CASE(test_stores_at_another_address),
        CASE(test_harts_that_are_away),    CASE(test_harts_that_end),
        CASE(test_code_beside_data),

        CASE(test_more_pages_than_fit),    CASE(test_memory_is_replaced),
        CASE(test_pages_in_two_frames),
    };

    if (!has_translator()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
