/* SPDX-License-Identifier: MIT */
/* Loops made of little, for the tests of jit/riscv/region/region.h. */
#ifndef XBAR_TESTS_UNIT_RISCV_LOOPS_H
#define XBAR_TESTS_UNIT_RISCV_LOOPS_H

#include "jit/riscv/region/region.h"

#include "tests/unit/riscv/encode.h"

#define STEP encode(RISCV_OP_ADDI, 10, 10, 0, -1)

/* Over as many instructions, while x10 is not 0. */
static inline uint32_t branch(int insns)
{
    return encode(RISCV_OP_BNE, 0, 10, 0, 4 * insns);
}

/* For riscv__find_region(): any pc but the one at @opaque, if that is not
 * NULL. */
static inline bool any(void *opaque, uint64_t pc)
{
    return opaque == NULL || *(uint64_t *)opaque != pc;
}

#endif
