/* SPDX-License-Identifier: MIT */
/* Atomics: on RAM that the entry knows, at host addresses that are aligned. */
#include "jit/x86_64/x86_64_internal.h"

void jit_host__fence(struct jit_emit *e)
{
    /* A locked operation orders stores before loads, for an eighth of what
     * mfence costs. */
    x86_mi(e->b, X86_LOCK_OR_MI8, 4, x86_mem(RSP, -8), 0);
}

/*
 * rax = host address of the 1 << size_log2 bytes at regs[rs1], with @access
 * allowed, both addresses aligned: the embedder's RAM may begin anywhere.
 * Anything else leaves the block before this instruction.
 */
static bool atomic_address(struct jit_emit *e, enum xbar_tlb_access access,
                           unsigned size_log2, unsigned rs1)
{
    struct jit_cold *cold = x86__cold(e, COLD_STEP);

    if (cold == NULL) {
        return false;
    }
    x86__address(e, rs1, 0);
    cold->jump_at =
        x86__probe(e, e->data_context, access, 1u << size_log2, RAX);
    /* Aligned for the guest, and where the host has it. */
    x86_rr(e->b, X86_MOV_MR, 4, RCX, RDX);
    x86_rr(e->b, X86_OR_MR, 4, RCX, RAX);
    x86_mi(e->b, X86_TEST_MI, 4, x86_r(RCX), (1 << size_log2) - 1);
    cold->jump2_at = x86_jcc(e->b, CC_NE, NULL);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RDX);
    return true;
}

/* rax = the low bytes of @reg, sign-extended. */
static void extend_to_rax(struct jit_emit *e, unsigned size_log2, unsigned reg)
{
    if (size_log2 == 2) {
        x86_rm(e->b, X86_MOVSXD, 8, RAX, x86_r(reg));
    } else if (reg != RAX) {
        x86_rr(e->b, X86_MOV_MR, 8, RAX, reg);
    }
}

/* rdx = new value, from the old in rax and the operand in rcx. */
static void combine(struct jit_emit *e, enum jit_amo op, unsigned width)
{
    static const uint8_t plain[] = { [JIT_AMO_XOR] = X86_XOR_MR,
                                     [JIT_AMO_AND] = X86_AND_MR,
                                     [JIT_AMO_OR] = X86_OR_MR };
    static const uint8_t keep_operand[] = {
        /* the operand is taken where it compares so with the old value */
        [JIT_AMO_MIN] = CC_L,
        [JIT_AMO_MAX] = CC_G,
        [JIT_AMO_MINU] = CC_B,
        [JIT_AMO_MAXU] = CC_A,
    };

    x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
    if (op < JIT_AMO_MIN) {
        x86_rr(e->b, (enum x86_op)plain[op], width, RDX, RCX);
        return;
    }
    x86_rr(e->b, X86_CMP_MR, width, RCX, RAX);
    x86__emit(
        e->b, X86_CMOVCC,
        &(struct x86_operands){ .width = width,
                                .reg = RDX,
                                .rm = x86_r(RCX),
                                .cc = (enum x86_condition)keep_operand[op] });
}

/*
 * The general form: compare-and-swap until nobody was faster. It needs four
 * registers beside rs2: the address is kept in a home that is saved on the
 * stack meanwhile.
 */
static void amo_loop(struct jit_emit *e, enum jit_amo op, unsigned size_log2)
{
    unsigned width = 1u << size_log2;
    uint32_t again;
    const uint8_t *loop;

    x86__emit(e->b, X86_PUSH, &(struct x86_operands){ .width = 8, .reg = RBX });
    x86_rr(e->b, X86_MOV_MR, 8, RBX, RAX);
    x86_rm(e->b, X86_MOV_RM, width, RAX, x86_mem(RBX, 0));
    loop = e->b->cur;
    combine(e, op, width);
    x86_mr(e->b, X86_CMPXCHG_MR, width, x86_mem(RBX, 0), RDX);
    again = x86_jcc(e->b, CC_NE, NULL);
    x86_patch(e->b, again, loop);
    x86__emit(e->b, X86_POP, &(struct x86_operands){ .width = 8, .reg = RBX });
}

void jit_host__amo(struct jit_emit *e, enum jit_amo op, unsigned size_log2,
                   unsigned rd, unsigned rs1, unsigned rs2)
{
    unsigned width = 1u << size_log2;

    if (!atomic_address(e, TLB_WRITE, size_log2, rs1)) {
        return;
    }
    x86__count_at(e, TLB_READ, RAX);
    x86__count_at(e, TLB_WRITE, RAX);
    x86__get(e, RCX, rs2);
    switch (op) {
    case JIT_AMO_SWAP:
        x86_mr(e->b, X86_XCHG_MR, width, x86_mem(RAX, 0), RCX);
        extend_to_rax(e, size_log2, RCX);
        break;
    case JIT_AMO_ADD:
        x86_mr(e->b, X86_XADD_MR, width, x86_mem(RAX, 0), RCX);
        extend_to_rax(e, size_log2, RCX);
        break;
    default:
        amo_loop(e, op, size_log2);
        extend_to_rax(e, size_log2, RAX);
        break;
    }
    x86__put(e, rd, RAX);
}

/* ---- Reservations ------------------------------------------------------ */

void jit_host__load_reserved(struct jit_emit *e, unsigned size_log2,
                             unsigned rd, unsigned rs1,
                             const struct jit_reservation *r)
{
    const struct jit_stubs *stubs = e->stubs;

    if (!atomic_address(e, TLB_READ, size_log2, rs1)) {
        return;
    }
    x86__count_at(e, TLB_READ, RAX);
    x86_rm(e->b, size_log2 == 2 ? X86_MOVSXD : X86_MOV_RM, 8, RDX,
           x86_mem(RAX, 0));
    x86_mr(e->b, X86_MOV_MR, 8, x86__field(stubs, r->value), RDX);
    x86__get(e, RCX, rs1);
    x86_mr(e->b, X86_MOV_MR, 8, x86__field(stubs, r->va), RCX);
    x86_load_imm(e->b, RCX, size_log2);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->size_log2), RCX);
    x86_load_imm(e->b, RCX, 1);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->valid), RCX);
    x86__put(e, rd, RDX);
}

/*
 * The reservation holds if it is valid, of this size and this address; then
 * the store happens if memory still has the value that was reserved.
 */
void jit_host__store_conditional(struct jit_emit *e, unsigned size_log2,
                                 unsigned rd, unsigned rs1, unsigned rs2,
                                 const struct jit_reservation *r)
{
    const struct jit_stubs *stubs = e->stubs;
    unsigned width = 1u << size_log2;
    uint32_t fail[4], done;

    if (!atomic_address(e, TLB_WRITE, size_log2, rs1)) {
        return;
    }
    x86__count_at(e, TLB_WRITE, RAX);
    x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
    x86_rm(e->b, X86_MOVZX8, 4, RAX, x86__field(stubs, r->valid));
    x86_rr(e->b, X86_XOR_MR, 4, RCX, RCX);
    x86_mr(e->b, X86_MOV8_MR, 1, x86__field(stubs, r->valid), RCX);
    x86_rr(e->b, X86_TEST_MR, 4, RAX, RAX);
    fail[0] = x86_jcc(e->b, CC_E, NULL);
    x86_rm(e->b, X86_MOVZX8, 4, RAX, x86__field(stubs, r->size_log2));
    x86_alu_imm(e->b, X86_ALU_CMP, 4, x86_r(RAX), (int32_t)size_log2);
    fail[1] = x86_jcc(e->b, CC_NE, NULL);
    x86__get(e, RAX, rs1);
    x86_rm(e->b, X86_CMP_RM, 8, RAX, x86__field(stubs, r->va));
    fail[2] = x86_jcc(e->b, CC_NE, NULL);
    x86_rm(e->b, X86_MOV_RM, 8, RAX, x86__field(stubs, r->value));
    x86__get(e, RCX, rs2);
    x86_mr(e->b, X86_CMPXCHG_MR, width, x86_mem(RDX, 0), RCX);
    fail[3] = x86_jcc(e->b, CC_NE, NULL);
    x86_load_imm(e->b, RAX, 0);
    done = x86_jmp(e->b, NULL);
    for (unsigned i = 0; i < 4; i++) {
        x86_patch_here(e->b, fail[i]);
    }
    x86_load_imm(e->b, RAX, 1);
    x86_patch_here(e->b, done);
    x86__put(e, rd, RAX);
}
