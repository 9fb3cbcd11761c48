/* SPDX-License-Identifier: MIT */
/*
 * A page that moves: its entry is pointed at another frame, the page alone is
 * flushed, and a load must see the other frame while seven neighbours stay.
 */
#include "board.h"
#include "guest.h"

#define MOVES  200
#define WINDOW UINT64_C(0x40000000)
#define FRAMES 8

static uint64_t *slots[FRAMES];

static uint64_t frame(uint64_t i)
{
    return ARENA + i * PAGE_SIZE;
}

void guest_prepare(void)
{
    for (uint64_t i = 0; i < FRAMES; i++) {
        *device64(frame(i)) = i;
        slots[i] = page_slot(identity_table, WINDOW + i * PAGE_SIZE);
        *slots[i] = pte_of(frame(i), PTE_RW);
    }
    __asm__ volatile("sfence.vma" ::: "memory");
}

uint64_t guest_round(void)
{
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < MOVES; i++) {
        uint64_t page = i % FRAMES;
        uint64_t va = WINDOW + page * PAGE_SIZE;
        uint64_t target = (i + i / FRAMES) % FRAMES;

        *slots[page] = pte_of(frame(target), PTE_RW);
        __asm__ volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
        wrong |= *device64(va) ^ target;
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
