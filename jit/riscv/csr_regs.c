/* SPDX-License-Identifier: MIT */
/*
 * Registers with rules: what csr.inc cannot say as a field and a mask.
 *
 * A write of an illegal value either keeps the old one (satp's mode, mtvec's
 * mode, MPP) or drops the bits that do not exist; it never traps.
 */
#include "jit/riscv/csr_regs.h"

#include <string.h>

#define MISA_RV64 ((uint64_t)2 << 62)
#define MISA_EXTENSIONS                                          \
    (1u << ('A' - 'A') | 1u << ('C' - 'A') | 1u << ('D' - 'A') | \
     1u << ('F' - 'A') | 1u << ('I' - 'A') | 1u << ('M' - 'A') | \
     1u << ('S' - 'A') | 1u << ('U' - 'A'))

#define MSTATUS_WRITABLE                                                     \
    (MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | \
     MSTATUS_MPP | MSTATUS_FS | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR |   \
     MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR)
#define SSTATUS_WRITABLE                                                   \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | \
     MSTATUS_MXR)
#define SSTATUS_VISIBLE (SSTATUS_WRITABLE | MSTATUS_UXL | MSTATUS_SD)

#define COUNT_CYCLE   1
#define COUNT_INSTRET 4

/* All CSRs are between these two fields. */
void riscv__csr_reset(struct xbar_riscv_hart *hart)
{
    char *first = (char *)&hart->mstatus;
    char *end = (char *)&hart->instret_offset;

    memset(first, 0, (size_t)(end - first));
    memset(&hart->pmp, 0, sizeof(hart->pmp));
    hart->mstatus = MSTATUS_XL64;
    hart->misa = MISA_RV64 | MISA_EXTENSIONS;
    hart->menvcfg = ENVCFG_ADUE; /* for software that knows no Svadu */
    hart->stimecmp = UINT64_MAX;
    hart->instret_offset = -hart->stats.instructions;
    hart->cycle_offset = -hart->stats.instructions;
    hart->frm = 0;
    hart->fflags = 0;
}

/* ---- Floating point ---------------------------------------------------- */

bool riscv__fp_enabled(const struct xbar_riscv_hart *hart)
{
    return hart->mstatus & MSTATUS_FS;
}

void riscv__fp_dirty(struct xbar_riscv_hart *hart)
{
    hart->mstatus |= MSTATUS_FS | MSTATUS_SD;
}

uint64_t riscv__csr_fflags(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->fflags;
}

uint64_t riscv__csr_frm(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->frm;
}

uint64_t riscv__csr_fcsr(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return (uint64_t)hart->frm << 5 | hart->fflags;
}

void riscv__csr_set_fflags(struct xbar_riscv_hart *hart, unsigned csr,
                           uint64_t value)
{
    (void)csr;
    hart->fflags = value & 0x1f;
    riscv__fp_dirty(hart);
}

void riscv__csr_set_frm(struct xbar_riscv_hart *hart, unsigned csr,
                        uint64_t value)
{
    (void)csr;
    hart->frm = value & 7;
    riscv__fp_dirty(hart);
}

void riscv__csr_set_fcsr(struct xbar_riscv_hart *hart, unsigned csr,
                         uint64_t value)
{
    riscv__csr_set_frm(hart, csr, value >> 5);
    riscv__csr_set_fflags(hart, csr, value);
}

/* ---- Status ------------------------------------------------------------ */

/* Change the bits of @mask that mstatus has to those of @value. */
static void write_status(struct xbar_riscv_hart *hart, uint64_t mask,
                         uint64_t value)
{
    uint64_t old = hart->mstatus;
    uint64_t status;

    if ((value & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT == 2) {
        mask &= ~MSTATUS_MPP; /* no such mode: keep the old one */
    }
    status = (old & ~(mask | MSTATUS_SD)) | (value & mask);
    if ((status & MSTATUS_FS) == MSTATUS_FS) {
        status |= MSTATUS_SD;
    }
    hart->mstatus = status;
    riscv__update_contexts(hart);
    if (status & ~old & (MSTATUS_MIE | MSTATUS_SIE)) {
        riscv__poll_interrupts(hart);
    }
}

void riscv__csr_set_mstatus(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    (void)csr;
    write_status(hart, MSTATUS_WRITABLE, value);
}

uint64_t riscv__csr_sstatus(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->mstatus & SSTATUS_VISIBLE;
}

void riscv__csr_set_sstatus(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    (void)csr;
    write_status(hart, SSTATUS_WRITABLE, value);
}

/* ---- Interrupts -------------------------------------------------------- */

void riscv__csr_set_mideleg(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    (void)csr;
    hart->mideleg = value & MIP_S_BITS;
    riscv__poll_interrupts(hart);
}

void riscv__csr_set_mie(struct xbar_riscv_hart *hart, unsigned csr,
                        uint64_t value)
{
    (void)csr;
    hart->mie = value & MIP_ALL;
    riscv__poll_interrupts(hart);
}

uint64_t riscv__csr_sie(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->mie & hart->mideleg;
}

void riscv__csr_set_sie(struct xbar_riscv_hart *hart, unsigned csr,
                        uint64_t value)
{
    uint64_t mask = hart->mideleg;

    riscv__csr_set_mie(hart, csr, (hart->mie & ~mask) | (value & mask));
}

uint64_t riscv__csr_mip(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return riscv__mip(hart);
}

void riscv__csr_set_mip(struct xbar_riscv_hart *hart, unsigned csr,
                        uint64_t value)
{
    (void)csr;
    uint64_t mask = MIP_S_BITS;

    if (hart->menvcfg & ENVCFG_STCE) {
        mask &= ~MIP_STIP; /* stimecmp drives it */
    }
    hart->mip_soft = (hart->mip_soft & ~mask) | (value & mask);
    riscv__poll_interrupts(hart);
}

uint64_t riscv__csr_sip(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return riscv__mip(hart) & hart->mideleg;
}

/* Supervisors may only raise and clear their own software interrupt. */
void riscv__csr_set_sip(struct xbar_riscv_hart *hart, unsigned csr,
                        uint64_t value)
{
    uint64_t mask = MIP_SSIP & hart->mideleg;

    riscv__csr_set_mip(hart, csr, (hart->mip_soft & ~mask) | (value & mask));
}

/* Direct or vectored; another mode is ignored with its base. */
static void write_tvec(uint64_t *tvec, uint64_t value)
{
    if ((value & 3) <= 1) {
        *tvec = value;
    }
}

void riscv__csr_set_mtvec(struct xbar_riscv_hart *hart, unsigned csr,
                          uint64_t value)
{
    (void)csr;
    write_tvec(&hart->mtvec, value);
}

void riscv__csr_set_stvec(struct xbar_riscv_hart *hart, unsigned csr,
                          uint64_t value)
{
    (void)csr;
    write_tvec(&hart->stvec, value);
}

/* ---- Environment ------------------------------------------------------- */

#define SENVCFG_WRITABLE \
    (ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE)
#define MENVCFG_WRITABLE (SENVCFG_WRITABLE | ENVCFG_ADUE | ENVCFG_STCE)

static void write_envcfg(uint64_t *envcfg, uint64_t mask, uint64_t value)
{
    const uint64_t reserved = (uint64_t)2 << 4;

    if ((value & ENVCFG_CBIE) == reserved) {
        mask &= ~ENVCFG_CBIE; /* keep the old one */
    }
    *envcfg = (*envcfg & ~mask) | (value & mask);
}

void riscv__csr_set_senvcfg(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    (void)csr;
    write_envcfg(&hart->senvcfg, SENVCFG_WRITABLE, value);
}

/* Entries of the TLB stay right when ADUE changes: what they allow was set in
 * the tables. Who drives STIP may have changed. */
void riscv__csr_set_menvcfg(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    (void)csr;
    write_envcfg(&hart->menvcfg, MENVCFG_WRITABLE, value);
    riscv__attend(hart, ATTN_TIMER);
}

void riscv__csr_set_stimecmp(struct xbar_riscv_hart *hart, unsigned csr,
                             uint64_t value)
{
    (void)csr;
    hart->stimecmp = value;
    riscv__attend(hart, ATTN_TIMER);
}

/* ---- Translation and protection ---------------------------------------- */

/* A mode that does not exist leaves all of satp as it was: that is how a
 * kernel finds out which modes there are. */
void riscv__csr_set_satp(struct xbar_riscv_hart *hart, unsigned csr,
                         uint64_t value)
{
    uint64_t mode = value >> SATP_MODE_SHIFT;
    uint64_t old;

    (void)csr;
    if ((mode != 0 && mode != SATP_SV39 && mode != SATP_SV48) ||
        value == hart->satp) {
        return;
    }
    old = hart->satp;
    hart->satp = value;
    riscv__satp_changed(hart, old);
}

uint64_t riscv__csr_pmpcfg(struct xbar_riscv_hart *hart, unsigned csr)
{
    return riscv__pmp_read_cfg(&hart->pmp, csr - CSR_PMPCFG0);
}

uint64_t riscv__csr_pmpaddr(struct xbar_riscv_hart *hart, unsigned csr)
{
    return riscv__pmp_read_addr(&hart->pmp, csr - CSR_PMPADDR0);
}

/* After a change of rules nothing is left that the old ones allowed: entries
 * of every context, and the page-table fetches behind them. */
void riscv__csr_set_pmpcfg(struct xbar_riscv_hart *hart, unsigned csr,
                           uint64_t value)
{
    if (riscv__pmp_write_cfg(&hart->pmp, csr - CSR_PMPCFG0, value)) {
        riscv__flush_tlb(hart);
    }
}

void riscv__csr_set_pmpaddr(struct xbar_riscv_hart *hart, unsigned csr,
                            uint64_t value)
{
    if (riscv__pmp_write_addr(&hart->pmp, csr - CSR_PMPADDR0, value)) {
        riscv__flush_tlb(hart);
    }
}

/* ---- Counters ---------------------------------------------------------- */

static bool is_inhibited(const struct xbar_riscv_hart *hart, unsigned counter)
{
    return hart->mcountinhibit & counter;
}

/* Instructions retired by the time a write takes effect: after the writing
 * instruction itself. */
static uint64_t retired_then(const struct xbar_riscv_hart *hart)
{
    return hart->stats.instructions + hart->retiring;
}

uint64_t riscv__csr_cycle(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->cycle_offset +
           (is_inhibited(hart, COUNT_CYCLE) ? 0 : hart->stats.instructions);
}

uint64_t riscv__csr_instret(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return hart->instret_offset +
           (is_inhibited(hart, COUNT_INSTRET) ? 0 : hart->stats.instructions);
}

uint64_t riscv__csr_time(struct xbar_riscv_hart *hart, unsigned csr)
{
    (void)csr;
    return riscv__time(hart);
}

void riscv__csr_set_mcycle(struct xbar_riscv_hart *hart, unsigned csr,
                           uint64_t value)
{
    (void)csr;
    hart->cycle_offset =
        value - (is_inhibited(hart, COUNT_CYCLE) ? 0 : retired_then(hart));
}

void riscv__csr_set_minstret(struct xbar_riscv_hart *hart, unsigned csr,
                             uint64_t value)
{
    (void)csr;
    hart->instret_offset =
        value - (is_inhibited(hart, COUNT_INSTRET) ? 0 : retired_then(hart));
}

/* A counter that stops keeps its value, one that starts goes on from it. */
static uint64_t convert_offset(const struct xbar_riscv_hart *hart,
                               uint64_t offset, unsigned counter, uint64_t now)
{
    bool stops = now & counter;

    if (stops == is_inhibited(hart, counter)) {
        return offset;
    }
    return stops ? offset + retired_then(hart) : offset - retired_then(hart);
}

void riscv__csr_set_mcountinhibit(struct xbar_riscv_hart *hart, unsigned csr,
                                  uint64_t value)
{
    (void)csr;
    value &= COUNT_CYCLE | COUNT_INSTRET;
    hart->cycle_offset =
        convert_offset(hart, hart->cycle_offset, COUNT_CYCLE, value);
    hart->instret_offset =
        convert_offset(hart, hart->instret_offset, COUNT_INSTRET, value);
    hart->mcountinhibit = value;
}
