/* SPDX-License-Identifier: MIT */
/*
 * Floating point as instructions: which function a row calls with which
 * operands, boxing, rounding modes, flags and the state of the unit. Whether
 * the functions are right is test_fp*.c.
 */
#include "exec.h"
#include "jit/riscv/fp/fp.h"

#define BOX(single) (UINT64_C(0xffffffff00000000) | (single))

/* rs1, rs2, rs3: 1.5, -2.25, 10.0; each result tells the operations apart. */
#define S_A BOX(0x3fc00000)
#define S_B BOX(0xc0100000)
#define S_C BOX(0x41200000)
#define D_A UINT64_C(0x3ff8000000000000)
#define D_B UINT64_C(0xc002000000000000)
#define D_C UINT64_C(0x4024000000000000)

static void enable(struct rig *rig)
{
    rig->hart->mstatus &= ~MSTATUS_FS;
    rig->hart->mstatus |= (uint64_t)1 << MSTATUS_FS_SHIFT; /* initial */
    rig->hart->frm = 0;
    rig->hart->fflags = 0;
}

static bool is_dirty(const struct rig *rig)
{
    return (rig->hart->mstatus & MSTATUS_FS) == MSTATUS_FS;
}

/* rd = 4 or f4; rs1, rs2, rs3 = 1, 2, 3. */
static uint32_t fp_insn(enum riscv_op op)
{
    unsigned fields = riscv__formats[riscv__ops[op].format].fields;
    uint32_t bits = encode(op, 4, 1, 0, 0);

    if ((fields & RISCV_RS2) != 0) {
        bits |= 2u << 20;
    }
    if ((fields & RISCV_RS3) != 0) {
        bits |= 3u << 27;
    }
    return bits;
}

/* ---- Every row --------------------------------------------------------- */

struct fp_case {
    enum riscv_op op;
    uint64_t result; /* in f4 or x4, whichever the row writes */
};

/* clang-format off */
static const struct fp_case single_cases[] = {
    { RISCV_OP_FADD_S,    BOX(0xbf400000) }, /* -0.75 */
    { RISCV_OP_FSUB_S,    BOX(0x40700000) }, /* 3.75 */
    { RISCV_OP_FMUL_S,    BOX(0xc0580000) }, /* -3.375 */
    { RISCV_OP_FDIV_S,    BOX(0xbf2aaaab) }, /* -2/3 */
    { RISCV_OP_FSQRT_S,   BOX(0x3f9cc471) },
    { RISCV_OP_FMADD_S,   BOX(0x40d40000) }, /* 6.625 */
    { RISCV_OP_FMSUB_S,   BOX(0xc1560000) }, /* -13.375 */
    { RISCV_OP_FNMSUB_S,  BOX(0x41560000) }, /* 13.375 */
    { RISCV_OP_FNMADD_S,  BOX(0xc0d40000) }, /* -6.625 */
    { RISCV_OP_FSGNJ_S,   BOX(0xbfc00000) },
    { RISCV_OP_FSGNJN_S,  BOX(0x3fc00000) },
    { RISCV_OP_FSGNJX_S,  BOX(0xbfc00000) },
    { RISCV_OP_FMIN_S,    S_B },
    { RISCV_OP_FMAX_S,    S_A },
    { RISCV_OP_FEQ_S,     0 },
    { RISCV_OP_FLT_S,     0 },
    { RISCV_OP_FLE_S,     0 },
    { RISCV_OP_FCLASS_S,  1 << 6 }, /* positive normal */
    { RISCV_OP_FCVT_D_S,  D_A },
    { RISCV_OP_FCVT_W_S,  2 },
    { RISCV_OP_FCVT_WU_S, 2 },
    { RISCV_OP_FCVT_L_S,  2 },
    { RISCV_OP_FCVT_LU_S, 2 },
    { RISCV_OP_FMV_X_W,   0x3fc00000 },
};

static const struct fp_case double_cases[] = {
    { RISCV_OP_FADD_D,    0xbfe8000000000000 },
    { RISCV_OP_FSUB_D,    0x400e000000000000 },
    { RISCV_OP_FMUL_D,    0xc00b000000000000 },
    { RISCV_OP_FDIV_D,    0xbfe5555555555555 },
    { RISCV_OP_FSQRT_D,   0x3ff3988e1409212e },
    { RISCV_OP_FMADD_D,   0x401a800000000000 },
    { RISCV_OP_FMSUB_D,   0xc02ac00000000000 },
    { RISCV_OP_FNMSUB_D,  0x402ac00000000000 },
    { RISCV_OP_FNMADD_D,  0xc01a800000000000 },
    { RISCV_OP_FSGNJ_D,   0xbff8000000000000 },
    { RISCV_OP_FSGNJN_D,  0x3ff8000000000000 },
    { RISCV_OP_FSGNJX_D,  0xbff8000000000000 },
    { RISCV_OP_FMIN_D,    D_B },
    { RISCV_OP_FMAX_D,    D_A },
    { RISCV_OP_FEQ_D,     0 },
    { RISCV_OP_FLT_D,     0 },
    { RISCV_OP_FLE_D,     0 },
    { RISCV_OP_FCLASS_D,  1 << 6 },
    { RISCV_OP_FCVT_S_D,  S_A },
    { RISCV_OP_FCVT_W_D,  2 },
    { RISCV_OP_FCVT_WU_D, 2 },
    { RISCV_OP_FCVT_L_D,  2 },
    { RISCV_OP_FCVT_LU_D, 2 },
    { RISCV_OP_FMV_X_D,   D_A },
};

/* rs1 is 0x8000000180000001: narrow ones see a negative word, the others a
 * negative or a huge number. */
#define X_A UINT64_C(0x8000000180000001)
static const struct fp_case integer_cases[] = {
    { RISCV_OP_FCVT_S_W,  BOX(0xcf000000) },
    { RISCV_OP_FCVT_S_WU, BOX(0x4f000000) },
    { RISCV_OP_FCVT_S_L,  BOX(0xdf000000) },
    { RISCV_OP_FCVT_S_LU, BOX(0x5f000000) },
    { RISCV_OP_FCVT_D_W,  0xc1dfffffffc00000 },
    { RISCV_OP_FCVT_D_WU, 0x41e0000000200000 },
    { RISCV_OP_FCVT_D_L,  0xc3dfffffffa00000 },
    { RISCV_OP_FCVT_D_LU, 0x43e0000000300000 },
    { RISCV_OP_FMV_W_X,   BOX(0x80000001) },
    { RISCV_OP_FMV_D_X,   X_A },
};
/* clang-format on */

static uint64_t execute_row(struct rig *rig, enum riscv_op op)
{
    unsigned fp = riscv__formats[riscv__ops[op].format].fp;

    rig->hart->f[4] = rig->hart->x[4] = 0x5555;
    exec_ok(rig, fp_insn(op));
    return (fp & RISCV_RD) != 0 ? rig->hart->f[4] : rig->hart->x[4];
}

static void check_rows(struct rig *rig, const struct fp_case *cases,
                       size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        uint64_t result;

        enable(rig);
        result = execute_row(rig, cases[i].op);
        if (result != cases[i].result) {
            fail_msg("%s: %llx", riscv__ops[cases[i].op].text,
                     (unsigned long long)result);
        }
    }
}

static void test_singles(void **state)
{
    struct rig *rig = *state;

    rig->hart->f[1] = S_A;
    rig->hart->f[2] = S_B;
    rig->hart->f[3] = S_C;
    check_rows(rig, single_cases,
               sizeof(single_cases) / sizeof(single_cases[0]));
}

static void test_doubles(void **state)
{
    struct rig *rig = *state;

    rig->hart->f[1] = D_A;
    rig->hart->f[2] = D_B;
    rig->hart->f[3] = D_C;
    check_rows(rig, double_cases,
               sizeof(double_cases) / sizeof(double_cases[0]));
}

static void test_integers(void **state)
{
    struct rig *rig = *state;

    rig->hart->x[1] = X_A;
    check_rows(rig, integer_cases,
               sizeof(integer_cases) / sizeof(integer_cases[0]));
}

/* No row is left out: those above and f0 to f31 as real registers. */
static void test_all_rows_are_listed(void **state)
{
    size_t listed = sizeof(single_cases) / sizeof(single_cases[0]) +
                    sizeof(double_cases) / sizeof(double_cases[0]) +
                    sizeof(integer_cases) / sizeof(integer_cases[0]);
    size_t rows = 0;
    unsigned op;

    (void)state;
    for (op = 0; op < RISCV_OP_COUNT; op++) {
        rows += riscv__ops[op].class == RISCV_CLASS_FP;
    }
    assert_int_equal(rows, listed);
}

static void test_comparisons(void **state)
{
    static const struct {
        enum riscv_op op;
        uint64_t a, b;
        uint64_t result;
    } cases[] = {
        { RISCV_OP_FEQ_S, S_A, S_A, 1 }, { RISCV_OP_FLT_S, S_B, S_A, 1 },
        { RISCV_OP_FLT_S, S_A, S_A, 0 }, { RISCV_OP_FLE_S, S_A, S_A, 1 },
        { RISCV_OP_FEQ_D, D_A, D_A, 1 }, { RISCV_OP_FLT_D, D_B, D_A, 1 },
        { RISCV_OP_FLT_D, D_A, D_A, 0 }, { RISCV_OP_FLE_D, D_A, D_A, 1 },
    };
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enable(rig);
        rig->hart->f[1] = cases[i].a;
        rig->hart->f[2] = cases[i].b;
        assert_int_equal(execute_row(rig, cases[i].op), cases[i].result);
        assert_false(is_dirty(rig));
    }
}

/* ---- Registers --------------------------------------------------------- */

/* A single that is not boxed is the canonical NaN, but moves move bits. */
static void test_boxing(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    rig->hart->f[1] = 0x3fc00000; /* not boxed */
    rig->hart->f[2] = S_B;
    assert_int_equal(execute_row(rig, RISCV_OP_FADD_S), BOX(FP_NAN_S));
    assert_int_equal(execute_row(rig, RISCV_OP_FSGNJX_S), BOX(0xffc00000));
    assert_int_equal(execute_row(rig, RISCV_OP_FCLASS_S), 1 << 9);
    assert_int_equal(execute_row(rig, RISCV_OP_FMV_X_W), 0x3fc00000);
    assert_int_equal(execute_row(rig, RISCV_OP_FCVT_W_S), 0x7fffffff);
    rig->hart->f[1] = 0x00000000bfc00000;
    assert_int_equal(execute_row(rig, RISCV_OP_FMV_X_W), 0xffffffffbfc00000);
}

/* f0 is a register like any other; x0 is not written. */
static void test_register_zero(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    rig->hart->f[1] = D_A;
    exec_ok(rig, encode(RISCV_OP_FSGNJ_D, 0, 1, 1, 0));
    assert_int_equal(rig->hart->f[0], D_A);
    exec_ok(rig, encode(RISCV_OP_FMV_X_D, 0, 1, 0, 0));
    exec_ok(rig, encode(RISCV_OP_FMV_D_X, 0, 0, 0, 0));
    assert_int_equal(rig->hart->f[0], 0);
}

/* ---- Rounding modes ---------------------------------------------------- */

/* 1.5 and -2.25 to integers, in each mode, from the instruction and frm. */
static void test_rounding_modes(void **state)
{
    static const int64_t rounded[5][2] = {
        { 2, -2 }, { 1, -2 }, { 1, -3 }, { 2, -2 }, { 2, -2 },
    };
    struct rig *rig = *state;
    unsigned rm;

    for (rm = 0; rm < 5; rm++) {
        uint32_t dynamic = encode(RISCV_OP_FCVT_L_D, 4, 1, 0, 0);
        uint32_t in_insn = (dynamic & ~(7u << 12)) | rm << 12;

        enable(rig);
        rig->hart->f[1] = D_A;
        rig->hart->frm = (uint8_t)rm;
        exec_ok(rig, dynamic);
        assert_int_equal(rig->hart->x[4], (uint64_t)rounded[rm][0]);
        rig->hart->f[1] = D_B;
        rig->hart->frm = 7; /* of no importance */
        exec_ok(rig, in_insn);
        assert_int_equal(rig->hart->x[4], (uint64_t)rounded[rm][1]);
        assert_int_equal(rig->hart->fflags, FP_FLAG_NX);
    }
}

static void test_reserved_rounding_modes(void **state)
{
    struct rig *rig = *state;
    uint32_t add = encode(RISCV_OP_FADD_D, 4, 1, 2, 0);
    unsigned rm;

    enable(rig);
    rig->hart->f[4] = 0x1234;
    for (rm = 5; rm < 8; rm++) {
        rig->hart->frm = (uint8_t)rm;
        exec_is_illegal(rig, add);
        /* Rows without a mode do not care. */
        exec_ok(rig, encode(RISCV_OP_FMIN_D, 5, 1, 2, 0));
        exec_ok(rig, encode(RISCV_OP_FSGNJ_D, 5, 1, 2, 0));
    }
    rig->hart->frm = 0;
    exec_is_illegal(rig, (add & ~(7u << 12)) | 5u << 12);
    exec_is_illegal(rig, (add & ~(7u << 12)) | 6u << 12);
    assert_int_equal(rig->hart->f[4], 0x1234);
}

/* ---- Flags and the state of the unit ----------------------------------- */

static void test_flags_accumulate(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    rig->hart->fflags = FP_FLAG_UF;
    rig->hart->f[1] = D_A;
    rig->hart->f[2] = 0;
    assert_int_equal(execute_row(rig, RISCV_OP_FDIV_D), 0x7ff0000000000000);
    assert_int_equal(rig->hart->fflags, FP_FLAG_UF | FP_FLAG_DZ);
    execute_row(rig, RISCV_OP_FADD_D);
    assert_int_equal(rig->hart->fflags, FP_FLAG_UF | FP_FLAG_DZ);
}

/* Dirty: f registers or flags were written. */
static void test_dirty_state(void **state)
{
    struct rig *rig = *state;

    enable(rig);
    rig->hart->f[1] = D_A;
    rig->hart->f[2] = D_B;
    execute_row(rig, RISCV_OP_FCLASS_D);
    execute_row(rig, RISCV_OP_FMV_X_D);
    execute_row(rig, RISCV_OP_FLT_D);
    assert_false(is_dirty(rig));
    execute_row(rig, RISCV_OP_FCVT_W_D); /* inexact */
    assert_true(is_dirty(rig));
    enable(rig);
    execute_row(rig, RISCV_OP_FSGNJ_D);
    assert_true(is_dirty(rig));
    enable(rig);
    execute_row(rig, RISCV_OP_FMV_D_X);
    assert_true(is_dirty(rig));
}

static void test_unit_is_off(void **state)
{
    struct rig *rig = *state;
    unsigned op;

    rig->hart->mstatus &= ~MSTATUS_FS;
    for (op = 0; op < RISCV_OP_COUNT; op++) {
        if (riscv__ops[op].class == RISCV_CLASS_FP) {
            exec_is_illegal(rig, fp_insn((enum riscv_op)op));
        }
    }
    assert_int_equal(rig->hart->mstatus & MSTATUS_FS, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_singles),
        TEST(test_doubles),
        TEST(test_integers),
        TEST(test_all_rows_are_listed),
        TEST(test_comparisons),
        TEST(test_boxing),
        TEST(test_register_zero),
        TEST(test_rounding_modes),
        TEST(test_reserved_rounding_modes),
        TEST(test_flags_accumulate),
        TEST(test_dirty_state),
        TEST(test_unit_is_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
