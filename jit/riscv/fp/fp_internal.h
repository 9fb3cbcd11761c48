/* SPDX-License-Identifier: MIT */
/*
 * What the files of fp/ share: formats, unpacked numbers, rounding.
 *
 * Every operation runs the same way for both formats:
 *
 *   bits --fp__unpack--> fp_num --operation--> sign, exp, sig --fp__round--> bits
 *                                              exact but for a sticky bit
 */
#ifndef XBAR_JIT_RISCV_FP_FP_INTERNAL_H
#define XBAR_JIT_RISCV_FP_FP_INTERNAL_H

#include "jit/riscv/fp/fp.h"

/*
 * A binary format. Bits from the top:
 *
 *   +------+----------------+---------------+
 *   | sign | exponent + emax|   fraction    |
 *   +------+----------------+---------------+
 *    sign_bit                precision - 1
 *
 * The least exponent of a normal number is 1 - emax.
 */
struct fp_format {
    unsigned precision; /* significant bits, the implied one included */
    unsigned sign_bit;
    int emax;
};

static const struct fp_format fp__single = { 24, 31, 127 };
static const struct fp_format fp__double = { 53, 63, 1023 };

enum fp_kind {
    FP_FINITE, /* zero, too */
    FP_INFINITE,
    FP_QUIET_NAN,
    FP_SIGNALING_NAN,
};

/*
 * An unpacked number. If finite, its value is sig / 2^63 * 2^exp, where bit
 * 63 of sig is set, or sig is 0 and exp is FP_ZERO_EXP.
 */
struct fp_num {
    enum fp_kind kind;
    bool sign;
    int exp;
    uint64_t sig;
};

/* Below the exponent of everything else, a product of two numbers included,
 * so that sums need no case for zero. */
#define FP_ZERO_EXP (-10000)

static inline uint64_t fp__infinity(const struct fp_format *fmt)
{
    return (uint64_t)(2 * fmt->emax + 1) << (fmt->precision - 1);
}

static inline uint64_t fp__quiet_bit(const struct fp_format *fmt)
{
    return UINT64_C(1) << (fmt->precision - 2);
}

static inline bool fp__sign(const struct fp_format *fmt, uint64_t bits)
{
    return bits >> fmt->sign_bit & 1;
}

static inline uint64_t fp__magnitude(const struct fp_format *fmt, uint64_t bits)
{
    return bits & ((UINT64_C(1) << fmt->sign_bit) - 1);
}

static inline bool fp__is_nan(const struct fp_format *fmt, uint64_t bits)
{
    return fp__magnitude(fmt, bits) > fp__infinity(fmt);
}

static inline bool fp__is_signaling(const struct fp_format *fmt, uint64_t bits)
{
    return fp__is_nan(fmt, bits) && !(bits & fp__quiet_bit(fmt));
}

static inline uint64_t fp__nan(const struct fp_format *fmt)
{
    return fp__infinity(fmt) | fp__quiet_bit(fmt);
}

/* @bits (a magnitude) with a sign. */
static inline uint64_t fp__signed(const struct fp_format *fmt, bool sign,
                                  uint64_t bits)
{
    return (uint64_t)sign << fmt->sign_bit | bits;
}

/* Shift right; bit 0 of the result is also set if a set bit was lost. */
static inline uint64_t fp__shift_jam(uint64_t value, unsigned count)
{
    if (count == 0) {
        return value;
    }
    if (count > 63) {
        return value != 0;
    }
    return value >> count | (value << (64 - count) != 0);
}

/* ---- round.c ----------------------------------------------------------- */

struct fp_num fp__unpack(const struct fp_format *fmt, uint64_t bits);

/*
 * Does a magnitude go to the next one up? @odd is its last bit, @tail what
 * lies below that bit, in units where @half is half of it.
 */
bool fp__rounds_up(enum fp_rm rm, bool sign, bool odd, uint64_t tail,
                   uint64_t half);

/*
 * Round sig / 2^63 * 2^exp into the format. Bit 63 of @sig is set; bit 0 is
 * sticky: set if the exact value lies beyond the bits given. Handles
 * subnormal results and overflow.
 */
uint64_t fp__round(const struct fp_format *fmt, bool sign, int exp,
                   uint64_t sig, enum fp_rm rm, uint8_t *flags);

/* A NaN result: raises invalid if @invalid. */
uint64_t fp__nan_result(const struct fp_format *fmt, bool invalid,
                        uint8_t *flags);

#endif
