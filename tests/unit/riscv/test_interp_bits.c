/* SPDX-License-Identifier: MIT */
/*
 * Zba, Zbb, Zbs and Zicond: vectors, and each row against a model that goes
 * bit by bit, as the manual's pseudo-code does.
 */
#include "exec.h"

#define MIN64 0x8000000000000000u
#define ONES  0xffffffffffffffffu

struct binary_case {
    enum riscv_op op;
    uint64_t a, b, result;
};

/* clang-format off */
static const struct binary_case register_cases[] = {
    { RISCV_OP_SH1ADD, 3, 100, 106 },
    { RISCV_OP_SH2ADD, MIN64 | 1, 1, 5 },
    { RISCV_OP_SH3ADD, ONES, 0, ONES - 7 },
    { RISCV_OP_ADD_UW, ONES, 1, 0x100000000 },
    { RISCV_OP_SH1ADD_UW, 0xffffffff80000000, 2, 0x100000002 },
    { RISCV_OP_SH2ADD_UW, 0x1ffffffff, 0, 0x3fffffffc },
    { RISCV_OP_SH3ADD_UW, 0x100000001, ONES, 7 },
    { RISCV_OP_ANDN, 0xff, 0x0f, 0xf0 },
    { RISCV_OP_ORN,  0x0f, ~0xf0ull, 0xff },
    { RISCV_OP_XNOR, 0xff, 0x0f, ~0xf0ull },
    { RISCV_OP_MIN,  ONES, 0, ONES },
    { RISCV_OP_MAX,  ONES, 0, 0 },
    { RISCV_OP_MINU, ONES, 0, 0 },
    { RISCV_OP_MAXU, ONES, 0, ONES },
    { RISCV_OP_ROL,  MIN64 | 2, 1, 5 },
    { RISCV_OP_ROL,  0x1234, 64, 0x1234 },
    { RISCV_OP_ROR,  5, 1, MIN64 | 2 },
    { RISCV_OP_ROR,  5, 128 + 63, 10 },
    { RISCV_OP_ROLW, 0x180000000, 1, 1 },
    { RISCV_OP_ROLW, 0x40000000, 33, 0xffffffff80000000 },
    { RISCV_OP_RORW, 0x700000001, 1, 0xffffffff80000000 },
    { RISCV_OP_RORW, 0x80000000, 32, 0xffffffff80000000 },
    { RISCV_OP_BCLR, ONES, 63, ONES >> 1 },
    { RISCV_OP_BCLR, 1, 64, 0 },
    { RISCV_OP_BEXT, MIN64, 63, 1 },
    { RISCV_OP_BEXT, 2, 65, 1 },
    { RISCV_OP_BINV, 0, 31, 0x80000000 },
    { RISCV_OP_BSET, 0, 32 + 64, 0x100000000 },
    { RISCV_OP_CZERO_EQZ, 7, 0, 0 },
    { RISCV_OP_CZERO_EQZ, 7, MIN64, 7 },
    { RISCV_OP_CZERO_NEZ, 7, 0, 7 },
    { RISCV_OP_CZERO_NEZ, 7, 0x100000000, 0 },
};

/* b is the immediate, or 0. */
static const struct binary_case immediate_cases[] = {
    { RISCV_OP_CLZ, 0, 0, 64 },       { RISCV_OP_CLZ, 1, 0, 63 },
    { RISCV_OP_CTZ, 0, 0, 64 },       { RISCV_OP_CTZ, MIN64, 0, 63 },
    { RISCV_OP_CPOP, ONES, 0, 64 },   { RISCV_OP_CPOP, 0, 0, 0 },
    { RISCV_OP_CLZW, MIN64, 0, 32 },  { RISCV_OP_CLZW, 0x80000000, 0, 0 },
    { RISCV_OP_CTZW, MIN64, 0, 32 },  { RISCV_OP_CTZW, 0x100000000, 0, 32 },
    { RISCV_OP_CTZW, 0x180000000, 0, 31 },
    { RISCV_OP_CPOPW, ONES, 0, 32 },  { RISCV_OP_CPOPW, ONES << 32, 0, 0 },
    { RISCV_OP_SEXT_B, 0x180, 0, ONES - 0x7f },
    { RISCV_OP_SEXT_H, 0x17fff, 0, 0x7fff },
    { RISCV_OP_ZEXT_H, ONES, 0, 0xffff },
    { RISCV_OP_ORC_B, 0x8001000000100200, 0, 0xffff000000ffff00 },
    { RISCV_OP_ORC_B, 0x0080000100000001, 0, 0x00ff00ff000000ff },
    { RISCV_OP_REV8, 0x0102030405060708, 0, 0x0807060504030201 },
    { RISCV_OP_RORI, 1, 0, 1 },       { RISCV_OP_RORI, 1, 63, 2 },
    { RISCV_OP_RORIW, 1, 1, 0xffffffff80000000 },
    { RISCV_OP_RORIW, 0x80000000, 0, 0xffffffff80000000 },
    { RISCV_OP_SLLI_UW, ONES, 32, ONES << 32 },
    { RISCV_OP_SLLI_UW, ONES, 0, 0xffffffff },
    { RISCV_OP_BCLRI, ONES, 40, ONES ^ 1ull << 40 },
    { RISCV_OP_BEXTI, MIN64, 63, 1 }, { RISCV_OP_BEXTI, MIN64, 62, 0 },
    { RISCV_OP_BINVI, ONES, 0, ONES - 1 },
    { RISCV_OP_BSETI, 0, 63, MIN64 },
};
/* clang-format on */

static void check(struct rig *rig, const struct binary_case *c, uint32_t bits,
                  uint32_t onto_itself)
{
    struct xbar_riscv_hart *hart = rig->hart;

    hart->x[5] = c->a;
    hart->x[6] = c->b;
    exec_ok(rig, bits);
    if (hart->x[7] != c->result) {
        fail_msg("%s %llx, %llx: %llx", riscv__ops[c->op].text,
                 (unsigned long long)c->a, (unsigned long long)c->b,
                 (unsigned long long)hart->x[7]);
    }
    exec_ok(rig, onto_itself);
    assert_int_equal(hart->x[5], c->result);
}

static void check_registers(struct rig *rig, const struct binary_case *c)
{
    check(rig, c, encode(c->op, 7, 5, 6, 0), encode(c->op, 5, 5, 6, 0));
}

static void check_immediate(struct rig *rig, const struct binary_case *c)
{
    check(rig, c, encode(c->op, 7, 5, 0, (int32_t)c->b),
          encode(c->op, 5, 5, 0, (int32_t)c->b));
}

static void test_registers(void **state)
{
    for (size_t i = 0; i < sizeof(register_cases) / sizeof(register_cases[0]);
         i++) {
        check_registers(*state, &register_cases[i]);
    }
}

static void test_immediates(void **state)
{
    for (size_t i = 0; i < sizeof(immediate_cases) / sizeof(immediate_cases[0]);
         i++) {
        check_immediate(*state, &immediate_cases[i]);
    }
}

/* ---- Bit by bit -------------------------------------------------------- */

static unsigned bit(uint64_t value, unsigned index)
{
    return value >> index & 1;
}

static uint64_t rotated(uint64_t value, unsigned width, unsigned left)
{
    uint64_t result = 0;

    for (unsigned i = 0; i < width; i++) {
        result |= (uint64_t)bit(value, i) << (i + left) % width;
    }
    return width == 32 ? (uint64_t)(int64_t)(int32_t)result : result;
}

static uint64_t zeros_from(uint64_t value, unsigned width, bool top)
{
    unsigned count = 0;

    while (count < width && !bit(value, top ? width - 1 - count : count)) {
        count++;
    }
    return count;
}

static uint64_t ones_in(uint64_t value, unsigned width)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < width; i++) {
        count += bit(value, i);
    }
    return count;
}

static uint64_t bytes_of(uint64_t value, bool reversed)
{
    uint64_t result = 0;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t byte = value >> 8 * i & 0xff;

        if (reversed) {
            result |= byte << (56 - 8 * i);
        } else if (byte) {
            result |= UINT64_C(0xff) << 8 * i;
        }
    }
    return result;
}

static void test_bit_by_bit(void **state)
{
    uint64_t seed = 11;

    for (unsigned round = 0; round < 2000; round++) {
        uint64_t a = rig_random(&seed) >> rig_random(&seed) % 64;
        uint64_t b = rig_random(&seed);
        unsigned n = b & 63, nw = b & 31;
        const struct binary_case two[] = {
            { RISCV_OP_ROL, a, b, rotated(a, 64, n) },
            { RISCV_OP_ROR, a, b, rotated(a, 64, 64 - n) },
            { RISCV_OP_ROLW, a, b, rotated(a, 32, nw) },
            { RISCV_OP_RORW, a, b, rotated(a, 32, 32 - nw) },
            { RISCV_OP_BEXT, a, b, bit(a, n) },
        };
        const struct binary_case one[] = {
            { RISCV_OP_CLZ, a, 0, zeros_from(a, 64, true) },
            { RISCV_OP_CTZ, a, 0, zeros_from(a, 64, false) },
            { RISCV_OP_CLZW, a, 0, zeros_from(a, 32, true) },
            { RISCV_OP_CTZW, a, 0, zeros_from(a, 32, false) },
            { RISCV_OP_CPOP, a, 0, ones_in(a, 64) },
            { RISCV_OP_CPOPW, a, 0, ones_in(a, 32) },
            { RISCV_OP_ORC_B, a, 0, bytes_of(a, false) },
            { RISCV_OP_REV8, a, 0, bytes_of(a, true) },
        };

        for (unsigned i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
            check_registers(*state, &two[i]);
        }
        for (unsigned i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
            check_immediate(*state, &one[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers, exec_open, exec_close),
        cmocka_unit_test_setup_teardown(test_immediates, exec_open, exec_close),
        cmocka_unit_test_setup_teardown(test_bit_by_bit, exec_open, exec_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
