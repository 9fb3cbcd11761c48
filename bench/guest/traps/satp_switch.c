/* SPDX-License-Identifier: MIT */
/*
 * Two address spaces with two identifiers: satp is switched, and
 * eight pages that both have, but map differently, are read.
 */
#include "board.h"
#include "guest.h"

#define SWITCHES 100
#define WINDOW   UINT64_C(0x40000000)
#define PAGES    8

static uint64_t spaces[2];

static uint64_t frame(uint64_t space, uint64_t page)
{
    return ARENA + (space * PAGES + page) * PAGE_SIZE;
}

void guest_prepare(void)
{
    uint64_t *tables[2] = { identity_table, new_identity_table() };
    const uint64_t ids[2] = { 1, 2 };

    for (uint64_t i = 0; i < 2; i++) {
        for (uint64_t j = 0; j < PAGES; j++) {
            *device64(frame(i, j)) = 10 * i + j;
            *page_slot(tables[i], WINDOW + j * PAGE_SIZE) =
                pte_of(frame(i, j), PTE_RW);
        }
        spaces[i] = satp_of(tables[i], ids[i]);
    }
    __asm__ volatile("sfence.vma" ::: "memory");
}

static void enter(uint64_t satp)
{
    __asm__ volatile("csrw satp, %0" : : "r"(satp) : "memory");
}

uint64_t guest_round(void)
{
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < SWITCHES; i++) {
        uint64_t space = i & 1;

        enter(spaces[space]);
        for (uint64_t j = 0; j < PAGES; j++) {
            wrong |= *device64(WINDOW + j * PAGE_SIZE) ^ (10 * space + j);
        }
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
