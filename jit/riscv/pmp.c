/* SPDX-License-Identifier: MIT */
/*
 * Physical memory protection: 16 entries with a granularity of 4 KiB, so that
 * a page is matched whole or not at all and the check can be made when a TLB
 * entry is filled.
 *
 *        7    6 5   4 3   2   1   0
 *      +---+------+-----+---+---+---+    A: 0 off, 1 top of range,
 *      | L |  0   |  A  | X | W | R |       2 NA4: too fine, becomes NAPOT,
 *      +---+------+-----+---+---+---+       3 NAPOT
 *
 * Registers keep what was written; the granularity shows when they are read
 * and in the rules that are made from them at each write, in order of
 * priority, for the check to walk.
 */
#include "jit/riscv/hart_internal.h"

#define PMP_LOCKED   0x80
#define PMP_MODE     0x18
#define PMP_OFF      0x00
#define PMP_TOR      0x08
#define PMP_NA4      0x10
#define PMP_NAPOT    0x18
#define PMP_READ     0x01
#define PMP_WRITE    0x02
#define PMP_EXEC     0x04
#define PMP_EXISTING (PMP_LOCKED | PMP_MODE | PMP_EXEC | PMP_WRITE | PMP_READ)

/* Address registers hold address >> 2 of 56 bits; G of the specification. */
#define PMP_ADDR_MASK (((uint64_t)1 << 54) - 1)
#define PMP_GRAIN     (TLB_PAGE_BITS - 2)

static_assert((int)PMP_READ == (int)TLB_PROT_READ &&
                  (int)PMP_WRITE == (int)TLB_PROT_WRITE &&
                  (int)PMP_EXEC == (int)TLB_PROT_EXEC,
              "an entry's permissions are a TLB's");

#define PROT_ALL (TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC)

/* ---- Rules ------------------------------------------------------------- */

/* Naturally aligned: as many low ones in the register, as large. */
static bool match_napot(uint64_t reg, struct riscv_pmp_rule *rule)
{
    uint64_t ones = reg | (((uint64_t)1 << (PMP_GRAIN - 1)) - 1);
    unsigned bits = (unsigned)__builtin_ctzll(~ones) + 3;
    uint64_t size = (uint64_t)1 << bits;

    rule->first = (ones << 2) & ~(size - 1);
    rule->last = rule->first + (size - 1);
    return true;
}

/* From the previous register to this one, both rounded down to pages. */
static bool match_tor(uint64_t from, uint64_t to, struct riscv_pmp_rule *rule)
{
    uint64_t end = (to << 2) & TLB_PAGE_MASK;

    rule->first = (from << 2) & TLB_PAGE_MASK;
    rule->last = end - 1;
    return rule->first < end;
}

/* What entry @i matches; false: nothing. */
static bool match_entry(const struct riscv_pmp *pmp, unsigned i,
                        struct riscv_pmp_rule *rule)
{
    switch (pmp->cfg[i] & PMP_MODE) {
    case PMP_NAPOT:
        return match_napot(pmp->addr[i], rule);
    case PMP_TOR:
        return match_tor(i ? pmp->addr[i - 1] : 0, pmp->addr[i], rule);
    default:
        return false;
    }
}

static void make_rules(struct riscv_pmp *pmp)
{
    pmp->active = 0;
    for (unsigned i = 0; i < PMP_ENTRIES; i++) {
        struct riscv_pmp_rule *rule = &pmp->rule[pmp->active];

        if (match_entry(pmp, i, rule)) {
            rule->prot = pmp->cfg[i] & PROT_ALL;
            rule->locked = pmp->cfg[i] & PMP_LOCKED;
            pmp->active++;
        }
    }
}

unsigned riscv__pmp_prot(const struct riscv_pmp *pmp, hwaddr page,
                         unsigned priv)
{
    for (unsigned i = 0; i < pmp->active; i++) {
        const struct riscv_pmp_rule *rule = &pmp->rule[i];

        if (page >= rule->first && page <= rule->last) {
            return priv == PRIV_M && !rule->locked ? PROT_ALL : rule->prot;
        }
    }
    return priv == PRIV_M ? PROT_ALL : 0;
}

/* ---- Registers --------------------------------------------------------- */

uint64_t riscv__pmp_read_cfg(const struct riscv_pmp *pmp, unsigned reg)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)pmp->cfg[reg * 4 + i] << (8 * i);
    }
    return value;
}

/* Bits below the granularity read as the mode needs them. */
uint64_t riscv__pmp_read_addr(const struct riscv_pmp *pmp, unsigned entry)
{
    uint64_t value = pmp->addr[entry];

    if ((pmp->cfg[entry] & PMP_MODE) == PMP_NAPOT) {
        return value | (((uint64_t)1 << (PMP_GRAIN - 1)) - 1);
    }
    return value & ~(((uint64_t)1 << PMP_GRAIN) - 1);
}

/* The nearest legal configuration. */
static uint8_t legal_cfg(uint8_t cfg)
{
    cfg &= PMP_EXISTING;
    if ((cfg & PMP_MODE) == PMP_NA4) {
        cfg |= PMP_NAPOT;
    }
    if (!(cfg & PMP_READ)) {
        cfg &= (uint8_t)~PMP_WRITE; /* write-only is reserved */
    }
    return cfg;
}

bool riscv__pmp_write_cfg(struct riscv_pmp *pmp, unsigned reg, uint64_t value)
{
    bool changed = false;

    for (unsigned i = 0; i < 8; i++) {
        uint8_t *cfg = &pmp->cfg[reg * 4 + i];
        uint8_t legal = legal_cfg((uint8_t)(value >> (8 * i)));

        if (!(*cfg & PMP_LOCKED) && *cfg != legal) {
            *cfg = legal;
            changed = true;
        }
    }
    if (changed) {
        make_rules(pmp);
    }
    return changed;
}

/* Locked by its own entry, or as the base of a locked range. */
static bool addr_locked(const struct riscv_pmp *pmp, unsigned entry)
{
    uint8_t next = entry + 1 < PMP_ENTRIES ? pmp->cfg[entry + 1] : 0;

    return (pmp->cfg[entry] & PMP_LOCKED) ||
           ((next & PMP_LOCKED) && (next & PMP_MODE) == PMP_TOR);
}

bool riscv__pmp_write_addr(struct riscv_pmp *pmp, unsigned entry,
                           uint64_t value)
{
    value &= PMP_ADDR_MASK;
    if (addr_locked(pmp, entry) || pmp->addr[entry] == value) {
        return false;
    }
    pmp->addr[entry] = value;
    make_rules(pmp);
    return true;
}
