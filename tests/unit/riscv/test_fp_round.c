/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jit/riscv/fp/fp_internal.h"

#define TOP (UINT64_C(1) << 63)

/* Every finite single survives unpacking and rounding, without a flag. */
static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t bits = 1; bits < 0x7f800000; bits += 0x1235) {
        struct fp_num num = fp__unpack(&fp__single, bits);
        uint8_t flags = 0;

        assert_int_equal(num.kind, FP_FINITE);
        assert_int_equal(
            fp__round(&fp__single, true, num.exp, num.sig, FP_RM_RUP, &flags),
            bits | FP_SIGN_S);
        assert_int_equal(flags, 0);
    }
}

static void test_unpack(void **state)
{
    struct fp_num num = fp__unpack(&fp__double, 1);

    (void)state;
    assert_int_equal(num.exp, -1074);
    assert_true(num.sig == TOP);
    num = fp__unpack(&fp__double, FP_SIGN_D);
    assert_int_equal(num.sig, 0);
    assert_int_equal(num.exp, FP_ZERO_EXP);
    assert_true(num.sign);
    assert_int_equal(fp__unpack(&fp__single, 0xff800000).kind, FP_INFINITE);
    assert_int_equal(fp__unpack(&fp__single, 0x7f800001).kind,
                     FP_SIGNALING_NAN);
    assert_int_equal(fp__unpack(&fp__single, FP_NAN_S).kind, FP_QUIET_NAN);
}

/* For each mode: is +x.25, +x.5, +x.75 rounded up, with x even; x odd; x
 * negative and even? One digit each. */
static void test_decisions(void **state)
{
    static const struct {
        enum fp_rm rm;
        bool even[3], odd[3], negative[3];
    } cases[] = {
        { FP_RM_RNE, { 0, 0, 1 }, { 0, 1, 1 }, { 0, 0, 1 } },
        { FP_RM_RTZ, { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } },
        { FP_RM_RDN, { 0, 0, 0 }, { 0, 0, 0 }, { 1, 1, 1 } },
        { FP_RM_RUP, { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 } },
        { FP_RM_RMM, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned quarter = 1; quarter <= 3; quarter++) {
            enum fp_rm rm = cases[i].rm;

            assert_int_equal(fp__rounds_up(rm, false, false, quarter, 2),
                             cases[i].even[quarter - 1]);
            assert_int_equal(fp__rounds_up(rm, false, true, quarter, 2),
                             cases[i].odd[quarter - 1]);
            assert_int_equal(fp__rounds_up(rm, true, false, quarter, 2),
                             cases[i].negative[quarter - 1]);
        }
        assert_false(fp__rounds_up(cases[i].rm, true, true, 0, 2));
    }
}

/*
 * One step below the least normal double, 2^-1023 * (2 - x): tiny unless it
 * reaches 2^-1022 with 53 bits and no limit on the exponent.
 */
static void test_tininess(void **state)
{
    static const struct {
        uint64_t below; /* x, in units of 2^-63 */
        enum fp_rm rm;
        uint64_t result;
        uint8_t flags;
    } cases[] = {
        { 0x400, FP_RM_RNE, UINT64_C(1) << 52, FP_FLAG_NX },
        { 0x401, FP_RM_RNE, UINT64_C(1) << 52, FP_FLAG_UF | FP_FLAG_NX },
        { 0x7ff, FP_RM_RUP, UINT64_C(1) << 52, FP_FLAG_NX },
        { 0x800, FP_RM_RUP, UINT64_C(1) << 52, FP_FLAG_UF | FP_FLAG_NX },
        { 0x400, FP_RM_RMM, UINT64_C(1) << 52, FP_FLAG_NX },
        { 1, FP_RM_RTZ, (UINT64_C(1) << 52) - 1, FP_FLAG_UF | FP_FLAG_NX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t flags = 0;

        assert_int_equal(fp__round(&fp__double, false, -1023, -cases[i].below,
                                   cases[i].rm, &flags),
                         cases[i].result);
        assert_int_equal(flags, cases[i].flags);
    }
}

static void test_far_outside(void **state)
{
    uint8_t flags = 0;

    (void)state;
    assert_int_equal(
        fp__round(&fp__double, false, 1 << 20, TOP, FP_RM_RNE, &flags),
        fp__infinity(&fp__double));
    assert_int_equal(flags, FP_FLAG_OF | FP_FLAG_NX);
    flags = 0;
    assert_int_equal(
        fp__round(&fp__double, false, -(1 << 20), TOP, FP_RM_RNE, &flags), 0);
    assert_int_equal(
        fp__round(&fp__double, false, -(1 << 20), TOP, FP_RM_RUP, &flags), 1);
    assert_int_equal(flags, FP_FLAG_UF | FP_FLAG_NX);
}

static void test_shift_jam(void **state)
{
    (void)state;
    assert_true(fp__shift_jam(TOP, 0) == TOP);
    assert_int_equal(fp__shift_jam(8, 3), 1);
    assert_int_equal(fp__shift_jam(9, 3), 1);
    assert_int_equal(fp__shift_jam(17, 3), 3);
    assert_int_equal(fp__shift_jam(TOP, 63), 1);
    assert_int_equal(fp__shift_jam(TOP, 64), 1);
    assert_int_equal(fp__shift_jam(0, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_unpack),
        cmocka_unit_test(test_decisions),   cmocka_unit_test(test_tininess),
        cmocka_unit_test(test_far_outside), cmocka_unit_test(test_shift_jam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
