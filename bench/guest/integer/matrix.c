/* SPDX-License-Identifier: MIT */
/* A product of two 48 x 48 matrices of 32-bit integers. */
#include "guest.h"

#define N 48

static int32_t a[N][N], b[N][N], c[N][N];

void guest_prepare(void)
{
    uint64_t seed = 2;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (int16_t)next_random(&seed);
            b[i][j] = (int16_t)next_random(&seed);
        }
    }
}

static void multiply(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            uint32_t sum = 0;

            for (int k = 0; k < N; k++) {
                sum += (uint32_t)a[i][k] * (uint32_t)b[k][j];
            }
            c[i][j] = (int32_t)sum;
        }
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    multiply();
    for (int i = 0; i < N; i++) {
        sum = fold(sum, (uint32_t)c[i][N - 1 - i]);
    }
    return sum;
}
