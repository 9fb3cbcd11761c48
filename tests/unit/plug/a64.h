/* SPDX-License-Identifier: MIT */
/* A64 instructions as numbers; operands in the order of assembly. */
#ifndef XBAR_TESTS_UNIT_PLUG_A64_H
#define XBAR_TESTS_UNIT_PLUG_A64_H

#include <stdint.h>

static inline uint32_t a64_movz(unsigned rd, uint32_t imm16, unsigned shift)
{
    return 0xd2800000u | shift / 16 << 21 | imm16 << 5 | rd;
}

static inline uint32_t a64_addi(unsigned rd, unsigned rn, uint32_t imm12)
{
    return 0x91000000u | imm12 << 10 | rn << 5 | rd;
}

static inline uint32_t a64_subi(unsigned rd, unsigned rn, uint32_t imm12)
{
    return 0xd1000000u | imm12 << 10 | rn << 5 | rd;
}

static inline uint32_t a64_add(unsigned rd, unsigned rn, unsigned rm)
{
    return 0x8b000000u | rm << 16 | rn << 5 | rd;
}

static inline uint32_t a64_eor(unsigned rd, unsigned rn, unsigned rm)
{
    return 0xca000000u | rm << 16 | rn << 5 | rd;
}

static inline uint32_t a64_mul(unsigned rd, unsigned rn, unsigned rm)
{
    return 0x9b007c00u | rm << 16 | rn << 5 | rd;
}

/* 1 << @log2 bytes; @offset is a multiple of that. */
static inline uint32_t a64_ldr(unsigned log2, unsigned rt, unsigned rn,
                               uint32_t offset)
{
    return 0x39400000u | log2 << 30 | (offset >> log2) << 10 | rn << 5 | rt;
}

static inline uint32_t a64_str(unsigned log2, unsigned rt, unsigned rn,
                               uint32_t offset)
{
    return 0x39000000u | log2 << 30 | (offset >> log2) << 10 | rn << 5 | rt;
}

static inline uint32_t a64_ldr_q(unsigned qt, unsigned rn, uint32_t offset)
{
    return 0x3dc00000u | offset / 16 << 10 | rn << 5 | qt;
}

static inline uint32_t a64_str_q(unsigned qt, unsigned rn, uint32_t offset)
{
    return 0x3d800000u | offset / 16 << 10 | rn << 5 | qt;
}

/* Offsets count from the instruction, in bytes. */
static inline uint32_t a64_cbnz(unsigned rt, int32_t offset)
{
    return 0xb5000000u | ((uint32_t)offset / 4 & 0x7ffff) << 5 | rt;
}

static inline uint32_t a64_b(int32_t offset)
{
    return 0x14000000u | ((uint32_t)offset / 4 & 0x3ffffff);
}

static inline uint32_t a64_blr(unsigned rn)
{
    return 0xd63f0000u | rn << 5;
}

static inline uint32_t a64_ret(void)
{
    return 0xd65f03c0u;
}

static inline uint32_t a64_svc(uint32_t number)
{
    return 0xd4000001u | number << 5;
}

static inline uint32_t a64_brk(void)
{
    return 0xd4200000u;
}

static inline uint32_t a64_ldxr(unsigned rt, unsigned rn)
{
    return 0xc85f7c00u | rn << 5 | rt;
}

static inline uint32_t a64_stxr(unsigned rs, unsigned rt, unsigned rn)
{
    return 0xc8007c00u | rs << 16 | rn << 5 | rt;
}

static inline uint32_t a64_isb(void)
{
    return 0xd5033fdfu;
}

static inline uint32_t a64_ic_ivau(unsigned rt)
{
    return 0xd50b7520u | rt;
}

#endif
