/* SPDX-License-Identifier: MIT */
/*
 * CSR instructions, environment calls, returns from traps, fences; and atomics.
 *
 *   CSR that is a plain word     a load, and a store if it is written
 *   wfi                          left to the run loop, which knows how to wait
 *   everything else              ends the block: C does the instruction, and
 *                                emitted code goes on wherever pc is then, in
 *                                whatever mode (helpers.resume)
 *
 * Whether a CSR may be touched is decided here once, because the privilege is
 * part of a block's key. In lockstep C must not do what the interpreter is to
 * repeat, so all but the plain words are left to it.
 */
#include "jit/riscv/translate/translate.h"

/* What a CSR instruction does with its field. */
struct csr_access {
    enum jit_field_op op;
    struct jit_operand value;
};

static struct csr_access access_of(const struct riscv_insn *insn)
{
    struct csr_access access = { JIT_FIELD_READ,
                                 { .is_imm = false, .reg = insn->rs1 } };

    switch (insn->op) {
    case RISCV_OP_CSRRWI:
    case RISCV_OP_CSRRSI:
    case RISCV_OP_CSRRCI:
        access.value = (struct jit_operand){ .is_imm = true, .imm = insn->rs1 };
        break;
    default:
        break;
    }
    switch (insn->op) {
    case RISCV_OP_CSRRW:
    case RISCV_OP_CSRRWI:
        access.op = JIT_FIELD_WRITE;
        break;
    case RISCV_OP_CSRRS:
    case RISCV_OP_CSRRSI:
        access.op = insn->rs1 != 0 ? JIT_FIELD_SET : JIT_FIELD_READ;
        break;
    default:
        access.op = insn->rs1 != 0 ? JIT_FIELD_CLEAR : JIT_FIELD_READ;
        break;
    }
    return access;
}

static bool is_plain(const struct riscv_translation *t,
                     const struct riscv_insn *insn, struct jit_field *field)
{
    return riscv__ops[insn->op].class == RISCV_CLASS_CSR &&
           riscv__csr_is_plain((unsigned)insn->imm, t->hart->priv,
                               access_of(insn).op != JIT_FIELD_READ, field);
}

bool riscv__system_needs_step(const struct riscv_translation *t,
                              const struct riscv_insn *insn)
{
    struct jit_field field;

    if (insn->op == RISCV_OP_WFI) {
        return true;
    }
    return t->hart->lockstep != NULL && !is_plain(t, insn, &field);
}

bool riscv__translate_system(struct riscv_translation *t,
                             const struct riscv_insn *insn)
{
    struct csr_access access;
    struct jit_field field;

    if (!is_plain(t, insn, &field)) {
        jit_host__resume(&t->e, insn->bits);
        return true;
    }
    access = access_of(insn);
    jit_host__field(&t->e, access.op, &field, insn->rd, access.value);
    return false;
}

/* ---- Atomics ----------------------------------------------------------- */

#define AMO(op, jit) \
    [RISCV_OP_##op##_W] = JIT_AMO_##jit, [RISCV_OP_##op##_D] = JIT_AMO_##jit

static const uint8_t amo_ops[RISCV_OP_COUNT] = {
    AMO(AMOSWAP, SWAP), AMO(AMOADD, ADD),   AMO(AMOXOR, XOR),
    AMO(AMOAND, AND),   AMO(AMOOR, OR),     AMO(AMOMIN, MIN),
    AMO(AMOMAX, MAX),   AMO(AMOMINU, MINU), AMO(AMOMAXU, MAXU),
};

static const struct jit_reservation reservation = {
    .valid = offsetof(struct xbar_riscv_hart, reservation.valid),
    .size_log2 = offsetof(struct xbar_riscv_hart, reservation.size_log2),
    .va = offsetof(struct xbar_riscv_hart, reservation.va),
    .value = offsetof(struct xbar_riscv_hart, reservation.value),
};

void riscv__translate_amo(struct riscv_translation *t,
                          const struct riscv_insn *insn)
{
    unsigned size_log2 = riscv__access_log2(insn);

    switch (insn->op) {
    case RISCV_OP_LR_W:
    case RISCV_OP_LR_D:
        jit_host__load_reserved(&t->e, size_log2, insn->rd, insn->rs1,
                                &reservation);
        break;
    case RISCV_OP_SC_W:
    case RISCV_OP_SC_D:
        jit_host__store_conditional(&t->e, size_log2, insn->rd, insn->rs1,
                                    insn->rs2, &reservation);
        break;
    default:
        jit_host__amo(&t->e, (enum jit_amo)amo_ops[insn->op], size_log2,
                      insn->rd, insn->rs1, insn->rs2);
        break;
    }
}
