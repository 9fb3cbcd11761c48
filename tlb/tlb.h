/* SPDX-License-Identifier: MIT */
/**
 * The soft-TLB: a vCPU's cache of page walks and view lookups.
 *
 * One SoftTLB belongs to one thread at a time. That thread keeps it entered
 * while it runs, and calls tlb_safepoint() often (between blocks, after MMIO):
 *
 *     tlb_enter(tlb);
 *     while (running) {
 *         ... tlb_load(), tlb_store(), inline probes ...
 *         tlb_safepoint(tlb);
 *     }
 *     tlb_leave(tlb);        before sleeping, or the grace period waits
 *
 * Other threads only post invalidations: a commit does so by itself, and
 * tlb_post_flush() is for the rest (a remote hart's shoot-down).
 *
 * A context is a translation regime, numbered by the caller (a privilege
 * level, with the bits that change its meaning): switching contexts flushes
 * nothing. An address-space id tags entries made while it was current.
 */
#ifndef XBAR_TLB_TLB_H
#define XBAR_TLB_TLB_H

#include "../flatview/address_space.h"
#include "tlb_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a page walk found. */
struct xbar_tlb_walk {
    hwaddr phys;  /* of the page that holds the address, page-aligned */
    uint8_t prot; /* may happen now without a further walk: a store to a page
                     whose dirty bit is clear is not in it */
    bool global;  /* in every address-space id */
};

/**
 * Translate the page of @va for @access in @context.
 *
 * May read guest memory with address_space_*; must not use the TLB.
 * Return: 0 with @walk filled, or the caller's own positive fault code.
 */
typedef int xbar_tlb_walk_fn(void *opaque, unsigned context, uint64_t va,
                             enum xbar_tlb_access access,
                             struct xbar_tlb_walk *walk);

/** Told of every access, with its section (observing TLBs only). */
typedef void xbar_tlb_observe_fn(void *opaque, const FlatRange *section,
                                 enum xbar_tlb_access access, unsigned size);

struct xbar_tlb_config {
    AddressSpace *as;
    xbar_tlb_walk_fn *walk;
    void *walk_opaque;
    /*
     * NULL: off, at no cost. Set: no entry ever hits inline, so that every
     * data access is seen.
     */
    xbar_tlb_observe_fn *observe;
    void *observe_opaque;
    /* Called from any thread when something was posted: have the owner reach
     * tlb_safepoint() soon. Must not block. May be NULL. */
    void (*kick)(void *opaque);
    void *kick_opaque;
};

struct xbar_tlb_stats {
    uint64_t walks; /* fills that called the walker */
    uint64_t slow;  /* accesses that left the inline path, MMIO included */
    uint64_t mmio_reads;
    uint64_t mmio_writes;
    uint64_t flush_pages;    /* tlb_flush_page calls */
    uint64_t flush_contexts; /* contexts cleared whole */
    uint64_t invalidated;    /* entries dropped because a commit changed them */
};

/** What went wrong in the last access that returned nonzero. */
struct xbar_tlb_fault {
    uint64_t va;        /* first byte that could not be accessed */
    int code;           /* the walker's, or 0 */
    MemTxResult result; /* the bus's, or MEMTX_OK */
};

struct xbar_tlb_inbox; /* what other threads posted; private to tlb/ */

/**
 * The TLB itself, embedded in a vCPU so that its tables lie at constant
 * displacements. Only l1, info and fault are for others to read.
 */
typedef struct SoftTLB {
    TLBEntry l1[TLB_CONTEXTS][TLB_L1_SIZE];
    TLBInfo info[TLB_CONTEXTS][TLB_L1_SIZE];
    struct xbar_tlb_fault fault;
    struct xbar_tlb_stats stats;
    struct xbar_tlb_config config;
    struct xbar_tlb_inbox *inbox;
    /* Slots filled since a context was last cleared: clearing walks the list
     * while it is short, and the whole table once it has overflowed. */
    uint16_t filled[TLB_CONTEXTS];
    uint8_t fill_list[TLB_CONTEXTS][64];
    uint16_t asid;
    bool entered;
} SoftTLB;

/** tlb_init() - @tlb is the caller's storage, 64-byte aligned; -ENOMEM */
XBAR_API int tlb_init(SoftTLB *tlb, const struct xbar_tlb_config *config)
    XBAR_MUST_CHECK;

/** tlb_destroy() - left, and never used again */
XBAR_API void tlb_destroy(SoftTLB *tlb);

/** tlb_enter() - start using @tlb on this thread: a read section, drained */
XBAR_API void tlb_enter(SoftTLB *tlb);
XBAR_API void tlb_leave(SoftTLB *tlb);

/**
 * tlb_safepoint() - let grace periods pass, apply what was posted
 *
 * Afterwards every entry agrees with the views of all commits that returned
 * before. No section or host pointer from before may be used.
 */
XBAR_API void tlb_safepoint(SoftTLB *tlb);

/* ---- Flushing (owner thread) ------------------------------------------- */

/** A set of contexts: bit n is context n. */
#define TLB_ALL_CONTEXTS ((1u << TLB_CONTEXTS) - 1)

XBAR_API void tlb_flush(SoftTLB *tlb, unsigned contexts);
/** tlb_flush_page() - drop the page of @va in @contexts, whatever its id */
XBAR_API void tlb_flush_page(SoftTLB *tlb, unsigned contexts, uint64_t va);
/** tlb_flush_asid() - drop what is not global and was filled under @asid */
XBAR_API void tlb_flush_asid(SoftTLB *tlb, unsigned contexts, uint16_t asid);
/** tlb_set_asid() - the id of entries made from now on; flushes nothing */
XBAR_API void tlb_set_asid(SoftTLB *tlb, uint16_t asid);

/** tlb_post_flush() - any thread: flush @contexts at the next safe point */
XBAR_API void tlb_post_flush(SoftTLB *tlb, unsigned contexts);

/* ---- Access (owner thread, entered) ------------------------------------ */

/*
 * The out-of-line path: everything but a RAM hit. @size_log2 is 0 to 3. A
 * misaligned access inside RAM is one access; one that crosses pages or
 * sections resolves all of its parts before the first takes effect.
 *
 * Return: 0; nonzero with tlb->fault filled and no partial effect on RAM or
 * *value.
 */
XBAR_API int tlb_load_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                           unsigned size_log2, uint64_t *value) XBAR_MUST_CHECK;
XBAR_API int tlb_store_slow(SoftTLB *tlb, unsigned context, uint64_t va,
                            unsigned size_log2, uint64_t value) XBAR_MUST_CHECK;

/**
 * tlb_host() - the host address of @size bytes at @va, inside one page
 *
 * For atomics (ask for TLB_WRITE: read permission is then required too) and
 * instruction fetch. Return: 0; nonzero with tlb->fault filled; for what is
 * not plain memory code is 0 and result is MEMTX_ACCESS_ERROR.
 */
XBAR_API int tlb_host(SoftTLB *tlb, unsigned context, uint64_t va,
                      unsigned size, enum xbar_tlb_access access, void **host)
    XBAR_MUST_CHECK;

/**
 * tlb_probe() - the host address if an inline hit, else NULL
 *
 * 6 fused x86-64 operations and one branch; @size is a constant.
 */
static inline void *tlb_probe(const SoftTLB *tlb, unsigned context, uint64_t va,
                              unsigned size, enum xbar_tlb_access access)
{
    const TLBEntry *entry = &tlb->l1[context][tlb_index(va)];

    if (__builtin_expect((va ^ entry->tag[access]) > TLB_PAGE_SIZE - size, 0)) {
        return NULL;
    }
    return (void *)(uintptr_t)(va + entry->addend);
}

/*
 * Guest memory is shared between threads, so it is touched by single relaxed
 * accesses of the size at hand: no tearing when aligned, no data race in C.
 * The guest is little-endian here; the byte order of the host is undone.
 */
XBAR_API uint64_t tlb_ram_load(const void *host, unsigned size_log2);
XBAR_API void tlb_ram_store(void *host, unsigned size_log2, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
