/* SPDX-License-Identifier: MIT */
/* Heapsort of 2 048 words: branches that depend on data. */
#include "guest.h"

#define N 2048

static uint32_t heap[N];

static void sift_down(uint32_t *at, int from, int count)
{
    uint32_t value = at[from];

    for (;;) {
        int child = 2 * from + 1;

        if (child >= count) {
            break;
        }
        if (child + 1 < count && at[child + 1] > at[child]) {
            child++;
        }
        if (at[child] <= value) {
            break;
        }
        at[from] = at[child];
        from = child;
    }
    at[from] = value;
}

uint64_t guest_round(void)
{
    uint64_t seed = 3;
    uint64_t sum = 0;

    for (int i = 0; i < N; i++) {
        heap[i] = (uint32_t)next_random(&seed);
    }
    for (int i = N / 2 - 1; i >= 0; i--) {
        sift_down(heap, i, N);
    }
    for (int i = N - 1; i > 0; i--) {
        uint32_t top = heap[0];

        heap[0] = heap[i];
        heap[i] = top;
        sift_down(heap, 0, i);
    }
    for (int i = 0; i < N; i += 16) {
        sum = fold(sum, heap[i]);
    }
    return sum;
}
