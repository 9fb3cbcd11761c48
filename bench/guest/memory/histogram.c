/* SPDX-License-Identifier: MIT */
/* How often each byte occurs in 32 KiB: loads and stores that may collide. */
#include "guest.h"

#define SIZE 32768

static uint8_t text[SIZE];
static uint32_t counts[256];

void guest_prepare(void)
{
    uint64_t seed = 16;

    for (int i = 0; i < SIZE; i++) {
        uint64_t x = next_random(&seed);

        text[i] = (uint8_t)(x & x >> 8);
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < 256; i++) {
        counts[i] = 0;
    }
    for (int i = 0; i < SIZE; i++) {
        counts[text[i]]++;
    }
    for (int i = 0; i < 256; i++) {
        sum = fold(sum, counts[i]);
    }
    return sum;
}
