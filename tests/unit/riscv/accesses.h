/* SPDX-License-Identifier: MIT */
/*
 * Random instructions that access what the rig's board has: RAM and its pages,
 * ROM, a device, nowhere, across pages, as atomics.
 */
#ifndef XBAR_TESTS_UNIT_RISCV_ACCESSES_H
#define XBAR_TESTS_UNIT_RISCV_ACCESSES_H

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define HANDLER  0x8000u
#define DATA     0x100800u /* in the middle of a page */

#define BASE_REGS 5 /* x5 to x9: RAM twice, ROM, the device, nobody */

#define PICK(rng, table) \
    (table)[rig_random(rng) % (sizeof(table) / sizeof((table)[0]))]

static inline uint32_t random_atomic(uint64_t *rng, unsigned base, unsigned reg)
{
    static const unsigned atomics[] = { RISCV_OP_LR_W,     RISCV_OP_SC_W,
                                        RISCV_OP_LR_D,     RISCV_OP_SC_D,
                                        RISCV_OP_AMOADD_W, RISCV_OP_AMOSWAP_D,
                                        RISCV_OP_AMOMAX_D };
    unsigned op = PICK(rng, atomics);
    bool is_lr = op == RISCV_OP_LR_W || op == RISCV_OP_LR_D;

    return encode((enum riscv_op)op, reg, base, is_lr ? 0 : reg, 0);
}

/* @which is below ACCESSES: loads and stores most often, atomics, cbo.zero. */
#define ACCESSES 7

static inline uint32_t random_access(uint64_t *rng, uint64_t which,
                                     unsigned base, unsigned reg, int offset)
{
    static const unsigned loads[] = {
        RISCV_OP_LB,  RISCV_OP_LH,  RISCV_OP_LW,  RISCV_OP_LD, RISCV_OP_LBU,
        RISCV_OP_LHU, RISCV_OP_LWU, RISCV_OP_FLD, RISCV_OP_FLW
    };
    static const unsigned stores[] = {
        RISCV_OP_SB, RISCV_OP_SH,  RISCV_OP_SW,
        RISCV_OP_SD, RISCV_OP_FSW, RISCV_OP_FSD
    };

    switch (which) {
    case 0:
    case 1:
    case 2:
        return encode(PICK(rng, loads), reg, base, 0, offset);
    case 3:
    case 4:
        return encode(PICK(rng, stores), 0, base, reg, offset);
    case 5:
        return random_atomic(rng, base, reg);
    default:
        return encode(RISCV_OP_CBO_ZERO, 0, base, 0, 0);
    }
}

/* @rounds of the @body instructions of @code, which has room for three more, at
 * offset @at of RAM; traps go to HANDLER. */
static inline void load_rounds(struct rig *rig, unsigned at, uint32_t *code,
                               unsigned body, unsigned rounds)
{
    struct xbar_riscv_hart *hart = rig->hart;

    code[body] = insn_addi(16, 16, -1);
    code[body + 1] = encode(RISCV_OP_BNE, 0, 16, 0, -(int)(body + 1) * 4);
    code[body + 2] = INSN_SELF;
    rig_code(rig, at, code, body + 3);
    hart->mstatus |= MSTATUS_FS | MSTATUS_SD;
    hart->mtvec = RAM_ADDR + HANDLER;
    hart->pc = RAM_ADDR + at;
    hart->x[5] = RAM_ADDR + DATA;
    hart->x[6] = RAM_ADDR + DATA + 0x7f8;
    hart->x[7] = RIG_ROM + 0x1000;
    hart->x[8] = RIG_IO + 0x800;
    hart->x[9] = 0x40000000;
    hart->x[16] = rounds;
}

#endif
