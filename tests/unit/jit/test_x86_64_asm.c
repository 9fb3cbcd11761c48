/* SPDX-License-Identifier: MIT */
/*
 * Round trip of the assembler: every row, over all widths, registers, base
 * and index classes, displacement and immediate classes, is encoded, taken
 * apart by capstone and compared with the text that the row promises.
 */
#include "jit/x86_64/asm.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <capstone/capstone.h>
#include <cmocka.h>

static csh handle;
static uint64_t checked;

static const char *const names64[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                       "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                       "r12", "r13", "r14", "r15" };
static const char *const names32[] = { "eax",  "ecx",  "edx",  "ebx",
                                       "esp",  "ebp",  "esi",  "edi",
                                       "r8d",  "r9d",  "r10d", "r11d",
                                       "r12d", "r13d", "r14d", "r15d" };
static const char *const names16[] = { "ax",   "cx",   "dx",   "bx",
                                       "sp",   "bp",   "si",   "di",
                                       "r8w",  "r9w",  "r10w", "r11w",
                                       "r12w", "r13w", "r14w", "r15w" };
static const char *const names8[] = { "al",   "cl",   "dl",   "bl",
                                      "spl",  "bpl",  "sil",  "dil",
                                      "r8b",  "r9b",  "r10b", "r11b",
                                      "r12b", "r13b", "r14b", "r15b" };
static const char *const names128[] = { "xmm0",  "xmm1",  "xmm2",  "xmm3",
                                        "xmm4",  "xmm5",  "xmm6",  "xmm7",
                                        "xmm8",  "xmm9",  "xmm10", "xmm11",
                                        "xmm12", "xmm13", "xmm14", "xmm15" };
static const char *const conditions[] = { "o",  "no", "b",  "ae", "e", "ne",
                                          "be", "a",  "s",  "ns", "p", "np",
                                          "l",  "ge", "le", "g" };

static const char *reg_name(unsigned reg, unsigned width)
{
    switch (width) {
    case 1:
        return names8[reg];
    case 2:
        return names16[reg];
    case 4:
        return names32[reg];
    case 16:
        return names128[reg];
    default:
        return names64[reg];
    }
}

/* Of a register that is xmm by the row's flag, or by the width. */
static const char *operand_name(const struct x86_row *row, unsigned reg,
                                unsigned width, unsigned flag)
{
    return reg_name(reg, row->flags & flag ? 16 : width);
}

static unsigned rm_width(const struct x86_row *row, unsigned width)
{
    if (row->flags & (X86_SRC8 | X86_BYTE)) {
        return 1;
    }
    if (row->flags & X86_SRC16) {
        return 2;
    }
    return row->flags & X86_SRC32 ? 4 : width;
}

/* Numbers as capstone prints them: small ones in decimal. */
static int print_number(char *buf, size_t size, uint64_t n)
{
    return snprintf(buf, size, n > 9 ? "0x%" PRIx64 : "%" PRIu64, n);
}

static void print_rm(char *buf, size_t size, const struct x86_row *row,
                     const struct x86_operands *o)
{
    static const char *const pointers[] = { [1] = "byte",
                                            [2] = "word",
                                            [4] = "dword",
                                            [8] = "qword",
                                            [16] = "xmmword" };
    unsigned width = rm_width(row, o->width);
    struct x86_rm m = o->rm;
    int n;

    if (m.is_reg) {
        snprintf(buf, size, "%s", operand_name(row, m.base, width, X86_XRM));
        return;
    }
    n = 0;
    if (row != &x86__rows[X86_LEA]) {
        n = snprintf(buf, size, "%s ptr ", pointers[width]);
    }
    n += snprintf(buf + n, size - n, "[%s", names64[m.base]);
    if (m.index != X86_NO_INDEX) {
        n += snprintf(buf + n, size - n, " + %s", names64[m.index]);
        if (m.scale_log2) {
            n += snprintf(buf + n, size - n, "*%u", 1u << m.scale_log2);
        }
    }
    if (m.disp) {
        n += snprintf(buf + n, size - n, " %c ", m.disp < 0 ? '-' : '+');
        n += print_number(buf + n, size - n,
                          m.disp < 0 ? -(uint64_t)m.disp : (uint64_t)m.disp);
    }
    snprintf(buf + n, size - n, "]");
}

static bool form_has_imm(enum x86_form form)
{
    return form == X86_FORM_MI8 || form == X86_FORM_MI ||
           form == X86_FORM_RMI || form == X86_FORM_RMV || form == X86_FORM_OI;
}

/*
 * capstone prints an immediate signed or not by rules of its own: cut it off
 * the text and compare the number at the operation's width.
 */
static void check_immediate(char *text, const struct x86_operands *o)
{
    char *comma = strrchr(text, ',');
    uint64_t mask = o->width == 8 ? UINT64_MAX : UINT32_MAX;

    if (!comma) {
        print_error("no immediate in '%s'\n", text);
    }
    assert_non_null(comma);
    *comma = 0;
    assert_int_equal(strtoull(comma + 1, NULL, 0) & mask,
                     (uint64_t)o->imm & mask);
}

static void expected_text(char *buf, size_t size, const struct x86_row *row,
                          const struct x86_operands *o)
{
    char rm[64];
    const char *reg = operand_name(
        row, o->reg, row->flags & X86_BYTE ? 1 : o->width, X86_XREG);
    const char *reg2 = operand_name(row, o->reg2, o->width, X86_XREG);
    int n = snprintf(buf, size, "%s%s", row->mnemonic,
                     row->flags & X86_CC ? conditions[o->cc] : "");

    print_rm(rm, sizeof(rm), row, o);
    switch ((enum x86_form)row->form) {
    case X86_FORM_RM:
        snprintf(buf + n, size - n, " %s, %s", reg, rm);
        break;
    case X86_FORM_MR:
        snprintf(buf + n, size - n, " %s, %s", rm, reg);
        break;
    case X86_FORM_M:
        snprintf(buf + n, size - n, " %s", rm);
        break;
    case X86_FORM_MI8:
    case X86_FORM_MI:
        snprintf(buf + n, size - n, " %s", rm);
        break;
    case X86_FORM_RMI:
    case X86_FORM_RMV:
        snprintf(buf + n, size - n, " %s, %s", reg, rm);
        break;
    case X86_FORM_RVM:
        snprintf(buf + n, size - n, " %s, %s, %s", reg, reg2, rm);
        break;
    case X86_FORM_RMS:
        snprintf(buf + n, size - n, " %s, %s, %s", reg, rm, reg2);
        break;
    case X86_FORM_MC:
        snprintf(buf + n, size - n, " %s, cl", rm);
        break;
    case X86_FORM_O:
    case X86_FORM_OI:
        snprintf(buf + n, size - n, " %s", reg);
        break;
    case X86_FORM_REL:
        snprintf(buf + n, size - n, " 0x%" PRIx64,
                 (uint64_t)(0x100000 + o->imm));
        break;
    case X86_FORM_NONE:
        break;
    }
}

/* REL targets count from the end of the instruction. */
static int64_t relative_imm(const struct x86_row *row, int64_t imm)
{
    int length = row->opcode > 0xff ? 6 : 5;

    return imm - length;
}

static void disassemble(char *text, size_t size, const uint8_t *code,
                        size_t length)
{
    cs_insn *insn;
    size_t count = cs_disasm(handle, code, length, 0x100000, 1, &insn);

    if (count != 1 || insn->size != length) {
        snprintf(text, size, "(%zu instructions of %zu bytes)", count, length);
    } else {
        snprintf(text, size, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "",
                 insn->op_str);
    }
    if (count) {
        cs_free(insn, count);
    }
}

/* movabs is mov with a 64-bit immediate; xchg has no order. */
static const char *usual_mnemonic(char *text)
{
    if (!strncmp(text, "movabs ", 7)) {
        memmove(text + 3, text + 6, strlen(text + 6) + 1);
    }
    return text;
}

/* The shorthands write the same bytes, on a way of their own or not. */
static void check_shorthand(enum x86_op op, const struct x86_operands *o,
                            const struct code_buf *want)
{
    const struct x86_row *row = &x86__rows[op];
    uint8_t bytes[64];
    struct code_buf b;

    code_buf__init(&b, bytes, sizeof(bytes));
    switch ((enum x86_form)row->form) {
    case X86_FORM_RM:
    case X86_FORM_MR:
        x86_mr(&b, op, o->width, o->rm, o->reg);
        break;
    case X86_FORM_M:
    case X86_FORM_MC:
        x86_m(&b, op, o->width, o->rm);
        break;
    case X86_FORM_MI8:
    case X86_FORM_MI:
        x86_mi(&b, op, o->width, o->rm, o->imm);
        break;
    case X86_FORM_RVM:
        x86_rvm(&b, op, o->width, o->reg, o->reg2, o->rm);
        break;
    default:
        return;
    }
    assert_int_equal(code_buf__offset(&b), code_buf__offset(want));
    assert_memory_equal(b.start, want->start, code_buf__offset(want));
}

static void check_one(enum x86_op op, const struct x86_operands *operands)
{
    const struct x86_row *row = &x86__rows[op];
    struct x86_operands o = *operands;
    uint8_t bytes[64];
    struct code_buf b;
    char got[256], want[160];

    code_buf__init(&b, bytes, sizeof(bytes));
    expected_text(want, sizeof(want), row, &o);
    if (row->form == X86_FORM_REL) {
        o.imm = relative_imm(row, o.imm);
    }
    x86__emit(&b, op, &o);
    assert_false(b.full);
    if (!(row->flags & X86_CC)) {
        check_shorthand(op, &o, &b);
    }
    disassemble(got, sizeof(got), bytes, code_buf__offset(&b));
    usual_mnemonic(got);
    if (form_has_imm(row->form)) {
        check_immediate(got, &o);
    }
    if (strcmp(got, want)) {
        print_error("encoded '%s', capstone reads '%s'\n", want, got);
    }
    assert_string_equal(got, want);
    checked++;
}

static bool uses_reg2(enum x86_form form)
{
    return form == X86_FORM_RVM || form == X86_FORM_RMS;
}

static void for_immediates(enum x86_op op, struct x86_operands *o)
{
    static const int64_t imms[] = { 0,
                                    1,
                                    9,
                                    10,
                                    63,
                                    127,
                                    128,
                                    -1,
                                    -128,
                                    -129,
                                    0x7fffffff,
                                    -0x80000000LL,
                                    0x123456789abcdef0LL };
    const struct x86_row *row = &x86__rows[op];

    for (size_t i = 0; i < sizeof(imms) / sizeof(imms[0]); i++) {
        o->imm = imms[i];
        bool small = row->flags & X86_UIMM ? o->imm >= 0 && o->imm < 64
                                           : o->imm == (int8_t)o->imm;
        bool far = row->form == X86_FORM_REL && o->imm < -0x7ffffff0LL;
        bool any64 = row->form == X86_FORM_OI && o->width == 8;
        bool byte = row->form == X86_FORM_MI8 || row->form == X86_FORM_RMV;

        if ((byte && !small) || far || (!any64 && o->imm != (int32_t)o->imm)) {
            continue;
        }
        check_one(op, o);
        if (row->form <= X86_FORM_M || uses_reg2(row->form) ||
            row->form == X86_FORM_MC || row->form == X86_FORM_O ||
            row->form == X86_FORM_NONE) {
            return; /* takes none: once is enough */
        }
    }
}

static void for_memory(enum x86_op op, struct x86_operands *o)
{
    static const int32_t disps[] = { 0, 1, 127, -128, 128, -129, 0x7fffffff };

    for (unsigned base = 0; base < 16; base++) {
        for (unsigned index = 0; index < 17; index++) {
            if (index == RSP) {
                continue;
            }
            for (size_t d = 0; d < sizeof(disps) / sizeof(disps[0]); d++) {
                o->rm = index == 16 ? x86_mem(base, disps[d])
                                    : x86_mem_index(base, index, (base + d) & 3,
                                                    disps[d]);
                for_immediates(op, o);
            }
        }
    }
}

static void for_operands(enum x86_op op, struct x86_operands *o)
{
    const struct x86_row *row = &x86__rows[op];

    if (row->form > X86_FORM_MC) {
        for_immediates(op, o);
        return;
    }
    for (unsigned base = 0; base < 16 && !(row->flags & X86_MEMONLY); base++) {
        o->rm = x86_r(base);
        o->reg2 = (o->reg + 7 * base) % 16;
        for_immediates(op, o);
    }
    if (o->reg % 8 == 2 && !(row->flags & X86_REGONLY)) {
        for_memory(op, o);
    }
}

static bool uses_reg(enum x86_form form)
{
    return form == X86_FORM_RM || form == X86_FORM_MR || form == X86_FORM_RMI ||
           form == X86_FORM_RMV || form == X86_FORM_O || form == X86_FORM_OI ||
           uses_reg2(form);
}

static void check_row(enum x86_op op)
{
    const struct x86_row *row = &x86__rows[op];

    for (unsigned width = 1; width <= 16; width *= 2) {
        if (!(row->widths & width)) {
            continue;
        }
        for (unsigned reg = 0; reg < 16; reg++) {
            struct x86_operands o = { .width = width,
                                      .reg = reg,
                                      .cc = (enum x86_condition)reg };

            for_operands(op, &o);
            if (row->flags & X86_CC ? reg == 15 : !uses_reg(row->form)) {
                break;
            }
        }
    }
}

static void test_every_row(void **state)
{
    (void)state;
    for (unsigned op = 0; op < X86_OP_COUNT; op++) {
        check_row((enum x86_op)op);
    }
    assert_true(checked > 100000);
    print_message("%" PRIu64 " encodings\n", checked);
}

static void test_load_imm_is_short(void **state)
{
    static const struct {
        uint64_t value;
        unsigned length;
    } cases[] = { { 0, 2 },
                  { 1, 5 },
                  { 0xffffffff, 5 },
                  { UINT64_MAX, 7 },
                  { 0x100000000, 10 } };
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct code_buf b;

        code_buf__init(&b, bytes, sizeof(bytes));
        x86_load_imm(&b, RBX, cases[i].value);
        assert_int_equal(code_buf__offset(&b), cases[i].length);
    }
}

/* Into each register, in each form: as the row has it. */
static void test_load_imm_is_the_rows(void **state)
{
    static const struct {
        uint64_t value;
        enum x86_op op;
        unsigned width;
    } cases[] = { { 0x12345678, X86_MOV_OI, 4 },
                  { UINT32_MAX, X86_MOV_OI, 4 },
                  { UINT64_MAX - 1, X86_MOV_MI, 8 },
                  { 0x123456789abcdef0, X86_MOV_OI, 8 } };
    uint8_t got[64], want[64];
    struct code_buf a, b;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned reg = 0; reg < 16; reg++) {
            const struct x86_operands o = { .width = cases[i].width,
                                            .reg = reg,
                                            .rm = x86_r(reg),
                                            .imm = (int64_t)cases[i].value };

            code_buf__init(&a, got, sizeof(got));
            code_buf__init(&b, want, sizeof(want));
            x86_load_imm(&a, reg, cases[i].value);
            x86__emit(&b, cases[i].op, &o);
            assert_int_equal(code_buf__offset(&a), code_buf__offset(&b));
            assert_memory_equal(got, want, code_buf__offset(&b));
        }
    }
}

static void test_full_is_sticky(void **state)
{
    uint8_t bytes[CODE_BUF_SLACK + 8];
    struct code_buf b;

    (void)state;
    memset(bytes, 0xee, sizeof(bytes));
    code_buf__init(&b, bytes, sizeof(bytes));
    for (int i = 0; i < 100; i++) {
        x86_patch_here(&b, x86_jmp(&b, NULL));
    }
    assert_true(b.full);
    assert_true(b.cur <= b.end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_load_imm_is_short),
        cmocka_unit_test(test_load_imm_is_the_rows),
        cmocka_unit_test(test_full_is_sticky),
    };
    int failed;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    cs_close(&handle);
    return failed;
}
