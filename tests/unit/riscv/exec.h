/* SPDX-License-Identifier: MIT */
/*
 * One instruction at a time, on the board of rig.h: in M-mode at the start of
 * RAM, with a trap handler that stays where it is.
 */
#ifndef XBAR_TESTS_UNIT_RISCV_EXEC_H
#define XBAR_TESTS_UNIT_RISCV_EXEC_H

#include "encode.h"
#include "rig.h"

#define EXEC_CODE    ((uint64_t)RIG_RAM)
#define EXEC_HANDLER ((uint64_t)RIG_RAM + 0x1000)
#define EXEC_DATA    0x10000 /* offset in RAM that tests use for data */
#define EXEC_NO_TRAP 0x5555  /* mcause if nothing trapped */

static struct rig exec_rig;

static inline int exec_open(void **state)
{
    static const uint32_t handler = INSN_SELF;

    rig_open(&exec_rig);
    rig_open_pmp(&exec_rig);
    rig_code(&exec_rig, 0x1000, &handler, 1);
    exec_rig.hart->mtvec = EXEC_HANDLER;
    *state = &exec_rig;
    return 0;
}

static inline int exec_close(void **state)
{
    rig_close(*state);
    return 0;
}

/* Executes @bits at @pc, which need not be aligned to 4. */
static inline void exec_at(struct rig *rig, uint64_t pc, uint32_t bits)
{
    memcpy(rig->mem + (pc - RIG_RAM), &bits, (bits & 3) == 3 ? 4 : 2);
    rig->hart->pc = pc;
    rig->hart->mcause = EXEC_NO_TRAP;
    /* If it traps, it is the handler's jump that retires. */
    assert_int_equal(xbar_riscv_run(rig->hart, 1), XBAR_RISCV_EXIT_BUDGET);
}

static inline void exec(struct rig *rig, uint32_t bits)
{
    exec_at(rig, EXEC_CODE, bits);
}

static inline void assert_trap(const struct rig *rig, uint64_t cause,
                               uint64_t tval)
{
    assert_int_equal(rig->hart->mcause, cause);
    assert_int_equal(rig->hart->mtval, tval);
    assert_int_equal(rig->hart->pc, EXEC_HANDLER);
}

/* @bits retires and is followed by what lies behind it. */
static inline void exec_ok(struct rig *rig, uint32_t bits)
{
    exec(rig, bits);
    assert_int_equal(rig->hart->mcause, EXEC_NO_TRAP);
    assert_int_equal(rig->hart->pc, EXEC_CODE + ((bits & 3) == 3 ? 4 : 2));
    assert_int_equal(rig->hart->x[0], 0);
}

static inline void exec_traps(struct rig *rig, uint32_t bits, uint64_t cause,
                              uint64_t tval)
{
    exec(rig, bits);
    assert_trap(rig, cause, tval);
}

static inline void exec_is_illegal(struct rig *rig, uint32_t bits)
{
    exec_traps(rig, bits, CAUSE_ILLEGAL, bits);
}

#endif
