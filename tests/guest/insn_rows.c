/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_rows.h"

#include "jit/riscv/decode.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

enum c_register { ZERO, RA, SP, R7, R2, P7, P2 };

static const struct insn_row compressed[] = {
#define CINSN(name, match, mask, nonzero, op, rd, rs1, rs2, imm) \
    { #name, match, mask, nonzero, RISCV_OP_##op, true, (rs1) == P7 },
#include "jit/riscv/insn.inc"
};

const size_t insn_row_count = RISCV_OP_COUNT + ARRAY_SIZE(compressed);

struct insn_row insn_row(size_t row)
{
    const struct riscv_op_info *info;

    if (row >= RISCV_OP_COUNT) {
        return compressed[row - RISCV_OP_COUNT];
    }
    info = &riscv__ops[row];
    return (struct insn_row){ .name = info->text,
                              .match = info->match,
                              .mask = info->mask,
                              .op = (uint8_t)row };
}

bool insn_row_has_oracle(size_t row)
{
    return row != RISCV_OP_CZERO_EQZ && row != RISCV_OP_CZERO_NEZ &&
           row != RISCV_OP_CTZW;
}

size_t insn_row_of(uint32_t bits)
{
    struct riscv_insn insn;

    riscv__decode(&insn, bits);
    if (insn.op == RISCV_OP_ILLEGAL || insn.length == 4) {
        return insn.op;
    }
    for (size_t i = 0; i < ARRAY_SIZE(compressed); i++) {
        const struct insn_row *row = &compressed[i];

        if ((bits & row->mask) == row->match &&
            (row->nonzero == 0 || (bits & row->nonzero) != 0)) {
            return RISCV_OP_COUNT + i;
        }
    }
    return RISCV_OP_ILLEGAL;
}

/* ---- Immediates of jumps ----------------------------------------------- */

/* Bits @high to @low of @value, moved to @at. */
static uint32_t field(uint32_t value, unsigned high, unsigned low, unsigned at)
{
    return (value >> low & ((1u << (high - low + 1)) - 1)) << at;
}

static uint32_t encode_b(uint32_t offset)
{
    return field(offset, 12, 12, 31) | field(offset, 10, 5, 25) |
           field(offset, 4, 1, 8) | field(offset, 11, 11, 7);
}

static uint32_t encode_j(uint32_t offset)
{
    return field(offset, 20, 20, 31) | field(offset, 10, 1, 21) |
           field(offset, 11, 11, 20) | field(offset, 19, 12, 12);
}

static uint32_t encode_cb(uint32_t offset)
{
    return field(offset, 8, 8, 12) | field(offset, 4, 3, 10) |
           field(offset, 7, 6, 5) | field(offset, 2, 1, 3) |
           field(offset, 5, 5, 2);
}

static uint32_t encode_cj(uint32_t offset)
{
    return field(offset, 11, 11, 12) | field(offset, 4, 4, 11) |
           field(offset, 9, 8, 9) | field(offset, 10, 10, 8) |
           field(offset, 6, 6, 7) | field(offset, 7, 7, 6) |
           field(offset, 3, 1, 3) | field(offset, 5, 5, 2);
}

uint32_t insn_with_offset(uint32_t bits, uint32_t offset)
{
    switch (bits & 0x7f) {
    case 0x63:
        return (bits & ~encode_b(UINT32_MAX)) | encode_b(offset);
    case 0x6f:
        return (bits & ~encode_j(UINT32_MAX)) | encode_j(offset);
    case 0x67: /* jalr, and the addi that stands in for it before c.jr */
    case 0x13:
        return (bits & 0xfffff) | offset << 20;
    default:
        break;
    }
    if ((bits & 0x6003) == 0x2001) { /* c.j */
        return (bits & ~encode_cj(UINT32_MAX)) | encode_cj(offset);
    }
    return (bits & ~encode_cb(UINT32_MAX)) | encode_cb(offset);
}
