/* SPDX-License-Identifier: MIT */
/* Sv39 page tables in a rig's RAM, for the tests of jit/riscv/mmu.c. */
#ifndef XBAR_TESTS_UNIT_RISCV_TABLES_H
#define XBAR_TESTS_UNIT_RISCV_TABLES_H

#include "tests/unit/riscv/rig.h"

#define PTE_SIZE  8
#define TABLES    24 /* pages of tables at the start of RAM */
#define PAGE_SIZE 4096u

#define V 0x01u
#define R 0x02u
#define W 0x04u
#define X 0x08u
#define U 0x10u
#define A 0x40u
#define D 0x80u

static inline uint64_t *pte_at(struct rig *rig, uint64_t table, uint64_t index)
{
    return (uint64_t *)(rig->mem + table * PAGE_SIZE) + index;
}

static inline uint64_t make_pte(uint64_t phys, unsigned flags)
{
    return phys >> 12 << 10 | flags;
}

static inline void set_satp(struct rig *rig, uint64_t value)
{
    assert_true(riscv__csr_poke(rig->hart, 0x180, value));
}

static inline void use_root(struct rig *rig, uint64_t table, unsigned asid)
{
    set_satp(rig,
             8ull << 60 | (uint64_t)asid << 44 | (RIG_RAM / PAGE_SIZE + table));
}

/* Root in table 0: entry 0 points to table 1, whose entry 0 points to 2. */
static inline void simple_tables(struct rig *rig)
{
    rig_open_pmp(rig);
    memset(rig->mem, 0, (size_t)TABLES * PAGE_SIZE);
    *pte_at(rig, 0, 0) = make_pte(RIG_RAM + PAGE_SIZE, V);
    *pte_at(rig, 1, 0) = make_pte(RIG_RAM + 2 * PAGE_SIZE, V);
    use_root(rig, 0, 1);
}

#endif
