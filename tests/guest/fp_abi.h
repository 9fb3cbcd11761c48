/* SPDX-License-Identifier: MIT */
/* What rv_fp.c reads and writes, shared with the host's side. */
#ifndef XBAR_TESTS_GUEST_FP_ABI_H
#define XBAR_TESTS_GUEST_FP_ABI_H

#include <stdint.h>

/* One operation. Operands are whole registers: singles may be unboxed. */
struct fp_case {
    uint64_t operand[3];
    uint32_t row; /* of fp_rows.inc */
    uint32_t rm;
};

struct fp_outcome {
    uint64_t result; /* the whole destination register */
    uint64_t flags;
};

#endif
