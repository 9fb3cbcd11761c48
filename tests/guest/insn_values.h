/* SPDX-License-Identifier: MIT */
/* Register values that matter, and random ones. */
#ifndef XBAR_TESTS_GUEST_INSN_VALUES_H
#define XBAR_TESTS_GUEST_INSN_VALUES_H

#include "tests/guest/insn_abi.h"

/* Registers with a task; beside X_SP five more are pointers that may move:
 * x8, x9 and x18 to x20. */
enum insn_register {
    X_SP = 2,
    X_COUNTER = 6, /* of loops */
    X_LINK = 7,    /* base of indirect jumps */
    X_ATOMIC = 21, /* pointer of lr and sc */
};

/* All registers; pointers point to, or near, the data. */
void insn_random_state(uint64_t *rng, struct insn_state *state);

#endif
