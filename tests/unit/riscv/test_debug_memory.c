/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/debug_memory.c: memory as a debugger sees it. */
#include "tests/unit/riscv/runner.h"

#include "tests/unit/riscv/paging.h"

static struct rig rig;
static enum xbar_riscv_engine engine;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    rig_open_pmp(&rig);
    return xbar_riscv_set_engine(rig.hart, engine);
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static uint64_t peek(uint64_t va, void *buf, uint64_t len)
{
    return xbar_riscv_debug_read(rig.hart, va, buf, len);
}

static uint64_t poke(uint64_t va, const void *buf, uint64_t len)
{
    return xbar_riscv_debug_write(rig.hart, va, buf, len);
}

static void test_bare(void **state)
{
    char bytes[16];
    hwaddr phys;

    (void)state;
    memcpy(rig.mem + 0x100, "abcdef", 6);
    assert_int_equal(peek(RIG_RAM + 0x100, bytes, 6), 6);
    assert_memory_equal(bytes, "abcdef", 6);
    assert_int_equal(poke(RIG_RAM + 0x102, "XY", 2), 2);
    assert_memory_equal(rig.mem + 0x100, "abXYef", 6);
    assert_true(xbar_riscv_debug_translate(rig.hart, 0x1234, &phys));
    assert_int_equal(phys, 0x1234);
    /* No device is called, and the ROM is written. */
    assert_int_equal(peek(RIG_IO, bytes, 8), 0);
    assert_int_equal(poke(RIG_IO, bytes, 8), 0);
    assert_int_equal(rig.io_writes, 0);
    assert_int_equal(poke(RIG_ROM, "rom", 3), 3);
    assert_int_equal(peek(RIG_ROM, bytes, 3), 3);
    assert_memory_equal(bytes, "rom", 3);
    assert_int_equal(peek(RIG_RAM + RIG_RAM_SIZE - 3, bytes, 8), 3);
}

/* What is mapped is there, whatever it may be used for, and stays as it was. */
static void test_paged(void **state)
{
    char bytes[16];
    uint64_t before, after;
    hwaddr phys;

    (void)state;
    paging_map(&rig, 1, 0x20000, PTE_X);
    paging_map(&rig, 2, 0x10000, PTE_R | PTE_U);
    paging_enter(&rig, PRIV_S);
    paging_set(&rig, PAGING_L0, 1, RIG_RAM + 0x20000, PTE_V | PTE_X); /* no A */
    memcpy(&before, rig.mem + PAGING_L0 + 8, 8);
    memcpy(rig.mem + 0x20ffe, "ab", 2);
    memcpy(rig.mem + 0x10000, "cd", 2);
    assert_int_equal(peek(0x1ffe, bytes, 4), 4);
    assert_memory_equal(bytes, "abcd", 4);
    assert_int_equal(poke(0x1fff, "BC", 2), 2);
    assert_int_equal(rig.mem[0x20fff], 'B');
    assert_int_equal(rig.mem[0x10000], 'C');
    memcpy(&after, rig.mem + PAGING_L0 + 8, 8);
    assert_int_equal(before, after);
    assert_int_equal(peek(0x2ffe, bytes, 4), 2);
    assert_int_equal(peek(0x3000, bytes, 4), 0);
    assert_true(xbar_riscv_debug_translate(rig.hart, 0x1234, &phys));
    assert_int_equal(phys, RIG_RAM + 0x20234);
    assert_false(xbar_riscv_debug_translate(rig.hart, 0x3000, &phys));
    assert_false(
        xbar_riscv_debug_translate(rig.hart, UINT64_C(1) << 50, &phys));
    /* By the mode, not by what MPRV has data accesses do. */
    xbar_riscv_set_reg(rig.hart, XBAR_RISCV_REG_PRIV, PRIV_M);
    set_csr(&rig, 0x300, MSTATUS_MPRV | UINT64_C(1) << MSTATUS_MPP_SHIFT);
    assert_true(xbar_riscv_debug_translate(rig.hart, RIG_RAM, &phys));
    assert_int_equal(peek(0x1000, bytes, 1), 0);
    assert_int_equal(peek(RIG_RAM + 0x10000, bytes, 1), 1);
}

static void test_nothing_is_counted(void **state)
{
    struct xbar_riscv_stats before, after;
    char bytes[8];

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 100);
    xbar_riscv_get_stats(rig.hart, &before);
    assert_int_equal(peek(RIG_RAM, bytes, 8), 8);
    assert_int_equal(poke(RIG_RAM + 0x3000, bytes, 8), 8);
    xbar_riscv_get_stats(rig.hart, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

/* Code follows at once: there was no fence.i. */
static void test_code_follows(void **state)
{
    const uint32_t by_two = insn_addi(5, 5, 2);
    const uint32_t by_three = insn_addi(5, 5, 3);
    uint64_t fences = rig.hart->stats.fence_i;

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 1000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 500);
    assert_int_equal(poke(RIG_RAM, &by_two, 4), 4);
    run_exactly(&rig, 1000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1500);
    /* By physical address somebody has to say so. */
    assert_int_equal(xbar_address_space_debug_rw(&rig.as, RIG_RAM,
                                                 (void *)&by_three, 4, true),
                     4);
    xbar_riscv_debug_synchronize(rig.hart);
    run_exactly(&rig, 1000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 3000);
    assert_int_equal(rig.hart->stats.fence_i, fences);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bare),
        TEST(test_paged),
        TEST(test_nothing_is_counted),
        TEST(test_code_follows),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
