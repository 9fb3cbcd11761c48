/* SPDX-License-Identifier: MIT */
/*
 * Floating point on SSE2, and FMA3 where the host has it.
 *
 * Where both agree the guest's instruction is the host's. Where they do not:
 *
 *   NaN results     the host's have a sign and a payload: each result is
 *                   compared with itself, and a cold path puts the canonical
 *                   one
 *   fused           infinity * 0 + quiet NaN is invalid for the guest alone:
 *                   a NaN result is thrown away and the instruction executed
 *   minimum         the host's gives its second operand if equal or NaN
 *   to integer      the host's result out of range says so; the unsigned ones
 *                   are looked at before, as the host has none of them
 *
 * Flags are the host's sticky ones. An instruction that is executed after all
 * may have raised some on the host: only such as it raises for the guest, too.
 *
 * Denormals are not flushed, tininess is found after rounding, and so does the
 * guest. Singles lie boxed in their registers: scalar operations on the low
 * half leave the upper half of the target alone.
 */
#include "jit/host_fp.h"
#include "jit/x86_64/x86_64_internal.h"

/* ---- Control and flags ------------------------------------------------- */

#define MXCSR_MASKED   0x1f80u /* all exceptions; round to nearest */
#define MXCSR_ROUNDING 13

enum mxcsr_flag {
    MXCSR_INVALID = 1 << 0,
    MXCSR_DENORMAL = 1 << 1, /* an operand was: nobody asked */
    MXCSR_DIVIDE = 1 << 2,
    MXCSR_OVERFLOW = 1 << 3,
    MXCSR_UNDERFLOW = 1 << 4,
    MXCSR_INEXACT = 1 << 5,
};

void jit_host__fp_init(struct jit_state *state)
{
    static const uint64_t constants[] = {
        [X86_FP_SIGN_D] = UINT64_C(1) << 63,
        [X86_FP_REST_D] = UINT64_MAX >> 1,
        [X86_FP_SIGN_S] = UINT64_C(1) << 31,
        [X86_FP_REST_S] = ~(UINT64_C(1) << 31),
        [X86_FP_BOX] = UINT64_C(0xffffffff00000000),
        [X86_FP_NAN_D] = UINT64_C(0x7ff8000000000000),
        [X86_FP_NAN_S] = UINT64_C(0xffffffff7fc00000),
        [X86_FP_SPLIT] = UINT64_C(0x41a0000002000000),
    };

    _Static_assert(sizeof(constants) / 8 <= JIT_FP_CONSTANTS, "they fit");
    state->fp_control = MXCSR_MASKED;
    for (unsigned i = 0; i < sizeof(constants) / 8; i++) {
        state->fp_constants[i][0] = constants[i];
        state->fp_constants[i][1] = 0;
    }
}

bool jit_host__fp_asks_inexact(const struct jit_stubs *stubs)
{
    return !(stubs->features & X86_HAS_FMA);
}

static uint32_t rounding_bits(enum jit_fp_rounding rounding)
{
    static const uint8_t modes[] = { [JIT_FP_NEAREST] = 0,
                                     [JIT_FP_DOWN] = 1,
                                     [JIT_FP_UP] = 2,
                                     [JIT_FP_TO_ZERO] = 3 };

    return (uint32_t)modes[rounding] << MXCSR_ROUNDING;
}

void jit_host__fp_begin(struct jit_state *state, enum jit_fp_rounding rounding)
{
    state->fp_control = MXCSR_MASKED | rounding_bits(rounding);
}

unsigned jit_host__fp_end(struct jit_state *state)
{
    uint32_t mxcsr = state->fp_control;

    state->fp_control = MXCSR_MASKED;
    return (mxcsr & MXCSR_INVALID ? JIT_FP_INVALID : 0) |
           (mxcsr & MXCSR_DIVIDE ? JIT_FP_DIVIDE : 0) |
           (mxcsr & MXCSR_OVERFLOW ? JIT_FP_OVERFLOW : 0) |
           (mxcsr & MXCSR_UNDERFLOW ? JIT_FP_UNDERFLOW : 0) |
           (mxcsr & MXCSR_INEXACT ? JIT_FP_INEXACT : 0);
}

/* ---- Registers --------------------------------------------------------- */

static struct x86_rm in_memory(const struct jit_emit *e, unsigned reg)
{
    return x86__field(e->stubs, e->guest->fp_regs + 8 * reg);
}

struct x86_rm x86__foperand(const struct jit_emit *e, unsigned reg)
{
    return e->stubs->xhome[reg] != NO_HOME ? x86_r(e->stubs->xhome[reg])
                                           : in_memory(e, reg);
}

static struct x86_rm constant(const struct jit_emit *e,
                              enum x86_fp_constant which)
{
    size_t at = offsetof(struct jit_state, fp_constants) + 16 * which;

    return x86__field(e->stubs, e->guest->state + at);
}

static void move(struct jit_emit *e, unsigned dst, unsigned src)
{
    if (dst != src) {
        x86_rm(e->b, X86_MOVAPS, 16, dst, x86_r(src));
    }
}

void x86__fget(struct jit_emit *e, unsigned dst, unsigned reg)
{
    if (e->stubs->xhome[reg] != NO_HOME) {
        move(e, dst, e->stubs->xhome[reg]);
    } else {
        x86_rm(e->b, X86_MOVSD_RM, 8, dst, in_memory(e, reg));
    }
}

void x86__fput(struct jit_emit *e, unsigned reg, unsigned src)
{
    if (e->stubs->xhome[reg] != NO_HOME) {
        move(e, e->stubs->xhome[reg], src);
    } else {
        x86_mr(e->b, X86_MOVSD_MR, 8, in_memory(e, reg), src);
    }
}

unsigned x86__fread(struct jit_emit *e, unsigned reg, unsigned scratch)
{
    if (e->stubs->xhome[reg] != NO_HOME) {
        return e->stubs->xhome[reg];
    }
    x86__fget(e, scratch, reg);
    return scratch;
}

unsigned x86__ftarget(const struct jit_emit *e, unsigned reg, unsigned scratch)
{
    return e->stubs->xhome[reg] != NO_HOME ? e->stubs->xhome[reg] : scratch;
}

void x86__box(struct jit_emit *e, unsigned reg)
{
    x86_rm(e->b, X86_ORPS, 16, reg, constant(e, X86_FP_BOX));
}

void x86__fscalar(struct jit_emit *e, struct x86_scalar op, bool is_double,
                  unsigned reg, struct x86_rm rm)
{
    x86_rm(e->b, (enum x86_op)(is_double ? op.dbl : op.single),
           is_double ? 8 : 4, reg, rm);
}

static const struct x86_scalar unordered = { X86_UCOMISS, X86_UCOMISD };

void x86__fbits(struct jit_emit *e, enum x86_op op, unsigned reg,
                struct x86_rm rm)
{
    x86_rm(e->b, op, 16, reg, rm);
}

/* ---- Cold paths -------------------------------------------------------- */

struct jit_cold *x86__fcold(struct jit_emit *e, unsigned reads, unsigned writes)
{
    struct jit_cold *cold = x86__cold(e, COLD_EXECUTE);

    if (cold != NULL) {
        cold->bits = e->bits;
        cold->reads = (uint8_t)reads;
        cold->writes = (uint8_t)writes;
    }
    return cold;
}

void x86__cold_fp(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    if (cold->jump2_at) {
        x86_patch_here(e->b, cold->jump2_at);
    }
    if (cold->kind == COLD_NAN) {
        x86_rm(e->b, X86_MOVSD_RM, 8, cold->reg,
               constant(e, cold->access.size_log2 == 3 ? X86_FP_NAN_D
                                                       : X86_FP_NAN_S));
    } else {
        x86__execute(e, cold);
    }
    x86__go_back(e, cold);
}

void x86__fcheck_nan(struct jit_emit *e, bool is_double, unsigned reg)
{
    struct jit_cold *cold = x86__cold(e, COLD_NAN);

    if (cold == NULL) {
        return;
    }
    cold->reg = (uint8_t)reg;
    cold->access.size_log2 = is_double ? 3 : 2;
    x86__fscalar(e, unordered, is_double, reg, x86_r(reg));
    cold->jump_at = x86_jcc(e->b, CC_P, NULL);
    cold->resume = code_buf__offset(e->b);
}

/* ---- The guard --------------------------------------------------------- */

/*
 *     movaps xmm0, home; andps xmm0, ...    all of them
 *     movq   rax, xmm0
 *     shr    rax, 32
 *     cmp    eax, -1
 *     jne    cold
 */
void jit_host__fp_guard(struct jit_emit *e, uint32_t set)
{
    struct jit_cold *cold;
    bool first = true;

    if (set == 0) {
        return;
    }
    cold = x86__cold(e, COLD_STEP);
    if (cold == NULL) {
        return;
    }
    for (unsigned reg = 0; reg < 32; reg++) {
        if (!(set >> reg & 1)) {
            continue;
        }
        if (first) {
            x86__fget(e, XMM0, reg);
        } else {
            x86__fbits(e, X86_ANDPS, XMM0, x86_r(x86__fread(e, reg, XMM1)));
        }
        first = false;
    }
    x86_mr(e->b, X86_MOVQ_RX, 8, x86_r(RAX), XMM0);
    x86_mi(e->b, X86_SHR_MI8, 8, x86_r(RAX), 32);
    x86_alu_imm(e->b, X86_ALU_CMP, 4, x86_r(RAX), -1);
    cold->jump_at = x86_jcc(e->b, CC_NE, NULL);
}

/* ---- Rounding ---------------------------------------------------------- */

/* The field is free while FP is live: it is written when that ends. */
void jit_host__fp_round(struct jit_emit *e, enum jit_fp_rounding rounding)
{
    size_t at = e->guest->state + offsetof(struct jit_state, fp_control);
    struct x86_rm control = x86__field(e->stubs, at);

    x86_m(e->b, X86_STMXCSR, 4, control);
    x86_alu_imm(e->b, X86_ALU_AND, 4, control, ~(3 << MXCSR_ROUNDING));
    x86_alu_imm(e->b, X86_ALU_OR, 4, control, (int32_t)rounding_bits(rounding));
    x86_m(e->b, X86_LDMXCSR, 4, control);
    e->rounding = rounding;
}

/* ---- Arithmetic -------------------------------------------------------- */

static const struct x86_scalar arithmetic[] = {
    [JIT_FADD] = { X86_ADDSS, X86_ADDSD },
    [JIT_FSUB] = { X86_SUBSS, X86_SUBSD },
    [JIT_FMUL] = { X86_MULSS, X86_MULSD },
    [JIT_FDIV] = { X86_DIVSS, X86_DIVSD },
};

static void emit_arithmetic(struct jit_emit *e, enum jit_fp_op op,
                            const struct jit_fp_insn *i)
{
    bool commutes = op == JIT_FADD || op == JIT_FMUL;
    unsigned d = x86__ftarget(e, i->rd, XMM0);
    unsigned a = i->rs1, b = i->rs2;

    if (b == i->rd && commutes) {
        a = i->rs2;
        b = i->rs1;
    }
    if (b == i->rd && a != b) {
        d = XMM0; /* the second operand is still to be read */
    }
    x86__fget(e, d, a);
    x86__fscalar(e, arithmetic[op], i->is_double, d, x86__foperand(e, b));
    x86__fcheck_nan(e, i->is_double, d);
    x86__fput(e, i->rd, d);
}

/* The target's upper half is the operand's, a box. */
static void emit_sqrt(struct jit_emit *e, const struct jit_fp_insn *i)
{
    static const struct x86_scalar op = { X86_SQRTSS, X86_SQRTSD };
    unsigned d = x86__ftarget(e, i->rd, XMM0);

    x86__fget(e, d, i->rs1);
    x86__fscalar(e, op, i->is_double, d, x86_r(d));
    x86__fcheck_nan(e, i->is_double, d);
    x86__fput(e, i->rd, d);
}

/*
 * Both orders of the operands: they differ only where these are equal, and
 * then in the sign of zeros, of which "or" takes the minimum, "and" the
 * maximum. NaNs were sent away before; that comparison is invalid for
 * signaling ones alone, as the guest's operation is.
 */
static void emit_extreme(struct jit_emit *e, enum jit_fp_op op,
                         const struct jit_fp_insn *i)
{
    static const struct x86_scalar min = { X86_MINSS, X86_MINSD };
    static const struct x86_scalar max = { X86_MAXSS, X86_MAXSD };
    struct x86_scalar row = op == JIT_FMIN ? min : max;
    struct jit_cold *cold = x86__fcold(e, 0, 0);

    if (cold == NULL) {
        return;
    }
    x86__fget(e, XMM0, i->rs1);
    x86__fget(e, XMM1, i->rs2);
    x86__fscalar(e, unordered, i->is_double, XMM0, x86_r(XMM1));
    cold->jump_at = x86_jcc(e->b, CC_P, NULL);
    move(e, XMM2, XMM0);
    x86__fscalar(e, row, i->is_double, XMM0, x86_r(XMM1));
    x86__fscalar(e, row, i->is_double, XMM1, x86_r(XMM2));
    x86__fbits(e, op == JIT_FMIN ? X86_ORPS : X86_ANDPS, XMM0, x86_r(XMM1));
    x86__fput(e, i->rd, XMM0);
    cold->resume = code_buf__offset(e->b);
}

/* One register twice: a move, a negation, an absolute value. */
static void emit_own_sign(struct jit_emit *e, enum jit_fp_op op,
                          const struct jit_fp_insn *i)
{
    unsigned d = x86__ftarget(e, i->rd, XMM0);

    x86__fget(e, d, i->rs1);
    if (op == JIT_FSGNJN) {
        x86__fbits(e, X86_XORPS, d,
                   constant(e, i->is_double ? X86_FP_SIGN_D : X86_FP_SIGN_S));
    } else if (op == JIT_FSGNJX) {
        x86__fbits(e, X86_ANDPS, d,
                   constant(e, i->is_double ? X86_FP_REST_D : X86_FP_REST_S));
    }
    x86__fput(e, i->rd, d);
}

static void emit_sign(struct jit_emit *e, enum jit_fp_op op,
                      const struct jit_fp_insn *i)
{
    struct x86_rm sign =
        constant(e, i->is_double ? X86_FP_SIGN_D : X86_FP_SIGN_S);
    struct x86_rm rest =
        constant(e, i->is_double ? X86_FP_REST_D : X86_FP_REST_S);

    if (i->rs1 == i->rs2) {
        emit_own_sign(e, op, i);
        return;
    }
    x86__fget(e, XMM0, i->rs2);
    x86__fget(e, XMM1, i->rs1);
    if (op == JIT_FSGNJN) {
        x86__fbits(e, X86_XORPS, XMM0, sign);
    }
    x86__fbits(e, X86_ANDPS, XMM0, sign);
    if (op == JIT_FSGNJX) {
        x86__fbits(e, X86_XORPS, XMM0, x86_r(XMM1));
    } else {
        x86__fbits(e, X86_ANDPS, XMM1, rest);
        x86__fbits(e, X86_ORPS, XMM0, x86_r(XMM1));
    }
    x86__fput(e, i->rd, XMM0);
}

void jit_host__fp_alu(struct jit_emit *e, enum jit_fp_op op,
                      const struct jit_fp_insn *insn)
{
    switch (op) {
    case JIT_FSQRT:
        emit_sqrt(e, insn);
        break;
    case JIT_FMIN:
    case JIT_FMAX:
        emit_extreme(e, op, insn);
        break;
    case JIT_FSGNJ:
    case JIT_FSGNJN:
    case JIT_FSGNJX:
        emit_sign(e, op, insn);
        break;
    default:
        emit_arithmetic(e, op, insn);
        break;
    }
}

/* By a subroutine, which has its limits. */
static void emit_split_fused(struct jit_emit *e, enum jit_fp_fused op,
                             const struct jit_fp_insn *i)
{
    struct x86_rm sign =
        constant(e, i->is_double ? X86_FP_SIGN_D : X86_FP_SIGN_S);
    struct jit_cold *cold;

    if (e->rounding != JIT_FP_NEAREST || (i->is_double && !e->inexact)) {
        jit_host__execute(e, e->bits, 0, 0);
        return;
    }
    cold = x86__fcold(e, 0, 0);
    if (cold == NULL) {
        return;
    }
    x86__fget(e, XMM0, i->rs3);
    x86__fget(e, XMM1, i->rs1);
    x86__fget(e, XMM2, i->rs2);
    if (op == JIT_FMSUB || op == JIT_FNMADD) {
        x86__fbits(e, X86_XORPS, XMM0, sign);
    }
    if (op == JIT_FNMSUB || op == JIT_FNMADD) {
        x86__fbits(e, X86_XORPS, XMM1, sign);
    }
    x86__call_stub(e, e->stubs->fused[i->is_double]);
    cold->jump_at = x86_jcc(e->b, CC_NE, NULL);
    x86__fput(e, i->rd, XMM0);
    cold->resume = code_buf__offset(e->b);
}

/* Into a scratch register, as the operands may be needed once more. */
void jit_host__fp_fused(struct jit_emit *e, enum jit_fp_fused op,
                        const struct jit_fp_insn *i)
{
    static const struct x86_scalar rows[] = {
        [JIT_FMADD] = { X86_VFMADD_SS, X86_VFMADD_SD },
        [JIT_FMSUB] = { X86_VFMSUB_SS, X86_VFMSUB_SD },
        [JIT_FNMSUB] = { X86_VFNMADD_SS, X86_VFNMADD_SD },
        [JIT_FNMADD] = { X86_VFNMSUB_SS, X86_VFNMSUB_SD },
    };
    struct jit_cold *cold;

    if (!x86__has(e, X86_HAS_FMA)) {
        emit_split_fused(e, op, i);
        return;
    }
    cold = x86__fcold(e, 0, 0);
    if (cold == NULL) {
        return;
    }
    x86__fget(e, XMM0, i->rs3);
    x86_rvm(e->b, (enum x86_op)(i->is_double ? rows[op].dbl : rows[op].single),
            i->is_double ? 8 : 4, XMM0, x86__fread(e, i->rs1, XMM1),
            x86__foperand(e, i->rs2));
    x86__fscalar(e, unordered, i->is_double, XMM0, x86_r(XMM0));
    cold->jump_at = x86_jcc(e->b, CC_P, NULL);
    x86__fput(e, i->rd, XMM0);
    cold->resume = code_buf__offset(e->b);
}

/* ---- Comparisons ------------------------------------------------------- */

/* Equal and not unordered. */
static void emit_equal(struct jit_emit *e, const struct jit_fp_insn *i)
{
    x86__fscalar(e, unordered, i->is_double, x86__fread(e, i->rs1, XMM0),
                 x86__foperand(e, i->rs2));
    x86_set(e->b, CC_NP, RAX);
    x86_mi(e->b, X86_MOV_MI, 4, x86_r(RCX), 0);
    x86__emit(e->b, X86_CMOVCC,
              &(struct x86_operands){
                  .width = 4, .reg = RAX, .rm = x86_r(RCX), .cc = CC_NE });
}

/* From above, which unordered operands are not. */
static void emit_order(struct jit_emit *e, enum x86_condition cc,
                       const struct jit_fp_insn *i)
{
    static const struct x86_scalar op = { X86_COMISS, X86_COMISD };

    x86__fscalar(e, op, i->is_double, x86__fread(e, i->rs2, XMM0),
                 x86_r(x86__fread(e, i->rs1, XMM1)));
    x86_set(e->b, cc, RAX);
}

void jit_host__fp_compare(struct jit_emit *e, enum jit_fp_compare op,
                          const struct jit_fp_insn *insn)
{
    if (op == JIT_FEQ) {
        emit_equal(e, insn);
    } else {
        emit_order(e, op == JIT_FLT ? CC_A : CC_AE, insn);
    }
    x86__put(e, insn->rd, RAX);
}
