/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/clock.c. */
#include "tests/unit/riscv/rig.h"

#include <pthread.h>
#include <time.h>

static struct rig rig;

static int close_rig(void **state)
{
    (void)state;
    atomic_store(&rig.hart->runner, 0);
    rig_close(&rig);
    return 0;
}

static void open_deterministic(uint32_t insns_per_tick)
{
    const struct xbar_riscv_config config = {
        .insns_per_tick = insns_per_tick,
    };

    rig_open_with(&rig, &config);
    /* As if this thread were in xbar_riscv_run(). */
    atomic_store(&rig.hart->runner, (uintptr_t)pthread_self());
}

static void open_host(uint64_t timebase_hz)
{
    const struct xbar_riscv_config config = { .timebase_hz = timebase_hz };

    rig_open_with(&rig, &config);
    atomic_store(&rig.hart->runner, (uintptr_t)pthread_self());
}

static uint64_t host_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Deterministic ----------------------------------------------------- */

static void test_time_is_instructions(void **state)
{
    (void)state;
    open_deterministic(7);
    for (uint64_t insns = 0; insns < 100; insns++) {
        rig.hart->stats.instructions = insns;
        assert_int_equal(riscv__time(rig.hart), insns / 7);
        assert_int_equal(xbar_riscv_time(rig.hart), insns / 7);
    }
}

/*
 * After the slice the comparator has fired, and one instruction before it had
 * not: unless the slice was merely cut to its limit.
 */
static void test_slice_ends_at_the_comparator(void **state)
{
    struct xbar_riscv_hart *hart;
    uint64_t seed = 1;
    unsigned exact = 0;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t slice, now;

        open_deterministic(1 + (uint32_t)(rig_random(&seed) % 50));
        hart = rig.hart;
        hart->stats.instructions = rig_random(&seed) % 100000;
        xbar_riscv_set_time(hart, rig_random(&seed) % 1000);
        hart->stats.instructions += rig_random(&seed) % 1000;
        now = riscv__time(hart);
        xbar_riscv_set_timecmp(hart, now + 1 + rig_random(&seed) % 500);
        assert_int_equal(riscv__timer_lines(hart), 0);
        slice = riscv__clock_slice(hart);
        assert_in_range(slice, 1, 100000);
        hart->stats.instructions += slice - 1;
        assert_int_equal(riscv__timer_lines(hart), 0);
        hart->stats.instructions++;
        exact += riscv__timer_lines(hart) == MIP_MTIP;
        close_rig(NULL);
    }
    assert_true(exact > 1500);
    open_deterministic(1);
}

static void test_slice_limits(void **state)
{
    (void)state;
    open_deterministic(UINT32_MAX);
    assert_in_range(riscv__clock_slice(rig.hart), 1000, 1000000);
    xbar_riscv_set_timecmp(rig.hart, 1);
    assert_in_range(riscv__clock_slice(rig.hart), 1000, 1000000);
    rig.hart->stats.instructions = UINT32_MAX - 1ull;
    assert_int_equal(riscv__clock_slice(rig.hart), 1);
    xbar_riscv_set_timecmp(rig.hart, 0); /* fired: not every instruction */
    assert_in_range(riscv__clock_slice(rig.hart), 1000, 1000000);
    xbar_riscv_set_timecmp(rig.hart, UINT64_MAX - 1);
    assert_in_range(riscv__clock_slice(rig.hart), 1000, 1000000);
}

static void test_mtip_follows_the_comparator(void **state)
{
    (void)state;
    open_deterministic(10);
    xbar_riscv_set_timecmp(rig.hart, 5);
    rig.hart->stats.instructions = 49;
    assert_int_equal(riscv__mip(rig.hart), 0);
    rig.hart->stats.instructions = 50;
    assert_int_equal(riscv__mip(rig.hart), MIP_MTIP);
    xbar_riscv_set_timecmp(rig.hart, 6);
    assert_int_equal(riscv__mip(rig.hart), 0);
    xbar_riscv_set_time(rig.hart, 6);
    assert_int_equal(riscv__mip(rig.hart), MIP_MTIP);
    xbar_riscv_set_time(rig.hart, 0);
    assert_int_equal(riscv__mip(rig.hart), 0);
    xbar_riscv_set_timecmp(rig.hart, UINT64_MAX); /* never */
    xbar_riscv_set_time(rig.hart, UINT64_MAX);
    assert_int_equal(riscv__mip(rig.hart), 0);
}

static void test_skip(void **state)
{
    (void)state;
    open_deterministic(10);
    rig.hart->stats.instructions = 25;
    assert_false(riscv__clock_skip(rig.hart)); /* not armed */
    xbar_riscv_set_timecmp(rig.hart, 1000);
    assert_false(riscv__clock_skip(rig.hart)); /* not enabled */
    rig.hart->mie = MIP_MTIP;
    assert_true(riscv__clock_skip(rig.hart));
    assert_int_equal(riscv__time(rig.hart), 1000);
    assert_int_equal(riscv__timer_lines(rig.hart), MIP_MTIP);
    assert_true(riscv__clock_skip(rig.hart)); /* never back */
    assert_int_equal(riscv__time(rig.hart), 1000);
    rig.hart->stats.instructions = 35;
    assert_int_equal(riscv__time(rig.hart), 1001);
    assert_int_equal(riscv__clock_wait_ns(rig.hart), UINT64_MAX);
}

/* The supervisor's comparator: slices, lines and wfi look at both. */
static void test_stimecmp(void **state)
{
    (void)state;
    open_deterministic(10);
    rig.hart->stimecmp = 30;
    xbar_riscv_set_timecmp(rig.hart, 50);
    assert_int_equal(riscv__clock_slice(rig.hart), 500); /* it is off */
    rig.hart->menvcfg |= ENVCFG_STCE;
    assert_int_equal(riscv__clock_slice(rig.hart), 300);
    rig.hart->stats.instructions = 300;
    assert_int_equal(riscv__timer_lines(rig.hart), MIP_STIP);
    assert_int_equal(riscv__clock_slice(rig.hart), 200);
    rig.hart->stats.instructions = 500;
    assert_int_equal(riscv__timer_lines(rig.hart), MIP_STIP | MIP_MTIP);

    rig.hart->stimecmp = 1000;
    rig.hart->mie = MIP_STIP;
    assert_true(riscv__clock_skip(rig.hart));
    assert_int_equal(riscv__time(rig.hart), 1000);
    rig.hart->mie = MIP_STIP | MIP_MTIP;
    rig.hart->stimecmp = 3000;
    xbar_riscv_set_timecmp(rig.hart, 2000);
    assert_true(riscv__clock_skip(rig.hart));
    assert_int_equal(riscv__time(rig.hart), 2000);
    rig.hart->mie = MIP_STIP;
    rig.hart->menvcfg = 0;
    assert_false(riscv__clock_skip(rig.hart));
}

/* Another thread is told the time of the last safe point. */
static void *ask_time(void *opaque)
{
    *(uint64_t *)opaque = xbar_riscv_time(rig.hart);
    return NULL;
}

static void test_other_thread(void **state)
{
    pthread_t thread;
    uint64_t time = 0;

    (void)state;
    open_deterministic(10);
    rig.hart->stats.instructions = 500;
    atomic_store(&rig.hart->retired_seen, 300);
    assert_int_equal(pthread_create(&thread, NULL, ask_time, &time), 0);
    pthread_join(thread, NULL);
    assert_int_equal(time, 30);
    assert_int_equal(xbar_riscv_time(rig.hart), 50);
}

/* ---- Host time --------------------------------------------------------- */

/* Of a time that was read between two looks at the host's clock. */
struct stamp {
    uint64_t before_ns;
    uint64_t ticks;
    uint64_t after_ns;
};

static struct stamp take_stamp(void)
{
    struct stamp stamp;

    stamp.before_ns = host_ns();
    stamp.ticks = riscv__time(rig.hart);
    stamp.after_ns = host_ns();
    return stamp;
}

/* For long enough that what each of two looks may be off is 1 in 1000. */
static void check_rate(uint64_t timebase_hz, double hz)
{
    const uint64_t skew_ns = UINT64_C(2) * HOST_CLOCK_SKEW_NS;
    struct stamp start, end;
    double ticks;

    open_host(timebase_hz);
    start = take_stamp();
    do {
        end = take_stamp();
    } while (end.before_ns - start.after_ns < 1000 * skew_ns);
    ticks = (double)(end.ticks - start.ticks);
    assert_true(ticks <=
                (double)(end.after_ns - start.before_ns + skew_ns) * hz / 1e9 +
                    1);
    assert_true(ticks >=
                (double)(end.before_ns - start.after_ns - skew_ns) * hz / 1e9 -
                    1);
}

static void test_host_rate(void **state)
{
    (void)state;
    check_rate(0, 1e7);
    close_rig(NULL);
    check_rate(1, 1);
    close_rig(NULL);
    check_rate(32768, 32768);
    close_rig(NULL);
    check_rate(1000000000, 1e9);
    close_rig(NULL);
    check_rate(UINT64_MAX, 1e12); /* as fast as it gets */
}

/* By the counter on the runner's thread, by the kernel on another. */
static void test_clock_ns(void **state)
{
    (void)state;
    open_host(0);
    for (unsigned who = 0; who < 2; who++) {
        uint64_t last = 0, end = host_ns() + 20000000, late = 0;

        atomic_store(&rig.hart->runner, who ? 0 : (uintptr_t)pthread_self());
        while (last < end) {
            uint64_t before = host_ns();
            uint64_t now = xbar_riscv_clock_ns(rig.hart);
            uint64_t after = host_ns();

            assert_true(now >= last || who);
            assert_true(now + HOST_CLOCK_SKEW_NS >= before);
            late += now > after + HOST_CLOCK_SKEW_NS;
            last = now;
        }
        assert_int_equal(late, 0);
    }
}

/* The time that is set goes on from there, as the host's does. */
static void expect_time_from(uint64_t ticks)
{
    uint64_t start = host_ns();
    uint64_t most;

    xbar_riscv_set_time(rig.hart, ticks);
    assert_true(riscv__time(rig.hart) >= ticks);
    assert_true(xbar_riscv_time(rig.hart) >= ticks);
    most = riscv__time(rig.hart) - ticks;
    assert_true(most <= (host_ns() - start + 2 * HOST_CLOCK_SKEW_NS) / 100 + 1);
}

static void test_host_time_moves(void **state)
{
    (void)state;
    open_host(10000000);
    expect_time_from(1u << 30);
    expect_time_from(0);
    assert_false(riscv__clock_skip(rig.hart));
    assert_in_range(riscv__clock_slice(rig.hart), 1000, 100000);
}

/* Slices of translated code grow while nobody wants anything. */
static void test_calm(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    static const uint32_t loop = INSN_SELF;
    uint64_t slice;

    (void)state;
    rig_open_with(&rig, &config);
    rig_code(&rig, 0, &loop, 1);
    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return;
    }
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    slice = riscv__clock_slice(rig.hart);
    assert_int_equal(xbar_riscv_run(rig.hart, 8 * slice),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(riscv__clock_slice(rig.hart), slice);
    assert_int_equal(xbar_riscv_run(rig.hart, 16 * slice),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(riscv__clock_slice(rig.hart), 4 * slice);
    riscv__post(rig.hart, ATTN_HERE); /* who samples wants nothing sooner */
    assert_int_equal(xbar_riscv_run(rig.hart, 1), XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(riscv__clock_slice(rig.hart), 4 * slice);
    riscv__post(rig.hart, ATTN_IRQ);
    assert_int_equal(xbar_riscv_run(rig.hart, 1), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(riscv__clock_slice(rig.hart), slice);
}

static void test_host_wait(void **state)
{
    (void)state;
    open_host(10000000);
    assert_int_equal(riscv__clock_wait_ns(rig.hart), UINT64_MAX);
    xbar_riscv_set_timecmp(rig.hart, riscv__time(rig.hart) + 1000000000);
    assert_int_equal(riscv__clock_wait_ns(rig.hart), UINT64_MAX);
    rig.hart->mie = MIP_MTIP;
    assert_in_range(riscv__clock_wait_ns(rig.hart), 50000000000, 100000000000);
    xbar_riscv_set_timecmp(rig.hart, UINT64_MAX - 1);
    assert_true(riscv__clock_wait_ns(rig.hart) > 1000000000);
    xbar_riscv_set_timecmp(rig.hart, 0);
    assert_int_equal(riscv__clock_wait_ns(rig.hart), 0);
}

/* The polled time is never ahead of a later look, nor wraps when it is set
 * from elsewhere. */
static void *move_time(void *opaque)
{
    _Atomic bool *stop = opaque;

    for (unsigned i = 0; i < 100000; i++) {
        xbar_riscv_set_time(rig.hart, 0);
    }
    atomic_store(stop, true);
    return NULL;
}

static void test_time_never_wraps(void **state)
{
    _Atomic bool stop = false;
    pthread_t thread;

    (void)state;
    open_host(1000000000);
    assert_int_equal(pthread_create(&thread, NULL, move_time, &stop), 0);
    while (!atomic_load(&stop)) {
        assert_true(riscv__time(rig.hart) < (uint64_t)1 << 62);
    }
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_time_is_instructions, close_rig),
        cmocka_unit_test_teardown(test_slice_ends_at_the_comparator, close_rig),
        cmocka_unit_test_teardown(test_slice_limits, close_rig),
        cmocka_unit_test_teardown(test_mtip_follows_the_comparator, close_rig),
        cmocka_unit_test_teardown(test_skip, close_rig),
        cmocka_unit_test_teardown(test_stimecmp, close_rig),
        cmocka_unit_test_teardown(test_other_thread, close_rig),
        cmocka_unit_test_teardown(test_host_rate, close_rig),
        cmocka_unit_test_teardown(test_clock_ns, close_rig),
        cmocka_unit_test_teardown(test_host_time_moves, close_rig),
        cmocka_unit_test_teardown(test_calm, close_rig),
        cmocka_unit_test_teardown(test_host_wait, close_rig),
        cmocka_unit_test_teardown(test_time_never_wraps, close_rig),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
