/* SPDX-License-Identifier: MIT */
/* How many samples a profile takes, and what each counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/samples.h"

#define PERIOD_NS (SAMPLES_PERIOD_US * UINT64_C(1000))

/* A hart that stands, where its chains are one pc long. */
struct rig {
    AddressSpace as;
    MemoryRegion root;
    struct xbar_riscv_hart *hart;
    struct samples *samples;
    uint64_t ns;
};

static struct xbar_engine *engine_of(struct rig *rig)
{
    return xbar_address_space_engine(&rig->as);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct xbar_riscv_config config = { .as = &rig->as };

    assert_non_null(rig);
    rig->samples = calloc(1, sizeof(*rig->samples));
    assert_non_null(rig->samples);
    memory_region_init(&rig->root, NULL, "root", UINT64_MAX);
    address_space_init(&rig->as, &rig->root, "memory");
    rig->hart = xbar_riscv_new(&config);
    assert_non_null(rig->hart);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    samples_end(rig->samples);
    free(rig->samples);
    xbar_riscv_free(rig->hart);
    address_space_destroy(&rig->as);
    assert_int_equal(xbar_region_destroy(&rig->root, NULL, NULL), 0);
    free(rig);
    return 0;
}

/* Return: what it counts. Time goes on as far as it says. */
static uint64_t add_at(struct rig *rig, uint64_t pc)
{
    uint64_t before = rig->samples->total;

    xbar_riscv_set_pc(rig->hart, pc);
    rig->ns += UINT64_C(1000) *
               samples_add(rig->samples, rig->hart, engine_of(rig), rig->ns);
    return rig->samples->total - before;
}

static void add(struct rig *rig, unsigned count, uint64_t pc,
                uint64_t each_counts)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(add_at(rig, pc), each_counts);
    }
}

static const struct chain *find(const struct samples *samples, uint64_t pc)
{
    for (size_t i = 0; i < samples->num_chains; i++) {
        if (samples->chains[i].pcs[0] == pc) {
            return &samples->chains[i];
        }
    }
    return NULL;
}

static void test_fewer_count_more(void **state)
{
    struct rig *rig = *state;

    add(rig, 250, 0x1000, 1);
    assert_int_equal(rig->ns, 249 * PERIOD_NS + 2 * PERIOD_NS);
    add(rig, 250, 0x2000, 2);
    add(rig, 3000, 0x3000, 2);
    assert_int_equal(rig->samples->taken, 3500);
    assert_int_equal(rig->samples->total, 250 + 500 + 6000);
    /* A count is a period, all along; the last one says when the next is. */
    assert_int_equal(rig->ns, (6750 + 2 - 1) * PERIOD_NS);
}

static void test_shares_are_of_time(void **state)
{
    struct rig *rig = *state;

    /* Here for a third of the time, and there for the rest. */
    while (rig->ns < 3 * UINT64_C(1000000000)) {
        (void)add_at(rig, 0x1000);
    }
    while (rig->ns < 9 * UINT64_C(1000000000)) {
        (void)add_at(rig, 0x2000);
    }
    samples_finish(rig->samples, rig->hart, engine_of(rig), rig->ns);
    assert_int_equal(rig->samples->num_chains, 2);
    assert_true(fabs(3.0 * (double)find(rig->samples, 0x1000)->count /
                         (double)rig->samples->total -
                     1) < 0.01);
    assert_int_equal(rig->samples->chains[0].pcs[0], 0x2000);
    assert_int_equal(rig->samples->count, rig->samples->taken);
}

static void test_margin(void **state)
{
    struct rig *rig = *state;

    assert_true(samples_margin(rig->samples) == 1);
    add(rig, 1, 0x1000, 1);
    assert_true(samples_margin(rig->samples) == 1);
    add(rig, 99, 0x1000, 1);
    assert_true(fabs(samples_margin(rig->samples) - 0.98 / 10) < 1e-9);
    add(rig, 150, 0x1000, 1);
    add(rig, 250, 0x1000, 2);
    /* Worth 750^2 / 1250 of the same. */
    assert_true(fabs(samples_margin(rig->samples) - 0.98 / sqrt(450)) < 1e-9);
}

/* As far apart at the end of a long run as they are at its beginning. */
static void test_points(void **state)
{
    struct rig *rig = *state;
    const struct samples *samples = rig->samples;
    uint64_t end = 60 * UINT64_C(1000000000);
    uint64_t most = 0;

    while (rig->ns < end) {
        (void)add_at(rig, 0x1000);
    }
    samples_finish(rig->samples, rig->hart, engine_of(rig), rig->ns);
    assert_int_equal(samples->points[0].ns, 0);
    assert_true(samples->points[0].resident > 0);
    assert_int_equal(samples->points[samples->num_points - 1].ns, rig->ns);
    assert_true(samples->num_points > SAMPLES_POINTS / 4);
    for (unsigned i = 1; i < samples->num_points; i++) {
        uint64_t apart = samples->points[i].ns - samples->points[i - 1].ns;

        assert_true(apart > 0);
        most = apart > most ? apart : most;
    }
    assert_true(most < 5 * (end / samples->num_points));
}

/* More chains than there is room for at first. */
static void test_many_chains(void **state)
{
    struct rig *rig = *state;
    const struct samples *samples = rig->samples;
    const unsigned many = 3000;
    uint64_t total = 0;

    for (unsigned i = 0; i < 2 * many; i++) {
        (void)add_at(rig, 0x1000 + 2 * (i % many));
    }
    samples_finish(rig->samples, rig->hart, engine_of(rig), rig->ns);
    assert_int_equal(samples->num_chains, many);
    assert_int_equal(samples->count, 2 * many);
    assert_int_equal(samples->lost, 0);
    for (unsigned i = 0; i < 2 * many; i++) {
        assert_int_equal(samples->chains[samples->items[i].chain].pcs[0],
                         0x1000 + 2 * (i % many));
    }
    for (unsigned i = 0; i < many; i++) {
        assert_true(i == 0 ||
                    samples->chains[i - 1].count >= samples->chains[i].count);
        total += samples->chains[i].count;
    }
    assert_int_equal(total, samples->total);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_fewer_count_more), CASE(test_shares_are_of_time),
        CASE(test_margin),           CASE(test_points),
        CASE(test_many_chains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
