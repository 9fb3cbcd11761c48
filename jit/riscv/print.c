/* SPDX-License-Identifier: MIT */
/*
 * The text of an instruction, close to what GNU objdump prints: ABI register
 * names, the usual pseudo-instructions, compressed ones as what they are
 * short for.
 *
 * The operand texts of insn.inc and of the aliases below are strings in which
 * these letters stand for operands and everything else for itself:
 *
 *   d s t    rd, rs1, rs2             i   immediate, decimal
 *   D S T R  the same and rs3, as f   h   shift amount, hexadecimal
 *   c        CSR                      u   upper 20 bits, hexadecimal
 *   z        rs1 as a number          a   branch target
 *   m        rounding mode, if any    p   fence operands
 */
#include "jit/riscv/hart.h"

#include <stdarg.h>
#include <stdio.h>

#include "jit/riscv/decode.h"
#include "jit/riscv/hart_internal.h"
#include "jit/riscv/jit.h"

/* Where text is appended; what does not fit is dropped. */
struct out {
    char *at;
    size_t left; /* with the terminator */
};

static const char x_names[32][5] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char f_names[32][5] = {
    "ft0", "ft1", "ft2",  "ft3",  "ft4", "ft5", "ft6",  "ft7",
    "fs0", "fs1", "fa0",  "fa1",  "fa2", "fa3", "fa4",  "fa5",
    "fa6", "fa7", "fs2",  "fs3",  "fs4", "fs5", "fs6",  "fs7",
    "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

const char *riscv__x_name(unsigned reg)
{
    return x_names[reg];
}

const char *riscv__f_name(unsigned reg)
{
    return f_names[reg];
}

/* 7 is the rounding mode in frm, which is not written out. */
static const char rm_names[8][5] = { ",rne", ",rtz", ",rdn", ",rup",
                                     ",rmm", "",     "",     "" };

/* ---- Pseudo-instructions ----------------------------------------------- */

/* In place of an operand's value: any will do; or the same as rs1. */
enum {
    ANY = INT16_MIN,
    SAME = INT16_MIN + 1,
};

struct alias {
    uint8_t op;
    int16_t rd, rs1, rs2, imm;
    const char *text;
    const char *operands;
};

/* The first that fits is used. */
/* clang-format off */
static const struct alias aliases[] = {
    { RISCV_OP_ADDI,    0,   0,   0,    0,   "nop",     "" },
    { RISCV_OP_ADDI,    ANY, 0,   0,    ANY, "li",      "d,i" },
    { RISCV_OP_ADDI,    ANY, ANY, 0,    0,   "mv",      "d,s" },
    { RISCV_OP_ADDIW,   ANY, ANY, 0,    0,   "sext.w",  "d,s" },
    { RISCV_OP_XORI,    ANY, ANY, 0,    -1,  "not",     "d,s" },
    { RISCV_OP_SLTIU,   ANY, ANY, 0,    1,   "seqz",    "d,s" },
    { RISCV_OP_ADD,     ANY, 0,   ANY,  0,   "mv",      "d,t" },
    { RISCV_OP_ADD_UW,  ANY, ANY, 0,    0,   "zext.w",  "d,s" },
    { RISCV_OP_SUB,     ANY, 0,   ANY,  0,   "neg",     "d,t" },
    { RISCV_OP_SUBW,    ANY, 0,   ANY,  0,   "negw",    "d,t" },
    { RISCV_OP_SLTU,    ANY, 0,   ANY,  0,   "snez",    "d,t" },
    { RISCV_OP_SLT,     ANY, ANY, 0,    0,   "sltz",    "d,s" },
    { RISCV_OP_SLT,     ANY, 0,   ANY,  0,   "sgtz",    "d,t" },
    { RISCV_OP_BEQ,     ANY, ANY, 0,    ANY, "beqz",    "s,a" },
    { RISCV_OP_BNE,     ANY, ANY, 0,    ANY, "bnez",    "s,a" },
    { RISCV_OP_BLT,     ANY, ANY, 0,    ANY, "bltz",    "s,a" },
    { RISCV_OP_BLT,     ANY, 0,   ANY,  ANY, "bgtz",    "t,a" },
    { RISCV_OP_BGE,     ANY, 0,   ANY,  ANY, "blez",    "t,a" },
    { RISCV_OP_BGE,     ANY, ANY, 0,    ANY, "bgez",    "s,a" },
    { RISCV_OP_JAL,     0,   0,   0,    ANY, "j",       "a" },
    { RISCV_OP_JAL,     1,   0,   0,    ANY, "jal",     "a" },
    { RISCV_OP_JALR,    0,   1,   0,    0,   "ret",     "" },
    { RISCV_OP_JALR,    0,   ANY, 0,    0,   "jr",      "s" },
    { RISCV_OP_JALR,    0,   ANY, 0,    ANY, "jr",      "i(s)" },
    { RISCV_OP_JALR,    1,   ANY, 0,    0,   "jalr",    "s" },
    { RISCV_OP_JALR,    1,   ANY, 0,    ANY, "jalr",    "i(s)" },
    { RISCV_OP_FSGNJ_S,  ANY, ANY, SAME, 0,  "fmv.s",   "D,S" },
    { RISCV_OP_FSGNJ_D,  ANY, ANY, SAME, 0,  "fmv.d",   "D,S" },
    { RISCV_OP_FSGNJN_S, ANY, ANY, SAME, 0,  "fneg.s",  "D,S" },
    { RISCV_OP_FSGNJN_D, ANY, ANY, SAME, 0,  "fneg.d",  "D,S" },
    { RISCV_OP_FSGNJX_S, ANY, ANY, SAME, 0,  "fabs.s",  "D,S" },
    { RISCV_OP_FSGNJX_D, ANY, ANY, SAME, 0,  "fabs.d",  "D,S" },
    { RISCV_OP_CSRRS,   ANY, 0,   0,    ANY, "csrr",    "d,c" },
    { RISCV_OP_CSRRW,   0,   ANY, 0,    ANY, "csrw",    "c,s" },
    { RISCV_OP_CSRRS,   0,   ANY, 0,    ANY, "csrs",    "c,s" },
    { RISCV_OP_CSRRC,   0,   ANY, 0,    ANY, "csrc",    "c,s" },
    { RISCV_OP_CSRRWI,  0,   ANY, 0,    ANY, "csrwi",   "c,z" },
    { RISCV_OP_CSRRSI,  0,   ANY, 0,    ANY, "csrsi",   "c,z" },
    { RISCV_OP_CSRRCI,  0,   ANY, 0,    ANY, "csrci",   "c,z" },
    { RISCV_OP_SFENCE_VMA, 0, 0,  0,    0,   "sfence.vma", "" },
    { RISCV_OP_SFENCE_VMA, 0, ANY, 0,   0,   "sfence.vma", "s" },
    { RISCV_OP_FENCE,   0,   0,   0,  0x0ff, "fence",   "" },
    { RISCV_OP_FENCE,   0,   0,   0,  0x010, "pause",   "" },
};
/* clang-format on */

static bool fits(int16_t pattern, int32_t value)
{
    return pattern == ANY || pattern == value;
}

static const struct alias *find_alias(const struct riscv_insn *insn)
{
    size_t i;

    for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        const struct alias *a = &aliases[i];
        int16_t rs2 = a->rs2 == SAME ? insn->rs1 : a->rs2;

        if (a->op == insn->op && fits(a->rd, insn->rd) &&
            fits(a->rs1, insn->rs1) && fits(rs2, insn->rs2) &&
            fits(a->imm, insn->imm)) {
            return a;
        }
    }
    return NULL;
}

/* ---- Operands ---------------------------------------------------------- */

XBAR_PRINTF(2, 3)
static void put(struct out *out, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(out->at, out->left, format, ap);
    va_end(ap);
    if (n > 0 && out->left > 0) {
        size_t used = (size_t)n < out->left ? (size_t)n : out->left - 1;

        out->at += used;
        out->left -= used;
    }
}

static void put_csr(struct out *out, unsigned csr)
{
    char name[CSR_NAME_MAX];

    if (riscv__csr_name(csr, name)) {
        put(out, "%s", name);
    } else {
        put(out, "0x%x", csr);
    }
}

/* A set of accesses: input, output, read, write. */
static void put_fence_set(struct out *out, uint32_t set)
{
    int bit;

    for (bit = 3; bit >= 0; bit--) {
        if ((set & (1u << bit)) != 0) {
            put(out, "%c", "wroi"[bit]);
        }
    }
    if ((set & 0xf) == 0) {
        put(out, "0");
    }
}

static void put_fence(struct out *out, uint32_t imm)
{
    put_fence_set(out, imm >> 4);
    put(out, ",");
    put_fence_set(out, imm);
}

static void put_x(struct out *out, char letter, const struct riscv_insn *insn)
{
    unsigned reg = letter == 'd'   ? insn->rd
                   : letter == 's' ? insn->rs1
                                   : insn->rs2;

    put(out, "%s", x_names[reg]);
}

static void put_f(struct out *out, char letter, const struct riscv_insn *insn)
{
    unsigned reg = letter == 'D'   ? insn->rd
                   : letter == 'S' ? insn->rs1
                   : letter == 'T' ? insn->rs2
                                   : insn->rs3;

    put(out, "%s", f_names[reg]);
}

static void put_operand(struct out *out, char letter, uint64_t pc,
                        const struct riscv_insn *insn)
{
    uint32_t imm = (uint32_t)insn->imm;

    switch (letter) {
    case 'd':
    case 's':
    case 't':
        put_x(out, letter, insn);
        break;
    case 'D':
    case 'S':
    case 'T':
    case 'R':
        put_f(out, letter, insn);
        break;
    case 'i':
        put(out, "%d", (int)insn->imm);
        break;
    case 'h':
        put(out, "0x%x", (unsigned)imm);
        break;
    case 'u':
        put(out, "0x%x", (unsigned)(imm >> 12));
        break;
    case 'a':
        put(out, "0x%llx", (unsigned long long)(pc + (uint64_t)insn->imm));
        break;
    case 'c':
        put_csr(out, imm);
        break;
    case 'z':
        put(out, "%u", insn->rs1);
        break;
    case 'm':
        put(out, "%s", rm_names[insn->rm]);
        break;
    case 'p':
        put_fence(out, imm);
        break;
    default:
        put(out, "%c", letter);
        break;
    }
}

/* aq and rl are part of an atomic's name. */
static const char *ordering(const struct riscv_insn *insn)
{
    static const char names[4][6] = { "", ".rl", ".aq", ".aqrl" };

    if (riscv__ops[insn->op].class != RISCV_CLASS_AMO) {
        return "";
    }
    return names[insn->bits >> 25 & 3];
}

unsigned xbar_riscv_print(char *buf, size_t size, uint64_t pc, uint32_t bits)
{
    struct out out = { buf, size };
    struct riscv_insn insn;
    const struct riscv_op_info *info;
    const struct alias *alias;
    const char *operands;

    riscv__decode(&insn, bits);
    if (insn.op == RISCV_OP_ILLEGAL) {
        put(&out, ".%ubyte 0x%x", insn.length, (unsigned)insn.bits);
        return insn.length;
    }
    info = &riscv__ops[insn.op];
    alias = find_alias(&insn);
    operands = alias ? alias->operands : riscv__formats[info->format].text;
    put(&out, "%s%s", alias ? alias->text : info->text, ordering(&insn));
    if (operands[0] != '\0') {
        put(&out, " ");
    }
    for (; *operands != '\0'; operands++) {
        put_operand(&out, *operands, pc, &insn);
    }
    return insn.length;
}

/* ---- Modes ------------------------------------------------------------- */

/* By context, for data. */
static const char *const data_names[CTX_FETCH_M] = {
    [CTX_M] = "M",
    [CTX_U] = "U",
    [CTX_U_MXR] = "U, MXR",
    [CTX_S] = "S",
    [CTX_S + 1] = "S, SUM",
    [CTX_S + 2] = "S, MXR",
    [CTX_S + 3] = "S, SUM, MXR",
};

/* A reserved one is a number. */
static void put_rounding(struct out *out, unsigned frm)
{
    if (rm_names[frm][0] != '\0') {
        put(out, " %s", rm_names[frm] + 1);
    } else {
        put(out, " frm=%u", frm);
    }
}

void xbar_riscv_print_mode(char *buf, size_t size, uint32_t mode)
{
    struct out out = { buf, size };
    unsigned fetch = mode & ((1u << MODE_DATA_SHIFT) - 1);
    unsigned data = mode >> MODE_DATA_SHIFT & ((1u << MODE_DATA_SHIFT) - 1);
    bool is_machine = fetch == CTX_FETCH_M;

    if (is_machine && data != CTX_M) {
        put(&out, "M, data as ");
    }
    put(&out, "%s", data < CTX_FETCH_M ? data_names[data] : "?");
    if (mode & MODE_FP) {
        put(&out, ", FP");
        if (riscv__mode_frm(mode) != 0) {
            put_rounding(&out, riscv__mode_frm(mode));
        }
    }
    if (mode & MODE_INEXACT) {
        put(&out, ", NX");
    }
}
