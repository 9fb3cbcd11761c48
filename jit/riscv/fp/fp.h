/* SPDX-License-Identifier: MIT */
/*
 * RISC-V floating point (F and D, version 2.2) in integer arithmetic.
 *
 * Pure functions of operand bits: no host floating point, so neither the
 * host's rounding mode nor its sticky flags are read or changed, and hosts
 * that differ (tininess before rounding, NaN payloads, inf * 0 + qNaN) give
 * the same bits. This is the reference that generated code is compared with.
 *
 * Names follow the instructions: fadd.s is fp__add_s(), fcvt.w.d is
 * fp__cvt_w_d(). Singles are raw 32-bit patterns; box them with fp__box().
 * Integers pass as x registers do: all 64 bits, and what is narrower is
 * sign-extended on the way out and cut to its low half on the way in.
 *
 * @rm is a real mode, never FP_RM_DYN: the caller resolves frm and refuses 5
 * to 7. @flags accumulates: bits are set in it, never cleared. A result that
 * is NaN is the canonical one.
 */
#ifndef XBAR_JIT_RISCV_FP_FP_H
#define XBAR_JIT_RISCV_FP_FP_H

#include <stdbool.h>
#include <stdint.h>

/* Rounding modes, as in the rm field and frm. */
enum fp_rm {
    FP_RM_RNE = 0, /* to nearest, ties to even */
    FP_RM_RTZ = 1, /* towards zero */
    FP_RM_RDN = 2, /* down */
    FP_RM_RUP = 3, /* up */
    FP_RM_RMM = 4, /* to nearest, ties away from zero */
    FP_RM_DYN = 7, /* in an instruction only: take frm */
};

/* Accrued exceptions, as in fflags. */
enum fp_flag {
    FP_FLAG_NX = 1 << 0, /* inexact */
    FP_FLAG_UF = 1 << 1, /* underflow: tiny after rounding, and inexact */
    FP_FLAG_OF = 1 << 2, /* overflow */
    FP_FLAG_DZ = 1 << 3, /* division by zero */
    FP_FLAG_NV = 1 << 4, /* invalid */
};

#define FP_NAN_S  UINT32_C(0x7fc00000)
#define FP_NAN_D  UINT64_C(0x7ff8000000000000)
#define FP_SIGN_S (UINT32_C(1) << 31)
#define FP_SIGN_D (UINT64_C(1) << 63)

/* A single as an f register holds it. */
static inline uint64_t fp__box(uint32_t single)
{
    return UINT64_C(0xffffffff00000000) | single;
}

/* The single in an f register: NaN unless properly boxed. */
static inline uint32_t fp__unbox(uint64_t reg)
{
    return reg >> 32 == UINT32_MAX ? (uint32_t)reg : FP_NAN_S;
}

/* ---- Arithmetic (fp.c) ------------------------------------------------- */

uint32_t fp__add_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags);
uint64_t fp__add_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags);
uint32_t fp__sub_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags);
uint64_t fp__sub_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags);
uint32_t fp__mul_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags);
uint64_t fp__mul_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags);
uint32_t fp__div_s(uint32_t a, uint32_t b, enum fp_rm rm, uint8_t *flags);
uint64_t fp__div_d(uint64_t a, uint64_t b, enum fp_rm rm, uint8_t *flags);
uint32_t fp__sqrt_s(uint32_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__sqrt_d(uint64_t a, enum fp_rm rm, uint8_t *flags);

/*
 * a * b + c, rounded once. The other three are this with signs flipped by the
 * caller, which changes no flag and no NaN:
 *
 *   fmsub   a,  b, -c        fnmsub  -a,  b,  c        fnmadd  -a,  b, -c
 */
uint32_t fp__fma_s(uint32_t a, uint32_t b, uint32_t c, enum fp_rm rm,
                   uint8_t *flags);
uint64_t fp__fma_d(uint64_t a, uint64_t b, uint64_t c, enum fp_rm rm,
                   uint8_t *flags);

/* ---- Comparing, choosing, classifying (compare.c) ---------------------- */

/* minimumNumber and maximumNumber of IEEE 754-2019: -0 < +0, a number wins
 * over a NaN, and a signaling NaN is invalid. */
uint32_t fp__min_s(uint32_t a, uint32_t b, uint8_t *flags);
uint64_t fp__min_d(uint64_t a, uint64_t b, uint8_t *flags);
uint32_t fp__max_s(uint32_t a, uint32_t b, uint8_t *flags);
uint64_t fp__max_d(uint64_t a, uint64_t b, uint8_t *flags);

/* eq is invalid for signaling NaNs alone; lt and le are for any NaN. */
bool fp__eq_s(uint32_t a, uint32_t b, uint8_t *flags);
bool fp__eq_d(uint64_t a, uint64_t b, uint8_t *flags);
bool fp__lt_s(uint32_t a, uint32_t b, uint8_t *flags);
bool fp__lt_d(uint64_t a, uint64_t b, uint8_t *flags);
bool fp__le_s(uint32_t a, uint32_t b, uint8_t *flags);
bool fp__le_d(uint64_t a, uint64_t b, uint8_t *flags);

/* One bit of ten, as fclass has it: bit 0 is -inf, bit 9 a quiet NaN. */
uint64_t fp__class_s(uint32_t a);
uint64_t fp__class_d(uint64_t a);

/* ---- Converting (convert.c) -------------------------------------------- */

uint64_t fp__cvt_d_s(uint32_t a, uint8_t *flags); /* exact */
uint32_t fp__cvt_s_d(uint64_t a, enum fp_rm rm, uint8_t *flags);

/* To an integer register. Out of range is invalid and gives the nearest
 * limit; a NaN counts as above the range. wu is sign-extended, too. */
uint64_t fp__cvt_w_s(uint32_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_wu_s(uint32_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_l_s(uint32_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_lu_s(uint32_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_w_d(uint64_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_wu_d(uint64_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_l_d(uint64_t a, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_lu_d(uint64_t a, enum fp_rm rm, uint8_t *flags);

/* From an integer register. */
uint32_t fp__cvt_s_w(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint32_t fp__cvt_s_wu(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint32_t fp__cvt_s_l(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint32_t fp__cvt_s_lu(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_d_w(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_d_wu(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_d_l(uint64_t x, enum fp_rm rm, uint8_t *flags);
uint64_t fp__cvt_d_lu(uint64_t x, enum fp_rm rm, uint8_t *flags);

#endif
