/* SPDX-License-Identifier: MIT */
/* Functions in a page each that call one another: no call stays in its page. */
#include "guest.h"

#define PAGE __attribute__((noinline, noclone, aligned(4096)))

static PAGE uint64_t leaf_a(uint64_t x)
{
    return x * 5 + 3;
}

static PAGE uint64_t leaf_b(uint64_t x)
{
    return x ^ x >> 11;
}

static PAGE uint64_t leaf_c(uint64_t x)
{
    return x + (x << 7);
}

static PAGE uint64_t middle_a(uint64_t x)
{
    return leaf_a(x) + leaf_b(x);
}

static PAGE uint64_t middle_b(uint64_t x)
{
    return leaf_b(x) ^ leaf_c(x + 1);
}

static PAGE uint64_t top(uint64_t x)
{
    return middle_a(x) + middle_b(x ^ 1);
}

PAGE uint64_t guest_round(void)
{
    uint64_t x = 1;

    for (int i = 0; i < 1000; i++) {
        x = top(x);
    }
    return x;
}
