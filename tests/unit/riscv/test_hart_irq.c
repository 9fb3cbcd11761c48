/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/hart.c: interrupt lines, timer, wfi. */
#include "tests/unit/riscv/one_rig.h"

#include <sched.h>

static int setup_deterministic(void **state)
{
    const struct xbar_riscv_config config = { .insns_per_tick = 10 };

    (void)state;
    rig_open_with(&rig, &config);
    return xbar_riscv_set_engine(rig.hart, engine);
}

/* The handler counts in x7, once. */
static void load_handler(void)
{
    const uint32_t handler[] = { insn_addi(7, 7, 1), INSN_SELF };

    rig_code(&rig, 0x100, handler, 2);
    set_csr(&rig, 0x305, RIG_RAM + 0x100);
}

static void *raise_line(void *opaque)
{
    const enum xbar_riscv_irq *line = opaque;

    sleep_ms(10);
    xbar_riscv_set_irq(rig.hart, *line, true);
    return NULL;
}

/* As soon as it sleeps. */
static void *wake_with_line(void *opaque)
{
    const enum xbar_riscv_irq *line = opaque;

    while (!atomic_load(&rig.hart->sleeping)) {
        sched_yield();
    }
    xbar_riscv_set_irq(rig.hart, *line, true);
    return NULL;
}

/* Run @count instructions at a time, while @raiser puts @line up, until x@reg
 * is no longer 0. */
static void run_with_line(void *(*raiser)(void *), enum xbar_riscv_irq line,
                          uint64_t count, unsigned reg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, raiser, &line), 0);
    while (xbar_riscv_get_x(rig.hart, reg) == 0) {
        run_exactly(&rig, count);
    }
    pthread_join(thread, NULL);
}

static void test_line_interrupts_a_loop(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    load_handler();
    set_csr(&rig, 0x304, MIP_MEIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    run_with_line(raise_line, XBAR_RISCV_IRQ_M_EXT, 1000, 7);
    assert_int_equal(get_csr(&rig, 0x342), 1ull << 63 | 11);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1);
}

static void test_line_ends_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    struct xbar_riscv_stats stats;

    (void)state;
    rig_code(&rig, 0, code, 3);
    load_handler();
    set_csr(&rig, 0x304, MIP_MSIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    run_with_line(wake_with_line, XBAR_RISCV_IRQ_M_SOFT, 3, 7);
    assert_int_equal(get_csr(&rig, 0x342), 1ull << 63 | 3);
    assert_int_equal(get_csr(&rig, 0x341), RIG_RAM + 4); /* after the wfi */
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_true(stats.wfi_sleeps >= 1);
    assert_int_equal(stats.interrupts, 1);
    assert_int_equal(stats.traps[32 + 3], 1);
}

/* Masked by MIE, but enabled in mie: wfi ends and the guest goes on. */
static void test_masked_line_ends_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(&rig, 0x304, MIP_MSIP);
    run_with_line(wake_with_line, XBAR_RISCV_IRQ_M_SOFT, 2, 5);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    /* And pending already: it does not even begin. */
    xbar_riscv_set_pc(rig.hart, RIG_RAM);
    run_exactly(&rig, 2);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 2);
}

/* A line that is not enabled in mie does not end it. */
static void test_disabled_line_leaves_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    struct exiter exiter = { .rig = &rig, .delay_ms = 20 };
    enum xbar_riscv_irq line = XBAR_RISCV_IRQ_M_SOFT;
    pthread_t threads[2];

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(&rig, 0x304, MIP_MEIP);
    run_exactly(&rig, 1);
    assert_int_equal(pthread_create(&threads[0], NULL, raise_line, &line), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, ask_exit, &exiter), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    assert_int_equal(retired(&rig), 1);
}

/* ---- Timer ------------------------------------------------------------- */

/* How long a wfi sleeps that a timer ends in 20 ms. */
static uint64_t sleep_for_20_ms(void)
{
    uint64_t start = now_ns();

    xbar_riscv_set_x(rig.hart, 5, 0);
    xbar_riscv_set_pc(rig.hart, RIG_RAM);
    xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 200000);
    run_exactly(&rig, 2);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    return now_ns() - start;
}

/* Never earlier; and not much later, unless other programs have the processor:
 * so at least once in many tries. */
static void test_host_timer_ends_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    uint64_t best = UINT64_MAX;

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(&rig, 0x304, MIP_MTIP);
    for (unsigned i = 0; i < 200 && best > 200000000; i++) {
        uint64_t took = sleep_for_20_ms();

        assert_true(took >= 19000000);
        best = took < best ? took : best;
    }
    assert_true(best <= 200000000);
}

static void test_host_timer_interrupts_a_loop(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    load_handler();
    set_csr(&rig, 0x304, MIP_MTIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 50000);
    while (xbar_riscv_get_x(rig.hart, 7) == 0) {
        run_exactly(&rig, 100000);
    }
    assert_true(xbar_riscv_time(rig.hart) >= 50000);
    assert_int_equal(get_csr(&rig, 0x342), 1ull << 63 | 7);
}

/* The interrupt comes after exactly insns_per_tick * timecmp instructions,
 * however the run is cut into pieces. */
static void test_deterministic_timer(void **state)
{
    static const uint64_t pieces[] = { 1, 3, 1000, 1000000 };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t done = 0;

        xbar_riscv_reset(rig.hart);
        xbar_riscv_set_time(rig.hart, 0);
        load_counting_loop(&rig);
        load_handler();
        set_csr(&rig, 0x304, MIP_MTIP);
        set_csr(&rig, 0x300, MSTATUS_MIE);
        xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 1234);
        while (done < 20000) {
            run_exactly(&rig, pieces[i]);
            done += pieces[i];
        }
        assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1);
        assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 12340 / 2);
    }
}

/* A store to mtimecmp from the guest is honoured before the next
 * instruction. */
static void timecmp_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    xbar_riscv_set_timecmp(from->hart, value);
}

static void test_timer_set_by_guest(void **state)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), insn_sd(0, 6, 0),
                              insn_addi(5, 5, 1), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 4);
    load_handler();
    rig.on_write = timecmp_on_write;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    set_csr(&rig, 0x304, MIP_MTIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    run_exactly(&rig, 50);
    assert_int_equal(get_csr(&rig, 0x341), RIG_RAM + 8);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
}

/* stimecmp interrupts S-mode without M-mode, at the same instruction however
 * the run is cut; writing it takes the interrupt back. */
static void test_supervisor_timer(void **state)
{
    const uint32_t code[] = {
        insn_csr(1, 0, 0x14d, 6),       /* csrw stimecmp, x6 */
        insn_addi(5, 5, 1), 0xffdff06f, /* j -4 */
    };
    const uint32_t handler[] = {
        insn_addi(7, 7, 1),
        insn_csr(1, 0, 0x14d, 8), /* csrw stimecmp, x8 */
        INSN_SRET,
    };
    static const uint64_t pieces[] = { 1, 6, 100000 };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        xbar_riscv_reset(rig.hart);
        rig_open_pmp(&rig);
        xbar_riscv_set_time(rig.hart, 0);
        rig_code(&rig, 0, code, 3);
        rig_code(&rig, 0x1000, handler, 3);
        set_csr(&rig, 0x30a, 1ull << 63);
        set_csr(&rig, 0x306, 2);
        set_csr(&rig, 0x303, MIP_STIP);
        set_csr(&rig, 0x304, MIP_STIP);
        set_csr(&rig, 0x105, RIG_RAM + 0x1000);
        set_csr(&rig, 0x100, MSTATUS_SIE);
        rig.hart->priv = PRIV_S;
        riscv__update_contexts(rig.hart);
        xbar_riscv_set_x(rig.hart, 6, 100);
        xbar_riscv_set_x(rig.hart, 8, UINT64_MAX);
        for (uint64_t done = 0; done < 3000; done += pieces[i]) {
            run_exactly(&rig, pieces[i]);
        }
        assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1);
        assert_int_equal(get_csr(&rig, 0x142), 1ull << 63 | 5);
        assert_int_equal(get_csr(&rig, 0x342), 0);
        /* 1000 instructions: the write, and 999 of the loop. */
        assert_int_equal(get_csr(&rig, 0x141), RIG_RAM + 8);
    }
}

/* Idle time is skipped: 1000 s of guest time pass at once. */
static void test_deterministic_wfi_skips(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    uint64_t start = now_ns();
    struct xbar_riscv_stats stats;

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(&rig, 0x304, MIP_MTIP);
    xbar_riscv_set_timecmp(rig.hart, 10000000000);
    run_exactly(&rig, 2);
    assert_true(now_ns() - start < 100000000000); /* 100 s */
    assert_int_equal(xbar_riscv_time(rig.hart), 10000000000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_int_equal(stats.wfi_sleeps, 0);
}

#define DETERMINISTIC(name) \
    cmocka_unit_test_setup_teardown(name, setup_deterministic, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_line_interrupts_a_loop),
        CASE(test_line_ends_wfi),
        CASE(test_masked_line_ends_wfi),
        CASE(test_disabled_line_leaves_wfi),
        CASE(test_host_timer_ends_wfi),
        CASE(test_host_timer_interrupts_a_loop),
        DETERMINISTIC(test_deterministic_timer),
        DETERMINISTIC(test_timer_set_by_guest),
        DETERMINISTIC(test_supervisor_timer),
        DETERMINISTIC(test_deterministic_wfi_skips),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
