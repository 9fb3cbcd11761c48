/* SPDX-License-Identifier: MIT */
/*
 * A hart's state, and which file of this folder does what.
 *
 *   insn.inc      one row per instruction: the table everything reads
 *   decode.[ch]   bits -> struct riscv_insn (compressed forms expanded)
 *   print.c       bits -> text
 *   interp/       executes decoded instructions: the reference engine
 *   jit.h         translates blocks of them: the other engine
 *   translate/    block by block
 *   region/       and loops that are hot, as a whole
 *   fp/           floating point: pure functions of operands, mode and flags
 *   csr.inc       one row per control and status register
 *   csr.c         reads the table: access checks, names, plain registers
 *   csr_regs.c    the registers that are more than a masked word
 *   trap.c        exceptions, interrupts, xRET
 *   mmu.c pmp.c   Sv39 and Sv48 walks, physical protection: at TLB fill
 *   clock.c       `time`, mtimecmp, the deterministic clock, counters
 *   hart.c        life cycle, run loop, wfi, attention
 *   debug.h       what a debugger does: registers, memory, stops
 *   observe.h     instrumentation: what is told, and how both engines do
 *   state.c       the public getters and setters
 *   save.c        all of it, to go back to
 *   counts.c      accesses of all engines, added up
 *
 * Threads: fields marked atomic are written by any thread; all others belong
 * to the thread that runs the hart.
 *
 * What the engines (interp/, jit.h) owe the rest:
 *
 *   count    whenever code outside of the engine can run (CSR functions,
 *            device callbacks, traps), stats.instructions is the number of
 *            instructions retired before the one in progress
 *   attend   attention raised by the instruction itself (a CSR write, a
 *            device callback) is honoured before the next instruction, so
 *            that an interrupt comes at the same instruction in every engine;
 *            raised by another thread: soon
 *   refetch  after riscv__csr_*, riscv__raise, xRET and sfence.vma the
 *            contexts may be others and the TLB may be empty
 *   wfi      retires, pc moves on, then the engine stops with RISCV_STOP_WFI
 */
#ifndef XBAR_JIT_RISCV_HART_INTERNAL_H
#define XBAR_JIT_RISCV_HART_INTERNAL_H

#include <stdatomic.h>

#include "engine/check.h"
#include "engine/code_pages.h"
#include "jit/host.h"
#include "jit/host_clock.h"
#include "jit/riscv/debug.h"
#include "jit/riscv/decode.h"
#include "jit/riscv/hart.h"
#include "tlb/tlb.h"

enum riscv_priv {
    PRIV_U = 0,
    PRIV_S = 1,
    PRIV_M = 3,
};

/*
 * TLB contexts. MXR matters in U-mode, too; M-mode is never translated. MPRV
 * only changes which context data accesses use. Fetches have contexts of their
 * own, so that data whose pages share a slot with the code's does not take it
 * away: each return and each indirect jump looks there.
 */
enum riscv_context {
    CTX_M = 0,
    CTX_U = 1,
    CTX_U_MXR = 2,
    CTX_S = 3, /* + 1 if SUM, + 2 if MXR */
    CTX_FETCH_M = 7,
    CTX_FETCH_U = 8,
    CTX_FETCH_S = 9,
    CTX_COUNT = 10,
    CTX_TRANSLATED = ((1u << CTX_COUNT) - 1) & /* all but M's */
                     ~(1u << CTX_M | 1u << CTX_FETCH_M),
};

/* Why the engine must look up from the guest's code; see hart->attention. */
enum riscv_attention {
    ATTN_EXIT = 1 << 0,  /* xbar_riscv_request_exit() */
    ATTN_IRQ = 1 << 1,   /* mip, mie, mstatus or the mode changed */
    ATTN_TLB = 1 << 2,   /* an invalidation was posted */
    ATTN_TIMER = 1 << 3, /* mtimecmp or mtime moved */
    ATTN_SLICE = 1 << 4, /* many traps, few instructions: end the slice */
    ATTN_RESET = 1 << 5, /* xbar_riscv_reset() while running */
    ATTN_WATCH = 1 << 6, /* watched bytes were touched */
    ATTN_HERE = 1 << 7,  /* xbar_riscv_request_exit_here(): nobody waits */
};

/* mstatus; sstatus is a view of it. */
enum {
    MSTATUS_FS_SHIFT = 13,
    MSTATUS_MPP_SHIFT = 11,
};
#define MSTATUS_SIE  ((uint64_t)1 << 1)
#define MSTATUS_MIE  ((uint64_t)1 << 3)
#define MSTATUS_SPIE ((uint64_t)1 << 5)
#define MSTATUS_MPIE ((uint64_t)1 << 7)
#define MSTATUS_SPP  ((uint64_t)1 << 8)
#define MSTATUS_MPP  ((uint64_t)3 << MSTATUS_MPP_SHIFT)
#define MSTATUS_FS   ((uint64_t)3 << MSTATUS_FS_SHIFT)
#define MSTATUS_MPRV ((uint64_t)1 << 17)
#define MSTATUS_SUM  ((uint64_t)1 << 18)
#define MSTATUS_MXR  ((uint64_t)1 << 19)
#define MSTATUS_TVM  ((uint64_t)1 << 20)
#define MSTATUS_TW   ((uint64_t)1 << 21)
#define MSTATUS_TSR  ((uint64_t)1 << 22)
#define MSTATUS_XL64 ((uint64_t)0xa << 32) /* UXL = SXL = 2: 64 bits */
#define MSTATUS_UXL  ((uint64_t)3 << 32)
#define MSTATUS_SD   ((uint64_t)1 << 63)

#define MIP_SSIP   ((uint64_t)1 << XBAR_RISCV_IRQ_S_SOFT)
#define MIP_MSIP   ((uint64_t)1 << XBAR_RISCV_IRQ_M_SOFT)
#define MIP_STIP   ((uint64_t)1 << XBAR_RISCV_IRQ_S_TIMER)
#define MIP_MTIP   ((uint64_t)1 << XBAR_RISCV_IRQ_M_TIMER)
#define MIP_SEIP   ((uint64_t)1 << XBAR_RISCV_IRQ_S_EXT)
#define MIP_MEIP   ((uint64_t)1 << XBAR_RISCV_IRQ_M_EXT)
#define MIP_S_BITS (MIP_SSIP | MIP_STIP | MIP_SEIP)
#define MIP_ALL    (MIP_S_BITS | MIP_MSIP | MIP_MTIP | MIP_MEIP)
#define CAUSE_IRQ  ((uint64_t)1 << 63) /* in mcause and scause */

#define SATP_MODE_SHIFT 60
#define SATP_SV39       8
#define SATP_SV48       9
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK  0xffff
#define SATP_PPN_MASK   (((uint64_t)1 << SATP_ASID_SHIFT) - 1)

/* menvcfg; senvcfg has the first four. */
#define ENVCFG_FIOM  ((uint64_t)1 << 0)  /* fences order I/O as memory */
#define ENVCFG_CBIE  ((uint64_t)3 << 4)  /* cbo.inval: 1 flushes; not 2 */
#define ENVCFG_CBCFE ((uint64_t)1 << 6)  /* cbo.clean, cbo.flush */
#define ENVCFG_CBZE  ((uint64_t)1 << 7)  /* cbo.zero */
#define ENVCFG_ADUE  ((uint64_t)1 << 61) /* walks set A and D (Svadu) */
#define ENVCFG_STCE  ((uint64_t)1 << 63) /* stimecmp (Sstc) */

/* Bytes that the cbo instructions work on; the device tree tells, too. */
#define RISCV_CACHE_BLOCK 64

enum riscv_cause {
    CAUSE_FETCH_MISALIGNED = 0,
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8, /* + the mode: 9 from S, 11 from M */
    CAUSE_FETCH_PAGE = 12,
    CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
};

#define PMP_ENTRIES 16

/* The last lr of this hart; sc succeeds only against it. */
struct riscv_reservation {
    bool valid;
    uint8_t size_log2;
    uint64_t va;
    uint64_t value; /* what lr read: sc compares and swaps */
};

/* What one active entry matches: whole pages, for the granularity is one. */
struct riscv_pmp_rule {
    hwaddr first;
    hwaddr last;
    uint8_t prot; /* enum xbar_tlb_prot */
    bool locked;  /* binds M-mode, too */
};

/*
 * The registers as written, and the rules made from them by riscv__pmp_*:
 * rule[0 .. active - 1] in order of priority, entries that match nothing
 * left out.
 */
struct riscv_pmp {
    uint8_t cfg[PMP_ENTRIES];
    uint64_t addr[PMP_ENTRIES];
    unsigned active;
    struct riscv_pmp_rule rule[PMP_ENTRIES];
};

/*
 * Which superpages may have entries in the TLB, where they are cached as
 * 4 KiB pages: a set of hashes, so it may say yes too often but never no
 * wrongly. Emptied whenever the translated contexts are cleared.
 */
#define SUPERPAGE_HASH_BITS 12
struct riscv_superpages {
    bool any;
    uint64_t set[(1 << SUPERPAGE_HASH_BITS) / 64];
};

#define SATPS_KNOWN 64 /* address-space ids told apart; others flush */

/* The host clock as ticks; see clock.c. */
struct riscv_clock {
    struct host_clock host; /* the runner's */
    uint64_t base_ns;       /* host time when the source was 0 */
    uint64_t mult;          /* ticks = ns * mult >> CLOCK_SHIFT */
    uint64_t time;          /* `time` when last polled; host time only */
};

/* What a debugger set, and why the hart stopped for it: see debug_stops.c. */
struct riscv_debug {
    uint64_t *breaks; /* in no order */
    size_t break_count;
    size_t break_room;
    uint64_t break_filter; /* riscv__break_bit() of each */
    bool at_break;         /* one was reported ... */
    uint64_t break_pc;     /* ... here, and nothing was executed since */
    struct xbar_tlb_watch *watch;
    size_t watch_room;
    struct xbar_tlb_watches watches; /* for the TLB */
    bool has_hit;                    /* to be reported */
    struct xbar_riscv_hit hit;
    bool is_stale; /* memory was written: translated code has to follow */
    bool is_back;  /* the same, and who wrote told of the pages */
};

/* Data accesses by context, kind and size. */
struct riscv_accesses {
    uint64_t of[CTX_COUNT][2][TLB_SIZES];
};

/* A jump or branch that was taken: its bits, and what follows it. */
struct riscv_jump {
    uint32_t bits;
    uint64_t next;
};

/*
 * From x to data_context, and from reservation to pmp, are what save.c copies
 * as bytes: the guest's, and nothing of the host's.
 */
struct xbar_riscv_hart {
    /* Architectural state that instructions touch all the time. */
    uint64_t x[32]; /* x[0] stays 0 */
    uint64_t pc;    /* of the instruction in progress */
    uint64_t f[32]; /* singles are NaN-boxed */
    uint8_t frm;
    uint8_t fflags;

    /* Derived from mode and mstatus by riscv__update_contexts(). */
    uint8_t priv; /* enum riscv_priv */
    uint8_t fetch_context;
    uint8_t data_context;

    _Atomic uint32_t attention; /* enum riscv_attention; polled */
    _Atomic uint64_t irq_lines; /* what xbar_riscv_set_irq() drives */

    struct riscv_reservation reservation;

    /* CSRs, in the form they are read. */
    uint64_t mstatus;
    uint64_t misa;
    uint64_t medeleg;
    uint64_t mideleg;
    uint64_t mie;
    uint64_t mip_soft; /* bits that software set: SSIP, STIP, SEIP */
    uint64_t mtvec;
    uint64_t mscratch;
    uint64_t mepc;
    uint64_t mcause;
    uint64_t mtval;
    uint64_t mcounteren;
    uint64_t mcountinhibit;
    uint64_t menvcfg;
    uint64_t stvec;
    uint64_t sscratch;
    uint64_t sepc;
    uint64_t scause;
    uint64_t stval;
    uint64_t scounteren;
    uint64_t senvcfg;
    uint64_t satp;
    uint64_t stimecmp; /* counts while menvcfg.STCE */
    /*
     * minstret = stats.instructions + instret_offset, or instret_offset
     * alone while mcountinhibit stops it. The same for mcycle: a cycle here
     * is an instruction.
     */
    uint64_t instret_offset;
    uint64_t cycle_offset;
    /* 1 while a CSR instruction writes: it retires after the write. */
    uint8_t retiring;
    struct riscv_pmp pmp;
    struct riscv_superpages superpages;
    uint64_t satp_of_asid[SATPS_KNOWN]; /* by id: what the TLB may hold */
    bool has_walked; /* tables, since the translated contexts were emptied */

    /* Time: see clock.c. */
    struct riscv_clock clock;
    _Atomic uint64_t timecmp;
    _Atomic uint64_t time_offset; /* ticks added to the source */
    _Atomic uint64_t time_floor;  /* the source, when the offset was made */

    /*
     * wfi: `waiting` from the instruction until an interrupt is pending. The
     * thread sleeps on the futex word `attention`, with `sleeping` set; the
     * protocol stands in hart.c.
     */
    bool waiting;
    _Atomic uint32_t sleeping;
    unsigned slice_traps; /* taken in this slice */
    unsigned calm;        /* slices since somebody wanted attention */

    /*
     * Who runs the hart (pthread_self(), 0: nobody), and stats.instructions
     * as it was at that thread's last safe point: for xbar_riscv_time() on
     * other threads.
     */
    _Atomic uintptr_t runner;
    _Atomic uint64_t retired_seen;

    struct xbar_riscv_config config;
    struct xbar_riscv_stats stats;
    struct riscv_accesses accesses; /* by the interpreter */

    struct xbar_code_party code_party; /* see jit_code.c */
    struct riscv_jit *jit;             /* NULL: interpreted */
    struct riscv_lockstep *lockstep;   /* NULL: not compared */
    struct riscv_observer *observer;   /* see observe.h; NULL: nobody's */
    struct riscv_observer *shown;      /* NULL: nobody wants code */
    struct riscv_debug debug;

    SoftTLB tlb;
    struct jit_state jit_state;
    struct riscv_insn_cache insn_cache; /* a pure cache: zeroed is empty */
    struct riscv_jump jumped;           /* see riscv__interpret_to_jump() */
};

/* ---- counts.c ---------------------------------------------------------- */

/* The interpreter made an access of 1 << @size_log2 bytes. */
static inline void riscv__count_access(struct xbar_riscv_hart *hart,
                                       enum xbar_tlb_access access,
                                       unsigned size_log2)
{
    hart->accesses.of[hart->data_context][access][size_log2]++;
}

/* ---- interp/interp.c --------------------------------------------------- */

/*
 * Execute until @budget instructions retired, or attention is raised, or wfi.
 * Exceptions are taken inside. The TLB is entered.
 */
enum riscv_stop {
    RISCV_STOP_BUDGET,
    RISCV_STOP_ATTENTION,
    RISCV_STOP_WFI,
    RISCV_STOP_BREAK, /* a breakpoint: pc is there */
};
enum riscv_stop riscv__interpret(struct xbar_riscv_hart *hart, uint64_t budget);

/* The same, and stop with RISCV_STOP_BUDGET where instructions do not follow
 * one another: a jump or branch that is taken, a trap. hart->jumped is the jump
 * or branch then, and else without bits; after riscv__interpret_one() as well. */
enum riscv_stop riscv__interpret_to_jump(struct xbar_riscv_hart *hart,
                                         uint64_t budget);

/* One instruction or its exception, on a breakpoint, too. With
 * RISCV_STOP_ATTENTION nothing was done. */
enum riscv_stop riscv__interpret_one(struct xbar_riscv_hart *hart);

/* What an instruction did, and so what the loop has left to do. */
enum riscv_exec {
    EXEC_NEXT, /* retired; pc is to move on by its length */
    EXEC_JUMP, /* retired; pc was set */
    EXEC_SYNC, /* the same, and fetching may work in another way now */
    EXEC_WFI,  /* the same, and the hart has to wait */
    EXEC_TRAP, /* did not retire: an exception was taken, pc is its handler */
};

/* Execute @bits as the instruction at hart->pc; does not count it. */
enum riscv_exec riscv__execute(struct xbar_riscv_hart *hart, uint32_t bits);

/* ---- debug_stops.c ----------------------------------------------------- */

bool riscv__find_break(const struct xbar_riscv_hart *hart, uint64_t pc);

static inline uint64_t riscv__break_bit(uint64_t pc)
{
    return (uint64_t)1 << (pc >> 1 & 63);
}

/* Is there a breakpoint at @pc? */
static inline bool riscv__is_break(const struct xbar_riscv_hart *hart,
                                   uint64_t pc)
{
    return unlikely(hart->debug.break_filter & riscv__break_bit(pc)) &&
           riscv__find_break(hart, pc);
}

/* How many of @size bytes at @pc there are before the next one, if any. */
unsigned riscv__clip_to_break(const struct xbar_riscv_hart *hart, uint64_t pc,
                              unsigned size);
/* Is there one in the page of @pc? */
bool riscv__page_has_break(const struct xbar_riscv_hart *hart, uint64_t pc);

/* The hart stands at a breakpoint that is to be reported. */
void riscv__note_break(struct xbar_riscv_hart *hart);
/* As debug.at_break says: if it still stands there, execute that instruction.
 * *@passed: it does. */
enum riscv_stop riscv__pass_break(struct xbar_riscv_hart *hart, bool *passed);

/* riscv__interpret_one() for every engine. */
enum riscv_stop riscv__step_one(struct xbar_riscv_hart *hart);

/* The TLB is entered: do what was put off. */
void riscv__debug_begin(struct xbar_riscv_hart *hart);
void riscv__debug_free(struct xbar_riscv_hart *hart);

/* ---- print.c ----------------------------------------------------------- */

/* As the ABI names a register below 32. */
const char *riscv__x_name(unsigned reg);
const char *riscv__f_name(unsigned reg);

/* ---- jit.c ------------------------------------------------------------- */

/* A new engine, or lockstep came or went: who answers slow accesses. */
void riscv__jit_choose_helpers(struct xbar_riscv_hart *hart);

/* As riscv__interpret(), but may stop short of @budget. */
enum riscv_stop riscv__jit_run(struct xbar_riscv_hart *hart, uint64_t budget);

/* ---- jit_life.c -------------------------------------------------------- */

/* Make the JIT engine of @hart; errors as xbar_riscv_set_engine(). */
int riscv__jit_new(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;
void riscv__jit_free(struct xbar_riscv_hart *hart);

/* lockstep.c: on top of an engine that riscv__jit_new() made. */
int riscv__lockstep_new(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;
void riscv__lockstep_free(struct xbar_riscv_hart *hart);

/* From a signal handler on the hart's thread: if translated code was
 * interrupted, its slice ends with the block that it is in. */
void riscv__jit_cut_slice(struct xbar_riscv_hart *hart, void *context);

/* ---- page_counts.c ----------------------------------------------------- */

/* Translated code is about to count by page, if that is wanted. */
void riscv__start_pages(struct xbar_riscv_hart *hart);
/* Which spans of this context few accesses hit: bits by slot. */
void riscv__find_leaps(const struct xbar_riscv_hart *hart, uint32_t leaps[2]);
/* Add what translated code left to be added to the counts of pages. */
void riscv__settle_pages(struct xbar_riscv_hart *hart);
/* The TLB learnt the span that accesses in this context ask, or did not: for
 * what is at @va. */
void riscv__follow_span(struct xbar_riscv_hart *hart,
                        enum xbar_tlb_access access, unsigned slot,
                        uint64_t va);

/* ---- blocks.c ---------------------------------------------------------- */

void riscv__jit_get_stats(const struct xbar_riscv_hart *hart,
                          struct xbar_riscv_jit_stats *stats);

/* ---- device_counts.c --------------------------------------------------- */

/* For the TLB, with the hart: an access was carried out. */
void riscv__device_told(void *hart, const FlatRange *section, hwaddr offset,
                        enum xbar_tlb_access access, unsigned size_log2,
                        uint64_t ticks);

/* Tell of what translated code counted, while its sections are there. */
void riscv__settle_devices(struct xbar_riscv_hart *hart);

/* ---- jit_code.c -------------------------------------------------------- */

/* The hart may store from now on; it will no more. Whatever its engine. */
void riscv__code_join(struct xbar_riscv_hart *hart);
void riscv__code_leave(struct xbar_riscv_hart *hart);

/* Forget all translations: memory may have been replaced. */
void riscv__jit_flush(struct xbar_riscv_hart *hart);

/* The TLB is entered: code follows the stores that were told, and nothing
 * else. With an engine that keeps code. */
void riscv__code_follow(struct xbar_riscv_hart *hart);

/* For the TLB: see struct xbar_tlb_config. */
bool riscv__code_is_watched(void *hart, hwaddr page, uint64_t host);
void riscv__code_written(void *hart, hwaddr page, uint64_t host);

/* The aligned word at @host was written by other means than the TLB, since
 * the last safe point. */
void riscv__code_wrote_word(struct xbar_riscv_hart *hart, const void *host);

/* ---- trap.c ------------------------------------------------------------ */

/* Take an exception at hart->pc: sets the CSRs, mode and pc. */
void riscv__raise(struct xbar_riscv_hart *hart, unsigned cause, uint64_t tval);

/* Take the pending interrupt of the highest priority, if one is enabled. */
bool riscv__take_interrupt(struct xbar_riscv_hart *hart);

/* mret / sret; hart->pc becomes xepc. False: illegal here. */
bool riscv__mret(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;
bool riscv__sret(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;

/* Recompute contexts after a change of mode or mstatus. */
void riscv__update_contexts(struct xbar_riscv_hart *hart);

/* An interrupt may have become takeable: raise ATTN_IRQ if one is. */
void riscv__poll_interrupts(struct xbar_riscv_hart *hart);

/* May wfi execute here? False: illegal. */
bool riscv__wfi_allowed(const struct xbar_riscv_hart *hart);

/* ---- csr.c ------------------------------------------------------------- */

/*
 * The two halves of a CSR instruction. Both check existence, privilege,
 * read-only, counter enables and the like. False: illegal instruction,
 * nothing changed.
 */
bool riscv__csr_read(struct xbar_riscv_hart *hart, unsigned csr, uint64_t *old)
    XBAR_MUST_CHECK;
bool riscv__csr_write(struct xbar_riscv_hart *hart, unsigned csr,
                      uint64_t value) XBAR_MUST_CHECK;

/*
 * csrrs and csrrc as one: the old value into *@old, then its @clear bits off
 * and its @set bits on. Not the same as a read, then a write: mip.SEIP reads
 * as line | software bit, and only the software bit is modified. With no bits
 * to change call riscv__csr_read() alone if the operand is x0 or 0.
 */
bool riscv__csr_modify(struct xbar_riscv_hart *hart, unsigned csr,
                       uint64_t clear, uint64_t set, uint64_t *old)
    XBAR_MUST_CHECK;

/*
 * Is @csr, in mode @priv, nothing but a word of the hart, of which a write
 * changes the bits in @field->mask and nothing else? For the translator.
 */
bool riscv__csr_is_plain(unsigned csr, unsigned priv, bool writes,
                         struct jit_field *field);

#define CSR_NAME_MAX 16

/* Is there such a CSR? Its name, terminated, goes to @name if not NULL. */
bool riscv__csr_name(unsigned csr, char name[CSR_NAME_MAX]);

/* The same as read and write, as a debugger in M-mode: only existence and
 * read-only count. */
bool riscv__csr_peek(struct xbar_riscv_hart *hart, unsigned csr,
                     uint64_t *value) XBAR_MUST_CHECK;
bool riscv__csr_poke(struct xbar_riscv_hart *hart, unsigned csr, uint64_t value)
    XBAR_MUST_CHECK;

/* All CSRs as at power-on. */
void riscv__csr_reset(struct xbar_riscv_hart *hart);

/* mip as software reads it: lines, comparator and software bits. */
uint64_t riscv__mip(struct xbar_riscv_hart *hart);

/* Is the FPU on? And: its state was written, mark it dirty. */
bool riscv__fp_enabled(const struct xbar_riscv_hart *hart);
void riscv__fp_dirty(struct xbar_riscv_hart *hart);

/* ---- mmu.c, pmp.c ------------------------------------------------------ */

/* xbar_tlb_walk_fn; the fault code is the cause + 1, so that 0 is success. */
int riscv__walk(void *hart, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *walk);

/* The same for who only looks: whatever the permissions are, and without a
 * trace. */
int riscv__walk_quietly(void *hart, unsigned context, uint64_t va,
                        enum xbar_tlb_access access,
                        struct xbar_tlb_walk *walk);

/* sfence.vma: the operands as in the instruction; false: illegal here. */
bool riscv__sfence_vma(struct xbar_riscv_hart *hart, unsigned rs1, unsigned rs2)
    XBAR_MUST_CHECK;

/* satp changed: drop what the old one translated. */
void riscv__satp_changed(struct xbar_riscv_hart *hart, uint64_t old);

/* Drop everything, M-mode's entries as well. */
void riscv__flush_tlb(struct xbar_riscv_hart *hart);

/*
 * Registers and memory are those of another time, in which satp was not
 * @old_satp, or PMP had other rules: drop what does not hold there. Entries
 * that no table and no rule is behind stay.
 */
void riscv__mmu_restored(struct xbar_riscv_hart *hart, uint64_t old_satp,
                         bool other_pmp);

/* Permission bits (enum xbar_tlb_prot) that PMP grants @priv on a page. */
unsigned riscv__pmp_prot(const struct riscv_pmp *pmp, hwaddr page,
                         unsigned priv);

/* pmpcfg0, pmpcfg2 (@reg 0, 2) and pmpaddr0-15; true: rules changed. */
uint64_t riscv__pmp_read_cfg(const struct riscv_pmp *pmp, unsigned reg);
uint64_t riscv__pmp_read_addr(const struct riscv_pmp *pmp, unsigned entry);
bool riscv__pmp_write_cfg(struct riscv_pmp *pmp, unsigned reg, uint64_t value);
bool riscv__pmp_write_addr(struct riscv_pmp *pmp, unsigned entry,
                           uint64_t value);

/* ---- clock.c ----------------------------------------------------------- */

void riscv__clock_init(struct xbar_riscv_hart *hart);

/* `time` now, on the thread that runs the hart. */
uint64_t riscv__time(struct xbar_riscv_hart *hart);

/* Read the host's clock, if that is the source. */
void riscv__clock_poll(struct xbar_riscv_hart *hart);

/* The timer lines that are up: MIP_MTIP by the comparator of the machine, and
 * MIP_STIP by stimecmp. Host time counts as of the last poll. */
uint64_t riscv__timer_lines(struct xbar_riscv_hart *hart);

/* Instructions that may retire before the clock must be polled and the
 * comparators looked at again; never 0. */
uint64_t riscv__clock_slice(struct xbar_riscv_hart *hart);

/* Deterministic time, and nothing to do before a comparator fires: let it.
 * False: host time, or none ever will. */
bool riscv__clock_skip(struct xbar_riscv_hart *hart);

/* Host nanoseconds until a comparator fires; UINT64_MAX: not of itself. */
uint64_t riscv__clock_wait_ns(struct xbar_riscv_hart *hart);

/* ---- hart.c ------------------------------------------------------------ */

/* Have the hart look up from the guest's code, out of wfi too. Any thread;
 * async-signal-safe. */
void riscv__post(struct xbar_riscv_hart *hart, uint32_t attention);

/* The same by the thread that runs the hart: nobody sleeps. */
static inline void riscv__attend(struct xbar_riscv_hart *hart,
                                 uint32_t attention)
{
    atomic_fetch_or_explicit(&hart->attention, attention, memory_order_relaxed);
}

#endif
