/* SPDX-License-Identifier: MIT */
/* Loads and stores in 2 048 pages in random order. */
#include "board.h"
#include "guest.h"

#define PAGES    2048
#define ACCESSES 4096

static volatile uint64_t *word_of(uint64_t random)
{
    uint64_t page = random % PAGES;

    return device64(ARENA + page * PAGE_SIZE + (page * 64) % PAGE_SIZE);
}

uint64_t guest_round(void)
{
    uint64_t seed = 19, again = 19;
    uint64_t left = 0;

    for (int i = 0; i < ACCESSES; i++) {
        *word_of(next_random(&seed) >> 20) += (uint64_t)i;
    }
    for (int i = 0; i < ACCESSES; i++) {
        *word_of(next_random(&again) >> 20) -= (uint64_t)i;
    }
    for (uint64_t i = 0; i < PAGES; i += 16) {
        left |= *word_of(i);
    }
    return left ? GUEST_BAD : GUEST_GOOD;
}
