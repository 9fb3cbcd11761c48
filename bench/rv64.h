/* SPDX-License-Identifier: MIT */
/*
 * RV64 instructions as numbers, for guest code that benchmarks make at run
 * time: as many as they need, without a cross compiler. Named as in assembly,
 * operands in its order; branch and jump offsets count from the instruction.
 */
#ifndef XBAR_BENCH_RV64_H
#define XBAR_BENCH_RV64_H

#include <stdint.h>

enum rv_reg {
    RV_ZERO = 0,
    RV_RA = 1,
    RV_SP = 2,
    RV_T0 = 5,
    RV_T1 = 6,
    RV_T2 = 7,
    RV_S0 = 8,
    RV_S1 = 9,
    RV_A0 = 10,
    RV_A1 = 11,
    RV_A2 = 12,
    RV_A3 = 13,
    RV_A4 = 14,
    RV_A5 = 15,
};

/* | imm[11:0] | rs1 | funct3 | rd | opcode | */
static inline uint32_t rv_i(uint32_t opcode, uint32_t funct3, unsigned rd,
                            unsigned rs1, int32_t imm)
{
    return (uint32_t)imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}

/* | funct7 | rs2 | rs1 | funct3 | rd | opcode | */
static inline uint32_t rv_r(uint32_t funct7, uint32_t funct3, unsigned rd,
                            unsigned rs1, unsigned rs2)
{
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33;
}

/* | imm[11:5] | rs2 | rs1 | funct3 | imm[4:0] | opcode | */
static inline uint32_t rv_s(uint32_t funct3, unsigned rs2, unsigned rs1,
                            int32_t imm)
{
    const uint32_t bits = (uint32_t)imm;

    return (bits >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 |
           (bits & 0x1f) << 7 | 0x23;
}

/* | imm[12|10:5] | rs2 | rs1 | funct3 | imm[4:1|11] | opcode | */
static inline uint32_t rv_b(uint32_t funct3, unsigned rs1, unsigned rs2,
                            int32_t offset)
{
    const uint32_t bits = (uint32_t)offset;

    return (bits >> 12 & 1) << 31 | (bits >> 5 & 0x3f) << 25 | rs2 << 20 |
           rs1 << 15 | funct3 << 12 | (bits >> 1 & 0xf) << 8 |
           (bits >> 11 & 1) << 7 | 0x63;
}

static inline uint32_t rv_addi(unsigned rd, unsigned rs1, int32_t imm)
{
    return rv_i(0x13, 0, rd, rs1, imm);
}

static inline uint32_t rv_xor(unsigned rd, unsigned rs1, unsigned rs2)
{
    return rv_r(0, 4, rd, rs1, rs2);
}

static inline uint32_t rv_add(unsigned rd, unsigned rs1, unsigned rs2)
{
    return rv_r(0, 0, rd, rs1, rs2);
}

static inline uint32_t rv_mul(unsigned rd, unsigned rs1, unsigned rs2)
{
    return rv_r(1, 0, rd, rs1, rs2);
}

static inline uint32_t rv_lw(unsigned rd, int32_t imm, unsigned rs1)
{
    return rv_i(0x03, 2, rd, rs1, imm);
}

static inline uint32_t rv_ld(unsigned rd, int32_t imm, unsigned rs1)
{
    return rv_i(0x03, 3, rd, rs1, imm);
}

static inline uint32_t rv_sw(unsigned rs2, int32_t imm, unsigned rs1)
{
    return rv_s(2, rs2, rs1, imm);
}

static inline uint32_t rv_sd(unsigned rs2, int32_t imm, unsigned rs1)
{
    return rv_s(3, rs2, rs1, imm);
}

static inline uint32_t rv_bne(unsigned rs1, unsigned rs2, int32_t offset)
{
    return rv_b(1, rs1, rs2, offset);
}

/* | imm[20|10:1|11|19:12] | rd | opcode | */
static inline uint32_t rv_jal(unsigned rd, int32_t offset)
{
    const uint32_t bits = (uint32_t)offset;

    return (bits >> 20 & 1) << 31 | (bits >> 1 & 0x3ff) << 21 |
           (bits >> 11 & 1) << 20 | (bits >> 12 & 0xff) << 12 | rd << 7 | 0x6f;
}

static inline uint32_t rv_jalr(unsigned rd, int32_t imm, unsigned rs1)
{
    return rv_i(0x67, 0, rd, rs1, imm);
}

static inline uint32_t rv_fence_i(void)
{
    return 0x0000100f;
}

/* fadd.d, rounded as the frm field says. */
static inline uint32_t rv_fadd_d(unsigned fd, unsigned fs1, unsigned fs2)
{
    return 0x01u << 25 | fs2 << 20 | fs1 << 15 | 7u << 12 | fd << 7 | 0x53;
}

#endif
