/* SPDX-License-Identifier: MIT */
/*
 * The public getters and setters: a hart's state from outside, while it does
 * not run. Register numbers come from a caller, so they are checked: what
 * does not exist reads 0 and ignores writes.
 */
#include "jit/riscv/hart_internal.h"

#include <errno.h>

#include "jit/riscv/jit.h"

#define REGISTERS 32

uint64_t xbar_riscv_get_x(const struct xbar_riscv_hart *hart, unsigned reg)
{
    return reg < REGISTERS ? hart->x[reg] : 0;
}

void xbar_riscv_set_x(struct xbar_riscv_hart *hart, unsigned reg,
                      uint64_t value)
{
    if (reg > 0 && reg < REGISTERS) {
        hart->x[reg] = value;
    }
}

uint64_t xbar_riscv_get_f(const struct xbar_riscv_hart *hart, unsigned reg)
{
    return reg < REGISTERS ? hart->f[reg] : 0;
}

void xbar_riscv_set_f(struct xbar_riscv_hart *hart, unsigned reg,
                      uint64_t value)
{
    if (reg < REGISTERS) {
        hart->f[reg] = value;
    }
}

uint64_t xbar_riscv_get_pc(const struct xbar_riscv_hart *hart)
{
    return hart->pc;
}

uint64_t xbar_riscv_access_pc(const struct xbar_riscv_hart *hart)
{
    return hart->jit != NULL && hart->jit->accessing != NULL
               ? riscv__accessing_pc(hart)
               : hart->pc;
}

/* Bit 0 does not exist. A hart that is sent elsewhere waits no longer. */
void xbar_riscv_set_pc(struct xbar_riscv_hart *hart, uint64_t pc)
{
    hart->pc = pc & ~(uint64_t)1;
    hart->waiting = false;
    hart->debug.at_break = false;
}

int xbar_riscv_get_csr(struct xbar_riscv_hart *hart, unsigned csr,
                       uint64_t *value)
{
    return riscv__csr_peek(hart, csr, value) ? 0 : -EINVAL;
}

int xbar_riscv_set_csr(struct xbar_riscv_hart *hart, unsigned csr,
                       uint64_t value)
{
    return riscv__csr_poke(hart, csr, value) ? 0 : -EINVAL;
}

void xbar_riscv_get_stats(const struct xbar_riscv_hart *hart,
                          struct xbar_riscv_stats *stats)
{
    *stats = hart->stats;
    stats->tlb = hart->tlb.stats;
    riscv__jit_get_stats(hart, &stats->jit);
}
