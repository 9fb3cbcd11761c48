/* SPDX-License-Identifier: MIT */
/**
 * The soft-TLB's layout: what inline probes and emitted code rely on. Locked
 * by static asserts; a change here is an ABI change.
 *
 * The probe is one compare. With x = va ^ tag, an access of n bytes hits if
 * x <= 4096 - n: equal page, permission given, no flag, no page crossing.
 * A TLB whose pages are smaller (xbar_tlb_config.page_bits) has the size and
 * the number of its pages in place of 4096 and va >> 12.
 *
 *     va   | page number                          | offset 12 |
 *     tag  | page number                          |     0     |   may hit
 *     tag  | page number ^ 1                      |     0     |   must miss
 *
 * Must-miss tags (empty, MMIO, no permission, watched, ...) store the page
 * with its lowest bit inverted. That is an index bit: every address that
 * probes the slot has it the other way, so x is at least 4096 and no address
 * can match by accident. Flags live in struct TLBInfo, never in a tag.
 */
#ifndef XBAR_TLB_TLB_LAYOUT_H
#define XBAR_TLB_TLB_LAYOUT_H

#include "../engine/types.h"
#include "../flatview/flatview.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TLB_PAGE_BITS 12
#define TLB_PAGE_SIZE ((uint64_t)1 << TLB_PAGE_BITS)
#define TLB_PAGE_MASK (~(TLB_PAGE_SIZE - 1))
/* The least that xbar_tlb_config.page_bits may say; the most is the above. */
#define TLB_PAGE_BITS_MIN 10
/*
 * 32 KiB a context, of which a guest warms what it uses. Pages whose numbers
 * agree in these bits take turns, and a kernel that places stack and heap at
 * random makes two hot ones agree in one run of 2^TLB_L1_BITS for each pair:
 * with 8 bits, some boots of Linux took half as long again as others.
 */
#define TLB_L1_BITS  10
#define TLB_L1_SIZE  (1 << TLB_L1_BITS)
#define TLB_CONTEXTS 12 /* translation regimes that exist side by side */

/** Kinds of access; the index of an entry's tags. */
enum xbar_tlb_access {
    TLB_READ = 0,
    TLB_WRITE = 1,
    TLB_EXEC = 2,
};

/** Permission bits, 1 << enum xbar_tlb_access. */
enum xbar_tlb_prot {
    TLB_PROT_READ = 1 << TLB_READ,
    TLB_PROT_WRITE = 1 << TLB_WRITE,
    TLB_PROT_EXEC = 1 << TLB_EXEC,
};

/** What the probe reads: host address = va + addend. */
typedef struct TLBEntry {
    uint64_t tag[3]; /* by enum xbar_tlb_access */
    uint64_t addend;
} TLBEntry;

#define TLB_SPANS 32 /* slots for each kind of access in a context */

/**
 * A span: pages that follow one another, all of them of one addend. Code that
 * knows which slot to ask is spared the index:
 *
 *     va - start < count     hit: the 8 bytes at va are inside, and lie at
 *                            va + addend, whatever pages they cross
 *
 * On a miss that hits the entry, take 1 off credit, and once that is negative
 * call tlb_learn_span(). Which slot an access asks is free; the register that
 * its address is made of is a good choice.
 */
typedef struct TLBSpan {
    uint64_t start;
    uint64_t count; /* 0: empty */
    uint64_t addend;
    int32_t credit;
    uint32_t period; /* what credit was when it was full */
} TLBSpan;

enum xbar_tlb_info_flags {
    TLB_INFO_VALID = 1 << 0,
    TLB_INFO_GLOBAL = 1 << 1,    /* holds in every address-space id */
    TLB_INFO_SUBPAGE = 1 << 2,   /* several sections: check the bounds */
    TLB_INFO_RECHECKED = 1 << 3, /* tlb/flush.c's own */
    TLB_INFO_WATCHED = 1 << 4,   /* a device's page: the section stays NULL */
    TLB_INFO_SMALL = 1 << 5,     /* its page is below TLB_PAGE_SIZE */
};

/**
 * What the slow path reads, beside each entry. A valid info with a section
 * lets an MMIO access reach its device without a lookup.
 */
typedef struct TLBInfo {
    uint64_t page;            /* va, page-aligned */
    hwaddr phys;              /* of that page */
    const FlatRange *section; /* covers the page; if SUBPAGE, what was last
                                 accessed in it, or NULL */
    uint16_t asid;
    uint8_t prot;  /* enum xbar_tlb_prot: granted by the walk */
    uint8_t flags; /* enum xbar_tlb_info_flags */
    uint32_t reserved;
} TLBInfo;

/** The value of all three tags of slot @index when it is empty. */
static inline uint64_t tlb_empty_tag(unsigned index)
{
    return ((uint64_t)index << TLB_PAGE_BITS) ^ TLB_PAGE_SIZE;
}

/** The slot that @va probes in a TLB of pages of 1 << @page_bits bytes. */
static inline unsigned tlb_page_index(uint64_t va, unsigned page_bits)
{
    return (unsigned)(va >> page_bits) & (TLB_L1_SIZE - 1);
}

/** The slot that @va probes. */
static inline unsigned tlb_index(uint64_t va)
{
    return tlb_page_index(va, TLB_PAGE_BITS);
}

#ifdef __cplusplus
}
#else
_Static_assert(sizeof(TLBEntry) == 32, "the probe scales the index by 32");
_Static_assert(offsetof(TLBEntry, addend) == 24, "emitted code adds at 24");
_Static_assert(sizeof(TLBSpan) == 32, "two in a cache line");
_Static_assert(sizeof(TLBInfo) == 32, "stubs scale the index by 32");
_Static_assert(offsetof(TLBInfo, section) == 16, "stubs load at 16");
#endif

#endif
