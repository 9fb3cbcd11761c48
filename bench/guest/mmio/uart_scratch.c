/* SPDX-License-Identifier: MIT */
/* 1-byte writes of the scratch register of the UART, read back. */
#include "board.h"
#include "guest.h"

#define ACCESSES 1000

uint64_t guest_round(void)
{
    uint64_t wrong = 0;

    for (int i = 0; i < ACCESSES / 2; i++) {
        *device8(UART + UART_SCR) = (uint8_t)i;
        wrong |= *device8(UART + UART_SCR) ^ (uint8_t)i;
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
