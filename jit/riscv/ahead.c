/* SPDX-License-Identifier: MIT */
/*
 * Looking ahead in a block. Between two places where it may be left (its end,
 * whatever may trap or call out) nobody sees the registers, so what is written
 * and not read there need not be computed.
 *
 * Upper halves. A W-form sign-extends its 32 bits, for which the host takes an instruction
 * more. Often nobody looks: the next W-form reads the lower half alone, and
 * the register is written again before the block can be left.
 *
 *     addw a3, a3, a0      upper half: read by nobody
 *     addw a3, a3, a7      upper half: the branch may leave with it
 *     bne  ...
 *
 * Found backwards. Where the block may be left, all registers are demanded
 * whole; before an instruction, what it reads is demanded:
 *
 *     reads                          of what it reads, the upper half is demanded
 *     lower halves (addw, sllw)      no
 *     lower for lower (add, xor)     if that of the result is
 *     all else                       yes
 *
 * Rotations. Without Zbb they take three instructions and a spare register or
 * two, which are dead behind them:
 *
 *     slliw a2, t4, 16          a2 = t4 rotated
 *     srliw t4, t4, 16          nothing
 *     or    t4, a2, t4          t4 = a2
 *
 * The first of the two shifts becomes the rotation, as the second may
 * overwrite what is rotated.
 *
 * Pairs. Without Zba and Zbb an index is scaled, and a part of a register
 * extended, in two instructions, the first of which is dead behind the second:
 *
 *     slli a5, a5, 2            nothing
 *     add  a5, a5, a4           sh2add a5, a5, a4
 *
 *     slli a0, a4, 48           nothing
 *     srli a0, a0, 48           zext.h a0, a4
 */
#include "jit/riscv/ahead.h"

#include <string.h>

#include "jit/riscv/decode.h"

#define ALL UINT32_MAX

static const uint8_t reads_of[RISCV_OP_COUNT] = {
    [RISCV_OP_ADDIW] = RISCV_READS_LOWER,
    [RISCV_OP_SLLIW] = RISCV_READS_LOWER,
    [RISCV_OP_SRLIW] = RISCV_READS_LOWER,
    [RISCV_OP_SRAIW] = RISCV_READS_LOWER,
    [RISCV_OP_ADDW] = RISCV_READS_LOWER,
    [RISCV_OP_SUBW] = RISCV_READS_LOWER,
    [RISCV_OP_SLLW] = RISCV_READS_LOWER,
    [RISCV_OP_SRLW] = RISCV_READS_LOWER,
    [RISCV_OP_SRAW] = RISCV_READS_LOWER,
    [RISCV_OP_MULW] = RISCV_READS_LOWER,
    [RISCV_OP_ROLW] = RISCV_READS_LOWER,
    [RISCV_OP_RORW] = RISCV_READS_LOWER,
    [RISCV_OP_RORIW] = RISCV_READS_LOWER,
    [RISCV_OP_ADDI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_XORI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_ORI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_ANDI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_SLLI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_ADD] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_SUB] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_XOR] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_OR] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_AND] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_MUL] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_LUI] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_SH1ADD] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_SH2ADD] = RISCV_READS_LOWER_FOR_LOWER,
    [RISCV_OP_SH3ADD] = RISCV_READS_LOWER_FOR_LOWER,
};

enum riscv_reads riscv__reads(enum riscv_op op)
{
    return (enum riscv_reads)reads_of[op];
}

/* What is demanded before @insn, given what is behind it. */
static uint32_t demand_before(const struct riscv_insn *insn, uint32_t behind)
{
    uint32_t result = UINT32_C(1) << insn->rd;
    uint32_t sources = UINT32_C(1) << insn->rs1 | UINT32_C(1) << insn->rs2;
    uint32_t demanded = behind & ~result;

    if (!riscv__only_computes(insn)) {
        return ALL;
    }
    switch ((enum riscv_reads)reads_of[insn->op]) {
    case RISCV_READS_LOWER:
        return demanded;
    case RISCV_READS_LOWER_FOR_LOWER:
        return behind & result ? demanded | sources : demanded;
    default:
        return demanded | sources;
    }
}

struct riscv_insn riscv__instead(const struct riscv_insn *insn,
                                 const struct riscv_note *note)
{
    struct riscv_insn other = *insn;

    if (note->form == RISCV_INSTEAD) {
        other.op = note->op;
        other.rs1 = note->rs1;
        other.rs2 = note->rs2;
        other.imm = note->amount;
    } else if (note->form == RISCV_NOTHING) {
        other.op = RISCV_OP_ADDI;
        other.rd = 0;
        other.rs1 = 0;
        other.rs2 = 0;
        other.imm = 0;
    }
    return other;
}

/* ---- Rotations --------------------------------------------------------- */

/* The block's instructions, decoded: to the first that ends it. */
struct code {
    const struct riscv_insn *insns;
    unsigned count;
};

static bool reads(const struct riscv_insn *insn, unsigned reg)
{
    return insn->rs1 == reg || insn->rs2 == reg;
}

/* Where @reg is written last before @at, or -1: not since it was to be seen. */
static int find_writer(const struct code *code, unsigned at, unsigned reg)
{
    for (unsigned i = at; i-- > 0 && riscv__only_computes(&code->insns[i]);) {
        if (code->insns[i].rd == reg) {
            return (int)i;
        }
    }
    return -1;
}

/* Between @from and @to, neither of them included. */
static bool is_read_between(const struct code *code, unsigned from, unsigned to,
                            unsigned reg)
{
    for (unsigned i = from + 1; i < to; i++) {
        if (reads(&code->insns[i], reg)) {
            return true;
        }
    }
    return false;
}

/* Is @reg written behind @at before anybody can see it? */
static bool is_dead_behind(const struct code *code, unsigned at, unsigned reg)
{
    for (unsigned i = at; i < code->count; i++) {
        const struct riscv_insn *insn = &code->insns[i];

        if (!riscv__only_computes(insn) || (i > at && reads(insn, reg))) {
            return false;
        }
        if (insn->rd == reg) {
            return true;
        }
    }
    return false;
}

static bool are_parts(const struct riscv_insn *left,
                      const struct riscv_insn *right)
{
    return left->op == RISCV_OP_SLLIW && right->op == RISCV_OP_SRLIW &&
           left->rs1 == right->rs1 && left->rd != right->rd &&
           left->imm + right->imm == 32 && left->imm != 0 && right->imm != 0;
}

/* Are the shifts at @i and @j, i < j, all that becomes of the rotated value,
 * and of use to the one at @k alone? */
static bool may_rotate(const struct code *code, unsigned i, unsigned j,
                       unsigned k)
{
    const struct riscv_insn *first = &code->insns[i];
    const struct riscv_insn *second = &code->insns[j];

    for (unsigned m = i; m < j; m++) {
        if (code->insns[m].rd == first->rs1) {
            return false; /* the second shift is of another value */
        }
    }
    return first->rd != 0 && second->rd != 0 &&
           !is_read_between(code, i, k, first->rd) &&
           !is_read_between(code, j, k, second->rd) &&
           is_dead_behind(code, k, first->rd) &&
           is_dead_behind(code, k, second->rd);
}

static void find_rotation(const struct code *code, unsigned k,
                          struct riscv_note *notes)
{
    const struct riscv_insn * or = &code->insns[k];
    int a = find_writer(code, k, or->rs1), b = find_writer(code, k, or->rs2);
    unsigned i = (unsigned)(a < b ? a : b), j = (unsigned)(a < b ? b : a);
    const struct riscv_insn *left, *right;

    if (a < 0 || b < 0 || a == b) {
        return;
    }
    left = &code->insns[code->insns[i].op == RISCV_OP_SLLIW ? i : j];
    right = &code->insns[code->insns[i].op == RISCV_OP_SLLIW ? j : i];
    if (are_parts(left, right) && may_rotate(code, i, j, k) &&
        notes[i].form == RISCV_AS_IT_IS && notes[j].form == RISCV_AS_IT_IS) {
        notes[i] = (struct riscv_note){ .form = RISCV_INSTEAD,
                                        .op = RISCV_OP_RORIW,
                                        .rs1 = right->rs1,
                                        .amount = (uint8_t)right->imm,
                                        .narrow = notes[k].narrow };
        notes[j].form = RISCV_NOTHING;
        notes[k].form = RISCV_INSTEAD;
        notes[k].op = RISCV_OP_ADDI;
        notes[k].rs1 = code->insns[i].rd;
    }
}

/* ---- Pairs ------------------------------------------------------------- */

/* Shifts there and back: what the second is of the first's source. */
static const struct {
    uint8_t there;
    uint8_t back;
    uint8_t by;
    uint8_t op;
    uint8_t amount;
} shifts[] = {
    { RISCV_OP_SLLI, RISCV_OP_SRLI, 32, RISCV_OP_ADD_UW, 0 },
    { RISCV_OP_SLLI, RISCV_OP_SRAI, 32, RISCV_OP_ADDIW, 0 },
    { RISCV_OP_SLLI, RISCV_OP_SRLI, 48, RISCV_OP_ZEXT_H, 0 },
    { RISCV_OP_SLLI, RISCV_OP_SRAI, 48, RISCV_OP_SEXT_H, 0 },
    { RISCV_OP_SLLI, RISCV_OP_SRLI, 56, RISCV_OP_ANDI, 255 },
    { RISCV_OP_SLLI, RISCV_OP_SRAI, 56, RISCV_OP_SEXT_B, 0 },
    { RISCV_OP_SLLIW, RISCV_OP_SRLIW, 16, RISCV_OP_ZEXT_H, 0 },
    { RISCV_OP_SLLIW, RISCV_OP_SRAIW, 16, RISCV_OP_SEXT_H, 0 },
    { RISCV_OP_SLLIW, RISCV_OP_SRLIW, 24, RISCV_OP_ANDI, 255 },
    { RISCV_OP_SLLIW, RISCV_OP_SRAIW, 24, RISCV_OP_SEXT_B, 0 },
};

/* What @back is of the source of @there, which writes its rs1. */
static bool extends(const struct riscv_insn *there,
                    const struct riscv_insn *back, struct riscv_note *note)
{
    note->rs2 = 0;
    if (there->op == RISCV_OP_SLLI && back->op == RISCV_OP_SRLI &&
        there->imm == 32 && back->imm > 0 && back->imm < 32) {
        note->op = RISCV_OP_SLLI_UW;
        note->amount = (uint8_t)(32 - back->imm);
        return true;
    }
    for (unsigned i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        if (shifts[i].there == there->op && shifts[i].back == back->op &&
            shifts[i].by == there->imm && shifts[i].by == back->imm) {
            note->op = shifts[i].op;
            note->amount = shifts[i].amount;
            return true;
        }
    }
    return false;
}

/* The same of an addition of @other. */
static bool scales(const struct riscv_insn *there, const struct riscv_insn *add,
                   unsigned other, struct riscv_note *note)
{
    static const uint8_t ops[] = { 0, RISCV_OP_SH1ADD, RISCV_OP_SH2ADD,
                                   RISCV_OP_SH3ADD };

    if (there->op != RISCV_OP_SLLI || add->op != RISCV_OP_ADD ||
        there->imm < 1 || there->imm > 3 || other == 0 || other == there->rd) {
        return false;
    }
    note->op = ops[there->imm];
    note->rs2 = (uint8_t)other;
    note->amount = 0;
    return true;
}

static bool is_written_between(const struct code *code, unsigned from,
                               unsigned to, unsigned reg)
{
    for (unsigned i = from + 1; i < to; i++) {
        if (code->insns[i].rd == reg) {
            return true;
        }
    }
    return false;
}

/* Is what is at @i, of a source that is still there at @k, of use to the
 * instruction there alone? */
static bool may_pair(const struct code *code, unsigned i, unsigned k)
{
    const struct riscv_insn *first = &code->insns[i];

    return first->rs1 != 0 && first->rd != 0 && code->insns[k].rd != 0 &&
           !is_written_between(code, i, k, first->rs1) &&
           !is_read_between(code, i, k, first->rd) &&
           is_dead_behind(code, k, first->rd);
}

/* The instruction at @k with the shift that wrote @shifted. */
static bool find_pair(const struct code *code, unsigned k, unsigned shifted,
                      unsigned other, struct riscv_note *notes)
{
    const struct riscv_insn *second = &code->insns[k];
    int at = find_writer(code, k, shifted);
    struct riscv_note note = notes[k];
    const struct riscv_insn *first;

    if (at < 0 || notes[at].form != RISCV_AS_IT_IS ||
        note.form != RISCV_AS_IT_IS) {
        return false;
    }
    first = &code->insns[at];
    if (!(second->op == RISCV_OP_ADD ? scales(first, second, other, &note)
                                     : extends(first, second, &note)) ||
        !may_pair(code, (unsigned)at, k)) {
        return false;
    }
    note.form = RISCV_INSTEAD;
    note.rs1 = first->rs1;
    notes[k] = note;
    notes[at].form = RISCV_NOTHING;
    return true;
}

static void find_pairs(const struct code *code, struct riscv_note *notes)
{
    for (unsigned i = 0; i < code->count; i++) {
        const struct riscv_insn *insn = &code->insns[i];

        switch (insn->op) {
        case RISCV_OP_ADD:
            if (find_pair(code, i, insn->rs1, insn->rs2, notes)) {
                break;
            }
            (void)find_pair(code, i, insn->rs2, insn->rs1, notes);
            break;
        case RISCV_OP_SRLI:
        case RISCV_OP_SRAI:
        case RISCV_OP_SRLIW:
        case RISCV_OP_SRAIW:
            (void)find_pair(code, i, insn->rs1, 0, notes);
            break;
        default:
            break;
        }
    }
}

/* ---- All of it --------------------------------------------------------- */

/* Does the block end with such an instruction, whatever is known of it? A CSR
 * may be a word like any other. */
static bool ends(unsigned class)
{
    return riscv__classes[class].ends_block && class != RISCV_CLASS_CSR;
}

static unsigned decode_all(struct riscv_ahead *ahead,
                           struct riscv_source *source, unsigned max)
{
    unsigned offset = 0;
    unsigned count = 0;

    ahead->loads = ahead->stores = 0;
    if (source->host2 != NULL) {
        max = 1; /* an instruction that crosses pages is alone */
    }
    while (count < max) {
        struct riscv_insn *insn = &ahead->insns[count];
        unsigned class;

        if (offset + 4 > source->size && source->size < source->room) {
            riscv__copy_more(source);
        }
        if (!riscv__read_insn(source, offset, insn)) {
            break;
        }
        offset += insn->length;
        count++;
        class = riscv__ops[insn->op].class;
        ahead->loads += class == RISCV_CLASS_LOAD;
        ahead->stores += class == RISCV_CLASS_STORE;
        if (ends(class)) {
            break;
        }
    }
    return count;
}

void riscv__look_ahead_at(struct riscv_note *notes,
                          const struct riscv_insn *insns, unsigned count)
{
    const struct code code = { .insns = insns, .count = count };
    uint32_t demanded = ALL;

    memset(notes, 0, count * sizeof(*notes));
    for (unsigned i = count; i-- > 0;) {
        const struct riscv_insn *insn = &insns[i];

        /* Of other results, the note is for rotations. */
        notes[i].narrow = riscv__only_computes(insn) &&
                          reads_of[insn->op] != RISCV_READS_ALL &&
                          !(demanded >> insn->rd & 1);
        demanded = demand_before(insn, demanded);
    }
    for (unsigned i = 0; i < count; i++) {
        if (insns[i].op == RISCV_OP_OR) {
            find_rotation(&code, i, notes);
        }
    }
    find_pairs(&code, notes);
}

void riscv__look_less_ahead(struct riscv_ahead *ahead,
                            const struct riscv_source *source, unsigned count)
{
    ahead->count = count;
    if (source->shown == NULL) {
        riscv__look_ahead_at(ahead->notes, ahead->insns, count);
    } else {
        memset(ahead->notes, 0, count * sizeof(ahead->notes[0]));
    }
}

void riscv__look_ahead(struct riscv_ahead *ahead, struct riscv_source *source,
                       unsigned max)
{
    riscv__look_less_ahead(ahead, source, decode_all(ahead, source, max));
}
