/* SPDX-License-Identifier: MIT */
/*
 * Traps: exceptions and interrupts in, mret and sret out.
 *
 *            exception at pc            interrupt between instructions
 *                  |                                 |
 *          medeleg, mode <= S ?           mideleg, enables, priority
 *                  |                                 |
 *         M: mepc mcause mtval mstatus.MIE->MPIE, mode->MPP, pc = mtvec
 *         S: sepc scause stval mstatus.SIE->SPIE, mode->SPP, pc = stvec
 *
 * Changing the mode flushes nothing: each mode has TLB contexts of its own,
 * and riscv__update_contexts() selects among them.
 */
#include "jit/riscv/observe.h"

/* Traps after which a slice ends even if hardly anything retires. */
#define TRAPS_PER_SLICE 1024

static bool has_status(const struct xbar_riscv_hart *hart, uint64_t bit)
{
    return hart->mstatus & bit;
}

static unsigned previous_mode(const struct xbar_riscv_hart *hart)
{
    return (hart->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;
}

/* ---- Contexts ---------------------------------------------------------- */

/* The context of data accesses of mode @priv. */
static uint8_t context_of(const struct xbar_riscv_hart *hart, unsigned priv)
{
    bool mxr = has_status(hart, MSTATUS_MXR);

    switch (priv) {
    case PRIV_M:
        return CTX_M;
    case PRIV_U:
        return mxr ? CTX_U_MXR : CTX_U;
    default:
        return CTX_S + has_status(hart, MSTATUS_SUM) + 2 * mxr;
    }
}

void riscv__update_contexts(struct xbar_riscv_hart *hart)
{
    static const uint8_t fetch[] = { CTX_FETCH_U, CTX_FETCH_S, CTX_FETCH_S,
                                     CTX_FETCH_M };
    unsigned data_priv = hart->priv;

    if (hart->priv == PRIV_M && has_status(hart, MSTATUS_MPRV)) {
        data_priv = previous_mode(hart);
    }
    hart->fetch_context = fetch[hart->priv];
    hart->data_context = context_of(hart, data_priv);
}

/* ---- Entering ---------------------------------------------------------- */

static uint64_t vector_of(uint64_t tvec, uint64_t cause)
{
    uint64_t base = tvec & ~(uint64_t)3;

    if ((tvec & 1) && (cause & CAUSE_IRQ)) {
        base += 4 * (cause & ~CAUSE_IRQ);
    }
    return base;
}

/* Copy bit @from of mstatus to bit @to, and clear @from. */
static void stack_enable(struct xbar_riscv_hart *hart, uint64_t from,
                         uint64_t to)
{
    hart->mstatus &= ~to;
    if (hart->mstatus & from) {
        hart->mstatus |= to;
    }
    hart->mstatus &= ~from;
}

static void enter_machine(struct xbar_riscv_hart *hart, uint64_t cause,
                          uint64_t tval)
{
    hart->mepc = hart->pc;
    hart->mcause = cause;
    hart->mtval = tval;
    stack_enable(hart, MSTATUS_MIE, MSTATUS_MPIE);
    hart->mstatus &= ~MSTATUS_MPP;
    hart->mstatus |= (uint64_t)hart->priv << MSTATUS_MPP_SHIFT;
    hart->priv = PRIV_M;
    hart->pc = vector_of(hart->mtvec, cause);
}

static void enter_supervisor(struct xbar_riscv_hart *hart, uint64_t cause,
                             uint64_t tval)
{
    hart->sepc = hart->pc;
    hart->scause = cause;
    hart->stval = tval;
    stack_enable(hart, MSTATUS_SIE, MSTATUS_SPIE);
    hart->mstatus &= ~MSTATUS_SPP;
    if (hart->priv == PRIV_S) {
        hart->mstatus |= MSTATUS_SPP;
    }
    hart->priv = PRIV_S;
    hart->pc = vector_of(hart->stvec, cause);
}

static void tell_trap(struct xbar_riscv_hart *hart, uint64_t pc, uint8_t from,
                      uint64_t cause, uint64_t tval)
{
    const struct xbar_trap_event event = {
        .pc = pc,
        .cause = cause & ~CAUSE_IRQ,
        .value = tval,
        .handler = hart->pc,
        .is_interrupt = (cause & CAUSE_IRQ) != 0,
        .from = from,
        .to = (uint8_t)hart->priv,
    };

    riscv__observe_trap(hart, &event);
}

static void enter_trap(struct xbar_riscv_hart *hart, bool supervisor,
                       uint64_t cause, uint64_t tval)
{
    uint64_t pc = hart->pc;
    uint8_t from = (uint8_t)hart->priv;

    if (supervisor) {
        enter_supervisor(hart, cause, tval);
    } else {
        enter_machine(hart, cause, tval);
    }
    hart->reservation.valid = false;
    riscv__update_contexts(hart);
    /*
     * A guest that does nothing but fault retires nothing, and would never
     * use up a budget: end the slice, so that time and grace periods pass.
     */
    if (++hart->slice_traps >= TRAPS_PER_SLICE) {
        riscv__attend(hart, ATTN_SLICE);
    }
    if (unlikely(hart->observer != NULL)) {
        tell_trap(hart, pc, from, cause, tval);
    }
}

void riscv__raise(struct xbar_riscv_hart *hart, unsigned cause, uint64_t tval)
{
    bool delegated = hart->priv != PRIV_M && (hart->medeleg >> cause & 1);

    xbar_assert(cause < 32);
    hart->stats.exceptions++;
    hart->stats.traps[cause]++;
    enter_trap(hart, delegated, cause, tval);
}

/* ---- Interrupts -------------------------------------------------------- */

uint64_t riscv__mip(struct xbar_riscv_hart *hart)
{
    uint64_t lines =
        atomic_load_explicit(&hart->irq_lines, memory_order_acquire);

    uint64_t soft = hart->mip_soft;

    if (hart->menvcfg & ENVCFG_STCE) {
        soft &= ~MIP_STIP; /* stimecmp drives it */
    }
    return lines | soft | riscv__timer_lines(hart);
}

/* What may be taken now, all for one mode; those for M go first. */
static uint64_t takeable(struct xbar_riscv_hart *hart)
{
    uint64_t pending, machine, supervisor;

    if (!hart->mie) {
        return 0; /* do not even look at the clock */
    }
    pending = riscv__mip(hart) & hart->mie;
    machine = pending & ~hart->mideleg;
    supervisor = pending & hart->mideleg;
    if (machine && (hart->priv != PRIV_M || has_status(hart, MSTATUS_MIE))) {
        return machine;
    }
    if (hart->priv == PRIV_U ||
        (hart->priv == PRIV_S && has_status(hart, MSTATUS_SIE))) {
        return supervisor;
    }
    return 0;
}

void riscv__poll_interrupts(struct xbar_riscv_hart *hart)
{
    if (takeable(hart)) {
        riscv__attend(hart, ATTN_IRQ);
    }
}

static unsigned highest_priority(uint64_t pending)
{
    static const uint8_t order[] = {
        XBAR_RISCV_IRQ_M_EXT, XBAR_RISCV_IRQ_M_SOFT, XBAR_RISCV_IRQ_M_TIMER,
        XBAR_RISCV_IRQ_S_EXT, XBAR_RISCV_IRQ_S_SOFT, XBAR_RISCV_IRQ_S_TIMER,
    };
    unsigned i = 0;

    while (!(pending >> order[i] & 1)) {
        i++;
    }
    return order[i];
}

bool riscv__take_interrupt(struct xbar_riscv_hart *hart)
{
    uint64_t pending = takeable(hart);
    unsigned irq;

    if (!pending) {
        return false;
    }
    irq = highest_priority(pending);
    hart->waiting = false;
    hart->stats.interrupts++;
    hart->stats.traps[32 + irq]++;
    enter_trap(hart, hart->mideleg >> irq & 1, CAUSE_IRQ | irq, 0);
    return true;
}

/* ---- Leaving ----------------------------------------------------------- */

/* The end both returns share: @priv and pc are the interrupted ones. */
static void return_to(struct xbar_riscv_hart *hart, unsigned priv, uint64_t pc)
{
    if (priv != PRIV_M) {
        hart->mstatus &= ~MSTATUS_MPRV;
    }
    hart->priv = priv;
    hart->pc = pc;
    hart->reservation.valid = false;
    riscv__update_contexts(hart);
    riscv__poll_interrupts(hart);
}

bool riscv__mret(struct xbar_riscv_hart *hart)
{
    unsigned priv = previous_mode(hart);

    if (hart->priv != PRIV_M) {
        return false;
    }
    stack_enable(hart, MSTATUS_MPIE, MSTATUS_MIE);
    hart->mstatus |= MSTATUS_MPIE;
    hart->mstatus &= ~MSTATUS_MPP; /* to the least mode there is */
    return_to(hart, priv, hart->mepc);
    return true;
}

bool riscv__sret(struct xbar_riscv_hart *hart)
{
    unsigned priv = has_status(hart, MSTATUS_SPP) ? PRIV_S : PRIV_U;

    if (hart->priv == PRIV_U ||
        (hart->priv == PRIV_S && has_status(hart, MSTATUS_TSR))) {
        return false;
    }
    stack_enable(hart, MSTATUS_SPIE, MSTATUS_SIE);
    hart->mstatus |= MSTATUS_SPIE;
    hart->mstatus &= ~MSTATUS_SPP;
    return_to(hart, priv, hart->sepc);
    return true;
}

bool riscv__wfi_allowed(const struct xbar_riscv_hart *hart)
{
    return hart->priv == PRIV_M ||
           (hart->priv == PRIV_S && !has_status(hart, MSTATUS_TW));
}
