/* SPDX-License-Identifier: MIT */
/* A product of two 32 x 32 matrices in single precision. */
#include "guest.h"

#define N 32

static float a[N][N], b[N][N], c[N][N];

void guest_prepare(void)
{
    uint64_t seed = 8;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((int64_t)next_random(&seed) >> 44) / 1024;
            b[i][j] = (float)((int64_t)next_random(&seed) >> 44) / 1024;
        }
    }
}

static void multiply(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            float sum = 0;

            for (int k = 0; k < N; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    multiply();
    for (int i = 0; i < N; i++) {
        union {
            float value;
            uint32_t bits;
        } x = { c[i][N - 1 - i] };

        sum = fold(sum, x.bits);
    }
    return sum;
}
