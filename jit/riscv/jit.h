/* SPDX-License-Identifier: MIT */
/*
 * The JIT engine of a hart: what jit.c (running), jit_access.c (loads and
 * stores that miss), jit_code.c (stores to code) and translate/ (one block)
 * share.
 */
#ifndef XBAR_JIT_RISCV_JIT_H
#define XBAR_JIT_RISCV_JIT_H

#include "jit/host.h"
#include "jit/riscv/decode.h"
#include "jit/riscv/hart_internal.h"

#define RISCV_HEAT_BITS  14
#define RISCV_ASKED_BITS 6

/* The pc of the instruction that returns to @at, until a block goes. */
struct riscv_asked_pc {
    const void *at;
    uint64_t dropped; /* xbar_jit_dropped() when it was found */
    uint64_t pc;
};

struct riscv_jit {
    struct xbar_jit_cache *cache;
    struct jit_stubs *stubs;
    struct jit_cold *cold;
    uint64_t computed[32]; /* of the code that is made: struct jit_emit */

    /* instructions retired = base + slice - state.budget, at block entries */
    uint64_t base;
    uint64_t slice;

    const struct xbar_jit_block *running; /* entered last */
    const void *accessing; /* where an access returns to; see jit_access.c */
    uint32_t mode;         /* of what the return stack holds */
    uint32_t fp_contexts;  /* where FP is live: the contexts of a mode */
    bool asks_inexact;     /* jit_host__fp_asks_inexact() */
    unsigned fault_cause;  /* of the access that failed; 0: was raised */
    /* What was just asked for hart->pc: there is no block, or this one. */
    bool is_cold;
    struct xbar_jit_block *found; /* NULL: ask */

    /* See heat.c. */
    uint8_t translate_after;
    uint8_t heat[1 << RISCV_HEAT_BITS];

    /* What the last fence.i knew; see jit_code.c. */
    uint64_t ram_writes_seen;
    uint64_t commits;

    struct riscv_asked_pc asked[1 << RISCV_ASKED_BITS]; /* see jit_access.c */

    /* See device_counts.c. */
    uint64_t chance;
    bool has_cursors;

    struct xbar_riscv_jit_stats stats;
    struct riscv_accesses gone; /* of blocks that were counted and dropped */
};

/*
 * What a block is made for, beside its address. Everything that changes how
 * an instruction is translated is in it.
 *
 *   12  11  9  8    7       4 3       0
 *   +---+-----+----+---------+---------+
 *   |nx | frm | fp |  data   |  fetch  |  contexts of the TLB
 *   +---+-----+----+---------+---------+
 *
 * FP is live (jit/host_fp.h) from the first FP instruction that is met in these
 * contexts while FS is Dirty: a kernel that never touches f registers does not
 * pay for a user that does, and neither does a guest without any.
 */
enum riscv_mode {
    MODE_DATA_SHIFT = 4,
    MODE_FP = 1 << 8, /* is live, and FS is Dirty: nothing to check */
    MODE_FRM_SHIFT = 9,
    MODE_INEXACT = 1 << 12, /* fflags.NX is up, if that matters to the host */
};

#define MODE_NO_CONTEXTS UINT32_MAX

static inline unsigned riscv__mode_frm(uint32_t mode)
{
    return mode >> MODE_FRM_SHIFT & 7;
}

/* How the host rounds in a block of @mode: as frm says, if it can. */
static inline enum jit_fp_rounding riscv__host_rounding(uint32_t mode)
{
    unsigned frm = riscv__mode_frm(mode);

    return frm <= JIT_FP_UP ? (enum jit_fp_rounding)frm : JIT_FP_NEAREST;
}

/* Has translated code to count accesses by page? */
static inline bool riscv__counts_pages(const struct xbar_riscv_hart *hart)
{
    const struct xbar_tlb_counts *counts = hart->config.counts;

    return counts != NULL && counts->ram != NULL && counts->pages[0] != NULL;
}

/* Has it to count accesses to devices? */
static inline bool riscv__counts_devices(const struct xbar_riscv_hart *hart)
{
    return hart->config.counts != NULL && hart->config.device != NULL;
}

extern const struct jit_guest riscv__jit_guest;

/*
 * hart->jumped is a jump that was interpreted, or none. Calls and returns are
 * on the return stack as if they were translated: translated code returns
 * through it, and who looks at it sees all of them.
 */
void riscv__jit_note_jump(struct xbar_riscv_hart *hart);

/* For the cache (jit.c): @block is about to go from the hart at @opaque. */
void riscv__forget_block(void *opaque, const struct xbar_jit_block *block);

uint32_t riscv__jit_mode(const struct xbar_riscv_hart *hart);

/*
 * The block at hart->pc, found or made. NULL: the code there was not met often
 * enough, is not for emitted code, or cannot be fetched, or memory is short:
 * interpret it.
 */
struct xbar_jit_block *riscv__block(struct xbar_riscv_hart *hart);

/* ---- jit_access.c ------------------------------------------------------ */

/* What device callbacks, the clock and observers see in the middle of a block:
 * the instruction at @return_address is in progress. */
void riscv__settle_at(struct xbar_riscv_hart *hart, const void *return_address);

/* The instruction at hart->jit->accessing, which is not NULL. */
uint64_t riscv__accessing_pc(const struct xbar_riscv_hart *hart);

/* Who answers loads and stores that miss: helpers.load and helpers.store. */
void riscv__choose_access_helpers(struct xbar_riscv_hart *hart);

/* ---- heat.c ------------------------------------------------------------ */

/* As the configuration says, and lockstep. */
void riscv__heat_choose(struct xbar_riscv_hart *hart);

/* The code at @home, which has no block for @mode, is to run. True: often
 * enough by now, make one. */
bool riscv__heat_meet(struct xbar_riscv_hart *hart, uint64_t home,
                      uint32_t mode);

/* A block is made of the code at @home for @mode; and: may there be one? */
void riscv__heat_made(struct xbar_riscv_hart *hart, uint64_t home,
                      uint32_t mode);
bool riscv__heat_had(struct xbar_riscv_hart *hart, uint64_t home,
                     uint32_t mode);

/* ---- jit_code.c -------------------------------------------------------- */

/* The hart starts or stops to keep code. */
void riscv__code_keep(struct xbar_riscv_hart *hart, bool on);

/* Code is about to be made of what is at @home (as in struct xbar_jit_block),
 * which is @pc for the guest: stores to its pages are told. */
void riscv__code_watch(struct xbar_riscv_hart *hart, uint64_t pc,
                       const uint64_t home[2]);

/* fence.i */
void riscv__code_synchronize(struct xbar_riscv_hart *hart);

/* What is executed from here on is what memory holds, if a fence.i was among
 * what came after @fences of them. */
static inline void riscv__synchronize_since(struct xbar_riscv_hart *hart,
                                            uint64_t fences)
{
    if (hart->stats.fence_i != fences) {
        riscv__code_synchronize(hart);
    }
}

struct riscv_source;

/* A block from when @source was what it is now again, or NULL. Begins to copy
 * @source anew. */
struct xbar_jit_block *riscv__recall_block(struct xbar_riscv_hart *hart,
                                           struct riscv_source *source);

/* What @block took off the budget at its entry: a region gives back what it
 * does not use. */
static inline unsigned riscv__counted(const struct xbar_jit_block *block)
{
    return block->is_region ? 0 : block->insns;
}

/* Of that, what is not executed when @block is left at @site. */
static inline unsigned riscv__unexecuted(const struct xbar_jit_block *block,
                                         const struct xbar_jit_site *site)
{
    return block->is_region ? 0 : block->insns - site->insn;
}

/* ---- blocks.c ---------------------------------------------------------- */

/* @block was left at @site: what is behind that was not executed. */
static inline void riscv__block_left(const struct xbar_jit_block *block,
                                     const struct xbar_jit_site *site)
{
    if (unlikely(block->profile != NULL) &&
        site->insn < block->profile->insns_max) {
        block->profile->left[site->insn]++;
    }
}

/* Show @block to @cb as the embedder sees it: a region that is profiled, part
 * by part. False: @cb said so. */
bool riscv__show_block(const struct xbar_jit_cache *cache,
                       const struct xbar_jit_block *block,
                       xbar_riscv_block_fn *cb, void *opaque);

/* @block is going: what it counted is kept in the totals. */
void riscv__block_gone(struct xbar_riscv_hart *hart,
                       const struct xbar_jit_block *block);

/* ---- counts.c ---------------------------------------------------------- */

/* Add the accesses that @block, which is profiled, made. */
void riscv__add_accesses(struct riscv_accesses *accesses,
                         const struct xbar_riscv_block *block);

/* ---- lockstep.c -------------------------------------------------------- */

/* A block is about to run: remember the state. */
void riscv__lockstep_begin(struct xbar_riscv_hart *hart);

/* A load or store of the block, with what came of it. */
void riscv__lockstep_log(struct xbar_riscv_hart *hart, uint64_t va,
                         enum xbar_tlb_access access, unsigned size_log2,
                         uint64_t value, bool faulted);

/*
 * The block is over: as many instructions retired as hart->stats says, and if
 * @trapped the next one raised an exception, which was taken. Have the
 * interpreter do the same and compare.
 */
void riscv__lockstep_check(struct xbar_riscv_hart *hart,
                           const struct xbar_jit_block *block, bool trapped);

/* As many instructions may be executed until that, and no more. */
#define RISCV_LOCKSTEP_INSNS 1024

/* ---- source.c ---------------------------------------------------------- */

/* Blocks that are compared with memory one after another: those of a page look
 * up once where it is. What lies below @frame was not written. */
struct riscv_comparison {
    const struct xbar_riscv_hart *hart;
    uint64_t frame;
    hwaddr page; /* 1: none yet */
    const uint8_t *host;
};

/* Is @block no longer what memory holds, in a struct riscv_comparison? For
 * xbar_jit_check_page(). */
bool riscv__block_changed(void *comparison, const struct xbar_jit_block *block);

#endif
