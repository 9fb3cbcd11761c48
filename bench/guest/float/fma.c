/* SPDX-License-Identifier: MIT */
/* Fused multiply-add: two polynomials by Horner's rule, and a dot product. */
#include "guest.h"

#define N 256

static double xs[N];
static float ys[N];

void guest_prepare(void)
{
    uint64_t seed = 9;

    for (int i = 0; i < N; i++) {
        xs[i] = (double)((int64_t)next_random(&seed) >> 40) / 0x1000000;
        ys[i] = (float)((int64_t)next_random(&seed) >> 48) / 0x10000;
    }
}

static double wide(double x)
{
    double y = 1.0 / 5040;

    y = __builtin_fma(y, x, 1.0 / 720);
    y = __builtin_fma(y, x, -1.0 / 120);
    y = __builtin_fma(y, x, 1.0 / 24);
    y = __builtin_fma(y, x, -1.0 / 6);
    y = __builtin_fma(y, x, 0.5);
    return __builtin_fma(y, x, 1.0);
}

static float narrow(float x)
{
    float y = 0.0625f;

    y = __builtin_fmaf(y, x, -0.3f);
    y = __builtin_fmaf(-y, x, 0.7f);
    y = __builtin_fmaf(y, x, -1.1f);
    return __builtin_fmaf(-y, x, 0.9f);
}

uint64_t guest_round(void)
{
    double dot = 0;
    float dotf = 0;
    union {
        double value;
        uint64_t bits;
    } d;
    union {
        float value;
        uint32_t bits;
    } f;

    for (int i = 0; i < N; i++) {
        dot = __builtin_fma(wide(xs[i]), xs[N - 1 - i], dot);
        dotf = __builtin_fmaf(narrow(ys[i]), ys[N - 1 - i], dotf);
    }
    d.value = dot;
    f.value = dotf;
    return fold(fold(0, d.bits), f.bits);
}
