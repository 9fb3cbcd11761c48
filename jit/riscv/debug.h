/* SPDX-License-Identifier: MIT */
/**
 * A hart under a debugger: registers by number and name, memory without side
 * effects, breakpoints, watchpoints, single steps.
 *
 * All of it while the hart does not run (xbar_riscv_request_exit() has
 * xbar_riscv_run() return), by one thread at a time, which need not be the
 * one that runs it.
 *
 * What is not there costs nothing: without breakpoints code is translated as
 * ever, without watchpoints the TLB's tags are as ever.
 */
#ifndef XBAR_JIT_RISCV_DEBUG_H
#define XBAR_JIT_RISCV_DEBUG_H

#include "hart.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Registers --------------------------------------------------------- */

/** Numbers as gdb has them for RISC-V. */
enum xbar_riscv_reg {
    XBAR_RISCV_REG_X0 = 0, /* to 31 */
    XBAR_RISCV_REG_PC = 32,
    XBAR_RISCV_REG_F0 = 33,    /* to 64 */
    XBAR_RISCV_REG_CSR0 = 65,  /* to 4160: + the CSR's number */
    XBAR_RISCV_REG_PRIV = 4161 /* privilege: 0 U, 1 S, 3 M */
};
#define XBAR_RISCV_REGS 4162

#define XBAR_RISCV_REG_NAME_MAX 16

/**
 * xbar_riscv_reg_name() - the name that the ABI or the ISA gives it
 * @name: gets it, terminated; may be NULL
 *
 * Context: any thread. Return: false if there is no such register.
 */
XBAR_API bool xbar_riscv_reg_name(unsigned reg,
                                  char name[XBAR_RISCV_REG_NAME_MAX]);

/**
 * xbar_riscv_reg_number() - a0, x10, fp, fa0, f10, pc, mstatus, priv, ...
 *
 * Context: any thread. Return: -ENOENT if there is none of that name.
 */
XBAR_API int xbar_riscv_reg_number(const char *name);

/**
 * xbar_riscv_get_reg() / xbar_riscv_set_reg()
 *
 * As the functions of hart.h for each kind. What a CSR does not have a place
 * for is dropped, as by an instruction in M-mode; so is what is written to x0.
 * The privilege becomes what it is set to, and nothing else happens.
 *
 * Return: -EINVAL if there is no such register, it is read-only, or there is
 * no such privilege.
 */
XBAR_API int xbar_riscv_get_reg(struct xbar_riscv_hart *hart, unsigned reg,
                                uint64_t *value);
XBAR_API int xbar_riscv_set_reg(struct xbar_riscv_hart *hart, unsigned reg,
                                uint64_t value);

/* ---- Memory ------------------------------------------------------------ */

/**
 * xbar_riscv_debug_translate() - where @va is in the hart's privilege mode
 *
 * What is mapped is found, whatever its permissions. Sets no accessed or dirty
 * bits; MPRV is left aside.
 *
 * Return: false if nothing is mapped there.
 */
XBAR_API bool xbar_riscv_debug_translate(const struct xbar_riscv_hart *hart,
                                         uint64_t va, hwaddr *phys);

/**
 * xbar_riscv_debug_read() / xbar_riscv_debug_write() - @len bytes at @va, as
 * xbar_riscv_debug_translate() finds them
 *
 * Memory only, read-only memory included: no device is called. Of the hart
 * nothing changes, is counted or cached. Translated code of this hart follows
 * at its next run, without a fence.i; that of other harts, and of this one
 * after writes by physical address (xbar_address_space_debug_rw()), follows
 * after xbar_riscv_debug_synchronize().
 *
 * Return: how many bytes, from the first on, were transferred.
 */
XBAR_API uint64_t xbar_riscv_debug_read(const struct xbar_riscv_hart *hart,
                                        uint64_t va, void *buf, uint64_t len);
XBAR_API uint64_t xbar_riscv_debug_write(struct xbar_riscv_hart *hart,
                                         uint64_t va, const void *buf,
                                         uint64_t len);

/** xbar_riscv_debug_synchronize() - its next run begins with a fence.i, which
 * is not counted */
XBAR_API void xbar_riscv_debug_synchronize(struct xbar_riscv_hart *hart);

/* ---- Stops ------------------------------------------------------------- */

/**
 * xbar_riscv_add_breakpoint() - stop before the instruction at @pc
 *
 * By virtual address, in every mode and address space. The run that gets there
 * returns XBAR_RISCV_EXIT_BREAK with that pc; the next one executes the
 * instruction, unless the pc was set. An interrupt that is taken there comes
 * first.
 *
 * Return: 0, also if it is there already; -ENOMEM.
 */
XBAR_API int xbar_riscv_add_breakpoint(struct xbar_riscv_hart *hart,
                                       uint64_t pc) XBAR_MUST_CHECK;
/** xbar_riscv_remove_breakpoint() - -ENOENT if there is none */
XBAR_API int xbar_riscv_remove_breakpoint(struct xbar_riscv_hart *hart,
                                          uint64_t pc);

/**
 * xbar_riscv_add_watchpoint() - stop after an access to watched bytes
 *
 * By virtual address. The run returns XBAR_RISCV_EXIT_WATCH behind the
 * instruction whose load, store or atomic touched one of them;
 * xbar_riscv_watch_hit() says which. An sc counts even if it fails, an atomic
 * and a cbo.zero as both. Not told: fetches, page walks, other harts, devices.
 *
 * Return: 0, also if it is there already; -EINVAL if it is empty, wraps around,
 * or watches neither reads nor writes; -ENOMEM.
 */
XBAR_API int xbar_riscv_add_watchpoint(struct xbar_riscv_hart *hart,
                                       const struct xbar_tlb_watch *watch)
    XBAR_MUST_CHECK;
/** xbar_riscv_remove_watchpoint() - -ENOENT if there is none like it */
XBAR_API int xbar_riscv_remove_watchpoint(struct xbar_riscv_hart *hart,
                                          const struct xbar_tlb_watch *watch);

/** xbar_riscv_remove_stops() - all breakpoints and watchpoints */
XBAR_API void xbar_riscv_remove_stops(struct xbar_riscv_hart *hart);

struct xbar_riscv_hit {
    struct xbar_tlb_watch watch;
    uint64_t va; /* the first watched byte that was touched */
    enum xbar_tlb_access access;
};

/** xbar_riscv_watch_hit() - what the last XBAR_RISCV_EXIT_WATCH was about; the
 * first, if the instruction touched several */
XBAR_API struct xbar_riscv_hit
xbar_riscv_watch_hit(const struct xbar_riscv_hart *hart);

/**
 * xbar_riscv_step() - execute one instruction, or take its exception
 * @takes_interrupts: if one is pending, take it and do nothing else
 *
 * Whatever breakpoint is on it, in every engine. A wfi does not wait, as the
 * ISA allows.
 *
 * Context: as xbar_riscv_run(). Return: XBAR_RISCV_EXIT_BUDGET when that is
 * done; XBAR_RISCV_EXIT_WATCH if it touched watched bytes, too;
 * XBAR_RISCV_EXIT_REQUEST, or _MISMATCH: nothing was done.
 */
XBAR_API enum xbar_riscv_exit xbar_riscv_step(struct xbar_riscv_hart *hart,
                                              bool takes_interrupts);

#ifdef __cplusplus
}
#endif

#endif
