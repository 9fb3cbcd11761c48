/* SPDX-License-Identifier: MIT */
/*
 * Integer arithmetic, branches and jumps: what touches nothing but x
 * registers and pc.
 *
 * The second operand is x[rs2] + imm, for the decoder leaves one of them 0.
 * So one function is add, addi, lui and li at the cost of an addition, which
 * is less than the mispredictions of twice as many targets.
 */
#include "jit/riscv/interp/interp.h"

__extension__ typedef unsigned __int128 uint128;

/* ---- Multiplication and division --------------------------------------- */

/* The upper half of the product of signed and signed, or signed and unsigned:
 * either fits in 128 signed bits. */
static uint64_t mul_high(Int128 a, Int128 b)
{
    return (uint64_t)((a * b) >> 64);
}

static uint64_t mul_high_unsigned(uint64_t a, uint64_t b)
{
    return (uint64_t)(((uint128)a * b) >> 64);
}

/*
 * Division never traps. By 0 the quotient has all bits set and the remainder
 * is the dividend; the one quotient that does not fit, -2^63 / -1, wraps to
 * the dividend with remainder 0.
 */
static uint64_t divide(int64_t a, int64_t b)
{
    if (b == 0) {
        return UINT64_MAX;
    }
    return b == -1 ? 0 - (uint64_t)a : (uint64_t)(a / b);
}

static uint64_t remainder_of(int64_t a, int64_t b)
{
    if (b == 0) {
        return (uint64_t)a;
    }
    return b == -1 ? 0 : (uint64_t)(a % b);
}

static uint64_t divide_unsigned(uint64_t a, uint64_t b)
{
    return b == 0 ? UINT64_MAX : a / b;
}

static uint64_t remainder_unsigned(uint64_t a, uint64_t b)
{
    return b == 0 ? a : a % b;
}

/* ---- Two operands, one result ------------------------------------------ */

/* clang-format off */
RISCV_ALU(add, a + b)
RISCV_ALU(sub, a - b)
RISCV_ALU(and, a & b)
RISCV_ALU(or,  a | b)
RISCV_ALU(xor, a ^ b)
RISCV_ALU(sll, a << (b & 63))
RISCV_ALU(srl, a >> (b & 63))
RISCV_ALU(sra, (uint64_t)((int64_t)a >> (b & 63)))
RISCV_ALU(slt, (int64_t)a < (int64_t)b)
RISCV_ALU(sltu, a < b)

RISCV_ALU(addw, riscv__sext32(a + b))
RISCV_ALU(subw, riscv__sext32(a - b))
RISCV_ALU(sllw, riscv__sext32(a << (b & 31)))
RISCV_ALU(srlw, riscv__sext32((uint32_t)a >> (b & 31)))
RISCV_ALU(sraw, (uint64_t)((int64_t)(int32_t)a >> (b & 31)))

RISCV_ALU(mul,    a * b)
RISCV_ALU(mulh,   mul_high((int64_t)a, (int64_t)b))
RISCV_ALU(mulhsu, mul_high((int64_t)a, b))
RISCV_ALU(mulhu,  mul_high_unsigned(a, b))
RISCV_ALU(mulw,   riscv__sext32(a * b))

RISCV_ALU(div,  divide((int64_t)a, (int64_t)b))
RISCV_ALU(rem,  remainder_of((int64_t)a, (int64_t)b))
RISCV_ALU(divu, divide_unsigned(a, b))
RISCV_ALU(remu, remainder_unsigned(a, b))

/* Exact in 64 bits, then cut: -2^31 / -1 is 2^31, which wraps by itself. */
RISCV_ALU(divw,  riscv__sext32(divide((int32_t)a, (int32_t)b)))
RISCV_ALU(remw,  riscv__sext32(remainder_of((int32_t)a, (int32_t)b)))
RISCV_ALU(divuw, riscv__sext32(divide_unsigned((uint32_t)a, (uint32_t)b)))
RISCV_ALU(remuw, riscv__sext32(remainder_unsigned((uint32_t)a, (uint32_t)b)))
/* clang-format on */

enum riscv_exec riscv__exec_auipc(struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return riscv__put(hart, insn, hart->pc + riscv__imm(insn));
}

/* ---- Branches and jumps ------------------------------------------------ */

/* Targets are multiples of 2, and with C nothing more is asked of them. */
#define BRANCH(name, taken)                                           \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        const uint64_t a = riscv__rs1(hart, insn);                    \
        const uint64_t b = riscv__rs2(hart, insn);                    \
                                                                      \
        if (!(taken)) {                                               \
            return EXEC_NEXT;                                         \
        }                                                             \
        hart->pc += riscv__imm(insn);                                 \
        return EXEC_JUMP;                                             \
    }

/* clang-format off */
BRANCH(beq,  a == b)
BRANCH(bne,  a != b)
BRANCH(blt,  (int64_t)a < (int64_t)b)
BRANCH(bge,  (int64_t)a >= (int64_t)b)
BRANCH(bltu, a < b)
BRANCH(bgeu, a >= b)
/* clang-format on */

/* The target comes first: rd may be the register that it is made of. */
static enum riscv_exec jump(struct xbar_riscv_hart *hart,
                            const struct riscv_insn *insn, uint64_t target)
{
    riscv__put(hart, insn, hart->pc + insn->length);
    hart->pc = target;
    return EXEC_JUMP;
}

enum riscv_exec riscv__exec_jal(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    return jump(hart, insn, hart->pc + riscv__imm(insn));
}

enum riscv_exec riscv__exec_jalr(struct xbar_riscv_hart *hart,
                                 const struct riscv_insn *insn)
{
    uint64_t target = riscv__rs1(hart, insn) + riscv__imm(insn);

    return jump(hart, insn, target & ~(uint64_t)1);
}
