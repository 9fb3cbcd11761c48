/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/debug_stops.c: breakpoints, watchpoints, steps.
 * test_debug_random has them all at once.
 */
#include "tests/unit/riscv/one_rig.h"

#include <errno.h>

#include "tests/unit/counting_alloc.h"
#include "tests/unit/riscv/encode.h"

#define CODE         ((uint64_t)RIG_RAM)
#define HANDLER      0x2000u  /* offset in RAM */
#define DATA         0x10000u /* the same */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum xbar_riscv_exit run(uint64_t count)
{
    return xbar_riscv_run(rig.hart, count);
}

static uint64_t pc(void)
{
    return xbar_riscv_get_pc(rig.hart);
}

static void add_break(uint64_t at)
{
    assert_int_equal(xbar_riscv_add_breakpoint(rig.hart, at), 0);
}

static void add_watch(uint64_t va, uint64_t size, unsigned prot)
{
    const struct xbar_tlb_watch watch = { va, size, (uint8_t)prot };

    assert_int_equal(xbar_riscv_add_watchpoint(rig.hart, &watch), 0);
}

/* ---- Breakpoints ------------------------------------------------------- */

static void test_stops_before_and_goes_on(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 1000); /* the block is there, and hot */
    add_break(CODE + 4);
    add_break(CODE + 4);
    for (unsigned i = 1; i <= 100; i++) {
        assert_int_equal(run(UINT64_MAX), XBAR_RISCV_EXIT_BREAK);
        assert_int_equal(pc(), CODE + 4);
        assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 500 + i);
        assert_int_equal(retired(&rig), 1000 + 2 * i - 1);
    }
    assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, CODE + 4), 0);
    assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, CODE + 4), -ENOENT);
    run_exactly(&rig, 1000);
}

/* Nothing but the breakpoint is executed, again and again. */
static void test_on_a_loop_of_one(void **state)
{
    const uint32_t code[] = { INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 1);
    add_break(CODE);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(run(UINT64_MAX), XBAR_RISCV_EXIT_BREAK);
        assert_int_equal(retired(&rig), 2 * i);
        assert_int_equal(xbar_riscv_step(rig.hart, false),
                         XBAR_RISCV_EXIT_BUDGET);
        /* That was a step, and here it is again. */
        assert_int_equal(run(UINT64_MAX), XBAR_RISCV_EXIT_BREAK);
        assert_int_equal(run(1), XBAR_RISCV_EXIT_BUDGET);
    }
}

static void test_the_budget_comes_first(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    add_break(CODE + 4);
    run_exactly(&rig, 1);
    assert_int_equal(run(1), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(run(0), XBAR_RISCV_EXIT_BUDGET);
    run_exactly(&rig, 2);
    assert_int_equal(run(0), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(run(1), XBAR_RISCV_EXIT_BREAK);
}

/* Who is sent to a breakpoint has not passed it. */
static void test_set_pc_and_reset(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    add_break(CODE);
    assert_int_equal(run(5), XBAR_RISCV_EXIT_BREAK);
    xbar_riscv_set_pc(rig.hart, CODE);
    assert_int_equal(run(5), XBAR_RISCV_EXIT_BREAK);
    xbar_riscv_reset(rig.hart);
    assert_int_equal(run(5), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(retired(&rig), 0);
    xbar_riscv_set_pc(rig.hart, CODE + 4);
    run_exactly(&rig, 1);
    assert_int_equal(run(5), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(retired(&rig), 1);
}

/* The handler runs before what is at the breakpoint does. */
static void test_an_interrupt_comes_first(void **state)
{
    const uint32_t handler[] = { insn_addi(6, 6, 1),
                                 insn_csr(3, 0, 0x304, 7) /* csrc mie, x7 */,
                                 INSN_MRET };

    (void)state;
    load_counting_loop(&rig);
    rig_code(&rig, HANDLER, handler, 3);
    set_csr(&rig, 0x305, RIG_RAM + HANDLER);
    add_break(CODE + 4);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_EXT, true);
    xbar_riscv_set_x(rig.hart, 7, MIP_MEIP);
    set_csr(&rig, 0x304, MIP_MEIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    add_break(RIG_RAM + HANDLER);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(pc(), RIG_RAM + HANDLER);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(pc(), CODE + 4);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 6), 1);
    assert_int_equal(retired(&rig), 4);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(retired(&rig), 6);
}

/* Each mode, each address space: it is a matter of the address alone. In the
 * second half of an instruction there is nothing to stop at. */
static void test_odd_places(void **state)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), INSN_WFI, INSN_SELF };

    (void)state;
    rig_code(&rig, 0xffe, code, 3); /* over the page's end */
    xbar_riscv_set_pc(rig.hart, CODE + 0xffe);
    set_csr(&rig, 0x304, MIP_MEIP);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_EXT, true);
    add_break(CODE + 0x1000);
    add_break(CODE + 0x1002);
    add_break(CODE + 0x1006);
    add_break(UINT64_MAX - 1);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(pc(), CODE + 0x1002);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(pc(), CODE + 0x1006);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
}

static void test_an_exit_at_a_breakpoint(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    add_break(CODE + 4);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
    xbar_riscv_request_exit(rig.hart);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(pc(), CODE + 4);
    assert_int_equal(run(1), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), CODE);
}

/* ---- Watchpoints ------------------------------------------------------- */

static void check_hit(uint64_t watch, uint64_t va, enum xbar_tlb_access access)
{
    struct xbar_riscv_hit hit = xbar_riscv_watch_hit(rig.hart);

    assert_int_equal(hit.watch.va, watch);
    assert_int_equal(hit.va, va);
    assert_int_equal(hit.access, access);
}

static void test_stops_behind_an_access(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SD, 0, 10, 6, 0),   insn_addi(6, 6, 1),
        encode(RISCV_OP_LW, 7, 10, 0, 4),   insn_addi(6, 6, 1),
        encode(RISCV_OP_JAL, 0, 0, 0, -16),
    };
    const struct xbar_tlb_watch watch = { RIG_RAM + DATA + 4, 2,
                                          TLB_PROT_READ | TLB_PROT_WRITE };

    (void)state;
    rig_code(&rig, 0, code, 5);
    xbar_riscv_set_x(rig.hart, 10, RIG_RAM + DATA);
    run_exactly(&rig, 5000);
    add_watch(watch.va, watch.size, watch.prot);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_WATCH);
    check_hit(watch.va, watch.va, TLB_WRITE);
    assert_int_equal(pc(), CODE + 4);
    assert_int_equal(retired(&rig), 5001);
    assert_int_equal(rig.mem[DATA] | rig.mem[DATA + 1] << 8, 2000);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_WATCH);
    check_hit(watch.va, watch.va, TLB_READ);
    assert_int_equal(pc(), CODE + 12);
    assert_int_equal(xbar_riscv_remove_watchpoint(rig.hart, &watch), 0);
    assert_int_equal(xbar_riscv_remove_watchpoint(rig.hart, &watch), -ENOENT);
    run_exactly(&rig, 5000);
}

static void test_devices_and_atomics(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SW, 0, 11, 6, 8),
        encode(RISCV_OP_AMOADD_D, 7, 10, 6, 0),
        encode(RISCV_OP_LR_D, 7, 10, 0, 0),
        encode(RISCV_OP_SC_D, 7, 10, 6, 0),
        encode(RISCV_OP_CBO_ZERO, 0, 10, 0, 0),
        insn_addi(6, 6, 1),
        encode(RISCV_OP_JAL, 0, 0, 0, -24),
    };
    static const enum xbar_tlb_access expected[] = { TLB_WRITE, TLB_READ,
                                                     TLB_READ, TLB_READ,
                                                     TLB_READ };

    (void)state;
    rig_code(&rig, 0, code, 7);
    xbar_riscv_set_x(rig.hart, 10, RIG_RAM + DATA);
    xbar_riscv_set_x(rig.hart, 11, RIG_IO);
    run_exactly(&rig, 7000);
    assert_int_equal(rig.io_writes, 1000);
    add_watch(RIG_IO + 8, 4, TLB_PROT_WRITE);
    add_watch(RIG_RAM + DATA, 8, TLB_PROT_READ | TLB_PROT_WRITE);
    for (unsigned i = 0; i < 15; i++) {
        assert_int_equal(run(100), XBAR_RISCV_EXIT_WATCH);
        assert_int_equal(pc(), CODE + 4 * (i % 5 + 1));
        assert_int_equal(xbar_riscv_watch_hit(rig.hart).access,
                         expected[i % 5]);
        assert_int_equal(rig.io_writes, 1001 + i / 5);
    }
    assert_int_equal(rig.io_value, 1002);
}

static void test_bad_watches(void **state)
{
    static const struct xbar_tlb_watch bad[] = {
        { 0, 0, TLB_PROT_READ },
        { UINT64_MAX, 2, TLB_PROT_READ },
        { 2, UINT64_MAX, TLB_PROT_READ },
        { 0, 1, 0 },
        { 0, 1, TLB_PROT_EXEC },
        { 0, 1, TLB_PROT_READ | TLB_PROT_EXEC },
    };

    (void)state;
    for (unsigned i = 0; i < COUNT(bad); i++) {
        assert_int_equal(xbar_riscv_add_watchpoint(rig.hart, &bad[i]), -EINVAL);
        assert_int_equal(xbar_riscv_remove_watchpoint(rig.hart, &bad[i]),
                         -ENOENT);
    }
    add_watch(UINT64_MAX, 1, TLB_PROT_READ);
    add_watch(1, UINT64_MAX, TLB_PROT_READ);
}

/* Nothing is lost if somebody asks for an exit just then. */
static void ask_for_an_exit(struct rig *it, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_request_exit(it->hart);
}

static void test_an_exit_and_a_hit(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_SD, 0, 11, 6, 0), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    xbar_riscv_set_x(rig.hart, 11, RIG_IO);
    rig.on_write = ask_for_an_exit;
    add_watch(RIG_IO, 1, TLB_PROT_WRITE);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(retired(&rig), 1);
    assert_int_equal(run(100), XBAR_RISCV_EXIT_WATCH);
    assert_int_equal(retired(&rig), 1);
    run_exactly(&rig, 100);
}

static void test_all_go(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_SD, 0, 10, 6, 0),
                              encode(RISCV_OP_JAL, 0, 0, 0, -4) };

    (void)state;
    rig_code(&rig, 0, code, 2);
    xbar_riscv_set_x(rig.hart, 10, RIG_RAM + DATA);
    xbar_riscv_remove_stops(rig.hart);
    for (unsigned i = 0; i < 2; i++) {
        add_break(CODE);
        add_break(CODE + 4);
        add_watch(RIG_RAM + DATA, 1, TLB_PROT_WRITE);
        assert_int_equal(run(100), XBAR_RISCV_EXIT_BREAK);
        assert_int_equal(run(100), XBAR_RISCV_EXIT_WATCH);
        xbar_riscv_remove_stops(rig.hart);
        run_exactly(&rig, 101);
        assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, CODE), -ENOENT);
    }
}

/* What was translated, one block after the other. */
struct emitted {
    uint8_t bytes[0x4000];
    size_t size;
    unsigned blocks;
};

static bool note_code(void *opaque, const struct xbar_riscv_block *block)
{
    struct emitted *emitted = opaque;

    assert_true(block->code_size <= sizeof(emitted->bytes) - emitted->size);
    memcpy(emitted->bytes + emitted->size, block->code, block->code_size);
    emitted->size += block->code_size;
    emitted->blocks++;
    return true;
}

static void emit(struct emitted *emitted, bool debugged)
{
    static const uint32_t code[] = {
        0x00053283, /* ld x5, 0(x10) */
        0x00128293, /* addi x5, x5, 1 */
        0x00553423, /* sd x5, 8(x10) */
        0xff5ff06f, /* j .-12 */
    };

    memset(emitted, 0, sizeof(*emitted));
    rig_code(&rig, 0, code, COUNT(code));
    xbar_riscv_set_x(rig.hart, 10, RIG_RAM + DATA);
    if (debugged) {
        add_break(CODE + 0x1000); /* in another page */
        add_break(CODE + 4);
        assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, CODE + 4), 0);
        add_watch(RIG_RAM + DATA + 0x1000, 8, TLB_PROT_READ);
    }
    run_exactly(&rig, 20000);
    xbar_riscv_for_each_block(rig.hart, note_code, emitted);
}

/* No byte of translated code is for debuggers. */
static void test_code_is_the_same(void **state)
{
    static struct emitted plain, debugged;

    emit(&plain, false);
    (void)teardown(state);
    assert_int_equal(setup(state), 0);
    emit(&debugged, true);
    assert_int_equal(plain.blocks, debugged.blocks);
    assert_int_equal(plain.blocks != 0, engine == XBAR_RISCV_JIT);
    assert_int_equal(plain.size, debugged.size);
    assert_memory_equal(plain.bytes, debugged.bytes, plain.size);
}

/* ---- Steps ------------------------------------------------------------- */

static void test_step(void **state)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), INSN_ECALL };
    const uint32_t handler[] = { INSN_WFI, insn_addi(6, 6, 1), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    rig_code(&rig, HANDLER, handler, 3);
    set_csr(&rig, 0x305, RIG_RAM + HANDLER);
    for (unsigned i = 0; i < 2; i++) {
        add_break(CODE + 4 * i);
    }
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), CODE + 4);
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), RIG_RAM + HANDLER); /* and no further */
    assert_int_equal(retired(&rig), 1);
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), RIG_RAM + HANDLER + 4); /* wfi does not wait */
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 6), 1);
    assert_int_equal(retired(&rig), 3);
}

static void test_step_and_interrupts(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    set_csr(&rig, 0x305, RIG_RAM + HANDLER);
    set_csr(&rig, 0x304, MIP_MEIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_EXT, true);
    assert_int_equal(xbar_riscv_step(rig.hart, false), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), CODE + 4);
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), RIG_RAM + HANDLER);
    assert_int_equal(retired(&rig), 1);
    xbar_riscv_request_exit(rig.hart);
    assert_int_equal(xbar_riscv_step(rig.hart, true), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(pc(), RIG_RAM + HANDLER);
}

/* A step into an address that cannot be fetched takes that exception. */
static void test_step_to_nowhere(void **state)
{
    (void)state;
    set_csr(&rig, 0x305, RIG_RAM + HANDLER);
    xbar_riscv_set_pc(rig.hart, 0x5000);
    assert_int_equal(xbar_riscv_step(rig.hart, false), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(pc(), RIG_RAM + HANDLER);
    assert_int_equal(get_csr(&rig, 0x342), CAUSE_FETCH_ACCESS);
}

static void test_step_over_fence_i(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_SW, 0, 10, 7, 16),
                              encode(RISCV_OP_FENCE_I, 0, 0, 0, 0),
                              INSN_NOP,
                              INSN_NOP,
                              insn_addi(5, 5, 1),
                              encode(RISCV_OP_JAL, 0, 0, 0, -20) };

    (void)state;
    rig_code(&rig, 0, code, 6);
    xbar_riscv_set_x(rig.hart, 10, CODE);
    xbar_riscv_set_x(rig.hart, 7, insn_addi(5, 5, 1));
    run_exactly(&rig, 600);
    xbar_riscv_set_x(rig.hart, 7, insn_addi(5, 5, 2));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(xbar_riscv_step(rig.hart, false),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    xbar_riscv_set_x(rig.hart, 5, 0);
    run_exactly(&rig, 3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 2);
}

/* ---- Memory that runs out ---------------------------------------------- */

static void test_no_memory(void **state)
{
    static struct counting_alloc counting = {
        .hooks = { counting_alloc_get, counting_alloc_put, &counting },
    }; /* until the teardown */
    const struct xbar_engine_config config = { .allocator = &counting.hooks };
    const struct xbar_riscv_config plain = { .hartid = 0 };
    struct xbar_tlb_watch watch = { RIG_RAM + DATA, 1, TLB_PROT_READ };

    (void)state;
    rig_close(&rig);
    rig_open_in(&rig, &config, &plain);
    load_counting_loop(&rig);
    for (unsigned round = 0; round < 2; round++) {
        watch.va++;
        counting_alloc_fail(&counting, 1);
        assert_int_equal(xbar_riscv_add_breakpoint(rig.hart, CODE + 32 * round),
                         -ENOMEM);
        counting_alloc_fail(&counting, 1);
        assert_int_equal(xbar_riscv_add_watchpoint(rig.hart, &watch), -ENOMEM);
        assert_int_equal(xbar_riscv_remove_watchpoint(rig.hart, &watch),
                         -ENOENT);
        for (unsigned i = 0; i < 8; i++) {
            add_break(CODE + 32 * round + 4 * i);
            watch.va++;
            assert_int_equal(xbar_riscv_add_watchpoint(rig.hart, &watch), 0);
        }
    }
    assert_int_equal(run(1), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, CODE + 60), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_stops_before_and_goes_on), CASE(test_on_a_loop_of_one),
        CASE(test_the_budget_comes_first),   CASE(test_set_pc_and_reset),
        CASE(test_an_interrupt_comes_first), CASE(test_odd_places),
        CASE(test_an_exit_at_a_breakpoint),  CASE(test_stops_behind_an_access),
        CASE(test_devices_and_atomics),      CASE(test_bad_watches),
        CASE(test_an_exit_and_a_hit),        CASE(test_all_go),
        CASE(test_code_is_the_same),         CASE(test_step),
        CASE(test_step_and_interrupts),      CASE(test_step_to_nowhere),
        CASE(test_step_over_fence_i),        CASE(test_no_memory),
    };

    return run_for_each_engine(tests, COUNT(tests), &engine);
}
