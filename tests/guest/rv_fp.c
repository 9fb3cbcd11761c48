/* SPDX-License-Identifier: MIT */
/*
 * RV64 program: executes floating-point operations on real registers.
 *
 * Standard input is an array of struct fp_case, standard output one struct
 * fp_outcome for each. Built without a C library; see CMakeLists.txt.
 */
#include "fp_abi.h"
#include "rv_sys.h"

/* Operands arrive in fa0, fa1, fa2 and, as an integer, in %2. */
#define F_FROM(instruction, operands) \
    instruction " fa3, " operands "\n fmv.x.d %0, fa3"
#define X_FROM(instruction, operands) instruction " %0, " operands

#define TEXT_S_SS_RM(insn)  F_FROM(insn, "fa0, fa1")
#define TEXT_S_S_RM(insn)   F_FROM(insn, "fa0")
#define TEXT_S_SSS_RM(insn) F_FROM(insn, "fa0, fa1, fa2")
#define TEXT_S_SS(insn)     F_FROM(insn, "fa0, fa1")
#define TEXT_B_SS(insn)     X_FROM(insn, "fa0, fa1")
#define TEXT_X_S(insn)      X_FROM(insn, "fa0")
#define TEXT_X_S_RM(insn)   X_FROM(insn, "fa0")
#define TEXT_S_X_RM(insn)   F_FROM(insn, "%2")
#define TEXT_D_DD_RM(insn)  F_FROM(insn, "fa0, fa1")
#define TEXT_D_D_RM(insn)   F_FROM(insn, "fa0")
#define TEXT_D_DDD_RM(insn) F_FROM(insn, "fa0, fa1, fa2")
#define TEXT_D_DD(insn)     F_FROM(insn, "fa0, fa1")
#define TEXT_B_DD(insn)     X_FROM(insn, "fa0, fa1")
#define TEXT_X_D(insn)      X_FROM(insn, "fa0")
#define TEXT_X_D_RM(insn)   X_FROM(insn, "fa0")
#define TEXT_D_X_RM(insn)   F_FROM(insn, "%2")
#define TEXT_D_S(insn)      F_FROM(insn, "fa0")
#define TEXT_S_D_RM(insn)   F_FROM(insn, "fa0")

/* Instructions are assembled with a dynamic rounding mode. */
#define EXECUTE(text)                                                  \
    __asm__ volatile("fmv.d.x fa0, %2\n fmv.d.x fa1, %3\n"             \
                     "fmv.d.x fa2, %4\n fsrm %5\n fsflags zero\n" text \
                     "\n frflags %1"                                   \
                     : "=&r"(out->result), "=&r"(out->flags)           \
                     : "r"(in->operand[0]), "r"(in->operand[1]),       \
                       "r"(in->operand[2]), "r"((uint64_t)in->rm)      \
                     : "fa0", "fa1", "fa2", "fa3")

enum row {
#define FP_ROW(shape, function, negate, insn) ROW_##shape##function##negate,
#include "fp_rows.inc"
};

static void execute(const struct fp_case *in, struct fp_outcome *out)
{
    switch ((enum row)in->row) {
#define FP_ROW(shape, function, negate, insn) \
    case ROW_##shape##function##negate:       \
        EXECUTE(TEXT_##shape(insn));          \
        break;
#include "fp_rows.inc"
    }
}

static struct fp_case cases[4096];
static struct fp_outcome outcomes[4096];

_Noreturn void _start(void)
{
    size_t count;

    do {
        count = rv_read(cases, sizeof(cases)) / sizeof(cases[0]);
        for (size_t i = 0; i < count; i++) {
            execute(&cases[i], &outcomes[i]);
        }
        rv_write(outcomes, count * sizeof(outcomes[0]));
    } while (count > 0);
    rv_exit(0);
}
