/* SPDX-License-Identifier: MIT */
/*
 * The host contract, floating point: IEEE 754 singles and doubles on the
 * host's FPU, with the guest's rounding and the guest's flags.
 *
 * The guest is seen as 32 64-bit FP registers, of which the hottest have homes
 * in host registers, too. A single is boxed: its upper half is all ones.
 * Results that are NaN are the canonical one (positive, quiet, no payload).
 *
 * FP is live in a block with emit->fp: the homes hold the registers, and the
 * host's control register has the guest's rounding mode and gathers flags. A
 * block with it is entered with it, and only linked to such. Calls out of it
 * find the registers in memory and the embedder's control register.
 *
 *     jit_host__fp_begin(state, rounding);
 *     jit_host__enter(stubs, vcpu, code, true);
 *     flags |= jit_host__fp_end(state);
 *
 * What the host does in another way than the guest (NaN operands of minimum,
 * conversions out of range, ...) leaves by a cold path to helpers.execute,
 * which does the whole instruction, emit->bits.
 */
#ifndef XBAR_JIT_HOST_FP_H
#define XBAR_JIT_HOST_FP_H

#include "jit/host.h"

/* What jit_host__fp_end() returns, OR-ed. */
enum jit_fp_flag {
    JIT_FP_INEXACT = 1 << 0,
    JIT_FP_UNDERFLOW = 1 << 1,
    JIT_FP_OVERFLOW = 1 << 2,
    JIT_FP_DIVIDE = 1 << 3,
    JIT_FP_INVALID = 1 << 4,
};

enum jit_fp_op {
    JIT_FADD,
    JIT_FSUB,
    JIT_FMUL,
    JIT_FDIV,
    JIT_FSQRT,
    JIT_FMIN, /* the number if one is NaN; -0 < +0 */
    JIT_FMAX,
    JIT_FSGNJ, /* rs1 with the sign of rs2 */
    JIT_FSGNJN,
    JIT_FSGNJX,
};

/* rs1 * rs2 and rs3, rounded once. */
enum jit_fp_fused {
    JIT_FMADD,  /* product + rs3 */
    JIT_FMSUB,  /* product - rs3 */
    JIT_FNMSUB, /* -product + rs3 */
    JIT_FNMADD, /* -product - rs3 */
};

enum jit_fp_compare {
    JIT_FEQ, /* quiet */
    JIT_FLT, /* signaling */
    JIT_FLE,
};

enum jit_fp_integer {
    JIT_FP_W,
    JIT_FP_WU,
    JIT_FP_L,
    JIT_FP_LU,
};

/* Operands: FP registers, but for the integer side of a conversion. */
struct jit_fp_insn {
    bool is_double; /* of a conversion between the two: the result */
    uint8_t rd;
    uint8_t rs1;
    uint8_t rs2;
    uint8_t rs3;
};

/* Once, before the first block that is live is entered. */
void jit_host__fp_init(struct jit_state *state);
/* Does emit->inexact make a difference? */
bool jit_host__fp_asks_inexact(const struct jit_stubs *stubs);
/* FP is about to be live, without flags. */
void jit_host__fp_begin(struct jit_state *state, enum jit_fp_rounding rounding);
/* The flags since then, enum jit_fp_flag; they are off now. */
unsigned jit_host__fp_end(struct jit_state *state);

/* If one of the FP registers of @set is not boxed, leave the block before the
 * instruction at hand, which another engine then does. */
void jit_host__fp_guard(struct jit_emit *e, uint32_t set);

/* From here on the block rounds in this way: changes emit->rounding. Whoever
 * changes it changes it back before the block ends. */
void jit_host__fp_round(struct jit_emit *e, enum jit_fp_rounding rounding);

/* Operands that are singles are boxed. Rounding is emit->rounding. */
void jit_host__fp_alu(struct jit_emit *e, enum jit_fp_op op,
                      const struct jit_fp_insn *insn);
void jit_host__fp_fused(struct jit_emit *e, enum jit_fp_fused op,
                        const struct jit_fp_insn *insn);
/* regs[rd] = 0 or 1 */
void jit_host__fp_compare(struct jit_emit *e, enum jit_fp_compare op,
                          const struct jit_fp_insn *insn);
/* regs[rd]; towards zero if @truncate. */
void jit_host__fp_to_integer(struct jit_emit *e, enum jit_fp_integer to,
                             bool truncate, const struct jit_fp_insn *insn);
/* of regs[rs1] */
void jit_host__fp_from_integer(struct jit_emit *e, enum jit_fp_integer from,
                               const struct jit_fp_insn *insn);
/* Single to double, or back. */
void jit_host__fp_convert(struct jit_emit *e, const struct jit_fp_insn *insn);
/* The bits: regs[rd], a single's sign-extended; and of regs[rs1]. */
void jit_host__fp_to_bits(struct jit_emit *e, const struct jit_fp_insn *insn);
void jit_host__fp_from_bits(struct jit_emit *e, const struct jit_fp_insn *insn);

#endif
