/* SPDX-License-Identifier: MIT */
/*
 * CSR instructions, fences, and what enters or leaves another mode.
 *
 * Here is where fetching may start to work in another way, so most of this
 * ends with EXEC_SYNC: the loop forgets its page.
 */
#include "jit/riscv/interp/interp.h"

/* Retired, and what is fetched next has to be looked up anew. */
static enum riscv_exec sync_after(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    hart->pc += insn->length;
    return EXEC_SYNC;
}

enum riscv_exec riscv__exec_illegal(struct xbar_riscv_hart *hart,
                                    const struct riscv_insn *insn)
{
    return riscv__illegal(hart, insn);
}

/* ---- CSRs -------------------------------------------------------------- */

/* With rd = x0 the old value is not read, nor has reading side effects. */
static enum riscv_exec csr_write(struct xbar_riscv_hart *hart,
                                 const struct riscv_insn *insn, uint64_t value)
{
    unsigned csr = (unsigned)insn->imm;
    uint64_t old = 0;

    if ((insn->rd != 0 && !riscv__csr_read(hart, csr, &old)) ||
        !riscv__csr_write(hart, csr, value)) {
        return riscv__illegal(hart, insn);
    }
    riscv__put(hart, insn, old);
    return sync_after(hart, insn);
}

/* Whether a csrrs or csrrc writes is in its encoding (rs1 = x0, or a zero
 * immediate), not in its operand's value. */
static enum riscv_exec csr_modify(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn, uint64_t clear,
                                  uint64_t set)
{
    unsigned csr = (unsigned)insn->imm;
    uint64_t old;
    bool done = insn->rs1 == 0 ? riscv__csr_read(hart, csr, &old)
                               : riscv__csr_modify(hart, csr, clear, set, &old);

    if (!done) {
        return riscv__illegal(hart, insn);
    }
    riscv__put(hart, insn, old);
    return sync_after(hart, insn);
}

enum riscv_exec riscv__exec_csrrw(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return csr_write(hart, insn, riscv__rs1(hart, insn));
}

enum riscv_exec riscv__exec_csrrs(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return csr_modify(hart, insn, 0, riscv__rs1(hart, insn));
}

enum riscv_exec riscv__exec_csrrc(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return csr_modify(hart, insn, riscv__rs1(hart, insn), 0);
}

enum riscv_exec riscv__exec_csrrwi(struct xbar_riscv_hart *hart,
                                   const struct riscv_insn *insn)
{
    return csr_write(hart, insn, insn->rs1);
}

enum riscv_exec riscv__exec_csrrsi(struct xbar_riscv_hart *hart,
                                   const struct riscv_insn *insn)
{
    return csr_modify(hart, insn, 0, insn->rs1);
}

enum riscv_exec riscv__exec_csrrci(struct xbar_riscv_hart *hart,
                                   const struct riscv_insn *insn)
{
    return csr_modify(hart, insn, insn->rs1, 0);
}

/* ---- Fences ------------------------------------------------------------ */

enum riscv_exec riscv__exec_fence(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    (void)hart;
    (void)insn;
    atomic_thread_fence(memory_order_seq_cst);
    return EXEC_NEXT;
}

/* Every fetch reads memory and the decoder's cache goes by the bits, so
 * there is nothing stale. */
enum riscv_exec riscv__exec_fence_i(struct xbar_riscv_hart *hart,
                                    const struct riscv_insn *insn)
{
    hart->stats.fence_i++;
    return sync_after(hart, insn);
}

enum riscv_exec riscv__exec_sfence_vma(struct xbar_riscv_hart *hart,
                                       const struct riscv_insn *insn)
{
    if (!riscv__sfence_vma(hart, insn->rs1, insn->rs2)) {
        return riscv__illegal(hart, insn);
    }
    return sync_after(hart, insn);
}

/* sfence.w.inval and sfence.inval.ir order sinval.vma, which is in order here
 * as it is. */
enum riscv_exec riscv__exec_sfence_inval(struct xbar_riscv_hart *hart,
                                         const struct riscv_insn *insn)
{
    if (hart->priv == PRIV_U) {
        return riscv__illegal(hart, insn);
    }
    return sync_after(hart, insn);
}

/* ---- Modes ------------------------------------------------------------- */

enum riscv_exec riscv__exec_ecall(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    (void)insn;
    riscv__raise(hart, CAUSE_ECALL_U + hart->priv, 0);
    return EXEC_TRAP;
}

enum riscv_exec riscv__exec_ebreak(struct xbar_riscv_hart *hart,
                                   const struct riscv_insn *insn)
{
    (void)insn;
    riscv__raise(hart, CAUSE_BREAKPOINT, hart->pc);
    return EXEC_TRAP;
}

enum riscv_exec riscv__exec_mret(struct xbar_riscv_hart *hart,
                                 const struct riscv_insn *insn)
{
    return riscv__mret(hart) ? EXEC_SYNC : riscv__illegal(hart, insn);
}

enum riscv_exec riscv__exec_sret(struct xbar_riscv_hart *hart,
                                 const struct riscv_insn *insn)
{
    return riscv__sret(hart) ? EXEC_SYNC : riscv__illegal(hart, insn);
}

enum riscv_exec riscv__exec_wfi(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    if (!riscv__wfi_allowed(hart)) {
        return riscv__illegal(hart, insn);
    }
    hart->pc += insn->length;
    return EXEC_WFI;
}
