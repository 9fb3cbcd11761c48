/* SPDX-License-Identifier: MIT */
/*
 * Finding code again: what must not take it away.
 *
 * Fetches have TLB contexts of their own: data whose page shares the slot of
 * the code's does not take it away. Each return looks the page up there, and
 * would leave emitted code.
 */
#include "encode.h"
#include "paging.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define DATA     0x5000u
#define RET      0x00008067u

static void run(struct rig *rig, uint64_t insns)
{
    assert_int_equal(xbar_riscv_run(rig->hart, insns), XBAR_RISCV_EXIT_BUDGET);
}

static void test_data_in_slot_of_code(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_JAL, 1, 0, 0, 16), insn_addi(8, 8, -1),
        encode(RISCV_OP_BNE, 0, 8, 0, -8), INSN_SELF,
        encode(RISCV_OP_LD, 10, 11, 0, 0), RET,
    };
    struct xbar_riscv_jit_stats before, after;
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_open_pmp(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    rig_code(&rig, CODE, code, 6);
    paging_map(&rig, CODE / TLB_PAGE_SIZE, DATA, PTE_R);
    paging_enter(&rig, PRIV_S);
    assert_int_equal(tlb_index(CODE), tlb_index(RAM_ADDR + CODE));
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[8] = 10000;
    rig.hart->x[11] = CODE;
    run(&rig, 100);
    riscv__jit_get_stats(rig.hart, &before);
    run(&rig, 30000);
    riscv__jit_get_stats(rig.hart, &after);
    assert_true(after.instructions - before.instructions > 29000);
    assert_true(after.exits - before.exits < 100);
    rig_close(&rig);
}

#define FIRST     0x20000u /* in RAM; seen at page 0 */
#define SECOND(i) (0x30000u + (i)*0x10000u)
#define LOOP      0xffau

/* A loop with addi x10, x10, 1 on two pages; in another second page, 64. */
static void put_crossing_loop(struct rig *rig)
{
    const uint32_t rest[] = { insn_addi(8, 8, -1),
                              encode(RISCV_OP_BNE, 0, 8, 0, -12), INSN_SELF };
    const uint16_t nop = 0x0001;

    memcpy(rig->mem + FIRST + LOOP, &nop, 2);
    memcpy(rig->mem + FIRST + LOOP + 2, &nop, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t insn = insn_addi(10, 10, i ? 64 : 1);
        uint16_t low = (uint16_t)insn, high = (uint16_t)(insn >> 16);

        memcpy(rig->mem + FIRST + LOOP + 4, &low, 2);
        memcpy(rig->mem + SECOND(i), &high, 2);
        memcpy(rig->mem + SECOND(i) + 2, rest, sizeof(rest));
    }
    paging_map(rig, 0, FIRST, PTE_R | PTE_X);
}

/* The instructions of the loop, @rounds times; what x10 is then is returned. */
static uint64_t run_crossing_loop(struct rig *rig, uint64_t rounds)
{
    rig->hart->pc = LOOP;
    rig->hart->x[8] = rounds;
    rig->hart->x[10] = 0;
    run(rig, 5 * rounds);
    return rig->hart->x[10];
}

/*
 * Blocks are linked to the one of an instruction on two pages, which looks at
 * the second one itself: it may be mapped anew, and the first one stay.
 */
static void test_crossing_in_a_loop(void **state)
{
    struct xbar_riscv_jit_stats before, after;
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_open_pmp(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    put_crossing_loop(&rig);
    paging_map(&rig, 1, SECOND(0), PTE_R | PTE_X);
    paging_enter(&rig, PRIV_S);
    assert_int_equal(run_crossing_loop(&rig, 10), 10);
    riscv__jit_get_stats(rig.hart, &before);
    assert_int_equal(run_crossing_loop(&rig, 10000), 10000);
    riscv__jit_get_stats(rig.hart, &after);
    assert_true(after.exits - before.exits < 100);
    for (unsigned i = 1; i < 8; i++) {
        paging_map(&rig, 1, SECOND(i % 2), PTE_R | PTE_X);
        tlb_flush_page(&rig.hart->tlb, TLB_ALL_CONTEXTS, TLB_PAGE_SIZE);
        assert_int_equal(run_crossing_loop(&rig, 100), i % 2 ? 6400 : 100);
    }
    rig_close(&rig);
}

/*
 * Slices end wherever they end. If what is left of one were interpreted, the
 * next would begin in the middle of a block, and make another one there.
 */
static void test_slices_make_no_blocks(void **state)
{
    const uint32_t code[] = {
        insn_addi(10, 10, 1), insn_addi(11, 11, 1),
        insn_addi(12, 12, 1), insn_addi(13, 13, 1),
        insn_addi(14, 14, 1), encode(RISCV_OP_JAL, 0, 0, 0, -20),
    };
    const uint64_t many = 1000003;
    struct xbar_riscv_jit_stats stats;
    struct rig rig;

    (void)state;
    rig_open(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    rig_code(&rig, CODE, code, 6);
    rig.hart->pc = RAM_ADDR + CODE;
    run(&rig, many);
    assert_int_equal(rig.hart->stats.instructions, many);
    assert_int_equal(rig.hart->x[11], many / 6);
    assert_int_equal(rig.hart->x[14], many / 6);
    riscv__jit_get_stats(rig.hart, &stats);
    assert_int_equal(stats.blocks, 2); /* plain, then as a region */
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_in_slot_of_code),
        cmocka_unit_test(test_crossing_in_a_loop),
        cmocka_unit_test(test_slices_make_no_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
