/* SPDX-License-Identifier: MIT */
/*
 * Two harts on one memory, which they see at two addresses:
 *
 *   0x80000000  RAM            0x90000000  the same RAM again
 */
#ifndef XBAR_TESTS_UNIT_RISCV_PAIR_H
#define XBAR_TESTS_UNIT_RISCV_PAIR_H

#include "tests/unit/riscv/runner.h"

#include "encode.h"

#define RAM_ADDR   ((uint64_t)RIG_RAM)
#define ALIAS_ADDR ((uint64_t)0x90000000u)

#define FENCE   0x0ff0000fu
#define FENCE_I 0x0000100fu
#define RET     0x00008067u

static inline uint32_t li(unsigned rd, int imm)
{
    return insn_addi(rd, 0, imm);
}

static inline uint32_t jump(int distance)
{
    return encode(RISCV_OP_JAL, 0, 0, 0, distance);
}

static inline uint32_t call(unsigned rs1)
{
    return encode(RISCV_OP_JALR, 1, rs1, 0, 0);
}

struct pair {
    struct rig rig; /* hart[0] is the rig's */
    MemoryRegion alias;
    struct xbar_riscv_hart *hart[2];
    pthread_t thread[2];
};

static inline struct xbar_riscv_hart *new_hart(struct pair *pair,
                                               enum xbar_riscv_engine engine)
{
    const struct xbar_riscv_config config = { .as = &pair->rig.as,
                                              .hartid = 1,
                                              .reset_pc = RIG_RAM,
                                              .translate_after = 1 };
    struct xbar_riscv_hart *hart = xbar_riscv_new(&config);

    assert_non_null(hart);
    assert_int_equal(xbar_riscv_set_engine(hart, engine), 0);
    return hart;
}

/* Writes to the I/O page drive the harts' software interrupts. */
static inline void set_msip(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct pair *pair = xbar_container_of(rig, struct pair, rig);

    xbar_riscv_set_irq(pair->hart[addr / 8 % 2], XBAR_RISCV_IRQ_M_SOFT,
                       value != 0);
}

static inline struct pair *pair_new(enum xbar_riscv_engine first,
                                    enum xbar_riscv_engine second)
{
    struct pair *pair = test_calloc(1, sizeof(*pair));
    struct rig *rig = &pair->rig;

    rig_open(rig);
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init_alias(&pair->alias, NULL, "again",
                                              &rig->ram, 0, RIG_RAM_SIZE),
                     0);
    memory_region_add_subregion(&rig->root, ALIAS_ADDR, &pair->alias);
    xbar_engine_leave(rig->engine);
    rig->on_write = set_msip;
    assert_int_equal(xbar_riscv_set_engine(rig->hart, first), 0);
    pair->hart[0] = rig->hart;
    pair->hart[1] = new_hart(pair, second);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    xbar_riscv_free(pair->hart[1]);
    xbar_region_destroy(&pair->alias, NULL, NULL);
    rig_close(&pair->rig);
    test_free(pair);
}

#endif
