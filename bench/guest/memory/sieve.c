/* SPDX-License-Identifier: MIT */
/* Eratosthenes' sieve up to 32 768: byte stores at growing strides. */
#include "guest.h"

#define N 32768

static uint8_t composite[N];

uint64_t guest_round(void)
{
    uint64_t count = 0;

    for (int i = 0; i < N; i++) {
        composite[i] = 0;
    }
    for (int i = 2; i * i < N; i++) {
        if (!composite[i]) {
            for (int j = i * i; j < N; j += i) {
                composite[j] = 1;
            }
        }
    }
    for (int i = 2; i < N; i++) {
        count += !composite[i];
    }
    return count;
}
