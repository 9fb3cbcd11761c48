/* SPDX-License-Identifier: MIT */
/* Buckets, percentiles, and what is reported of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

/* ---- What the report would be told ------------------------------------- */

struct bench_report {
    double p50, p99, max, mean, samples;
    char label[32768];
};

void bench_counter(struct bench_report *to, const char *name, double value)
{
    if (!strcmp(name, "p50")) {
        to->p50 = value;
    } else if (!strcmp(name, "p99")) {
        to->p99 = value;
    } else if (!strcmp(name, "max")) {
        to->max = value;
    } else if (!strcmp(name, "mean")) {
        to->mean = value;
    } else if (!strcmp(name, "samples")) {
        to->samples = value;
    }
}

void bench_label(struct bench_report *to, const char *text)
{
    snprintf(to->label, sizeof(to->label), "%s", text);
}

/* ---- Fixture ------------------------------------------------------------ */

/* A histogram of ticks that are nanoseconds and cost 10 to read. */
static struct histogram *make(void)
{
    struct histogram *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    h->tick_ns = 1.0;
    h->cost = 10;
    return h;
}

static void add(struct histogram *h, uint64_t ticks, unsigned times)
{
    while (times--) {
        histogram_add(h, 1000, 1000 + 10 + ticks);
    }
}

static void assert_near(double value, double wanted)
{
    if (fabs(value - wanted) > wanted * 0.04) {
        fail_msg("%g is not about %g", value, wanted);
    }
}

/* ---- Tests --------------------------------------------------------------- */

static void buckets_hold_what_their_middle_says(void **state)
{
    (void)state;
    for (uint64_t ticks = 0; ticks < 4 * HISTOGRAM_SUB; ticks++) {
        const unsigned bucket = histogram_bucket(ticks);

        assert_true(bucket < HISTOGRAM_BUCKETS);
        assert_true(fabs(histogram_middle(bucket) - (double)ticks) <=
                    1.0 + (double)ticks / HISTOGRAM_SUB);
    }
    for (unsigned shift = 7; shift < 64; shift++) {
        const uint64_t ticks = (UINT64_C(1) << shift) + (1u << (shift / 3));

        assert_near(histogram_middle(histogram_bucket(ticks)), (double)ticks);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void buckets_ascend(void **state)
{
    unsigned last = 0;

    (void)state;
    for (uint64_t ticks = 0; ticks < 100000; ticks++) {
        const unsigned bucket = histogram_bucket(ticks);

        assert_true(bucket == last || bucket == last + 1);
        last = bucket;
    }
}

static void percentiles_are_where_they_should_be(void **state)
{
    struct histogram *h = make();

    (void)state;
    add(h, 50, 900);
    add(h, 500, 90);
    add(h, 5000, 10);
    assert_near(histogram_percentile(h, 0.50), 50);
    assert_near(histogram_percentile(h, 0.90), 50);
    assert_near(histogram_percentile(h, 0.95), 500);
    assert_near(histogram_percentile(h, 0.99), 500);
    assert_near(histogram_percentile(h, 0.999), 5000);
    free(h);
}

static void the_counters_cost_is_taken_out(void **state)
{
    struct histogram *h = make();

    (void)state;
    histogram_add(h, 1000, 1005); /* less than the cost: nothing is left */
    assert_int_equal(h->sum, 0);
    add(h, 7, 1);
    assert_int_equal(h->sum, 7);
    assert_int_equal(h->max, 7);
    free(h);
}

static void all_of_it_is_reported(void **state)
{
    struct histogram *h = make();
    struct bench_report *report = calloc(1, sizeof(*report));
    unsigned long long total = 0;
    char *rest;

    (void)state;
    assert_non_null(report);
    add(h, 50, 98);
    add(h, 70000, 2);
    histogram_report(h, report);
    assert_near(report->p50, 50);
    assert_near(report->p99, 70000);
    assert_near(report->mean, (50 * 98 + 70000 * 2) / 100.0);
    assert_true(report->max == 70000);
    assert_true(report->samples == 100);
    for (char *word = strtok_r(report->label, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        total += strtoull(strchr(word, ':') + 1, NULL, 10);
    }
    assert_int_equal(total, 100);
    free(report);
    free(h);
}

static void the_counter_counts(void **state)
{
    struct histogram *h = make();

    (void)state;
    histogram_init(h);
    assert_int_equal(h->total, 0);
    assert_true(h->tick_ns > 0.05 && h->tick_ns < 1000);
    assert_true(h->cost > 0);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_hold_what_their_middle_says),
        cmocka_unit_test(buckets_ascend),
        cmocka_unit_test(percentiles_are_where_they_should_be),
        cmocka_unit_test(the_counters_cost_is_taken_out),
        cmocka_unit_test(all_of_it_is_reported),
        cmocka_unit_test(the_counter_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
