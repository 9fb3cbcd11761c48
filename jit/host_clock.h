/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC for who asks so often that asking the kernel, 25 ns even
 * without a system call, is what costs most.
 *
 * Where the host has a counter that runs at one rate for ever, the time is
 * worked out from that, and compared with the kernel's at least once in each
 * millisecond that it is asked in. So it never goes back, and is within
 * HOST_CLOCK_SKEW_NS of the kernel's, unless the counter turns out not to be
 * what it says: then for a millisecond at most, and after some of that the
 * kernel alone is asked.
 *
 * Threads: one at a time; others ask host_clock__system_ns().
 */
#ifndef XBAR_JIT_HOST_CLOCK_H
#define XBAR_JIT_HOST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What rounding, and the time it takes to ask both clocks, amount to. */
#define HOST_CLOCK_SKEW_NS 10000

/* Private to the host's file. */
struct host_clock {
    uint64_t last_ns; /* what was answered last */

    /* From @base on, for @limit counts: base_ns + counts * mult >> 32. */
    uint64_t base;
    uint64_t base_ns;
    uint64_t mult;
    uint64_t limit; /* 0: ask the kernel */

    /* What that is made from: the kernel's time at @base, and the rate. */
    uint64_t seen_ns;
    uint64_t rate; /* as mult; 0: not known yet */

    /* The kernel's time at some count, not more than a second or so ago. */
    uint64_t start;
    uint64_t start_ns;
    bool is_started;
    unsigned surprises; /* the counter did not keep what it promised */
};

void host_clock__init(struct host_clock *clock);
uint64_t host_clock__ns(struct host_clock *clock);

uint64_t host_clock__system_ns(void);

#endif
