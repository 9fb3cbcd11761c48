/* SPDX-License-Identifier: MIT */
/*
 * Looking ahead: what is noted of short sequences, and that translated code
 * computes what the interpreter does where registers are written again and
 * again, shifted to and fro, and seen at loads, stores and branches.
 */
#include "jit/riscv/ahead.h"

#include "encode.h"
#include "jit/instrumented.h"
#include "rig.h"

#define CODE     0x1000u
#define DATA     0x10000u
#define RAM_ADDR ((uint64_t)RIG_RAM)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Notes ------------------------------------------------------------- */

static void look_shown(struct riscv_ahead *ahead, const uint32_t *code,
                       size_t count, struct instrument_block *shown)
{
    static struct riscv_insn_cache decoded;
    struct riscv_source source = { .decoded = &decoded,
                                   .shown = shown,
                                   .size = (unsigned)(4 * count) };

    memcpy(source.bytes, code, 4 * count);
    riscv__look_ahead(ahead, &source, RISCV_BLOCK_INSNS);
}

static void look(struct riscv_ahead *ahead, const uint32_t *code, size_t count)
{
    look_shown(ahead, code, count, NULL);
}

static void upper_halves_that_nobody_reads(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDW, 10, 11, 12, 0), /* read by addw, rewritten */
        encode(RISCV_OP_ADDW, 13, 10, 12, 0), /* read by srl */
        encode(RISCV_OP_ADDW, 10, 10, 12, 0), /* read by xor, whose is */
        encode(RISCV_OP_XOR, 14, 10, 12, 0),  /* read by or, at the end */
        encode(RISCV_OP_SRL, 13, 13, 12, 0),
        encode(RISCV_OP_OR, 14, 14, 10, 0),
        encode(RISCV_OP_SUBW, 15, 11, 12, 0), /* a load sees it */
        encode(RISCV_OP_LW, 16, 11, 0, 0),
        encode(RISCV_OP_SUBW, 15, 15, 12, 0), /* rewritten */
        encode(RISCV_OP_SUBW, 15, 15, 12, 0), /* the end sees it */
        INSN_SELF,
    };
    struct riscv_ahead ahead;

    (void)state;
    look(&ahead, code, COUNT(code));
    for (unsigned i = 0; i < COUNT(code); i++) {
        assert_int_equal(ahead.notes[i].narrow, i == 0 || i == 8);
        assert_int_equal(ahead.notes[i].form, RISCV_AS_IT_IS);
    }
}

/* A CSR may be a word like any other, and does not end the block. It may trap,
 * too, so that all is seen before it. */
static void what_follows_a_csr(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDW, 10, 11, 12, 0), /* the csr may leave with it */
        encode(RISCV_OP_CSRRS, 13, 0, 0, 0x340),
        encode(RISCV_OP_ADDW, 10, 11, 12, 0), /* read by addw, rewritten */
        encode(RISCV_OP_ADDW, 10, 10, 12, 0),
        INSN_SELF,
        encode(RISCV_OP_ADDW, 10, 11, 12, 0),
    };
    struct riscv_ahead ahead;

    (void)state;
    look(&ahead, code, COUNT(code));
    assert_int_equal(ahead.count, 5);
    for (unsigned i = 0; i < ahead.count; i++) {
        assert_int_equal(ahead.notes[i].narrow, i == 2);
    }
}

/* The shifts are @op1 and @op2, with @between between them and the or. */
static bool rotates(uint32_t first, uint32_t second, uint32_t between,
                    uint32_t behind)
{
    const uint32_t code[] = {
        first,  second,    between, encode(RISCV_OP_OR, 10, 10, 11, 0),
        behind, INSN_SELF,
    };
    struct riscv_ahead ahead;

    look(&ahead, code, COUNT(code));
    if (ahead.notes[3].form == RISCV_AS_IT_IS) {
        assert_int_equal(ahead.notes[0].form, RISCV_AS_IT_IS);
        assert_int_equal(ahead.notes[1].form, RISCV_AS_IT_IS);
        return false;
    }
    assert_int_equal(ahead.notes[0].form, RISCV_INSTEAD);
    assert_int_equal(ahead.notes[0].op, RISCV_OP_RORIW);
    assert_int_equal(ahead.notes[0].rs1, first >> 15 & 31);
    assert_int_equal(ahead.notes[1].form, RISCV_NOTHING);
    assert_int_equal(ahead.notes[3].form, RISCV_INSTEAD);
    assert_int_equal(ahead.notes[3].op, RISCV_OP_ADDI);
    assert_int_equal(ahead.notes[3].rs1, first >> 7 & 31);
    assert_int_equal(ahead.notes[3].amount, 0);
    return true;
}

static void rotations(void **state)
{
    const uint32_t left = encode(RISCV_OP_SLLIW, 10, 12, 0, 7);
    const uint32_t right = encode(RISCV_OP_SRLIW, 11, 12, 0, 25);
    const uint32_t none = encode(RISCV_OP_ADDI, 20, 20, 0, 1);
    const uint32_t kill = encode(RISCV_OP_ADDI, 11, 0, 0, 1);

    (void)state;
    assert_true(rotates(left, right, none, kill));
    assert_true(rotates(right, left, none, kill));
    /* The second shift overwrites what was shifted: not the first. */
    assert_true(rotates(encode(RISCV_OP_SLLIW, 10, 11, 0, 7),
                        encode(RISCV_OP_SRLIW, 11, 11, 0, 25), none, kill));
    assert_false(
        rotates(encode(RISCV_OP_SLLIW, 12, 12, 0, 7), right, none, kill));
    assert_false(
        rotates(left, encode(RISCV_OP_SRLIW, 11, 12, 0, 24), none, kill));
    assert_false(
        rotates(left, encode(RISCV_OP_SRLI, 11, 12, 0, 25), none, kill));
    assert_false(
        rotates(left, encode(RISCV_OP_SRLIW, 11, 13, 0, 25), none, kill));
    /* A part is read, or seen. */
    assert_false(
        rotates(left, right, encode(RISCV_OP_ADD, 20, 20, 11, 0), kill));
    assert_false(rotates(left, right, encode(RISCV_OP_LW, 20, 21, 0, 0), kill));
    assert_false(
        rotates(left, right, none, encode(RISCV_OP_ADD, 11, 11, 20, 0)));
    assert_false(rotates(left, right, none, none));
    assert_false(rotates(left, right, none, encode(RISCV_OP_LW, 11, 21, 0, 0)));
    /* It is written before the or. */
    assert_false(rotates(left, right, kill, kill));
}

/* Is the instruction behind @between one with @first, and which? */
static enum riscv_op pair(uint32_t first, uint32_t between, uint32_t second,
                          uint32_t behind)
{
    const uint32_t code[] = { first, between, second, behind, INSN_SELF };
    struct riscv_ahead ahead;

    look(&ahead, code, COUNT(code));
    if (ahead.notes[2].form == RISCV_AS_IT_IS) {
        assert_int_equal(ahead.notes[0].form, RISCV_AS_IT_IS);
        return RISCV_OP_ILLEGAL;
    }
    assert_int_equal(ahead.notes[0].form, RISCV_NOTHING);
    assert_int_equal(ahead.notes[2].form, RISCV_INSTEAD);
    assert_int_equal(ahead.notes[2].rs1, first >> 15 & 31);
    return (enum riscv_op)ahead.notes[2].op;
}

static void pairs(void **state)
{
    const uint32_t there = encode(RISCV_OP_SLLI, 10, 12, 0, 48);
    const uint32_t back = encode(RISCV_OP_SRLI, 11, 10, 0, 48);
    const uint32_t scaled = encode(RISCV_OP_SLLI, 10, 12, 0, 2);
    const uint32_t add = encode(RISCV_OP_ADD, 10, 10, 13, 0);
    const uint32_t none = encode(RISCV_OP_ADDI, 20, 20, 0, 1);
    const uint32_t kill = encode(RISCV_OP_ADDI, 10, 0, 0, 1);

    (void)state;
    assert_int_equal(pair(there, none, back, kill), RISCV_OP_ZEXT_H);
    assert_int_equal(pair(scaled, none, add, none), RISCV_OP_SH2ADD);
    assert_int_equal(
        pair(scaled, none, encode(RISCV_OP_ADD, 9, 13, 10, 0), kill),
        RISCV_OP_SH2ADD);
    /* The index itself is overwritten: by nothing, then. */
    assert_int_equal(pair(encode(RISCV_OP_SLLI, 10, 10, 0, 3), none, add, none),
                     RISCV_OP_SH3ADD);
    assert_int_equal(pair(encode(RISCV_OP_SLLI, 10, 12, 0, 32), none,
                          encode(RISCV_OP_SRLI, 10, 10, 0, 30), none),
                     RISCV_OP_SLLI_UW);
    assert_int_equal(pair(encode(RISCV_OP_SLLIW, 10, 12, 0, 16), none,
                          encode(RISCV_OP_SRAIW, 10, 10, 0, 16), none),
                     RISCV_OP_SEXT_H);
    /* The shift is seen, or read. */
    assert_int_equal(pair(there, none, back, none), 0);
    assert_int_equal(pair(there, encode(RISCV_OP_LW, 20, 21, 0, 0), back, kill),
                     0);
    assert_int_equal(
        pair(there, encode(RISCV_OP_ADD, 20, 20, 10, 0), back, kill), 0);
    assert_int_equal(
        pair(there, none, back, encode(RISCV_OP_ADD, 10, 10, 11, 0)), 0);
    /* Its source is written. */
    assert_int_equal(
        pair(scaled, encode(RISCV_OP_ADDI, 12, 12, 0, 1), add, none), 0);
    /* They do not fit. */
    assert_int_equal(
        pair(encode(RISCV_OP_SLLIW, 10, 12, 0, 2), none, add, none), 0);
    assert_int_equal(pair(encode(RISCV_OP_SLLI, 10, 12, 0, 4), none, add, none),
                     0);
    assert_int_equal(
        pair(scaled, none, encode(RISCV_OP_ADD, 10, 10, 10, 0), none), 0);
    assert_int_equal(
        pair(there, none, encode(RISCV_OP_SRLI, 11, 10, 0, 47), kill), 0);
    assert_int_equal(
        pair(there, none, encode(RISCV_OP_SRLIW, 11, 10, 0, 16), kill), 0);
}

static void what_is_shown_is_as_it_is(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SLLI, 10, 12, 0, 48),
        encode(RISCV_OP_SRLI, 10, 10, 0, 48),
        encode(RISCV_OP_ADDW, 10, 10, 12, 0),
        encode(RISCV_OP_ADDW, 10, 10, 12, 0),
        INSN_SELF,
    };
    struct instrument_block shown = { .count = COUNT(code) };
    const struct riscv_note none = { .form = RISCV_AS_IT_IS };
    struct riscv_ahead ahead;

    (void)state;
    look_shown(&ahead, code, COUNT(code), NULL);
    assert_int_equal(ahead.notes[1].form, RISCV_INSTEAD);
    assert_true(ahead.notes[2].narrow);
    look_shown(&ahead, code, COUNT(code), &shown);
    for (unsigned i = 0; i < COUNT(code); i++) {
        assert_memory_equal(&ahead.notes[i], &none, sizeof(none));
    }
}

/* ---- Against the interpreter ------------------------------------------- */

#define LENGTH 48u
#define ROUNDS 4000u

/* With homes and without; x18 holds an address. */
static const uint8_t regs[] = { 10, 15, 14, 28, 29, 7 };

static uint32_t random_insn(uint64_t *seed)
{
    static const uint8_t ops[] = { RISCV_OP_ADDW, RISCV_OP_SUBW, RISCV_OP_SLLW,
                                   RISCV_OP_SRLW, RISCV_OP_SRAW, RISCV_OP_MULW,
                                   RISCV_OP_ADD,  RISCV_OP_XOR,  RISCV_OP_OR,
                                   RISCV_OP_OR,   RISCV_OP_AND,  RISCV_OP_SLTU,
                                   RISCV_OP_SRL,  RISCV_OP_DIVW, RISCV_OP_SUB };
    static const uint8_t imms[] = { RISCV_OP_ADDIW, RISCV_OP_ADDI,
                                    RISCV_OP_SLTI, RISCV_OP_ANDI };
    uint64_t r = rig_random(seed);
    unsigned rd = regs[r % 6], rs1 = regs[r / 6 % 6], rs2 = regs[r / 36 % 6];
    unsigned shift = r >> 20 & 1 ? 7 : 25;
    int imm = (int)(r >> 32 & 7) * 100 - 300;

    switch (r >> 40 & 15) {
    case 0:
        return encode(RISCV_OP_LW, rd, 18, 0, (int)(r >> 32 & 63) * 4);
    case 1:
        return encode(RISCV_OP_SD, 0, 18, rs2, (int)(r >> 32 & 31) * 8);
    case 2:
    case 3:
    case 4:
        return encode(RISCV_OP_SLLIW, rd, rs1, 0, (int)shift);
    case 5:
    case 6:
    case 7:
        return encode(RISCV_OP_SRLIW, rd, rs1, 0, (int)(32 - shift));
    case 8:
    case 9:
        return encode((enum riscv_op)imms[r >> 48 & 3], rd, rs1, 0,
                      r >> 50 & 1 ? 0 : imm);
    default:
        return encode((enum riscv_op)ops[(r >> 48) % COUNT(ops)], rd, rs1, rs2,
                      0);
    }
}

/* A rotation as compilers write it, unless what is in between spoils it. */
static void plant_rotation(uint32_t code[6], uint64_t *seed)
{
    uint64_t r = rig_random(seed);
    unsigned x = regs[r % 6], a = regs[r / 6 % 6], b = regs[r / 36 % 6];
    unsigned shift = r >> 20 & 15;
    unsigned left = r >> 24 & 1 ? 0 : 2;

    code[left] = encode(RISCV_OP_SLLIW, a, x, 0, (int)shift);
    code[1] = random_insn(seed);
    code[2 - left] = encode(RISCV_OP_SRLIW, b, x, 0, (int)(32 - shift) & 31);
    code[3] = encode(RISCV_OP_OR, regs[r >> 25 & 3], a, b, 0);
    code[4] = encode(RISCV_OP_ADDIW, a, regs[r >> 25 & 3], 0, 1);
    code[5] = encode(RISCV_OP_ADDI, b, 0, 0, 1);
}

/* A shift, and what may be one instruction with it. */
static void plant_pair(uint32_t code[4], uint64_t *seed)
{
    static const uint8_t shifts[] = { 16, 24, 32, 48, 56 };
    static const uint8_t backs[] = { RISCV_OP_SRLI, RISCV_OP_SRAI,
                                     RISCV_OP_SRLIW, RISCV_OP_SRAIW };
    uint64_t r = rig_random(seed);
    unsigned x = regs[r % 6], a = regs[r / 6 % 6], b = regs[r / 36 % 6];
    unsigned d = r >> 20 & 1 ? a : b, by = shifts[(r >> 24 & 255) % 5];
    bool word = by < 32;

    code[1] = random_insn(seed);
    if (r >> 21 & 1) {
        code[0] = encode(RISCV_OP_SLLI, a, x, 0, 1 + (int)(r >> 32 & 3));
        code[2] = encode(RISCV_OP_ADD, d, r >> 22 & 1 ? a : b,
                         r >> 22 & 1 ? b : a, 0);
    } else {
        code[0] =
            encode(word ? RISCV_OP_SLLIW : RISCV_OP_SLLI, a, x, 0, (int)by);
        if (by == 32) {
            by -= r >> 32 & 3;
        }
        code[2] = encode((enum riscv_op)backs[2 * word + (r >> 23 & 1)], d, a,
                         0, (int)by);
    }
    code[3] = encode(RISCV_OP_ADDI, a, d, 0, 1);
}

static void make_code(uint32_t code[LENGTH + 1], uint64_t *seed)
{
    for (unsigned i = 0; i < LENGTH; i++) {
        code[i] = random_insn(seed);
    }
    for (unsigned i = 0; i < LENGTH; i += 12) {
        plant_rotation(code + i, seed);
        plant_pair(code + i + 6, seed);
    }
    code[LENGTH] = INSN_SELF;
}

static void run(struct rig *rig, const uint32_t *code, uint64_t seed)
{
    rig_code(rig, CODE, code, LENGTH + 1);
    riscv__jit_flush(rig->hart);
    for (unsigned i = 0; i < COUNT(regs); i++) {
        rig->hart->x[regs[i]] = rig_random(&seed);
    }
    rig->hart->x[18] = RAM_ADDR + DATA;
    rig->hart->pc = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_run(rig->hart, LENGTH + 1), RISCV_STOP_BUDGET);
}

static bool is_instead(const struct riscv_note *note)
{
    return note->form == RISCV_INSTEAD;
}

static void same_as_the_interpreter(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    struct rig rig[2];
    uint64_t seed = 1, rotated = 0, narrow = 0, paired = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig_open_with(&rig[i], &config);
        rig_open_pmp(&rig[i]);
        assert_int_equal(
            xbar_riscv_set_engine(rig[i].hart,
                                  i ? XBAR_RISCV_JIT : XBAR_RISCV_INTERP),
            0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t code[LENGTH + 1];
        struct riscv_ahead ahead;

        make_code(code, &seed);
        look(&ahead, code, LENGTH + 1);
        for (unsigned i = 0; i < LENGTH; i++) {
            const struct riscv_note *note = &ahead.notes[i];

            rotated += is_instead(note) && note->op == RISCV_OP_RORIW;
            paired += is_instead(note) && note->op != RISCV_OP_RORIW &&
                      note->op != RISCV_OP_ADDI;
            narrow += ahead.notes[i].narrow;
        }
        run(&rig[0], code, seed);
        run(&rig[1], code, seed);
        assert_memory_equal(rig[0].hart->x, rig[1].hart->x,
                            sizeof(rig[0].hart->x));
        assert_memory_equal(rig[0].mem + DATA, rig[1].mem + DATA, 512);
    }
    print_message("%u rotations, %u pairs, %u narrow results\n",
                  (unsigned)rotated, (unsigned)paired, (unsigned)narrow);
    assert_true(rotated > ROUNDS / 4 && paired > ROUNDS && narrow > ROUNDS);
    rig_close(&rig[0]);
    rig_close(&rig[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upper_halves_that_nobody_reads),
        cmocka_unit_test(what_follows_a_csr),
        cmocka_unit_test(rotations),
        cmocka_unit_test(pairs),
        cmocka_unit_test(what_is_shown_is_as_it_is),
        cmocka_unit_test(same_as_the_interpreter),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
