/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic: answers worked out by hand. The broad comparison with another
 * implementation is tests/guest/test_fp_vectors.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jit/riscv/fp/fp.h"

#define NX FP_FLAG_NX
#define UF (FP_FLAG_UF | FP_FLAG_NX)
#define OF (FP_FLAG_OF | FP_FLAG_NX)
#define DZ FP_FLAG_DZ
#define NV FP_FLAG_NV

#define ONE_D     UINT64_C(0x3ff0000000000000)
#define INF_D     UINT64_C(0x7ff0000000000000)
#define MAX_D     UINT64_C(0x7fefffffffffffff)
#define MIN_D     UINT64_C(0x0010000000000000) /* least normal */
#define QNAN_D    UINT64_C(0x7ff8000000000123)
#define SNAN_D    UINT64_C(0x7ff0000000000123)
#define TINY_D    UINT64_C(1)
#define NEG(bits) ((bits) | FP_SIGN_D)

struct binary_case {
    uint64_t a;
    uint64_t b;
    enum fp_rm rm;
    uint64_t result;
    uint8_t flags;
};

typedef uint64_t binary_fn(uint64_t, uint64_t, enum fp_rm, uint8_t *);

static void check_binary(binary_fn *function, const struct binary_case *c,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t flags = 0;

        assert_int_equal(function(c[i].a, c[i].b, c[i].rm, &flags),
                         c[i].result);
        assert_int_equal(flags, c[i].flags);
    }
}

#define CHECK_BINARY(function, cases) \
    check_binary(function, cases, sizeof(cases) / sizeof((cases)[0]))

static void test_add(void **state)
{
    /* 1 + 2^-53 is a tie; 1 + 3 * 2^-54 is above it. */
    const uint64_t tie = UINT64_C(0x3ca0000000000000);
    const struct binary_case cases[] = {
        { ONE_D, ONE_D, FP_RM_RNE, UINT64_C(0x4000000000000000), 0 },
        { ONE_D, tie, FP_RM_RNE, ONE_D, NX },
        { ONE_D, tie, FP_RM_RMM, ONE_D + 1, NX },
        { ONE_D, tie, FP_RM_RTZ, ONE_D, NX },
        { ONE_D, tie, FP_RM_RDN, ONE_D, NX },
        { ONE_D, tie, FP_RM_RUP, ONE_D + 1, NX },
        { ONE_D + 1, tie, FP_RM_RNE, ONE_D + 2, NX },
        { ONE_D, tie + 1, FP_RM_RNE, ONE_D + 1, NX },
        { NEG(ONE_D), NEG(tie), FP_RM_RDN, NEG(ONE_D + 1), NX },
        { NEG(ONE_D), NEG(tie), FP_RM_RUP, NEG(ONE_D), NX },
        /* Far apart: only the sticky bit is left of the smaller one. */
        { ONE_D, TINY_D, FP_RM_RUP, ONE_D + 1, NX },
        { ONE_D, NEG(TINY_D), FP_RM_RDN, ONE_D - 1, NX },
        { ONE_D, NEG(TINY_D), FP_RM_RNE, ONE_D, NX },
        /* Exact zeros. */
        { ONE_D, NEG(ONE_D), FP_RM_RNE, 0, 0 },
        { ONE_D, NEG(ONE_D), FP_RM_RDN, NEG(0), 0 },
        { NEG(0), NEG(0), FP_RM_RNE, NEG(0), 0 },
        { NEG(0), 0, FP_RM_RNE, 0, 0 },
        { NEG(0), 0, FP_RM_RDN, NEG(0), 0 },
        { 0, ONE_D, FP_RM_RNE, ONE_D, 0 },
        /* Sums of subnormals are exact, so never underflow. */
        { TINY_D, TINY_D, FP_RM_RNE, 2, 0 },
        { MIN_D, NEG(TINY_D), FP_RM_RNE, MIN_D - 1, 0 },
        /* Overflow by mode. */
        { MAX_D, MAX_D, FP_RM_RNE, INF_D, OF },
        { MAX_D, MAX_D, FP_RM_RTZ, MAX_D, OF },
        { MAX_D, MAX_D, FP_RM_RDN, MAX_D, OF },
        { MAX_D, MAX_D, FP_RM_RUP, INF_D, OF },
        { MAX_D, MAX_D, FP_RM_RMM, INF_D, OF },
        { NEG(MAX_D), NEG(MAX_D), FP_RM_RDN, NEG(INF_D), OF },
        { NEG(MAX_D), NEG(MAX_D), FP_RM_RUP, NEG(MAX_D), OF },
        /* Infinities and NaNs. */
        { INF_D, INF_D, FP_RM_RNE, INF_D, 0 },
        { INF_D, NEG(INF_D), FP_RM_RNE, FP_NAN_D, NV },
        { NEG(INF_D), MAX_D, FP_RM_RNE, NEG(INF_D), 0 },
        { QNAN_D, ONE_D, FP_RM_RNE, FP_NAN_D, 0 },
        { ONE_D, NEG(SNAN_D), FP_RM_RNE, FP_NAN_D, NV },
    };

    (void)state;
    CHECK_BINARY(fp__add_d, cases);
}

static void test_sub(void **state)
{
    const struct binary_case cases[] = {
        { ONE_D, ONE_D, FP_RM_RNE, 0, 0 },
        { ONE_D, ONE_D, FP_RM_RDN, NEG(0), 0 },
        { 0, 0, FP_RM_RNE, 0, 0 },
        { NEG(0), 0, FP_RM_RNE, NEG(0), 0 },
        { INF_D, INF_D, FP_RM_RNE, FP_NAN_D, NV },
        { ONE_D, QNAN_D, FP_RM_RNE, FP_NAN_D, 0 },
        { ONE_D, SNAN_D, FP_RM_RNE, FP_NAN_D, NV },
        /* One leading bit cancels: the result is exact. */
        { ONE_D, ONE_D - 1, FP_RM_RNE, UINT64_C(0x3ca0000000000000), 0 },
    };

    (void)state;
    CHECK_BINARY(fp__sub_d, cases);
}

static void test_mul(void **state)
{
    const uint64_t half = UINT64_C(0x3fe0000000000000);
    const struct binary_case cases[] = {
        { ONE_D, NEG(ONE_D), FP_RM_RNE, NEG(ONE_D), 0 },
        { 0, NEG(ONE_D), FP_RM_RNE, NEG(0), 0 },
        { INF_D, 0, FP_RM_RNE, FP_NAN_D, NV },
        { INF_D, NEG(ONE_D), FP_RM_RNE, NEG(INF_D), 0 },
        { TINY_D, half, FP_RM_RNE, 0, UF },
        { TINY_D, half, FP_RM_RMM, TINY_D, UF },
        { TINY_D, half, FP_RM_RUP, TINY_D, UF },
        { NEG(TINY_D), half, FP_RM_RUP, NEG(0), UF },
        { NEG(TINY_D), half, FP_RM_RDN, NEG(TINY_D), UF },
        /* Tiny and exact: no flag. */
        { MIN_D, half, FP_RM_RNE, MIN_D / 2, 0 },
        /*
         * (1 + u)(1 - u) * 2^-1022 = just below the least normal number, and
         * rounds to it at full precision as well: not tiny after rounding.
         */
        { MIN_D, ONE_D - 1, FP_RM_RUP, MIN_D, UF },
        { MIN_D + 1, ONE_D - 1, FP_RM_RNE, MIN_D, NX },
        { MAX_D, UINT64_C(0x4000000000000000), FP_RM_RTZ, MAX_D, OF },
    };

    (void)state;
    CHECK_BINARY(fp__mul_d, cases);
}

static void test_div(void **state)
{
    const uint64_t three = UINT64_C(0x4008000000000000);
    const uint64_t third = UINT64_C(0x3fd5555555555555);
    const struct binary_case cases[] = {
        { ONE_D, three, FP_RM_RNE, third, NX },
        { ONE_D, three, FP_RM_RUP, third + 1, NX },
        { NEG(ONE_D), three, FP_RM_RDN, NEG(third + 1), NX },
        { three, three, FP_RM_RNE, ONE_D, 0 },
        { ONE_D, 0, FP_RM_RNE, INF_D, DZ },
        { ONE_D, NEG(0), FP_RM_RNE, NEG(INF_D), DZ },
        { 0, 0, FP_RM_RNE, FP_NAN_D, NV },
        { INF_D, INF_D, FP_RM_RNE, FP_NAN_D, NV },
        { INF_D, 0, FP_RM_RNE, INF_D, 0 },
        { ONE_D, NEG(INF_D), FP_RM_RNE, NEG(0), 0 },
        { QNAN_D, 0, FP_RM_RNE, FP_NAN_D, 0 },
        { MAX_D, TINY_D, FP_RM_RNE, INF_D, OF },
        { TINY_D, MAX_D, FP_RM_RNE, 0, UF },
    };

    (void)state;
    CHECK_BINARY(fp__div_d, cases);
}

static void test_sqrt(void **state)
{
    const uint64_t root2 = UINT64_C(0x3ff6a09e667f3bcc); /* rounded down */
    uint8_t flags = 0;

    (void)state;
    assert_int_equal(
        fp__sqrt_d(UINT64_C(0x4022000000000000), FP_RM_RNE, &flags),
        UINT64_C(0x4008000000000000)); /* 9 */
    assert_int_equal(fp__sqrt_d(NEG(0), FP_RM_RNE, &flags), NEG(0));
    assert_int_equal(fp__sqrt_d(INF_D, FP_RM_RNE, &flags), INF_D);
    /* 2^-1074 is an even power: exact. */
    assert_int_equal(fp__sqrt_d(TINY_D, FP_RM_RNE, &flags),
                     UINT64_C(0x1e60000000000000));
    assert_int_equal(flags, 0);

    assert_int_equal(
        fp__sqrt_d(UINT64_C(0x4000000000000000), FP_RM_RDN, &flags), root2);
    assert_int_equal(flags, NX);
    assert_int_equal(
        fp__sqrt_d(UINT64_C(0x4000000000000000), FP_RM_RNE, &flags), root2 + 1);
    flags = 0;
    assert_int_equal(fp__sqrt_d(NEG(ONE_D), FP_RM_RNE, &flags), FP_NAN_D);
    assert_int_equal(flags, NV);
    flags = 0;
    assert_int_equal(fp__sqrt_d(NEG(INF_D), FP_RM_RNE, &flags), FP_NAN_D);
    assert_int_equal(flags, NV);
    flags = 0;
    assert_int_equal(fp__sqrt_d(NEG(QNAN_D), FP_RM_RNE, &flags), FP_NAN_D);
    assert_int_equal(flags, 0);
}

static void test_fma(void **state)
{
    static const struct {
        uint64_t a, b, c;
        enum fp_rm rm;
        uint64_t result;
        uint8_t flags;
    } cases[] = {
        { ONE_D, ONE_D, ONE_D, FP_RM_RNE, UINT64_C(0x4000000000000000), 0 },
        /* (1 + u)^2 - (1 + 2u) = u^2: two roundings would give 0. */
        { ONE_D + 1, ONE_D + 1, NEG(ONE_D + 2), FP_RM_RNE,
          UINT64_C(0x3970000000000000), 0 },
        /* A tie at 1 + u / 2, broken by a subnormal. */
        { ONE_D, UINT64_C(0x3ca0000000000000), ONE_D, FP_RM_RNE, ONE_D, NX },
        { TINY_D, TINY_D, ONE_D, FP_RM_RUP, ONE_D + 1, NX },
        { TINY_D, NEG(TINY_D), ONE_D, FP_RM_RTZ, ONE_D - 1, NX },
        { MAX_D, UINT64_C(0x4000000000000000), NEG(MAX_D), FP_RM_RNE, MAX_D,
          0 },
        { 0, ONE_D, NEG(0), FP_RM_RNE, 0, 0 },
        { 0, NEG(ONE_D), NEG(0), FP_RM_RNE, NEG(0), 0 },
        { ONE_D, ONE_D, NEG(ONE_D), FP_RM_RDN, NEG(0), 0 },
        { INF_D, 0, QNAN_D, FP_RM_RNE, FP_NAN_D, NV },
        { 0, NEG(INF_D), ONE_D, FP_RM_RNE, FP_NAN_D, NV },
        { INF_D, ONE_D, NEG(INF_D), FP_RM_RNE, FP_NAN_D, NV },
        { INF_D, ONE_D, INF_D, FP_RM_RNE, INF_D, 0 },
        { ONE_D, ONE_D, NEG(INF_D), FP_RM_RNE, NEG(INF_D), 0 },
        { ONE_D, QNAN_D, ONE_D, FP_RM_RNE, FP_NAN_D, 0 },
        { ONE_D, ONE_D, SNAN_D, FP_RM_RNE, FP_NAN_D, NV },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t flags = 0;

        assert_int_equal(
            fp__fma_d(cases[i].a, cases[i].b, cases[i].c, cases[i].rm, &flags),
            cases[i].result);
        assert_int_equal(flags, cases[i].flags);
    }
}

/* Singles round at 24 bits: not by way of a double. */
static void test_single(void **state)
{
    const uint32_t one = 0x3f800000;
    uint8_t flags = 0;

    (void)state;
    assert_int_equal(fp__add_s(one, 0x33800000, FP_RM_RNE, &flags), one);
    assert_int_equal(fp__add_s(one, 0x33800001, FP_RM_RNE, &flags), one + 1);
    assert_int_equal(flags, NX);
    flags = 0;
    assert_int_equal(fp__div_s(one, 0, FP_RM_RNE, &flags), 0x7f800000);
    assert_int_equal(fp__mul_s(1, 0x3f000000, FP_RM_RUP, &flags), 1);
    assert_int_equal(flags, DZ | UF);
    flags = 0;
    assert_int_equal(fp__sub_s(0x7f800000, 0x7f800000, FP_RM_RNE, &flags),
                     FP_NAN_S);
    assert_int_equal(flags, NV);
    flags = 0;
    assert_int_equal(fp__sqrt_s(0x40800000, FP_RM_RNE, &flags), 0x40000000);
    /* 1 + 2^-23 + 2^-24 - 2^-54: below a tie, but a double would round it to
     * the tie first, and then up. */
    assert_int_equal(
        fp__fma_s(0x39800100, 0x397ffe00, one + 1, FP_RM_RNE, &flags), one + 1);
    assert_int_equal(fp__fma_s(one + 1, one + 1, 0xbf800002, FP_RM_RNE, &flags),
                     0x28800000);
    assert_int_equal(flags, NX);
}

static void test_boxing(void **state)
{
    (void)state;
    assert_int_equal(fp__box(0x3f800000), UINT64_C(0xffffffff3f800000));
    assert_int_equal(fp__unbox(UINT64_C(0xffffffff3f800000)), 0x3f800000);
    assert_int_equal(fp__unbox(UINT64_C(0xfffffffe3f800000)), FP_NAN_S);
    assert_int_equal(fp__unbox(0), FP_NAN_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),    cmocka_unit_test(test_sub),
        cmocka_unit_test(test_mul),    cmocka_unit_test(test_div),
        cmocka_unit_test(test_sqrt),   cmocka_unit_test(test_fma),
        cmocka_unit_test(test_single), cmocka_unit_test(test_boxing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
