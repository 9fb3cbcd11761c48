/* SPDX-License-Identifier: MIT */
/*
 * Sv39 and Sv48: the walker that fills the TLB, and what empties it again.
 *
 *   va   | sign of bit 38 |  9 bits  |  9 bits  |  9 bits  |  12 bits |
 *                             |           |          |
 *        satp.ppn --> [table] --> [table] --> [table] --> 4 KiB page
 *                        |            |
 *                     1 GiB leaf   2 MiB leaf (cached as 4 KiB pages)
 *
 * Sv48 has one table more in front, and leaves of 512 GiB there.
 *
 *   PTE  63       54 53                  10 9 8 7 6 5 4 3 2 1 0
 *       +-----------+----------------------+---+-+-+-+-+-+-+-+-+
 *       | must be 0 |          ppn         |rsw|D|A|G|U|X|W|R|V|
 *       +-----------+----------------------+---+-+-+-+-+-+-+-+-+
 *
 * Everything is judged by the context, never by the current mstatus: an
 * entry of the TLB must stay right when mode, SUM or MXR change and change
 * back. Physical protection is asked for each table and for the page. The
 * accessed and dirty bits are set here, by compare-and-swap, so that no other
 * hart's change of the entry is lost; if it did change, the walk starts over.
 * While menvcfg.ADUE is 0 they are software's: a walk that misses one is a page
 * fault.
 */
#include "jit/riscv/hart_internal.h"

#include <endian.h>
#include <string.h>

enum {
    PTE_V = 1 << 0,
    PTE_R = 1 << 1,
    PTE_W = 1 << 2,
    PTE_X = 1 << 3,
    PTE_U = 1 << 4,
    PTE_G = 1 << 5,
    PTE_A = 1 << 6,
    PTE_D = 1 << 7,
};
#define PTE_PPN_SHIFT 10
#define PTE_RESERVED  (~(uint64_t)0 << 54)
#define PTE_PPN(pte)  (((pte) & ~PTE_RESERVED) >> PTE_PPN_SHIFT)

#define VPN_BITS    9
#define SV39_LEVELS 3
#define MAX_LEVELS  4

static_assert((int)PTE_R >> 1 == (int)TLB_PROT_READ &&
                  (int)PTE_W >> 1 == (int)TLB_PROT_WRITE &&
                  (int)PTE_X >> 1 == (int)TLB_PROT_EXEC,
              "a leaf's permissions, shifted by one, are a TLB's");

/* A context, spelled out. */
struct regime {
    uint8_t priv;
    bool sum;
    bool mxr;
};

static const struct regime regimes[CTX_COUNT] = {
    [CTX_M] = { PRIV_M, false, false },
    [CTX_U] = { PRIV_U, false, false },
    [CTX_U_MXR] = { PRIV_U, false, true },
    [CTX_S] = { PRIV_S, false, false },
    [CTX_S + 1] = { PRIV_S, true, false },
    [CTX_S + 2] = { PRIV_S, false, true },
    [CTX_S + 3] = { PRIV_S, true, true },
    [CTX_FETCH_M] = { PRIV_M, false, false },
    [CTX_FETCH_U] = { PRIV_U, false, false },
    [CTX_FETCH_S] = { PRIV_S, false, false },
};

/* How a walk, or a step of one, ends. */
enum outcome {
    WALK_DONE,
    WALK_PAGE_FAULT,
    WALK_ACCESS_FAULT,
    WALK_AGAIN, /* an entry changed under us */
};

/* One walk in progress. */
struct walk {
    struct xbar_riscv_hart *hart;
    const struct regime *regime;
    uint64_t va;
    enum xbar_tlb_access access;
    unsigned levels;
    unsigned level; /* of the entry at hand: levels - 1 is the root's */
    uint64_t pte;
    uint64_t *host; /* where that entry lies */
    bool writable;
    bool global;
};

/* The code that riscv__walk() returns: the cause + 1. */
static int fault_code(enum outcome outcome, enum xbar_tlb_access access)
{
    static const uint8_t page[] = {
        [TLB_READ] = CAUSE_LOAD_PAGE,
        [TLB_WRITE] = CAUSE_STORE_PAGE,
        [TLB_EXEC] = CAUSE_FETCH_PAGE,
    };
    static const uint8_t bus[] = {
        [TLB_READ] = CAUSE_LOAD_ACCESS,
        [TLB_WRITE] = CAUSE_STORE_ACCESS,
        [TLB_EXEC] = CAUSE_FETCH_ACCESS,
    };

    switch (outcome) {
    case WALK_DONE:
        return 0;
    case WALK_PAGE_FAULT:
        return page[access] + 1;
    default:
        return bus[access] + 1;
    }
}

/* ---- Page-table entries in guest memory -------------------------------- */

/* Find the entry at @addr: in memory, and such that it can be swapped. */
static bool locate_pte(struct walk *walk, hwaddr addr)
{
    const struct riscv_pmp *pmp = &walk->hart->pmp;
    unsigned prot = riscv__pmp_prot(pmp, addr & TLB_PAGE_MASK, PRIV_S);
    const FlatView *view = address_space_to_flatview(walk->hart->config.as);
    const FlatRange *section = flatview_lookup(view, addr);
    uint64_t host = addr + section->host_delta;

    if (!(prot & TLB_PROT_READ) || !(section->flags & FLAT_RANGE_RAM) ||
        section->last - addr < sizeof(uint64_t) - 1 ||
        host % sizeof(uint64_t) != 0) {
        return false;
    }
    walk->host = (uint64_t *)(uintptr_t)host;
    walk->writable =
        (prot & TLB_PROT_WRITE) && (section->flags & FLAT_RANGE_WRITABLE);
    return true;
}

/* Set @bits in the entry at hand, which must still be what was read. */
static enum outcome update_pte(struct walk *walk, uint64_t bits)
{
    uint64_t expected = htole64(walk->pte);
    uint64_t desired = htole64(walk->pte | bits);

    if (!walk->writable) {
        return WALK_ACCESS_FAULT;
    }
    if (!__atomic_compare_exchange_n(walk->host, &expected, desired, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        return WALK_AGAIN;
    }
    walk->pte |= bits;
    riscv__code_wrote_word(walk->hart, walk->host);
    return WALK_DONE;
}

/* ---- The walk ---------------------------------------------------------- */

static bool is_leaf(uint64_t pte)
{
    return pte & (PTE_R | PTE_X);
}

static bool is_malformed(uint64_t pte)
{
    if (!(pte & PTE_V) || (pte & PTE_RESERVED)) {
        return true;
    }
    if (is_leaf(pte)) {
        return (pte & (PTE_R | PTE_W)) == PTE_W;
    }
    return pte & (PTE_W | PTE_D | PTE_A | PTE_U);
}

/* Descend to the leaf. */
static enum outcome find_leaf(struct walk *walk)
{
    uint64_t table = (walk->hart->satp & SATP_PPN_MASK) << TLB_PAGE_BITS;

    walk->global = false;
    for (walk->level = walk->levels; walk->level-- > 0;) {
        uint64_t vpn = walk->va >> (TLB_PAGE_BITS + VPN_BITS * walk->level);

        vpn &= (1u << VPN_BITS) - 1;
        if (!locate_pte(walk, table + vpn * sizeof(uint64_t))) {
            return WALK_ACCESS_FAULT;
        }
        walk->pte = tlb_ram_load(walk->host, 3);
        if (is_malformed(walk->pte)) {
            return WALK_PAGE_FAULT;
        }
        walk->global |= (walk->pte & PTE_G) != 0;
        if (is_leaf(walk->pte)) {
            return WALK_DONE;
        }
        table = PTE_PPN(walk->pte) << TLB_PAGE_BITS;
    }
    return WALK_PAGE_FAULT;
}

/* What the leaf grants this regime, leaving its A and D bits aside. */
static unsigned leaf_prot(const struct walk *walk)
{
    const struct regime *regime = walk->regime;
    unsigned prot = (unsigned)(walk->pte >> 1) & 7;

    if (regime->mxr && (prot & TLB_PROT_EXEC)) {
        prot |= TLB_PROT_READ;
    }
    if (!(walk->pte & PTE_U)) {
        return regime->priv == PRIV_U ? 0 : prot;
    }
    if (regime->priv == PRIV_S) {
        /* Never execute a user's page; touch its data only under SUM. */
        return regime->sum ? prot & ~(unsigned)TLB_PROT_EXEC : 0;
    }
    return prot;
}

/* The page of va inside a leaf that may be larger; false: misaligned leaf. */
static bool leaf_page(const struct walk *walk, hwaddr *page)
{
    uint64_t inside = ((uint64_t)1 << (VPN_BITS * walk->level)) - 1;
    uint64_t ppn = PTE_PPN(walk->pte);

    *page = (ppn | (walk->va >> TLB_PAGE_BITS & inside)) << TLB_PAGE_BITS;
    return (ppn & inside) == 0;
}

/*
 * Judge the leaf and set its A and D bits: last, because D may only be set by
 * a store that is then carried out.
 */
static enum outcome use_leaf(struct walk *walk, struct xbar_tlb_walk *result)
{
    unsigned wanted = 1u << walk->access;
    unsigned prot = leaf_prot(walk);
    uint64_t missing =
        (walk->access == TLB_WRITE ? PTE_A | PTE_D : PTE_A) & ~walk->pte;
    enum outcome outcome = WALK_DONE;

    if (!leaf_page(walk, &result->phys) || !(prot & wanted) ||
        (missing && !(walk->hart->menvcfg & ENVCFG_ADUE))) {
        return WALK_PAGE_FAULT;
    }
    prot &= riscv__pmp_prot(&walk->hart->pmp, result->phys, walk->regime->priv);
    if (!(prot & wanted)) {
        return WALK_ACCESS_FAULT;
    }
    if (missing) {
        outcome = update_pte(walk, missing);
    }
    if (!(walk->pte & PTE_D)) {
        prot &= ~(unsigned)TLB_PROT_WRITE; /* the first store walks again */
    }
    result->prot = (uint8_t)prot;
    result->global = walk->global;
    return outcome;
}

/* ---- Superpages -------------------------------------------------------- */

/* Where the superpage of @level that holds @va stands in the set. */
static unsigned superpage_hash(uint64_t va, unsigned level)
{
    uint64_t number = va >> (TLB_PAGE_BITS + VPN_BITS * level);
    uint64_t key = (number * 4 + level) * 0x9e3779b97f4a7c15ull;

    return (unsigned)(key >> (64 - SUPERPAGE_HASH_BITS));
}

static void note_superpage(struct riscv_superpages *noted, uint64_t va,
                           unsigned level)
{
    unsigned hash = superpage_hash(va, level);

    noted->any = true;
    noted->set[hash / 64] |= (uint64_t)1 << (hash % 64);
}

static bool may_be_superpage(const struct riscv_superpages *noted, uint64_t va)
{
    for (unsigned level = 1; noted->any && level < MAX_LEVELS; level++) {
        unsigned hash = superpage_hash(va, level);

        if (noted->set[hash / 64] >> (hash % 64) & 1) {
            return true;
        }
    }
    return false;
}

/* Empty @contexts, among them all that are translated: then no superpage is
 * cached, either. */
static void flush_contexts(struct xbar_riscv_hart *hart, unsigned contexts)
{
    tlb_flush(&hart->tlb, contexts);
    hart->has_walked = false;
    if (hart->superpages.any) {
        hart->superpages = (struct riscv_superpages){ .any = false };
    }
}

/* ---- Entry points ------------------------------------------------------ */

static enum outcome walk_bare(const struct xbar_riscv_hart *hart, unsigned priv,
                              uint64_t va, enum xbar_tlb_access access,
                              struct xbar_tlb_walk *result)
{
    result->phys = va & TLB_PAGE_MASK;
    result->prot = (uint8_t)riscv__pmp_prot(&hart->pmp, result->phys, priv);
    result->global = true;
    return result->prot >> access & 1 ? WALK_DONE : WALK_ACCESS_FAULT;
}

/* All bits above the ones that are translated are like the highest of these. */
static bool is_canonical(uint64_t va, unsigned levels)
{
    int64_t sign = (int64_t)va >> (TLB_PAGE_BITS + VPN_BITS * levels - 1);

    return sign == 0 || sign == -1;
}

static enum outcome walk_tables(struct walk *walk, struct xbar_tlb_walk *result)
{
    enum outcome outcome;

    if (!is_canonical(walk->va, walk->levels)) {
        return WALK_PAGE_FAULT;
    }
    do {
        outcome = find_leaf(walk);
        if (outcome == WALK_DONE) {
            outcome = use_leaf(walk, result);
        }
    } while (outcome == WALK_AGAIN);
    if (outcome == WALK_DONE && walk->level > 0) {
        note_superpage(&walk->hart->superpages, walk->va, walk->level);
    }
    return outcome;
}

/* 0: nothing is translated. */
static unsigned levels_of(uint64_t satp)
{
    uint64_t mode = satp >> SATP_MODE_SHIFT;

    return mode == 0 ? 0 : SV39_LEVELS + (unsigned)(mode - SATP_SV39);
}

int riscv__walk_quietly(void *opaque, unsigned context, uint64_t va,
                        enum xbar_tlb_access access,
                        struct xbar_tlb_walk *result)
{
    struct walk walk = {
        .hart = opaque,
        .regime = &regimes[context],
        .va = va,
        .access = access,
    };

    walk.levels = levels_of(walk.hart->satp);
    *result = (struct xbar_tlb_walk){ .phys = va & TLB_PAGE_MASK };
    if (walk.levels == 0 || walk.regime->priv == PRIV_M) {
        return 0;
    }
    return is_canonical(va, walk.levels) && find_leaf(&walk) == WALK_DONE &&
                   leaf_page(&walk, &result->phys)
               ? 0
               : fault_code(WALK_PAGE_FAULT, access);
}

int riscv__walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *result)
{
    struct xbar_riscv_hart *hart = opaque;
    const struct regime *regime = &regimes[context];
    struct walk walk = {
        .hart = hart,
        .regime = regime,
        .va = va,
        .access = access,
        .levels = levels_of(hart->satp),
    };
    enum outcome outcome;

    xbar_assert(context < CTX_COUNT);
    if (walk.levels == 0 || regime->priv == PRIV_M) {
        outcome = walk_bare(hart, regime->priv, va, access, result);
    } else {
        hart->has_walked = true;
        outcome = walk_tables(&walk, result);
    }
    return fault_code(outcome, access);
}

/*
 * With an address, the leaf that maps it must go. If that is a superpage, its
 * entries may be in any slot: then, and on a false alarm of the set, all of
 * them go. 95 of 100 sfence.vma of a Linux boot name an ordinary page.
 */
bool riscv__sfence_vma(struct xbar_riscv_hart *hart, unsigned rs1, unsigned rs2)
{
    if (hart->priv == PRIV_U ||
        (hart->priv == PRIV_S && (hart->mstatus & MSTATUS_TVM))) {
        return false;
    }
    hart->stats.sfence_vma++;
    if (rs1 && !may_be_superpage(&hart->superpages, hart->x[rs1])) {
        tlb_flush_page(&hart->tlb, CTX_TRANSLATED, hart->x[rs1]);
    } else if (!rs1 && rs2) {
        tlb_flush_asid(&hart->tlb, CTX_TRANSLATED,
                       hart->x[rs2] & SATP_ASID_MASK);
    } else {
        flush_contexts(hart, CTX_TRANSLATED);
    }
    return true;
}

/*
 * What was cached under the address-space id that is current now is good if it
 * was of these tables: with another root under the same id, software owes an
 * sfence.vma that not all of it pays. Going to bare and back owes none.
 */
void riscv__satp_changed(struct xbar_riscv_hart *hart, uint64_t old)
{
    uint16_t asid = hart->satp >> SATP_ASID_SHIFT & SATP_ASID_MASK;
    uint64_t *known = &hart->satp_of_asid[asid % SATPS_KNOWN];
    bool is_known = *known == hart->satp && old != hart->satp &&
                    (old ^ hart->satp) >> SATP_MODE_SHIFT == 0;

    *known = hart->satp;
    if (is_known) {
        tlb_switch_asid(&hart->tlb, CTX_TRANSLATED, asid);
    } else {
        flush_contexts(hart, CTX_TRANSLATED);
        tlb_set_asid(&hart->tlb, asid);
    }
}

void riscv__flush_tlb(struct xbar_riscv_hart *hart)
{
    flush_contexts(hart, TLB_ALL_CONTEXTS);
}

/* An id may have had other tables in between, and nothing says which. */
void riscv__mmu_restored(struct xbar_riscv_hart *hart, uint64_t old_satp,
                         bool other_pmp)
{
    uint16_t asid = hart->satp >> SATP_ASID_SHIFT & SATP_ASID_MASK;

    if (!other_pmp && !hart->has_walked && old_satp == hart->satp) {
        return;
    }
    flush_contexts(hart, other_pmp ? TLB_ALL_CONTEXTS : CTX_TRANSLATED);
    memset(hart->satp_of_asid, 0, sizeof(hart->satp_of_asid));
    hart->satp_of_asid[asid % SATPS_KNOWN] = hart->satp;
    tlb_set_asid(&hart->tlb, asid);
}
