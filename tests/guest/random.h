/* SPDX-License-Identifier: MIT */
/* A small random generator; the same numbers on every host. */
#ifndef XBAR_TESTS_GUEST_RANDOM_H
#define XBAR_TESTS_GUEST_RANDOM_H

#include <stdint.h>

/* The finaliser of splitmix64: every bit of the input moves every other. */
static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(*state);
}

/* 0 to @bound - 1, near enough to evenly. */
static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((random_next(state) >> 32) * bound) >> 32);
}

/* True once in @n times. */
static inline int random_one_in(uint64_t *state, uint32_t n)
{
    return random_below(state, n) == 0;
}

#endif
