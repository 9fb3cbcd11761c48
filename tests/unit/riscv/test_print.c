/* SPDX-License-Identifier: MIT */
/*
 * The printer: known texts, and, where the cross binutils are installed, what
 * GNU objdump prints for all compressed encodings and for random instructions
 * of every row.
 *
 * objdump 2.40 differs in spelling, not in meaning; spell() undoes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "encode.h"
#include "jit/riscv/jit.h"

#define OBJDUMP "riscv64-linux-gnu-objdump"
#define TEXT    64

static void assert_prints(uint64_t pc, uint32_t bits, const char *expected)
{
    char text[TEXT];
    unsigned length = xbar_riscv_print(text, sizeof(text), pc, bits);

    assert_string_equal(text, expected);
    assert_int_equal(length, (bits & 3) == 3 ? 4 : 2);
}

/* ---- Known texts ------------------------------------------------------- */

static void test_operand_letters(void **state)
{
    (void)state;
    assert_prints(0, 0x00c58533, "add a0,a1,a2");
    assert_prints(0, 0xfff58513, "addi a0,a1,-1");
    assert_prints(0, 0x43f5d513, "srai a0,a1,0x3f");
    assert_prints(0, 0x80000537, "lui a0,0x80000");
    assert_prints(0, 0xff853503, "ld a0,-8(a0)");
    assert_prints(0, 0xfe113c23, "sd ra,-8(sp)");
    assert_prints(0x80000000, 0xfeb51ee3, "bne a0,a1,0x7ffffffc");
    assert_prints(0x80000000, 0x0100056f, "jal a0,0x80000010");
    assert_prints(0, 0x68c5f543, "fmadd.s fa0,fa1,fa2,fa3");
    assert_prints(0, 0x02c59553, "fadd.d fa0,fa1,fa2,rtz");
    assert_prints(0, 0x30059573, "csrrw a0,mstatus,a1");
    assert_prints(0, 0x7c02d573, "csrrwi a0,0x7c0,5");
    assert_prints(0, 0x0330000f, "fence rw,rw");
    assert_prints(0, 0x0ff0000f, "fence");
    assert_prints(0, 0x00c5a52f, "amoadd.w a0,a2,(a1)");
    assert_prints(0, 0x1405b52f, "lr.d.aq a0,(a1)");
    assert_prints(0, 0x1ec5a52f, "sc.w.aqrl a0,a2,(a1)");
    assert_prints(0, 0x0045a00f, "cbo.zero (a1)");
    assert_prints(0, 0x0ec5d533, "czero.eqz a0,a1,a2");
    assert_prints(0, 0x0ec5f533, "czero.nez a0,a1,a2");
}

static void test_pseudo_instructions(void **state)
{
    (void)state;
    assert_prints(0, 0x00000013, "nop");
    assert_prints(0, 0x02a00513, "li a0,42");
    assert_prints(0, 0x00058513, "mv a0,a1");
    assert_prints(0, 0xfff5c513, "not a0,a1");
    assert_prints(0, 0x40b00533, "neg a0,a1");
    assert_prints(0, 0x0015b513, "seqz a0,a1");
    assert_prints(0, 0x00b03533, "snez a0,a1");
    assert_prints(0x1000, 0x00050463, "beqz a0,0x1008");
    assert_prints(0x1000, 0x00a04463, "bgtz a0,0x1008");
    assert_prints(0x1000, 0x0080006f, "j 0x1008");
    assert_prints(0x1000, 0x008000ef, "jal 0x1008");
    assert_prints(0, 0x00008067, "ret");
    assert_prints(0, 0x000500e7, "jalr a0");
    assert_prints(0, 0x20b58553, "fmv.s fa0,fa1");
    assert_prints(0, 0x22b5a553, "fabs.d fa0,fa1");
    assert_prints(0, 0x30002573, "csrr a0,mstatus");
    assert_prints(0, 0x14029073, "csrw sscratch,t0");
    assert_prints(0, 0x12000073, "sfence.vma");
    assert_prints(0, 0x8082, "ret");
    assert_prints(0, 0x852e, "mv a0,a1");
    assert_prints(0, 0x1141, "addi sp,sp,-16");
    assert_prints(0, 0x0805053b, "zext.w a0,a0");
}

static void test_what_does_not_decode(void **state)
{
    (void)state;
    assert_prints(0, 0xffffffff, ".4byte 0xffffffff");
    assert_prints(0, 0xabcd0000, ".2byte 0x0");
    assert_prints(0, 0x00c5d553, ".4byte 0xc5d553"); /* rounding mode 5 */
}

static void test_short_buffers(void **state)
{
    char text[TEXT];
    size_t size;

    (void)state;
    assert_int_equal(xbar_riscv_print(NULL, 0, 0, 0x00c58533), 4);
    for (size = 1; size < 16; size++) {
        memset(text, '#', sizeof(text));
        assert_int_equal(xbar_riscv_print(text, size, 0, 0x00c58533), 4);
        assert_int_equal(text[size], '#');
        assert_int_equal(strncmp(text, "add a0,a1,a2", size - 1), 0);
        assert_int_equal(strlen(text), size - 1 < 12 ? size - 1 : 12);
    }
}

static void assert_mode(uint32_t mode, const char *text)
{
    char buf[TEXT];

    xbar_riscv_print_mode(buf, sizeof(buf), mode);
    assert_string_equal(buf, text);
}

static uint32_t contexts(enum riscv_context fetch, unsigned data)
{
    return (uint32_t)fetch | data << MODE_DATA_SHIFT;
}

static void test_modes(void **state)
{
    uint32_t m = contexts(CTX_FETCH_M, CTX_M);
    uint32_t fp = m | MODE_FP;
    char text[8];

    (void)state;
    assert_mode(m, "M");
    assert_mode(contexts(CTX_FETCH_S, CTX_S), "S");
    assert_mode(contexts(CTX_FETCH_S, CTX_S + 1), "S, SUM");
    assert_mode(contexts(CTX_FETCH_S, CTX_S + 3), "S, SUM, MXR");
    assert_mode(contexts(CTX_FETCH_U, CTX_U), "U");
    assert_mode(contexts(CTX_FETCH_U, CTX_U_MXR), "U, MXR");
    assert_mode(contexts(CTX_FETCH_M, CTX_S + 2), "M, data as S, MXR");
    assert_mode(fp, "M, FP");
    assert_mode(fp | 1 << MODE_FRM_SHIFT, "M, FP rtz");
    assert_mode(fp | 7 << MODE_FRM_SHIFT, "M, FP frm=7");
    assert_mode(fp | 4 << MODE_FRM_SHIFT | MODE_INEXACT, "M, FP rmm, NX");
    assert_mode(UINT32_MAX, "?, FP frm=7, NX");

    xbar_riscv_print_mode(NULL, 0, fp);
    memset(text, '#', sizeof(text));
    xbar_riscv_print_mode(text, 4, fp);
    assert_string_equal(text, "M, ");
    assert_int_equal(text[4], '#');
}

/* ---- Against objdump --------------------------------------------------- */

static uint32_t random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* A file of code and objdump's listing of it; false if there is no objdump. */
struct listing {
    char path[64];
    FILE *code;
    FILE *text;
};

static bool has_objdump(void)
{
    return system("command -v " OBJDUMP " > /dev/null") == 0;
}

static void open_code(struct listing *listing)
{
    int fd;

    strcpy(listing->path, "/tmp/test_print.XXXXXX");
    fd = mkstemp(listing->path);
    assert_true(fd >= 0);
    listing->code = fdopen(fd, "wb");
    assert_non_null(listing->code);
}

static void add_code(struct listing *listing, uint32_t bits, size_t length)
{
    assert_int_equal(fwrite(&bits, length, 1, listing->code), 1);
}

static void open_text(struct listing *listing)
{
    char command[160];

    fclose(listing->code);
    snprintf(command, sizeof(command),
             OBJDUMP " -D -z -b binary -m riscv:rv64 %s", listing->path);
    listing->text = popen(command, "r");
    assert_non_null(listing->text);
}

static void close_listing(struct listing *listing)
{
    pclose(listing->text);
    unlink(listing->path);
}

/* The next line that is an instruction: its text, tabs as blanks, without the
 * comment. */
static void next_line(struct listing *listing, uint32_t *bits, char *text)
{
    char line[256];
    unsigned long long pc;
    int at = 0;
    char *c;

    while (fgets(line, sizeof(line), listing->text)) {
        if (sscanf(line, " %llx: %x %n", &pc, bits, &at) == 2 && at > 0) {
            line[strcspn(line, "#\n")] = '\0';
            for (c = line; *c != '\0'; c++) {
                *c = *c == '\t' ? ' ' : *c;
            }
            while (c > line && c[-1] == ' ') {
                *--c = '\0';
            }
            assert_true(strlen(line + at) < TEXT);
            strcpy(text, line + at);
            return;
        }
    }
    fail_msg("the listing ends early");
}

/* Immediate forms go by the name of the register form, as in objdump -b. */
static void spell(char *text)
{
    static const char *const names[][2] = {
        { "addi ", "add " },     { "addiw ", "addw " },
        { "slli ", "sll " },     { "srli ", "srl " },
        { "srai ", "sra " },     { "slliw ", "sllw " },
        { "srliw ", "srlw " },   { "sraiw ", "sraw " },
        { "andi ", "and " },     { "ori ", "or " },
        { "xori ", "xor " },     { "csrrwi ", "csrrw " },
        { "csrrsi ", "csrrs " }, { "csrrci ", "csrrc " },
        { "csrwi ", "csrw " },   { "csrsi ", "csrs " },
        { "csrci ", "csrc " },   { "rori ", "ror " },
        { "roriw ", "rorw " },   { "bclri ", "bclr " },
        { "bexti ", "bext " },   { "binvi ", "binv " },
        { "bseti ", "bset " },
    };
    unsigned i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t from = strlen(names[i][0]);
        size_t to = strlen(names[i][1]);

        if (strncmp(text, names[i][0], from) == 0) {
            memmove(text + to, text + from, strlen(text + from) + 1);
            memcpy(text, names[i][1], to);
            return;
        }
    }
}

/* Hints are printed as c.something: then the instruction must be one that
 * changes nothing. */
static bool is_hint(const struct riscv_insn *insn, const char *text)
{
    return strncmp(text, "c.", 2) == 0 &&
           (insn->rd == 0 || (insn->rd == insn->rs1 && insn->imm == 0));
}

/* "add ra,ra,0" is printed as "mv ra,ra" here: the same row of the manual. */
static bool is_add_zero(const struct riscv_insn *insn, const char *text)
{
    size_t length = strlen(text);

    return insn->op == RISCV_OP_ADDI && insn->rd == insn->rs1 &&
           insn->imm == 0 && length > 2 && strcmp(text + length - 2, ",0") == 0;
}

static void compare_compressed(uint32_t bits, uint64_t pc, char *theirs)
{
    struct riscv_insn insn;
    char ours[TEXT];

    riscv__decode(&insn, bits);
    if (bits == 0 || bits == 0x6101) {
        /* objdump: unimp, and c.addi16sp 0, which is reserved. */
        assert_int_equal(insn.op, RISCV_OP_ILLEGAL);
        return;
    }
    if (is_hint(&insn, theirs) || is_add_zero(&insn, theirs)) {
        return;
    }
    xbar_riscv_print(ours, sizeof(ours), pc, bits);
    spell(ours);
    assert_string_equal(ours, theirs);
}

static void test_compressed_against_objdump(void **state)
{
    struct listing listing;
    uint64_t pc = 0;
    uint32_t bits, listed;
    char theirs[TEXT];

    (void)state;
    if (!has_objdump()) {
        print_message("no %s\n", OBJDUMP);
        skip();
    }
    open_code(&listing);
    for (bits = 0; bits < 0x10000; bits++) {
        if (riscv__is_compressed(bits)) {
            add_code(&listing, bits, 2);
        }
    }
    open_text(&listing);
    for (bits = 0; bits < 0x10000; bits++) {
        if (!riscv__is_compressed(bits)) {
            continue;
        }
        next_line(&listing, &listed, theirs);
        assert_int_equal(listed, bits);
        compare_compressed(bits, pc, theirs);
        pc += 2;
    }
    close_listing(&listing);
}

/* CSRs that both know and that have no pseudo-instruction of their own. */
static const uint16_t csrs[] = { 0x100, 0x105, 0x141, 0x180, 0x300, 0x305,
                                 0x342, 0x344, 0x3a0, 0x3b5, 0xf14 };

/* Random operands, but none for which objdump has another opinion: it knows
 * one rounding mode for exact conversions, and fences in one form. */
static uint32_t random_insn(unsigned op, uint64_t *seed)
{
    const struct riscv_op_info *row = &riscv__ops[op];
    const struct riscv_format_info *format = &riscv__formats[row->format];
    uint32_t bits = (random_bits(seed) & ~row->mask) | row->match;

    if ((format->fields & RISCV_RM) != 0) {
        bits |= 7u << 12;
    }
    switch (op) {
    case RISCV_OP_FCVT_D_S:
    case RISCV_OP_FCVT_D_W:
    case RISCV_OP_FCVT_D_WU:
        return 0;
    case RISCV_OP_FENCE:
        return (bits & 0x0ff00000) | 0x0110000f;
    case RISCV_OP_FENCE_I:
        return row->match;
    case RISCV_OP_JALR:
    case RISCV_OP_ADD:
        return bits | 1u << 15; /* "jalr zero", "add a0,zero,a1": own ways */
    default:
        break;
    }
    if (row->class == RISCV_CLASS_CSR) {
        bits = (bits & 0xfffff) | (uint32_t)csrs[random_bits(seed) % 11] << 20;
    }
    return bits;
}

/* What objdump reads only in a file that names the extension. */
static const uint8_t extensions[] = {
    RISCV_OP_CBO_INVAL,
    RISCV_OP_CBO_CLEAN,
    RISCV_OP_CBO_FLUSH,
    RISCV_OP_CBO_ZERO,
    RISCV_OP_CLZ,
    RISCV_OP_CTZ,
    RISCV_OP_CPOP,
    RISCV_OP_SEXT_B,
    RISCV_OP_SEXT_H,
    RISCV_OP_ORC_B,
    RISCV_OP_REV8,
    RISCV_OP_RORI,
    RISCV_OP_BCLRI,
    RISCV_OP_BEXTI,
    RISCV_OP_BINVI,
    RISCV_OP_BSETI,
    RISCV_OP_SLLI_UW,
    RISCV_OP_CLZW,
    RISCV_OP_CTZW,
    RISCV_OP_CPOPW,
    RISCV_OP_RORIW,
    RISCV_OP_SH1ADD,
    RISCV_OP_SH2ADD,
    RISCV_OP_SH3ADD,
    RISCV_OP_ANDN,
    RISCV_OP_ORN,
    RISCV_OP_XNOR,
    RISCV_OP_MIN,
    RISCV_OP_MINU,
    RISCV_OP_MAX,
    RISCV_OP_MAXU,
    RISCV_OP_ROL,
    RISCV_OP_ROR,
    RISCV_OP_BCLR,
    RISCV_OP_BEXT,
    RISCV_OP_BINV,
    RISCV_OP_BSET,
    RISCV_OP_ADD_UW,
    RISCV_OP_SH1ADD_UW,
    RISCV_OP_SH2ADD_UW,
    RISCV_OP_SH3ADD_UW,
    RISCV_OP_ROLW,
    RISCV_OP_RORW,
    RISCV_OP_ZEXT_H,
    RISCV_OP_SINVAL_VMA,
    RISCV_OP_SFENCE_W_INVAL,
    RISCV_OP_SFENCE_INVAL_IR,
};

/* Younger than binutils 2.40. */
static bool is_unknown(unsigned op)
{
    return op == RISCV_OP_CZERO_EQZ || op == RISCV_OP_CZERO_NEZ;
}

static bool is_extension(unsigned op)
{
    return memchr(extensions, (int)op, sizeof(extensions)) != NULL;
}

#define PER_ROW 100

static uint32_t code[RISCV_OP_COUNT * PER_ROW];

/* Of rows that are extensions, or of those that are not: how many. */
static unsigned make_code(bool of_extensions)
{
    uint64_t seed = 4;
    unsigned count = 0;

    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        for (unsigned i = 0; i < PER_ROW; i++) {
            uint32_t bits = random_insn(op, &seed);

            if (bits != 0 && !is_unknown(op) &&
                is_extension(op) == of_extensions) {
                code[count++] = bits;
            }
        }
    }
    return count;
}

static void compare_lines(struct listing *listing, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char ours[TEXT], theirs[TEXT];
        uint32_t listed;

        next_line(listing, &listed, theirs);
        assert_int_equal(listed, code[i]);
        xbar_riscv_print(ours, sizeof(ours), (uint64_t)i * 4, code[i]);
        spell(ours);
        assert_string_equal(ours, theirs);
    }
}

static void test_rows_against_objdump(void **state)
{
    struct listing listing;
    unsigned count = make_code(false);

    (void)state;
    if (!has_objdump()) {
        print_message("no %s\n", OBJDUMP);
        skip();
    }
    open_code(&listing);
    for (unsigned i = 0; i < count; i++) {
        add_code(&listing, code[i], 4);
    }
    open_text(&listing);
    compare_lines(&listing, count);
    close_listing(&listing);
}

#define EXTENSIONS "rv64gc_zba_zbb_zbs_zicbom_zicboz_svinval"

/* By way of an object file: the assembler notes the extensions there. */
static void open_assembled(struct listing *listing)
{
    char command[400];

    fclose(listing->code);
    snprintf(command, sizeof(command),
             "riscv64-linux-gnu-as -march=" EXTENSIONS " -o %s.o %s && " OBJDUMP
             " -d -z %s.o; rm -f %s.o",
             listing->path, listing->path, listing->path, listing->path);
    listing->text = popen(command, "r");
    assert_non_null(listing->text);
}

static void test_extensions_against_objdump(void **state)
{
    struct listing listing;
    unsigned count = make_code(true);

    (void)state;
    if (!has_objdump()) {
        print_message("no %s\n", OBJDUMP);
        skip();
    }
    open_code(&listing);
    for (unsigned i = 0; i < count; i++) {
        fprintf(listing.code, ".insn 0x%08x\n", (unsigned)code[i]);
    }
    open_assembled(&listing);
    compare_lines(&listing, count);
    close_listing(&listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operand_letters),
        cmocka_unit_test(test_pseudo_instructions),
        cmocka_unit_test(test_what_does_not_decode),
        cmocka_unit_test(test_short_buffers),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_compressed_against_objdump),
        cmocka_unit_test(test_rows_against_objdump),
        cmocka_unit_test(test_extensions_against_objdump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
