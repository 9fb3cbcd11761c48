/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/hart.c: life cycle, budget, exit. */
#include "tests/unit/riscv/one_rig.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "tests/unit/riscv/encode.h"

static void test_budget_is_exact(void **state)
{
    uint64_t seed = 1, total = 0;

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 0);
    run_exactly(&rig, 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM + 4);
    total = 1;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t count = rig_random(&seed) % (i % 10 ? 100 : 100000);

        run_exactly(&rig, count);
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
    set_csr(&rig, 0x305, RIG_RAM + 0x100);
    run_exactly(&rig, 3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 6), 2);
    assert_int_equal(get_csr(&rig, 0x342), CAUSE_ILLEGAL);
    assert_int_equal(get_csr(&rig, 0x343), INSN_BAD);
    assert_int_equal(get_csr(&rig, 0x341), RIG_RAM + 0x104);
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
    run_exactly(&rig, 3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 7), 1000);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 8), 1001);
}

static void test_reset_again(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 100);
    set_csr(&rig, 0x180, 8ull << 60);
    xbar_riscv_reset(rig.hart);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 10), 5);
    assert_int_equal(retired(&rig), 100);
    run_exactly(&rig, 10);
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

static uint64_t exit_latency_ns(void)
{
    struct exiter exiter = { .rig = &rig, .delay_ms = 5 };
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
    /* The request may come at any time: have it wait first. */
    run_exactly(&rig, 1);
    assert_true(exits_at_once());
    /* It still waits: an exit is no reason for the guest to go on. */
    assert_int_equal(retired(&rig), 1);
    xbar_riscv_reset(rig.hart);
    run_exactly(&rig, 1);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM + 4);
    xbar_riscv_set_pc(rig.hart, RIG_RAM + 4);
    run_exactly(&rig, 10);
}

/* Only faults, at the handler as well: nothing ever retires. */
static void test_exit_from_endless_fault(void **state)
{
    (void)state;
    set_csr(&rig, 0x305, 0x40000000);
    assert_true(exits_at_once());
    assert_int_equal(retired(&rig), 0);
    assert_int_equal(get_csr(&rig, 0x342), CAUSE_FETCH_ACCESS);
    assert_int_equal(get_csr(&rig, 0x343), 0x40000000);
}

static void test_exit_asked_before(void **state)
{
    (void)state;
    load_counting_loop(&rig);
    xbar_riscv_request_exit(rig.hart);
    xbar_riscv_request_exit(rig.hart);
    assert_int_equal(xbar_riscv_run(rig.hart, 1000), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(retired(&rig), 0);
    run_exactly(&rig, 1000);
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
    assert_int_equal(retired(&rig), 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 0);
}

/* ---- Mistakes in callbacks --------------------------------------------- */

static void misuse_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    for (unsigned i = XBAR_RISCV_INTERP; i <= XBAR_RISCV_LOCKSTEP; i++) {
        assert_int_equal(
            xbar_riscv_set_engine(from->hart, (enum xbar_riscv_engine)i),
            -EBUSY);
    }
    xbar_riscv_free(from->hart);
}

static void test_misuse_in_callback(void **state)
{
    const uint32_t code[] = { insn_sd(5, 6, 0), insn_addi(5, 5, 1), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 3);
    rig.on_write = misuse_on_write;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    run_exactly(&rig, 10);
    assert_int_equal(rig.io_writes, 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 1);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
}

static void reset_on_write(struct rig *from, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_reset(from->hart);
    from->on_write = NULL;
}

/* The guest starts over: x6, which the test set, is 0, so that it steps over
 * the store. */
static void test_reset_in_callback(void **state)
{
    const uint32_t code[] = {
        insn_addi(5, 5, 1), encode(RISCV_OP_BEQ, 0, 6, 0, 12),
        insn_sd(5, 6, 0),   insn_addi(5, 5, 8),
        insn_addi(5, 5, 2), INSN_SELF,
    };

    (void)state;
    rig_code(&rig, 0, code, 6);
    rig.on_write = reset_on_write;
    xbar_riscv_set_x(rig.hart, 6, RIG_IO);
    run_exactly(&rig, 3);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM);
    run_exactly(&rig, 10);
    assert_int_equal(rig.io_writes, 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 5), 3);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 10), 5);
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
        CASE(test_misuse_in_callback),
        CASE(test_reset_in_callback),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
