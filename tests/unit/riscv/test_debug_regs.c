/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/debug_regs.c: a debugger's view of the registers. */
#include "tests/unit/riscv/one_rig.h"

#include <errno.h>
#include <stdio.h>

static void check_name(unsigned reg, const char *expected)
{
    char name[XBAR_RISCV_REG_NAME_MAX];

    assert_true(xbar_riscv_reg_name(reg, name));
    assert_string_equal(name, expected);
    assert_true(xbar_riscv_reg_name(reg, NULL));
    assert_int_equal(xbar_riscv_reg_number(expected), reg);
}

static void test_names(void **state)
{
    (void)state;
    check_name(0, "zero");
    check_name(1, "ra");
    check_name(2, "sp");
    check_name(8, "s0");
    check_name(31, "t6");
    check_name(32, "pc");
    check_name(33, "ft0");
    check_name(64, "ft11");
    check_name(65 + 0x001, "fflags");
    check_name(65 + 0x180, "satp");
    check_name(65 + 0x300, "mstatus");
    check_name(65 + 0x3b3, "pmpaddr3");
    check_name(65 + 0xb00, "mcycle");
    check_name(4161, "priv");
    assert_false(xbar_riscv_reg_name(65 + 0x7c0, NULL));
    assert_false(xbar_riscv_reg_name(4162, NULL));
    assert_false(xbar_riscv_reg_name(UINT32_MAX, NULL));
}

static void test_other_names(void **state)
{
    static const char *const none[] = { "",    "x",      "x32", "x-1",
                                        "x01", "x1 ",    "f32", "y1",
                                        "x1x", "mstatu", "PC",  "x4294967297" };

    (void)state;
    assert_int_equal(xbar_riscv_reg_number("fp"), 8);
    for (int i = 0; i < 32; i++) {
        char name[16];

        snprintf(name, sizeof(name), "x%d", i);
        assert_int_equal(xbar_riscv_reg_number(name), i);
        snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(xbar_riscv_reg_number(name), 33 + i);
    }
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(xbar_riscv_reg_number(none[i]), -ENOENT);
    }
}

/* Each that there is has a name of its own, and can be read. */
static void test_all_are_readable(void **state)
{
    char name[XBAR_RISCV_REG_NAME_MAX];
    unsigned count = 0;
    uint64_t value;

    (void)state;
    for (unsigned reg = 0; reg < XBAR_RISCV_REGS + 100; reg++) {
        bool exists = xbar_riscv_reg_name(reg, name);

        assert_int_equal(xbar_riscv_get_reg(rig.hart, reg, &value),
                         exists ? 0 : -EINVAL);
        if (exists) {
            assert_int_equal(xbar_riscv_reg_number(name), reg);
            count++;
        } else {
            assert_int_equal(xbar_riscv_set_reg(rig.hart, reg, 0), -EINVAL);
        }
    }
    assert_true(count > 66 + 100);
}

static uint64_t get(unsigned reg)
{
    uint64_t value = 0;

    assert_int_equal(xbar_riscv_get_reg(rig.hart, reg, &value), 0);
    return value;
}

static void set(unsigned reg, uint64_t value)
{
    assert_int_equal(xbar_riscv_set_reg(rig.hart, reg, value), 0);
}

static void test_values(void **state)
{
    (void)state;
    for (unsigned reg = 0; reg < 65; reg++) {
        set(reg, 0x1234567800000000u + 2 * reg);
    }
    assert_int_equal(get(0), 0);
    for (unsigned reg = 1; reg < 65; reg++) {
        assert_int_equal(get(reg), 0x1234567800000000u + 2 * reg);
    }
    assert_int_equal(xbar_riscv_get_x(rig.hart, 31), 0x1234567800000000u + 62);
    assert_int_equal(xbar_riscv_get_f(rig.hart, 0), 0x1234567800000000u + 66);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), 0x1234567800000000u + 64);
}

static void test_csrs(void **state)
{
    (void)state;
    set(65 + 0x340, 42); /* mscratch */
    assert_int_equal(get_csr(&rig, 0x340), 42);
    assert_int_equal(get(65 + 0x340), 42);
    set(65 + 0x003, 0xff); /* fcsr: with its parts */
    assert_int_equal(get(65 + 0x001), 0x1f);
    assert_int_equal(get(65 + 0x002), 7);
    set(65 + 0x180, UINT64_C(1) << 60); /* no such mode */
    assert_int_equal(get(65 + 0x180), 0);
    assert_int_equal(xbar_riscv_set_reg(rig.hart, 65 + 0xf14, 1), -EINVAL);
    assert_int_equal(get(65 + 0xf14), 5);
}

static void test_privilege(void **state)
{
    uint64_t mstatus;

    (void)state;
    assert_int_equal(get(XBAR_RISCV_REG_PRIV), 3);
    mstatus = get(65 + 0x300);
    set(XBAR_RISCV_REG_PRIV, 1);
    assert_int_equal(get(XBAR_RISCV_REG_PRIV), 1);
    assert_int_equal(rig.hart->fetch_context, CTX_FETCH_S);
    assert_int_equal(rig.hart->data_context, CTX_S);
    set(XBAR_RISCV_REG_PRIV, 0);
    assert_int_equal(rig.hart->fetch_context, CTX_FETCH_U);
    assert_int_equal(xbar_riscv_set_reg(rig.hart, XBAR_RISCV_REG_PRIV, 2),
                     -EINVAL);
    assert_int_equal(xbar_riscv_set_reg(rig.hart, XBAR_RISCV_REG_PRIV, 256),
                     -EINVAL);
    assert_int_equal(get(XBAR_RISCV_REG_PRIV), 0);
    assert_int_equal(get(65 + 0x300), mstatus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_names),  CASE(test_other_names), CASE(test_all_are_readable),
        CASE(test_values), CASE(test_csrs),        CASE(test_privilege),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
