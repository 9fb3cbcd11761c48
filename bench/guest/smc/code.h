/* SPDX-License-Identifier: MIT */
/* RV64I instructions as words, for programs that write code. */
#ifndef BENCH_GUEST_SMC_CODE_H
#define BENCH_GUEST_SMC_CODE_H

#include <stdint.h>

#define REG_RA 1
#define REG_A0 10
#define REG_A1 11

typedef uint64_t code(uint64_t x);

static inline uint32_t insn_i(unsigned opcode, unsigned funct3, unsigned rd,
                              unsigned rs1, int32_t immediate)
{
    return (uint32_t)immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 |
           opcode;
}

static inline uint32_t insn_r(unsigned funct3, unsigned funct7, unsigned rd,
                              unsigned rs1, unsigned rs2)
{
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33;
}

static inline uint32_t insn_addi(unsigned rd, unsigned rs1, int32_t immediate)
{
    return insn_i(0x13, 0, rd, rs1, immediate);
}

static inline uint32_t insn_xori(unsigned rd, unsigned rs1, int32_t immediate)
{
    return insn_i(0x13, 4, rd, rs1, immediate);
}

static inline uint32_t insn_slli(unsigned rd, unsigned rs1, unsigned shift)
{
    return insn_i(0x13, 1, rd, rs1, (int32_t)shift);
}

static inline uint32_t insn_srli(unsigned rd, unsigned rs1, unsigned shift)
{
    return insn_i(0x13, 5, rd, rs1, (int32_t)shift);
}

static inline uint32_t insn_add(unsigned rd, unsigned rs1, unsigned rs2)
{
    return insn_r(0, 0, rd, rs1, rs2);
}

static inline uint32_t insn_ret(void)
{
    return insn_i(0x67, 0, 0, REG_RA, 0);
}

static inline void fence_i(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

static inline uint64_t call_code(const uint32_t *at, uint64_t x)
{
    return ((code *)(uintptr_t)at)(x);
}

#endif
