/* SPDX-License-Identifier: MIT */
/*
 * Sums, products, quotients and square roots.
 *
 * Each routine deals with NaN and infinity first, then computes 64 bits of
 * the exact result with a sticky bit and leaves the rest to fp__round().
 * Sums and fused products meet in add_wide(), at 128 bits:
 *
 *    127   126                 63                     0
 *   +-----+-------------------+------------------------+
 *   |carry| leading bit ...   |                 sticky |
 *   +-----+-------------------+------------------------+
 *
 * A product has 106 bits there, so 21 zeros below. Where the exponents
 * differ by at most 1, aligning loses nothing and cancellation is exact;
 * otherwise at most one leading bit cancels, and the sticky bit stays far
 * below the rounding position.
 */
#include "jit/riscv/fp/fp.h"

#include "jit/riscv/fp/fp_internal.h"

__extension__ typedef unsigned __int128 uint128;

/* A finite number: sig / 2^126 * 2^exp. */
struct wide {
    bool sign;
    int exp;
    uint128 sig;
};

static bool is_nan(struct fp_num num)
{
    return num.kind >= FP_QUIET_NAN;
}

static bool is_signaling(struct fp_num num)
{
    return num.kind == FP_SIGNALING_NAN;
}

static bool is_infinite(struct fp_num num)
{
    return num.kind == FP_INFINITE;
}

static bool is_zero(struct fp_num num)
{
    return num.kind == FP_FINITE && num.sig == 0;
}

static uint64_t signed_infinity(const struct fp_format *fmt, bool sign)
{
    return fp__signed(fmt, sign, fp__infinity(fmt));
}

/* ---- Sums and products ------------------------------------------------- */

static struct wide widen(struct fp_num num)
{
    return (struct wide){ num.sign, num.exp, (uint128)num.sig << 63 };
}

/* The exact product of finite numbers; the leading bit may be one too high. */
static struct wide multiply(struct fp_num a, struct fp_num b)
{
    uint128 sig = (uint128)a.sig * b.sig;
    struct wide product = { a.sign != b.sign, a.exp + b.exp, sig };

    if (sig >> 127 != 0) {
        /* Exact: each factor ends in at least 11 zeros. */
        product.sig >>= 1;
        product.exp++;
    }
    return product;
}

static uint128 shift_jam_wide(uint128 value, unsigned count)
{
    if (count == 0) {
        return value;
    }
    if (count > 127) {
        return value != 0;
    }
    return value >> count | (value << (128 - count) != 0);
}

static uint64_t round_wide(const struct fp_format *fmt, struct wide num,
                           enum fp_rm rm, uint8_t *flags)
{
    uint64_t high = (uint64_t)(num.sig >> 64);
    int shift =
        high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)num.sig);
    uint128 sig = num.sig << shift;

    return fp__round(fmt, num.sign, num.exp + 1 - shift,
                     (uint64_t)(sig >> 64) | ((uint64_t)sig != 0), rm, flags);
}

static uint64_t add_wide(const struct fp_format *fmt, struct wide a,
                         struct wide b, enum fp_rm rm, uint8_t *flags)
{
    bool same_sign = a.sign == b.sign;

    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        struct wide larger = b;

        b = a;
        a = larger;
    }
    b.sig = shift_jam_wide(b.sig, (unsigned)(a.exp - b.exp));
    a.sig = same_sign ? a.sig + b.sig : a.sig - b.sig;
    if (a.sig == 0) {
        /* Like-signed zeros keep their sign; any other exact zero is +0, but
         * -0 when rounding down. */
        return fp__signed(fmt, same_sign ? a.sign : rm == FP_RM_RDN, 0);
    }
    return round_wide(fmt, a, rm, flags);
}

static uint64_t sum(const struct fp_format *fmt, uint64_t x, uint64_t y,
                    enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, x);
    struct fp_num b = fp__unpack(fmt, y);

    if (is_nan(a) || is_nan(b)) {
        return fp__nan_result(fmt, is_signaling(a) || is_signaling(b), flags);
    }
    if (is_infinite(a) && is_infinite(b) && a.sign != b.sign) {
        return fp__nan_result(fmt, true, flags);
    }
    if (is_infinite(a) || is_infinite(b)) {
        return is_infinite(a) ? x : y;
    }
    return add_wide(fmt, widen(a), widen(b), rm, flags);
}

static uint64_t product(const struct fp_format *fmt, uint64_t x, uint64_t y,
                        enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, x);
    struct fp_num b = fp__unpack(fmt, y);
    bool sign = a.sign != b.sign;

    if (is_nan(a) || is_nan(b)) {
        return fp__nan_result(fmt, is_signaling(a) || is_signaling(b), flags);
    }
    if (is_infinite(a) || is_infinite(b)) {
        if (is_zero(a) || is_zero(b)) {
            return fp__nan_result(fmt, true, flags);
        }
        return signed_infinity(fmt, sign);
    }
    if (is_zero(a) || is_zero(b)) {
        return fp__signed(fmt, sign, 0);
    }
    return round_wide(fmt, multiply(a, b), rm, flags);
}

static uint64_t fused(const struct fp_format *fmt, const uint64_t x[3],
                      enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, x[0]);
    struct fp_num b = fp__unpack(fmt, x[1]);
    struct fp_num c = fp__unpack(fmt, x[2]);
    bool infinite = is_infinite(a) || is_infinite(b);
    bool invalid = (is_infinite(a) && is_zero(b)) ||
                   (is_zero(a) && is_infinite(b)) || is_signaling(a) ||
                   is_signaling(b) || is_signaling(c);

    /* inf * 0 + a quiet NaN is invalid, too: RISC-V says so where IEEE 754
     * leaves it open. */
    if (invalid || is_nan(a) || is_nan(b) || is_nan(c)) {
        return fp__nan_result(fmt, invalid, flags);
    }
    if (infinite && is_infinite(c) && c.sign != (a.sign != b.sign)) {
        return fp__nan_result(fmt, true, flags);
    }
    if (infinite) {
        return signed_infinity(fmt, a.sign != b.sign);
    }
    if (is_infinite(c)) {
        return x[2];
    }
    return add_wide(fmt, multiply(a, b), widen(c), rm, flags);
}

/* ---- Quotients --------------------------------------------------------- */

/* Finite numbers other than 0. */
static uint64_t divide(const struct fp_format *fmt, struct fp_num a,
                       struct fp_num b, enum fp_rm rm, uint8_t *flags)
{
    /* The quotient then lies in [2^63, 2^64). */
    bool less = a.sig < b.sig;
    uint128 dividend = (uint128)a.sig << (less ? 64 : 63);
    uint64_t quotient = (uint64_t)(dividend / b.sig);
    bool inexact = (uint128)quotient * b.sig != dividend;

    return fp__round(fmt, a.sign != b.sign, a.exp - b.exp - less,
                     quotient | inexact, rm, flags);
}

static uint64_t quotient(const struct fp_format *fmt, uint64_t x, uint64_t y,
                         enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, x);
    struct fp_num b = fp__unpack(fmt, y);
    bool sign = a.sign != b.sign;

    if (is_nan(a) || is_nan(b)) {
        return fp__nan_result(fmt, is_signaling(a) || is_signaling(b), flags);
    }
    if ((is_infinite(a) && is_infinite(b)) || (is_zero(a) && is_zero(b))) {
        return fp__nan_result(fmt, true, flags);
    }
    if (is_infinite(a)) {
        return signed_infinity(fmt, sign);
    }
    if (is_zero(a) || is_infinite(b)) {
        return fp__signed(fmt, sign, 0);
    }
    if (is_zero(b)) {
        *flags |= FP_FLAG_DZ;
        return signed_infinity(fmt, sign);
    }
    return divide(fmt, a, b, rm, flags);
}

/* ---- Square roots ------------------------------------------------------ */

/*
 * The root of radicand / 2^62, where 2^62 <= radicand < 2^64, digit by digit
 * as on paper: `digits` bits from the top, bit 63 set, sticky at the bottom.
 *
 * Invariant: radicand_so_far = root^2 + rest, with rest <= 2 * root. Below 62
 * digits nothing overflows 64 bits.
 */
static uint64_t root_digits(uint64_t radicand, unsigned digits)
{
    uint64_t root = 0;
    uint64_t rest = 0;

    for (unsigned i = 0; i < digits; i++) {
        uint64_t trial = root << 2 | 1;

        rest = rest << 2 | radicand >> 62;
        radicand <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    return root << (64 - digits) | (rest != 0 || radicand != 0);
}

static uint64_t square_root(const struct fp_format *fmt, uint64_t x,
                            enum fp_rm rm, uint8_t *flags)
{
    struct fp_num a = fp__unpack(fmt, x);
    unsigned odd = (unsigned)a.exp & 1;

    if (is_nan(a)) {
        return fp__nan_result(fmt, is_signaling(a), flags);
    }
    if (is_zero(a)) {
        return x;
    }
    if (a.sign) {
        return fp__nan_result(fmt, true, flags);
    }
    if (is_infinite(a)) {
        return x;
    }
    /* An even exponent halves; sig then stands for 1 <= value < 4. The bit
     * that the shift loses is 0: 53 of 64 bits are in use. One digit more
     * than the result has, and the sticky bit, decide every rounding. */
    return fp__round(fmt, false, (a.exp - (int)odd) / 2,
                     root_digits(odd ? a.sig : a.sig >> 1, fmt->precision + 1),
                     rm, flags);
}

/* ---- The two formats --------------------------------------------------- */

uint32_t fp__add_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)sum(&fp__single, a, b, rm, flags);
}

uint64_t fp__add_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags)
{
    return sum(&fp__double, a, b, rm, flags);
}

/* A NaN with its sign flipped is the same NaN, so a - b is a + -b. */
uint32_t fp__sub_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)sum(&fp__single, a, b ^ FP_SIGN_S, rm, flags);
}

uint64_t fp__sub_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags)
{
    return sum(&fp__double, a, b ^ FP_SIGN_D, rm, flags);
}

uint32_t fp__mul_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)product(&fp__single, a, b, rm, flags);
}

uint64_t fp__mul_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags)
{
    return product(&fp__double, a, b, rm, flags);
}

uint32_t fp__div_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)quotient(&fp__single, a, b, rm, flags);
}

uint64_t fp__div_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags)
{
    return quotient(&fp__double, a, b, rm, flags);
}

uint32_t fp__sqrt_s(uint32_t a, enum fp_rm rm, uint8_t *flags)
{
    return (uint32_t)square_root(&fp__single, a, rm, flags);
}

uint64_t fp__sqrt_d(uint64_t a, enum fp_rm rm, uint8_t *flags)
{
    return square_root(&fp__double, a, rm, flags);
}

uint32_t fp__fma_s(uint32_t a, uint32_t b, uint32_t c, enum fp_rm rm,
                   uint8_t *flags)
{
    return (uint32_t)fused(&fp__single, (const uint64_t[]){ a, b, c }, rm,
                           flags);
}

uint64_t fp__fma_d(uint64_t a, uint64_t b, uint64_t c, enum fp_rm rm,
                   uint8_t *flags)
{
    return fused(&fp__double, (const uint64_t[]){ a, b, c }, rm, flags);
}
