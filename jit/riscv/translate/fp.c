/* SPDX-License-Identifier: MIT */
/*
 * Floating point, by calls of jit/host_fp.h.
 *
 * Rounding. A block is made for one value of frm (it is in the mode), which is
 * the host's rounding mode while the block runs. An instruction whose own mode
 * is another one is put between two changes of it. All that round to nearest
 * with ties away, which the host cannot, are executed out of line; so are those
 * that frm makes illegal.
 *
 * Boxes. An operation on singles takes a register that is not boxed for a NaN.
 * Which registers a block reads as singles before it writes them is found
 * beforehand, and one guard at its entry asks for all their boxes; a block that
 * is entered without is left to the interpreter, instruction by instruction.
 * Inside the block it is known what each instruction leaves.
 */
#include "jit/riscv/fp/fp.h"
#include "jit/host_fp.h"
#include "jit/riscv/translate/translate.h"

enum kind {
    KIND_NONE, /* executed out of line */
    KIND_ALU,
    KIND_FUSED,
    KIND_COMPARE,
    KIND_TO_INTEGER,
    KIND_FROM_INTEGER,
    KIND_CONVERT,
    KIND_TO_BITS,
    KIND_FROM_BITS,
};

struct fp_row {
    uint8_t kind; /* enum kind */
    uint8_t op;   /* of the kind's enumeration in jit/host_fp.h */
    bool is_double;
    bool is_exact; /* rounding makes no difference */
};

#define BOTH(op, kind, jit, exact)                            \
    [RISCV_OP_##op##_S] = { KIND_##kind, jit, false, exact }, \
    [RISCV_OP_##op##_D] = { KIND_##kind, jit, true, exact }
#define ONE(op, kind, jit, is_double, exact) \
    [RISCV_OP_##op] = { KIND_##kind, jit, is_double, exact }

/* clang-format off */
static const struct fp_row rows[RISCV_OP_COUNT] = {
    BOTH(FADD, ALU, JIT_FADD, false),
    BOTH(FSUB, ALU, JIT_FSUB, false),
    BOTH(FMUL, ALU, JIT_FMUL, false),
    BOTH(FDIV, ALU, JIT_FDIV, false),
    BOTH(FSQRT, ALU, JIT_FSQRT, false),
    BOTH(FMIN, ALU, JIT_FMIN, true),
    BOTH(FMAX, ALU, JIT_FMAX, true),
    BOTH(FSGNJ, ALU, JIT_FSGNJ, true),
    BOTH(FSGNJN, ALU, JIT_FSGNJN, true),
    BOTH(FSGNJX, ALU, JIT_FSGNJX, true),
    BOTH(FMADD, FUSED, JIT_FMADD, false),
    BOTH(FMSUB, FUSED, JIT_FMSUB, false),
    BOTH(FNMSUB, FUSED, JIT_FNMSUB, false),
    BOTH(FNMADD, FUSED, JIT_FNMADD, false),
    BOTH(FEQ, COMPARE, JIT_FEQ, true),
    BOTH(FLT, COMPARE, JIT_FLT, true),
    BOTH(FLE, COMPARE, JIT_FLE, true),
    BOTH(FCVT_W, TO_INTEGER, JIT_FP_W, false),
    BOTH(FCVT_WU, TO_INTEGER, JIT_FP_WU, false),
    BOTH(FCVT_L, TO_INTEGER, JIT_FP_L, false),
    BOTH(FCVT_LU, TO_INTEGER, JIT_FP_LU, false),
    ONE(FCVT_S_W, FROM_INTEGER, JIT_FP_W, false, false),
    ONE(FCVT_S_WU, FROM_INTEGER, JIT_FP_WU, false, false),
    ONE(FCVT_S_L, FROM_INTEGER, JIT_FP_L, false, false),
    ONE(FCVT_S_LU, FROM_INTEGER, JIT_FP_LU, false, false),
    ONE(FCVT_D_W, FROM_INTEGER, JIT_FP_W, true, true),
    ONE(FCVT_D_WU, FROM_INTEGER, JIT_FP_WU, true, true),
    ONE(FCVT_D_L, FROM_INTEGER, JIT_FP_L, true, false),
    ONE(FCVT_D_LU, FROM_INTEGER, JIT_FP_LU, true, false),
    ONE(FCVT_S_D, CONVERT, 0, false, false),
    ONE(FCVT_D_S, CONVERT, 0, true, true),
    ONE(FMV_X_W, TO_BITS, 0, false, true),
    ONE(FMV_X_D, TO_BITS, 0, true, true),
    ONE(FMV_W_X, FROM_BITS, 0, false, true),
    ONE(FMV_D_X, FROM_BITS, 0, true, true),
};
/* clang-format on */

/* ---- Boxes ------------------------------------------------------------- */

static uint32_t reg_bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

/* The f registers that are read as singles. */
static uint32_t singles_read(const struct riscv_insn *insn)
{
    const struct riscv_format_info *format =
        &riscv__formats[riscv__ops[insn->op].format];
    const struct fp_row *row = &rows[insn->op];
    bool reads_single =
        row->kind == KIND_CONVERT ? row->is_double : !row->is_double;
    uint32_t set = 0;

    if (row->kind == KIND_NONE || row->kind == KIND_TO_BITS || !reads_single) {
        return 0;
    }
    set |= format->fp & RISCV_RS1 ? reg_bit(insn->rs1) : 0;
    set |= format->fp & RISCV_RS2 ? reg_bit(insn->rs2) : 0;
    set |= format->fp & RISCV_RS3 ? reg_bit(insn->rs3) : 0;
    return set;
}

static uint32_t f_written(const struct riscv_insn *insn)
{
    const struct riscv_format_info *format =
        &riscv__formats[riscv__ops[insn->op].format];

    return format->fp & RISCV_RD ? reg_bit(insn->rd) : 0;
}

/* What the block reads as singles before it writes them. */
static uint32_t singles_at_entry(const struct riscv_translation *t)
{
    uint32_t needed = 0, written = 0;

    for (unsigned i = 0; i < t->ahead->count; i++) {
        const struct riscv_insn *insn = &t->ahead->insns[i];

        if (riscv__needs_step(t, insn)) {
            break;
        }
        needed |= singles_read(insn) & ~written;
        written |= f_written(insn);
    }
    return needed;
}

void riscv__translate_fp_guard(struct riscv_translation *t)
{
    if (t->e.fp) {
        t->boxed = singles_at_entry(t);
        jit_host__fp_guard(&t->e, t->boxed);
    }
}

void riscv__translate_fp_note(struct riscv_translation *t,
                              const struct riscv_insn *insn)
{
    uint32_t written = f_written(insn);
    const struct fp_row *row = &rows[insn->op];
    bool is_single =
        row->kind == KIND_NONE ? insn->op == RISCV_OP_FLW : !row->is_double;

    t->boxed &= ~written;
    t->boxed |= is_single ? written : 0;
}

/* ---- Rounding ---------------------------------------------------------- */

static bool frm_is_hosts(const struct riscv_translation *t)
{
    return riscv__mode_frm(t->source->key.mode) <= FP_RM_RUP;
}

void riscv__translate_fp_begin(struct riscv_translation *t)
{
    t->e.rounding = riscv__host_rounding(t->source->key.mode);
    t->e.inexact = (t->source->key.mode & MODE_INEXACT) != 0;
}

static bool is_towards_zero(const struct riscv_insn *insn)
{
    return rows[insn->op].kind == KIND_TO_INTEGER && insn->rm == FP_RM_RTZ;
}

/* Does the host round as the instruction asks, if it does at all? */
static bool rounds_as_host(const struct riscv_translation *t,
                           const struct riscv_insn *insn)
{
    if (!(riscv__formats[riscv__ops[insn->op].format].fields & RISCV_RM)) {
        return true;
    }
    if (insn->rm == FP_RM_DYN) {
        return frm_is_hosts(t);
    }
    return rows[insn->op].is_exact || is_towards_zero(insn) ||
           insn->rm == (uint8_t)t->e.rounding;
}

/* ---- Instructions ------------------------------------------------------ */

static void execute(struct riscv_translation *t, const struct riscv_insn *insn)
{
    unsigned fp = riscv__formats[riscv__ops[insn->op].format].fp;

    jit_host__execute(&t->e, insn->bits, fp & RISCV_RS1 ? 0 : insn->rs1,
                      fp & RISCV_RD ? 0 : insn->rd);
}

static void translate_row(struct riscv_translation *t, const struct fp_row *row,
                          const struct riscv_insn *insn)
{
    const struct jit_fp_insn i = { .is_double = row->is_double,
                                   .rd = insn->rd,
                                   .rs1 = insn->rs1,
                                   .rs2 = insn->rs2,
                                   .rs3 = insn->rs3 };

    switch ((enum kind)row->kind) {
    case KIND_ALU:
        jit_host__fp_alu(&t->e, (enum jit_fp_op)row->op, &i);
        break;
    case KIND_FUSED:
        jit_host__fp_fused(&t->e, (enum jit_fp_fused)row->op, &i);
        break;
    case KIND_COMPARE:
        jit_host__fp_compare(&t->e, (enum jit_fp_compare)row->op, &i);
        break;
    case KIND_TO_INTEGER:
        jit_host__fp_to_integer(&t->e, (enum jit_fp_integer)row->op,
                                is_towards_zero(insn), &i);
        break;
    case KIND_FROM_INTEGER:
        jit_host__fp_from_integer(&t->e, (enum jit_fp_integer)row->op, &i);
        break;
    case KIND_CONVERT:
        jit_host__fp_convert(&t->e, &i);
        break;
    case KIND_TO_BITS:
        jit_host__fp_to_bits(&t->e, &i);
        break;
    case KIND_FROM_BITS:
        jit_host__fp_from_bits(&t->e, &i);
        break;
    default:
        execute(t, insn);
        break;
    }
}

/* With the mode in the instruction, which is one of the host's. */
static void translate_rounded(struct riscv_translation *t,
                              const struct riscv_insn *insn)
{
    enum jit_fp_rounding blocks = t->e.rounding;

    jit_host__fp_round(&t->e, (enum jit_fp_rounding)insn->rm);
    translate_row(t, &rows[insn->op], insn);
    jit_host__fp_round(&t->e, blocks);
}

void riscv__translate_fp(struct riscv_translation *t,
                         const struct riscv_insn *insn)
{
    if (rows[insn->op].kind == KIND_NONE || (singles_read(insn) & ~t->boxed)) {
        execute(t, insn);
    } else if (rounds_as_host(t, insn)) {
        translate_row(t, &rows[insn->op], insn);
    } else if (insn->rm <= FP_RM_RUP) {
        translate_rounded(t, insn);
    } else {
        execute(t, insn);
    }
}
