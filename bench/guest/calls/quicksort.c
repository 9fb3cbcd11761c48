/* SPDX-License-Identifier: MIT */
/* Quicksort of 1 024 words with the comparison behind a pointer. */
#include "guest.h"

#define N 1024

typedef int compare(const void *a, const void *b);

static uint64_t words[N];

static NOINLINE int rising(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static NOINLINE int falling_low_half(const void *a, const void *b)
{
    const uint32_t x = (uint32_t) * (const uint64_t *)a;
    const uint32_t y = (uint32_t) * (const uint64_t *)b;

    return (x < y) - (x > y);
}

static inline void swap(uint64_t *a, uint64_t *b)
{
    uint64_t x = *a;

    *a = *b;
    *b = x;
}

static NOINLINE void sort(uint64_t *at, int count, compare *order)
{
    while (count > 1) {
        uint64_t pivot = at[count / 2];
        int i = 0, j = count - 1;

        while (i <= j) {
            while (order(&at[i], &pivot) < 0) {
                i++;
            }
            while (order(&at[j], &pivot) > 0) {
                j--;
            }
            if (i <= j) {
                swap(&at[i++], &at[j--]);
            }
        }
        sort(at, j + 1, order);
        at += i;
        count -= i;
    }
}

uint64_t guest_round(void)
{
    compare *const orders[2] = { rising, falling_low_half };
    uint64_t seed = 17;
    uint64_t sum = 0;

    for (int i = 0; i < N; i++) {
        words[i] = next_random(&seed);
    }
    for (int i = 0; i < 2; i++) {
        sort(words, N, orders[i]);
        for (int j = 0; j < N; j += 64) {
            sum = fold(sum, words[j]);
        }
    }
    return sum;
}
