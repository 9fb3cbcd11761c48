/* SPDX-License-Identifier: MIT */
/* Quotients and square roots in both precisions. */
#include "guest.h"

#define N 256

static double xs[N];

void guest_prepare(void)
{
    uint64_t seed = 10;

    for (int i = 0; i < N; i++) {
        xs[i] = (double)(next_random(&seed) >> 20 | 1) / 4096;
    }
}

uint64_t guest_round(void)
{
    double sum = 0;
    float sumf = 0;
    union {
        double value;
        uint64_t bits;
    } d;
    union {
        float value;
        uint32_t bits;
    } f;

    for (int i = 0; i < N; i++) {
        double x = xs[i], y = xs[N - 1 - i];

        sum += __builtin_sqrt(x) / (y + 1.0);
        sumf += __builtin_sqrtf((float)y) / (float)x;
    }
    d.value = sum;
    f.value = sumf;
    return fold(fold(0, d.bits), f.bits);
}
