/* SPDX-License-Identifier: MIT */
/* 4-byte reads of two priorities in the PLIC. */
#include "board.h"
#include "guest.h"

#define ACCESSES 1000

#define PRIORITY(source) device32(PLIC + 4 * (source))

void guest_prepare(void)
{
    *PRIORITY(5) = 3;
    *PRIORITY(6) = 4;
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < ACCESSES; i += 2) {
        sum += *PRIORITY(5) + 2 * *PRIORITY(6);
    }
    return sum == ACCESSES / 2 * 11 ? GUEST_GOOD : GUEST_BAD;
}
