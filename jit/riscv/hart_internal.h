/* SPDX-License-Identifier: MIT */
/*
 * A hart's state, and which file of this folder does what.
 *
 *   insn.inc      one row per instruction: the table everything reads
 *   decode.[ch]   bits -> struct riscv_insn (compressed forms expanded)
 *   print.c       bits -> text
 *   interp.c      executes decoded instructions: the reference engine
 *   fp.[ch]       floating point: pure functions of operands, mode and flags
 *   csr.c         control and status registers
 *   trap.c        exceptions, interrupts, xRET
 *   mmu.c pmp.c   Sv39 walk and physical protection, called at TLB fill
 *   clock.c       `time`, mtimecmp, the deterministic clock
 *   hart.c        life cycle, run loop, wfi, interrupt lines
 *
 * Threads: fields marked atomic are written by any thread; all others belong
 * to the thread that runs the hart.
 */
#ifndef XBAR_JIT_RISCV_HART_INTERNAL_H
#define XBAR_JIT_RISCV_HART_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/check.h"
#include "jit/riscv/hart.h"
#include "tlb/tlb.h"

enum riscv_priv {
    PRIV_U = 0,
    PRIV_S = 1,
    PRIV_M = 3,
};

/*
 * TLB contexts. MXR matters in U-mode, too; M-mode is never translated. MPRV
 * only changes which context data accesses use.
 */
enum riscv_context {
    CTX_M = 0,
    CTX_U = 1,
    CTX_U_MXR = 2,
    CTX_S = 3, /* + 1 if SUM, + 2 if MXR */
    CTX_COUNT = 7,
    CTX_TRANSLATED = ((1u << CTX_COUNT) - 1) & ~1u, /* all but M */
};

/* Why the engine must look up from the guest's code; see hart->attention. */
enum riscv_attention {
    ATTN_EXIT = 1 << 0,  /* xbar_riscv_request_exit() */
    ATTN_IRQ = 1 << 1,   /* mip, mie, mstatus or the mode changed */
    ATTN_TLB = 1 << 2,   /* an invalidation was posted */
    ATTN_TIMER = 1 << 3, /* mtimecmp moved */
};

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

struct riscv_pmp {
    uint8_t cfg[PMP_ENTRIES];
    uint64_t addr[PMP_ENTRIES];
};

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
    uint64_t instret_offset; /* minstret = stats.instructions + this */
    uint64_t cycle_offset;
    struct riscv_pmp pmp;

    /* Time: see clock.c. */
    _Atomic uint64_t timecmp;
    _Atomic uint64_t time_offset; /* ticks added to the source */

    /* wfi sleeps here; the condition is `attention`. */
    pthread_mutex_t sleep_lock;
    pthread_cond_t sleep_cond;

    struct xbar_riscv_config config;
    struct xbar_riscv_stats stats;

    SoftTLB tlb;
};

/* ---- interp.c ---------------------------------------------------------- */

/*
 * Execute until @budget instructions retired, or attention is raised, or wfi.
 * Exceptions are taken inside. The TLB is entered.
 */
enum riscv_stop {
    RISCV_STOP_BUDGET,
    RISCV_STOP_ATTENTION,
    RISCV_STOP_WFI,
};
enum riscv_stop riscv__interpret(struct xbar_riscv_hart *hart, uint64_t budget);

/* ---- trap.c ------------------------------------------------------------ */

/* Take an exception at hart->pc: sets the CSRs, mode and pc. */
void riscv__raise(struct xbar_riscv_hart *hart, unsigned cause, uint64_t tval);

/* Take the pending interrupt of the highest priority, if one is enabled. */
bool riscv__take_interrupt(struct xbar_riscv_hart *hart);

/* mret / sret; hart->pc becomes xepc. False: illegal here. */
bool riscv__mret(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;
bool riscv__sret(struct xbar_riscv_hart *hart) XBAR_MUST_CHECK;

/* Recompute contexts after a change of mode, mstatus or satp. */
void riscv__update_contexts(struct xbar_riscv_hart *hart);

/* ---- csr.c ------------------------------------------------------------- */

/*
 * One CSR instruction: reads the old value into *@old if @reads, then writes
 * @value if @writes. Checks existence, privilege, read-only, counter enables.
 * False: illegal instruction, nothing changed.
 */
bool riscv__csr_read(struct xbar_riscv_hart *hart, unsigned csr, uint64_t *old)
    XBAR_MUST_CHECK;
bool riscv__csr_write(struct xbar_riscv_hart *hart, unsigned csr,
                      uint64_t value) XBAR_MUST_CHECK;

/* mip as software reads it: lines, comparator and software bits. */
uint64_t riscv__mip(struct xbar_riscv_hart *hart);

/* Is the FPU on? Marks the state dirty if @writes. */
bool riscv__fp_enabled(const struct xbar_riscv_hart *hart);
void riscv__fp_dirty(struct xbar_riscv_hart *hart);

/* ---- mmu.c, pmp.c ------------------------------------------------------ */

/* xbar_tlb_walk_fn; the fault code is the cause + 1, so that 0 is success. */
int riscv__walk(void *hart, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *walk);

/* sfence.vma: the operands as in the instruction; false: illegal here. */
bool riscv__sfence_vma(struct xbar_riscv_hart *hart, unsigned rs1, unsigned rs2)
    XBAR_MUST_CHECK;

/* Permission bits (enum xbar_tlb_prot) that PMP grants @priv on a page. */
unsigned riscv__pmp_prot(const struct riscv_pmp *pmp, hwaddr page,
                         unsigned priv);

/* ---- clock.c ----------------------------------------------------------- */

uint64_t riscv__time(struct xbar_riscv_hart *hart);
/* Instructions that may retire before the comparator can fire. */
uint64_t riscv__clock_slice(struct xbar_riscv_hart *hart);

/* ---- hart.c ------------------------------------------------------------ */

void riscv__attend(struct xbar_riscv_hart *hart, uint32_t attention);

#endif
