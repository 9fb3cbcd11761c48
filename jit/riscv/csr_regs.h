/* SPDX-License-Identifier: MIT */
/*
 * The functions that csr.inc names: registers that are views of others, have
 * side effects or rules about legal values.
 */
#ifndef XBAR_JIT_RISCV_CSR_REGS_H
#define XBAR_JIT_RISCV_CSR_REGS_H

#include "jit/riscv/hart_internal.h"

/* Numbers that code needs outside of the table. */
enum {
    CSR_SIP = 0x144,
    CSR_MIP = 0x344,
    CSR_PMPCFG0 = 0x3a0,
    CSR_PMPADDR0 = 0x3b0,
};

/* @csr tells the elements of an array apart. */
typedef uint64_t riscv_csr_read_fn(struct xbar_riscv_hart *hart, unsigned csr);
typedef void riscv_csr_write_fn(struct xbar_riscv_hart *hart, unsigned csr,
                                uint64_t value);

riscv_csr_read_fn riscv__csr_fflags;
riscv_csr_read_fn riscv__csr_frm;
riscv_csr_read_fn riscv__csr_fcsr;
riscv_csr_read_fn riscv__csr_cycle;
riscv_csr_read_fn riscv__csr_time;
riscv_csr_read_fn riscv__csr_instret;
riscv_csr_read_fn riscv__csr_sstatus;
riscv_csr_read_fn riscv__csr_sie;
riscv_csr_read_fn riscv__csr_sip;
riscv_csr_read_fn riscv__csr_mip;
riscv_csr_read_fn riscv__csr_pmpcfg;
riscv_csr_read_fn riscv__csr_pmpaddr;

riscv_csr_write_fn riscv__csr_set_fflags;
riscv_csr_write_fn riscv__csr_set_frm;
riscv_csr_write_fn riscv__csr_set_fcsr;
riscv_csr_write_fn riscv__csr_set_sstatus;
riscv_csr_write_fn riscv__csr_set_sie;
riscv_csr_write_fn riscv__csr_set_stvec;
riscv_csr_write_fn riscv__csr_set_senvcfg;
riscv_csr_write_fn riscv__csr_set_sip;
riscv_csr_write_fn riscv__csr_set_stimecmp;
riscv_csr_write_fn riscv__csr_set_satp;
riscv_csr_write_fn riscv__csr_set_mstatus;
riscv_csr_write_fn riscv__csr_set_mideleg;
riscv_csr_write_fn riscv__csr_set_mie;
riscv_csr_write_fn riscv__csr_set_mtvec;
riscv_csr_write_fn riscv__csr_set_menvcfg;
riscv_csr_write_fn riscv__csr_set_mcountinhibit;
riscv_csr_write_fn riscv__csr_set_mip;
riscv_csr_write_fn riscv__csr_set_pmpcfg;
riscv_csr_write_fn riscv__csr_set_pmpaddr;
riscv_csr_write_fn riscv__csr_set_mcycle;
riscv_csr_write_fn riscv__csr_set_minstret;

#endif
