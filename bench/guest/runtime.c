/* SPDX-License-Identifier: MIT */
/*
 * The C half of a guest's start-up: rounds, page tables, and what gcc may call
 * without being asked.
 */
#include "board.h"
#include "guest.h"

#define TABLE_WORDS 512

extern volatile uint64_t header_rounds;
extern volatile uint64_t header_expected;

uint64_t *identity_table;

static uint64_t next_table = TABLES;

void run_rounds(void);
uint64_t make_identity_table(void);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

__attribute__((weak)) void guest_prepare(void)
{
}

__attribute__((weak)) void guest_machine(void)
{
}

static _Noreturn void finish(uint32_t how)
{
    for (;;) {
        *device32(FINISHER) = how;
    }
}

void run_rounds(void)
{
    const uint64_t expected = header_expected;
    const uint64_t rounds = header_rounds;

    guest_prepare();
    for (uint64_t i = 0; i < rounds; i++) {
        if (guest_round() != expected) {
            finish(GUEST_FAIL_RESULT << 16 | FINISHER_FAIL);
        }
    }
    finish(FINISHER_PASS);
}

/* ---- Sv39 ---------------------------------------------------------------- */

static uint64_t *new_table(void)
{
    uint64_t *table = (uint64_t *)(uintptr_t)next_table;

    next_table += PAGE_SIZE;
    for (int i = 0; i < TABLE_WORDS; i++) {
        table[i] = 0;
    }
    return table;
}

uint64_t *page_slot(uint64_t *table, uint64_t va)
{
    for (unsigned level = 2; level > 0; level--) {
        uint64_t *slot = &table[va >> (12 + 9 * level) & (TABLE_WORDS - 1)];

        if (!(*slot & PTE_V)) {
            *slot = pte_of((uintptr_t)new_table(), PTE_V);
        }
        table = (uint64_t *)(uintptr_t)(*slot >> 10 << 12);
    }
    return &table[va >> 12 & (TABLE_WORDS - 1)];
}

static void map_identity(uint64_t *table, uint64_t from, uint64_t size)
{
    for (uint64_t va = from; va < from + size; va += PAGE_SIZE) {
        *page_slot(table, va) = pte_of(va, PTE_RWX);
    }
}

uint64_t *new_identity_table(void)
{
    uint64_t *table = new_table();

    map_identity(table, RAM, RAM_SIZE);
    map_identity(table, FINISHER, PAGE_SIZE);
    map_identity(table, CLINT, 0x10000);
    map_identity(table, PLIC, 0x4000);
    map_identity(table, UART, PAGE_SIZE);
    return table;
}

uint64_t satp_of(const uint64_t *table, uint64_t asid)
{
    return UINT64_C(8) << 60 | asid << 44 | (uintptr_t)table >> 12;
}

uint64_t make_identity_table(void)
{
    identity_table = new_identity_table();
    return satp_of(identity_table, 0);
}

/* ---- For gcc -------------------------------------------------------------- */

void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    while (size-- > 0) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *out = to;

    while (size-- > 0) {
        *out++ = (uint8_t)value;
    }
    return to;
}
