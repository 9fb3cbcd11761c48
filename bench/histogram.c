/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COST_SAMPLES 20001
#define LABEL_SIZE   16384

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The counter against the clock, over 10 ms: good to 1 in 10 000. */
static double measure_tick(void)
{
    const uint64_t start_ns = now_ns();
    const uint64_t start = counter_begin();
    uint64_t end_ns;

    do {
        end_ns = now_ns();
    } while (end_ns - start_ns < 10000000);
    return (double)(end_ns - start_ns) / (double)(counter_begin() - start);
}

static int compare_ticks(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t measure_cost(void)
{
    static uint64_t ticks[COST_SAMPLES];

    for (unsigned i = 0; i < COST_SAMPLES; i++) {
        const uint64_t begin = counter_begin();

        ticks[i] = counter_end() - begin;
    }
    qsort(ticks, COST_SAMPLES, sizeof(ticks[0]), compare_ticks);
    return ticks[COST_SAMPLES / 2];
}

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->tick_ns = measure_tick();
    h->cost = measure_cost();
}

/* First and one past the last difference of a bucket. */
static uint64_t bucket_start(unsigned bucket)
{
    unsigned shift;

    if (bucket < HISTOGRAM_SUB) {
        return bucket;
    }
    shift = bucket / HISTOGRAM_SUB - 1;
    return (uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB) << shift;
}

double histogram_middle(unsigned bucket)
{
    const uint64_t first = bucket_start(bucket);
    const unsigned shift =
        bucket < HISTOGRAM_SUB ? 0 : bucket / HISTOGRAM_SUB - 1;

    return (double)first + (double)((UINT64_C(1) << shift) - 1) / 2;
}

double histogram_percentile(const struct histogram *h, double share)
{
    const double wanted = share * (double)h->total;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->count[i];
        if (seen && (double)seen >= wanted) {
            return histogram_middle(i) * h->tick_ns;
        }
    }
    return (double)h->max * h->tick_ns;
}

/* Buckets are joined by four, so that a page of figures stays small. */
static void report_buckets(const struct histogram *h, struct bench_report *to)
{
    char text[LABEL_SIZE];
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i += 4) {
        uint64_t count = 0;

        for (unsigned k = 0; k < 4; k++) {
            count += h->count[i + k];
        }
        if (count && used < sizeof(text) - 64) {
            used += (size_t)snprintf(
                text + used, sizeof(text) - used, "%s%.4g:%" PRIu64,
                used ? " " : "",
                (histogram_middle(i + 1) + histogram_middle(i + 2)) / 2 *
                    h->tick_ns,
                count);
        }
    }
    bench_label(to, text);
}

void histogram_report(const struct histogram *h, struct bench_report *to)
{
    if (h->total == 0) {
        return;
    }
    bench_counter(to, "mean", (double)h->sum / (double)h->total * h->tick_ns);
    bench_counter(to, "p50", histogram_percentile(h, 0.50));
    bench_counter(to, "p99", histogram_percentile(h, 0.99));
    bench_counter(to, "p99.9", histogram_percentile(h, 0.999));
    bench_counter(to, "max", (double)h->max * h->tick_ns);
    bench_counter(to, "counter_cost", (double)h->cost * h->tick_ns);
    bench_counter(to, "samples", (double)h->total);
    report_buckets(h, to);
}
