/* SPDX-License-Identifier: MIT */
/*
 * The clock by the host's counter: never back, never far from the kernel's,
 * whatever the counter does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "jit/host_clock.h"

/* Asks until @ns have passed by the kernel's clock. Each answer is held between
 * two of the kernel's. Return: the largest distance out of that. */
static uint64_t watch(struct host_clock *clock, uint64_t ns)
{
    uint64_t start = host_clock__system_ns();
    uint64_t last = 0;
    uint64_t worst = 0;
    uint64_t after;

    do {
        uint64_t before = host_clock__system_ns();
        uint64_t now = host_clock__ns(clock);

        after = host_clock__system_ns();
        assert_true(now >= last);
        last = now;
        if (now < before && before - now > worst) {
            worst = before - now;
        }
        if (now > after && now - after > worst) {
            worst = now - after;
        }
    } while (after - start < ns);
    return worst;
}

static void sleep_ms(long ms)
{
    const struct timespec time = { .tv_nsec = ms * 1000000 };

    nanosleep(&time, NULL);
}

/* Longer than a second, so that the baseline moves, and with pauses. */
static void test_agrees(void **state)
{
    struct host_clock clock;

    (void)state;
    host_clock__init(&clock);
    for (unsigned i = 0; i < 12; i++) {
        assert_true(watch(&clock, 60000000) <= HOST_CLOCK_SKEW_NS);
        sleep_ms(50);
    }
    assert_in_range(clock.surprises, 0, 8);
}

/* Ready to answer by the counter; false: this host has none. */
static int start(struct host_clock *clock)
{
    host_clock__init(clock);
    for (unsigned i = 0; i < 1000 && clock->limit == 0; i++) {
        (void)watch(clock, 2000000);
    }
    return clock->limit != 0;
}

static void test_counter_jumps(void **state)
{
    static const int64_t jumps[] = { -1000000000, -100000, 1000000000,
                                     INT64_MAX };
    struct host_clock clock;

    (void)state;
    if (!start(&clock)) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        clock.base += (uint64_t)jumps[i];
        assert_true(watch(&clock, 5000000) <= HOST_CLOCK_SKEW_NS + 1000000);
        assert_true(watch(&clock, 5000000) <= HOST_CLOCK_SKEW_NS);
    }
    assert_true(clock.surprises != 0);
}

/* It runs twice as fast as it did, half as fast: noticed in a millisecond. */
static void test_counter_changes_rate(void **state)
{
    struct host_clock clock;

    (void)state;
    for (unsigned i = 0; i < 2 && start(&clock); i++) {
        unsigned surprises = clock.surprises;
        unsigned tries = 0;

        clock.rate = i == 0 ? clock.rate * 2 : clock.rate / 2;
        clock.mult = clock.rate;
        clock.limit = ((uint64_t)1000000 << 32) / clock.rate;
        do {
            assert_true(watch(&clock, 5000000) <= HOST_CLOCK_SKEW_NS + 1000000);
        } while (clock.surprises == surprises && ++tries < 100);
        assert_true(clock.surprises > surprises);
        (void)watch(&clock, 5000000); /* what it is ahead it makes up for */
        assert_true(watch(&clock, 5000000) <= HOST_CLOCK_SKEW_NS);
    }
}

/* In the end the kernel alone is believed. */
static void test_gives_up(void **state)
{
    struct host_clock clock;

    (void)state;
    for (unsigned i = 0; i < 50 && start(&clock); i++) {
        unsigned before = clock.surprises;

        while (clock.surprises < 8) {
            (void)watch(&clock, 3000000);
            clock.base -= 100000000000;
        }
        assert_true(before < clock.surprises);
        assert_true(watch(&clock, 5000000) <= HOST_CLOCK_SKEW_NS);
        assert_int_equal(clock.limit, 0);
        return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_counter_jumps),
        cmocka_unit_test(test_counter_changes_rate),
        cmocka_unit_test(test_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
