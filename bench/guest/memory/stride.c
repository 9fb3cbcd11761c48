/* SPDX-License-Identifier: MIT */
/* A load and a store in each of 128 pages, 64 times over: pages, not bytes. */
#include "guest.h"

#define PAGES      128
#define PAGE_WORDS 512
#define SWEEPS     64

static uint64_t pages[PAGES][PAGE_WORDS] __attribute__((aligned(4096)));

uint64_t guest_round(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < SWEEPS; i++) {
        int at = i * 8 + (i & 7);

        for (int page = 0; page < PAGES; page++) {
            uint64_t *word = &pages[page][(at + page) & (PAGE_WORDS - 1)];

            *word ^= (uint64_t)(page + i);
            sum += *word;
        }
    }
    for (int i = 0; i < SWEEPS; i++) {
        int at = i * 8 + (i & 7);

        for (int page = 0; page < PAGES; page++) {
            pages[page][(at + page) & (PAGE_WORDS - 1)] = 0;
        }
    }
    return sum;
}
