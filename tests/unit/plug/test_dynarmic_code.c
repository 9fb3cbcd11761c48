/* SPDX-License-Identifier: MIT */
/* Code that somebody wrote. */
#include "tests/unit/plug/dynarmic_rig.h"

static void dma(struct board *b, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr, (void)size;
    put(b, value, 200);
}

static void test_written_code(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = dma;
    put(&r.b, BANK0, 100);
    set(&r, 3, DEVICE);
    set(&r, 4, BANK0);
    p = r.b.code;
    *p++ = a64_blr(4);
    *p++ = a64_addi(5, 0, 0);
    *p++ = a64_str(2, 4, 3, 16); /* a device overwrites it */
    *p++ = a64_isb();
    *p++ = a64_blr(4);
    *p++ = a64_addi(6, 0, 0);
    *p++ = a64_svc(0);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 5), 100);
    assert_int_equal(get(&r, 6), 200);
    put(&r.b, BANK0, 300); /* between runs */
    assert_int_equal(rig_run(&r, RAM + 16), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 6), 300);
    /* The guest itself, as the architecture has it. */
    p = r.b.code + 0x40;
    *p++ = a64_blr(4);
    *p++ = a64_str(2, 7, 4, 0);
    *p++ = a64_ic_ivau(4);
    *p++ = a64_isb();
    *p++ = a64_blr(4);
    *p++ = a64_svc(0);
    set(&r, 7, a64_movz(0, 400, 0));
    assert_int_equal(rig_run(&r, RAM + 0x100), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 0), 400);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
