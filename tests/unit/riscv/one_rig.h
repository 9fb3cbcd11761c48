/* SPDX-License-Identifier: MIT */
/* A rig that is new for each test of a file, for whose helpers it is `rig`. */
#ifndef XBAR_TESTS_UNIT_RISCV_ONE_RIG_H
#define XBAR_TESTS_UNIT_RISCV_ONE_RIG_H

#include "tests/unit/riscv/runner.h"

static struct rig rig;

/* For run_for_each_engine(); else the interpreter. */
static enum xbar_riscv_engine engine;

static inline int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    return xbar_riscv_set_engine(rig.hart, engine);
}

static inline int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
