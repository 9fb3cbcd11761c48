/* SPDX-License-Identifier: MIT */
/* Comparisons, signs and the least and largest of two numbers. */
#include "guest.h"

#define N 256

static double xs[N];
static float ys[N];

void guest_prepare(void)
{
    uint64_t seed = 12;

    for (int i = 0; i < N; i++) {
        xs[i] = (double)((int64_t)next_random(&seed) >> 30);
        ys[i] = (float)((int64_t)next_random(&seed) >> 40);
    }
}

/* gcc has no operator that becomes fmax.d or fmin.s. No operand is a NaN. */
static inline double larger(double a, double b)
{
#ifdef __riscv
    __asm__("fmax.d %0, %0, %1" : "+f"(a) : "f"(b));
    return a;
#else
    return a > b ? a : b;
#endif
}

static inline float smaller(float a, float b)
{
#ifdef __riscv
    __asm__("fmin.s %0, %0, %1" : "+f"(a) : "f"(b));
    return a;
#else
    return a < b ? a : b;
#endif
}

uint64_t guest_round(void)
{
    double most = -1e30, least = 1e30;
    float nearest = 1e30f;
    uint64_t rising = 0, signs = 0;

    for (int i = 1; i < N; i++) {
        double d = __builtin_fabs(xs[i] - xs[i - 1]);
        float f = __builtin_fabsf(ys[i]);

        most = larger(most, __builtin_copysign(d, xs[i]));
        least = xs[i] < least ? xs[i] : least;
        nearest = smaller(nearest, f);
        rising += xs[i] >= xs[i - 1];
        signs = signs * 3 + (ys[i] <= -ys[i - 1]) + (ys[i] == ys[i - 1]);
    }
    return fold(fold(rising, signs),
                (uint64_t)(int64_t)(most + least + (double)nearest));
}
