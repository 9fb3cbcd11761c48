/* SPDX-License-Identifier: MIT */
/*
 * Page tables for tests on the board of rig.h. S- and U-mode see
 *
 *   0x80000000  RAM where it is, all permissions, S-mode pages
 *   0 .. 2 MiB  4 KiB pages, unmapped until paging_map()
 */
#ifndef XBAR_TESTS_UNIT_RISCV_PAGING_H
#define XBAR_TESTS_UNIT_RISCV_PAGING_H

#include "rig.h"

#define PAGING_ROOT 0x100000u /* offsets in RAM */
#define PAGING_L1   0x101000u
#define PAGING_L0   0x102000u

/* Bits of an entry. A and D are set where the rest is. */
enum {
    PTE_V = 0x01,
    PTE_R = 0x02,
    PTE_W = 0x04,
    PTE_X = 0x08,
    PTE_U = 0x10,
    PTE_AD = 0xc0,
};

static inline void paging_set(struct rig *rig, uint32_t table, unsigned index,
                              uint64_t phys, unsigned bits)
{
    uint64_t pte = phys >> 12 << 10 | bits;

    memcpy(rig->mem + table + index * 8, &pte, sizeof(pte));
}

/* Page number @page of the low 2 MiB shows RAM at @offset. */
static inline void paging_map(struct rig *rig, unsigned page, uint32_t offset,
                              unsigned bits)
{
    paging_set(rig, PAGING_L0, page, RIG_RAM + offset, bits | PTE_V | PTE_AD);
}

/* Translate from now on, in @mode. */
static inline void paging_enter(struct rig *rig, enum riscv_priv mode)
{
    paging_set(rig, PAGING_ROOT, 0, RIG_RAM + PAGING_L1, PTE_V);
    paging_set(rig, PAGING_L1, 0, RIG_RAM + PAGING_L0, PTE_V);
    paging_set(rig, PAGING_ROOT, 2, RIG_RAM,
               PTE_V | PTE_R | PTE_W | PTE_X | PTE_AD);
    rig->hart->satp =
        (uint64_t)SATP_SV39 << SATP_MODE_SHIFT | (RIG_RAM + PAGING_ROOT) >> 12;
    rig->hart->priv = mode;
    riscv__update_contexts(rig->hart);
}

#endif
