/* SPDX-License-Identifier: MIT */
/* Register values that matter, and random ones. */
#ifndef XBAR_TESTS_GUEST_INSN_VALUES_H
#define XBAR_TESTS_GUEST_INSN_VALUES_H

#include <stdint.h>

uint64_t insn_random_x(uint64_t *rng);

/* Singles, boxed and not, and doubles. */
uint64_t insn_random_f(uint64_t *rng);

#endif
