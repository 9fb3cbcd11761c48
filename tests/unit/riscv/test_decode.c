/* SPDX-License-Identifier: MIT */
/* The instruction table and the decoder: every row, every compressed form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "encode.h"
#include "jit/riscv/decode.h"

static uint32_t random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static const struct riscv_format_info *format_of(unsigned op)
{
    return &riscv__formats[riscv__ops[op].format];
}

static bool has_reserved_mode(unsigned op, uint32_t bits)
{
    unsigned rm = bits >> 12 & 7;

    return (format_of(op)->fields & RISCV_RM) != 0 && (rm == 5 || rm == 6);
}

/* ---- The table --------------------------------------------------------- */

static void test_rows_are_disjoint(void **state)
{
    unsigned a, b;

    (void)state;
    for (a = 1; a < RISCV_OP_COUNT; a++) {
        const struct riscv_op_info *row = &riscv__ops[a];

        assert_int_equal(row->match & ~row->mask, 0);
        assert_int_equal(row->mask & 0x7f, 0x7f);
        assert_int_equal(row->match & 3, 3);
        for (b = 1; b < a; b++) {
            uint32_t common = row->mask & riscv__ops[b].mask;

            if (((row->match ^ riscv__ops[b].match) & common) == 0) {
                fail_msg("%s overlaps %s", row->text, riscv__ops[b].text);
            }
        }
    }
}

/* Which registers a row has, told from the letters of its operand text. */
static unsigned fields_in_text(const char *text, const char *letters)
{
    unsigned fields = 0;
    unsigned i;

    for (i = 0; letters[i] != '\0'; i++) {
        if (letters[i] != ' ' && strchr(text, letters[i])) {
            fields |= 1u << i;
        }
    }
    return fields;
}

static void test_formats_agree_with_their_texts(void **state)
{
    unsigned op;

    (void)state;
    for (op = 0; op < RISCV_OP_COUNT; op++) {
        const struct riscv_format_info *format = format_of(op);
        unsigned fp = fields_in_text(format->text, "DSTR");
        unsigned all = fp | fields_in_text(format->text, "dst m") |
                       fields_in_text(format->text, " z");

        assert_int_equal(format->fp, fp);
        assert_int_equal(format->fields, all);
    }
}

static void test_properties(void **state)
{
    unsigned op;

    (void)state;
    for (op = 1; op < RISCV_OP_COUNT; op++) {
        const struct riscv_op_info *row = &riscv__ops[op];
        bool is_memory = row->class == RISCV_CLASS_LOAD ||
                         row->class == RISCV_CLASS_STORE ||
                         row->class == RISCV_CLASS_AMO;

        assert_int_equal(row->access != 0, is_memory);
        assert_true(!is_memory || riscv__classes[row->class].may_trap);
    }
    assert_true(riscv__classes[RISCV_CLASS_BRANCH].ends_block);
    assert_false(riscv__classes[RISCV_CLASS_ALU].ends_block);
    assert_int_equal(riscv__ops[RISCV_OP_LW].access, -4);
    assert_int_equal(riscv__ops[RISCV_OP_LWU].access, 4);
    assert_int_equal(riscv__ops[RISCV_OP_FSD].access, 8);
}

/* ---- 32-bit instructions ----------------------------------------------- */

static uint8_t field_if(unsigned op, unsigned field, uint32_t bits,
                        unsigned low)
{
    return (format_of(op)->fields & field) != 0 ? (bits >> low & 31) : 0;
}

static void check_operands(unsigned op, uint32_t bits)
{
    enum riscv_imm layout = (enum riscv_imm)format_of(op)->imm;
    struct riscv_insn insn;

    riscv__decode(&insn, bits);
    assert_int_equal(insn.bits, bits);
    assert_int_equal(insn.length, 4);
    if (has_reserved_mode(op, bits)) {
        assert_int_equal(insn.op, RISCV_OP_ILLEGAL);
        return;
    }
    assert_int_equal(insn.op, op);
    assert_int_equal(insn.rd, field_if(op, RISCV_RD, bits, 7));
    assert_int_equal(insn.rs1, field_if(op, RISCV_RS1, bits, 15));
    assert_int_equal(insn.rs2, field_if(op, RISCV_RS2, bits, 20));
    assert_int_equal(insn.rs3, field_if(op, RISCV_RS3, bits, 27));
    assert_int_equal(insn.rm, field_if(op, RISCV_RM, bits, 12) & 7);
    /* Put back, the immediate is the very bits it was made of. */
    assert_int_equal(encode_imm(layout, insn.imm),
                     bits & encode_imm(layout, -1));
}

static void test_every_row_decodes(void **state)
{
    uint64_t seed = 1;
    unsigned op, i;

    (void)state;
    for (op = 1; op < RISCV_OP_COUNT; op++) {
        for (i = 0; i < 2000; i++) {
            uint32_t noise = random_bits(&seed) & ~riscv__ops[op].mask;

            check_operands(op, noise | riscv__ops[op].match);
        }
    }
}

static void test_immediates_keep_their_sign(void **state)
{
    static const struct {
        enum riscv_op op;
        int32_t imm[4];
    } cases[] = {
        { RISCV_OP_ADDI, { 0, 1, 2047, -2048 } },
        { RISCV_OP_SD, { 0, 31, 2047, -2048 } },
        { RISCV_OP_BEQ, { 0, 2, 4094, -4096 } },
        { RISCV_OP_LUI, { 0, 0x1000, 0x7ffff000, INT32_MIN } },
        { RISCV_OP_JAL, { 0, 2, 0xffffe, -0x100000 } },
        { RISCV_OP_SRAI, { 0, 1, 31, 63 } },
        { RISCV_OP_CSRRW, { 0, 1, 0x800, 0xfff } },
    };
    unsigned i, j;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (j = 0; j < 4; j++) {
            int32_t imm = cases[i].imm[j];
            struct riscv_insn insn;

            riscv__decode(&insn, encode(cases[i].op, 0, 0, 0, imm));
            assert_int_equal(insn.op, cases[i].op);
            assert_int_equal(insn.imm, imm);
        }
    }
}

/* Nothing decodes but what a row matches, found here without groups. */
static void test_all_else_is_illegal(void **state)
{
    uint64_t seed = 2;
    unsigned i;

    (void)state;
    for (i = 0; i < 300000; i++) {
        uint32_t bits = random_bits(&seed) | 3;
        unsigned expected = RISCV_OP_ILLEGAL;
        struct riscv_insn insn;
        unsigned op;

        for (op = 1; op < RISCV_OP_COUNT; op++) {
            if ((bits & riscv__ops[op].mask) == riscv__ops[op].match &&
                !has_reserved_mode(op, bits)) {
                expected = op;
            }
        }
        riscv__decode(&insn, bits);
        assert_int_equal(insn.op, expected);
    }
}

/* ---- Compressed instructions ------------------------------------------- */

static void test_compressed_examples(void **state)
{
    static const struct {
        uint16_t bits;
        struct riscv_insn insn;
    } cases[] = {
        /* c.addi4spn s0,sp,1020 */
        { 0x1fe0, { .op = RISCV_OP_ADDI, .rd = 8, .rs1 = 2, .imm = 1020 } },
        /* c.ld a5,248(a4) */
        { 0x7f7c, { .op = RISCV_OP_LD, .rd = 15, .rs1 = 14, .imm = 248 } },
        /* c.sw s1,124(s0) */
        { 0xdc64, { .op = RISCV_OP_SW, .rs1 = 8, .rs2 = 9, .imm = 124 } },
        /* c.addi a0,-32 */
        { 0x1501, { .op = RISCV_OP_ADDI, .rd = 10, .rs1 = 10, .imm = -32 } },
        /* c.addi16sp sp,-512 */
        { 0x7101, { .op = RISCV_OP_ADDI, .rd = 2, .rs1 = 2, .imm = -512 } },
        /* c.lui a0,0xfffe0 */
        { 0x7501, { .op = RISCV_OP_LUI, .rd = 10, .imm = -131072 } },
        /* c.srai a0,63 */
        { 0x957d, { .op = RISCV_OP_SRAI, .rd = 10, .rs1 = 10, .imm = 63 } },
        /* c.j .-2048 */
        { 0xb001, { .op = RISCV_OP_JAL, .imm = -2048 } },
        /* c.bnez a5,.+254 */
        { 0xeffd, { .op = RISCV_OP_BNE, .rs1 = 15, .imm = 254 } },
        /* c.jr ra */
        { 0x8082, { .op = RISCV_OP_JALR, .rs1 = 1 } },
        /* c.jalr a5 */
        { 0x9782, { .op = RISCV_OP_JALR, .rd = 1, .rs1 = 15 } },
        /* c.mv a0,a1 */
        { 0x852e, { .op = RISCV_OP_ADD, .rd = 10, .rs2 = 11 } },
        /* c.add a0,a1 */
        { 0x952e, { .op = RISCV_OP_ADD, .rd = 10, .rs1 = 10, .rs2 = 11 } },
        /* c.ebreak */
        { 0x9002, { .op = RISCV_OP_EBREAK } },
        /* c.sdsp ra,504(sp) */
        { 0xff86, { .op = RISCV_OP_SD, .rs1 = 2, .rs2 = 1, .imm = 504 } },
        /* c.lwsp a0,252(sp) */
        { 0x557e, { .op = RISCV_OP_LW, .rd = 10, .rs1 = 2, .imm = 252 } },
    };
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct riscv_insn expected = cases[i].insn;
        struct riscv_insn insn;

        expected.bits = cases[i].bits;
        expected.length = 2;
        /* What follows in memory has no say. */
        riscv__decode(&insn, cases[i].bits | 0xabcd0000);
        assert_memory_equal(&insn, &expected, sizeof(insn));
    }
}

static void test_reserved_compressed_are_illegal(void **state)
{
    static const uint16_t reserved[] = {
        0x0000,         /* all zero */
        0x0004,         /* c.addi4spn with immediate 0 */
        0x8000,         /* the unused opcode of quadrant 0 */
        0x2001,         /* c.addiw to x0 */
        0x6101,         /* c.addi16sp with immediate 0 */
        0x6501,         /* c.lui with immediate 0 */
        0x9c41,         /* the holes behind c.addw */
        0x9c61, 0x4002, /* c.lwsp and c.ldsp to x0 */
        0x6002, 0x8002, /* c.jr to x0 */
    };
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        struct riscv_insn insn;

        riscv__decode(&insn, reserved[i]);
        assert_int_equal(insn.op, RISCV_OP_ILLEGAL);
        assert_int_equal(insn.length, 2);
        assert_int_equal(insn.bits, reserved[i]);
    }
}

/* FNV-1a over what all 49152 compressed encodings decode to. The constant was
 * taken when test_print had found each of them to be what objdump says; it
 * keeps that finding where there is no objdump. */
static void test_all_compressed_digest(void **state)
{
    uint64_t hash = 0xcbf29ce484222325u;
    uint32_t bits;

    (void)state;
    for (bits = 0; bits < 0x10000; bits++) {
        struct riscv_insn insn;
        uint32_t words[4];
        unsigned i;

        if (!riscv__is_compressed(bits)) {
            continue;
        }
        riscv__decode(&insn, bits);
        words[0] = riscv__ops[insn.op].match;
        words[1] = (uint32_t)insn.imm;
        words[2] = insn.rd | insn.rs1 << 8 | insn.rs2 << 16;
        words[3] = insn.rs3 | insn.rm << 8 | insn.length << 16;
        for (i = 0; i < 4; i++) {
            hash = (hash ^ words[i]) * 0x100000001b3u;
        }
    }
    assert_int_equal(hash, 0x0163028be94c30abu);
}

/* ---- The cache --------------------------------------------------------- */

static void test_cache_equals_decoder(void **state)
{
    static struct riscv_insn_cache cache;
    uint64_t seed = 3;
    unsigned i;

    (void)state;
    /* Few encodings and many of them, so that both hits and evictions occur. */
    for (i = 0; i < 200000; i++) {
        uint32_t bits = random_bits(&seed) >> (i % 3 == 0 ? 16 : 0);
        struct riscv_insn insn;
        const struct riscv_insn *cached;

        if (riscv__is_compressed(bits)) {
            bits &= 0xffff;
        }
        riscv__decode(&insn, bits);
        cached = riscv__decode_cached(&cache, bits);
        if (bits != 0) {
            assert_memory_equal(cached, &insn, sizeof(insn));
        }
        assert_int_equal(cached->op, insn.op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_disjoint),
        cmocka_unit_test(test_formats_agree_with_their_texts),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_every_row_decodes),
        cmocka_unit_test(test_immediates_keep_their_sign),
        cmocka_unit_test(test_all_else_is_illegal),
        cmocka_unit_test(test_compressed_examples),
        cmocka_unit_test(test_reserved_compressed_are_illegal),
        cmocka_unit_test(test_all_compressed_digest),
        cmocka_unit_test(test_cache_equals_decoder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
