/* SPDX-License-Identifier: MIT */
/*
 * Fetches have TLB contexts of their own: data whose page shares the slot of
 * the code's does not take it away. Each return looks the page up there, and
 * would leave emitted code.
 */
#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
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
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    rig_code(&rig, CODE, code, 6);
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[8] = 10000;
    rig.hart->x[11] = RAM_ADDR + CODE + TLB_L1_SIZE * TLB_PAGE_SIZE;
    run(&rig, 100);
    riscv__jit_get_stats(rig.hart, &before);
    run(&rig, 30000);
    riscv__jit_get_stats(rig.hart, &after);
    assert_true(after.instructions - before.instructions > 29000);
    assert_true(after.exits - before.exits < 100);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_in_slot_of_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
