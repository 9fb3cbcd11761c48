/* SPDX-License-Identifier: MIT */
/* 1-byte reads of the line status of a UART that has nothing to do. */
#include "board.h"
#include "guest.h"

#define ACCESSES 1000

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < ACCESSES; i++) {
        sum += *device8(UART + UART_LSR);
    }
    return sum == ACCESSES * UINT64_C(0x60) ? GUEST_GOOD : GUEST_BAD;
}
