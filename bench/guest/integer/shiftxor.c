/* SPDX-License-Identifier: MIT */
/* One chain through a multiplication, shifts and exclusive ors. */
#include "guest.h"

uint64_t guest_round(void)
{
    uint64_t x = UINT64_C(88172645463325252);
    uint64_t sum = 0;

    for (int i = 0; i < 20000; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x;
    }
    return sum;
}
