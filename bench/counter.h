/* SPDX-License-Identifier: MIT */
/*
 * The host's time-stamp counter, for what is too short to time by a clock and
 * too uneven to describe by a mean.
 */
#ifndef XBAR_BENCH_COUNTER_H
#define XBAR_BENCH_COUNTER_H

#include <stdint.h>

/*
 * Read it, with everything before done and nothing after begun: what an
 * out-of-order core would overlap with its neighbours counts in full.
 */
static inline uint64_t counter_begin(void)
{
#if defined(__x86_64__)
    uint32_t low, high;

    __asm__ volatile("mfence\n\tlfence\n\trdtsc\n\tlfence"
                     : "=a"(low), "=d"(high)
                     :
                     : "memory");
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t value;

    __asm__ volatile("dsb ish\n\tisb\n\tmrs %0, cntvct_el0\n\tisb"
                     : "=r"(value)
                     :
                     : "memory");
    return value;
#else
#error "no time-stamp counter is known for this host"
#endif
}

/* The same, without waiting for stores to reach memory: they are not part of
 * what was timed. */
static inline uint64_t counter_end(void)
{
#if defined(__x86_64__)
    uint32_t low, high;

    __asm__ volatile("rdtscp\n\tlfence"
                     : "=a"(low), "=d"(high)
                     :
                     : "rcx", "memory");
    return (uint64_t)high << 32 | low;
#else
    return counter_begin();
#endif
}

#endif
