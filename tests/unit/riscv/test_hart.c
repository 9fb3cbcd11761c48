/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/hart.c: life cycle, budget, attention, wfi, threads. */
#include "tests/unit/riscv/rig.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct rig rig;

/* All of it holds for every engine. */
static enum xbar_riscv_engine engine;

static int setup(void **state)
{
    (void)state;
    rig_open(&rig);
    return xbar_riscv_set_engine(rig.hart, engine);
}

static int setup_deterministic(void **state)
{
    const struct xbar_riscv_config config = { .insns_per_tick = 10 };

    (void)state;
    rig_open_with(&rig, &config);
    return xbar_riscv_set_engine(rig.hart, engine);
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec time = { .tv_nsec = ms * 1000000l };

    nanosleep(&time, NULL);
}

static uint64_t retired(void)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig.hart, &stats);
    return stats.instructions;
}

static void run_exactly(uint64_t count)
{
    uint64_t before = retired();

    assert_int_equal(xbar_riscv_run(rig.hart, count), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(retired() - before, count);
}

static void set_csr(unsigned csr, uint64_t value)
{
    assert_int_equal(xbar_riscv_set_csr(rig.hart, csr, value), 0);
}

static uint64_t get_csr(unsigned csr)
{
    uint64_t value = 0;

    assert_int_equal(xbar_riscv_get_csr(rig.hart, csr, &value), 0);
    return value;
}

/* The loop at reset: x5 counts it. */
static void load_counting_loop(void)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), 0xffdff06f /* j .-4 */ };

    rig_code(&rig, 0, code, 2);
}

/* ---- Budget ------------------------------------------------------------ */

static void test_budget_is_exact(void **state)
{
    uint64_t seed = 1, total = 0;

    (void)state;
    load_counting_loop();
    run_exactly(0);
    run_exactly(1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM + 4);
    total = 1;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t count = rig_random(&seed) % (i % 10 ? 100 : 100000);

        run_exactly(count);
        total += count;
        assert_int_equal(xbar_riscv_get_x(rig.hart, 5), (total + 1) / 2);
    }
}

/* A trap does not retire: 4 instructions pass here, and two traps. */
static void test_traps_do_not_retire(void **state)
{
    const uint32_t code[] = { insn_addi(5, 5, 1), INSN_ECALL };
    const uint32_t handler[] = { insn_addi(6, 6, 1), INSN_BAD };

    (void)state;
    rig_code(&rig, 0, code, 2);
    rig_code(&rig, 0x100, handler, 2);
    set_csr(0x305, RIG_RAM + 0x100);
    run_exactly(3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 6), 2);
    assert_int_equal(get_csr(0x342), CAUSE_ILLEGAL);
    assert_int_equal(get_csr(0x343), INSN_BAD);
    assert_int_equal(get_csr(0x341), RIG_RAM + 0x104);
}

static void test_minstret_after_write(void **state)
{
    /* csrw minstret, x6; csrr x7, minstret */
    const uint32_t code[] = { insn_csr(1, 0, 0xb02, 6),
                              insn_csr(2, 7, 0xb02, 0),
                              insn_csr(2, 8, 0xb02, 0) };

    (void)state;
    rig_code(&rig, 0, code, 3);
    xbar_riscv_set_x(rig.hart, 6, 1000);
    run_exactly(3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 8), 1001);
}

static void test_reset_again(void **state)
{
    (void)state;
    load_counting_loop();
    run_exactly(100);
    set_csr(0x180, 8ull << 60);
    xbar_riscv_reset(rig.hart);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 10), 5);
    assert_int_equal(retired(), 100);
    run_exactly(10);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 5);
}

static void test_no_address_space(void **state)
{
    const struct xbar_riscv_config config = { .as = NULL };

    (void)state;
    assert_null(xbar_riscv_new(&config));
    xbar_riscv_free(NULL);
}

/* ---- Exit -------------------------------------------------------------- */

struct exiter {
    unsigned delay_ms;
    uint64_t asked_ns;
};

static void *ask_exit(void *opaque)
{
    struct exiter *exiter = opaque;

    sleep_ms(exiter->delay_ms);
    exiter->asked_ns = now_ns();
    xbar_riscv_request_exit(rig.hart);
    return NULL;
}

static uint64_t exit_latency_ns(void)
{
    struct exiter exiter = { .delay_ms = 5 };
    pthread_t thread;
    uint64_t returned;

    assert_int_equal(pthread_create(&thread, NULL, ask_exit, &exiter), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    returned = now_ns();
    pthread_join(thread, NULL);
    return returned - exiter.asked_ns;
}

/* Within 1 ms, if other programs let us have the processor: at least once in
 * a few tries, which an exit that waits for anything would never be. */
static bool exits_at_once(void)
{
    for (unsigned i = 0; i < 50; i++) {
        if (exit_latency_ns() < 1000000) {
            return true;
        }
    }
    return false;
}

static void test_exit_from_tight_loop(void **state)
{
    const uint32_t code[] = { INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 1);
    assert_true(exits_at_once());
}

static void test_exit_from_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    assert_true(exits_at_once());
    /* It still waits: an exit is no reason for the guest to go on. */
    assert_int_equal(retired(), 1);
    xbar_riscv_reset(rig.hart);
    run_exactly(1);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM + 4);
    xbar_riscv_set_pc(rig.hart, RIG_RAM + 4);
    run_exactly(10);
}

/* Only faults, at the handler as well: nothing ever retires. */
static void test_exit_from_endless_fault(void **state)
{
    (void)state;
    set_csr(0x305, 0x40000000);
    assert_true(exits_at_once());
    assert_int_equal(retired(), 0);
    assert_int_equal(get_csr(0x342), CAUSE_FETCH_ACCESS);
    assert_int_equal(get_csr(0x343), 0x40000000);
}

static void test_exit_asked_before(void **state)
{
    (void)state;
    load_counting_loop();
    xbar_riscv_request_exit(rig.hart);
    xbar_riscv_request_exit(rig.hart);
    assert_int_equal(xbar_riscv_run(rig.hart, 1000), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(retired(), 0);
    run_exactly(1000);
}

static void on_alarm(int signal)
{
    (void)signal;
    xbar_riscv_request_exit(rig.hart);
}

static void test_exit_from_signal_handler(void **state)
{
    const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
    struct sigaction action = { .sa_handler = on_alarm }, old;
    const uint32_t code[] = { INSN_WFI, INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &soon, NULL);
    errno = 77;
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    sigaction(SIGALRM, &old, NULL);
}

/* A device callback asks for an exit, and by mistake runs the hart. */
static void exit_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    assert_int_equal(xbar_riscv_run(from->hart, 5), XBAR_RISCV_EXIT_REQUEST);
    xbar_riscv_request_exit(from->hart);
}

static void test_exit_from_callback(void **state)
{
    const uint32_t code[] = { insn_sd(5, 6, 0), insn_addi(5, 5, 1), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 3);
    rig.on_write = exit_on_write;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(rig.io_writes, 1);
    /* Before the next instruction, not some time later. */
    assert_int_equal(retired(), 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
}

/* ---- Interrupts -------------------------------------------------------- */

/* The handler counts in x7, once. */
static void load_handler(void)
{
    const uint32_t handler[] = { insn_addi(7, 7, 1), INSN_SELF };

    rig_code(&rig, 0x100, handler, 2);
    set_csr(0x305, RIG_RAM + 0x100);
}

static void *raise_line(void *opaque)
{
    const enum xbar_riscv_irq *line = opaque;

    sleep_ms(10);
    xbar_riscv_set_irq(rig.hart, *line, true);
    return NULL;
}

/* Run @count instructions at a time, while a line goes up, until x@reg is no
 * longer 0. */
static void run_with_line(enum xbar_riscv_irq line, uint64_t count,
                          unsigned reg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, raise_line, &line), 0);
    while (xbar_riscv_get_x(rig.hart, reg) == 0) {
        run_exactly(count);
    }
    pthread_join(thread, NULL);
}

static void test_line_interrupts_a_loop(void **state)
{
    (void)state;
    load_counting_loop();
    load_handler();
    set_csr(0x304, MIP_MEIP);
    set_csr(0x300, MSTATUS_MIE);
    run_with_line(XBAR_RISCV_IRQ_M_EXT, 1000, 7);
    assert_int_equal(get_csr(0x342), 1ull << 63 | 11);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1);
}

static void test_line_ends_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    struct xbar_riscv_stats stats;

    (void)state;
    rig_code(&rig, 0, code, 3);
    load_handler();
    set_csr(0x304, MIP_MSIP);
    set_csr(0x300, MSTATUS_MIE);
    run_with_line(XBAR_RISCV_IRQ_M_SOFT, 3, 7);
    assert_int_equal(get_csr(0x342), 1ull << 63 | 3);
    assert_int_equal(get_csr(0x341), RIG_RAM + 4); /* after the wfi */
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
    set_csr(0x304, MIP_MSIP);
    run_with_line(XBAR_RISCV_IRQ_M_SOFT, 2, 5);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    /* And pending already: it does not even begin. */
    xbar_riscv_set_pc(rig.hart, RIG_RAM);
    run_exactly(2);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 2);
}

/* A line that is not enabled in mie does not end it. */
static void test_disabled_line_leaves_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    struct exiter exiter = { .delay_ms = 20 };
    enum xbar_riscv_irq line = XBAR_RISCV_IRQ_M_SOFT;
    pthread_t threads[2];

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(0x304, MIP_MEIP);
    run_exactly(1);
    assert_int_equal(pthread_create(&threads[0], NULL, raise_line, &line), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, ask_exit, &exiter), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    assert_int_equal(retired(), 1);
}

/* ---- Timer ------------------------------------------------------------- */

static void test_host_timer_ends_wfi(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    uint64_t start = now_ns();

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(0x304, MIP_MTIP);
    xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 200000);
    run_exactly(2); /* 20 ms */
    assert_in_range(now_ns() - start, 19000000, 2000000000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
}

static void test_host_timer_interrupts_a_loop(void **state)
{
    (void)state;
    load_counting_loop();
    load_handler();
    set_csr(0x304, MIP_MTIP);
    set_csr(0x300, MSTATUS_MIE);
    xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 50000);
    while (xbar_riscv_get_x(rig.hart, 7) == 0) {
        run_exactly(100000);
    }
    assert_true(xbar_riscv_time(rig.hart) >= 50000);
    assert_int_equal(get_csr(0x342), 1ull << 63 | 7);
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
        load_counting_loop();
        load_handler();
        set_csr(0x304, MIP_MTIP);
        set_csr(0x300, MSTATUS_MIE);
        xbar_riscv_set_timecmp(rig.hart, xbar_riscv_time(rig.hart) + 1234);
        while (done < 20000) {
            run_exactly(pieces[i]);
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
    set_csr(0x304, MIP_MTIP);
    set_csr(0x300, MSTATUS_MIE);
    run_exactly(50);
    assert_int_equal(get_csr(0x341), RIG_RAM + 8);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
}

/* Idle time is skipped: 1000 s of guest time pass at once. */
static void test_deterministic_wfi_skips(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    uint64_t start = now_ns();
    struct xbar_riscv_stats stats;

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(0x304, MIP_MTIP);
    xbar_riscv_set_timecmp(rig.hart, 10000000000);
    run_exactly(2);
    assert_true(now_ns() - start < 1000000000);
    assert_int_equal(xbar_riscv_time(rig.hart), 10000000000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_int_equal(stats.wfi_sleeps, 0);
}

/* ---- Threads ----------------------------------------------------------- */

/* Everything that any thread may do, while the hart runs and sleeps. */
struct storm {
    struct rig *rig;
    uint64_t seed;
};

static void *make_storm(void *opaque)
{
    static const unsigned lines[] = { 1, 3, 5, 9, 11 };
    struct storm *storm = opaque;
    struct xbar_riscv_hart *hart = storm->rig->hart;

    for (unsigned i = 0; i < 2000 || storm->rig->io_writes == 0; i++) {
        uint64_t number = rig_random(&storm->seed);
        unsigned line = lines[number % 5];

        xbar_riscv_set_irq(hart, line, true);
        xbar_riscv_set_timecmp(hart, xbar_riscv_time(hart) + number % 50);
        if (number % 16 == 0) {
            sleep_ms(number % 32 == 0); /* let it see some of this */
        }
        xbar_riscv_set_irq(hart, line, false);
        if (number % 64 == 0) {
            xbar_riscv_set_time(hart, number >> 40);
        }
    }
    xbar_riscv_set_timecmp(hart, UINT64_MAX);
    xbar_riscv_request_exit(hart);
    return NULL;
}

/* wfi in a loop, with a handler that only writes to the I/O page. */
static void load_sleeper(struct rig *on)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), 0xff9ff06f };
    const uint32_t handler[] = { insn_sd(0, 6, 0), INSN_MRET };

    xbar_riscv_set_x(on->hart, 6, RIG_IO);
    rig_code(on, 0, code, 3);
    rig_code(on, 0x100, handler, 2);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x305, RIG_RAM + 0x100), 0);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x304, 0xaaa), 0);
    assert_int_equal(xbar_riscv_set_csr(on->hart, 0x300, MSTATUS_MIE), 0);
}

static void *run_until_exit(void *opaque)
{
    struct rig *on = opaque;

    while (xbar_riscv_run(on->hart, 100000) != XBAR_RISCV_EXIT_REQUEST) {
    }
    return NULL;
}

/* Two machines in two threads, each under a storm of its own. */
static void test_two_harts_two_threads(void **state)
{
    struct rig *both = test_calloc(2, sizeof(*both));
    struct storm storms[2];
    pthread_t threads[4];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig_open(&both[i]);
        assert_int_equal(xbar_riscv_set_engine(both[i].hart, engine), 0);
        load_sleeper(&both[i]);
        storms[i] = (struct storm){ &both[i], 11 + i };
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_until_exit, &both[i]), 0);
        assert_int_equal(
            pthread_create(&threads[2 + i], NULL, make_storm, &storms[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_true(both[i].io_writes > 0);
        rig_close(&both[i]);
    }
    test_free(both);
}

/*
 * The tree changes while the hart runs: it sees the change, and the grace
 * period that the committer waits for passes. The guest copies a doubleword
 * in RAM to the I/O page.
 */
static _Atomic uint64_t copied;

static void *run_without_limit(void *opaque)
{
    struct rig *on = opaque;

    xbar_riscv_run(on->hart, UINT64_MAX);
    return NULL;
}

static void note_copy(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)from;
    (void)addr;
    atomic_store(&copied, value);
}

static void wait_for_copy(uint64_t value)
{
    uint64_t start = now_ns();

    while (atomic_load(&copied) != value) {
        assert_true(now_ns() - start < 5000000000);
    }
}

static void test_commit_while_running(void **state)
{
    const uint32_t code[] = { insn_i(0x03, 3, 5, 7, 0), insn_sd(5, 6, 0),
                              0xff9ff06f /* j .-8 */ };
    static uint64_t memory[512];
    MemoryRegion overlay;
    pthread_t thread;

    (void)state;
    rig_code(&rig, 0, code, 3);
    rig.on_write = note_copy;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    xbar_riscv_set_x(rig.hart, 7, RIG_RAM + 0x1000);
    memory[0] = 42;
    assert_int_equal(xbar_engine_enter(rig.engine), 0);
    assert_int_equal(memory_region_init_ram_ptr(&overlay, NULL, "overlay",
                                                TLB_PAGE_SIZE, memory),
                     0);
    xbar_engine_leave(rig.engine);
    assert_int_equal(pthread_create(&thread, NULL, run_without_limit, &rig), 0);
    wait_for_copy(0);
    memory_region_add_subregion_overlap(&rig.ram, 0x1000, &overlay, 1);
    wait_for_copy(42);
    /* Waits for a grace period, in which the hart has to take part. */
    assert_int_equal(xbar_region_destroy(&overlay, NULL, NULL), 0);
    wait_for_copy(0);
    xbar_riscv_request_exit(rig.hart);
    pthread_join(thread, NULL);
}

/* A wake-up must never be lost: one line, up and acknowledged, many times. */
static _Atomic bool acknowledged;

static void ack_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_set_irq(from->hart, XBAR_RISCV_IRQ_M_EXT, false);
    atomic_store(&acknowledged, true);
}

static void test_no_wakeup_is_lost(void **state)
{
    pthread_t thread;

    (void)state;
    load_sleeper(&rig);
    rig.on_write = ack_on_write;
    assert_int_equal(pthread_create(&thread, NULL, run_until_exit, &rig), 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t start = now_ns();

        atomic_store(&acknowledged, false);
        xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_EXT, true);
        while (!atomic_load(&acknowledged)) {
            /* Sleeps are cut to a second, which would hide a lost one. */
            assert_true(now_ns() - start < 900000000);
        }
    }
    xbar_riscv_request_exit(rig.hart);
    pthread_join(thread, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define DETERMINISTIC(name) \
    cmocka_unit_test_setup_teardown(name, setup_deterministic, teardown)

/* Is there one for this host, and does it let us? */
static bool has_translator(void)
{
    bool has;

    rig_open(&rig);
    has = xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT) == 0;
    rig_close(&rig);
    return has;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_budget_is_exact),
        CASE(test_traps_do_not_retire),
        CASE(test_minstret_after_write),
        CASE(test_reset_again),
        cmocka_unit_test(test_no_address_space),
        CASE(test_exit_from_tight_loop),
        CASE(test_exit_from_wfi),
        CASE(test_exit_from_endless_fault),
        CASE(test_exit_asked_before),
        CASE(test_exit_from_signal_handler),
        CASE(test_exit_from_callback),
        CASE(test_line_interrupts_a_loop),
        CASE(test_line_ends_wfi),
        CASE(test_masked_line_ends_wfi),
        CASE(test_disabled_line_leaves_wfi),
        CASE(test_host_timer_ends_wfi),
        CASE(test_host_timer_interrupts_a_loop),
        DETERMINISTIC(test_deterministic_timer),
        DETERMINISTIC(test_timer_set_by_guest),
        DETERMINISTIC(test_deterministic_wfi_skips),
        cmocka_unit_test(test_two_harts_two_threads),
        CASE(test_commit_while_running),
        CASE(test_no_wakeup_is_lost),
    };

    int failed;

    engine = XBAR_RISCV_INTERP;
    failed = cmocka_run_group_tests_name("interp", tests, NULL, NULL);
    if (has_translator()) {
        engine = XBAR_RISCV_JIT;
        failed += cmocka_run_group_tests_name("jit", tests, NULL, NULL);
    }
    return failed;
}
