/* SPDX-License-Identifier: MIT */
/*
 * A sequence is a list of units: mostly one instruction each, drawn evenly
 * from the rows of the decode table, its free bits random. So a new row is
 * tested from the day it is added.
 *
 * What keeps a sequence within its world:
 *
 *   - Memory is accessed through pointer registers alone (and x0), which only
 *     "addi p, p, imm" may change: they start in or near the data pages and
 *     cannot leave the hole around them.
 *   - Branches go forward to a unit, never into one. The only way back is the
 *     end of a loop, which counts x6 down and leaves when it is not positive.
 *   - An indirect jump is one unit with the auipc that its address is from,
 *     and a return one with its call.
 *   - lr and sc use a pointer that never moves, and nothing between the two
 *     can trap: what a trap does to a reservation is not architecture.
 *
 * A candidate is made of random bits, then decoded by jit/riscv, and thrown
 * away if it does not keep to these rules. The immediates of jumps are put in
 * last, by encoders of this file's own, and decoded once more as a check.
 */
#include "tests/guest/insn_gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jit/riscv/decode.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/insn_values.h"
#include "tests/guest/require.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define MIN_UNITS 36
#define MAX_UNITS 64
#define MAX_CALLS 3

/* Pointers that addi may move. */
static const uint8_t moving_pointers[] = { X_SP, 8, 9, 18, 19, 20 };

#define X_SYSCALL 17 /* a7 */
#define CSR_TIME  0xc01
#define JAL_X0    0x6fu
#define ADDI_NOP  0x00000013u
#define C_NOP     0x0001u
#define EBREAK    0x00100073u

/* ---- Slots ------------------------------------------------------------- */

struct generator {
    struct insn_sequence *sequence;
    uint64_t rng;
    unsigned loop_left;  /* units until the open loop ends; 0: none is open */
    size_t loop_start;   /* its first slot */
    bool ours;           /* may go to registers */
    unsigned calls_left; /* few, or the slots would not suffice */
};

static uint32_t below(struct generator *g, uint32_t bound)
{
    return random_below(&g->rng, bound);
}

static bool one_in(struct generator *g, uint32_t n)
{
    return random_one_in(&g->rng, n);
}

static struct insn_slot *append(struct generator *g, uint32_t bits,
                                bool is_unit)
{
    struct insn_sequence *s = g->sequence;
    struct insn_slot *slot = &s->slots[s->count];

    require(s->count < INSN_MAX_SLOTS);
    *slot = (struct insn_slot){
        .bits = bits,
        .offset = (uint16_t)insn_size(s),
        .length = riscv__is_compressed(bits) ? 2 : 4,
        .is_unit = is_unit,
        .target = -1,
        .origin = (int16_t)s->count,
    };
    s->count++;
    return slot;
}

/* The target is chosen when all slots are there. */
#define TARGET_AHEAD (-2)

static struct insn_slot *append_jump(struct generator *g, uint32_t bits,
                                     bool is_unit, int target)
{
    struct insn_slot *slot = append(g, bits, is_unit);

    slot->target = (int16_t)target;
    return slot;
}

size_t insn_size(const struct insn_sequence *sequence)
{
    const struct insn_slot *last;

    if (sequence->count == 0) {
        return 0;
    }
    last = &sequence->slots[sequence->count - 1];
    return last->offset + last->length;
}

/* ---- Single instructions ----------------------------------------------- */

static bool is_moving_pointer(unsigned reg)
{
    return memchr(moving_pointers, (int)reg, sizeof(moving_pointers)) != NULL;
}

static bool is_reserved(unsigned reg)
{
    return is_moving_pointer(reg) || reg == X_ATOMIC || reg == X_COUNTER ||
           reg == X_LINK;
}

static bool is_memory_class(unsigned class)
{
    return class == RISCV_CLASS_LOAD || class == RISCV_CLASS_STORE ||
           class == RISCV_CLASS_AMO || class == RISCV_CLASS_CBO;
}

static bool writes_x(const struct riscv_insn *insn)
{
    const struct riscv_format_info *format =
        &riscv__formats[riscv__ops[insn->op].format];

    return (format->fields & ~format->fp & RISCV_RD) != 0;
}

/* Does an instruction keep to the rules at the top? */
static bool is_tame(struct generator *g, const struct riscv_insn *insn)
{
    bool moves_pointer = insn->op == RISCV_OP_ADDI && insn->rs1 == insn->rd &&
                         is_moving_pointer(insn->rd);

    if (is_memory_class(riscv__ops[insn->op].class) && insn->rs1 != 0 &&
        insn->rs1 != X_ATOMIC && !is_moving_pointer(insn->rs1)) {
        return false;
    }
    if (!writes_x(insn) || !is_reserved(insn->rd)) {
        return true;
    }
    return moves_pointer && (insn->imm % 16 == 0 || one_in(g, 4));
}

static uint32_t random_pointer(struct generator *g)
{
    return moving_pointers[below(g, sizeof(moving_pointers))];
}

/*
 * Put a CSR into the bits of a CSR instruction: one that user mode has, or
 * one that it has not. Counters are mostly read into x0: they differ in each
 * run, but that they are there, and read-only, does not.
 */
static uint32_t with_random_csr(struct generator *g, uint32_t bits)
{
    static const uint16_t present[] = { 0x001, 0x002, 0x003 };
    static const uint16_t counters[] = { 0xc00, 0xc01, 0xc02 };
    static const uint16_t absent[] = { 0x300, 0x305, 0x341, 0x100, 0x180,
                                       0xf14, 0x7c0, 0x000, 0x004, 0x800 };
    uint32_t csr = present[below(g, ARRAY_SIZE(present))];

    if (one_in(g, 12)) {
        csr = absent[below(g, ARRAY_SIZE(absent))];
    } else if (one_in(g, 12)) {
        csr = counters[below(g, ARRAY_SIZE(counters))];
        if (!g->ours || csr == CSR_TIME) {
            bits &= ~(31u << 7);
        }
        bits &= one_in(g, 2) ? ~(31u << 15) : UINT32_MAX;
        if ((bits >> 12 & 7) == 2 || (bits >> 12 & 7) == 3) {
            /* csrrs and csrrc of a register that holds 0 write, and so trap
             * here as the manual says: QEMU 7.2 takes them for reads. */
            bits &= ~(31u << 15);
        }
    }
    return (bits & 0xfffff) | csr << 20;
}

static uint32_t random_long(struct generator *g, struct insn_row row)
{
    const struct riscv_op_info *info = &riscv__ops[row.op];
    uint32_t bits = (uint32_t)random_next(&g->rng);

    if (is_memory_class(info->class)) {
        uint32_t base = one_in(g, 32) && info->class != RISCV_CLASS_AMO
                            ? 0
                            : random_pointer(g);

        bits = (bits & ~(31u << 15)) | base << 15;
        if (one_in(g, 2)) {
            /* A small offset, so that accesses meet: I and S immediates
             * share their upper bits. */
            bits = (bits & 0x01ffffff) | (one_in(g, 2) ? 0xfe000000 : 0);
        }
    }
    if (info->class == RISCV_CLASS_CSR) {
        bits = with_random_csr(g, (bits & ~row.mask) | row.match);
    }
    return (bits & ~row.mask) | row.match;
}

static uint32_t random_short(struct generator *g, struct insn_row row)
{
    uint32_t bits = (uint32_t)random_next(&g->rng) & 0xffff;

    if (is_memory_class(riscv__ops[row.op].class) && row.short_base) {
        bits = (bits & ~(7u << 7)) | below(g, 2) << 7; /* x8 or x9 */
    }
    return (bits & ~row.mask) | row.match;
}

static uint32_t random_bits(struct generator *g, size_t row)
{
    struct insn_row info = insn_row(row);

    for (unsigned tries = 0; tries < 100000; tries++) {
        uint32_t bits =
            info.compressed ? random_short(g, info) : random_long(g, info);
        struct riscv_insn insn;

        riscv__decode(&insn, bits);
        if (insn_row_of(bits) == row && is_tame(g, &insn)) {
            return bits;
        }
    }
    fprintf(stderr, "%s: no encoding is tame\n", info.name);
    abort();
}

/* Bits without a row, of either length. */
static uint32_t random_illegal(struct generator *g)
{
    for (;;) {
        uint32_t bits = (uint32_t)random_next(&g->rng);

        if (one_in(g, 4)) {
            bits &= 0xffff; /* dense: mostly legal if compressed */
        }
        if (riscv__is_compressed(bits)) {
            bits &= 0xffff;
        }
        if (insn_row_of(bits) == RISCV_OP_ILLEGAL) {
            return bits;
        }
    }
}

/* ---- Units ------------------------------------------------------------- */

static uint32_t i_type(uint32_t opcode, uint32_t rd, uint32_t rs1, int imm)
{
    return (uint32_t)imm << 20 | rs1 << 15 | rd << 7 | opcode;
}

static uint32_t addi(uint32_t rd, uint32_t rs1, int imm)
{
    return i_type(0x13, rd, rs1, imm);
}

static uint32_t auipc_link(void)
{
    return X_LINK << 7 | 0x17;
}

/* A register that a jump may link to: none that is reserved. */
static uint32_t random_link(struct generator *g)
{
    uint32_t reg;

    do {
        reg = below(g, 32);
    } while (is_reserved(reg));
    return reg;
}

/* auipc x7; jalr rd, offset(x7). Now and then rd is x7 as well, or bit 0 of
 * the address, which does not count, is set. */
static void emit_jalr(struct generator *g, uint32_t rd, bool is_unit,
                      int target)
{
    struct insn_slot *slot;
    size_t origin = g->sequence->count;

    append(g, auipc_link(), is_unit);
    slot = append_jump(g, i_type(0x67, one_in(g, 8) ? X_LINK : rd, X_LINK, 0),
                       false, target);
    slot->origin = (int16_t)origin;
}

/* auipc x7; addi x7, x7, offset; c.jr x7 */
static void emit_short_jalr(struct generator *g, struct insn_row row)
{
    struct insn_slot *slot;
    size_t origin = g->sequence->count;

    append(g, auipc_link(), true);
    slot = append_jump(g, addi(X_LINK, X_LINK, 0), false, TARGET_AHEAD);
    slot->origin = (int16_t)origin;
    append(g, row.match | X_LINK << 7, false);
}

static void emit_jump(struct generator *g, struct insn_row row)
{
    uint32_t bits = (uint32_t)random_next(&g->rng);

    if (row.op == RISCV_OP_JALR && row.compressed) {
        emit_short_jalr(g, row);
        return;
    }
    if (row.op == RISCV_OP_JALR) {
        emit_jalr(g, random_link(g), true, TARGET_AHEAD);
        return;
    }
    bits = (bits & ~row.mask) | row.match;
    if (row.compressed) {
        bits &= 0xffff;
    } else if (row.op == RISCV_OP_JAL) {
        bits = (bits & ~(31u << 7)) | random_link(g) << 7;
    }
    append_jump(g, bits, true, TARGET_AHEAD);
}

static unsigned class_of(size_t row)
{
    return riscv__ops[insn_row(row).op].class;
}

static size_t random_row(struct generator *g)
{
    size_t row;

    do {
        row = below(g, (uint32_t)insn_row_count);
    } while (!g->ours && !insn_row_has_oracle(row));
    return row;
}

static size_t random_row_of_class(struct generator *g, unsigned class)
{
    size_t row;

    do {
        row = random_row(g);
    } while (class_of(row) != class);
    return row;
}

static uint32_t random_atomic(struct generator *g, size_t row)
{
    return (random_bits(g, row) & ~(31u << 15)) | X_ATOMIC << 15;
}

/* lr; up to three instructions that cannot trap; sc of the same size. */
static void emit_lr(struct generator *g, size_t row)
{
    size_t sc = row == RISCV_OP_LR_W ? RISCV_OP_SC_W : RISCV_OP_SC_D;

    append(g, random_atomic(g, row), true);
    for (uint32_t n = below(g, 4); n > 0; n--) {
        append(g,
               random_bits(g, random_row_of_class(g, one_in(g, 4)
                                                         ? RISCV_CLASS_MUL
                                                         : RISCV_CLASS_ALU)),
               false);
    }
    append(g, random_atomic(g, sc), false);
}

/* An unknown system call: all it does is return -ENOSYS. */
static void emit_ecall(struct generator *g)
{
    append(g, addi(X_SYSCALL, 0, -1), true);
    append(g, riscv__ops[RISCV_OP_ECALL].match, false);
}

static void emit_csr(struct generator *g, size_t row)
{
    append(g, random_bits(g, row), true);
    if (one_in(g, 2)) {
        /* Half of what is written to frm is reserved, and dynamic rounding
         * then illegal: set a valid mode every other time. */
        append(g, i_type(0x73, 0, below(g, 5), 0x002) | 5u << 12, true);
    }
}

static void emit_by_class(struct generator *g, size_t row)
{
    switch (class_of(row)) {
    case RISCV_CLASS_BRANCH:
    case RISCV_CLASS_JUMP:
        emit_jump(g, insn_row(row));
        break;
    case RISCV_CLASS_CSR:
        emit_csr(g, row);
        break;
    default:
        append(g, random_bits(g, row), true);
        break;
    }
}

static void emit_row(struct generator *g, size_t row)
{
    switch (row) {
    case RISCV_OP_ILLEGAL:
        append(g, random_illegal(g), true);
        break;
    case RISCV_OP_LR_W:
    case RISCV_OP_LR_D:
        emit_lr(g, row);
        break;
    case RISCV_OP_SC_W:
    case RISCV_OP_SC_D:
        append(g, random_atomic(g, row), true);
        break;
    case RISCV_OP_ECALL:
        emit_ecall(g);
        break;
    default:
        emit_by_class(g, row);
        break;
    }
}

/* ---- Calls ------------------------------------------------------------- */

static bool is_link(unsigned reg)
{
    return reg == 1 || reg == 5;
}

static void append_body(struct generator *g)
{
    struct riscv_insn insn;
    uint32_t bits;

    do {
        bits = random_bits(g, random_row_of_class(g, RISCV_CLASS_ALU));
        riscv__decode(&insn, bits);
    } while (is_link(insn.rd));
    append(g, bits, false);
}

/* By jalr or c.jr; one time in four past the instruction after the call, which
 * is not where the call said it would return to. */
static void append_return(struct generator *g, uint32_t link)
{
    if (one_in(g, 4)) {
        append(g, addi(link, link, 4), false);
    }
    append(g, one_in(g, 2) ? 0x8002 | link << 7 : i_type(0x67, 0, link, 0),
           false);
}

/*
 *     jal   link, body       link is x1 or x5: see the return-address hints
 *     nop                    of the ISA
 *     j     over
 *     body: ..., the call of the other link register among it; return
 *     over:
 */
static void emit_call(struct generator *g, uint32_t link, bool is_unit)
{
    struct insn_slot *call = append_jump(g, JAL_X0 | link << 7, is_unit, 0);
    struct insn_slot *past;

    append(g, ADDI_NOP, false);
    past = append_jump(g, JAL_X0, false, 0);
    call->target = (int16_t)g->sequence->count;
    append_body(g);
    if (is_unit && one_in(g, 2)) {
        emit_call(g, link ^ 1 ^ 5, false);
    }
    append_return(g, link);
    past->target = (int16_t)g->sequence->count;
}

static void step_call(struct generator *g)
{
    if (g->calls_left > 0 && one_in(g, 16)) {
        emit_call(g, one_in(g, 2) ? 1 : 5, true);
        g->calls_left--;
    }
}

/* ---- Loops ------------------------------------------------------------- */

static void open_loop(struct generator *g)
{
    append(g, addi(X_COUNTER, 0, (int)below(g, 5)), true);
    g->loop_left = 3 + below(g, 8);
    g->loop_start = g->sequence->count;
}

#define BLT(rs1, rs2) (0x4063u | (rs1) << 15 | (rs2) << 20)
#define BGE(rs1, rs2) (0x5063u | (rs1) << 15 | (rs2) << 20)
#define C_J           0xa001u

/* Back by a branch, or past one that leaves, by a jump of each kind. */
static void close_loop(struct generator *g)
{
    struct insn_slot *leave;

    append(g, addi(X_COUNTER, X_COUNTER, -1), true);
    if (one_in(g, 2)) {
        append_jump(g, BLT(0u, X_COUNTER), false, (int)g->loop_start);
        return;
    }
    leave = append_jump(g, BGE(0u, X_COUNTER), false, 0);
    switch (below(g, 3)) {
    case 0:
        append_jump(g, JAL_X0, false, (int)g->loop_start);
        break;
    case 1:
        append_jump(g, C_J, false, (int)g->loop_start);
        break;
    default:
        emit_jalr(g, 0, false, (int)g->loop_start);
        break;
    }
    leave->target = (int16_t)g->sequence->count;
}

static void step_loop(struct generator *g)
{
    if (g->loop_left == 0) {
        if (one_in(g, 24)) {
            open_loop(g);
        }
    } else if (--g->loop_left == 0) {
        close_loop(g);
    }
}

/* ---- Sequences --------------------------------------------------------- */

static size_t unit_ahead(struct generator *g, size_t slot)
{
    const struct insn_sequence *s = g->sequence;

    for (uint32_t units = 1 + below(g, 8); units > 0; units--) {
        do {
            slot++;
        } while (slot < s->count - 1 && !s->slots[slot].is_unit);
        if (slot >= s->count - 1) {
            return s->count - 1;
        }
    }
    return slot;
}

static void check_offset(uint32_t bits, int32_t offset)
{
    struct riscv_insn insn;

    riscv__decode(&insn, bits);
    require(insn.imm == offset);
}

static void resolve_jumps(struct generator *g)
{
    struct insn_sequence *s = g->sequence;

    for (size_t i = 0; i < s->count; i++) {
        struct insn_slot *slot = &s->slots[i];
        int32_t offset;

        if (slot->target == -1) {
            continue;
        }
        if (slot->target == TARGET_AHEAD) {
            slot->target = (int16_t)unit_ahead(g, i);
        }
        offset = s->slots[slot->target].offset - s->slots[slot->origin].offset;
        if ((slot->bits & 0x7f) == 0x67 && one_in(g, 4)) {
            offset |= 1; /* jalr clears it */
        }
        slot->bits = insn_with_offset(slot->bits, (uint32_t)offset);
        check_offset(slot->bits, offset);
    }
}

static void fill_state(struct generator *g)
{
    insn_random_state(&g->rng, &g->sequence->state);
    g->sequence->data_seed = random_next(&g->rng);
}

void insn_generate_state(struct insn_sequence *sequence, uint64_t seed)
{
    struct generator g = { .sequence = sequence, .rng = random_mix(~seed) };

    fill_state(&g);
}

void insn_generate(struct insn_sequence *sequence, uint64_t seed, bool ours)
{
    struct generator g = { .sequence = sequence,
                           .rng = random_mix(seed),
                           .ours = ours,
                           .calls_left = MAX_CALLS };
    uint32_t units = MIN_UNITS + below(&g, MAX_UNITS - MIN_UNITS);

    sequence->seed = seed;
    sequence->count = 0;
    fill_state(&g);
    while (units-- > 0) {
        emit_row(&g, random_row(&g));
        step_call(&g);
        step_loop(&g);
    }
    if (g.loop_left > 0) {
        close_loop(&g);
    }
    append(&g, EBREAK, true);
    resolve_jumps(&g);
}

void insn_write(const struct insn_sequence *sequence, uint8_t *code)
{
    for (size_t i = 0; i < sequence->count; i++) {
        const struct insn_slot *slot = &sequence->slots[i];

        for (unsigned byte = 0; byte < slot->length; byte++) {
            code[slot->offset + byte] = (uint8_t)(slot->bits >> (8 * byte));
        }
    }
}

void insn_erase(struct insn_sequence *sequence, size_t slot)
{
    struct insn_slot *s = &sequence->slots[slot];

    s->bits = s->length == 2 ? C_NOP : ADDI_NOP;
    s->is_erased = true;
}
