/* SPDX-License-Identifier: MIT */
/*
 * The `virt` board as guests see it, and the runtime's page tables. Also
 * included by assembly, for the numbers.
 */
#ifndef BENCH_GUEST_BOARD_H
#define BENCH_GUEST_BOARD_H

#define FINISHER      0x100000
#define FINISHER_PASS 0x5555
#define FINISHER_FAIL 0x3333

#define CLINT          0x2000000
#define CLINT_MTIMECMP 0x2004000
#define CLINT_MTIME    0x200bff8
#define PLIC           0xc000000
#define UART           0x10000000
#define UART_LSR       5
#define UART_SCR       7

/*
 * RAM, 128 MiB:  0x80000000  the image, its data, the stack
 *                0x81000000  page tables
 *                0x82000000  ARENA: what a program wants much of
 */
#define RAM      0x80000000
#define RAM_SIZE 0x8000000
#define TABLES   0x81000000
#define ARENA    0x82000000

#define PAGE_SIZE 4096
#define PTE_V     0x01
#define PTE_R     0x02
#define PTE_W     0x04
#define PTE_X     0x08
#define PTE_U     0x10
#define PTE_A     0x40
#define PTE_D     0x80
#define PTE_RWX   (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)
#define PTE_RW    (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The Sv39 table that S-mode starts on: RAM and the devices, one to one. */
extern uint64_t *identity_table;

/* A table that maps what identity_table does, by 4 KiB pages of its own. */
uint64_t *new_identity_table(void);

/* The slot of @va's 4 KiB page, made if it was not there. */
uint64_t *page_slot(uint64_t *table, uint64_t va);

/* @table as a value for satp. */
uint64_t satp_of(const uint64_t *table, uint64_t asid);

/* What a page-table entry holds for the frame at @pa. */
static inline uint64_t pte_of(uint64_t pa, uint64_t flags)
{
    return pa >> 12 << 10 | flags;
}

static inline volatile uint8_t *device8(uint64_t address)
{
    return (volatile uint8_t *)(uintptr_t)address;
}

static inline volatile uint32_t *device32(uint64_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

static inline volatile uint64_t *device64(uint64_t address)
{
    return (volatile uint64_t *)(uintptr_t)address;
}

#endif
#endif
