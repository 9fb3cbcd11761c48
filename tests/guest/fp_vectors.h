/* SPDX-License-Identifier: MIT */
/*
 * Floating-point test vectors: every operation by every rounding mode on all
 * combinations of special operands, and on random ones.
 */
#ifndef XBAR_TESTS_GUEST_FP_VECTORS_H
#define XBAR_TESTS_GUEST_FP_VECTORS_H

#include <stddef.h>

#include "tests/guest/fp_abi.h"

struct fp_row {
    const char *name; /* the instruction */
    uint8_t shape;
    uint8_t negate;
    void (*function)(void); /* of the type that the shape says */
};

extern const struct fp_row fp_rows[];
extern const size_t fp_row_count;

/**
 * fp_vectors() - the cases of one row, the same in every run
 * @cases: freed by the caller
 *
 * Return: their number; the test program ends if memory is short.
 */
size_t fp_vectors(uint32_t row, struct fp_case **cases);

/** fp_evaluate() - what jit/riscv/fp/fp.h makes of a case */
struct fp_outcome fp_evaluate(const struct fp_case *c);

#endif
