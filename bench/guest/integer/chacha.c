/* SPDX-License-Identifier: MIT */
/* ChaCha20's block function: additions and rotates of 32-bit words. */
#include "guest.h"

#define BLOCKS 32

static inline uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static inline void quarter(uint32_t *x, int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

static uint64_t block(const uint32_t *state)
{
    uint32_t x[16];
    uint64_t sum = 0;

    for (int i = 0; i < 16; i++) {
        x[i] = state[i];
    }
    for (int i = 0; i < 10; i++) {
        quarter(x, 0, 4, 8, 12);
        quarter(x, 1, 5, 9, 13);
        quarter(x, 2, 6, 10, 14);
        quarter(x, 3, 7, 11, 15);
        quarter(x, 0, 5, 10, 15);
        quarter(x, 1, 6, 11, 12);
        quarter(x, 2, 7, 8, 13);
        quarter(x, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) {
        sum = fold(sum, x[i] + state[i]);
    }
    return sum;
}

uint64_t guest_round(void)
{
    uint32_t state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    uint64_t sum = 0;

    for (uint32_t i = 4; i < 16; i++) {
        state[i] = i * 0x9e3779b9;
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        state[12] = i;
        sum = fold(sum, block(state));
    }
    return sum;
}
