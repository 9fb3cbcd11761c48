/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_paging.h"

#include <stdbool.h>
#include <string.h>

enum {
    PTE_V = 1 << 0,
    PTE_R = 1 << 1,
    PTE_W = 1 << 2,
    PTE_X = 1 << 3,
    PTE_U = 1 << 4,
    PTE_A = 1 << 6,
    PTE_D = 1 << 7,
};

#define MSTATUS_MPP_S (UINT64_C(1) << 11)
#define MSTATUS_SUM   (UINT64_C(1) << 18)
#define MSTATUS_MXR   (UINT64_C(1) << 19)
#define MSTATUS_TVM   (UINT64_C(1) << 20)
#define MSTATUS_TW    (UINT64_C(1) << 21)
#define MSTATUS_TSR   (UINT64_C(1) << 22)

#define SATP_SV39 (UINT64_C(8) << 60)
#define SATP_SV48 (UINT64_C(9) << 60)

#define ENTRIES    512
#define DATA_PAGES (GUEST_DATA_SIZE / GUEST_PAGE)
#define CODE_PAGES (GUEST_CODE_SIZE / GUEST_PAGE)

enum table { ROOT, MIDDLE, CODE, DATA };

struct pager {
    uint64_t *tables;
    uint64_t rng;
    bool user; /* the mode that the sequence runs in */
};

static bool one_in(struct pager *p, uint32_t n)
{
    return random_one_in(&p->rng, n);
}

static uint64_t *entry(struct pager *p, enum table table, uint64_t index)
{
    return &p->tables[table * ENTRIES + index % ENTRIES];
}

static uint64_t pointer_to(uint64_t address, uint64_t bits)
{
    return address >> 12 << 10 | bits;
}

static uint64_t table_at(enum table table)
{
    return pointer_to(PAGING_TABLES + table * GUEST_PAGE, PTE_V);
}

/* A leaf, with the bits that the walker may have to set. */
static uint64_t leaf(struct pager *p, uint64_t address, uint64_t bits)
{
    bits |= PTE_V | (one_in(p, 2) ? PTE_A : 0);
    bits |= bits & PTE_W && one_in(p, 2) ? PTE_A | PTE_D : 0;
    return pointer_to(address, bits);
}

static uint64_t code_page(struct pager *p, uint64_t address, uint32_t rarity)
{
    bool user = p->user != one_in(p, rarity);
    uint64_t bits = PTE_X | PTE_R | (user ? PTE_U : 0);

    if (one_in(p, rarity)) {
        return one_in(p, 2) ? 0 : leaf(p, address, bits & ~(uint64_t)PTE_X);
    }
    return leaf(p, address, bits);
}

static uint64_t data_page(struct pager *p, uint64_t address)
{
    static const uint8_t kinds[] = { PTE_R | PTE_W, PTE_R | PTE_W,
                                     PTE_R | PTE_W, PTE_R | PTE_W,
                                     PTE_R | PTE_W, PTE_R,
                                     PTE_X,         0 };
    uint64_t kind = kinds[random_below(&p->rng, sizeof(kinds))];
    bool user = p->user != one_in(p, p->user ? 16 : 2);

    return kind ? leaf(p, address, kind | (user ? PTE_U : 0)) : 0;
}

static void map_code(struct pager *p)
{
    uint64_t *large = entry(p, MIDDLE, GUEST_CODE >> 21);

    if (one_in(p, 3)) {
        *large = code_page(p, GUEST_CODE, 64);
        return;
    }
    *large = table_at(CODE);
    for (uint64_t i = 0; i < CODE_PAGES; i++) {
        *entry(p, CODE, i) = code_page(p, GUEST_CODE + i * GUEST_PAGE, 32);
    }
}

static void map_data(struct pager *p)
{
    uint64_t *large = entry(p, MIDDLE, GUEST_DATA >> 21);
    uint64_t shuffle = random_below(&p->rng, DATA_PAGES);

    if (one_in(p, 6)) {
        *large = data_page(p, GUEST_DATA);
        return;
    }
    *large = table_at(DATA);
    for (uint64_t i = 0; i < DATA_PAGES; i++) {
        *entry(p, DATA, i) =
            data_page(p, GUEST_DATA + (i ^ shuffle) * GUEST_PAGE);
    }
}

struct insn_paging insn_paging_make(uint64_t *tables, uint64_t seed)
{
    struct pager p = { .tables = tables, .rng = seed };
    struct insn_paging paging = {
        .mstatus = MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR,
    };

    p.user = one_in(&p, 2);
    memset(tables, 0, PAGING_TABLES_SIZE);
    paging.satp = (one_in(&p, 2) ? SATP_SV39 : SATP_SV48) | PAGING_TABLES >> 12;
    *entry(&p, ROOT, 0) = table_at(ROOT);
    *entry(&p, ROOT, GUEST_CODE >> 30) = table_at(MIDDLE);
    map_code(&p);
    map_data(&p);
    paging.mstatus |= p.user ? 0 : MSTATUS_MPP_S;
    paging.mstatus |= one_in(&p, 2) ? MSTATUS_SUM : 0;
    paging.mstatus |= one_in(&p, 2) ? MSTATUS_MXR : 0;
    return paging;
}
