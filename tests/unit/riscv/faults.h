/* SPDX-License-Identifier: MIT */
/*
 * Accesses that fault, for the tests of both tiers: the rows, the ways to
 * fault, and a board in S-mode where page EDGE_PAGE + 1 is as a way wants it.
 */
#ifndef XBAR_TESTS_UNIT_RISCV_FAULTS_H
#define XBAR_TESTS_UNIT_RISCV_FAULTS_H

#include <stdlib.h>

#include "tests/unit/riscv/encode.h"
#include "tests/unit/riscv/paging.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define HANDLER  0x8000u

/* Guest pages, and where in RAM they are. */
#define CODE_PAGE     1u
#define GOOD_PAGE     2u /* what the other accesses use */
#define CALM_PAGE     4u /* where the bad one goes when it is good */
#define EDGE_PAGE     6u /* before the page that differs */
#define PAGE_AT(page) (0x20000u + (page)*0x1000u)
#define ADDRESS(page) ((uint64_t)(page)*0x1000u)

enum { BASE = 9, DATA = 10, GOOD = 8, COUNTER = 31 };

struct shape {
    enum riscv_op op;
    uint16_t bits; /* a compressed form: base BASE or sp, register DATA */
};

static const struct shape compressed[] = {
    { RISCV_OP_LW, 0x4088 }, { RISCV_OP_LD, 0x6088 }, { RISCV_OP_FLD, 0x2088 },
    { RISCV_OP_SW, 0xc088 }, { RISCV_OP_SD, 0xe088 }, { RISCV_OP_FSD, 0xa088 },
    { RISCV_OP_LW, 0x4502 }, { RISCV_OP_LD, 0x6502 }, { RISCV_OP_FLD, 0x2502 },
    { RISCV_OP_SW, 0xc02a }, { RISCV_OP_SD, 0xe02a }, { RISCV_OP_FSD, 0xa02a },
};

enum way {
    UNMAPPED,
    READ_ONLY,
    NO_MEMORY,
    CROSSING_UNMAPPED,
    CROSSING_READ_ONLY,
    CROSSING_NO_MEMORY,
    NOT_CANONICAL,
    WAYS,
};

static inline bool is_crossing(enum way way)
{
    return way >= CROSSING_UNMAPPED && way <= CROSSING_NO_MEMORY;
}

static inline bool is_class(enum riscv_op op, enum riscv_class class)
{
    return riscv__ops[op].class == class;
}

static inline bool is_lr(enum riscv_op op)
{
    return op == RISCV_OP_LR_W || op == RISCV_OP_LR_D;
}

static inline bool writes(enum riscv_op op)
{
    return is_class(op, RISCV_CLASS_STORE) ||
           (is_class(op, RISCV_CLASS_AMO) && !is_lr(op));
}

static inline unsigned size_of(enum riscv_op op)
{
    return (unsigned)abs(riscv__ops[op].access);
}

/* ---- The board --------------------------------------------------------- */

static inline void fill(struct rig *rig)
{
    for (uint32_t at = PAGE_AT(GOOD_PAGE); at < PAGE_AT(EDGE_PAGE + 2); at++) {
        rig->mem[at] = (uint8_t)(at * 37 + (at >> 8) + 11);
    }
}

/* The engine is the interpreter. */
static inline void open_board(struct rig *rig,
                              const struct xbar_riscv_config *config)
{
    static const uint32_t handler = INSN_SELF;

    rig_open_with(rig, config);
    rig_open_pmp(rig);
    rig_code(rig, HANDLER, &handler, 1);
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    paging_enter(rig, PRIV_S);
    paging_map(rig, CODE_PAGE, PAGE_AT(CODE_PAGE), PTE_R | PTE_X);
    for (unsigned page = GOOD_PAGE; page <= EDGE_PAGE; page++) {
        paging_map(rig, page, PAGE_AT(page), PTE_R | PTE_W);
    }
}

/* The page behind EDGE_PAGE, as @way wants it. */
static inline void map_bad_page(struct rig *rig, enum way way)
{
    switch (way) {
    case READ_ONLY:
    case CROSSING_READ_ONLY:
        paging_map(rig, EDGE_PAGE + 1, PAGE_AT(EDGE_PAGE + 1), PTE_R);
        break;
    case NO_MEMORY:
    case CROSSING_NO_MEMORY: /* behind the end of RAM */
        paging_map(rig, EDGE_PAGE + 1, 2 * RIG_RAM_SIZE, PTE_R | PTE_W);
        break;
    default:
        paging_set(rig, PAGING_L0, EDGE_PAGE + 1, 0, 0);
        break;
    }
    tlb_flush_page(&rig->hart->tlb, TLB_ALL_CONTEXTS, ADDRESS(EDGE_PAGE + 1));
}

static inline uint64_t bad_address(enum way way, unsigned size)
{
    if (way == NOT_CANONICAL) {
        return ADDRESS(EDGE_PAGE) | UINT64_C(1) << 39;
    }
    return is_crossing(way) ? ADDRESS(EDGE_PAGE + 1) - size / 2
                            : ADDRESS(EDGE_PAGE + 1) + 0x108;
}

/* 0 if @op does not fault there. */
static inline unsigned cause_of(enum way way, enum riscv_op op)
{
    bool no_memory = way == NO_MEMORY || way == CROSSING_NO_MEMORY;

    if (is_crossing(way) &&
        (size_of(op) == 1 || is_class(op, RISCV_CLASS_AMO))) {
        return 0; /* an atomic is refused for being misaligned */
    }
    if (writes(op)) {
        return no_memory ? CAUSE_STORE_ACCESS : CAUSE_STORE_PAGE;
    }
    if (way == READ_ONLY || way == CROSSING_READ_ONLY) {
        return 0;
    }
    return no_memory ? CAUSE_LOAD_ACCESS : CAUSE_LOAD_PAGE;
}

static inline uint32_t encode_access(enum riscv_op op, unsigned base, int imm)
{
    unsigned fields = riscv__formats[riscv__ops[op].format].fields;

    return encode(op, fields & RISCV_RD ? DATA : 0, base,
                  fields & RISCV_RS2 ? DATA : 0,
                  is_class(op, RISCV_CLASS_AMO) ? 0 : imm);
}

#endif
