/* SPDX-License-Identifier: MIT */
/*
 * Code is interpreted until it was met often enough, with the same results,
 * and then it is translated: all of it, sooner or later.
 */
#include "jit/riscv/jit.h"

#include "encode.h"
#include "runner.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define FENCE_I  0x0000100fu
#define RET      0x00008067u

static uint32_t li(unsigned rd, int imm)
{
    return insn_addi(rd, 0, imm);
}

static uint32_t jump(int distance)
{
    return encode(RISCV_OP_JAL, 0, 0, 0, distance);
}

static struct xbar_riscv_jit_stats jit_stats(const struct rig *rig)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig->hart, &stats);
    return stats.jit;
}

/* @after: past what the rig chooses for tests. */
static void open_after(struct rig *rig, unsigned after)
{
    rig_open(rig);
    rig->hart->config.translate_after = after;
    load_counting_loop(rig);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
}

/* Turns of the counting loop until there is a block. */
static unsigned turns_to_translate(struct rig *rig)
{
    for (unsigned turn = 1; turn < 1000; turn++) {
        run_exactly(rig, 2);
        assert_int_equal(xbar_riscv_get_x(rig->hart, 5), turn);
        if (jit_stats(rig).blocks != 0) {
            return turn;
        }
    }
    return 0;
}

static void test_threshold(void **state)
{
    static const unsigned thresholds[] = { 1, 2, 3, 16, 127 };

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct rig rig;

        open_after(&rig, thresholds[i]);
        assert_int_equal(turns_to_translate(&rig), thresholds[i]);
        rig_close(&rig);
    }
}

static void test_limits(void **state)
{
    struct rig rig;
    unsigned turns;

    (void)state;
    open_after(&rig, 100000); /* more than a count holds */
    assert_int_equal(turns_to_translate(&rig), 127);
    rig_close(&rig);

    open_after(&rig, 0); /* chosen: not at once, but soon */
    turns = turns_to_translate(&rig);
    assert_in_range(turns, 2, 64);
    rig_close(&rig);
}

/* Who counts what translated code does wants to see all of it. */
static void test_counted_blocks(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig.hart->config.translate_after = 0;
    rig.hart->config.count_blocks = true;
    load_counting_loop(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(turns_to_translate(&rig), 1);
    rig_close(&rig);
}

/* Lockstep compares from the first instruction on, and no longer than it is
 * there. */
static void test_lockstep(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 8);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_LOCKSTEP), 0);
    assert_int_equal(turns_to_translate(&rig), 1);
    rig_close(&rig);

    open_after(&rig, 8);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_LOCKSTEP), 0);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(turns_to_translate(&rig), 8);
    rig_close(&rig);
}

/* ---- Many places ------------------------------------------------------- */

/* More of them than there are counts, so that they share. */
#define PLACES (3u << RISCV_HEAT_BITS)
#define STRIDE 64u
#define ROUND  (2 * (uint64_t)PLACES)

static void load_places(struct rig *rig)
{
    for (unsigned i = 0; i < PLACES; i++) {
        const uint32_t code[] = {
            insn_addi(5, 5, 1), jump(i + 1 < PLACES ? (int)STRIDE - 4 : 4),
            encode(RISCV_OP_JALR, 0, 6, 0, 0), /* from the last: again */
        };

        rig_code(rig, i * STRIDE, code, i + 1 < PLACES ? 2 : 3);
    }
    rig->hart->x[6] = RAM_ADDR;
}

/* No place starves: in the end all of them run translated. */
static void test_shared_counts(void **state)
{
    uint64_t before, rounds = 0;
    struct rig rig;

    (void)state;
    open_after(&rig, 2);
    load_places(&rig);
    do {
        before = jit_stats(&rig).instructions;
        run_exactly(&rig, ROUND + 1);
        rounds++;
        assert_int_equal(xbar_riscv_get_x(rig.hart, 5), rounds * PLACES);
        assert_true(rounds < 64);
    } while (jit_stats(&rig).instructions - before != ROUND + 1);
    assert_true(rounds > 2);
    rig_close(&rig);
}

/* ---- Between the engines ----------------------------------------------- */

/*
 * A function whose constant the loop rewrites, so that it is cold again and
 * again in the middle of a loop that is not: x10 sums what it returned.
 */
static void load_patching_loop(struct rig *rig)
{
    const uint32_t code[] = {
        /* 00: */ encode(RISCV_OP_SW, 0, 6, 7, 0), /* the function's first */
        /* 04: */ FENCE_I,
        /* 08: */ encode(RISCV_OP_JALR, 1, 6, 0, 0),
        /* 0c: */ encode(RISCV_OP_ADD, 10, 10, 11, 0),
        /* 10: */ encode(RISCV_OP_ADD, 7, 7, 8, 0), /* li x11, n + 1 */
        /* 14: */ encode(RISCV_OP_JALR, 1, 6, 0, 0),
        /* 18: */ insn_addi(9, 9, -1),
        /* 1c: */ encode(RISCV_OP_BNE, 0, 9, 0, -0x1c),
        /* 20: */ INSN_SELF,
    };
    const uint32_t function[] = { li(11, 0), insn_addi(12, 12, 1), RET };

    rig_code(rig, 0, code, 9);
    rig_code(rig, 0x2000, function, 3);
    rig->hart->x[6] = RAM_ADDR + 0x2000;
    rig->hart->x[7] = li(11, 0);
    rig->hart->x[8] = UINT32_C(1) << 20; /* the immediate's lowest bit */
    rig->hart->x[9] = 200;
    rig->hart->x[10] = 0;
}

static void test_patched_code(void **state)
{
    static const unsigned thresholds[] = { 1, 2, 3, 5, 16 };

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct rig rig;

        open_after(&rig, thresholds[i]);
        load_patching_loop(&rig);
        for (unsigned n = 0; xbar_riscv_get_pc(rig.hart) != RAM_ADDR + 0x20;
             n++) {
            run_exactly(&rig, 1 + n % 9);
        }
        assert_int_equal(xbar_riscv_get_x(rig.hart, 10), 199 * 200 / 2);
        assert_int_equal(xbar_riscv_get_x(rig.hart, 12), 400);
        rig_close(&rig);
    }
}

/* Met twice between two patches, a function is never worth it at three. */
static void test_cold_function(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 16);
    load_patching_loop(&rig);
    rig.hart->x[9] = 2000;
    run_exactly(&rig, 2000 * 14);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RAM_ADDR + 0x20);
    /* At 32 meetings each, not at each of 2000 patches. */
    assert_in_range(jit_stats(&rig).invalidated, 1, 2000 * 2 / 16);
    rig_close(&rig);
}

/*
 * A loop that calls a function until both are translated, and then a call that
 * is met for the first time: what is translated returns to what is not.
 */
static void load_late_call(struct rig *rig, uint32_t first)
{
    const uint32_t code[] = {
        /* 00: */ insn_addi(8, 8, -1),
        /* 04: */ encode(RISCV_OP_JALR, 1, 6, 0, 0),
        /* 08: */ encode(RISCV_OP_BNE, 0, 8, 0, -8),
        /* 0c: */ encode(RISCV_OP_JALR, 1, 6, 0, 0),
        /* 10: */ insn_addi(10, 10, 1),
        /* 14: */ INSN_SELF,
    };
    const uint32_t function[] = { first, insn_addi(9, 9, 1), RET };

    rig_code(rig, 0, code, 6);
    rig_code(rig, 0x2000, function, 3);
    rig->hart->x[6] = RAM_ADDR + 0x2000;
    rig->hart->x[8] = 20;
    rig->hart->x[9] = 0;
    rig->hart->x[10] = 0;
}

static void check_late_call(struct rig *rig)
{
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX];
    uint64_t misses;

    run_exactly(rig, 20 * 6);
    misses = jit_stats(rig).jump_misses;
    run_exactly(rig, 1);
    assert_int_equal(xbar_riscv_get_pc(rig->hart), RAM_ADDR + 0x2000);
    assert_int_equal(xbar_riscv_get_returns(rig->hart, pcs, 16), 1);
    assert_int_equal(pcs[0], RAM_ADDR + 0x10);
    run_exactly(rig, 3);
    assert_int_equal(xbar_riscv_get_pc(rig->hart), RAM_ADDR + 0x10);
    assert_int_equal(jit_stats(rig).jump_misses, misses + 1);
    assert_int_equal(xbar_riscv_get_returns(rig->hart, pcs, 16), 0);
    run_exactly(rig, 10);
    assert_int_equal(xbar_riscv_get_x(rig->hart, 9), 21);
    assert_int_equal(xbar_riscv_get_x(rig->hart, 10), 1);
}

static void test_interpreted_call(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 4);
    load_late_call(&rig, insn_addi(0, 0, 0));
    check_late_call(&rig);
    rig_close(&rig);
}

/* The same while f registers are in those of the host. */
static void test_interpreted_call_with_fp(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 4);
    rig.hart->mstatus |= MSTATUS_FS;
    rig.hart->f[1] = UINT64_C(0x3ff0000000000000); /* 1.0 */
    load_late_call(&rig, encode(RISCV_OP_FADD_D, 2, 2, 1, 0));
    check_late_call(&rig);
    assert_int_equal(rig.hart->f[2], UINT64_C(0x4035000000000000)); /* 21.0 */
    rig_close(&rig);
}

/* Nothing is translated yet; who returned is not there any more. */
static void test_interpreted_return(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_JALR, 1, 6, 0, 0),
                              encode(RISCV_OP_JALR, 1, 6, 0, 0), INSN_SELF };
    const uint32_t function[] = { RET };
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX];
    struct rig rig;

    (void)state;
    open_after(&rig, 4);
    rig_code(&rig, 0, code, 3);
    rig_code(&rig, 0x2000, function, 1);
    rig.hart->x[6] = RAM_ADDR + 0x2000;
    for (unsigned call = 1; call <= 2; call++) {
        run_exactly(&rig, 1);
        assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 1);
        assert_int_equal(pcs[0], RAM_ADDR + call * 4);
        run_exactly(&rig, 1);
        assert_int_equal(xbar_riscv_get_pc(rig.hart), RAM_ADDR + call * 4);
        assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 0);
    }
    assert_int_equal(jit_stats(&rig).blocks, 0);
    rig_close(&rig);
}

/* A call is interpreted; what was called has returned, or is called no more. */
static void check_calls(const struct rig *rig, unsigned count)
{
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX];

    assert_int_equal(xbar_riscv_get_returns(rig->hart, pcs, 16), count);
}

static void load_call(struct rig *rig)
{
    const uint32_t code[] = { encode(RISCV_OP_JALR, 1, 6, 0, 0), INSN_SELF };
    const uint32_t function[] = { RET };

    rig_code(rig, 0, code, 2);
    rig_code(rig, 0x2000, function, 1);
    rig->hart->x[6] = RAM_ADDR + 0x2000;
}

static void test_reset_ends_calls(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 4);
    load_call(&rig);
    run_exactly(&rig, 1);
    check_calls(&rig, 1);
    xbar_riscv_reset(rig.hart);
    check_calls(&rig, 0);
    rig_close(&rig);
}

static void test_single_steps(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 4);
    load_call(&rig);
    assert_int_equal(xbar_riscv_step(rig.hart, false), XBAR_RISCV_EXIT_BUDGET);
    check_calls(&rig, 1);
    assert_int_equal(xbar_riscv_step(rig.hart, false), XBAR_RISCV_EXIT_BUDGET);
    check_calls(&rig, 0);
    rig_close(&rig);
}

/* An exit that is asked for while only cold code runs comes at once. */
static void test_exit_in_cold_code(void **state)
{
    struct rig rig;

    (void)state;
    open_after(&rig, 255);
    xbar_riscv_request_exit(rig.hart);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(retired(&rig), 0);
    rig.hart->mie = MIP_MSIP;
    rig.hart->mstatus |= MSTATUS_MIE;
    rig.hart->mtvec = RAM_ADDR + 0x100;
    rig_code(&rig, 0x100, (const uint32_t[]){ INSN_SELF }, 1);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_SOFT, true);
    run_exactly(&rig, 10);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RAM_ADDR + 0x100);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_counted_blocks),
        cmocka_unit_test(test_lockstep),
        cmocka_unit_test(test_shared_counts),
        cmocka_unit_test(test_patched_code),
        cmocka_unit_test(test_cold_function),
        cmocka_unit_test(test_interpreted_call),
        cmocka_unit_test(test_interpreted_call_with_fp),
        cmocka_unit_test(test_interpreted_return),
        cmocka_unit_test(test_reset_ends_calls),
        cmocka_unit_test(test_single_steps),
        cmocka_unit_test(test_exit_in_cold_code),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
