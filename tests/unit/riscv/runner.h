/* SPDX-License-Identifier: MIT */
/* Running a rig's hart: what the tests of jit/riscv/hart.c share. */
#ifndef XBAR_TESTS_UNIT_RISCV_RUNNER_H
#define XBAR_TESTS_UNIT_RISCV_RUNNER_H

#include "tests/unit/riscv/rig.h"

#include <pthread.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void sleep_ms(unsigned ms)
{
    const struct timespec time = { .tv_nsec = ms * 1000000l };

    nanosleep(&time, NULL);
}

static inline uint64_t retired(const struct rig *rig)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig->hart, &stats);
    return stats.instructions;
}

static inline void run_exactly(struct rig *rig, uint64_t count)
{
    uint64_t before = retired(rig);

    assert_int_equal(xbar_riscv_run(rig->hart, count), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(retired(rig) - before, count);
}

static inline void set_csr(struct rig *rig, unsigned csr, uint64_t value)
{
    assert_int_equal(xbar_riscv_set_csr(rig->hart, csr, value), 0);
}

static inline uint64_t get_csr(struct rig *rig, unsigned csr)
{
    uint64_t value = 0;

    assert_int_equal(xbar_riscv_get_csr(rig->hart, csr, &value), 0);
    return value;
}

/* The loop at reset: x5 counts it. */
static inline void load_counting_loop(struct rig *rig)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), 0xffdff06f /* j .-4 */ };

    rig_code(rig, 0, code, 2);
}

/* A thread that asks for an exit in a while. */
struct exiter {
    struct rig *rig;
    unsigned delay_ms;
    uint64_t asked_ns;
};

static inline void *ask_exit(void *opaque)
{
    struct exiter *exiter = opaque;

    sleep_ms(exiter->delay_ms);
    exiter->asked_ns = now_ns();
    xbar_riscv_request_exit(exiter->rig->hart);
    return NULL;
}

/* ---- For every engine --------------------------------------------------- */

/* Is there a translator for this host, and does it let us? */
static inline bool has_translator(void)
{
    struct rig rig;
    bool has;

    rig_open(&rig);
    has = xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT) == 0;
    rig_close(&rig);
    return has;
}

/* @engine is what the tests' setup looks at. */
static inline int run_for_each_engine(const struct CMUnitTest *tests,
                                      size_t count,
                                      enum xbar_riscv_engine *engine)
{
    int failed;

    *engine = XBAR_RISCV_INTERP;
    failed = _cmocka_run_group_tests("interp", tests, count, NULL, NULL);
    if (has_translator()) {
        *engine = XBAR_RISCV_JIT;
        failed += _cmocka_run_group_tests("jit", tests, count, NULL, NULL);
    }
    return failed;
}

#endif
