/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jit/riscv/fp/fp.h"

#define NX FP_FLAG_NX
#define NV FP_FLAG_NV

typedef uint64_t to_integer_fn(uint64_t, enum fp_rm, uint8_t *);

struct to_integer_case {
    to_integer_fn *function;
    uint64_t value;
    enum fp_rm rm;
    uint64_t result;
    uint8_t flags;
};

#define HALF      UINT64_C(0x3fe0000000000000)
#define MINUS     FP_SIGN_D
#define INF       UINT64_C(0x7ff0000000000000)
#define TWO_31    UINT64_C(0x41e0000000000000)
#define TWO_32    UINT64_C(0x41f0000000000000)
#define TWO_63    UINT64_C(0x43e0000000000000)
#define TWO_64    UINT64_C(0x43f0000000000000)
#define W_MIN     UINT64_C(0xffffffff80000000)
#define ALL_ONES  UINT64_MAX
#define HALF_PLUS UINT64_C(0x3ff8000000000000) /* 1.5 */
#define FRACTION  UINT64_C(0x41dfffffffe00000) /* 2^31 - 0.5 */

static const struct to_integer_case to_integer_cases[] = {
    /* Each mode, on a tie. */
    { fp__cvt_w_d, HALF, FP_RM_RNE, 0, NX },
    { fp__cvt_w_d, HALF_PLUS, FP_RM_RNE, 2, NX },
    { fp__cvt_w_d, HALF, FP_RM_RMM, 1, NX },
    { fp__cvt_w_d, HALF, FP_RM_RUP, 1, NX },
    { fp__cvt_w_d, HALF, FP_RM_RDN, 0, NX },
    { fp__cvt_w_d, HALF, FP_RM_RTZ, 0, NX },
    { fp__cvt_w_d, MINUS | HALF, FP_RM_RDN, ALL_ONES, NX },
    { fp__cvt_w_d, MINUS | HALF, FP_RM_RUP, 0, NX },
    { fp__cvt_w_d, MINUS | 1, FP_RM_RDN, ALL_ONES, NX },
    { fp__cvt_w_d, MINUS, FP_RM_RNE, 0, 0 },
    /* Limits: out of range only once rounded, and then not inexact. */
    { fp__cvt_w_d, FRACTION, FP_RM_RTZ, INT32_MAX, NX },
    { fp__cvt_w_d, FRACTION, FP_RM_RNE, INT32_MAX, NV },
    { fp__cvt_w_d, MINUS | TWO_31, FP_RM_RNE, W_MIN, 0 },
    { fp__cvt_w_d, TWO_31, FP_RM_RNE, INT32_MAX, NV },
    { fp__cvt_w_d, MINUS | TWO_32, FP_RM_RNE, W_MIN, NV },
    { fp__cvt_wu_d, TWO_31, FP_RM_RNE, W_MIN, 0 },
    { fp__cvt_wu_d, TWO_32, FP_RM_RNE, ALL_ONES, NV },
    { fp__cvt_wu_d, MINUS | HALF, FP_RM_RTZ, 0, NX },
    { fp__cvt_wu_d, MINUS | HALF, FP_RM_RDN, 0, NV },
    { fp__cvt_l_d, MINUS | TWO_63, FP_RM_RNE, UINT64_C(1) << 63, 0 },
    { fp__cvt_l_d, TWO_63, FP_RM_RNE, INT64_MAX, NV },
    { fp__cvt_lu_d, TWO_63, FP_RM_RNE, UINT64_C(1) << 63, 0 },
    { fp__cvt_lu_d, TWO_64, FP_RM_RNE, ALL_ONES, NV },
    { fp__cvt_lu_d, MINUS | TWO_63, FP_RM_RNE, 0, NV },
    /* A NaN is above every range, whatever its sign. */
    { fp__cvt_w_d, MINUS | FP_NAN_D, FP_RM_RNE, INT32_MAX, NV },
    { fp__cvt_wu_d, FP_NAN_D, FP_RM_RNE, ALL_ONES, NV },
    { fp__cvt_l_d, INF | 1, FP_RM_RNE, INT64_MAX, NV },
    { fp__cvt_lu_d, FP_NAN_D, FP_RM_RNE, ALL_ONES, NV },
    { fp__cvt_l_d, MINUS | INF, FP_RM_RNE, UINT64_C(1) << 63, NV },
    { fp__cvt_w_d, INF, FP_RM_RNE, INT32_MAX, NV },
};

static void test_to_integer(void **state)
{
    const size_t count = sizeof(to_integer_cases) / sizeof(to_integer_cases[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct to_integer_case *c = &to_integer_cases[i];
        uint8_t flags = 0;

        assert_int_equal(c->function(c->value, c->rm, &flags), c->result);
        assert_int_equal(flags, c->flags);
    }
}

static void test_single_to_integer(void **state)
{
    uint8_t flags = 0;

    (void)state;
    assert_int_equal(fp__cvt_w_s(0xc0200000, FP_RM_RNE, &flags),
                     (uint64_t)-2); /* -2.5 */
    assert_int_equal(fp__cvt_l_s(0x5effffff, FP_RM_RNE, &flags),
                     UINT64_C(0x7fffff8000000000));
    assert_int_equal(flags, NX);
    flags = 0;
    assert_int_equal(fp__cvt_wu_s(0x4f7fffff, FP_RM_RNE, &flags),
                     UINT64_C(0xffffffffffffff00));
    assert_int_equal(flags, 0);
    assert_int_equal(fp__cvt_lu_s(0xbf800000, FP_RM_RNE, &flags), 0);
    assert_int_equal(flags, NV);
}

static void test_from_integer(void **state)
{
    uint8_t flags = 0;

    (void)state;
    /* Narrow operands: the upper half of the register is ignored. */
    assert_int_equal(
        fp__cvt_d_w(UINT64_C(0x1234567880000000), FP_RM_RNE, &flags),
        MINUS | TWO_31);
    assert_int_equal(
        fp__cvt_d_wu(UINT64_C(0x1234567880000000), FP_RM_RNE, &flags), TWO_31);
    assert_int_equal(fp__cvt_d_l(UINT64_C(1) << 63, FP_RM_RNE, &flags),
                     MINUS | TWO_63);
    assert_int_equal(fp__cvt_d_lu(UINT64_C(1) << 63, FP_RM_RNE, &flags),
                     TWO_63);
    assert_int_equal(fp__cvt_d_w(0, FP_RM_RDN, &flags), 0);
    assert_int_equal(flags, 0);

    assert_int_equal(fp__cvt_d_lu(UINT64_MAX, FP_RM_RNE, &flags), TWO_64);
    assert_int_equal(fp__cvt_d_lu(UINT64_MAX, FP_RM_RTZ, &flags), TWO_64 - 1);
    assert_int_equal(fp__cvt_s_w(16777217, FP_RM_RNE, &flags), 0x4b800000);
    assert_int_equal(fp__cvt_s_wu(16777217, FP_RM_RMM, &flags), 0x4b800001);
    assert_int_equal(fp__cvt_s_l((uint64_t)-16777217, FP_RM_RDN, &flags),
                     0xcb800001);
    assert_int_equal(fp__cvt_s_lu(16777219, FP_RM_RNE, &flags), 0x4b800002);
    assert_int_equal(flags, NX);
}

static void test_between_formats(void **state)
{
    uint8_t flags = 0;

    (void)state;
    assert_int_equal(fp__cvt_d_s(0x00000001, &flags),
                     UINT64_C(0x36a0000000000000));
    assert_int_equal(fp__cvt_d_s(0xff800000, &flags), MINUS | INF);
    assert_int_equal(fp__cvt_d_s(0xffc00001, &flags), FP_NAN_D);
    assert_int_equal(fp__cvt_s_d(MINUS, FP_RM_RNE, &flags), FP_SIGN_S);
    assert_int_equal(flags, 0);
    assert_int_equal(fp__cvt_d_s(0x7f800001, &flags), FP_NAN_D);
    assert_int_equal(flags, NV);

    flags = 0;
    assert_int_equal(
        fp__cvt_s_d(UINT64_C(0x47efffffefffffff), FP_RM_RNE, &flags),
        0x7f7fffff);
    assert_int_equal(flags, NX);
    assert_int_equal(
        fp__cvt_s_d(UINT64_C(0x47effffff0000000), FP_RM_RNE, &flags),
        0x7f800000);
    assert_int_equal(flags, FP_FLAG_OF | NX);
    flags = 0;
    assert_int_equal(
        fp__cvt_s_d(UINT64_C(0x3690000000000000), FP_RM_RNE, &flags), 0);
    assert_int_equal(flags, FP_FLAG_UF | NX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_integer),
        cmocka_unit_test(test_single_to_integer),
        cmocka_unit_test(test_from_integer),
        cmocka_unit_test(test_between_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
