/* SPDX-License-Identifier: MIT */
/*
 * Encoding of one row. An instruction is
 *
 *   [lock] [66 f2 f3] [REX] [0f] opcode [ModRM [SIB] [disp]] [imm]
 *
 *   REX    0100WRXB: W 64-bit, R extends ModRM.reg, X SIB.index, B ModRM.rm
 *   ModRM  mod:2 reg:3 rm:3
 *
 * or, for VEX rows, with three bytes that stand for all that is before the
 * opcode:
 *
 *   c4 | ~R ~X ~B map:5 | W ~vvvv:4 L pp:2 | opcode ModRM ...
 *
 *   map    2: 0f 38, 3: 0f 3a           pp  0: none, 1: 66, 2: f3, 3: f2
 *   vvvv   a third register; 0 (that is 1111b) if there is none
 *
 * Special cases of the encoding: rm 4 (rsp, r12) means "SIB follows", and mod 0
 * with rm 5 (rbp, r13) means rip-relative, so those bases get a SIB byte, and a
 * displacement of at least 8 bits: mod_of().
 */
#include "jit/x86_64/asm.h"

#define LOCK    X86_LOCK
#define D64     X86_D64
#define CC      X86_CC
#define SRC8    X86_SRC8
#define SRC16   X86_SRC16
#define SRC32   X86_SRC32
#define BYTE    X86_BYTE
#define MEMONLY X86_MEMONLY
#define UIMM    X86_UIMM
#define VEX     X86_VEX
#define REGONLY X86_REGONLY
#define XREG    X86_XREG
#define XRM     X86_XRM

/* What is written by the quick way: see struct x86_row. */
#define IS_QUICK(shape, bits)                              \
    (((shape) <= X86_FORM_MI || (shape) == X86_FORM_MC) && \
     !((bits) & (VEX | CC | BYTE)))
#define QUICK(shape, bits, no, sizes) \
    (IS_QUICK(shape, bits) && !((bits) & (no)) ? (sizes) & ~2 : 0)
#define LEAD(code, bits) \
    ((code) > 0xffff ? (code) >> 16 : (bits)&LOCK ? 0xf0 : 0)
#define TAIL(code) \
    ((code) > 0xff ? ((code) >> 8 & 0xff) | ((code)&0xff) << 8 : (code))

const struct x86_row x86__rows[X86_OP_COUNT] = {
#define X86(id, text, shape, code, ext, sizes, bits)                         \
    [X86_##                                                                  \
        id] = { .mnemonic = (text),                                          \
                .opcode = (code),                                            \
                .flags = (bits),                                             \
                .form = X86_FORM_##shape,                                    \
                .digit = (ext),                                              \
                .widths = (sizes),                                           \
                .reg_widths =                                                \
                    QUICK(X86_FORM_##shape, bits, MEMONLY | SRC8, sizes),    \
                .mem_widths = QUICK(X86_FORM_##shape, bits, REGONLY, sizes), \
                .lead = (uint8_t)LEAD(code, bits),                           \
                .rex_w = (bits)&D64 ? 0 : 8,                                 \
                .tail_size = (code) > 0xff ? 2 : 1,                          \
                .tail = (uint16_t)TAIL(code),                                \
                .imm_size = X86_FORM_##shape == X86_FORM_MI8 ? 1 : 4 },
#include "jit/x86_64/insn.inc"
#undef X86
};

static bool fits_int8(int64_t value)
{
    return value == (int8_t)value;
}

/*
 * The functions below write at @p and return where the next byte goes: a
 * cursor inside *b would be stored and loaded again around each byte, as a byte
 * may lie anywhere.
 */
static inline uint8_t *put8(uint8_t *p, unsigned byte)
{
    *p = (uint8_t)byte;
    return p + 1;
}

static inline uint8_t *put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

static inline uint8_t *put64(uint8_t *p, uint64_t value)
{
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

/* ModRM's upper bits for a displacement, and 1 or 4 bytes of that, or none. */
static inline unsigned mod_of(unsigned base, int32_t disp)
{
    unsigned is_there = (disp != 0) | ((base & 7) == RBP);

    return is_there + (disp != (int8_t)disp); /* then it is not 0 either */
}

static inline uint8_t *put_disp(uint8_t *p, unsigned mod, int32_t disp)
{
    put32(p, (uint32_t)disp);
    return p + (0x410 >> 4 * mod & 15);
}

static uint8_t *put_memory(uint8_t *p, unsigned reg, struct x86_rm m)
{
    bool needs_sib = m.index != X86_NO_INDEX || (m.base & 7) == RSP;
    unsigned mod = mod_of(m.base, m.disp);

    p = put8(p, (mod << 6 | (reg & 7) << 3 | (needs_sib ? RSP : m.base & 7)));
    if (needs_sib) {
        unsigned index = m.index == X86_NO_INDEX ? RSP : m.index & 7;

        p = put8(p, (m.scale_log2 << 6 | index << 3 | (m.base & 7)));
    }
    return put_disp(p, mod, m.disp);
}

static uint8_t *put_modrm(uint8_t *p, unsigned reg, struct x86_rm rm)
{
    if (rm.is_reg) {
        p = put8(p, (3 << 6 | (reg & 7) << 3 | (rm.base & 7)));
    } else {
        p = put_memory(p, reg, rm);
    }
    return p;
}

/* spl, bpl, sil and dil are only byte registers under a REX prefix. */
static bool byte_needs_rex(const struct x86_row *row,
                           const struct x86_operands *o)
{
    bool rm_is_byte = row->flags & (X86_BYTE | X86_SRC8);
    bool reg_is_byte = row->flags & X86_BYTE && row->form == X86_FORM_MR;

    return (rm_is_byte && o->rm.is_reg && o->rm.base >= RSP) ||
           (reg_is_byte && o->reg >= RSP);
}

/* The fourth bits of the registers, as REX has them. */
static unsigned rex_bits(const struct x86_operands *o, unsigned reg)
{
    unsigned rex = reg >> 3 << 2 | o->rm.base >> 3;

    if (!o->rm.is_reg && o->rm.index != X86_NO_INDEX) {
        rex |= (unsigned)o->rm.index >> 3 << 1;
    }
    return rex;
}

/* From the four bytes of a VEX row's opcode. */
static unsigned vex_map(const struct x86_row *row)
{
    return (row->opcode >> 8 & 0xff) == 0x38 ? 2 : 3;
}

static unsigned vex_prefix(const struct x86_row *row)
{
    switch (row->opcode >> 24) {
    case 0x66:
        return 1;
    case 0xf3:
        return 2;
    case 0xf2:
        return 3;
    default:
        return 0;
    }
}

static uint8_t *put_vex(uint8_t *p, const struct x86_row *row,
                        const struct x86_operands *o, unsigned reg)
{
    unsigned w = o->width == 8;
    unsigned reg2 = row->form == X86_FORM_RMV ? 0 : o->reg2;

    p = put8(p, 0xc4);
    p = put8(p, ((~rex_bits(o, reg) & 7) << 5 | vex_map(row)));
    p = put8(p, (w << 7 | (~reg2 & 15) << 3 | vex_prefix(row)));
    return p;
}

static inline uint8_t *put_prefixes(uint8_t *p, const struct x86_row *row,
                                    const struct x86_operands *o, unsigned reg)
{
    unsigned rex = rex_bits(o, reg);

    if (row->flags & X86_VEX) {
        return put_vex(p, row, o, reg);
    }
    if (row->flags & X86_LOCK) {
        p = put8(p, 0xf0);
    }
    if (o->width == 2) {
        p = put8(p, 0x66);
    }
    if (row->opcode > 0xffff) {
        p = put8(p, (row->opcode >> 16));
    }
    rex |= o->width == 8 && !(row->flags & X86_D64) ? 8 : 0;
    if (rex || byte_needs_rex(row, o)) {
        p = put8(p, (0x40 | rex));
    }
    return p;
}

static inline uint8_t *put_opcode(uint8_t *p, const struct x86_row *row,
                                  unsigned add)
{
    if (row->opcode > 0xff && !(row->flags & X86_VEX)) {
        p = put8(p, (row->opcode >> 8));
    }
    p = put8(p, (row->opcode + add));
    return p;
}

static uint8_t *put_immediate(uint8_t *p, const struct x86_row *row,
                              const struct x86_operands *o)
{
    switch ((enum x86_form)row->form) {
    case X86_FORM_MI8:
    case X86_FORM_RMV:
        xbar_assert(row->flags & X86_UIMM ? o->imm >= 0 && o->imm < 64
                                          : fits_int8(o->imm));
        p = put8(p, (unsigned)o->imm);
        break;
    case X86_FORM_OI:
        if (o->width == 8) {
            p = put64(p, (uint64_t)o->imm);
            break;
        }
        p = put32(p, (uint32_t)o->imm);
        break;
    case X86_FORM_MI:
    case X86_FORM_RMI:
    case X86_FORM_REL:
        xbar_assert(o->imm == (int32_t)o->imm);
        p = put32(p, (uint32_t)o->imm);
        break;
    default:
        break;
    }
    return p;
}

static bool form_has_modrm(enum x86_form form)
{
    return form <= X86_FORM_MC;
}

static bool form_has_immediate(enum x86_form form)
{
    return form == X86_FORM_MI8 || form == X86_FORM_MI ||
           form == X86_FORM_RMI || form == X86_FORM_RMV ||
           form == X86_FORM_OI || form == X86_FORM_REL;
}

static bool form_has_digit(enum x86_form form)
{
    return form == X86_FORM_M || form == X86_FORM_MI8 || form == X86_FORM_MI ||
           form == X86_FORM_MC;
}

static inline uint8_t *put_modrm_form(uint8_t *p, const struct x86_row *row,
                                      const struct x86_operands *o)
{
    unsigned reg = form_has_digit(row->form) ? row->digit : o->reg;

    p = put_prefixes(p, row, o, reg);
    p = put_opcode(p, row, row->flags & X86_CC ? o->cc : 0);
    return put_modrm(p, reg, o->rm);
}

/* No ModRM: a register sits in the opcode and is extended by REX.B. */
static XBAR_NOINLINE uint8_t *
put_short_form(uint8_t *p, const struct x86_row *row,
               const struct x86_operands *operands)
{
    bool has_reg = row->form == X86_FORM_O || row->form == X86_FORM_OI;
    unsigned cc = row->flags & X86_CC ? operands->cc : 0;
    struct x86_operands o = *operands;

    o.rm = x86_r(has_reg ? o.reg : 0);
    p = put_prefixes(p, row, &o, 0);
    return put_opcode(p, row, has_reg ? o.reg & 7 : cc);
}

void x86__emit(struct code_buf *b, enum x86_op op,
               const struct x86_operands *operands)
{
    const struct x86_row *row = &x86__rows[op];
    uint8_t *p;

    xbar_assert(row->widths & operands->width);
    xbar_assert(!(row->flags & X86_MEMONLY && operands->rm.is_reg));
    xbar_assert(!(row->flags & X86_REGONLY && !operands->rm.is_reg));
    if (!code_buf__reserve(b)) {
        return;
    }
    p = form_has_modrm(row->form) ? put_modrm_form(b->cur, row, operands)
                                  : put_short_form(b->cur, row, operands);
    b->cur =
        form_has_immediate(row->form) ? put_immediate(p, row, operands) : p;
}

/* ---- The usual rows ---------------------------------------------------- */

/*
 * Each part is written where it would be, and what turns out to be absent is
 * overwritten by what follows. Any instruction may come after any other, so
 * that branches would not be predicted.
 */
static inline uint8_t *put_head(uint8_t *p, const struct x86_row *row,
                                unsigned width, unsigned rex)
{
    rex |= width & row->rex_w;
    p[0] = row->lead;
    p += row->lead != 0;
    p[0] = (uint8_t)(0x40 | rex);
    p += rex != 0;
    memcpy(p, &row->tail, sizeof(row->tail));
    return p + row->tail_size;
}

static inline uint8_t *put_imm(uint8_t *p, const struct x86_row *row,
                               int64_t imm)
{
    if (row->imm_size == 1) {
        xbar_assert(row->flags & UIMM ? imm >= 0 && imm < 64 : fits_int8(imm));
        return put8(p, (unsigned)imm);
    }
    xbar_assert(imm == (int32_t)imm);
    return put32(p, (uint32_t)imm);
}

static XBAR_NOINLINE void emit_any(struct code_buf *b,
                                   const struct x86_row *row, unsigned width,
                                   unsigned reg, struct x86_rm rm, int64_t imm)
{
    x86__emit(b, (enum x86_op)(row - x86__rows),
              &(struct x86_operands){
                  .width = width, .reg = reg, .rm = rm, .imm = imm });
}

static inline uint8_t *put_reg(uint8_t *p, const struct x86_row *row,
                               unsigned width, unsigned reg, unsigned rm)
{
    p = put_head(p, row, width, reg >> 3 << 2 | rm >> 3);
    return put8(p, 3 << 6 | ((reg | row->digit) & 7) << 3 | (rm & 7));
}

void x86__emit_reg(struct code_buf *b, const struct x86_row *row,
                   unsigned width, unsigned reg, unsigned rm)
{
    if (unlikely(!(row->reg_widths & width))) {
        emit_any(b, row, width, reg, x86_r(rm), 0);
    } else if (code_buf__reserve(b)) {
        b->cur = put_reg(b->cur, row, width, reg, rm);
    }
}

void x86__emit_reg_imm(struct code_buf *b, const struct x86_row *row,
                       unsigned width, unsigned rm, int64_t imm)
{
    if (unlikely(!(row->reg_widths & width))) {
        emit_any(b, row, width, 0, x86_r(rm), imm);
    } else if (code_buf__reserve(b)) {
        b->cur = put_imm(put_reg(b->cur, row, width, 0, rm), row, imm);
    }
}

static inline uint8_t *put_mem(uint8_t *p, const struct x86_row *row,
                               unsigned width, unsigned reg, unsigned base,
                               int32_t disp)
{
    unsigned mod = mod_of(base, disp);

    p = put_head(p, row, width, reg >> 3 << 2 | base >> 3);
    p[0] = (uint8_t)(mod << 6 | ((reg | row->digit) & 7) << 3 | (base & 7));
    p[1] = RSP << 3 | RSP; /* the SIB byte of rsp and r12 */
    return put_disp(p + 1 + ((base & 7) == RSP), mod, disp);
}

void x86__emit_mem(struct code_buf *b, const struct x86_row *row,
                   unsigned width, unsigned reg, unsigned base, int32_t disp)
{
    if (unlikely(!(row->mem_widths & width))) {
        emit_any(b, row, width, reg, x86_mem(base, disp), 0);
    } else if (code_buf__reserve(b)) {
        b->cur = put_mem(b->cur, row, width, reg, base, disp);
    }
}

void x86__emit_mem_imm(struct code_buf *b, const struct x86_row *row,
                       unsigned width, struct x86_rm m, int64_t imm)
{
    if (unlikely(!(row->mem_widths & width) || m.index != X86_NO_INDEX)) {
        emit_any(b, row, width, 0, m, imm);
    } else if (code_buf__reserve(b)) {
        b->cur =
            put_imm(put_mem(b->cur, row, width, 0, m.base, m.disp), row, imm);
    }
}

void x86__emit_index(struct code_buf *b, const struct x86_row *row,
                     unsigned width, unsigned reg, unsigned sib, int32_t disp)
{
    unsigned base = sib & 15, index = sib >> 8 & 15, scale_log2 = sib >> 16;
    unsigned rex = reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
    unsigned mod = mod_of(base, disp);
    uint8_t *p;

    if (unlikely(!(row->mem_widths & width))) {
        emit_any(b, row, width, reg,
                 x86_mem_index(base, index, scale_log2, disp), 0);
    } else if (code_buf__reserve(b)) {
        p = put_head(b->cur, row, width, rex);
        p = put8(p, mod << 6 | ((reg | row->digit) & 7) << 3 | RSP);
        p = put8(p, scale_log2 << 6 | (index & 7) << 3 | (base & 7));
        b->cur = put_disp(p, mod, disp);
    }
}

/* ---- Shorthands -------------------------------------------------------- */

void x86_alu_imm(struct code_buf *b, enum x86_alu alu, unsigned width,
                 struct x86_rm rm, int32_t imm)
{
    static const struct {
        uint8_t short_form;
        uint8_t long_form;
    } ops[] = {
        [X86_ALU_ADD] = { X86_ADD_MI8, X86_ADD_MI },
        [X86_ALU_OR] = { X86_OR_MI8, X86_OR_MI },
        [X86_ALU_AND] = { X86_AND_MI8, X86_AND_MI },
        [X86_ALU_SUB] = { X86_SUB_MI8, X86_SUB_MI },
        [X86_ALU_XOR] = { X86_XOR_MI8, X86_XOR_MI },
        [X86_ALU_CMP] = { X86_CMP_MI8, X86_CMP_MI },
    };

    x86_mi(b, fits_int8(imm) ? ops[alu].short_form : ops[alu].long_form, width,
           rm, imm);
}

static inline void load_unsigned(struct code_buf *b, unsigned reg, uint64_t imm,
                                 unsigned size)
{
    unsigned rex = (size == 8 ? 8 : 0) | reg >> 3;
    uint8_t *p = b->cur;

    p[0] = (uint8_t)(0x40 | rex);
    p = put8(p + (rex != 0), 0xb8 | (reg & 7));
    put64(p, imm);
    b->cur = p + size;
}

/* mov reg, imm by hand: each stub and each constant is one. */
void x86_load_imm(struct code_buf *b, unsigned reg, uint64_t imm)
{
    if (imm == 0) {
        x86_rr(b, X86_XOR_MR, 4, reg, reg);
    } else if (imm != (uint32_t)imm && (int64_t)imm == (int32_t)imm) {
        x86_mi(b, X86_MOV_MI, 8, x86_r(reg), (int64_t)imm);
    } else if (code_buf__reserve(b)) {
        load_unsigned(b, reg, imm, imm == (uint32_t)imm ? 4 : 8);
    }
}

void x86_set(struct code_buf *b, enum x86_condition cc, unsigned reg)
{
    x86__emit(b, X86_SETCC,
              &(struct x86_operands){ .width = 1, .rm = x86_r(reg), .cc = cc });
    x86_rm(b, X86_MOVZX8, 4, reg, x86_r(reg));
}

/* @opcode: of @size bytes, the first in the lowest. */
static inline uint32_t emit_relative(struct code_buf *b, unsigned opcode,
                                     unsigned size, const uint8_t *target)
{
    uint32_t at;

    if (!code_buf__reserve(b)) {
        return 0;
    }
    memcpy(b->cur, &(uint64_t){ opcode }, sizeof(uint64_t));
    b->cur += size + 4;
    at = code_buf__offset(b) - 4;
    if (target != NULL) {
        x86_patch(b, at, target);
    }
    return at;
}

uint32_t x86_jmp(struct code_buf *b, const uint8_t *target)
{
    return emit_relative(b, 0xe9, 1, target);
}

uint32_t x86_jcc(struct code_buf *b, enum x86_condition cc,
                 const uint8_t *target)
{
    return emit_relative(b, 0x800f | (unsigned)cc << 8, 2, target);
}

uint32_t x86_call(struct code_buf *b, const uint8_t *target)
{
    return emit_relative(b, 0xe8, 1, target);
}

void x86_patch(struct code_buf *b, uint32_t at, const uint8_t *target)
{
    int64_t distance = target - (b->start + at + 4);
    int32_t rel32 = (int32_t)distance;

    if (b->full) {
        return;
    }
    xbar_assert(distance == rel32);
    memcpy(b->start + at, &rel32, sizeof(rel32));
}
