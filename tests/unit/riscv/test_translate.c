/* SPDX-License-Identifier: MIT */
/*
 * Translated code, row by row of the decode table:
 *
 *   - no row of integers, branches, loads, stores or atomics calls anything
 *     where it hits RAM: its code is taken apart and looked at;
 *   - every row does what the interpreter does, over special values and
 *     register choices, rd = rs1 = rs2 and x0 among them;
 *   - a fault at each load and store in turn names the exact instruction and
 *     leaves nothing behind.
 */
#include "jit/riscv/jit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <capstone/capstone.h>

#include "encode.h"
#include "rig.h"

#define CODE     0x1000u
#define HANDLER  0x3000u
#define DATA     0x10000u
#define RAM_ADDR ((uint64_t)RIG_RAM)

static csh capstone;

static void open_jit(struct rig *rig, const struct xbar_riscv_config *config)
{
    static const uint32_t handler = INSN_SELF;

    rig_open_with(rig, config);
    rig_open_pmp(rig);
    rig_code(rig, HANDLER, &handler, 1);
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    rig->hart->mstatus |= MSTATUS_FS;
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
}

static int set_up(void **state)
{
    static struct rig rig;
    const struct xbar_riscv_config config = { .hartid = 0 };

    open_jit(&rig, &config);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static bool is_class(unsigned op, enum riscv_class class)
{
    return riscv__ops[op].class == class;
}

/* ---- What is emitted --------------------------------------------------- */

/* The block of one instruction at CODE, followed by a jump to itself. */
static struct xbar_jit_block *translate_one(struct rig *rig, uint32_t bits)
{
    const uint32_t code[] = { bits, INSN_SELF };
    struct xbar_jit_block *block;

    riscv__jit_flush(rig->hart);
    rig_code(rig, CODE, code, 2);
    rig->hart->pc = RAM_ADDR + CODE;
    tlb_enter(&rig->hart->tlb);
    block = riscv__block(rig->hart);
    tlb_leave(&rig->hart->tlb);
    return block;
}

static unsigned count_calls(struct rig *rig, const struct xbar_jit_block *block)
{
    const uint8_t *code = xbar_jit_code(rig->hart->jit->cache, block->code);
    cs_insn *insns;
    size_t count = cs_disasm(capstone, code, block->hot_size, 0, 0, &insns);
    unsigned calls = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        calls += insns[i].id == X86_INS_CALL;
        bytes += insns[i].size;
    }
    cs_free(insns, count);
    assert_int_equal(bytes, block->hot_size);
    return calls;
}

/* With operands where the format has them. */
static uint32_t encode_row(unsigned op, unsigned rd, unsigned rs1, unsigned rs2)
{
    unsigned fields = riscv__formats[riscv__ops[op].format].fields;

    return encode((enum riscv_op)op, fields & RISCV_RD ? rd : 0,
                  fields & RISCV_RS1 ? rs1 : 0, fields & RISCV_RS2 ? rs2 : 0,
                  0);
}

static void test_no_row_calls_a_helper(void **state)
{
    struct rig *rig = *state;
    unsigned rows = 0;

    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        struct xbar_jit_block *block;

        if (is_class(op, RISCV_CLASS_FP) || is_class(op, RISCV_CLASS_CBO) ||
            is_class(op, RISCV_CLASS_CSR) || is_class(op, RISCV_CLASS_SYSTEM)) {
            continue;
        }
        for (unsigned reg = 0; reg < 32; reg++) {
            uint32_t bits = encode_row(op, reg, (reg + 3) & 31, (reg + 7) & 31);

            block = translate_one(rig, bits);
            assert_non_null(block);
            if (count_calls(rig, block) != 0) {
                print_error("%s calls\n", riscv__ops[op].text);
            }
            assert_int_equal(count_calls(rig, block), 0);
        }
        rows++;
    }
    assert_true(rows > 70);
}

/* The test above can fail: what the host cannot do calls. */
static void test_calls_are_seen(void **state)
{
    struct rig *rig = *state;
    struct xbar_jit_block *block =
        translate_one(rig, encode(RISCV_OP_FCLASS_D, 1, 2, 0, 0));

    assert_non_null(block);
    assert_int_equal(count_calls(rig, block), 1);
}

/* ---- What it does ------------------------------------------------------ */

static const uint64_t specials[] = {
    0,
    1,
    2,
    UINT64_MAX,
    (uint64_t)INT64_MIN,
    INT64_MAX,
    0x80000000,
    0x7fffffff,
    0xffffffff80000000,
    0xffffffff,
    0x100000000,
    63,
    64,
    31,
    32,
    0x0123456789abcdef,
    0xfedcba9876543210,
    0x3ff0000000000000,
    0xffffffff3f800000,
    0x7ff8000000000001,
};
#define SPECIALS (sizeof(specials) / sizeof(specials[0]))

struct outcome {
    uint64_t x[32];
    uint64_t f[32];
    uint64_t pc;
    uint64_t mcause;
    uint64_t mtval;
    uint64_t mepc;
    uint64_t mstatus;
    uint8_t fflags;
    uint8_t data[64];
};

/* Registers that an address must be in point at the middle of the data. */
static void load_state(struct rig *rig, const uint64_t *x, const uint64_t *f)
{
    struct xbar_riscv_hart *hart = rig->hart;

    memcpy(hart->x, x, sizeof(hart->x));
    memcpy(hart->f, f, sizeof(hart->f));
    hart->pc = RAM_ADDR + CODE;
    hart->priv = PRIV_M;
    hart->mcause = hart->mtval = hart->mepc = 0;
    hart->mstatus |= MSTATUS_FS;
    hart->fflags = 0;
    hart->frm = 0;
    hart->reservation = (struct riscv_reservation){ 0 };
    riscv__update_contexts(hart);
    for (unsigned i = 0; i < 64; i++) {
        rig->mem[DATA + i] = (uint8_t)(i * 37 + 11);
    }
}

static void read_outcome(const struct rig *rig, struct outcome *out)
{
    const struct xbar_riscv_hart *hart = rig->hart;

    memset(out, 0, sizeof(*out));
    memcpy(out->x, hart->x, sizeof(out->x));
    memcpy(out->f, hart->f, sizeof(out->f));
    out->pc = hart->pc;
    out->mcause = hart->mcause;
    out->mtval = hart->mtval;
    out->mepc = hart->mepc;
    out->mstatus = hart->mstatus;
    out->fflags = hart->fflags;
    memcpy(out->data, rig->mem + DATA, sizeof(out->data));
}

static void run_in(struct rig *rig, enum xbar_riscv_engine engine,
                   const uint64_t *x, const uint64_t *f, uint64_t insns,
                   struct outcome *out)
{
    load_state(rig, x, f);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
    assert_int_equal(xbar_riscv_run(rig->hart, insns), XBAR_RISCV_EXIT_BUDGET);
    read_outcome(rig, out);
}

static void compare_engines(struct rig *rig, uint32_t bits, const uint64_t *x,
                            const uint64_t *f, uint64_t insns)
{
    struct outcome want, got;
    char text[80];

    run_in(rig, XBAR_RISCV_INTERP, x, f, insns, &want);
    run_in(rig, XBAR_RISCV_JIT, x, f, insns, &got);
    if (memcmp(&want, &got, sizeof(got)) != 0) {
        xbar_riscv_print(text, sizeof(text), RAM_ADDR + CODE, bits);
        print_error("differs: %s (%08" PRIx32 ")\n", text, bits);
        for (unsigned i = 0; i < 32; i++) {
            if (want.x[i] != got.x[i]) {
                print_error("x%u: interp %" PRIx64 ", jit %" PRIx64
                            ", before %" PRIx64 "\n",
                            i, want.x[i], got.x[i], x[i]);
            }
        }
        print_error("pc %" PRIx64 " %" PRIx64 " cause %" PRIu64 " %" PRIu64
                    "\n",
                    want.pc, got.pc, want.mcause, got.mcause);
    }
    assert_memory_equal(&want, &got, sizeof(got));
}

static bool needs_address(unsigned op)
{
    return is_class(op, RISCV_CLASS_LOAD) || is_class(op, RISCV_CLASS_STORE) ||
           is_class(op, RISCV_CLASS_AMO);
}

/* A random instruction of row @op: an address register that is right, mostly;
 * jumps and branches that land on the jump to self. */
static uint32_t random_insn(unsigned op, uint64_t *seed, uint64_t *x)
{
    unsigned rd = rig_random(seed) % 32, rs1 = rig_random(seed) % 32;
    unsigned rs2 = rig_random(seed) % 32;
    int32_t imm = (int32_t)(rig_random(seed) & 0x7ff) - 0x400;

    if (rig_random(seed) % 4 == 0) {
        rs2 = rs1;
    }
    if (rig_random(seed) % 4 == 0) {
        rd = rs1;
    }
    if (needs_address(op)) {
        unsigned size = abs(riscv__ops[op].access);
        uint64_t offset = rig_random(seed) % (64 / size) * size;

        rs1 = rs1 ? rs1 : 9;
        imm = is_class(op, RISCV_CLASS_AMO) ? 0 : imm;
        x[rs1] = RAM_ADDR + DATA + offset - (uint64_t)(int64_t)imm;
        if (rig_random(seed) % 16 == 0) {
            x[rs1] += rig_random(seed) % 5; /* perhaps misaligned */
        }
    } else if (is_class(op, RISCV_CLASS_BRANCH) || op == RISCV_OP_JAL) {
        imm = 4;
    } else if (op == RISCV_OP_JALR) {
        rs1 = rs1 ? rs1 : 7;
        imm = 0;
        x[rs1] = RAM_ADDR + CODE + 4;
    } else if (riscv__formats[riscv__ops[op].format].imm == RISCV_IMM_U) {
        imm = (int32_t)(rig_random(seed) & 0xfffff000);
    } else if (riscv__formats[riscv__ops[op].format].imm == RISCV_IMM_SHIFT) {
        imm &= riscv__ops[op].mask & 1u << 25 ? 31 : 63;
    }
    return encode_row(op, rd, rs1, rs2) |
           encode_imm((enum riscv_imm)riscv__formats[riscv__ops[op].format].imm,
                      imm);
}

static void random_registers(uint64_t *seed, uint64_t *x, uint64_t *f)
{
    for (unsigned i = 0; i < 32; i++) {
        x[i] = rig_random(seed) % 3 ? specials[rig_random(seed) % SPECIALS]
                                    : rig_random(seed);
        f[i] = rig_random(seed) % 2 ? specials[rig_random(seed) % SPECIALS]
                                    : rig_random(seed);
    }
    x[0] = 0;
}

static void test_rows_agree_with_the_interpreter(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 88172645463325252u;

    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        if (is_class(op, RISCV_CLASS_SYSTEM) || is_class(op, RISCV_CLASS_CSR)) {
            continue;
        }
        for (unsigned i = 0; i < 60; i++) {
            uint64_t x[32], f[32];
            uint32_t code[] = { 0, INSN_SELF };

            random_registers(&seed, x, f);
            code[0] = random_insn(op, &seed, x);
            x[0] = 0;
            rig_code(rig, CODE, code, 2);
            compare_engines(rig, code[0], x, f, 2);
        }
    }
}

/* lr and sc in one block, with everything that makes sc fail. */
static void test_reservations_agree(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 42;

    for (unsigned i = 0; i < 500; i++) {
        bool word = rig_random(&seed) % 2, word2 = rig_random(&seed) % 2;
        uint64_t x[32], f[32];
        uint32_t code[4] = {
            encode(word ? RISCV_OP_LR_W : RISCV_OP_LR_D, 10, 11, 0, 0),
            INSN_NOP,
            encode(word2 ? RISCV_OP_SC_W : RISCV_OP_SC_D, 12,
                   rig_random(&seed) % 4 ? 11 : 13, 14, 0),
            INSN_SELF,
        };

        random_registers(&seed, x, f);
        x[11] = RAM_ADDR + DATA;
        x[13] = RAM_ADDR + DATA + (rig_random(&seed) % 2 ? 8 : 0);
        if (rig_random(&seed) % 4 == 0) {
            code[1] = insn_sd(15, 11, 0);
        }
        rig_code(rig, CODE, code, 4);
        compare_engines(rig, code[2], x, f, 4);
    }
}

/* ---- Faults ------------------------------------------------------------ */

#define SITES 24

/* A block of @SITES accesses through x8 + 8 * i; the one at @bad goes to
 * where nothing is. */
static void fault_at(struct rig *rig, unsigned bad, bool is_store)
{
    uint32_t code[2 * SITES + 1];
    uint64_t x[32] = { 0 }, f[32] = { 0 };
    struct xbar_riscv_stats stats;

    for (unsigned i = 0; i < SITES; i++) {
        unsigned base = i == bad ? 9 : 8;
        int offset = 8 * (int)(i % 8);

        code[2 * i] = insn_addi(10 + i % 8, 10 + i % 8, 1);
        code[2 * i + 1] =
            is_store ? insn_sd(10 + i % 8, base, offset)
                     : encode(RISCV_OP_LD, 18 + i % 8, base, 0, offset);
    }
    code[2 * SITES] = INSN_SELF;
    x[8] = RAM_ADDR + DATA;
    x[9] = 0x40000000;
    rig_code(rig, CODE, code, 2 * SITES + 1);
    /* Up to the access, which does not retire, and round the handler: with
     * fewer instructions than it has, a block is interpreted. */
    compare_engines(rig, code[2 * bad + 1], x, f, 4 * SITES);
    xbar_riscv_get_stats(rig->hart, &stats);
    assert_true(stats.jit.instructions > 2 * bad);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + CODE + 8 * bad + 4);
    assert_int_equal(rig->hart->mcause,
                     is_store ? CAUSE_STORE_ACCESS : CAUSE_LOAD_ACCESS);
    assert_int_equal(rig->hart->mtval, 0x40000000 + 8 * (bad % 8));
}

static void test_faults_name_their_instruction(void **state)
{
    for (unsigned bad = 0; bad < SITES; bad++) {
        fault_at(*state, bad, false);
        fault_at(*state, bad, true);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_row_calls_a_helper),
        TEST(test_calls_are_seen),
        TEST(test_rows_agree_with_the_interpreter),
        TEST(test_reservations_agree),
        TEST(test_faults_name_their_instruction),
    };
#undef TEST
    int failed;

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &capstone) != CS_ERR_OK) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    cs_close(&capstone);
    return failed;
}
