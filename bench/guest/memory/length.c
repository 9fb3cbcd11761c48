/* SPDX-License-Identifier: MIT */
/* Lengths of strings, byte by byte: a load and a branch each. */
#include "guest.h"

#define STRINGS 64
#define LONGEST 512

static char texts[STRINGS][LONGEST];

void guest_prepare(void)
{
    uint64_t seed = 14;

    for (int i = 0; i < STRINGS; i++) {
        int length = (int)(next_random(&seed) % (LONGEST / 2)) + LONGEST / 2;

        for (int j = 0; j < length - 1; j++) {
            texts[i][j] = (char)(next_random(&seed) | 1);
        }
    }
}

static NOINLINE uint64_t length(const char *text)
{
    const char *end = text;

    while (*end) {
        end++;
    }
    return (uint64_t)(end - text);
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < STRINGS; i++) {
        sum = fold(sum, length(texts[i]));
    }
    return sum;
}
