/* SPDX-License-Identifier: MIT */
/* Euclid's algorithm and modular powers: quotients and remainders. */
#include "guest.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint32_t power(uint32_t base, uint32_t exponent, uint32_t modulus)
{
    uint64_t result = 1;
    uint64_t square = base % modulus;

    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) {
            result = result * square % modulus;
        }
        square = square * square % modulus;
    }
    return (uint32_t)result;
}

uint64_t guest_round(void)
{
    uint64_t seed = 5;
    uint64_t sum = 0;

    for (int i = 0; i < 100; i++) {
        uint64_t a = next_random(&seed);
        uint64_t b = next_random(&seed);
        uint32_t m = (uint32_t)(a >> 32) | 1;
        int32_t quotient = (int32_t)a / ((int32_t)(b | 1) >> 16 | 1);

        sum = fold(sum, gcd(a, b));
        sum = fold(sum, power((uint32_t)b, (uint32_t)a & 0xffff, m));
        sum = fold(sum, (uint32_t)quotient);
    }
    return sum;
}
