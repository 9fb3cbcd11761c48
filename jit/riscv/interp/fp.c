/* SPDX-License-Identifier: MIT */
/*
 * Floating point: the way from registers to the functions of fp/fp.h and back.
 *
 * One routine does what all rows share, as the row's format says: refuse if
 * the FPU is off or the rounding mode is reserved, take f or x registers,
 * gather flags, write an f or an x register, mark the state dirty. A row is
 * then one expression over raw 64-bit operands.
 */
#include "jit/riscv/fp/fp.h"
#include "jit/riscv/interp/interp.h"

struct operands {
    uint64_t a, b, c; /* rs1, rs2, rs3 as the registers hold them */
    enum fp_rm rm;    /* resolved: 0 to 4 */
    uint8_t flags;    /* raised by this instruction */
};

typedef uint64_t compute_fn(struct operands *o);

/* False: illegal. A row without a rounding mode has 0 there, which passes. */
static inline bool begin(const struct xbar_riscv_hart *hart,
                         const struct riscv_insn *insn, struct operands *o)
{
    o->rm = (enum fp_rm)(insn->rm == FP_RM_DYN ? hart->frm : insn->rm);
    return riscv__fp_enabled(hart) && o->rm <= FP_RM_RMM;
}

static inline enum riscv_exec execute(struct xbar_riscv_hart *hart,
                                      const struct riscv_insn *insn,
                                      compute_fn *compute)
{
    unsigned fp = riscv__formats[riscv__ops[insn->op].format].fp;
    struct operands o;
    uint64_t value;

    if (!begin(hart, insn, &o)) {
        return riscv__illegal(hart, insn);
    }
    o.a = (fp & RISCV_RS1) != 0 ? hart->f[insn->rs1] : hart->x[insn->rs1];
    o.b = hart->f[insn->rs2];
    o.c = hart->f[insn->rs3];
    o.flags = 0;
    value = compute(&o);
    hart->fflags |= o.flags;
    if ((fp & RISCV_RD) != 0 || o.flags != 0) {
        riscv__fp_dirty(hart);
    }
    if ((fp & RISCV_RD) == 0) {
        return riscv__put(hart, insn, value);
    }
    hart->f[insn->rd] = value;
    return EXEC_NEXT;
}

/* ---- Singles in 64-bit registers --------------------------------------- */

static uint32_t s(uint64_t reg)
{
    return fp__unbox(reg);
}

static uint64_t box(uint32_t single)
{
    return fp__box(single);
}

/* ---- Operations that fp/fp.h leaves to sign bits ----------------------- */

static uint64_t fused_s(struct operands *o, uint32_t flip_product,
                        uint32_t flip_addend)
{
    return box(fp__fma_s(s(o->a) ^ flip_product, s(o->b), s(o->c) ^ flip_addend,
                         o->rm, &o->flags));
}

static uint64_t fused_d(struct operands *o, uint64_t flip_product,
                        uint64_t flip_addend)
{
    return fp__fma_d(o->a ^ flip_product, o->b, o->c ^ flip_addend, o->rm,
                     &o->flags);
}

static uint32_t with_sign_s(uint32_t value, uint32_t sign)
{
    return (value & ~FP_SIGN_S) | (sign & FP_SIGN_S);
}

static uint64_t with_sign_d(uint64_t value, uint64_t sign)
{
    return (value & ~FP_SIGN_D) | (sign & FP_SIGN_D);
}

/* ---- Rows -------------------------------------------------------------- */

#define FP(name, value)                                               \
    static uint64_t compute_##name(struct operands *o)                \
    {                                                                 \
        return value;                                                 \
    }                                                                 \
                                                                      \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        return execute(hart, insn, compute_##name);                   \
    }

/* clang-format off */
FP(fadd_s, box(fp__add_s(s(o->a), s(o->b), o->rm, &o->flags)))
FP(fadd_d, fp__add_d(o->a, o->b, o->rm, &o->flags))
FP(fsub_s, box(fp__sub_s(s(o->a), s(o->b), o->rm, &o->flags)))
FP(fsub_d, fp__sub_d(o->a, o->b, o->rm, &o->flags))
FP(fmul_s, box(fp__mul_s(s(o->a), s(o->b), o->rm, &o->flags)))
FP(fmul_d, fp__mul_d(o->a, o->b, o->rm, &o->flags))
FP(fdiv_s, box(fp__div_s(s(o->a), s(o->b), o->rm, &o->flags)))
FP(fdiv_d, fp__div_d(o->a, o->b, o->rm, &o->flags))
FP(fsqrt_s, box(fp__sqrt_s(s(o->a), o->rm, &o->flags)))
FP(fsqrt_d, fp__sqrt_d(o->a, o->rm, &o->flags))

/* fmsub is a * b - c; the names of the negated two are about the product. */
FP(fmadd_s, fused_s(o, 0, 0))
FP(fmadd_d, fused_d(o, 0, 0))
FP(fmsub_s, fused_s(o, 0, FP_SIGN_S))
FP(fmsub_d, fused_d(o, 0, FP_SIGN_D))
FP(fnmsub_s, fused_s(o, FP_SIGN_S, 0))
FP(fnmsub_d, fused_d(o, FP_SIGN_D, 0))
FP(fnmadd_s, fused_s(o, FP_SIGN_S, FP_SIGN_S))
FP(fnmadd_d, fused_d(o, FP_SIGN_D, FP_SIGN_D))

FP(fsgnj_s, box(with_sign_s(s(o->a), s(o->b))))
FP(fsgnj_d, with_sign_d(o->a, o->b))
FP(fsgnjn_s, box(with_sign_s(s(o->a), ~s(o->b))))
FP(fsgnjn_d, with_sign_d(o->a, ~o->b))
FP(fsgnjx_s, box(with_sign_s(s(o->a), s(o->a) ^ s(o->b))))
FP(fsgnjx_d, with_sign_d(o->a, o->a ^ o->b))
FP(fmin_s, box(fp__min_s(s(o->a), s(o->b), &o->flags)))
FP(fmin_d, fp__min_d(o->a, o->b, &o->flags))
FP(fmax_s, box(fp__max_s(s(o->a), s(o->b), &o->flags)))
FP(fmax_d, fp__max_d(o->a, o->b, &o->flags))
FP(feq_s, fp__eq_s(s(o->a), s(o->b), &o->flags))
FP(feq_d, fp__eq_d(o->a, o->b, &o->flags))
FP(flt_s, fp__lt_s(s(o->a), s(o->b), &o->flags))
FP(flt_d, fp__lt_d(o->a, o->b, &o->flags))
FP(fle_s, fp__le_s(s(o->a), s(o->b), &o->flags))
FP(fle_d, fp__le_d(o->a, o->b, &o->flags))
FP(fclass_s, fp__class_s(s(o->a)))
FP(fclass_d, fp__class_d(o->a))

FP(fcvt_s_d, box(fp__cvt_s_d(o->a, o->rm, &o->flags)))
FP(fcvt_d_s, fp__cvt_d_s(s(o->a), &o->flags))
FP(fcvt_w_s, fp__cvt_w_s(s(o->a), o->rm, &o->flags))
FP(fcvt_w_d, fp__cvt_w_d(o->a, o->rm, &o->flags))
FP(fcvt_wu_s, fp__cvt_wu_s(s(o->a), o->rm, &o->flags))
FP(fcvt_wu_d, fp__cvt_wu_d(o->a, o->rm, &o->flags))
FP(fcvt_l_s, fp__cvt_l_s(s(o->a), o->rm, &o->flags))
FP(fcvt_l_d, fp__cvt_l_d(o->a, o->rm, &o->flags))
FP(fcvt_lu_s, fp__cvt_lu_s(s(o->a), o->rm, &o->flags))
FP(fcvt_lu_d, fp__cvt_lu_d(o->a, o->rm, &o->flags))
FP(fcvt_s_w, box(fp__cvt_s_w(o->a, o->rm, &o->flags)))
FP(fcvt_d_w, fp__cvt_d_w(o->a, o->rm, &o->flags))
FP(fcvt_s_wu, box(fp__cvt_s_wu(o->a, o->rm, &o->flags)))
FP(fcvt_d_wu, fp__cvt_d_wu(o->a, o->rm, &o->flags))
FP(fcvt_s_l, box(fp__cvt_s_l(o->a, o->rm, &o->flags)))
FP(fcvt_d_l, fp__cvt_d_l(o->a, o->rm, &o->flags))
FP(fcvt_s_lu, box(fp__cvt_s_lu(o->a, o->rm, &o->flags)))
FP(fcvt_d_lu, fp__cvt_d_lu(o->a, o->rm, &o->flags))

/* Moves of bits: nothing is unboxed. */
FP(fmv_x_w, riscv__sext32(o->a))
FP(fmv_x_d, o->a)
FP(fmv_w_x, box((uint32_t)o->a))
FP(fmv_d_x, o->a)
/* clang-format on */
