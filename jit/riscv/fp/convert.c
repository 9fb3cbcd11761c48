/* SPDX-License-Identifier: MIT */
/*
 * Conversions between the formats, and to and from integers.
 */
#include "jit/riscv/fp/fp.h"

#include "jit/riscv/fp/fp_internal.h"

/* The largest magnitude of an integer type on each side of 0. */
struct limits {
    uint64_t positive;
    uint64_t negative;
};

static const struct limits w_limits = { INT32_MAX, UINT64_C(1) << 31 };
static const struct limits wu_limits = { UINT32_MAX, 0 };
static const struct limits l_limits = { INT64_MAX, UINT64_C(1) << 63 };
static const struct limits lu_limits = { UINT64_MAX, 0 };

static uint64_t convert(const struct fp_format *to,
                        const struct fp_format *from, uint64_t bits,
                        enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(from, bits);

    switch (a.kind) {
    case FP_INFINITE:
        return fp__signed(to, a.sign, fp__infinity(to));
    case FP_QUIET_NAN:
    case FP_SIGNALING_NAN:
        return fp__nan_result(to, a.kind == FP_SIGNALING_NAN, flags);
    case FP_FINITE:
        break;
    }
    if (a.sig == 0) {
        return fp__signed(to, a.sign, 0);
    }
    return fp__round(to, a.sign, a.exp, a.sig, rm, flags);
}

/* ---- To integers ------------------------------------------------------- */

static uint64_t negate_if(bool sign, uint64_t magnitude)
{
    return sign ? -magnitude : magnitude;
}

static uint64_t saturate(const struct limits *limits, bool sign, uint8_t *flags)
{
    *flags |= FP_FLAG_NV;
    return sign ? -limits->negative : limits->positive;
}

/* A finite number below 2^64 is split at the binary point:
 *
 *    whole: 64 bits . fraction: 64 bits, sticky
 */
static uint64_t round_to_integer(struct fp_num a, const struct limits *limits,
                                 enum fp_rm rm, uint8_t *flags)
{
    uint64_t whole = a.exp < 0 ? 0 : a.sig >> (63 - a.exp);
    uint64_t fraction;

    if (a.exp < 0) {
        fraction = fp__shift_jam(a.sig, (unsigned)(-1 - a.exp));
    } else {
        fraction = a.exp == 63 ? 0 : a.sig << (a.exp + 1);
    }
    whole += fp__rounds_up(rm, a.sign, whole & 1, fraction, UINT64_C(1) << 63);
    if (whole > (a.sign ? limits->negative : limits->positive)) {
        return saturate(limits, a.sign, flags);
    }
    if (fraction != 0) {
        *flags |= FP_FLAG_NX;
    }
    return negate_if(a.sign, whole);
}

static uint64_t to_integer(const struct fp_format *fmt, uint64_t bits,
                           const struct limits *limits, enum fp_rm rm,
                           uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, bits);

    if (a.kind != FP_FINITE) {
        return saturate(limits, a.kind == FP_INFINITE && a.sign, flags);
    }
    if (a.exp > 63) {
        return saturate(limits, a.sign, flags);
    }
    return round_to_integer(a, limits, rm, flags);
}

static uint64_t sign_extend_word(uint64_t value)
{
    return (uint64_t)(int64_t)(int32_t)value;
}

/* ---- From integers ----------------------------------------------------- */

static uint64_t from_magnitude(const struct fp_format *fmt, bool sign,
                               uint64_t magnitude, enum fp_rm rm,
                               uint8_t *flags)
{
    int shift;

    if (magnitude == 0) {
        return 0;
    }
    shift = __builtin_clzll(magnitude);
    return fp__round(fmt, sign, 63 - shift, magnitude << shift, rm, flags);
}

static uint64_t from_signed(const struct fp_format *fmt, uint64_t x,
                            enum fp_rm rm, uint8_t *flags)
{
    bool sign = x >> 63;

    return from_magnitude(fmt, sign, negate_if(sign, x), rm, flags);
}

/* ---- The instructions -------------------------------------------------- */

uint64_t fp__cvt_d_s(uint32_t a, uint8_t *flags)
{
    return convert(&fp__double, &fp__single, a, FP_RM_RTZ, flags);
}

uint32_t fp__cvt_s_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)convert(&fp__single, &fp__double, a, rm, flags);
}

uint64_t fp__cvt_w_s(uint32_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__single, a, &w_limits, rm, flags);
}

uint64_t fp__cvt_wu_s(uint32_t a, enum fp_rm rm, uint8_t *flags)
{
    return sign_extend_word(to_integer(&fp__single, a, &wu_limits, rm, flags));
}

uint64_t fp__cvt_l_s(uint32_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__single, a, &l_limits, rm, flags);
}

uint64_t fp__cvt_lu_s(uint32_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__single, a, &lu_limits, rm, flags);
}

uint64_t fp__cvt_w_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__double, a, &w_limits, rm, flags);
}

uint64_t fp__cvt_wu_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return sign_extend_word(to_integer(&fp__double, a, &wu_limits, rm, flags));
}

uint64_t fp__cvt_l_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__double, a, &l_limits, rm, flags);
}

uint64_t fp__cvt_lu_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return to_integer(&fp__double, a, &lu_limits, rm, flags);
}

uint32_t fp__cvt_s_w(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)from_signed(&fp__single, sign_extend_word(x), rm, flags);
}

uint32_t fp__cvt_s_wu(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)from_magnitude(&fp__single, false, (uint32_t)x, rm, flags);
}

uint32_t fp__cvt_s_l(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)from_signed(&fp__single, x, rm, flags);
}

uint32_t fp__cvt_s_lu(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)from_magnitude(&fp__single, false, x, rm, flags);
}

uint64_t fp__cvt_d_w(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return from_signed(&fp__double, sign_extend_word(x), rm, flags);
}

uint64_t fp__cvt_d_wu(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return from_magnitude(&fp__double, false, (uint32_t)x, rm, flags);
}

uint64_t fp__cvt_d_l(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return from_signed(&fp__double, x, rm, flags);
}

uint64_t fp__cvt_d_lu(uint64_t x, enum fp_rm rm, uint8_t *flags)
{
    return from_magnitude(&fp__double, false, x, rm, flags);
}
