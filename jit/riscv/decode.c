/* SPDX-License-Identifier: MIT */
/*
 * The decoder: finds the row, then picks the operands apart as the row's
 * format says. Rows and their meaning are in insn.inc.
 *
 *   bits --first_row[opcode]--> group of rows --match/mask--> row --format-->
 *   registers and immediate
 *
 * Groups are searched from top to bottom: they are short, and both users
 * (the interpreter's cache and the translator) decode an encoding rarely.
 */
#include "jit/riscv/decode.h"

/* ---- Tables ------------------------------------------------------------ */

/* What the mask column of INSN means: which bits tell rows apart. */
enum {
    ENC_OP = 0x0000007f,     /* the opcode alone */
    ENC_F3 = 0x0000707f,     /* and funct3 */
    ENC_F6 = 0xfc00707f,     /* and bits 31:26 (6-bit shift amounts) */
    ENC_F7 = 0xfe00707f,     /* and funct7 */
    ENC_AMO = 0xf800707f,    /* funct5: aq and rl are operands */
    ENC_LR = 0xf9f0707f,     /* the same, rs2 is 0 */
    ENC_R4 = 0x0600007f,     /* the size of a fused multiply-add */
    ENC_FRM = 0xfe00007f,    /* funct7; funct3 is a rounding mode */
    ENC_RS2_RM = 0xfff0007f, /* the same, rs2 selects */
    ENC_RS2_F3 = 0xfff0707f, /* funct7, rs2 and funct3 */
    ENC_SFENCE = 0xfe007fff, /* all but rs1 and rs2 */
    ENC_CBO = 0xfff07fff,    /* all but rs1 */
    ENC_ALL = 0xffffffff,
};

/* The names that insn.inc uses for operand fields. */
enum {
    RD = RISCV_RD,
    RS1 = RISCV_RS1,
    RS2 = RISCV_RS2,
    RS3 = RISCV_RS3,
    RM = RISCV_RM,
};

const struct riscv_op_info riscv__ops[RISCV_OP_COUNT] = {
#define INSN(op, text, match, mask, format, action, class, access)            \
    [RISCV_OP_##op] = {                                                       \
        text,  match, ENC_##mask, RISCV_FORMAT_##format, RISCV_CLASS_##class, \
        access                                                                \
    },
#include "jit/riscv/insn.inc"
};

const struct riscv_format_info riscv__formats[] = {
#define FORMAT(name, fields, fp, imm, text) \
    [RISCV_FORMAT_##name] = { text, fields, fp, RISCV_IMM_##imm },
#include "jit/riscv/insn.inc"
};

const struct riscv_class_info riscv__classes[] = {
#define CLASS(name, may_trap, ends_block) \
    [RISCV_CLASS_##name] = { may_trap, ends_block },
#include "jit/riscv/insn.inc"
};

/*
 * Where each group starts. FIRST_<group> takes the number that the next row
 * would have, and SAME_<group> gives it back to that row.
 */
enum {
#define GROUP(name, opcode) FIRST_##name, SAME_##name = FIRST_##name - 1,
#define INSN(op, ...)       ROW_##op,
#include "jit/riscv/insn.inc"
    ROW_COUNT
};

_Static_assert((int)ROW_COUNT == (int)RISCV_OP_COUNT, "groups take no number");

/* By bits 6:2; 0 (the illegal row) where there is no group. */
static const uint8_t first_row[32] = {
#define GROUP(name, opcode) [(opcode) >> 2] = FIRST_##name,
#include "jit/riscv/insn.inc"
};

_Static_assert(RISCV_OP_COUNT <= UINT8_MAX, "row numbers fit first_row");

/* Where a register operand of a compressed instruction comes from. */
enum reg16 {
    REG16_ZERO,
    REG16_RA,
    REG16_SP,
    REG16_R7, /* bits 11:7 */
    REG16_R2, /* bits 6:2 */
    REG16_P7, /* x8 + bits 9:7 */
    REG16_P2, /* x8 + bits 4:2 */
};

enum imm16 {
#define IMM16(name, ...) IMM16_##name,
#include "jit/riscv/insn.inc"
};

/* No bit of the immediate. */
enum {
    X = -1,
};

#define IMM16_HIGH 12 /* the immediate lies within bits 12 .. 2 */
#define IMM16_BITS 11

struct imm16_info {
    bool is_signed;
    int8_t bit[IMM16_BITS]; /* from instruction bit 12 downwards */
};

static const struct imm16_info imm16_layouts[] = {
#define IMM16(name, sign, ...) [IMM16_##name] = { sign, { __VA_ARGS__ } },
#include "jit/riscv/insn.inc"
};

struct row16 {
    uint16_t match;
    uint16_t mask;
    uint16_t nonzero; /* not all of these bits are 0; or 0 */
    uint8_t op;       /* enum riscv_op */
    uint8_t rd;       /* enum reg16 */
    uint8_t rs1;
    uint8_t rs2;
    uint8_t imm; /* enum imm16 */
};

static const struct row16 rows16[] = {
#define CINSN(name, match, mask, nonzero, op, rd, rs1, rs2, imm) \
    { match,      mask,        nonzero,     RISCV_OP_##op,       \
      REG16_##rd, REG16_##rs1, REG16_##rs2, IMM16_##imm },
#include "jit/riscv/insn.inc"
};

/* ---- 32-bit instructions ----------------------------------------------- */

/* @width bits of @bits from @low up. */
static uint32_t field(uint32_t bits, unsigned low, unsigned width)
{
    return (bits >> low) & ((UINT32_C(1) << width) - 1);
}

/* The same, sign-extended; only for fields that end at bit 31. */
static int32_t signed_field(uint32_t bits, unsigned low)
{
    return (int32_t)bits >> low;
}

static int32_t immediate(enum riscv_imm layout, uint32_t bits)
{
    switch (layout) {
    case RISCV_IMM_NONE:
        return 0;
    case RISCV_IMM_I:
        return signed_field(bits, 20);
    case RISCV_IMM_S:
        return (signed_field(bits, 25) * 32) | (int32_t)field(bits, 7, 5);
    case RISCV_IMM_B:
        return (signed_field(bits, 31) * 4096) |
               (int32_t)(field(bits, 7, 1) << 11 | field(bits, 25, 6) << 5 |
                         field(bits, 8, 4) << 1);
    case RISCV_IMM_U:
        return (int32_t)(bits & 0xfffff000);
    case RISCV_IMM_J:
        return (signed_field(bits, 31) * (1 << 20)) |
               (int32_t)(field(bits, 12, 8) << 12 | field(bits, 20, 1) << 11 |
                         field(bits, 21, 10) << 1);
    case RISCV_IMM_SHIFT:
        return (int32_t)field(bits, 20, 6);
    case RISCV_IMM_UI:
        return (int32_t)field(bits, 20, 12);
    }
    return 0;
}

/* The row of @bits; RISCV_OP_ILLEGAL if there is none. */
static enum riscv_op find_row(uint32_t bits)
{
    unsigned row = first_row[field(bits, 2, 5)];

    for (; row < RISCV_OP_COUNT; row++) {
        const struct riscv_op_info *info = &riscv__ops[row];

        if ((bits & info->mask) == info->match) {
            return (enum riscv_op)row;
        }
        if (((bits ^ info->match) & ENC_OP) != 0) {
            break; /* the next group, or no group at all */
        }
    }
    return RISCV_OP_ILLEGAL;
}

/* A register number, or 0 if the format has no such field. */
static uint8_t reg(const struct riscv_format_info *format,
                   enum riscv_field which, uint32_t bits, unsigned low)
{
    return (format->fields & which) != 0 ? (uint8_t)field(bits, low, 5) : 0;
}

static void decode32(struct riscv_insn *insn, uint32_t bits)
{
    enum riscv_op op = find_row(bits);
    const struct riscv_format_info *format =
        &riscv__formats[riscv__ops[op].format];
    uint8_t rm = (format->fields & RISCV_RM) ? (uint8_t)field(bits, 12, 3) : 0;

    if (rm == 5 || rm == 6) {
        op = RISCV_OP_ILLEGAL;
        format = &riscv__formats[RISCV_FORMAT_NONE];
        rm = 0;
    }
    *insn = (struct riscv_insn){
        .bits = bits,
        .imm = immediate((enum riscv_imm)format->imm, bits),
        .op = (uint16_t)op,
        .rd = reg(format, RISCV_RD, bits, 7),
        .rs1 = reg(format, RISCV_RS1, bits, 15),
        .rs2 = reg(format, RISCV_RS2, bits, 20),
        .rs3 = reg(format, RISCV_RS3, bits, 27),
        .rm = rm,
        .length = 4,
    };
}

/* ---- Compressed instructions ------------------------------------------- */

static uint8_t reg16(enum reg16 source, uint32_t bits)
{
    switch (source) {
    case REG16_ZERO:
        return 0;
    case REG16_RA:
        return 1;
    case REG16_SP:
        return 2;
    case REG16_R7:
        return (uint8_t)field(bits, 7, 5);
    case REG16_R2:
        return (uint8_t)field(bits, 2, 5);
    case REG16_P7:
        return (uint8_t)(8 + field(bits, 7, 3));
    case REG16_P2:
        return (uint8_t)(8 + field(bits, 2, 3));
    }
    return 0;
}

/* Gathers the scattered bits; a signed one has its sign in bit 12. */
static int32_t immediate16(const struct imm16_info *layout, uint32_t bits)
{
    uint32_t imm = 0;
    unsigned i;

    for (i = 0; i < IMM16_BITS; i++) {
        if (layout->bit[i] != X) {
            imm |= field(bits, IMM16_HIGH - i, 1) << layout->bit[i];
        }
    }
    if (layout->is_signed && field(bits, IMM16_HIGH, 1) != 0) {
        imm |= ~UINT32_C(0) << layout->bit[0];
    }
    return (int32_t)imm;
}

static const struct row16 *find_row16(uint32_t bits)
{
    size_t i;

    for (i = 0; i < sizeof(rows16) / sizeof(rows16[0]); i++) {
        const struct row16 *row = &rows16[i];

        if ((bits & row->mask) == row->match &&
            (row->nonzero == 0 || (bits & row->nonzero) != 0)) {
            return row;
        }
    }
    return NULL;
}

static void decode16(struct riscv_insn *insn, uint32_t bits)
{
    const struct row16 *row = find_row16(bits);

    *insn = (struct riscv_insn){ .bits = bits, .length = 2 };
    if (row) {
        insn->op = row->op;
        insn->rd = reg16((enum reg16)row->rd, bits);
        insn->rs1 = reg16((enum reg16)row->rs1, bits);
        insn->rs2 = reg16((enum reg16)row->rs2, bits);
        insn->imm = immediate16(&imm16_layouts[row->imm], bits);
    }
}

void riscv__decode(struct riscv_insn *insn, uint32_t bits)
{
    if (riscv__is_compressed(bits)) {
        decode16(insn, bits & 0xffff);
    } else {
        decode32(insn, bits);
    }
}
