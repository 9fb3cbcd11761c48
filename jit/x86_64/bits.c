/* SPDX-License-Identifier: MIT */
/*
 * Bit manipulation: by one instruction where the host has it, else by a few.
 *
 * rax, rcx and rdx are free, as in alu.c. Wired zero has no home:
 * as an operand in memory it is the guest's field, which holds 0.
 */
#include "jit/x86_64/x86_64_internal.h"

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* ---- Logic, minimum, rotation ------------------------------------------ */

/* rs1 op ~rs2 */
static void emit_inverted(struct jit_emit *e, enum jit_alu op, unsigned rd,
                          unsigned rs1, unsigned rs2)
{
    static const uint8_t ops[] = { [JIT_ANDN - JIT_ANDN] = X86_AND_RM,
                                   [JIT_ORN - JIT_ANDN] = X86_OR_RM,
                                   [JIT_XNOR - JIT_ANDN] = X86_XOR_RM };

    if (op == JIT_ANDN && x86__has(e, X86_HAS_BMI1)) {
        unsigned d = x86__target(e, rd, RAX);
        unsigned s = x86__read(e, rs2, RCX);

        x86_rvm(e->b, X86_ANDN, 8, d, s, x86__guest(e, rs1));
        x86__put(e, rd, d);
        return;
    }
    x86__get(e, RCX, rs2);
    x86_m(e->b, X86_NOT_M, 8, x86_r(RCX));
    x86_rm(e->b, (enum x86_op)ops[op - JIT_ANDN], 8, RCX, x86__guest(e, rs1));
    x86__put(e, rd, RCX);
}

static void emit_cmov(struct jit_emit *e, enum x86_condition cc, unsigned d,
                      unsigned s)
{
    x86__emit(e->b, X86_CMOVCC,
              &(struct x86_operands){
                  .width = 8, .reg = d, .rm = x86_r(s), .cc = cc });
}

/* rs1, or rs2 if rs1 compares with it as @cc says. */
static void emit_select(struct jit_emit *e, enum x86_condition cc, unsigned rd,
                        unsigned rs1, struct jit_operand b)
{
    unsigned d = x86__result(e, rd, rs1, b);
    unsigned s = x86__read(e, b.reg, RCX);

    x86__get(e, d, rs1);
    x86_rr(e->b, X86_CMP_MR, 8, d, s);
    emit_cmov(e, cc, d, s);
    x86__put(e, rd, d);
}

/* Is rs1 anywhere but where rd is computed? */
static bool is_elsewhere(const struct jit_emit *e, unsigned rd, unsigned rs1)
{
    return !x86__is_zero(e, rs1) && x86__target(e, rd, RAX) != e->home[rs1];
}

/* Without a copy first. */
static void rotate_into(struct jit_emit *e, const struct x86_shift *shift,
                        unsigned rd, unsigned rs1, unsigned by)
{
    unsigned d = x86__target(e, rd, RAX), bits = 8u * shift->width;
    bool left = shift->by_imm == X86_ROL_MI8;

    x86__emit(e->b, X86_RORX,
              &(struct x86_operands){ .width = shift->width,
                                      .reg = (uint8_t)d,
                                      .rm = x86__guest(e, rs1),
                                      .imm = (left ? bits - by : by) % bits });
    if (shift->width == 4 && !e->narrow) {
        x86_rm(e->b, X86_MOVSXD, 8, d, x86_r(d));
    }
    x86__put(e, rd, d);
}

static void emit_rotate(struct jit_emit *e, enum jit_alu op, unsigned rd,
                        unsigned rs1, struct jit_operand b)
{
    static const struct x86_shift shifts[] = {
        [JIT_ROL - JIT_ROL] = { X86_ROL_MI8, X86_ROL_MC, 0, 8 },
        [JIT_ROR - JIT_ROL] = { X86_ROR_MI8, X86_ROR_MC, 0, 8 },
        [JIT_ROLW - JIT_ROL] = { X86_ROL_MI8, X86_ROL_MC, 0, 4 },
        [JIT_RORW - JIT_ROL] = { X86_ROR_MI8, X86_ROR_MC, 0, 4 },
    };

    if (b.is_imm && is_elsewhere(e, rd, rs1) && x86__has(e, X86_HAS_BMI2)) {
        rotate_into(e, &shifts[op - JIT_ROL], rd, rs1, (unsigned)b.imm);
        return;
    }
    x86__shift(e, &shifts[op - JIT_ROL], rd, rs1, b);
}

/* rd = 0 if rs2 compares with 0 as @cc says, else rs1. Moves and loads leave
 * the flags alone, so rd may be any of them. */
static void emit_zero_if(struct jit_emit *e, enum x86_condition cc, unsigned rd,
                         unsigned rs1, unsigned rs2)
{
    unsigned d = x86__target(e, rd, RAX);
    unsigned s;

    if (x86__is_zero(e, rs1)) {
        jit_host__set(e, rd, 0);
        return;
    }
    x86_rr(e->b, X86_XOR_MR, 4, RCX, RCX);
    s = x86__read(e, rs2, RDX);
    x86_rr(e->b, X86_TEST_MR, 8, s, s);
    x86__get(e, d, rs1);
    emit_cmov(e, cc, d, RCX);
    x86__put(e, rd, d);
}

/* ---- Addresses --------------------------------------------------------- */

/* The low 32 bits of @reg, zero-extended. */
static void get_word(struct jit_emit *e, unsigned dst, unsigned reg)
{
    x86_rm(e->b, X86_MOV_RM, 4, dst, x86__guest(e, reg));
}

/* (rs1 << log2) + rs2; word: of rs1's low half. */
static void emit_shift_add(struct jit_emit *e, unsigned log2, bool word,
                           unsigned rd, unsigned rs1, unsigned rs2)
{
    unsigned d = x86__target(e, rd, RAX);
    unsigned s;

    if (word && log2 == 0 && x86__is_zero(e, rs2)) {
        get_word(e, d, rs1);
        x86__put(e, rd, d);
        return;
    }
    if (word) {
        get_word(e, RAX, rs1);
        s = RAX;
    } else {
        s = x86__read(e, rs1, RAX);
    }
    x86_rm(e->b, X86_LEA, 8, d,
           x86_mem_index(x86__read(e, rs2, RCX), s, log2, 0));
    x86__put(e, rd, d);
}

static void emit_shift_word(struct jit_emit *e, unsigned rd, unsigned rs1,
                            int64_t count)
{
    unsigned d = x86__target(e, rd, RAX);

    get_word(e, d, rs1);
    if (count != 0) {
        x86_mi(e->b, X86_SHL_MI8, 8, x86_r(d), count);
    }
    x86__put(e, rd, d);
}

/* ---- One operand ------------------------------------------------------- */

static void emit_unary(struct jit_emit *e, enum x86_op op, unsigned width,
                       unsigned rd, unsigned rs1)
{
    unsigned d = x86__target(e, rd, RAX);

    x86_rm(e->b, op, width, d, x86__guest(e, rs1));
    x86__put(e, rd, d);
}

/* rax = index of the highest or lowest bit; @of_zero if there is none. */
static void scan_bits(struct jit_emit *e, enum x86_op op, unsigned width,
                      unsigned rs1, uint64_t of_zero)
{
    x86_load_imm(e->b, RCX, of_zero);
    x86_rm(e->b, op, width, RAX, x86__guest(e, rs1));
    emit_cmov(e, CC_E, RAX, RCX);
}

static void emit_leading_zeros(struct jit_emit *e, unsigned width, unsigned rd,
                               unsigned rs1)
{
    int32_t last = (int32_t)(8 * width - 1);

    if (x86__has(e, X86_HAS_LZCNT)) {
        emit_unary(e, X86_LZCNT, width, rd, rs1);
        return;
    }
    scan_bits(e, X86_BSR, width, rs1, 8 * width + (unsigned)last);
    x86_alu_imm(e->b, X86_ALU_XOR, 4, x86_r(RAX), last);
    x86__put(e, rd, RAX);
}

static void emit_trailing_zeros(struct jit_emit *e, unsigned width, unsigned rd,
                                unsigned rs1)
{
    if (x86__has(e, X86_HAS_BMI1)) {
        emit_unary(e, X86_TZCNT, width, rd, rs1);
        return;
    }
    scan_bits(e, X86_BSF, width, rs1, 8 * width);
    x86__put(e, rd, RAX);
}

/* rcx = rax >> @count */
static void shifted_copy(struct jit_emit *e, unsigned count)
{
    x86_rr(e->b, X86_MOV_MR, 8, RCX, RAX);
    x86_mi(e->b, X86_SHR_MI8, 8, x86_r(RCX), count);
}

/* Sums of two bits, of four, of eight, and of all bytes by a product. */
static void count_bits(struct jit_emit *e)
{
    shifted_copy(e, 1);
    x86_load_imm(e->b, RDX, EACH_BYTE(0x55));
    x86_rr(e->b, X86_AND_MR, 8, RCX, RDX);
    x86_rr(e->b, X86_SUB_MR, 8, RAX, RCX);
    shifted_copy(e, 2);
    x86_load_imm(e->b, RDX, EACH_BYTE(0x33));
    x86_rr(e->b, X86_AND_MR, 8, RAX, RDX);
    x86_rr(e->b, X86_AND_MR, 8, RCX, RDX);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RCX);
    shifted_copy(e, 4);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RCX);
    x86_load_imm(e->b, RDX, EACH_BYTE(0x0f));
    x86_rr(e->b, X86_AND_MR, 8, RAX, RDX);
    x86_load_imm(e->b, RDX, EACH_BYTE(0x01));
    x86_rm(e->b, X86_IMUL_RM, 8, RAX, x86_r(RDX));
    x86_mi(e->b, X86_SHR_MI8, 8, x86_r(RAX), 56);
}

static void emit_population(struct jit_emit *e, unsigned width, unsigned rd,
                            unsigned rs1)
{
    if (x86__has(e, X86_HAS_POPCNT)) {
        emit_unary(e, X86_POPCNT, width, rd, rs1);
        return;
    }
    x86_rm(e->b, X86_MOV_RM, width, RAX, x86__guest(e, rs1));
    count_bits(e);
    x86__put(e, rd, RAX);
}

/* The top bit of each byte says whether the byte is 0; then m * 0xff, where m
 * is that bit at the bottom. */
static void emit_or_combine(struct jit_emit *e, unsigned rd, unsigned rs1)
{
    x86__get(e, RCX, rs1);
    x86_load_imm(e->b, RDX, EACH_BYTE(0x7f));
    x86_rr(e->b, X86_MOV_MR, 8, RAX, RCX);
    x86_rr(e->b, X86_AND_MR, 8, RAX, RDX);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RDX);
    x86_rr(e->b, X86_OR_MR, 8, RAX, RCX);
    x86_m(e->b, X86_NOT_M, 8, x86_r(RDX));
    x86_rr(e->b, X86_AND_MR, 8, RAX, RDX);
    shifted_copy(e, 7);
    x86_rr(e->b, X86_ADD_MR, 8, RAX, RAX);
    x86_rr(e->b, X86_SUB_MR, 8, RAX, RCX);
    x86__put(e, rd, RAX);
}

static void emit_reverse(struct jit_emit *e, unsigned rd, unsigned rs1)
{
    unsigned d = x86__target(e, rd, RAX);

    x86__get(e, d, rs1);
    x86__emit(e->b, X86_BSWAP, &(struct x86_operands){ .width = 8, .reg = d });
    x86__put(e, rd, d);
}

/* ---- Single bits ------------------------------------------------------- */

struct bit_ops {
    uint8_t by_imm; /* enum x86_op */
    uint8_t by_reg; /* the host, too, takes the index modulo the width */
};

static void emit_change_bit(struct jit_emit *e, const struct bit_ops *ops,
                            unsigned rd, unsigned rs1, struct jit_operand b)
{
    unsigned d = x86__result(e, rd, rs1, b);

    if (b.is_imm) {
        x86__get(e, d, rs1);
        x86_mi(e->b, (enum x86_op)ops->by_imm, 8, x86_r(d), b.imm);
    } else {
        /* In rcx first: rs2 may be rd and rs1, which is d. */
        unsigned s = b.reg == rd ? RCX : x86__read(e, b.reg, RCX);

        if (s == RCX) {
            x86__get(e, RCX, b.reg);
        }
        x86__get(e, d, rs1);
        x86_rr(e->b, (enum x86_op)ops->by_reg, 8, d, s);
    }
    x86__put(e, rd, d);
}

static void emit_extract_bit(struct jit_emit *e, unsigned rd, unsigned rs1,
                             struct jit_operand b)
{
    unsigned d = b.is_imm ? x86__target(e, rd, RAX) : RAX;

    if (b.is_imm) {
        x86__get(e, d, rs1);
        x86_mi(e->b, X86_SHR_MI8, 8, x86_r(d), b.imm);
        x86_alu_imm(e->b, X86_ALU_AND, 4, x86_r(d), 1);
    } else {
        unsigned s = x86__read(e, rs1, RAX);

        x86_rr(e->b, X86_BT_MR, 8, s, x86__read(e, b.reg, RCX));
        x86_set(e->b, CC_B, RAX);
    }
    x86__put(e, rd, d);
}

/* ---- Choosing ---------------------------------------------------------- */

static void emit_one_operand(struct jit_emit *e, enum jit_alu op, unsigned rd,
                             unsigned rs1)
{
    switch (op) {
    case JIT_CLZ:
    case JIT_CLZW:
        emit_leading_zeros(e, op == JIT_CLZ ? 8 : 4, rd, rs1);
        break;
    case JIT_CTZ:
    case JIT_CTZW:
        emit_trailing_zeros(e, op == JIT_CTZ ? 8 : 4, rd, rs1);
        break;
    case JIT_CPOP:
    case JIT_CPOPW:
        emit_population(e, op == JIT_CPOP ? 8 : 4, rd, rs1);
        break;
    case JIT_SEXT_B:
        emit_unary(e, X86_MOVSX8, 8, rd, rs1);
        break;
    case JIT_SEXT_H:
        emit_unary(e, X86_MOVSX16, 8, rd, rs1);
        break;
    case JIT_ZEXT_H:
        emit_unary(e, X86_MOVZX16, 4, rd, rs1);
        break;
    case JIT_ORC_B:
        emit_or_combine(e, rd, rs1);
        break;
    default:
        emit_reverse(e, rd, rs1);
        break;
    }
}

static void emit_single_bit(struct jit_emit *e, enum jit_alu op, unsigned rd,
                            unsigned rs1, struct jit_operand b)
{
    static const struct bit_ops ops[] = {
        [JIT_BCLR - JIT_BCLR] = { X86_BTR_MI8, X86_BTR_MR },
        [JIT_BINV - JIT_BCLR] = { X86_BTC_MI8, X86_BTC_MR },
        [JIT_BSET - JIT_BCLR] = { X86_BTS_MI8, X86_BTS_MR },
    };

    if (op == JIT_BEXT) {
        emit_extract_bit(e, rd, rs1, b);
    } else {
        emit_change_bit(e, &ops[op - JIT_BCLR], rd, rs1, b);
    }
}

void x86__bits(struct jit_emit *e, enum jit_alu op, unsigned rd, unsigned rs1,
               struct jit_operand b)
{
    /* Where the second operand is taken instead of the first. */
    static const uint8_t select[] = { [JIT_MIN - JIT_MIN] = CC_G,
                                      [JIT_MAX - JIT_MIN] = CC_L,
                                      [JIT_MINU - JIT_MIN] = CC_A,
                                      [JIT_MAXU - JIT_MIN] = CC_B };

    if (op <= JIT_XNOR) {
        emit_inverted(e, op, rd, rs1, b.reg);
    } else if (op <= JIT_MAXU) {
        emit_select(e, (enum x86_condition)select[op - JIT_MIN], rd, rs1, b);
    } else if (op <= JIT_RORW) {
        emit_rotate(e, op, rd, rs1, b);
    } else if (op <= JIT_SH3ADD) {
        emit_shift_add(e, op - JIT_SH1ADD + 1u, false, rd, rs1, b.reg);
    } else if (op <= JIT_SH3ADD_UW) {
        emit_shift_add(e, op - JIT_ADD_UW, true, rd, rs1, b.reg);
    } else if (op == JIT_SLL_UW) {
        emit_shift_word(e, rd, rs1, b.imm);
    } else if (op <= JIT_REV8) {
        emit_one_operand(e, op, rd, rs1);
    } else if (op <= JIT_BSET) {
        emit_single_bit(e, op, rd, rs1, b);
    } else {
        emit_zero_if(e, op == JIT_ZERO_IF_0 ? CC_E : CC_NE, rd, rs1, b.reg);
    }
}
