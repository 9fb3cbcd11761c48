/* SPDX-License-Identifier: MIT */
/*
 * Bit manipulation (Zba, Zbb, Zbs) and conditional zeros (Zicond). Operands
 * as in alu.c; what has one operand ignores b.
 */
#include "jit/riscv/interp/interp.h"

static uint64_t zext32(uint64_t value)
{
    return (uint32_t)value;
}

static uint64_t single_bit(uint64_t index)
{
    return UINT64_C(1) << (index & 63);
}

/* A rotation by 0 would shift by the width, which C leaves undefined. */
static uint64_t rotate_left(uint64_t value, uint64_t count)
{
    return value << (count & 63) | value >> (-count & 63);
}

static uint64_t rotate_left32(uint64_t value, uint64_t count)
{
    uint32_t word = (uint32_t)value;

    return riscv__sext32(word << (count & 31) | word >> (-count & 31));
}

/* Of 0 all bits are leading, and trailing, zeros. */
static uint64_t leading_zeros(uint64_t value)
{
    return value ? (uint64_t)__builtin_clzll(value) : 64;
}

static uint64_t trailing_zeros(uint64_t value, unsigned width)
{
    return value ? (uint64_t)__builtin_ctzll(value) : width;
}

/* Bytes that are not 0 become 0xff. */
static uint64_t or_combine(uint64_t value)
{
    uint64_t result = 0;

    for (unsigned i = 0; i < 64; i += 8) {
        if (value >> i & 0xff) {
            result |= UINT64_C(0xff) << i;
        }
    }
    return result;
}

/* clang-format off */
RISCV_ALU(sh1add, (a << 1) + b)
RISCV_ALU(sh2add, (a << 2) + b)
RISCV_ALU(sh3add, (a << 3) + b)
RISCV_ALU(add_uw,    zext32(a) + b)
RISCV_ALU(sh1add_uw, (zext32(a) << 1) + b)
RISCV_ALU(sh2add_uw, (zext32(a) << 2) + b)
RISCV_ALU(sh3add_uw, (zext32(a) << 3) + b)
RISCV_ALU(slli_uw,   zext32(a) << (b & 63))

RISCV_ALU(andn, a & ~b)
RISCV_ALU(orn,  a | ~b)
RISCV_ALU(xnor, ~(a ^ b))
RISCV_ALU(min,  (int64_t)a < (int64_t)b ? a : b)
RISCV_ALU(max,  (int64_t)a < (int64_t)b ? b : a)
RISCV_ALU(minu, a < b ? a : b)
RISCV_ALU(maxu, a < b ? b : a)
RISCV_ALU(rol,  rotate_left(a, b))
RISCV_ALU(ror,  rotate_left(a, -b))
RISCV_ALU(rolw, rotate_left32(a, b))
RISCV_ALU(rorw, rotate_left32(a, -b))

RISCV_ALU(clz,  leading_zeros(a))
RISCV_ALU(ctz,  trailing_zeros(a, 64))
RISCV_ALU(cpop, (uint64_t)__builtin_popcountll(a))
RISCV_ALU(clzw, leading_zeros(zext32(a)) - 32)
RISCV_ALU(ctzw, trailing_zeros(zext32(a), 32))
RISCV_ALU(cpopw, (uint64_t)__builtin_popcountll(zext32(a)))
RISCV_ALU(sext_b, (uint64_t)(int64_t)(int8_t)a)
RISCV_ALU(sext_h, (uint64_t)(int64_t)(int16_t)a)
RISCV_ALU(zext_h, (uint16_t)a)
RISCV_ALU(orc_b, or_combine(a))
RISCV_ALU(rev8,  __builtin_bswap64(a))

RISCV_ALU(bclr, a & ~single_bit(b))
RISCV_ALU(bext, a >> (b & 63) & 1)
RISCV_ALU(binv, a ^ single_bit(b))
RISCV_ALU(bset, a | single_bit(b))

RISCV_ALU(czero_eqz, b == 0 ? 0 : a)
RISCV_ALU(czero_nez, b != 0 ? 0 : a)
/* clang-format on */
