/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 assembler: rows of insn.inc to bytes.
 *
 *     x86_mr(b, X86_ADD_MR, 8, x86_r(RBX), RAX);          add rbx, rax
 *     x86_rm(b, X86_MOV_RM, 8, RAX, x86_mem(RBP, 16));      mov rax, [rbp+16]
 *     x86_ri(b, X86_ALU_ADD, 8, RBX, 5);                    add rbx, 5
 *
 * Everything a caller gets wrong here is our own bug: it asserts.
 */
#ifndef XBAR_JIT_X86_64_ASM_H
#define XBAR_JIT_X86_64_ASM_H

#include "jit/code_buf.h"

enum x86_reg_number {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
};

/* In their own roles, as the rows say. */
enum x86_xmm_number {
    XMM0,
    XMM1,
    XMM2,
};

enum x86_condition {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
};

enum x86_form {
    X86_FORM_RM,
    X86_FORM_MR,
    X86_FORM_M,
    X86_FORM_MI8,
    X86_FORM_MI,
    X86_FORM_RMI,
    X86_FORM_RMV,
    X86_FORM_RVM,
    X86_FORM_RMS,
    X86_FORM_MC,
    X86_FORM_O,
    X86_FORM_OI,
    X86_FORM_REL,
    X86_FORM_NONE,
};

enum x86_flags {
    X86_LOCK = 1 << 0,
    X86_D64 = 1 << 1,
    X86_CC = 1 << 2,
    X86_SRC8 = 1 << 3,
    X86_SRC16 = 1 << 4,
    X86_SRC32 = 1 << 5,
    X86_BYTE = 1 << 6,
    X86_MEMONLY = 1 << 7,
    X86_UIMM = 1 << 8,
    X86_VEX = 1 << 9,
    X86_REGONLY = 1 << 10,
    X86_XREG = 1 << 11,
    X86_XRM = 1 << 12,
};

enum x86_op {
#define X86(id, mnemonic, form, opcode, digit, widths, flags) X86_##id,
#include "jit/x86_64/insn.inc"
#undef X86
    X86_OP_COUNT
};

/* The properties of a row; x86__rows is indexed by enum x86_op. */
struct x86_row {
    const char *mnemonic;
    uint32_t opcode;
    uint16_t flags; /* enum x86_flags */
    uint8_t form;   /* enum x86_form */
    uint8_t digit;
    uint8_t widths;
    /*
     * For x86__emit_reg() and its like: in which widths they write it, and the
     * bytes as they are written. What needs other prefixes than REX and one of
     * its own is left to x86__emit().
     */
    uint8_t reg_widths;
    uint8_t mem_widths;
    uint8_t lead;  /* prefix before REX; 0: none */
    uint8_t rex_w; /* of the width that is 8 */
    uint8_t tail_size;
    uint8_t imm_size;
    uint16_t tail; /* opcode behind REX, the first byte in the lowest */
};

extern const struct x86_row x86__rows[X86_OP_COUNT];

/* A register, or memory at base + index * scale + disp. */
struct x86_rm {
    bool is_reg;
    uint8_t base;  /* the register itself if is_reg */
    uint8_t index; /* X86_NO_INDEX: none; never RSP */
    uint8_t scale_log2;
    int32_t disp;
};

#define X86_NO_INDEX 0xff

static inline struct x86_rm x86_r(unsigned reg)
{
    return (struct x86_rm){ .is_reg = true, .base = (uint8_t)reg };
}

static inline struct x86_rm x86_mem(unsigned base, int32_t disp)
{
    return (struct x86_rm){ .base = (uint8_t)base,
                            .index = X86_NO_INDEX,
                            .disp = disp };
}

static inline struct x86_rm x86_mem_index(unsigned base, unsigned index,
                                          unsigned scale_log2, int32_t disp)
{
    return (struct x86_rm){ .base = (uint8_t)base,
                            .index = (uint8_t)index,
                            .scale_log2 = (uint8_t)scale_log2,
                            .disp = disp };
}

/* One instruction, operands by role; what a form does not use is ignored. */
struct x86_operands {
    unsigned width; /* bytes */
    unsigned reg;
    unsigned reg2; /* the third register, of forms that have one */
    struct x86_rm rm;
    int64_t imm; /* or the relative displacement */
    enum x86_condition cc;
};

void x86__emit(struct code_buf *b, enum x86_op op,
               const struct x86_operands *operands);

/*
 * The same for the shorthands: what is emitted most often is written quickly,
 * the rest goes that way. @reg: 0 where the row has a digit or takes none.
 */
void x86__emit_reg(struct code_buf *b, const struct x86_row *row,
                   unsigned width, unsigned reg, unsigned rm);
void x86__emit_mem(struct code_buf *b, const struct x86_row *row,
                   unsigned width, unsigned reg, unsigned base, int32_t disp);
/* @sib: base | index << 8 | scale_log2 << 16. */
void x86__emit_index(struct code_buf *b, const struct x86_row *row,
                     unsigned width, unsigned reg, unsigned sib, int32_t disp);
void x86__emit_reg_imm(struct code_buf *b, const struct x86_row *row,
                       unsigned width, unsigned rm, int64_t imm);
void x86__emit_mem_imm(struct code_buf *b, const struct x86_row *row,
                       unsigned width, struct x86_rm m, int64_t imm);

/* ---- Shorthands -------------------------------------------------------- */

static inline void x86_mr(struct code_buf *b, enum x86_op op, unsigned width,
                          struct x86_rm rm, unsigned reg)
{
    if (rm.is_reg) {
        x86__emit_reg(b, &x86__rows[op], width, reg, rm.base);
    } else if (rm.index == X86_NO_INDEX) {
        x86__emit_mem(b, &x86__rows[op], width, reg, rm.base, rm.disp);
    } else {
        x86__emit_index(b, &x86__rows[op], width, reg,
                        rm.base | (unsigned)rm.index << 8 |
                            (unsigned)rm.scale_log2 << 16,
                        rm.disp);
    }
}

static inline void x86_rm(struct code_buf *b, enum x86_op op, unsigned width,
                          unsigned reg, struct x86_rm rm)
{
    x86_mr(b, op, width, rm, reg);
}

static inline void x86_rr(struct code_buf *b, enum x86_op op, unsigned width,
                          unsigned dst, unsigned src)
{
    x86__emit_reg(b, &x86__rows[op], width, src, dst);
}

/* Forms with three registers; the second is the VEX prefix's. */
static inline void x86_rvm(struct code_buf *b, enum x86_op op, unsigned width,
                           unsigned reg, unsigned reg2, struct x86_rm rm)
{
    x86__emit(b, op,
              &(struct x86_operands){
                  .width = width, .reg = reg, .reg2 = reg2, .rm = rm });
}

static inline void x86_m(struct code_buf *b, enum x86_op op, unsigned width,
                         struct x86_rm rm)
{
    x86_mr(b, op, width, rm, 0);
}

static inline void x86_mi(struct code_buf *b, enum x86_op op, unsigned width,
                          struct x86_rm rm, int64_t imm)
{
    if (rm.is_reg) {
        x86__emit_reg_imm(b, &x86__rows[op], width, rm.base, imm);
    } else {
        x86__emit_mem_imm(b, &x86__rows[op], width, rm, imm);
    }
}

/* @reg = the 1 << @size_log2 bytes at @from, extended to 64 bits. */
static inline void x86_extend(struct code_buf *b, unsigned size_log2,
                              bool with_sign, unsigned reg, struct x86_rm from)
{
    static const struct {
        uint8_t op;
        uint8_t width;
    } rows[][4] = {
        { { X86_MOVZX8, 4 },
          { X86_MOVZX16, 4 },
          { X86_MOV_RM, 4 },
          { X86_MOV_RM, 8 } },
        { { X86_MOVSX8, 8 },
          { X86_MOVSX16, 8 },
          { X86_MOVSXD, 8 },
          { X86_MOV_RM, 8 } },
    };

    x86_rm(b, (enum x86_op)rows[with_sign][size_log2].op,
           rows[with_sign][size_log2].width, reg, from);
}

/* The 1 << @size_log2 bytes at @to = the low ones of @reg. */
static inline void x86_store(struct code_buf *b, unsigned size_log2,
                             struct x86_rm to, unsigned reg)
{
    x86_mr(b, size_log2 == 0 ? X86_MOV8_MR : X86_MOV_MR, 1u << size_log2, to,
           reg);
}

/* The operations that come with imm8 and imm32 forms. */
enum x86_alu {
    X86_ALU_ADD,
    X86_ALU_OR,
    X86_ALU_AND,
    X86_ALU_SUB,
    X86_ALU_XOR,
    X86_ALU_CMP,
};

/* rm = rm op imm, in the shorter form. */
void x86_alu_imm(struct code_buf *b, enum x86_alu alu, unsigned width,
                 struct x86_rm rm, int32_t imm);

/* reg = imm, in the shortest form; flags may change (xor for zero). */
void x86_load_imm(struct code_buf *b, unsigned reg, uint64_t imm);

/* reg = condition ? 1 : 0; flags survive. */
void x86_set(struct code_buf *b, enum x86_condition cc, unsigned reg);

/*
 * Jumps and calls to @target, or to 0 for now. Returns the offset of the
 * 4-byte displacement, for x86_patch().
 */
uint32_t x86_jmp(struct code_buf *b, const uint8_t *target);
uint32_t x86_jcc(struct code_buf *b, enum x86_condition cc,
                 const uint8_t *target);
uint32_t x86_call(struct code_buf *b, const uint8_t *target);

/* Make the displacement at @at lead to @target (same buffer's addresses). */
void x86_patch(struct code_buf *b, uint32_t at, const uint8_t *target);

static inline void x86_patch_here(struct code_buf *b, uint32_t at)
{
    x86_patch(b, at, b->cur);
}

#endif
