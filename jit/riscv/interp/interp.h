/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's inside: one function per action of insn.inc.
 *
 *   interp.c          fetch, decode, dispatch: the loop
 *   alu.c      integer arithmetic, branches and jumps
 *   bits.c     the same of Zba, Zbb, Zbs and Zicond
 *   mem.c      loads and stores, floating point ones as well
 *   amo.c      lr, sc and the atomic operations
 *   cbo.c      cache blocks
 *   fp.c       floating point: operands and flags around fp/fp.h
 *   system.c   CSRs, fences, traps on purpose
 */
#ifndef XBAR_JIT_RISCV_INTERP_INTERP_H
#define XBAR_JIT_RISCV_INTERP_INTERP_H

#include "jit/riscv/decode.h"
#include "jit/riscv/hart_internal.h"

/*
 * Executes @insn, which lies at hart->pc. After EXEC_TRAP nothing but the
 * trap's own state has changed.
 */
typedef enum riscv_exec riscv_exec_fn(struct xbar_riscv_hart *hart,
                                      const struct riscv_insn *insn);

/* riscv__exec_add and so on, once for each row: repeating is harmless. */
#define INSN(op, text, match, mask, format, action, ...) \
    riscv_exec_fn riscv__exec_##action;
#include "jit/riscv/insn.inc"

/* ---- Operands and results ---------------------------------------------- */

static inline uint64_t riscv__rs1(const struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return hart->x[insn->rs1];
}

static inline uint64_t riscv__rs2(const struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return hart->x[insn->rs2];
}

static inline uint64_t riscv__imm(const struct riscv_insn *insn)
{
    return (uint64_t)insn->imm;
}

/* Writes rd; clearing x0 afterwards is cheaper than asking for it. */
static inline enum riscv_exec riscv__put(struct xbar_riscv_hart *hart,
                                         const struct riscv_insn *insn,
                                         uint64_t value)
{
    hart->x[insn->rd] = value;
    hart->x[0] = 0;
    return EXEC_NEXT;
}

/* Word operations leave their 32 bits sign-extended. */
static inline uint64_t riscv__sext32(uint64_t value)
{
    return (uint64_t)(int64_t)(int32_t)(uint32_t)value;
}

/* An operation on two operands, as insn.inc names it: a is x[rs1], and b is
 * x[rs2] + imm, for the decoder leaves one of these 0. */
#define RISCV_ALU(name, value)                                        \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        const uint64_t a = riscv__rs1(hart, insn);                    \
        const uint64_t b = riscv__rs2(hart, insn) + riscv__imm(insn); \
                                                                      \
        (void)b;                                                      \
        return riscv__put(hart, insn, value);                         \
    }

/* ---- Exceptions -------------------------------------------------------- */

static inline enum riscv_exec riscv__illegal(struct xbar_riscv_hart *hart,
                                             const struct riscv_insn *insn)
{
    riscv__raise(hart, CAUSE_ILLEGAL, insn->bits);
    return EXEC_TRAP;
}

/**
 * riscv__memory_fault() - raise what tlb->fault tells (mem.c)
 * @access_fault: the cause where no page walk failed: the bus refused
 */
enum riscv_exec riscv__memory_fault(struct xbar_riscv_hart *hart,
                                    unsigned access_fault) XBAR_COLD;

#endif
