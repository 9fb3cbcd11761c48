/* SPDX-License-Identifier: MIT */
/*
 * A row's shape says what its operands are, which gives the vectors, and the
 * type of its function, which gives the call.
 */
#include "tests/guest/fp_vectors.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "jit/riscv/fp/fp.h"
#include "tests/guest/random.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define RANDOM_CASES 2000 /* a row and rounding mode */
#define MODES        5

/* ---- Shapes ------------------------------------------------------------ */

enum operand {
    NO_OPERAND,
    SINGLE,
    DOUBLE,
    INTEGER,
};

enum shape {
    S_SS_RM,
    S_S_RM,
    S_SSS_RM,
    S_SS,
    B_SS,
    X_S,
    X_S_RM,
    S_X_RM,
    D_DD_RM,
    D_D_RM,
    D_DDD_RM,
    D_DD,
    B_DD,
    X_D,
    X_D_RM,
    D_X_RM,
    D_S,
    S_D_RM,
};

static const struct shape_info {
    uint8_t operand; /* enum operand */
    uint8_t count;
    bool rounds;
} shapes[] = {
    [S_SS_RM] = { SINGLE, 2, true },  [S_S_RM] = { SINGLE, 1, true },
    [S_SSS_RM] = { SINGLE, 3, true }, [S_SS] = { SINGLE, 2, false },
    [B_SS] = { SINGLE, 2, false },    [X_S] = { SINGLE, 1, false },
    [X_S_RM] = { SINGLE, 1, true },   [S_X_RM] = { INTEGER, 1, true },
    [D_DD_RM] = { DOUBLE, 2, true },  [D_D_RM] = { DOUBLE, 1, true },
    [D_DDD_RM] = { DOUBLE, 3, true }, [D_DD] = { DOUBLE, 2, false },
    [B_DD] = { DOUBLE, 2, false },    [X_D] = { DOUBLE, 1, false },
    [X_D_RM] = { DOUBLE, 1, true },   [D_X_RM] = { INTEGER, 1, true },
    [D_S] = { SINGLE, 1, false },     [S_D_RM] = { DOUBLE, 1, true },
};

const struct fp_row fp_rows[] = {
#define FP_ROW(shape, function, negate, insn) \
    { insn, shape, negate, (void (*)(void))(function) },
#include "tests/guest/fp_rows.inc"
};
const size_t fp_row_count = ARRAY_SIZE(fp_rows);

/* ---- Special operands -------------------------------------------------- */

/* Without signs. The first SPECIAL_FEW are those that three-operand rows
 * combine. */
#define SPECIAL_FEW 11

static const uint32_t singles[] = {
    0x00000000, /* 0 */
    0x00000001, /* least subnormal */
    0x007fffff, /* largest subnormal */
    0x00800000, /* least normal */
    0x3f7fffff, /* 1 - ulp / 2 */
    0x3f800000, /* 1 */
    0x3f800001, /* 1 + ulp */
    0x7f7fffff, /* largest */
    0x7f800000, /* infinity */
    0x7fc12345, /* quiet NaN with a payload */
    0x7f812345, /* signaling NaN */
    0x00000002, 0x00400000, 0x00800001, 0x1f800000, 0x20000001, /* 2^-64.. */
    0x33800000,                         /* 2^-24: half an ulp of 1 */
    0x33800001, 0x33ffffff, 0x34000000, /* 2^-23 */
    0x3effffff,                         /* just below 0.5 */
    0x3f000000,                         /* 0.5 */
    0x3f000001, 0x3fc00000,             /* 1.5 */
    0x40000000,                         /* 2 */
    0x40200000,                         /* 2.5 */
    0x40400000,                         /* 3 */
    0x4b000001,                         /* 2^23 + 1 */
    0x4b800000,                         /* 2^24 */
    0x4effffff,                         /* below 2^31 */
    0x4f000000,                         /* 2^31 */
    0x4f000001, 0x4f7fffff,             /* below 2^32 */
    0x4f800000,                         /* 2^32 */
    0x5effffff,                         /* below 2^63 */
    0x5f000000,                         /* 2^63 */
    0x5f7fffff,                         /* below 2^64 */
    0x5f800000,                         /* 2^64 */
    0x7f000000,                         /* largest / 2 */
    0x7f800001, 0x7fc00000, 0x7fffffff,
};

static const uint64_t doubles[] = {
    0x0000000000000000, /* 0 */
    0x0000000000000001, /* least subnormal */
    0x000fffffffffffff, /* largest subnormal */
    0x0010000000000000, /* least normal */
    0x3fefffffffffffff, /* 1 - ulp / 2 */
    0x3ff0000000000000, /* 1 */
    0x3ff0000000000001, /* 1 + ulp */
    0x7fefffffffffffff, /* largest */
    0x7ff0000000000000, /* infinity */
    0x7ff8123456789abc, /* quiet NaN with a payload */
    0x7ff0123456789abc, /* signaling NaN */
    0x0000000000000002, 0x0008000000000000, 0x0010000000000001,
    0x1ff0000000000000, 0x2000000000000001, /* products are tiny */
    0x3690000000000000, /* half the least subnormal single */
    0x3690000000000001, 0x36a0000000000000, 0x36a8000000000000,
    0x380fffffe0000000, /* just below the least normal single */
    0x380fffffefffffff, 0x380ffffff0000000, 0x3810000000000000,
    0x3ca0000000000000, /* 2^-53: half an ulp of 1 */
    0x3ca0000000000001, 0x3cafffffffffffff, 0x3cb0000000000000, /* 2^-52 */
    0x3fdfffffffffffff,                     /* just below 0.5 */
    0x3fe0000000000000,                     /* 0.5 */
    0x3fe0000000000001, 0x3ff0000010000000, /* between two singles */
    0x3ff0000030000000, 0x3ff8000000000000, /* 1.5 */
    0x4000000000000000,                     /* 2 */
    0x4004000000000000,                     /* 2.5 */
    0x4008000000000000,                     /* 3 */
    0x41dfffffffc00000,                     /* 2^31 - 1 */
    0x41dfffffffe00000,                     /* 2^31 - 0.5 */
    0x41dfffffffdfffff, 0x41e0000000000000, /* 2^31 */
    0x41e0000000100000,                     /* 2^31 + 0.5 */
    0x41e0000000200000,                     /* 2^31 + 1 */
    0x41efffffffe00000,                     /* 2^32 - 1 */
    0x41effffffff00000,                     /* 2^32 - 0.5 */
    0x41f0000000000000,                     /* 2^32 */
    0x4330000000000001,                     /* 2^52 + 1 */
    0x4340000000000000,                     /* 2^53 */
    0x43dfffffffffffff,                     /* below 2^63 */
    0x43e0000000000000,                     /* 2^63 */
    0x43e0000000000001, 0x43efffffffffffff, /* below 2^64 */
    0x43f0000000000000,                     /* 2^64 */
    0x47efffffe0000000,                     /* largest single */
    0x47efffffefffffff, 0x47effffff0000000, /* half an ulp above it */
    0x47f0000000000000, 0x7fe0000000000000, /* largest / 2 */
    0x7ff0000000000001, 0x7ff8000000000000, 0x7fffffffffffffff,
};

static const uint64_t integers[] = {
    0,
    1,
    2,
    3,
    0x7f,
    0xffffff,
    0x1000000,
    0x1000001,
    0x1000002,
    0x1000003,
    0x7fffff80,
    0x7fffffbf,
    0x7fffffc0,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xffffff7f,
    0xffffff80,
    0xffffffff,
    0x100000000,
    0x123456789abcdef0,
    0x1fffffffffffff,
    0x20000000000001,
    0x20000000000003,
    0x7fffff4000000000,
    0x7fffffc000000000,
    0x7ffffffffffffdff,
    0x7ffffffffffffe00,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000400,
    0xffffffff00000000,
    0xfffffffffffffbff,
    0xfffffffffffffc00,
};

/* How many there are, with both signs (integers: and their complements). */
static uint32_t special_count(enum operand kind)
{
    switch (kind) {
    case SINGLE:
        return 2 * ARRAY_SIZE(singles);
    case DOUBLE:
        return 2 * ARRAY_SIZE(doubles);
    case INTEGER:
        return 2 * ARRAY_SIZE(integers);
    case NO_OPERAND:
        break;
    }
    return 1;
}

static uint64_t special(enum operand kind, uint32_t index)
{
    uint64_t sign = index & 1;

    switch (kind) {
    case SINGLE:
        return fp__box(singles[index / 2] | (uint32_t)sign << 31);
    case DOUBLE:
        return doubles[index / 2] | sign << 63;
    case INTEGER:
        return integers[index / 2] ^ -sign;
    case NO_OPERAND:
        break;
    }
    return 0;
}

/* ---- Random operands --------------------------------------------------- */

/* Fractions that sit close to where rounding is decided. */
static uint64_t random_fraction(uint64_t *rng)
{
    uint64_t bits = random_next(rng);
    unsigned shift = (unsigned)(random_next(rng) & 63);

    switch (random_below(rng, 6)) {
    case 0:
        return UINT64_C(1) << shift;
    case 1:
        return UINT64_MAX << shift;
    case 2:
        return UINT64_MAX >> shift;
    case 3:
        return bits & random_next(rng) & random_next(rng);
    default:
        return bits;
    }
}

/* An exponent field: near 1, near either end, or anywhere. */
static uint64_t random_exponent(uint64_t *rng, uint32_t largest)
{
    uint32_t near = random_below(rng, 64);

    switch (random_below(rng, 8)) {
    case 0:
        return near;
    case 1:
        return largest - near;
    case 2:
        return random_below(rng, largest + 1);
    case 3:
        /* Its square is about the least normal number. */
        return largest / 4 + near - 32;
    case 4:
        /* Doubles: about the least normal single. */
        return largest > 1023 ? 1023 - 126 + near - 32 : near;
    default:
        return largest / 2 + near - 32;
    }
}

static uint64_t random_operand(enum operand kind, uint64_t *rng)
{
    uint64_t sign = random_next(rng) & 1;
    uint64_t fraction = random_fraction(rng);

    if (random_one_in(rng, 8)) {
        return special(kind, random_below(rng, special_count(kind)));
    }
    switch (kind) {
    case SINGLE:
        if (random_one_in(rng, 64)) {
            return random_next(rng); /* not boxed */
        }
        return fp__box((uint32_t)(sign << 31 | random_exponent(rng, 255) << 23 |
                                  (fraction & 0x7fffff)));
    case DOUBLE:
        return sign << 63 | random_exponent(rng, 2047) << 52 |
               (fraction & 0xfffffffffffff);
    case INTEGER:
        return fraction ^ -sign;
    case NO_OPERAND:
        break;
    }
    return 0;
}

/* ---- Vectors ----------------------------------------------------------- */

static uint32_t combination_count(const struct shape_info *shape,
                                  uint32_t specials)
{
    uint32_t count = 1;

    for (unsigned i = 0; i < shape->count; i++) {
        count *= specials;
    }
    return count;
}

static void fill_case(struct fp_case *c, const struct shape_info *shape,
                      uint32_t specials, uint32_t combination)
{
    for (unsigned i = 0; i < shape->count; i++) {
        c->operand[i] =
            special((enum operand)shape->operand, combination % specials);
        combination /= specials;
    }
}

static float to_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;

    memcpy(&value, &low, sizeof(value));
    return value;
}

static double to_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/*
 * Makes the last operand cancel the others: minus their product, or minus the
 * one other, give or take a few units in the last place. The host's own
 * arithmetic will do, but for NaNs: their bits differ between hosts.
 */
static void cancel(const struct shape_info *shape, uint64_t operand[3],
                   uint64_t *rng)
{
    uint64_t few = random_below(rng, 8) - UINT64_C(3);
    bool three = shape->count == 3;
    uint64_t *last = &operand[shape->count - 1];

    if (shape->operand == SINGLE) {
        float product =
            to_float(operand[0]) * (three ? to_float(operand[1]) : 1);
        uint32_t bits;

        memcpy(&bits, &product, sizeof(bits));
        *last = isnan(product) ? *last
                               : fp__box((bits ^ FP_SIGN_S) + (uint32_t)few);
    } else {
        double product =
            to_double(operand[0]) * (three ? to_double(operand[1]) : 1);
        uint64_t bits;

        memcpy(&bits, &product, sizeof(bits));
        *last = isnan(product) ? *last : (bits ^ FP_SIGN_D) + few;
    }
}

static void fill_random_case(struct fp_case *c, const struct shape_info *shape,
                             uint64_t *rng)
{
    for (unsigned i = 0; i < shape->count; i++) {
        c->operand[i] = random_operand((enum operand)shape->operand, rng);
    }
    if (shape->count >= 2 && random_one_in(rng, 4)) {
        cancel(shape, c->operand, rng);
    }
}

size_t fp_vectors(uint32_t row, struct fp_case **cases)
{
    const struct shape_info *shape = &shapes[fp_rows[row].shape];
    uint32_t specials = shape->count == 3
                            ? 2 * SPECIAL_FEW
                            : special_count((enum operand)shape->operand);
    uint32_t combinations = combination_count(shape, specials);
    uint32_t modes = shape->rounds ? MODES : 1;
    size_t count = (size_t)modes * (combinations + RANDOM_CASES);
    uint64_t rng = row;
    struct fp_case *next = calloc(count, sizeof(*next));

    if (!next) {
        abort();
    }
    *cases = next;
    for (uint32_t rm = 0; rm < modes; rm++) {
        for (uint32_t i = 0; i < combinations + RANDOM_CASES; i++, next++) {
            next->row = row;
            next->rm = rm;
            if (i < combinations) {
                fill_case(next, shape, specials, i);
            } else {
                fill_random_case(next, shape, &rng);
            }
        }
    }
    return count;
}

/* ---- Calling the functions --------------------------------------------- */

typedef uint32_t s_ss_rm_fn(uint32_t, uint32_t, enum fp_rm, uint8_t *);
typedef uint32_t s_s_rm_fn(uint32_t, enum fp_rm, uint8_t *);
typedef uint32_t s_sss_rm_fn(uint32_t, uint32_t, uint32_t, enum fp_rm,
                             uint8_t *);
typedef uint32_t s_ss_fn(uint32_t, uint32_t, uint8_t *);
typedef bool b_ss_fn(uint32_t, uint32_t, uint8_t *);
typedef uint64_t x_s_fn(uint32_t);
typedef uint64_t x_s_rm_fn(uint32_t, enum fp_rm, uint8_t *);
typedef uint32_t s_x_rm_fn(uint64_t, enum fp_rm, uint8_t *);
typedef uint64_t d_dd_rm_fn(uint64_t, uint64_t, enum fp_rm, uint8_t *);
typedef uint64_t d_d_rm_fn(uint64_t, enum fp_rm, uint8_t *);
typedef uint64_t d_ddd_rm_fn(uint64_t, uint64_t, uint64_t, enum fp_rm,
                             uint8_t *);
typedef uint64_t d_dd_fn(uint64_t, uint64_t, uint8_t *);
typedef bool b_dd_fn(uint64_t, uint64_t, uint8_t *);
typedef uint64_t x_d_fn(uint64_t);
typedef uint64_t d_s_fn(uint32_t, uint8_t *);

static uint64_t call_single(const struct fp_row *row, const uint64_t operand[3],
                            enum fp_rm rm, uint8_t *flags)
{
    uint32_t s[3];

    for (unsigned i = 0; i < 3; i++) {
        s[i] = fp__unbox(operand[i]) ^ (row->negate >> i & 1 ? FP_SIGN_S : 0);
    }
    switch ((enum shape)row->shape) {
    case S_SS_RM:
        return fp__box(((s_ss_rm_fn *)row->function)(s[0], s[1], rm, flags));
    case S_S_RM:
        return fp__box(((s_s_rm_fn *)row->function)(s[0], rm, flags));
    case S_SSS_RM:
        return fp__box(
            ((s_sss_rm_fn *)row->function)(s[0], s[1], s[2], rm, flags));
    case S_SS:
        return fp__box(((s_ss_fn *)row->function)(s[0], s[1], flags));
    case B_SS:
        return ((b_ss_fn *)row->function)(s[0], s[1], flags);
    case X_S:
        return ((x_s_fn *)row->function)(s[0]);
    case X_S_RM:
        return ((x_s_rm_fn *)row->function)(s[0], rm, flags);
    case D_S:
        return ((d_s_fn *)row->function)(s[0], flags);
    default:
        abort();
    }
}

static uint64_t call_double(const struct fp_row *row, const uint64_t operand[3],
                            enum fp_rm rm, uint8_t *flags)
{
    uint64_t d[3];

    for (unsigned i = 0; i < 3; i++) {
        d[i] = operand[i] ^ (row->negate >> i & 1 ? FP_SIGN_D : 0);
    }
    switch ((enum shape)row->shape) {
    case S_X_RM:
    case S_D_RM:
        return fp__box(((s_x_rm_fn *)row->function)(d[0], rm, flags));
    case D_DD_RM:
        return ((d_dd_rm_fn *)row->function)(d[0], d[1], rm, flags);
    case D_D_RM:
    case X_D_RM:
    case D_X_RM:
        return ((d_d_rm_fn *)row->function)(d[0], rm, flags);
    case D_DDD_RM:
        return ((d_ddd_rm_fn *)row->function)(d[0], d[1], d[2], rm, flags);
    case D_DD:
        return ((d_dd_fn *)row->function)(d[0], d[1], flags);
    case B_DD:
        return ((b_dd_fn *)row->function)(d[0], d[1], flags);
    case X_D:
        return ((x_d_fn *)row->function)(d[0]);
    default:
        abort();
    }
}

struct fp_outcome fp_evaluate(const struct fp_case *c)
{
    const struct fp_row *row = &fp_rows[c->row];
    bool single = shapes[row->shape].operand == SINGLE;
    uint8_t flags = 0;
    uint64_t result = (single ? call_single : call_double)(
        row, c->operand, (enum fp_rm)c->rm, &flags);

    return (struct fp_outcome){ result, flags };
}
