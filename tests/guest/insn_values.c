/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_values.h"

#include <stddef.h>

#include "tests/guest/random.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t pick(uint64_t *rng, const uint64_t *values, size_t count)
{
    return values[random_below(rng, (uint32_t)count)];
}

static uint64_t random_x(uint64_t *rng)
{
    static const uint64_t special[] = {
        0,
        1,
        2,
        UINT64_MAX,
        UINT64_MAX - 1,
        INT64_MAX,
        UINT64_C(1) << 63,
        INT32_MAX,
        UINT64_C(0xffffffff80000000),
        UINT64_C(0x80000000),
        UINT64_C(0xffffffff),
        UINT64_C(0x100000000),
        UINT64_C(0x5555555555555555),
        UINT64_C(0xaaaaaaaaaaaaaaaa),
    };
    uint64_t bits = random_next(rng);
    uint64_t power = UINT64_C(1) << (bits & 63);

    switch (random_below(rng, 5)) {
    case 0:
        return pick(rng, special, ARRAY_SIZE(special));
    case 1: /* a power of two, give or take one; or its negative */
        power += random_below(rng, 3) - UINT64_C(1);
        return bits >> 63 ? -power : power;
    case 2:
        return bits >> 32 & 0xff;
    case 3:
        return (uint64_t)(int64_t)(int32_t)bits;
    default:
        return bits;
    }
}

static uint64_t random_single(uint64_t *rng)
{
    static const uint64_t special[] = {
        0x00000000, 0x00000001, 0x007fffff, 0x00800000, 0x3f000000, 0x3f7fffff,
        0x3f800000, 0x3f800001, 0x40000000, 0x4b000001, 0x4effffff, 0x4f000000,
        0x5f000000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fc00001,
    };
    uint64_t bits = random_next(rng) & 0xffffffff;

    switch (random_below(rng, 3)) {
    case 0:
        return pick(rng, special, ARRAY_SIZE(special)) | (bits & 0x80000000);
    case 1: /* near 1, so that sums round */
        return (bits & 0x807fffff) | (UINT64_C(115) + (bits >> 23 & 15)) << 23;
    default:
        return bits;
    }
}

static uint64_t random_double(uint64_t *rng)
{
    static const uint64_t special[] = {
        UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000001),
        UINT64_C(0x000fffffffffffff), UINT64_C(0x0010000000000000),
        UINT64_C(0x3690000000000000), UINT64_C(0x380fffffffffffff),
        UINT64_C(0x3fe0000000000000), UINT64_C(0x3fefffffffffffff),
        UINT64_C(0x3ff0000000000000), UINT64_C(0x3ff0000000000001),
        UINT64_C(0x4000000000000000), UINT64_C(0x41dfffffffe00000),
        UINT64_C(0x41f0000000000000), UINT64_C(0x43e0000000000000),
        UINT64_C(0x47efffffefffffff), UINT64_C(0x7fefffffffffffff),
        UINT64_C(0x7ff0000000000000), UINT64_C(0x7ff0000000000001),
        UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff8000000000001),
    };
    const uint64_t sign = UINT64_C(1) << 63;
    uint64_t bits = random_next(rng);

    switch (random_below(rng, 3)) {
    case 0:
        return pick(rng, special, ARRAY_SIZE(special)) | (bits & sign);
    case 1:
        return (bits & (sign | (UINT64_MAX >> 12))) |
               (UINT64_C(1010) + (bits >> 52 & 15)) << 52;
    default:
        return bits;
    }
}

/* Singles, boxed and not, and doubles. */
static uint64_t random_f(uint64_t *rng)
{
    uint32_t kind = random_below(rng, 16);

    if (kind < 8) {
        return random_double(rng);
    }
    /* Not boxed once in 16 times. */
    return random_single(rng) | (kind == 8 ? 0 : UINT64_C(0xffffffff) << 32);
}

/* ---- All registers ----------------------------------------------------- */

static void set_pointers(uint64_t *rng, uint64_t *x)
{
    const uint64_t middle = GUEST_DATA + GUEST_DATA_SIZE / 2;

    x[X_SP] = (middle + random_below(rng, 4096) - 2048) & ~UINT64_C(15);
    x[8] = middle + random_below(rng, 8192) - 4096;
    x[9] = GUEST_DATA + GUEST_PAGE * (1 + random_below(rng, 3)) -
           random_below(rng, 16);
    x[18] = GUEST_DATA + GUEST_DATA_SIZE - random_below(rng, 64);
    x[19] = GUEST_DATA + random_below(rng, 64);
    x[20] = middle + 8 * random_below(rng, 128);
    x[X_ATOMIC] = GUEST_DATA + 16 * random_below(rng, GUEST_DATA_SIZE / 16);
    if (random_one_in(rng, 8)) {
        x[20] = GUEST_DATA - 8 * random_below(rng, 64); /* not mapped */
    } else if (random_one_in(rng, 16)) {
        x[20] = -UINT64_C(0x800000); /* far from everything */
    }
    x[X_COUNTER] = random_below(rng, 4);
}

void insn_random_state(uint64_t *rng, struct insn_state *state)
{
    for (unsigned i = 1; i < 32; i++) {
        state->x[i] = random_x(rng);
    }
    for (unsigned i = 0; i < 32; i++) {
        state->f[i] = random_f(rng);
    }
    set_pointers(rng, state->x);
    state->fcsr = random_below(rng, 5) << 5;
    if (!random_one_in(rng, 2)) {
        state->fcsr |= random_below(rng, 32);
    }
}
