/* SPDX-License-Identifier: MIT */
/* 4-byte writes of a priority in the PLIC, read back at the end. */
#include "board.h"
#include "guest.h"

#define ACCESSES 1000

#define PRIORITY(source) device32(PLIC + 4 * (source))

uint64_t guest_round(void)
{
    for (uint32_t i = 1; i < ACCESSES; i++) {
        *PRIORITY(7) = i & 7;
    }
    return *PRIORITY(7) == ((ACCESSES - 1) & 7) ? GUEST_GOOD : GUEST_BAD;
}
