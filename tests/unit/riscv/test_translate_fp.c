/* SPDX-License-Identifier: MIT */
/*
 * Floating point in translated code, beyond results and flags of single
 * operations (tests/guest/test_jit_fp_vectors.c): who owns the host's control
 * register, when FP becomes live, boxes across blocks, rounding modes.
 */
#include "jit/riscv/jit.h"

#include <fenv.h>

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define HANDLER  0x8000u

#define ONE     UINT64_C(0x3ff0000000000000)
#define TWO     UINT64_C(0x4000000000000000)
#define THREE   UINT64_C(0x4008000000000000)
#define LEAST   UINT64_C(0x0000000000000001)
#define ONE_S   UINT64_C(0xffffffff3f800000)
#define NAN_S   UINT64_C(0xffffffff7fc00000)
#define CSR_FRM 2

static struct rig rig;
static enum xbar_riscv_engine engine;

static int setup(void **state)
{
    static const uint32_t handler = INSN_SELF;

    (void)state;
    rig_open(&rig);
    rig_open_pmp(&rig);
    rig_code(&rig, HANDLER, &handler, 1);
    rig.hart->mtvec = RAM_ADDR + HANDLER;
    rig.hart->mstatus |= MSTATUS_FS | MSTATUS_SD;
    fesetenv(FE_DFL_ENV);
    return xbar_riscv_set_engine(rig.hart, engine);
}

static int teardown(void **state)
{
    (void)state;
    fesetenv(FE_DFL_ENV);
    rig_close(&rig);
    return 0;
}

static void run(const uint32_t *code, size_t count)
{
    rig_code(&rig, 0, code, count);
    riscv__jit_flush(rig.hart);
    rig.hart->pc = RAM_ADDR;
    assert_int_equal(xbar_riscv_run(rig.hart, count), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.hart->mcause, 0);
}

/* FP registers 0 to 31 hold what no other does. */
static void fill_registers(void)
{
    for (unsigned i = 0; i < 32; i++) {
        rig.hart->f[i] = ONE + i;
    }
}

/* ---- The control register ---------------------------------------------- */

static volatile double zero;
static volatile double sink;

/* What a device may do: divide, change rounding, use all registers. */
static void divide_by_zero(struct rig *from, hwaddr addr, uint64_t value)
{
    volatile double table[64];

    (void)from;
    (void)addr;
    (void)value;
    assert_int_equal(fegetround(), FE_TOWARDZERO); /* the embedder's */
    sink = 1.0 / zero;
    for (unsigned i = 0; i < 64; i++) {
        table[i] = sink * i;
    }
    sink = table[63];
    fesetround(FE_DOWNWARD);
}

static void test_callbacks_leave_flags_alone(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_FADD_D, 1, 2, 3, 0), /* exact */
        insn_sd(0, 6, 0),
        encode(RISCV_OP_FSGNJ_D, 4, 1, 1, 0),
        insn_sd(0, 6, 8),
        encode(RISCV_OP_FSGNJ_D, 5, 30, 30, 0),
    };

    (void)state;
    fill_registers();
    rig.hart->f[2] = ONE;
    rig.hart->f[3] = ONE;
    rig.hart->x[6] = RIG_IO;
    rig.on_write = divide_by_zero;
    fesetround(FE_TOWARDZERO);
    rig.io_writes = 0;
    rig_code(&rig, 0, code, 5);
    rig.hart->pc = RAM_ADDR;
    assert_int_equal(xbar_riscv_run(rig.hart, 3), XBAR_RISCV_EXIT_BUDGET);
    fesetround(FE_TOWARDZERO);
    assert_int_equal(xbar_riscv_run(rig.hart, 2), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.io_writes, 2);
    assert_int_equal(rig.hart->fflags, 0);
    assert_int_equal(rig.hart->f[1], TWO);
    assert_int_equal(rig.hart->f[4], rig.hart->f[1]);
    for (unsigned i = 6; i < 32; i++) {
        assert_int_equal(rig.hart->f[i], ONE + i);
    }
    /* What the device did to the embedder's own is kept. */
    assert_int_equal(fegetround(), FE_DOWNWARD);
    assert_true(fetestexcept(FE_DIVBYZERO));
}

/* Neither sees the other's rounding, nor its flags. */
static void test_embedders_control_is_restored(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_FDIV_D, 1, 2, 3, 0),
        encode(RISCV_OP_FADD_D, 4, 5, 5, 0),
    };
    static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD,
                                 FE_TOWARDZERO };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fill_registers();
        rig.hart->f[2] = ONE;
        rig.hart->f[3] = THREE;
        rig.hart->f[5] = LEAST;
        rig.hart->fflags = 0;
        feclearexcept(FE_ALL_EXCEPT);
        feraiseexcept(FE_OVERFLOW);
        fesetround(modes[i]);
        run(code, 2);
        assert_int_equal(fegetround(), modes[i]);
        assert_int_equal(fetestexcept(FE_ALL_EXCEPT & ~FE_INEXACT),
                         FE_OVERFLOW);
        assert_int_equal(rig.hart->f[1], 0x3fd5555555555555);
        assert_int_equal(rig.hart->f[4], 2 * LEAST);
        assert_int_equal(rig.hart->fflags, 1);
    }
}

/* ---- Live -------------------------------------------------------------- */

static bool is_live(void)
{
    return rig.hart->jit && (riscv__jit_mode(rig.hart) & MODE_FP);
}

static void test_live_from_the_first_one(void **state)
{
    const uint32_t plain[] = { insn_addi(5, 5, 1), insn_addi(5, 5, 1) };
    const uint32_t code[] = { insn_addi(5, 5, 1),
                              encode(RISCV_OP_FADD_D, 1, 2, 3, 0) };

    (void)state;
    run(plain, 2);
    assert_false(is_live());
    run(code, 2);
    assert_int_equal(is_live(), engine != XBAR_RISCV_INTERP);
    rig.hart->mstatus &= ~MSTATUS_FS;
    assert_false(is_live()); /* it is off */
    rig.hart->mstatus |= MSTATUS_FS;
    rig.hart->priv = PRIV_S;
    riscv__update_contexts(rig.hart);
    assert_false(is_live()); /* none was met there */
}

/* Off, it traps, and nothing of it happens. */
static void test_off(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_FADD_D, 1, 2, 3, 0),
                              encode(RISCV_OP_CSRRW, 0, 0, 0, 0) };

    (void)state;
    fill_registers();
    run(code, 1);
    fill_registers();
    rig.hart->mstatus &= ~MSTATUS_FS;
    rig.hart->pc = RAM_ADDR;
    assert_int_equal(xbar_riscv_run(rig.hart, 1), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.hart->mcause, CAUSE_ILLEGAL);
    assert_int_equal(rig.hart->f[1], ONE + 1);
}

/* Another state than Dirty becomes that by a write. */
static void test_dirty(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_FADD_D, 1, 2, 3, 0),
                              encode(RISCV_OP_FADD_D, 4, 1, 1, 0) };

    (void)state;
    for (uint64_t fs = 1; fs < 3; fs++) {
        rig.hart->mstatus &= ~(MSTATUS_FS | MSTATUS_SD);
        rig.hart->mstatus |= fs << MSTATUS_FS_SHIFT;
        run(code, 2);
        assert_int_equal(rig.hart->mstatus & (MSTATUS_FS | MSTATUS_SD),
                         MSTATUS_FS | MSTATUS_SD);
    }
}

/* ---- Boxes ------------------------------------------------------------- */

/* In a home and in memory, at the block's entry and written in it. */
static void test_unboxed(void **state)
{
    static const uint8_t regs[] = { 10, 20 };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned r = regs[i];
        const uint32_t entry[] = { insn_addi(5, 5, 1),
                                   encode(RISCV_OP_FADD_S, 1, r, r, 0),
                                   encode(RISCV_OP_FSGNJ_S, 2, r, r, 0) };
        const uint32_t inside[] = { encode(RISCV_OP_FADD_D, r, 3, 3, 0),
                                    encode(RISCV_OP_FADD_S, 1, r, r, 0),
                                    encode(RISCV_OP_FSGNJ_S, 2, r, r, 0) };

        rig.hart->f[r] = ONE_S;
        run(entry, 3);
        assert_int_equal(rig.hart->f[1], 0xffffffff40000000);
        assert_int_equal(rig.hart->f[2], ONE_S);
        rig.hart->f[r] = ONE_S & 0xfffffffeffffffff;
        run(entry, 3);
        assert_int_equal(rig.hart->f[1], NAN_S);
        assert_int_equal(rig.hart->f[2], NAN_S);
        rig.hart->f[3] = ONE;
        run(inside, 3);
        assert_int_equal(rig.hart->f[1], NAN_S);
        assert_int_equal(rig.hart->f[2], NAN_S);
    }
}

/* ---- Rounding ---------------------------------------------------------- */

/* frm changes between two blocks that were chained with another one. */
static void test_frm_changes(void **state)
{
    static const uint64_t thirds[] = { 0x3fd5555555555555, 0x3fd5555555555555,
                                       0x3fd5555555555555, 0x3fd5555555555556,
                                       0x3fd5555555555555 };
    const uint32_t code[] = { encode(RISCV_OP_CSRRW, 0, 5, 0, CSR_FRM),
                              encode(RISCV_OP_FDIV_D, 1, 2, 3, 0),
                              /* rounds up by itself: 3 in place of 7 */
                              encode(RISCV_OP_FDIV_D, 4, 2, 3, 0) ^ 4 << 12 };

    (void)state;
    rig.hart->f[2] = ONE;
    rig.hart->f[3] = THREE;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned frm = 0; frm < 5; frm++) {
            rig.hart->x[5] = frm;
            run(code, 3);
            assert_int_equal(rig.hart->f[1], thirds[frm]);
            assert_int_equal(rig.hart->f[4], 0x3fd5555555555556);
        }
    }
    rig.hart->frm = 5;
    rig.hart->pc = RAM_ADDR + 4;
    assert_int_equal(xbar_riscv_run(rig.hart, 1), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.hart->mcause, CAUSE_ILLEGAL);
    assert_int_equal(rig.hart->mepc, RAM_ADDR + 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const enum xbar_riscv_engine engines[] = { XBAR_RISCV_INTERP,
                                                      XBAR_RISCV_JIT,
                                                      XBAR_RISCV_LOCKSTEP };
    const struct CMUnitTest tests[] = {
        CASE(test_callbacks_leave_flags_alone),
        CASE(test_embedders_control_is_restored),
        CASE(test_live_from_the_first_one),
        CASE(test_off),
        CASE(test_dirty),
        CASE(test_unboxed),
        CASE(test_frm_changes),
    };
    int failed = 0;

    for (unsigned i = 0; i < (xbar_riscv_has_jit() ? 3 : 1); i++) {
        engine = engines[i];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
