/* SPDX-License-Identifier: MIT */
/*
 * How long single operations took: counts of counter differences, from which
 * the cost of reading the counter has been taken out.
 *
 * Buckets are as wide as 1/32 of their power of two, so a percentile is exact
 * to 3 %; small differences have a bucket each.
 */
#ifndef XBAR_BENCH_HISTOGRAM_H
#define XBAR_BENCH_HISTOGRAM_H

#include "counter.h"
#include "gbench.h"

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_SUB      (1 << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count[HISTOGRAM_BUCKETS];
    uint64_t total; /* samples */
    uint64_t sum;   /* ticks */
    uint64_t max;
    uint64_t cost; /* ticks that reading the counter twice takes: the median */
    double tick_ns;
};

/* Empty it, and measure the counter: its cost, its rate. About 20 ms. */
void histogram_init(struct histogram *h);

/* The bucket of a difference: exact up to 2 * HISTOGRAM_SUB, then powers of
 * two in HISTOGRAM_SUB parts each. */
static inline unsigned histogram_bucket(uint64_t ticks)
{
    unsigned shift;

    if (ticks < HISTOGRAM_SUB) {
        return (unsigned)ticks;
    }
    shift = 63u - (unsigned)__builtin_clzll(ticks) - HISTOGRAM_SUB_BITS;
    return shift * HISTOGRAM_SUB + (unsigned)(ticks >> shift);
}

/* The middle of a bucket, in ticks. */
double histogram_middle(unsigned bucket);

/* One operation began at @begin and ended at @end, by counter_begin() and
 * counter_end(). */
static inline void histogram_add(struct histogram *h, uint64_t begin,
                                 uint64_t end)
{
    uint64_t ticks = end - begin;

    ticks = ticks > h->cost ? ticks - h->cost : 0;
    h->count[histogram_bucket(ticks)]++;
    h->total++;
    h->sum += ticks;
    if (ticks > h->max) {
        h->max = ticks;
    }
}

/* Nanoseconds that @share (0 to 1) of the samples stay within. */
double histogram_percentile(const struct histogram *h, double share);

/*
 * As counters, in nanoseconds: mean, p50, p99, p99.9, max, counter_cost; and
 * samples. As the label: "ns:count" for each bucket that is not empty, up to
 * 8 a power of two.
 */
void histogram_report(const struct histogram *h, struct bench_report *to);

#endif
