/* SPDX-License-Identifier: MIT */
/* sfence.vma for everything, then a load in each of 16 pages. */
#include "board.h"
#include "guest.h"

#define FLUSHES 100
#define PAGES   UINT64_C(16)

void guest_prepare(void)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        *device64(ARENA + i * (PAGE_SIZE + 64)) = i;
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < FLUSHES; i++) {
        __asm__ volatile("sfence.vma" ::: "memory");
        for (uint64_t page = 0; page < PAGES; page++) {
            sum += *device64(ARENA + page * (PAGE_SIZE + 64));
        }
    }
    return sum == FLUSHES * PAGES * (PAGES - 1) / 2 ? GUEST_GOOD : GUEST_BAD;
}
