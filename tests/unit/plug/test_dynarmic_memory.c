/* SPDX-License-Identifier: MIT */
/* Loads and stores, by the page table and by callbacks. */
#include "tests/unit/plug/dynarmic_rig.h"

/* ---- Accesses ---------------------------------------------------------- */

static hwaddr wrote_at[4];
static uint64_t wrote[4];
static unsigned writes;

static void note_write(struct board *b, hwaddr addr, uint64_t value,
                       unsigned size)
{
    (void)b, (void)size;
    if (writes < 4) {
        wrote_at[writes] = addr;
        wrote[writes++] = value;
    }
}

static void test_accesses(void **state)
{
    static struct rig r;
    uint64_t before;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = note_write;
    writes = 0;
    set(&r, 0, 0x1122334455667788);
    set(&r, 1, RAM + 0x10000);
    set(&r, 3, DEVICE);
    set(&r, 4, RAM + 0x20ff8);
    p = r.b.code;
    *p++ = a64_str(3, 0, 1, 0);
    *p++ = a64_ldr(0, 5, 1, 1);
    *p++ = a64_ldr(1, 6, 1, 2);
    *p++ = a64_str(3, 0, 3, 16); /* 8 bytes, as one */
    *p++ = a64_str(0, 0, 3, 25);
    *p++ = a64_ldr_q(1, 1, 0);
    *p++ = a64_str_q(1, 4, 0); /* over two pages */
    *p++ = a64_addi(4, 4, 3);
    *p++ = a64_ldr(3, 7, 4, 0); /* the same, misaligned */
    *p++ = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 5), 0x77);
    assert_int_equal(get(&r, 6), 0x5566);
    assert_int_equal(writes, 2);
    assert_int_equal(wrote_at[0], 16);
    assert_int_equal(wrote[0], 0x1122334455667788);
    assert_int_equal(wrote[1], 0x88);
    assert_memory_equal(r.b.mem + 0x20ff8, r.b.mem + 0x10000, 16);
    assert_int_equal(get(&r, 7), 0x1122334455);
    /* What hit once hits without a callback. */
    before = rig_stats(&r).callbacks;
    set(&r, 4, RAM + 0x20ff0);
    r.b.code[0x40] = a64_ldr(3, 5, 1, 8);
    r.b.code[0x41] = a64_str(3, 0, 1, 8);
    r.b.code[0x42] = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM + 0x100), XBAR_DYNARMIC_SVC);
    assert_int_equal(rig_stats(&r).callbacks, before);
    rig_finish(&r);
}

static void test_exclusive(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    set(&r, 1, RAM + 0x10000);
    p = r.b.code;
    *p++ = a64_ldxr(0, 1);
    *p++ = a64_addi(0, 0, 5);
    *p++ = a64_stxr(2, 0, 1);
    *p++ = a64_stxr(3, 0, 1); /* nothing is reserved any more */
    *p++ = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 2), 0);
    assert_int_equal(get(&r, 3), 1);
    assert_int_equal(r.b.mem[0x10000], 5);
    rig_finish(&r);
}

/* They are callbacks, and fill a page that is in the page table already. */
static void test_exclusives_leave_the_page_table(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    set(&r, 1, RAM + 0x10000);
    set(&r, 4, 40000);
    p = r.b.code;
    *p++ = a64_ldxr(0, 1);
    *p++ = a64_addi(0, 0, 1);
    *p++ = a64_stxr(2, 0, 1);
    *p++ = a64_subi(4, 4, 1);
    *p++ = a64_cbnz(4, -16);
    *p++ = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_true(rig_stats(&r).callbacks >= 80000);
    assert_int_equal(rig_stats(&r).filled, 1);
    assert_int_equal(rig_stats(&r).dropped, 0);
    rig_finish(&r);
}

static void test_faults(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    p = r.b.code;
    *p++ = a64_ldr(2, 0, 1, 4);
    *p++ = a64_svc(0);
    set(&r, 1, 0x40000000);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    assert_int_equal(r.stop.fault.va, 0x40000004);
    assert_int_equal(r.stop.fault.result, MEMTX_DECODE_ERROR);
    assert_false(r.stop.is_store);
    r.b.code[0x10] = a64_str(2, 0, 1, 0); /* to ROM, and where the table ends */
    r.b.code[0x11] = a64_svc(0); /* else dynarmic reads on through all zeros */
    set(&r, 1, ROM);
    assert_int_equal(rig_run(&r, RAM + 0x40), XBAR_DYNARMIC_FAULT);
    assert_true(r.stop.is_store);
    assert_int_equal(r.stop.fault.result, MEMTX_ERROR);
    set(&r, 1, UINT64_C(1) << 50);
    assert_int_equal(rig_run(&r, RAM + 0x40), XBAR_DYNARMIC_FAULT);
    assert_int_equal(r.stop.fault.va, UINT64_C(1) << 50);
    assert_int_equal(rig_run(&r, DEVICE), XBAR_DYNARMIC_EXCEPTION);
    r.b.code[0x20] = a64_brk();
    r.b.code[0x21] = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM + 0x80), XBAR_DYNARMIC_EXCEPTION);
    assert_int_equal(r.stop.pc, RAM + 0x80);
    rig_finish(&r);
}

/* ---- Dirty logs -------------------------------------------------------- */

static void test_stores_are_dirty(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    p = r.b.code;
    *p++ = a64_str(2, 0, 1, 0);
    *p++ = a64_svc(0);
    set(&r, 1, RAM + 0x10000);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC); /* in the table */
    assert_int_equal(memory_region_set_log(&r.b.ram, true, DIRTY_MEMORY_VGA),
                     0);
    for (unsigned i = 0; i < 3; i++) {
        memory_region_reset_dirty(&r.b.ram, 0, RAM_SIZE, DIRTY_MEMORY_VGA);
        assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
        for (unsigned page = 0; page < RAM_SIZE / PAGE; page++) {
            assert_int_equal(memory_region_get_dirty(&r.b.ram, page * PAGE, 1,
                                                     DIRTY_MEMORY_VGA),
                             page == 0x10);
        }
    }
    memory_region_set_log(&r.b.ram, false, DIRTY_MEMORY_VGA);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accesses),
        cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_exclusives_leave_the_page_table),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_stores_are_dirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
