/* SPDX-License-Identifier: MIT */
/*
 * Unpacking, and the one place that rounds, under- and overflows.
 *
 * A result arrives as a sign, an exponent and 64 bits with a sticky bit at
 * the bottom, and is cut to the format's precision:
 *
 *    63                             drop                  0
 *   +-------------------------------+----------------------+
 *   | kept: `precision` bits        | tail          sticky |
 *   +-------------------------------+----------------------+
 *
 * Both formats drop at least 11 bits, so the sticky bit never meets the
 * rounding position and "tail == half" is an exact tie.
 */
#include "jit/riscv/fp/fp_internal.h"

#include "engine/check.h"

/* Zero and subnormal numbers: the exponent field is 0. */
static struct fp_num unpack_subnormal(const struct fp_format *fmt, bool sign,
                                      uint64_t fraction)
{
    int shift;

    if (fraction == 0) {
        return (struct fp_num){ FP_FINITE, sign, FP_ZERO_EXP, 0 };
    }
    shift = __builtin_clzll(fraction);
    return (struct fp_num){ FP_FINITE, sign,
                            1 - fmt->emax + 64 - (int)fmt->precision - shift,
                            fraction << shift };
}

struct fp_num fp__unpack(const struct fp_format *fmt, uint64_t bits)
{
    uint64_t magnitude = fp__magnitude(fmt, bits);
    bool sign = fp__sign(fmt, bits);
    int biased = (int)(magnitude >> (fmt->precision - 1));

    if (fp__is_nan(fmt, bits)) {
        return (struct fp_num){ .kind = fp__is_signaling(fmt, bits)
                                            ? FP_SIGNALING_NAN
                                            : FP_QUIET_NAN };
    }
    if (magnitude == fp__infinity(fmt)) {
        return (struct fp_num){ .kind = FP_INFINITE, .sign = sign };
    }
    if (biased == 0) {
        return unpack_subnormal(fmt, sign, magnitude);
    }
    /* The shift drops the exponent field, then the implied bit goes in. */
    return (struct fp_num){ FP_FINITE, sign, biased - fmt->emax,
                            magnitude << (64 - fmt->precision) | UINT64_C(1)
                                                                     << 63 };
}

bool fp__rounds_up(enum fp_rm rm, bool sign, bool odd, uint64_t tail,
                   uint64_t half)
{
    switch (rm) {
    case FP_RM_RNE:
        return tail > half || (tail == half && odd);
    case FP_RM_RDN:
        return sign && tail != 0;
    case FP_RM_RUP:
        return !sign && tail != 0;
    case FP_RM_RMM:
        return tail >= half;
    case FP_RM_RTZ:
        return false;
    case FP_RM_DYN:
        break;
    }
    xbar_assert(!"the caller resolves the rounding mode");
    return false;
}

/* Past the largest finite number: that number, or infinity, by mode. */
static uint64_t overflow(const struct fp_format *fmt, bool sign, enum fp_rm rm,
                         uint8_t *flags)
{
    bool to_infinity = fp__rounds_up(rm, sign, true, 1, 1);

    *flags |= FP_FLAG_OF | FP_FLAG_NX;
    return fp__signed(fmt, sign, fp__infinity(fmt) - !to_infinity);
}

/*
 * Tininess is found after rounding: would the result still be below the least
 * normal number if exponents had no limit? Only a significand of all ones
 * that rounds up, one step below that number, escapes.
 */
static bool is_tiny(const struct fp_format *fmt, bool sign, int exp,
                    uint64_t sig, enum fp_rm rm)
{
    unsigned drop = 64 - fmt->precision;
    uint64_t unit = UINT64_C(1) << drop;

    if (exp >= 1 - fmt->emax) {
        return false;
    }
    return exp < -fmt->emax || sig < -unit ||
           !fp__rounds_up(rm, sign, true, sig & (unit - 1), unit / 2);
}

uint64_t fp__round(const struct fp_format *fmt, bool sign, int exp,
                   uint64_t sig, enum fp_rm rm, uint8_t *flags)
{
    const int emin = 1 - fmt->emax;
    unsigned drop = 64 - fmt->precision;
    uint64_t half = UINT64_C(1) << (drop - 1);
    bool tiny = is_tiny(fmt, sign, exp, sig, rm);
    uint64_t tail;
    uint64_t bits;

    xbar_assert(sig >> 63 == 1);
    if (exp > fmt->emax) {
        return overflow(fmt, sign, rm, flags);
    }
    if (exp < emin) {
        sig = fp__shift_jam(sig, (unsigned)(emin - exp));
        exp = emin;
    }
    tail = sig & (2 * half - 1);

    /* The implied bit of a normal number adds 1 to the exponent field, and so
     * does a carry out of the significand: also from subnormal to normal, and
     * from the largest number to infinity. */
    bits = ((uint64_t)(exp - emin) << (fmt->precision - 1)) + (sig >> drop);
    bits += fp__rounds_up(rm, sign, bits & 1, tail, half);
    if (bits >= fp__infinity(fmt)) {
        return overflow(fmt, sign, rm, flags);
    }
    if (tail != 0) {
        *flags |= tiny ? FP_FLAG_UF | FP_FLAG_NX : FP_FLAG_NX;
    }
    return fp__signed(fmt, sign, bits);
}

uint64_t fp__nan_result(const struct fp_format *fmt, bool invalid,
                        uint8_t *flags)
{
    if (invalid) {
        *flags |= FP_FLAG_NV;
    }
    return fp__nan(fmt);
}
