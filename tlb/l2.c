/* SPDX-License-Identifier: MIT */
/*
 * The second level: what walks found, so that a page that lost its slot in the
 * first one, or comes back with its address-space id, costs no walk.
 *
 *     L1 miss --> L2, by va, context, id --hit--> look the page up, fill L1
 *                     |
 *                    miss --> walk --> put here, fill L1
 *
 * It holds what the guest's tables say and nothing of ours: no section, no
 * host address, no write tag. So commits, code tracking and dirty logs never
 * touch it, and only what the caller flushes is dropped.
 *
 *   key    | page number of va                      | 0 |  context |
 *   found  | page number of the physical address    |   | G |  XWR |
 *
 * An entry is good if its epoch is its context's: flushing a context is an
 * increment. Two ways a set, the newer one first.
 */
#include <errno.h>

#include "engine/alloc.h"
#include "tlb/tlb_internal.h"

#define L2_SETS_LOG2 13
#define L2_WAYS      2
#define FOUND_GLOBAL ((uint64_t)1 << 3)

struct l2_entry {
    uint64_t key;
    uint64_t found;
    uint64_t epoch; /* 0: never used */
    uint64_t asid;
};

/* Sets first: each is a cache line. */
struct xbar_tlb_l2 {
    struct l2_entry sets[1 << L2_SETS_LOG2][L2_WAYS];
    uint64_t epoch[TLB_CONTEXTS]; /* never 0 */
};

#define CACHE_LINE 64

_Static_assert(sizeof(struct l2_entry[L2_WAYS]) == CACHE_LINE,
               "a look into a set costs one line");

_Static_assert(TLB_CONTEXTS <= 1 << TLB_PAGE_BITS_MIN,
               "a context fits below a page");
_Static_assert((TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC) < FOUND_GLOBAL,
               "permissions fit below the flag");

static uint64_t key_of(const SoftTLB *tlb, unsigned context, uint64_t va)
{
    return tlb__page_of(tlb, va) | context;
}

/* Contexts share the sets: what S reads with and without SUM is often the same
 * page, so they are spread. */
static struct l2_entry *set_of(const SoftTLB *tlb, unsigned context,
                               uint64_t va)
{
    uint64_t number = va >> tlb->config.page_bits;

    number ^= number >> L2_SETS_LOG2 ^ (uint64_t)context << 7;
    return tlb->l2->sets[number & ((1 << L2_SETS_LOG2) - 1)];
}

/* Of this page and context, and of @asid or all of them. */
static bool is_for(const struct l2_entry *entry, uint64_t key, uint64_t asid)
{
    return entry->key == key &&
           (entry->asid == asid || (entry->found & FOUND_GLOBAL));
}

static void swap_ways(struct l2_entry *set)
{
    struct l2_entry first = set[0];

    set[0] = set[1];
    set[1] = first;
}

int tlb__l2_open(SoftTLB *tlb)
{
    tlb->l2 = NULL;
    if (tlb->config.one_entry) {
        return 0;
    }
    tlb->l2 =
        xbar_alloc_aligned(tlb__engine(tlb), sizeof(*tlb->l2), CACHE_LINE);
    if (tlb->l2 == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        tlb->l2->epoch[i] = 1;
    }
    return 0;
}

void tlb__l2_close(SoftTLB *tlb)
{
    if (tlb->l2 != NULL) {
        xbar_free(tlb__engine(tlb), tlb->l2, sizeof(*tlb->l2));
        tlb->l2 = NULL;
    }
}

bool tlb__l2_find(SoftTLB *tlb, unsigned context, uint64_t va,
                  enum xbar_tlb_access access, struct xbar_tlb_walk *walk)
{
    struct xbar_tlb_l2 *l2 = tlb->l2;
    uint64_t key = key_of(tlb, context, va);
    struct l2_entry *set;

    if (l2 == NULL) {
        return false;
    }
    set = set_of(tlb, context, va);
    if (!is_for(&set[0], key, tlb->asid)) {
        if (!is_for(&set[1], key, tlb->asid)) {
            return false;
        }
        swap_ways(set);
    }
    if (set->epoch != l2->epoch[context] || !(set->found >> access & 1)) {
        return false;
    }
    walk->phys = tlb__page_of(tlb, set->found);
    walk->prot = set->found & (FOUND_GLOBAL - 1);
    walk->global = (set->found & FOUND_GLOBAL) != 0;
    return true;
}

void tlb__l2_put(SoftTLB *tlb, unsigned context, uint64_t va,
                 const struct xbar_tlb_walk *walk)
{
    struct xbar_tlb_l2 *l2 = tlb->l2;
    uint64_t key = key_of(tlb, context, va);
    struct l2_entry *set;

    if (l2 == NULL) {
        return;
    }
    set = set_of(tlb, context, va);
    if (!is_for(&set[0], key, tlb->asid)) {
        swap_ways(set); /* the other way is ours, or goes */
    }
    set[0] = (struct l2_entry){
        .key = key,
        .found = tlb__page_of(tlb, walk->phys) |
                 (walk->global ? FOUND_GLOBAL : 0) |
                 (walk->prot & (FOUND_GLOBAL - 1)),
        .epoch = l2->epoch[context],
        .asid = tlb->asid,
    };
}

void tlb__l2_flush(SoftTLB *tlb, unsigned context)
{
    if (tlb->l2 != NULL) {
        tlb->l2->epoch[context]++;
    }
}

void tlb__l2_flush_page(SoftTLB *tlb, unsigned context, uint64_t va)
{
    uint64_t key = key_of(tlb, context, va);
    struct l2_entry *set;

    if (tlb->l2 == NULL) {
        return;
    }
    set = set_of(tlb, context, va);
    for (unsigned way = 0; way < L2_WAYS; way++) {
        if (set[way].key == key) {
            set[way].epoch = 0;
        }
    }
}
