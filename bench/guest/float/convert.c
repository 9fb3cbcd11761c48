/* SPDX-License-Identifier: MIT */
/* Between integers and both precisions, and from one precision to the other. */
#include "guest.h"

#define N 256

static int64_t wide[N];
static int32_t narrow[N];

void guest_prepare(void)
{
    uint64_t seed = 11;

    for (int i = 0; i < N; i++) {
        wide[i] = (int64_t)next_random(&seed) >> 12;
        narrow[i] = (int32_t)next_random(&seed) >> 4;
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < N; i++) {
        double d = (double)wide[i] * 0.75;
        float f = (float)narrow[i] * 0.625f;

        sum += (uint64_t)(int64_t)d;
        sum ^= (uint64_t)(int32_t)f;
        sum += (uint64_t)(int64_t)(float)(d * 0.001);
        sum ^=
            (uint32_t)(int32_t)((double)f + (double)(uint32_t)narrow[i] * 0.25);
    }
    return sum;
}
