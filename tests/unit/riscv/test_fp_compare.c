/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jit/riscv/fp/fp.h"

#define NV     FP_FLAG_NV
#define QNAN_S UINT32_C(0x7fc00001)
#define SNAN_S UINT32_C(0x7f800001)
#define ONE_S  UINT32_C(0x3f800000)
#define INF_S  UINT32_C(0x7f800000)

static void test_min_max(void **state)
{
    static const struct {
        uint32_t a, b, min, max;
        uint8_t flags;
    } cases[] = {
        { ONE_S, 0x40000000, ONE_S, 0x40000000, 0 },
        { FP_SIGN_S | ONE_S, ONE_S, FP_SIGN_S | ONE_S, ONE_S, 0 },
        { 0, FP_SIGN_S, FP_SIGN_S, 0, 0 },
        { FP_SIGN_S, 0, FP_SIGN_S, 0, 0 },
        { INF_S, ONE_S, ONE_S, INF_S, 0 },
        { QNAN_S, ONE_S, ONE_S, ONE_S, 0 },
        { ONE_S, SNAN_S, ONE_S, ONE_S, NV },
        { QNAN_S, QNAN_S, FP_NAN_S, FP_NAN_S, 0 },
        { QNAN_S, SNAN_S, FP_NAN_S, FP_NAN_S, NV },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t flags = 0;

        assert_int_equal(fp__min_s(cases[i].a, cases[i].b, &flags),
                         cases[i].min);
        assert_int_equal(flags, cases[i].flags);
        flags = 0;
        assert_int_equal(fp__max_s(cases[i].a, cases[i].b, &flags),
                         cases[i].max);
        assert_int_equal(flags, cases[i].flags);
    }
}

/* What each comparison says, and whether it is invalid. */
static void test_comparisons(void **state)
{
    static const struct {
        uint32_t a, b;
        bool eq, lt, le;
        uint8_t eq_flags, order_flags;
    } cases[] = {
        { ONE_S, ONE_S, true, false, true, 0, 0 },
        { 0, FP_SIGN_S, true, false, true, 0, 0 },
        { FP_SIGN_S | 1, 1, false, true, true, 0, 0 },
        { 1, FP_SIGN_S | 1, false, false, false, 0, 0 },
        { FP_SIGN_S | INF_S, FP_SIGN_S | ONE_S, false, true, true, 0, 0 },
        { QNAN_S, QNAN_S, false, false, false, 0, NV },
        { ONE_S, SNAN_S, false, false, false, NV, NV },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t flags = 0;

        assert_int_equal(fp__eq_s(cases[i].a, cases[i].b, &flags), cases[i].eq);
        assert_int_equal(flags, cases[i].eq_flags);
        flags = 0;
        assert_int_equal(fp__lt_s(cases[i].a, cases[i].b, &flags), cases[i].lt);
        assert_int_equal(flags, cases[i].order_flags);
        flags = 0;
        assert_int_equal(fp__le_s(cases[i].a, cases[i].b, &flags), cases[i].le);
        assert_int_equal(flags, cases[i].order_flags);
    }
}

static void test_doubles(void **state)
{
    const uint64_t one = UINT64_C(0x3ff0000000000000);
    uint8_t flags = 0;

    (void)state;
    /* Differ in the high half alone, and in the low half alone. */
    assert_true(fp__lt_d(one, one + (UINT64_C(1) << 52), &flags));
    assert_true(fp__lt_d(one, one + 1, &flags));
    assert_true(fp__le_d(FP_SIGN_D | (one + 1), FP_SIGN_D | one, &flags));
    assert_false(fp__eq_d(one, one + 1, &flags));
    assert_int_equal(fp__min_d(0, FP_SIGN_D, &flags), FP_SIGN_D);
    assert_int_equal(fp__max_d(FP_SIGN_D, 0, &flags), 0);
    assert_int_equal(flags, 0);
}

static void test_classes(void **state)
{
    static const uint32_t singles[] = { 0xff800000, 0xbf800000, 0x80000001,
                                        0x80000000, 0x00000000, 0x007fffff,
                                        0x00800000, 0x7f800000, 0x7f800001,
                                        0xffc00000 };
    static const uint64_t doubles[] = {
        UINT64_C(0xfff0000000000000), UINT64_C(0x8010000000000000),
        UINT64_C(0x800fffffffffffff), UINT64_C(0x8000000000000000),
        UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000001),
        UINT64_C(0x7fefffffffffffff), UINT64_C(0x7ff0000000000000),
        UINT64_C(0xfff0000000000001), UINT64_C(0x7fffffffffffffff)
    };

    (void)state;
    for (unsigned bit = 0; bit < 10; bit++) {
        assert_int_equal(fp__class_s(singles[bit]), 1u << bit);
        assert_int_equal(fp__class_d(doubles[bit]), 1u << bit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_min_max),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
