/* SPDX-License-Identifier: MIT */
/* Integer arithmetic, branches and jumps. */
#include "exec.h"

#define MIN64 0x8000000000000000u
#define MAX64 0x7fffffffffffffffu
#define MIN32 0xffffffff80000000u
#define MAX32 0x7fffffffu
#define ONES  0xffffffffffffffffu

struct binary_case {
    enum riscv_op op;
    uint64_t a, b, result;
};

static void check_binary(struct rig *rig, const struct binary_case *c)
{
    struct xbar_riscv_hart *hart = rig->hart;

    hart->x[5] = c->a;
    hart->x[6] = c->b;
    exec_ok(rig, encode(c->op, 7, 5, 6, 0));
    if (hart->x[7] != c->result) {
        fail_msg("%s %llx, %llx: %llx", riscv__ops[c->op].text,
                 (unsigned long long)c->a, (unsigned long long)c->b,
                 (unsigned long long)hart->x[7]);
    }
    /* Onto itself, from one register twice, and into x0. */
    exec_ok(rig, encode(c->op, 5, 5, 6, 0));
    assert_int_equal(hart->x[5], c->result);
    exec_ok(rig, encode(c->op, 0, 5, 6, 0));
}

/* clang-format off */
static const struct binary_case register_cases[] = {
    { RISCV_OP_ADD,  MAX64, 1, MIN64 },
    { RISCV_OP_SUB,  0, 1, ONES },
    { RISCV_OP_SUB,  MIN64, 1, MAX64 },
    { RISCV_OP_AND,  0xf0f0, 0xff00, 0xf000 },
    { RISCV_OP_OR,   0xf0f0, 0xff00, 0xfff0 },
    { RISCV_OP_XOR,  0xf0f0, 0xff00, 0x0ff0 },
    { RISCV_OP_SLL,  1, 63, MIN64 },
    { RISCV_OP_SLL,  3, 64 + 1, 6 },
    { RISCV_OP_SRL,  MIN64, 63, 1 },
    { RISCV_OP_SRL,  MIN64, 64, MIN64 },
    { RISCV_OP_SRA,  MIN64, 63, ONES },
    { RISCV_OP_SRA,  MAX64, 64 + 62, 1 },
    { RISCV_OP_SLT,  ONES, 0, 1 },
    { RISCV_OP_SLT,  0, ONES, 0 },
    { RISCV_OP_SLT,  MIN64, MAX64, 1 },
    { RISCV_OP_SLTU, ONES, 0, 0 },
    { RISCV_OP_SLTU, 0, ONES, 1 },
    { RISCV_OP_SLTU, 7, 7, 0 },

    { RISCV_OP_ADDW, MAX32, 1, MIN32 },
    { RISCV_OP_ADDW, 0x100000001, 0x200000002, 3 },
    { RISCV_OP_SUBW, 0, 1, ONES },
    { RISCV_OP_SUBW, 0x80000000, 1, MAX32 },
    { RISCV_OP_SLLW, 1, 31, MIN32 },
    { RISCV_OP_SLLW, 1, 32, 1 },
    { RISCV_OP_SLLW, 0x180000001, 1, 2 },
    { RISCV_OP_SRLW, 0xffffffff80000000, 31, 1 },
    { RISCV_OP_SRLW, 0x180000000, 32, MIN32 },
    { RISCV_OP_SRAW, 0x80000000, 31, ONES },
    { RISCV_OP_SRAW, 0xffffffff7fffffff, 30, 1 },

    { RISCV_OP_MUL,  0x100000001, 0x100000001, 0x200000001 },
    { RISCV_OP_MUL,  ONES, ONES, 1 },
    { RISCV_OP_MULH, ONES, ONES, 0 },
    { RISCV_OP_MULH, MIN64, MIN64, 0x4000000000000000 },
    { RISCV_OP_MULH, MIN64, MAX64, 0xc000000000000000 },
    { RISCV_OP_MULH, ONES, 1, ONES },
    { RISCV_OP_MULHU, ONES, ONES, ONES - 1 },
    { RISCV_OP_MULHU, MIN64, 2, 1 },
    { RISCV_OP_MULHU, ONES, 1, 0 },
    { RISCV_OP_MULHSU, ONES, ONES, ONES },
    { RISCV_OP_MULHSU, MIN64, ONES, MIN64 },
    { RISCV_OP_MULHSU, 2, MIN64, 1 },
    { RISCV_OP_MULHSU, MAX64, ONES, MAX64 - 1 },
    { RISCV_OP_MULW, 0x7fffffff, 2, ONES - 1 },
    { RISCV_OP_MULW, 0x100000003, 5, 15 },

    { RISCV_OP_DIV,  7, (uint64_t)-2, (uint64_t)-3 },
    { RISCV_OP_DIV,  7, 0, ONES },
    { RISCV_OP_DIV,  0, 0, ONES },
    { RISCV_OP_DIV,  MIN64, ONES, MIN64 },
    { RISCV_OP_DIV,  MIN64, 1, MIN64 },
    { RISCV_OP_DIV,  5, ONES, (uint64_t)-5 },
    { RISCV_OP_DIVU, ONES, 2, MAX64 },
    { RISCV_OP_DIVU, 5, 0, ONES },
    { RISCV_OP_DIVU, MIN64, ONES, 0 },
    { RISCV_OP_REM,  (uint64_t)-7, 2, ONES },
    { RISCV_OP_REM,  7, (uint64_t)-2, 1 },
    { RISCV_OP_REM,  (uint64_t)-7, 0, (uint64_t)-7 },
    { RISCV_OP_REM,  MIN64, ONES, 0 },
    { RISCV_OP_REMU, ONES, 10, 5 },
    { RISCV_OP_REMU, ONES, 0, ONES },
    { RISCV_OP_REMU, MIN64, ONES, MIN64 },

    { RISCV_OP_DIVW,  0x1fffffff9, 2, (uint64_t)-3 },
    { RISCV_OP_DIVW,  5, 0x100000000, ONES },
    { RISCV_OP_DIVW,  0x80000000, 0xffffffff, MIN32 },
    { RISCV_OP_DIVUW, 0xffffffff, 1, ONES },
    { RISCV_OP_DIVUW, 0x180000000, 2, 0x40000000 },
    { RISCV_OP_DIVUW, 5, 0, ONES },
    { RISCV_OP_REMW,  0x80000000, 0xffffffff, 0 },
    { RISCV_OP_REMW,  0x80000001, 0x100000000, 0xffffffff80000001 },
    { RISCV_OP_REMW,  0xfffffff9, 2, ONES },
    { RISCV_OP_REMUW, 0xfffffff9, 0, 0xfffffffffffffff9 },
    { RISCV_OP_REMUW, 0x1fffffff9, 0x10, 9 },
};

/* Here b is the immediate. */
static const struct binary_case immediate_cases[] = {
    { RISCV_OP_ADDI,  5, (uint64_t)-6, ONES },
    { RISCV_OP_ADDI,  MAX64, 1, MIN64 },
    { RISCV_OP_SLTI,  (uint64_t)-5, (uint64_t)-4, 1 },
    { RISCV_OP_SLTI,  1, (uint64_t)-1, 0 },
    { RISCV_OP_SLTIU, 1, (uint64_t)-1, 1 },
    { RISCV_OP_SLTIU, ONES, (uint64_t)-1, 0 },
    { RISCV_OP_XORI,  0xff, (uint64_t)-1, ~UINT64_C(0xff) },
    { RISCV_OP_ORI,   1, (uint64_t)-2048, 0xfffffffffffff801 },
    { RISCV_OP_ANDI,  ONES, (uint64_t)-2048, 0xfffffffffffff800 },
    { RISCV_OP_SLLI,  1, 63, MIN64 },
    { RISCV_OP_SRLI,  ONES, 63, 1 },
    { RISCV_OP_SRAI,  MIN64, 32, MIN32 },
    { RISCV_OP_ADDIW, MAX32, 1, MIN32 },
    { RISCV_OP_ADDIW, 0xffffffff00000005, 0, 5 },
    { RISCV_OP_SLLIW, 1, 31, MIN32 },
    { RISCV_OP_SRLIW, ONES, 31, 1 },
    { RISCV_OP_SRLIW, ONES, 0, ONES },
    { RISCV_OP_SRAIW, 0x80000000, 4, 0xfffffffff8000000 },
};
/* clang-format on */

static void test_register_forms(void **state)
{
    unsigned i;

    for (i = 0; i < sizeof(register_cases) / sizeof(register_cases[0]); i++) {
        check_binary(*state, &register_cases[i]);
    }
}

static void test_immediate_forms(void **state)
{
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < sizeof(immediate_cases) / sizeof(immediate_cases[0]); i++) {
        const struct binary_case *c = &immediate_cases[i];

        rig->hart->x[5] = c->a;
        exec_ok(rig, encode(c->op, 7, 5, 0, (int32_t)c->b));
        if (rig->hart->x[7] != c->result) {
            fail_msg("%s %llx, %lld: %llx", riscv__ops[c->op].text,
                     (unsigned long long)c->a, (long long)c->b,
                     (unsigned long long)rig->hart->x[7]);
        }
    }
}

static void test_upper_immediates(void **state)
{
    struct rig *rig = *state;

    exec_ok(rig, encode(RISCV_OP_LUI, 7, 0, 0, INT32_MIN));
    assert_int_equal(rig->hart->x[7], MIN32);
    exec_ok(rig, encode(RISCV_OP_LUI, 7, 0, 0, 0x7ffff000));
    assert_int_equal(rig->hart->x[7], 0x7ffff000);
    exec_ok(rig, encode(RISCV_OP_AUIPC, 7, 0, 0, INT32_MIN));
    assert_int_equal(rig->hart->x[7], EXEC_CODE + MIN32);
    exec_ok(rig, encode(RISCV_OP_AUIPC, 7, 0, 0, 0x1000));
    assert_int_equal(rig->hart->x[7], EXEC_CODE + 0x1000);
}

/* x0 is 0 as an operand whatever an instruction did to it before. */
static void test_x0(void **state)
{
    struct rig *rig = *state;

    exec_ok(rig, encode(RISCV_OP_ADDI, 0, 0, 0, 77));
    exec_ok(rig, encode(RISCV_OP_ADD, 7, 0, 0, 0));
    assert_int_equal(rig->hart->x[7], 0);
    exec_ok(rig, encode(RISCV_OP_LUI, 0, 0, 0, 0x1000));
    exec_ok(rig, encode(RISCV_OP_AUIPC, 0, 0, 0, 0x1000));
    exec_ok(rig, encode(RISCV_OP_CSRRS, 0, 0, 0, 0xf14));
}

/* ---- Branches ---------------------------------------------------------- */

static void check_branch(struct rig *rig, enum riscv_op op, uint64_t a,
                         uint64_t b, bool taken)
{
    rig->hart->x[5] = a;
    rig->hart->x[6] = b;
    exec_at(rig, EXEC_CODE + 0x800, encode(op, 0, 5, 6, -0x7fe));
    assert_int_equal(rig->hart->pc, EXEC_CODE + (taken ? 2 : 0x804));
    exec_at(rig, EXEC_CODE + 0x800, encode(op, 0, 5, 6, 0xffe));
    assert_int_equal(rig->hart->pc, EXEC_CODE + (taken ? 0x17fe : 0x804));
}

static void test_branches(void **state)
{
    check_branch(*state, RISCV_OP_BEQ, 1, 1, true);
    check_branch(*state, RISCV_OP_BEQ, 1, 0x100000001, false);
    check_branch(*state, RISCV_OP_BNE, 1, 0x100000001, true);
    check_branch(*state, RISCV_OP_BNE, 1, 1, false);
    check_branch(*state, RISCV_OP_BLT, ONES, 0, true);
    check_branch(*state, RISCV_OP_BLT, 0, 0, false);
    check_branch(*state, RISCV_OP_BGE, 0, ONES, true);
    check_branch(*state, RISCV_OP_BGE, 0, 0, true);
    check_branch(*state, RISCV_OP_BGE, ONES, 0, false);
    check_branch(*state, RISCV_OP_BLTU, ONES, 0, false);
    check_branch(*state, RISCV_OP_BLTU, 0, ONES, true);
    check_branch(*state, RISCV_OP_BLTU, 3, 3, false);
    check_branch(*state, RISCV_OP_BGEU, ONES, 0, true);
    check_branch(*state, RISCV_OP_BGEU, 0, ONES, false);
    check_branch(*state, RISCV_OP_BGEU, 3, 3, true);
}

static void test_jumps(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    exec(rig, encode(RISCV_OP_JAL, 1, 0, 0, 0x1234));
    assert_int_equal(hart->pc, EXEC_CODE + 0x1234);
    assert_int_equal(hart->x[1], EXEC_CODE + 4);

    /* The lowest bit of the sum is dropped; rd may be the base. */
    hart->x[1] = EXEC_CODE + 0x200;
    exec(rig, encode(RISCV_OP_JALR, 1, 1, 0, -0x7f));
    assert_int_equal(hart->pc, EXEC_CODE + 0x180);
    assert_int_equal(hart->x[1], EXEC_CODE + 4);

    /* A compressed one links to what is 2 bytes further on: c.jalr t0. */
    hart->x[5] = EXEC_CODE + 0x402;
    exec(rig, 0x9282);
    assert_int_equal(hart->pc, EXEC_CODE + 0x402);
    assert_int_equal(hart->x[1], EXEC_CODE + 2);

    exec(rig, encode(RISCV_OP_JAL, 0, 0, 0, 0x800));
    assert_int_equal(hart->x[0], 0);
    assert_int_equal(hart->mcause, EXEC_NO_TRAP);
}

/* Compressed instructions with side effects on the registers they name. */
static void test_compressed(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    hart->x[10] = 5;
    hart->x[11] = 7;
    exec_ok(rig, 0x952e); /* c.add a0,a1 */
    assert_int_equal(hart->x[10], 12);
    exec_ok(rig, 0x8d0d); /* c.sub a0,a1 */
    assert_int_equal(hart->x[10], 5);
    exec_ok(rig, 0x557d); /* c.li a0,-1 */
    assert_int_equal(hart->x[10], ONES);
    exec_ok(rig, 0x3571); /* c.addiw a0,-4 */
    assert_int_equal(hart->x[10], ONES - 4);
    hart->x[2] = 0x1000;
    exec_ok(rig, 0x0808); /* c.addi4spn a0,sp,16 */
    assert_int_equal(hart->x[10], 0x1010);
    exec_ok(rig, 0x717d); /* c.addi16sp sp,-16 */
    assert_int_equal(hart->x[2], 0xff0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_register_forms),   TEST(test_immediate_forms),
        TEST(test_upper_immediates), TEST(test_x0),
        TEST(test_branches),         TEST(test_jumps),
        TEST(test_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
