/* SPDX-License-Identifier: MIT */
/* Loads and stores: widths, signs, crossings, faults without side effects. */
#include "exec.h"
#include "paging.h"

#define DATA ((uint64_t)RIG_RAM + EXEC_DATA)

static void put_data(struct rig *rig, uint32_t offset, uint64_t value)
{
    memcpy(rig->mem + EXEC_DATA + offset, &value, sizeof(value));
}

static uint64_t get_data(const struct rig *rig, uint32_t offset)
{
    uint64_t value;

    memcpy(&value, rig->mem + EXEC_DATA + offset, sizeof(value));
    return value;
}

static uint64_t load(struct rig *rig, enum riscv_op op, uint64_t va)
{
    rig->hart->x[5] = va - 16;
    rig->hart->x[7] = 0;
    exec_ok(rig, encode(op, 7, 5, 0, 16));
    return rig->hart->x[7];
}

static void store(struct rig *rig, enum riscv_op op, uint64_t va,
                  uint64_t value)
{
    rig->hart->x[5] = va + 16;
    rig->hart->x[6] = value;
    exec_ok(rig, encode(op, 0, 5, 6, -16));
}

/* ---- RAM --------------------------------------------------------------- */

static void test_widths_and_signs(void **state)
{
    struct rig *rig = *state;

    put_data(rig, 0, 0xf1f2f3f4f5f6f7f8);
    assert_int_equal(load(rig, RISCV_OP_LB, DATA), 0xfffffffffffffff8);
    assert_int_equal(load(rig, RISCV_OP_LBU, DATA), 0xf8);
    assert_int_equal(load(rig, RISCV_OP_LH, DATA), 0xfffffffffffff7f8);
    assert_int_equal(load(rig, RISCV_OP_LHU, DATA), 0xf7f8);
    assert_int_equal(load(rig, RISCV_OP_LW, DATA), 0xfffffffff5f6f7f8);
    assert_int_equal(load(rig, RISCV_OP_LWU, DATA), 0xf5f6f7f8);
    assert_int_equal(load(rig, RISCV_OP_LD, DATA), 0xf1f2f3f4f5f6f7f8);
    put_data(rig, 0, 0x0102030404030201);
    assert_int_equal(load(rig, RISCV_OP_LB, DATA), 1);
    assert_int_equal(load(rig, RISCV_OP_LW, DATA), 0x04030201);
}

static void test_stores_touch_their_bytes_alone(void **state)
{
    static const struct {
        enum riscv_op op;
        uint64_t result;
    } cases[] = {
        { RISCV_OP_SB, 0xffffffffffff88ff },
        { RISCV_OP_SH, 0xffffffffff7788ff },
        { RISCV_OP_SW, 0xffffff55667788ff },
    };
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_data(rig, 0, UINT64_MAX);
        store(rig, cases[i].op, DATA + 1, 0x1122334455667788);
        assert_int_equal(get_data(rig, 0), cases[i].result);
    }
    store(rig, RISCV_OP_SD, DATA, 0x1122334455667788);
    assert_int_equal(get_data(rig, 0), 0x1122334455667788);
}

static void test_misaligned(void **state)
{
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < 16; i++) {
        rig->mem[EXEC_DATA + 0xff8 + i] = (uint8_t)(i + 1);
    }
    assert_int_equal(load(rig, RISCV_OP_LD, DATA + 0xff3 + 8),
                     0x0b0a090807060504);
    assert_int_equal(load(rig, RISCV_OP_LW, DATA + 0xffe), 0x0a090807);
    assert_int_equal(load(rig, RISCV_OP_LHU, DATA + 0xfff), 0x0908);
    store(rig, RISCV_OP_SD, DATA + 0xffb, 0xa8a7a6a5a4a3a2a1);
    assert_int_equal(get_data(rig, 0xffb), 0xa8a7a6a5a4a3a2a1);
    assert_int_equal(rig->mem[EXEC_DATA + 0xffa], 3);
    assert_int_equal(rig->mem[EXEC_DATA + 0x1003], 12);
}

static void test_counters(void **state)
{
    struct rig *rig = *state;
    uint64_t(*of)[TLB_SIZES] = rig->hart->accesses.of[CTX_M];

    load(rig, RISCV_OP_LD, DATA);
    load(rig, RISCV_OP_LD, DATA + 0xffc);
    store(rig, RISCV_OP_SB, DATA, 1);
    assert_int_equal(of[TLB_READ][3], 2);
    assert_int_equal(of[TLB_WRITE][0], 1);
    rig->hart->x[5] = 0;
    exec_traps(rig, encode(RISCV_OP_LD, 7, 5, 0, 0), CAUSE_LOAD_ACCESS, 0);
    exec_traps(rig, encode(RISCV_OP_SD, 0, 5, 7, 0), CAUSE_STORE_ACCESS, 0);
    assert_int_equal(of[TLB_READ][3], 2);
    assert_int_equal(of[TLB_WRITE][0], 1);
    assert_int_equal(of[TLB_WRITE][3], 0);
}

/* ---- Devices ----------------------------------------------------------- */

static void test_device(void **state)
{
    struct rig *rig = *state;

    store(rig, RISCV_OP_SW, RIG_IO + 8, 0x12345678);
    assert_int_equal(rig->io_writes, 1);
    assert_int_equal(rig->io_value, 0x12345678);
    rig->io_value = 0x80;
    assert_int_equal(load(rig, RISCV_OP_LB, RIG_IO + 8), 0xffffffffffffff80);
    assert_int_equal(load(rig, RISCV_OP_LBU, RIG_IO + 8), 0x80);
}

/* ---- Faults ------------------------------------------------------------ */

static void test_nothing_there(void **state)
{
    struct rig *rig = *state;

    rig->hart->x[5] = 0x50000000;
    rig->hart->x[7] = 0x1234;
    exec_traps(rig, encode(RISCV_OP_LW, 7, 5, 0, 4), CAUSE_LOAD_ACCESS,
               0x50000004);
    assert_int_equal(rig->hart->x[7], 0x1234);
    exec_traps(rig, encode(RISCV_OP_SW, 0, 5, 7, -4), CAUSE_STORE_ACCESS,
               0x4ffffffc);
}

static void test_rom_refuses_stores(void **state)
{
    struct rig *rig = *state;

    rig->hart->x[5] = RIG_ROM;
    assert_int_equal(load(rig, RISCV_OP_LD, RIG_ROM), 0);
    rig->hart->x[5] = RIG_ROM;
    exec_traps(rig, encode(RISCV_OP_SD, 0, 5, 5, 8), CAUSE_STORE_ACCESS,
               RIG_ROM + 8);
    assert_int_equal(load(rig, RISCV_OP_LD, RIG_ROM + 8), 0);
}

/* What crosses the end of RAM does nothing at all. */
static void test_crossing_into_nothing(void **state)
{
    const uint64_t end = (uint64_t)RIG_RAM + RIG_RAM_SIZE;
    struct rig *rig = *state;
    uint8_t *last = rig->mem + RIG_RAM_SIZE - 4;

    memset(last, 0x11, 4);
    rig->hart->x[5] = end - 4;
    rig->hart->x[7] = 0x1234;
    exec_traps(rig, encode(RISCV_OP_LD, 7, 5, 0, 0), CAUSE_LOAD_ACCESS, end);
    assert_int_equal(rig->hart->x[7], 0x1234);
    exec_traps(rig, encode(RISCV_OP_SD, 0, 5, 7, 0), CAUSE_STORE_ACCESS, end);
    assert_int_equal(last[0], 0x11);
    assert_int_equal(last[3], 0x11);
}

/* The same between pages: the address that faults is in the second one. */
static void test_crossing_into_an_unmapped_page(void **state)
{
    struct rig *rig = *state;

    paging_map(rig, 0, EXEC_DATA, PTE_R | PTE_W);
    paging_map(rig, 2, EXEC_DATA + 0x1000, PTE_R);
    put_data(rig, 0xff8, 0x1111111111111111);

    paging_enter(rig, PRIV_S);
    rig->hart->x[5] = 0xffd;
    exec_traps(rig, encode(RISCV_OP_LW, 7, 5, 0, 0), CAUSE_LOAD_PAGE, 0x1000);

    paging_enter(rig, PRIV_S);
    rig->hart->x[5] = 0xffd;
    exec_traps(rig, encode(RISCV_OP_SW, 0, 5, 7, 0), CAUSE_STORE_PAGE, 0x1000);
    assert_int_equal(get_data(rig, 0xff8), 0x1111111111111111);

    paging_enter(rig, PRIV_S);
    rig->hart->x[5] = 0x2008;
    exec_traps(rig, encode(RISCV_OP_SW, 0, 5, 7, 0), CAUSE_STORE_PAGE, 0x2008);
}

/* Neighbours in virtual memory need not be neighbours in RAM. */
static void test_crossing_scattered_pages(void **state)
{
    struct rig *rig = *state;

    paging_map(rig, 0, EXEC_DATA + 0x4000, PTE_R | PTE_W);
    paging_map(rig, 1, EXEC_DATA, PTE_R | PTE_W);
    paging_enter(rig, PRIV_S);
    store(rig, RISCV_OP_SD, 0xffd, 0x8877665544332211);
    assert_int_equal(get_data(rig, 0x4ff8) >> 40, 0x332211);
    assert_int_equal(get_data(rig, 0) & 0xffffffffff, 0x8877665544);
    assert_int_equal(load(rig, RISCV_OP_LD, 0xffd), 0x8877665544332211);
}

/* ---- Floating point registers ------------------------------------------ */

static void test_fp_loads_and_stores(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    hart->mstatus |= (uint64_t)1 << MSTATUS_FS_SHIFT;
    put_data(rig, 0, 0x1122334455667788);
    hart->x[5] = DATA;
    exec_ok(rig, encode(RISCV_OP_FLW, 0, 5, 0, 0));
    assert_int_equal(hart->f[0], 0xffffffff55667788);
    assert_int_equal(hart->mstatus & MSTATUS_FS, MSTATUS_FS);
    exec_ok(rig, encode(RISCV_OP_FLD, 31, 5, 0, 0));
    assert_int_equal(hart->f[31], 0x1122334455667788);
    /* Not boxed: stored as it is. */
    exec_ok(rig, encode(RISCV_OP_FSW, 0, 5, 31, 8));
    assert_int_equal(get_data(rig, 8), 0x55667788);
    exec_ok(rig, encode(RISCV_OP_FSD, 0, 5, 31, 8));
    assert_int_equal(get_data(rig, 8), 0x1122334455667788);
}

static void test_fp_off(void **state)
{
    static const enum riscv_op ops[] = { RISCV_OP_FLW, RISCV_OP_FLD,
                                         RISCV_OP_FSW, RISCV_OP_FSD };
    struct rig *rig = *state;
    unsigned i;

    rig->hart->mstatus &= ~MSTATUS_FS;
    rig->hart->x[5] = 0; /* illegal goes before a fault */
    for (i = 0; i < 4; i++) {
        exec_is_illegal(rig, encode(ops[i], 0, 5, 0, 0));
    }
    exec_is_illegal(rig, 0x2108); /* c.fld fa0,0(a0) */
}

static void test_fp_load_fault(void **state)
{
    struct rig *rig = *state;

    rig->hart->mstatus |= (uint64_t)1 << MSTATUS_FS_SHIFT;
    rig->hart->x[5] = 0;
    rig->hart->f[3] = 0x1234;
    exec_traps(rig, encode(RISCV_OP_FLD, 3, 5, 0, 0), CAUSE_LOAD_ACCESS, 0);
    assert_int_equal(rig->hart->f[3], 0x1234);
    assert_int_equal((rig->hart->mstatus & MSTATUS_FS) >> MSTATUS_FS_SHIFT, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_widths_and_signs),
        TEST(test_stores_touch_their_bytes_alone),
        TEST(test_misaligned),
        TEST(test_counters),
        TEST(test_device),
        TEST(test_nothing_there),
        TEST(test_rom_refuses_stores),
        TEST(test_crossing_into_nothing),
        TEST(test_crossing_into_an_unmapped_page),
        TEST(test_crossing_scattered_pages),
        TEST(test_fp_loads_and_stores),
        TEST(test_fp_off),
        TEST(test_fp_load_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
