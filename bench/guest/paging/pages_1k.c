/* SPDX-License-Identifier: MIT */
/* One load in each of 1024 pages, over and over: translations, not data. */
#include "board.h"
#include "guest.h"

#define PAGES UINT64_C(1024)

/* A line of its own in each page, so that the cache holds them all. */
static volatile uint64_t *word_of(uint64_t page)
{
    return device64(ARENA + page * PAGE_SIZE + (page * 64) % PAGE_SIZE);
}

void guest_prepare(void)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        *word_of(i) = i;
    }
}

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < PAGES; i++) {
        sum += *word_of(i);
    }
    return sum == PAGES * (PAGES - 1) / 2 ? GUEST_GOOD : GUEST_BAD;
}
