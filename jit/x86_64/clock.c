/* SPDX-License-Identifier: MIT */
/*
 * The time by the time-stamp counter, if the CPU says that it runs at one rate
 * in all its states.
 *
 *      kernel's ns
 *        ^                            . ' <- base: from here on by the counter,
 *        |                      . '  |       for a millisecond
 *        |                . '        |
 *        |  start ->  . '            |
 *        +------------+--------------+---------------> counter
 *
 * The rate is the slope from `start` to the last look at both clocks. `start`
 * moves on each second, as the kernel's clock is slewed.
 *
 * Two looks are as good as the time that passes while the kernel is asked: one
 * that took long (this thread was interrupted) does not count.
 */
#include "jit/host_clock.h"

#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

#include "engine/check.h"

#define NS_PER_SECOND 1000000000u
#define SYNC_NS       1000000u
#define BASELINE_NS   1000000u
#define LOOK_COUNTS   4096 /* about a microsecond */
#define LOOKS         3
#define SURPRISES_MAX 8

__extension__ typedef unsigned __int128 clock_u128;

/* Both clocks at once. */
struct look {
    uint64_t count;
    uint64_t ns;
    bool is_good;
};

uint64_t host_clock__system_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static bool has_invariant_counter(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

void host_clock__init(struct host_clock *clock)
{
    *clock = (struct host_clock){
        .surprises = has_invariant_counter() ? 0 : SURPRISES_MAX,
    };
}

static struct look look_at_both(void)
{
    struct look look = { .is_good = false };

    for (unsigned i = 0; i < LOOKS && !look.is_good; i++) {
        uint64_t before = __rdtsc();
        uint64_t took;

        look.ns = host_clock__system_ns();
        took = __rdtsc() - before;
        look.count = before + took / 2;
        look.is_good = took < LOOK_COUNTS;
    }
    return look;
}

/* Does what the counter promised at the last look agree with the kernel? Over
 * a long time, allow for a clock that is slewed: 1 in 1000. */
static bool is_as_promised(const struct host_clock *clock,
                           const struct look *look)
{
    uint64_t counts = look->count - clock->base;
    uint64_t passed = look->ns - clock->seen_ns;
    uint64_t promised = (uint64_t)((clock_u128)counts * clock->rate >> 32);
    uint64_t tolerance = HOST_CLOCK_SKEW_NS + passed / 1000;

    if (clock->rate == 0) {
        return true; /* it promised nothing yet */
    }
    return counts >> 63 == 0 && promised + tolerance >= passed &&
           promised <= passed + tolerance;
}

static void start_at(struct host_clock *clock, const struct look *look)
{
    clock->start = look->count;
    clock->start_ns = look->ns;
    clock->is_started = true;
}

/* For the next millisecond. What was answered already is not taken back: a
 * clock that is ahead runs slower, and is not at the end of it. */
static void continue_from(struct host_clock *clock, const struct look *look)
{
    uint64_t ahead = clock->last_ns > look->ns ? clock->last_ns - look->ns : 0;
    uint64_t lost = ahead < SYNC_NS / 2 ? ahead : SYNC_NS / 2;

    clock->base = look->count;
    clock->seen_ns = look->ns;
    clock->base_ns = look->ns + ahead;
    clock->mult = clock->rate - clock->rate * lost / SYNC_NS;
    clock->limit = ((uint64_t)SYNC_NS << 32) / clock->rate;
}

static void take_look(struct host_clock *clock, const struct look *look)
{
    uint64_t elapsed_ns = look->ns - clock->start_ns;
    uint64_t elapsed = look->count - clock->start;

    if (!clock->is_started || !is_as_promised(clock, look)) {
        clock->surprises += clock->is_started;
        clock->rate = 0;
        start_at(clock, look);
        return;
    }
    if (elapsed_ns < BASELINE_NS || elapsed == 0) {
        return;
    }
    clock->rate = (uint64_t)(((clock_u128)elapsed_ns << 32) / elapsed);
    if (clock->rate == 0) {
        return; /* no counter is that fast */
    }
    continue_from(clock, look);
    if (elapsed_ns > NS_PER_SECOND) {
        start_at(clock, look);
    }
}

static XBAR_COLD uint64_t ask_kernel(struct host_clock *clock)
{
    struct look look = { .is_good = false };

    clock->limit = 0;
    if (clock->surprises < SURPRISES_MAX) {
        look = look_at_both();
    } else {
        look.ns = host_clock__system_ns();
    }
    if (look.is_good) {
        take_look(clock, &look);
    }
    if (look.ns > clock->last_ns) {
        clock->last_ns = look.ns;
    }
    return clock->last_ns;
}

uint64_t host_clock__ns(struct host_clock *clock)
{
    uint64_t counts = __rdtsc() - clock->base;
    uint64_t ns;

    if (unlikely(counts >= clock->limit)) {
        return ask_kernel(clock);
    }
    ns = clock->base_ns + (counts * clock->mult >> 32);
    if (unlikely(ns < clock->last_ns)) {
        return clock->last_ns;
    }
    clock->last_ns = ns;
    return ns;
}
