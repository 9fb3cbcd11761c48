/* SPDX-License-Identifier: MIT */
/*
 * Floating point to and from integers, singles to doubles and back, bits.
 */
#include "jit/host_fp.h"
#include "jit/x86_64/x86_64_internal.h"

/* ---- Integers ---------------------------------------------------------- */

static const struct x86_scalar truncating = { X86_CVTTSS2SI, X86_CVTTSD2SI };
static const struct x86_scalar rounding = { X86_CVTSS2SI, X86_CVTSD2SI };

static void put_to_integer(struct jit_emit *e, bool truncate, unsigned width,
                           const struct jit_fp_insn *i)
{
    struct x86_scalar op = truncate ? truncating : rounding;

    x86_rm(e->b, (enum x86_op)(i->is_double ? op.dbl : op.single), width, RAX,
           x86_r(x86__fread(e, i->rs1, XMM0)));
}

/* Out of range is the least integer: which subtracting 1 from tells. */
static void emit_to_signed(struct jit_emit *e, struct jit_cold *cold,
                           unsigned width, bool truncate,
                           const struct jit_fp_insn *i)
{
    put_to_integer(e, truncate, width, i);
    x86_alu_imm(e->b, X86_ALU_CMP, width, x86_r(RAX), 1);
    cold->jump_at = x86_jcc(e->b, CC_O, NULL);
    if (width == 4) {
        x86_rm(e->b, X86_MOVSXD, 8, RAX, x86_r(RAX));
    }
}

/*
 * From +0 to the bound, which 64 signed bits hold, and the type, however it is
 * rounded: bits of floats are ordered like integers, and negative ones are
 * above them all.
 */
static void emit_to_unsigned(struct jit_emit *e, struct jit_cold *cold,
                             bool is_word, bool truncate,
                             const struct jit_fp_insn *i)
{
    static const uint64_t bounds[2][2] = {
        { 0x5effffff, UINT64_C(0x43dfffffffffffff) }, /* below 2^63 */
        { 0x4f7fffff, UINT64_C(0x41efffffffe00000) }, /* up to 2^32 - 1 */
    };
    unsigned width = i->is_double ? 8 : 4;
    unsigned s = x86__fread(e, i->rs1, XMM0);

    x86_mr(e->b, i->is_double ? X86_MOVQ_RX : X86_MOVD_RX, width, x86_r(RAX),
           s);
    x86_load_imm(e->b, RCX, bounds[is_word][i->is_double]);
    x86_rr(e->b, X86_CMP_MR, width, RAX, RCX);
    cold->jump_at = x86_jcc(e->b, CC_A, NULL);
    put_to_integer(e, truncate, 8, i);
    if (is_word) {
        x86_rm(e->b, X86_MOVSXD, 8, RAX, x86_r(RAX));
    }
}

void jit_host__fp_to_integer(struct jit_emit *e, enum jit_fp_integer to,
                             bool truncate, const struct jit_fp_insn *insn)
{
    struct jit_cold *cold = x86__fcold(e, 0, insn->rd);

    if (cold == NULL) {
        return;
    }
    if (to == JIT_FP_W || to == JIT_FP_L) {
        emit_to_signed(e, cold, to == JIT_FP_W ? 4 : 8, truncate, insn);
    } else {
        emit_to_unsigned(e, cold, to == JIT_FP_WU, truncate, insn);
    }
    x86__put(e, insn->rd, RAX);
    cold->resume = code_buf__offset(e->b);
}

/* An xmm register for a single to come: its box, or nothing; neither waits
 * for what the register held. */
static void clear_target(struct jit_emit *e, bool is_double, unsigned reg)
{
    x86__fbits(e, is_double ? X86_XORPS : X86_PCMPEQD, reg, x86_r(reg));
}

static void put_from_integer(struct jit_emit *e, unsigned width, unsigned src,
                             const struct jit_fp_insn *i)
{
    unsigned d = x86__ftarget(e, i->rd, XMM0);

    clear_target(e, i->is_double, d);
    x86_rm(e->b, i->is_double ? X86_CVTSI2SD : X86_CVTSI2SS, width, d,
           x86_r(src));
    x86__fput(e, i->rd, d);
}

void jit_host__fp_from_integer(struct jit_emit *e, enum jit_fp_integer from,
                               const struct jit_fp_insn *insn)
{
    struct jit_cold *cold;

    switch (from) {
    case JIT_FP_W:
        put_from_integer(e, 4, x86__read(e, insn->rs1, RAX), insn);
        break;
    case JIT_FP_WU:
        x86_rm(e->b, X86_MOV_RM, 4, RAX, x86__guest(e, insn->rs1));
        put_from_integer(e, 8, RAX, insn);
        break;
    case JIT_FP_L:
        put_from_integer(e, 8, x86__read(e, insn->rs1, RAX), insn);
        break;
    case JIT_FP_LU:
        cold = x86__fcold(e, insn->rs1, 0);
        if (cold != NULL) {
            x86__get(e, RAX, insn->rs1);
            x86_rr(e->b, X86_TEST_MR, 8, RAX, RAX);
            cold->jump_at = x86_jcc(e->b, CC_S, NULL);
            put_from_integer(e, 8, RAX, insn);
            cold->resume = code_buf__offset(e->b);
        }
        break;
    }
}

/* ---- Singles, doubles, bits -------------------------------------------- */

void jit_host__fp_convert(struct jit_emit *e, const struct jit_fp_insn *i)
{
    clear_target(e, i->is_double, XMM0);
    x86_rm(e->b, i->is_double ? X86_CVTSS2SD : X86_CVTSD2SS,
           i->is_double ? 4 : 8, XMM0, x86__foperand(e, i->rs1));
    x86__fcheck_nan(e, i->is_double, XMM0);
    x86__fput(e, i->rd, XMM0);
}

void jit_host__fp_to_bits(struct jit_emit *e, const struct jit_fp_insn *i)
{
    unsigned d = x86__target(e, i->rd, RAX);
    unsigned s = x86__fread(e, i->rs1, XMM0);

    if (x86__is_zero(e, i->rd)) {
        return;
    }
    if (i->is_double) {
        x86_mr(e->b, X86_MOVQ_RX, 8, x86_r(d), s);
    } else {
        x86_mr(e->b, X86_MOVD_RX, 4, x86_r(d), s);
        x86_rm(e->b, X86_MOVSXD, 8, d, x86_r(d));
    }
    x86__put(e, i->rd, d);
}

void jit_host__fp_from_bits(struct jit_emit *e, const struct jit_fp_insn *i)
{
    unsigned d = x86__ftarget(e, i->rd, XMM0);
    unsigned s = x86__read(e, i->rs1, RAX);

    x86_rm(e->b, i->is_double ? X86_MOVQ_XR : X86_MOVD_XR, i->is_double ? 8 : 4,
           d, x86_r(s));
    if (!i->is_double) {
        x86__box(e, d);
    }
    x86__fput(e, i->rd, d);
}
