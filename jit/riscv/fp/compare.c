/* SPDX-License-Identifier: MIT */
/*
 * Comparisons, minimum and maximum, classification: on the bits alone.
 */
#include "jit/riscv/fp/fp.h"

#include "jit/riscv/fp/fp_internal.h"

/* Orders numbers that are not NaN; the two zeros are equal. */
static int64_t rank(const struct fp_format *fmt, uint64_t bits)
{
    int64_t magnitude = (int64_t)fp__magnitude(fmt, bits);

    return fp__sign(fmt, bits) ? -magnitude : magnitude;
}

/* Has either operand no rank? @quiet: then only a signaling NaN is invalid. */
static bool unordered(const struct fp_format *fmt, uint64_t a, uint64_t b,
                      bool quiet, uint8_t *flags)
{
    bool nan = fp__is_nan(fmt, a) || fp__is_nan(fmt, b);

    if (nan &&
        (!quiet || fp__is_signaling(fmt, a) || fp__is_signaling(fmt, b))) {
        *flags |= FP_FLAG_NV;
    }
    return nan;
}

static bool is_equal(const struct fp_format *fmt, uint64_t a, uint64_t b,
                     uint8_t *flags)
{
    return !unordered(fmt, a, b, true, flags) && rank(fmt, a) == rank(fmt, b);
}

static bool is_less(const struct fp_format *fmt, uint64_t a, uint64_t b,
                    uint8_t *flags)
{
    return !unordered(fmt, a, b, false, flags) && rank(fmt, a) < rank(fmt, b);
}

static bool is_less_equal(const struct fp_format *fmt, uint64_t a, uint64_t b,
                          uint8_t *flags)
{
    return !unordered(fmt, a, b, false, flags) && rank(fmt, a) <= rank(fmt, b);
}

/* The operand that minimum or maximum takes where one is a NaN. */
static uint64_t choose_number(const struct fp_format *fmt, uint64_t a,
                              uint64_t b)
{
    if (!fp__is_nan(fmt, a)) {
        return a;
    }
    return fp__is_nan(fmt, b) ? fp__nan(fmt) : b;
}

static uint64_t minimum(const struct fp_format *fmt, uint64_t a, uint64_t b,
                        uint8_t *flags)
{
    if (unordered(fmt, a, b, true, flags)) {
        return choose_number(fmt, a, b);
    }
    if (rank(fmt, a) == rank(fmt, b)) {
        return a | b; /* the same but for the sign of a zero: -0 if any */
    }
    return rank(fmt, a) < rank(fmt, b) ? a : b;
}

static uint64_t maximum(const struct fp_format *fmt, uint64_t a, uint64_t b,
                        uint8_t *flags)
{
    if (unordered(fmt, a, b, true, flags)) {
        return choose_number(fmt, a, b);
    }
    if (rank(fmt, a) == rank(fmt, b)) {
        return a & b;
    }
    return rank(fmt, a) > rank(fmt, b) ? a : b;
}

/*
 *   bit   0     1        2        3   4   5     6        7     8    9
 *       -inf -normal -subnormal  -0  +0  +sub +normal  +inf  sNaN  qNaN
 */
static uint64_t classify(const struct fp_format *fmt, uint64_t bits)
{
    uint64_t magnitude = fp__magnitude(fmt, bits);
    unsigned distance; /* from the zeros outwards */

    if (fp__is_nan(fmt, bits)) {
        return fp__is_signaling(fmt, bits) ? 1 << 8 : 1 << 9;
    }
    if (magnitude == 0) {
        distance = 0;
    } else if (magnitude >> (fmt->precision - 1) == 0) {
        distance = 1;
    } else {
        distance = magnitude == fp__infinity(fmt) ? 3 : 2;
    }
    return fp__sign(fmt, bits) ? 8u >> distance : 16u << distance;
}

/* ---- The two formats --------------------------------------------------- */

uint32_t fp__min_s(uint32_t a, uint32_t b, uint8_t *flags)
{
    return (uint32_t)minimum(&fp__single, a, b, flags);
}

uint64_t fp__min_d(uint64_t a, uint64_t b, uint8_t *flags)
{
    return minimum(&fp__double, a, b, flags);
}

uint32_t fp__max_s(uint32_t a, uint32_t b, uint8_t *flags)
{
    return (uint32_t)maximum(&fp__single, a, b, flags);
}

uint64_t fp__max_d(uint64_t a, uint64_t b, uint8_t *flags)
{
    return maximum(&fp__double, a, b, flags);
}

bool fp__eq_s(uint32_t a, uint32_t b, uint8_t *flags)
{
    return is_equal(&fp__single, a, b, flags);
}

bool fp__eq_d(uint64_t a, uint64_t b, uint8_t *flags)
{
    return is_equal(&fp__double, a, b, flags);
}

bool fp__lt_s(uint32_t a, uint32_t b, uint8_t *flags)
{
    return is_less(&fp__single, a, b, flags);
}

bool fp__lt_d(uint64_t a, uint64_t b, uint8_t *flags)
{
    return is_less(&fp__double, a, b, flags);
}

bool fp__le_s(uint32_t a, uint32_t b, uint8_t *flags)
{
    return is_less_equal(&fp__single, a, b, flags);
}

bool fp__le_d(uint64_t a, uint64_t b, uint8_t *flags)
{
    return is_less_equal(&fp__double, a, b, flags);
}

uint64_t fp__class_s(uint32_t a)
{
    return classify(&fp__single, a);
}

uint64_t fp__class_d(uint64_t a)
{
    return classify(&fp__double, a);
}
