/* SPDX-License-Identifier: MIT */
/*
 * A hart that is instrumented (jit/instrument.h): its blocks as they were
 * shown, and where it is in them.
 *
 *             first time        often enough
 *     code ---interpreter-----------------------> translator
 *                 | cuts it, shows it                | finds it
 *                 v                                  v
 *               struct instrument_block: what is wanted of it
 *
 * Code is cut by what it is, not by who executes it (cut() in observe.c), and
 * the interpreter always comes first, so that both engines show the same blocks
 * in the same order. Whatever has begun a block ends it, or says where it left:
 *
 *     interpreter   begin, execute, end           one instruction each
 *     translated    look, execute, count          in the code itself
 *     left inside   block, next, pc               the interpreter goes on there
 *
 * `hart->observer` is there if the hart belongs to somebody's instruments;
 * `hart->shown` is the same while a subscriber wants code, and else NULL: that
 * is what the engines look at.
 */
#ifndef XBAR_JIT_RISCV_OBSERVE_H
#define XBAR_JIT_RISCV_OBSERVE_H

#include "jit/instrumented.h"
#include "jit/riscv/source.h"

#define OBSERVER_TABLE_BITS 12

/* Blocks that are kept at most: beyond it all are shown anew. */
#define OBSERVER_BLOCKS_MAX 65536

struct riscv_observer {
    struct xbar_vcpu vcpu;

    /* Inside a block: its instruction @next comes, if it is at @pc and has the
     * same bytes. NULL: a block begins. */
    const struct instrument_block *block;
    unsigned next;
    uint64_t pc;

    /* In progress, and may access memory; NULL: it was not shown. */
    const struct instrument_insn *insn;

    struct instrument_block *table[1 << OBSERVER_TABLE_BITS];
    struct instrument_block *all; /* also those that were replaced */
    size_t count;
};

/* ---- Life -------------------------------------------------------------- */

/* With config.instruments: join. -ENOMEM, -ENOSPC. */
int riscv__observe_new(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;
void riscv__observe_free(struct xbar_riscv_hart *hart);

/* The hart is about to run, and does not run any more. */
void riscv__observe_online(struct xbar_riscv_hart *hart);
void riscv__observe_offline(struct xbar_riscv_hart *hart);

/* At a safe point, outside of emitted code: subscribers as they are now. */
void riscv__observe_sync(struct xbar_riscv_hart *hart);

/* ---- The interpreter (with hart->shown) -------------------------------- */

/* @bits of @length bytes are about to be executed at hart->pc. */
void riscv__observe_begin(struct xbar_riscv_hart *hart, uint32_t bits,
                          unsigned length);
/* They were; hart->pc and the count are those behind them. */
void riscv__observe_end(struct xbar_riscv_hart *hart, enum riscv_exec result);

/* Is hart->pc in the middle of a block that has begun? */
static inline bool riscv__observe_is_inside(const struct xbar_riscv_hart *hart)
{
    const struct riscv_observer *o = hart->shown;

    return o->block != NULL && o->pc == hart->pc;
}

/* ---- Translated code (with hart->shown) -------------------------------- */

/* The block that was shown and lies in @source; NULL: none, or not any more. */
struct instrument_block *riscv__observe_find(const struct xbar_riscv_hart *hart,
                                             const struct riscv_source *source);

/* @shown was left behind @executed of its instructions, the last of which, if
 * @counts, did not count itself. hart->pc is where to go on. */
void riscv__observe_left(struct xbar_riscv_hart *hart,
                         const struct instrument_block *shown,
                         unsigned executed, bool counts);

/* The instruction at hart->pc is looked at, and executed if it says so.
 * True: it trapped. */
bool riscv__observe_look(struct xbar_riscv_hart *hart,
                         const struct instrument_insn *insn);

/* ---- Accesses (observe_access.c; with hart->shown) --------------------- */

/* tlb_load_slow() and tlb_store_slow() for the instruction in progress. */
int riscv__observed_load(struct xbar_riscv_hart *hart, uint64_t va,
                         unsigned size_log2, uint64_t *value) XBAR_MUST_CHECK;
int riscv__observed_store(struct xbar_riscv_hart *hart, uint64_t va,
                          unsigned size_log2, uint64_t value) XBAR_MUST_CHECK;

/* An access of memory that hit or went through tlb_host(): @kinds of enum
 * xbar_access_kind. */
void riscv__observe_memory(struct xbar_riscv_hart *hart, uint64_t va,
                           unsigned size, unsigned kinds, uint64_t loaded,
                           uint64_t stored);

/* ---- Traps (with hart->observer) --------------------------------------- */

/* One was taken: hart->pc is the handler. */
void riscv__observe_trap(struct xbar_riscv_hart *hart,
                         const struct xbar_trap_event *event);

#endif
