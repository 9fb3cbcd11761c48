/* SPDX-License-Identifier: MIT */
/*
 * Register arithmetic.
 *
 * The rule for all of it: a result is computed in the home of rd, or in rax
 * if rd has none or is also the second source, and put where it belongs.
 * rcx and rdx are free throughout.
 */
#include "jit/x86_64/x86_64_internal.h"

/* ---- Guest registers --------------------------------------------------- */

void x86__get(struct jit_emit *e, unsigned dst, unsigned reg)
{
    if (x86__is_zero(e, reg)) {
        x86_rr(e->b, X86_XOR_MR, 4, dst, dst);
    } else if (e->home[reg] != dst) {
        x86_rm(e->b, X86_MOV_RM, 8, dst, x86__guest(e, reg));
    }
}

void x86__put(struct jit_emit *e, unsigned reg, unsigned src)
{
    if (!x86__is_zero(e, reg) && e->home[reg] != src) {
        x86_mr(e->b, X86_MOV_MR, 8, x86__guest(e, reg), src);
    }
}

unsigned x86__read(struct jit_emit *e, unsigned reg, unsigned scratch)
{
    if (!x86__is_zero(e, reg) && e->home[reg] != NO_HOME) {
        return e->home[reg];
    }
    x86__get(e, scratch, reg);
    return scratch;
}

static bool fits_int32(int64_t value)
{
    return value == (int32_t)value;
}

void jit_host__set(struct jit_emit *e, unsigned rd, uint64_t value)
{
    if (x86__is_zero(e, rd)) {
        return;
    }
    if (e->home[rd] == NO_HOME && fits_int32((int64_t)value)) {
        x86_mi(e->b, X86_MOV_MI, 8, x86__guest(e, rd), (int64_t)value);
        return;
    }
    x86_load_imm(e->b, x86__target(e, rd, RAX), value);
    x86__put(e, rd, x86__target(e, rd, RAX));
}

/* ---- Two-operand operations -------------------------------------------- */

/* What the x86 instruction is, and what the guest's operation allows. */
struct binary {
    uint8_t op;  /* enum x86_op, RM form: reg = reg op reg-or-memory */
    uint8_t alu; /* enum x86_alu */
    bool commutes;
};

static const struct binary binaries[] = {
    [JIT_ADD] = { X86_ADD_RM, X86_ALU_ADD, true },
    [JIT_SUB] = { X86_SUB_RM, X86_ALU_SUB, false },
    [JIT_AND] = { X86_AND_RM, X86_ALU_AND, true },
    [JIT_OR] = { X86_OR_RM, X86_ALU_OR, true },
    [JIT_XOR] = { X86_XOR_RM, X86_ALU_XOR, true },
};

/* The low half of @d is a result of 4 bytes: the upper half follows from it. */
static void extend(struct jit_emit *e, unsigned d)
{
    if (!e->narrow) {
        x86_rm(e->b, X86_MOVSXD, 8, d, x86_r(d));
    }
}

unsigned x86__result(const struct jit_emit *e, unsigned rd, unsigned rs1,
                     struct jit_operand b)
{
    if (!b.is_imm && b.reg == rd && rs1 != rd) {
        return RAX;
    }
    return x86__target(e, rd, RAX);
}

static void binary_imm(struct jit_emit *e, const struct binary *bin,
                       unsigned width, unsigned d, unsigned rs1, int64_t imm)
{
    unsigned s = e->home[rs1];

    xbar_assert(fits_int32(imm));
    if (bin->alu == X86_ALU_ADD && imm != 0 && s != NO_HOME && s != d &&
        !x86__is_zero(e, rs1)) {
        x86_rm(e->b, X86_LEA, width, d, x86_mem(s, (int32_t)imm));
        return;
    }
    x86__get(e, d, rs1);
    if (imm != 0 || bin->alu == X86_ALU_AND) {
        x86_alu_imm(e->b, (enum x86_alu)bin->alu, width, x86_r(d),
                    (int32_t)imm);
    }
}

/* Does @reg have a home, and is it not @d? */
static bool is_elsewhere(const struct jit_emit *e, unsigned d, unsigned reg)
{
    return !x86__is_zero(e, reg) && e->home[reg] != NO_HOME &&
           e->home[reg] != d;
}

static void binary_reg(struct jit_emit *e, const struct binary *bin,
                       unsigned width, unsigned d, unsigned rs1, unsigned rs2)
{
    if (x86__is_zero(e, rs2)) {
        x86__get(e, d, rs1);
        if (bin->alu == X86_ALU_AND) {
            x86_rr(e->b, X86_XOR_MR, 4, d, d);
        }
        return;
    }
    if (bin->alu == X86_ALU_ADD && is_elsewhere(e, d, rs1) &&
        is_elsewhere(e, d, rs2)) {
        x86_rm(e->b, X86_LEA, width, d,
               x86_mem_index(e->home[rs1], e->home[rs2], 0, 0));
        return;
    }
    x86__get(e, d, rs1);
    x86_rm(e->b, (enum x86_op)bin->op, width, d, x86__guest(e, rs2));
}

/* Is regs[rs1] op b just regs[rs1]? */
static bool is_copy(const struct jit_emit *e, enum jit_alu op,
                    struct jit_operand b)
{
    return op != JIT_AND && (b.is_imm ? b.imm == 0 : x86__is_zero(e, b.reg));
}

static void emit_move(struct jit_emit *e, unsigned rd, unsigned rs)
{
    unsigned d = x86__target(e, rd, RAX);

    if (d == RAX) {
        x86__put(e, rd, x86__read(e, rs, RAX));
    } else {
        x86__get(e, d, rs);
    }
}

static void emit_binary(struct jit_emit *e, enum jit_alu op, unsigned width,
                        unsigned rd, unsigned rs1, struct jit_operand b)
{
    const struct binary *bin = &binaries[op];
    unsigned d;

    if (!b.is_imm && bin->commutes && (b.reg == rd || x86__is_zero(e, rs1))) {
        unsigned first = b.reg; /* c.mv adds zero first */

        b.reg = (uint8_t)rs1;
        rs1 = first;
    }
    if (width == 8 && is_copy(e, op, b)) {
        emit_move(e, rd, rs1);
        return;
    }
    d = x86__result(e, rd, rs1, b);
    if (b.is_imm) {
        binary_imm(e, bin, width, d, rs1, b.imm);
    } else {
        binary_reg(e, bin, width, d, rs1, b.reg);
    }
    if (width == 4) {
        extend(e, d);
    }
    x86__put(e, rd, d);
}

/* ---- Shifts ------------------------------------------------------------ */

static void shift_imm(struct jit_emit *e, const struct x86_shift *shift,
                      unsigned d, unsigned rs1, int64_t imm)
{
    x86__get(e, d, rs1);
    if (imm != 0) {
        x86_mi(e->b, (enum x86_op)shift->by_imm, shift->width, x86_r(d), imm);
    }
}

/* Is there a form that reads both operands before it writes? */
static bool shift_takes_any(const struct jit_emit *e,
                            const struct x86_shift *shift)
{
    return shift->by_reg && x86__has(e, X86_HAS_BMI2);
}

static void shift_reg(struct jit_emit *e, const struct x86_shift *shift,
                      unsigned d, unsigned rs1, unsigned rs2)
{
    if (shift_takes_any(e, shift)) {
        unsigned count = x86__read(e, rs2, RCX);

        x86_rvm(e->b, (enum x86_op)shift->by_reg, shift->width, d, count,
                x86__guest(e, rs1));
        return;
    }
    x86__get(e, RCX, rs2);
    x86__get(e, d, rs1);
    x86_m(e->b, (enum x86_op)shift->by_cl, shift->width, x86_r(d));
}

void x86__shift(struct jit_emit *e, const struct x86_shift *shift, unsigned rd,
                unsigned rs1, struct jit_operand b)
{
    bool shifts_in_place = b.is_imm || !shift_takes_any(e, shift);
    unsigned d =
        shifts_in_place ? x86__result(e, rd, rs1, b) : x86__target(e, rd, RAX);

    if (b.is_imm) {
        shift_imm(e, shift, d, rs1, b.imm);
    } else {
        shift_reg(e, shift, d, rs1, b.reg);
    }
    /* What was shifted right by a known distance is not negative. */
    if (shift->width == 4 &&
        !(shift->by_imm == X86_SHR_MI8 && b.is_imm && b.imm != 0)) {
        extend(e, d);
    }
    x86__put(e, rd, d);
}

/* ---- Comparisons ------------------------------------------------------- */

/* Flags of regs[rs1] - b. */
static void compare(struct jit_emit *e, unsigned rs1, struct jit_operand b)
{
    unsigned s = x86__read(e, rs1, RAX);

    if (b.is_imm) {
        x86_alu_imm(e->b, X86_ALU_CMP, 8, x86_r(s), (int32_t)b.imm);
    } else if (x86__is_zero(e, b.reg)) {
        x86_rr(e->b, X86_TEST_MR, 8, s, s);
    } else {
        x86_rm(e->b, X86_CMP_RM, 8, s, x86__guest(e, b.reg));
    }
}

static void emit_set_less(struct jit_emit *e, enum x86_condition cc,
                          unsigned rd, unsigned rs1, struct jit_operand b)
{
    compare(e, rs1, b);
    x86_set(e->b, cc, RAX);
    x86__put(e, rd, RAX);
}

/* ---- Multiplication ---------------------------------------------------- */

static void emit_mul(struct jit_emit *e, unsigned width, unsigned rd,
                     unsigned rs1, unsigned rs2)
{
    struct jit_operand b = { .reg = (uint8_t)rs2 };
    unsigned d = x86__result(e, rd, rs1, b);

    if (x86__is_zero(e, rs2)) {
        jit_host__set(e, rd, 0);
        return;
    }
    x86__get(e, d, rs1);
    x86_rm(e->b, X86_IMUL_RM, width, d, x86__guest(e, rs2));
    if (width == 4) {
        extend(e, d);
    }
    x86__put(e, rd, d);
}

/* rdx:rax = rs1 * rs2, by @op. */
static void emit_mul_high(struct jit_emit *e, enum x86_op op, unsigned rd,
                          unsigned rs1, unsigned rs2)
{
    unsigned s = x86__read(e, rs2, RCX);

    x86__get(e, RAX, rs1);
    x86_m(e->b, op, 8, x86_r(s));
    x86__put(e, rd, RDX);
}

/* signed * unsigned = unsigned * unsigned - (rs1 < 0 ? rs2 << 64 : 0) */
static void emit_mulhsu(struct jit_emit *e, unsigned rd, unsigned rs1,
                        unsigned rs2)
{
    unsigned s = x86__read(e, rs2, RCX);

    x86__get(e, RAX, rs1);
    x86_m(e->b, X86_MUL_M, 8, x86_r(s));
    x86__get(e, RAX, rs1);
    x86_mi(e->b, X86_SAR_MI8, 8, x86_r(RAX), 63);
    x86_rr(e->b, X86_AND_MR, 8, RAX, s);
    x86_rr(e->b, X86_SUB_MR, 8, RDX, RAX);
    x86__put(e, rd, RDX);
}

/* ---- Division ---------------------------------------------------------- */

struct division {
    uint8_t width;
    bool is_signed;
    bool remainder;
};

/*
 * What the guest defines and the host traps on is out of line.
 *
 *     mov   rax, rs1
 *     test  rs2, rs2                  or rcx, if rs2 has no home
 *     je    cold
 *     cmp   rs2, -1                   signed ones
 *     je    cold
 *     cqo                             or xor edx, edx
 *     idiv  rs2                       rax: quotient; rdx: remainder
 */
static void emit_div(struct jit_emit *e, struct division div, unsigned rd,
                     unsigned rs1, unsigned rs2)
{
    struct jit_cold *cold = x86__cold(e, COLD_DIVIDE);
    unsigned result = div.remainder ? RDX : RAX;
    unsigned s, d;

    if (cold == NULL) {
        return;
    }
    s = x86__read(e, rs2, RCX);
    x86__get(e, RAX, rs1);
    x86_rr(e->b, X86_TEST_MR, div.width, s, s);
    cold->jump_at = x86_jcc(e->b, CC_E, NULL);
    if (div.is_signed) {
        x86_alu_imm(e->b, X86_ALU_CMP, div.width, x86_r(s), -1);
        cold->jump2_at = x86_jcc(e->b, CC_E, NULL);
        x86_m(e->b, div.width == 8 ? X86_CQO : X86_CDQ, div.width, x86_r(RAX));
        x86_m(e->b, X86_IDIV_M, div.width, x86_r(s));
    } else {
        x86_rr(e->b, X86_XOR_MR, 4, RDX, RDX);
        x86_m(e->b, X86_DIV_M, div.width, x86_r(s));
    }
    cold->reg = (uint8_t)result;
    cold->width = div.width;
    cold->resume = code_buf__offset(e->b);
    d = result;
    if (div.width == 4) {
        d = x86__target(e, rd, result);
        x86_rm(e->b, X86_MOVSXD, 8, d, x86_r(result));
    }
    x86__put(e, rd, d);
}

/*
 * Divisor 0 gives all ones (remainder: the dividend); divisor -1 the negated
 * dividend (remainder: 0), which covers the one overflow. The dividend is in
 * rax.
 */
void x86__cold_divide(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    if (cold->reg == RDX) {
        x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
    } else {
        x86_load_imm(e->b, RAX, UINT64_MAX);
    }
    x86__go_back(e, cold);
    if (cold->jump2_at == 0) {
        return;
    }
    x86_patch_here(e->b, cold->jump2_at);
    if (cold->reg == RDX) {
        x86_rr(e->b, X86_XOR_MR, 4, RDX, RDX);
    } else {
        x86_m(e->b, X86_NEG_M, cold->width, x86_r(RAX));
    }
    x86__go_back(e, cold);
}

/* ---- Choosing ---------------------------------------------------------- */

static bool emit_mul_op(struct jit_emit *e, enum jit_alu op, unsigned rd,
                        unsigned rs1, unsigned rs2)
{
    switch (op) {
    case JIT_MUL:
        emit_mul(e, 8, rd, rs1, rs2);
        return true;
    case JIT_MULW:
        emit_mul(e, 4, rd, rs1, rs2);
        return true;
    case JIT_MULH:
        emit_mul_high(e, X86_IMUL_M, rd, rs1, rs2);
        return true;
    case JIT_MULHU:
        emit_mul_high(e, X86_MUL_M, rd, rs1, rs2);
        return true;
    case JIT_MULHSU:
        emit_mulhsu(e, rd, rs1, rs2);
        return true;
    default:
        return false;
    }
}

static bool emit_div_op(struct jit_emit *e, enum jit_alu op, unsigned rd,
                        unsigned rs1, unsigned rs2)
{
    static const struct division divisions[] = {
        [JIT_DIV] = { 8, true, false },  [JIT_DIVU] = { 8, false, false },
        [JIT_REM] = { 8, true, true },   [JIT_REMU] = { 8, false, true },
        [JIT_DIVW] = { 4, true, false }, [JIT_DIVUW] = { 4, false, false },
        [JIT_REMW] = { 4, true, true },  [JIT_REMUW] = { 4, false, true },
    };

    if (op < JIT_DIV) {
        return false;
    }
    emit_div(e, divisions[op], rd, rs1, rs2);
    return true;
}

static const struct x86_shift shifts[] = {
    [JIT_SLL] = { X86_SHL_MI8, X86_SHL_MC, X86_SHLX, 8 },
    [JIT_SRL] = { X86_SHR_MI8, X86_SHR_MC, X86_SHRX, 8 },
    [JIT_SRA] = { X86_SAR_MI8, X86_SAR_MC, X86_SARX, 8 },
    [JIT_SLLW] = { X86_SHL_MI8, X86_SHL_MC, X86_SHLX, 4 },
    [JIT_SRLW] = { X86_SHR_MI8, X86_SHR_MC, X86_SHRX, 4 },
    [JIT_SRAW] = { X86_SAR_MI8, X86_SAR_MC, X86_SARX, 4 },
};

/* rd = the low half of rs, extended. */
static void emit_sext_w(struct jit_emit *e, unsigned rd, unsigned rs)
{
    unsigned d = x86__target(e, rd, RAX);

    if (e->narrow || x86__is_zero(e, rs)) {
        emit_move(e, rd, rs);
        return;
    }
    x86_rm(e->b, X86_MOVSXD, 8, d, x86__guest(e, rs));
    x86__put(e, rd, d);
}

static void emit_plain_op(struct jit_emit *e, enum jit_alu op, unsigned rd,
                          unsigned rs1, struct jit_operand b)
{
    switch (op) {
    case JIT_ADDW:
        if (b.is_imm && b.imm == 0) {
            emit_sext_w(e, rd, rs1);
            break;
        }
        emit_binary(e, JIT_ADD, 4, rd, rs1, b);
        break;
    case JIT_SUBW:
        emit_binary(e, JIT_SUB, 4, rd, rs1, b);
        break;
    case JIT_SLL:
    case JIT_SRL:
    case JIT_SRA:
    case JIT_SLLW:
    case JIT_SRLW:
    case JIT_SRAW:
        x86__shift(e, &shifts[op], rd, rs1, b);
        break;
    case JIT_SLT:
        emit_set_less(e, CC_L, rd, rs1, b);
        break;
    case JIT_SLTU:
        emit_set_less(e, CC_B, rd, rs1, b);
        break;
    default:
        emit_binary(e, op, 8, rd, rs1, b);
        break;
    }
}

void jit_host__alu(struct jit_emit *e, enum jit_alu op, unsigned rd,
                   unsigned rs1, struct jit_operand b)
{
    if (x86__is_zero(e, rd)) {
        return;
    }
    if (b.is_imm && x86__is_zero(e, rs1) && op == JIT_ADD) {
        jit_host__set(e, rd, (uint64_t)b.imm);
    } else if (op >= JIT_ANDN) {
        x86__bits(e, op, rd, rs1, b);
    } else if (!emit_mul_op(e, op, rd, rs1, b.reg) &&
               !emit_div_op(e, op, rd, rs1, b.reg)) {
        emit_plain_op(e, op, rd, rs1, b);
    }
}

/* ---- Fields of the vCPU ------------------------------------------------ */

/* rcx = the field's new value, from the old one in rax. */
static void change_field(struct jit_emit *e, enum jit_field_op op, int32_t mask,
                         struct jit_operand value)
{
    if (value.is_imm) {
        x86_load_imm(e->b, RCX, (uint64_t)value.imm);
    } else {
        x86__get(e, RCX, value.reg);
    }
    if (mask != -1) {
        x86_alu_imm(e->b, X86_ALU_AND, 8, x86_r(RCX), mask);
    }
    switch (op) {
    case JIT_FIELD_SET:
        x86_rr(e->b, X86_OR_MR, 8, RCX, RAX);
        break;
    case JIT_FIELD_CLEAR:
        x86_m(e->b, X86_NOT_M, 8, x86_r(RCX));
        x86_rr(e->b, X86_AND_MR, 8, RCX, RAX);
        break;
    default:
        if (mask != -1) {
            x86_rr(e->b, X86_MOV_MR, 8, RDX, RAX);
            x86_alu_imm(e->b, X86_ALU_AND, 8, x86_r(RDX), ~mask);
            x86_rr(e->b, X86_OR_MR, 8, RCX, RDX);
        }
        break;
    }
}

void jit_host__field(struct jit_emit *e, enum jit_field_op op,
                     const struct jit_field *field, unsigned rd,
                     struct jit_operand value)
{
    struct x86_rm at = x86__field(e->stubs, field->offset);

    x86_rm(e->b, X86_MOV_RM, 8, RAX, at);
    if (op != JIT_FIELD_READ) {
        change_field(e, op, field->mask, value);
        x86_mr(e->b, X86_MOV_MR, 8, at, RCX);
    }
    x86__put(e, rd, RAX);
}
