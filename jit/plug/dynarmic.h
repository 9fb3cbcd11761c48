/* SPDX-License-Identifier: MIT */
/**
 * A64 guests by dynarmic over an AddressSpace.
 *
 * In a library of its own, libxbar-dynarmic (pkg-config: xbar-dynarmic), which
 * links dynarmic (0BSD). It is C++ inside; this is all of it that callers see.
 *
 * dynarmic executes user-mode instructions and asks for memory by callbacks.
 * Here those are a soft-TLB's slow path, and what hits there goes into the page
 * table that dynarmic's code reads by itself:
 *
 *     ldr --> page table --hit--> host memory
 *                 |miss: a callback
 *                 +--> SoftTLB --> memory; fills the page table
 *                              --> device
 *
 * A page is in the table while loads and stores of it may both go to memory
 * without anybody being told. ROM, devices, pages that sections share, and
 * pages that a dirty log has clean stay with the callbacks.
 *
 * Commits take effect for the guest at once if they come from its own device
 * callbacks, else within some 10 000 instructions. So does code that others
 * wrote; what the guest itself writes to code it must invalidate (ic ivau), as
 * on hardware.
 *
 * Fastmem is there if asked for: dynarmic's code then accesses shared memory at
 * one distance from its guest addresses, without a table, and dynarmic's handler
 * of SIGSEGV, which it has since it was loaded, does all that is not there.
 */
#ifndef XBAR_JIT_PLUG_DYNARMIC_H
#define XBAR_JIT_PLUG_DYNARMIC_H

#include "../../engine/error.h"
#include "../../tlb/tlb.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_dynarmic;

/** Why xbar_dynarmic_run() came back. */
enum xbar_dynarmic_exit {
    XBAR_DYNARMIC_TICKS,     /* as many instructions as asked for, or a block
                                more */
    XBAR_DYNARMIC_HALTED,    /* xbar_dynarmic_halt() */
    XBAR_DYNARMIC_SVC,       /* svc, with no callback for it */
    XBAR_DYNARMIC_EXCEPTION, /* brk, what is not decoded, a fetch */
    XBAR_DYNARMIC_FAULT,     /* a load or store; see `fault` */
    XBAR_DYNARMIC_BUSY,      /* it is running already; nothing was done */
};

struct xbar_dynarmic_config {
    AddressSpace *as; /* must outlive the adapter */

    /* Virtual addresses to physical ones, as for any soft-TLB, in context 0.
     * NULL: they are the same. What was cached of it goes by
     * xbar_dynarmic_flush(). */
    xbar_tlb_walk_fn *walk;
    void *walk_opaque;

    /* The page table is for addresses of so many bits (8 bytes of address
     * space, not of memory, for each page); what is above has callbacks. 13 to
     * 43; 0: 36. */
    unsigned address_bits;

    /* Fastmem for physical addresses of so many bits, which are reserved as
     * address space; 13 to 46; 0: none. Only memory that is shared (RAM_SHARED,
     * files with it) is in it, as no other can be mapped twice; the rest has
     * the page table, and what is accessed there faults once an instruction.
     * dynarmic's handler of SIGSEGV must be there, or be called by who took its
     * place. Not with a walk. */
    unsigned fastmem_bits;

    /* svc #@number. May use the registers, and halt. NULL: the run ends. */
    void (*svc)(void *opaque, uint32_t number);
    void *opaque;
};

/** What ended a run. */
struct xbar_dynarmic_stop {
    uint32_t svc;                /* its number */
    uint64_t pc;                 /* of an exception */
    int exception;               /* dynarmic's A64::Exception */
    struct xbar_tlb_fault fault; /* of a load or store */
    bool is_store;
};

/**
 * xbar_dynarmic_new() - a vCPU; registers are 0
 *
 * Return: NULL with @errp set if the configuration is wrong, or memory short.
 */
XBAR_API struct xbar_dynarmic *
xbar_dynarmic_new(const struct xbar_dynarmic_config *config, Error **errp)
    XBAR_MUST_CHECK;

/** xbar_dynarmic_free() - end it, before the address space is destroyed (which
 * is -EBUSY else). NULL is fine. Return: 0; -EBUSY while it runs */
XBAR_API int xbar_dynarmic_free(struct xbar_dynarmic *plug);

/**
 * xbar_dynarmic_run() - run about @ticks instructions
 * @stop: NULL, or gets why it ended; the fields of that exit
 *
 * After a fault the pc is that of the access or in the same block, and a load
 * that failed gave 0. Context: one thread at a time, outside any read section.
 */
XBAR_API enum xbar_dynarmic_exit
xbar_dynarmic_run(struct xbar_dynarmic *plug, uint64_t ticks,
                  struct xbar_dynarmic_stop *stop);

/** xbar_dynarmic_halt() - end the run, or the next one; any thread */
XBAR_API void xbar_dynarmic_halt(struct xbar_dynarmic *plug);

/** xbar_dynarmic_flush() - the walk's answers changed; the owner, also in a
 * callback, where it holds from the next block on */
XBAR_API void xbar_dynarmic_flush(struct xbar_dynarmic *plug);

/** Registers: x0 to x30, 31 is sp, 32 pc, 33 pstate; others are 0. Between runs
 * and in `svc`. */
enum { XBAR_DYNARMIC_SP = 31, XBAR_DYNARMIC_PC, XBAR_DYNARMIC_PSTATE };
XBAR_API uint64_t xbar_dynarmic_get(const struct xbar_dynarmic *plug,
                                    unsigned reg);
XBAR_API void xbar_dynarmic_set(struct xbar_dynarmic *plug, unsigned reg,
                                uint64_t value);

/** Since the adapter was made. */
struct xbar_dynarmic_stats {
    uint64_t ticks;     /* instructions, as dynarmic counts them */
    uint64_t callbacks; /* loads and stores that did not hit the page table */
    uint64_t filled;    /* pages entered into the page table */
    uint64_t dropped;   /* times that it was emptied */
    uint64_t code;      /* pages of which the code was dropped */
    uint64_t shown;     /* sections that fastmem got */
};

XBAR_API void xbar_dynarmic_get_stats(const struct xbar_dynarmic *plug,
                                      struct xbar_dynarmic_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
