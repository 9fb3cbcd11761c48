/* SPDX-License-Identifier: MIT */
/* Ackermann's function: returns from deeper than any stack of predictions. */
#include "guest.h"

static NOINLINE uint64_t ackermann(uint64_t m, uint64_t n)
{
    if (m == 0) {
        return n + 1;
    }
    if (n == 0) {
        return ackermann(m - 1, 1);
    }
    return ackermann(m - 1, ackermann(m, n - 1));
}

uint64_t guest_round(void)
{
    return ackermann(2, 60);
}
