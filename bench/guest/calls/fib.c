/* SPDX-License-Identifier: MIT */
/* Fibonacci's numbers by two calls each: short functions, deep returns. */
#include "guest.h"

static NOINLINE uint64_t fib(uint64_t n)
{
    if (n < 2) {
        return n;
    }
    return fib(n - 1) + fib(n - 2);
}

uint64_t guest_round(void)
{
    return fib(19);
}
