/* SPDX-License-Identifier: MIT */
/* Sixteen small functions, called through a table in random order. */
#include "guest.h"

#define CALLS 4096

typedef uint64_t function(uint64_t x);

#define FUNCTION(n, expression)               \
    static NOINLINE uint64_t f##n(uint64_t x) \
    {                                         \
        return expression;                    \
    }

FUNCTION(0, x + 1)
FUNCTION(1, x ^ 0x55)
FUNCTION(2, x * 3)
FUNCTION(3, x - 7)
FUNCTION(4, x << 1 | x >> 63)
FUNCTION(5, ~x)
FUNCTION(6, x + (x >> 3))
FUNCTION(7, x ^ x << 5)
FUNCTION(8, x + 0x1234)
FUNCTION(9, x * 5 + 1)
FUNCTION(10, x >> 1 | x << 63)
FUNCTION(11, x - (x >> 7))
FUNCTION(12, x ^ x >> 9)
FUNCTION(13, x + 99)
FUNCTION(14, x * 9)
FUNCTION(15, x ^ 0xff00)

static function *const functions[16] = { f0, f1, f2,  f3,  f4,  f5,  f6,  f7,
                                         f8, f9, f10, f11, f12, f13, f14, f15 };

static uint8_t order[CALLS];

void guest_prepare(void)
{
    uint64_t seed = 18;

    for (int i = 0; i < CALLS; i++) {
        order[i] = next_random(&seed) & 15;
    }
}

uint64_t guest_round(void)
{
    uint64_t x = 1;

    for (int i = 0; i < CALLS; i++) {
        x = functions[order[i]](x);
    }
    return x;
}
