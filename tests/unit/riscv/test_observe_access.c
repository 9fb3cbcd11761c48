/* SPDX-License-Identifier: MIT */
/* What an event of an access says, field by field: one instruction at a time,
 * in both engines. */
#include "observed.h"

#define OFFSET 0x110000u /* in RAM: a page's start */

struct seen {
    struct xbar_access_event event;
    unsigned count;
    unsigned traps;
};

static void see(struct xbar_vcpu *vcpu, const struct xbar_access_event *event,
                void *userdata)
{
    struct seen *seen = userdata;

    assert_int_equal(xbar_vcpu_register(vcpu, 5), event->va);
    seen->event = *event;
    seen->count++;
}

static void see_trap(void *opaque, struct xbar_vcpu *vcpu,
                     const struct xbar_trap_event *event)
{
    struct seen *seen = opaque;

    assert_int_equal(event->pc, RAM_ADDR + CODE);
    assert_int_equal(event->handler, RAM_ADDR + HANDLER);
    assert_int_equal(xbar_vcpu_pc(vcpu), event->handler);
    seen->traps++;
}

/* The device unmaps itself. */
static void unmap(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    memory_region_set_enabled(&rig->io, false);
}

static enum xbar_riscv_engine engine;

/* @bits with x5 = @va and x6 = 0x8877665544332211; twice, so that the second
 * is translated. */
static struct seen execute(uint32_t bits, uint64_t va, bool unmaps)
{
    const struct xbar_instrument_ops ops = { .trap = see_trap };
    const struct setup setup = { 0 };
    const uint32_t code[] = { bits, INSN_SELF };
    struct seen seen = { 0 };
    struct log log = { 0 };
    struct rig rig;
    struct xbar_instrument *in;

    open_rig(&rig, &log, &setup);
    xbar_instrument_remove(log.in);
    in = xbar_instrument_add(log.instruments, &ops, &seen);
    assert_non_null(in);
    assert_int_equal(xbar_instrument_accesses(in, NULL, see, &seen), 0);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
    rig_code(&rig, CODE, code, 2);
    rig_code(&rig, HANDLER, code + 1, 1);
    rig.hart->mtvec = RAM_ADDR + HANDLER;
    rig.io_value = 0x1122334455667788u;
    for (unsigned i = 0; i < 3; i++) {
        memory_region_set_enabled(&rig.io, true);
        rig.on_write = unmaps ? unmap : NULL;
        seen = (struct seen){ 0 };
        for (unsigned j = 0; j < 16; j++) {
            rig.mem[OFFSET - 8 + j] = (uint8_t)(0xa0 + j);
        }
        rig.hart->x[5] = va;
        rig.hart->x[6] = 0x8877665544332211u;
        xbar_riscv_set_pc(rig.hart, RAM_ADDR + CODE);
        xbar_riscv_run(rig.hart, 1);
    }
    close_rig(&rig, &log);
    return seen;
}

static void test_a_load(void **state)
{
    struct seen seen =
        execute(encode(RISCV_OP_LH, 7, 5, 0, 0), RAM_ADDR + OFFSET, false);

    (void)state;
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.pc, RAM_ADDR + CODE);
    assert_int_equal(seen.event.phys, RAM_ADDR + OFFSET);
    assert_int_equal(seen.event.offset, OFFSET);
    assert_int_equal(seen.event.loaded, 0xa9a8);
    assert_int_equal(seen.event.stored, 0);
    assert_int_equal(seen.event.size, 2);
    assert_int_equal(seen.event.kind, XBAR_ACCESS_READ);
    assert_int_equal(seen.event.target, XBAR_TARGET_RAM);
    assert_int_equal(seen.event.crossing, 0);
}

static void test_a_store_across_pages(void **state)
{
    struct seen seen =
        execute(encode(RISCV_OP_SW, 0, 5, 6, 0), RAM_ADDR + OFFSET - 3, false);

    (void)state;
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.phys, RAM_ADDR + OFFSET - 3);
    assert_int_equal(seen.event.stored, 0x44332211);
    assert_int_equal(seen.event.size, 4);
    assert_int_equal(seen.event.kind, XBAR_ACCESS_WRITE);
    assert_int_equal(seen.event.target, XBAR_TARGET_RAM);
    assert_int_equal(seen.event.crossing, 3);
    assert_int_equal(seen.event.phys2, RAM_ADDR + OFFSET);
}

static void test_atomics(void **state)
{
    struct seen seen = execute(encode(RISCV_OP_AMOADD_W, 7, 5, 6, 0),
                               RAM_ADDR + OFFSET, false);

    (void)state;
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.kind, XBAR_ACCESS_READ | XBAR_ACCESS_WRITE);
    assert_int_equal(seen.event.loaded, 0xabaaa9a8);
    assert_int_equal(seen.event.stored, 0xabaaa9a8 + 0x44332211);
    /* Nothing is reserved. */
    seen = execute(encode(RISCV_OP_SC_W, 7, 5, 6, 0), RAM_ADDR + OFFSET, false);
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.traps, 0);
}

static void test_a_device(void **state)
{
    struct seen seen =
        execute(encode(RISCV_OP_LW, 7, 5, 0, 0), RIG_IO + 8, false);

    (void)state;
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.loaded, 0x55667788);
    assert_int_equal(seen.event.target, XBAR_TARGET_IO);
    assert_int_equal(seen.event.offset, 8);
    seen = execute(encode(RISCV_OP_SD, 0, 5, 6, 0), RIG_IO + 16, true);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.event.stored, 0x8877665544332211u);
    assert_int_equal(seen.event.phys, RIG_IO + 16);
    assert_int_equal(seen.event.offset, 16); /* where it was then */
}

static void test_faults_are_no_accesses(void **state)
{
    struct seen seen =
        execute(encode(RISCV_OP_LD, 7, 5, 0, 0), 0x40000000, false);

    (void)state;
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.traps, 1);
    seen = execute(encode(RISCV_OP_SD, 0, 5, 6, 0), RIG_ROM, false);
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.traps, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_load),
        cmocka_unit_test(test_a_store_across_pages),
        cmocka_unit_test(test_atomics),
        cmocka_unit_test(test_a_device),
        cmocka_unit_test(test_faults_are_no_accesses),
    };
    int failed;

    engine = XBAR_RISCV_INTERP;
    failed = _cmocka_run_group_tests("interp", tests, 5, NULL, NULL);
    if (xbar_riscv_has_jit()) {
        engine = XBAR_RISCV_JIT;
        failed += _cmocka_run_group_tests("jit", tests, 5, NULL, NULL);
    }
    return failed;
}
