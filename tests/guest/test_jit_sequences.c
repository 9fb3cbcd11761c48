/* SPDX-License-Identifier: MIT */
/*
 * Random instruction sequences run by the interpreter and by the translator:
 * registers, CSRs, memory, instructions retired, and cause, address and count
 * of every trap must be equal. No QEMU here, so there are many of them: with
 * those of test_insn_sequences.c above a million, most for the translator as
 * it is, and shares for each way to make it meet its rare paths.
 *
 * Every eighth sequence runs once more with other registers: its blocks are
 * chained then, its jumps cached. Another eighth pauses after each 1 to 31
 * instructions, where pc and registers are compared as well.
 *
 * XBAR_SEED=N runs just the batch of one. A tenth of the sequences in checked
 * builds, 20 times as many with XBAR_LONG=1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/guest/insn_diff.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/insn_scale.h"

/* Few: the cache of the translator, and ours, stay warm. */
#define BATCH        64
#define AGAIN_EVERY  8
#define MIN_EXECUTED 1000

struct variant {
    const char *name;
    size_t sequences;
    uint64_t first_seed;
    struct insn_machine_config config;
};

static uint64_t *executed; /* by row, in the first variant */

/* ---- Batches ----------------------------------------------------------- */

static bool is_again(size_t index)
{
    return index % (AGAIN_EVERY + 1) == AGAIN_EVERY;
}

static size_t batch_size(void)
{
    return BATCH + BATCH / AGAIN_EVERY;
}

/* Anywhere in the first pages, so that code crosses them anywhere. */
static size_t random_offset(uint64_t seed)
{
    return 2 * (random_mix(seed) % (2 * GUEST_PAGE));
}

static void make_sequences(struct insn_batch *batch, uint64_t seed)
{
    batch->first_offset = random_offset(seed);
    for (size_t i = 0; i < batch->count; i++) {
        struct insn_sequence *s = &batch->sequences[i];

        if (is_again(i)) {
            *s = s[-1];
            insn_generate_state(s, s->seed);
        } else {
            insn_generate(s, seed++, true);
        }
    }
}

/* ---- Variants ---------------------------------------------------------- */

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void report_jit(const struct insn_machine *machine, double seconds)
{
    struct xbar_riscv_stats stats;

    insn_machine_get_stats(machine, &stats);
    print_message(
        "    %llu instructions, %llu in translated code; "
        "%llu blocks, %llu links, %llu dropped; %.1f s\n",
        (unsigned long long)stats.instructions,
        (unsigned long long)stats.jit.instructions,
        (unsigned long long)stats.jit.blocks,
        (unsigned long long)stats.jit.links,
        (unsigned long long)(stats.jit.evicted + stats.jit.invalidated),
        seconds);
    assert_true(stats.jit.instructions > 0);
}

/* The same world, without anything that must not make a difference. */
static struct insn_machine_config plain_world(struct insn_machine_config config)
{
    config.engine = XBAR_RISCV_INTERP;
    config.stress = 0;
    config.code_limit = 0;
    return config;
}

/* From the first batch on, or just the one batch that starts with @only. */
static void run_batches(const struct variant *variant, struct insn_sides sides,
                        const char *only)
{
    size_t total = only ? BATCH : insn_scale(variant->sequences);
    uint64_t seed = only ? strtoull(only, NULL, 0) : variant->first_seed;
    struct insn_batch batch;

    insn_batch_open(&batch, batch_size());
    seed -= (seed - variant->first_seed) % BATCH;
    print_message("%zu sequences%s, seeds %llu and up: %s\n", total,
                  INSN_SCALE_NOTE, (unsigned long long)seed, variant->name);
    for (size_t done = 0; done < total; done += BATCH) {
        make_sequences(&batch, seed + done);
        assert_int_equal(insn_diff(sides, &batch), 0);
    }
    insn_batch_close(&batch);
}

static void run_variant(const struct variant *variant, uint64_t *counts)
{
    const struct insn_machine_config reference = plain_world(variant->config);
    const double start = cpu_seconds();
    const struct insn_side pair[] = {
        { .name = "interp",
          .machine = insn_machine_new(&reference),
          .executed = counts,
          .count_every = INSN_SLOW_BUILD ? 4 : 40 },
        { .name = variant->name,
          .machine = insn_machine_new(&variant->config) },
    };

    run_batches(variant, (struct insn_sides){ pair, 2, variant->config.paged },
                getenv("XBAR_SEED"));
    report_jit(pair[1].machine, cpu_seconds() - start);
    insn_machine_free(pair[0].machine);
    insn_machine_free(pair[1].machine);
}

static void skip_without_jit(void)
{
    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        skip();
    }
}

#define MILLION UINT64_C(1000000)

static void test_jit(void **state)
{
    const struct variant plain = {
        .name = "jit",
        .sequences = 600000,
        .first_seed = 1,
        .config = { XBAR_RISCV_JIT, .code_limit = 256 << 10,
                    .vary_state = true },
    };

    (void)state;
    skip_without_jit();
    run_variant(&plain, executed);
}

static void test_variants(void **state)
{
    static const struct variant variants[] = {
        { "jit, one-entry TLB",
          50000,
          100 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_TLB } },
        { "jit, only what every host has",
          40000,
          1200 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_BASELINE,
            .vary_state = true } },
        { "jit, spans learnt at once",
          30000,
          1300 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_SPAN,
            .vary_state = true } },
        { "jit, no chaining",
          40000,
          200 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_CHAIN } },
        { "jit, code dropped after each run",
          40000,
          300 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_EVICT } },
        { "jit, loops hot at once",
          30000,
          1400 * MILLION,
          { XBAR_RISCV_JIT,
            .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_SPAN } },
        { "lockstep, loops hot at once",
          15000,
          1500 * MILLION,
          { XBAR_RISCV_LOCKSTEP, .stress = XBAR_RISCV_STRESS_REGION } },
        { "jit, 4 KiB of code",
          40000,
          400 * MILLION,
          { XBAR_RISCV_JIT, .code_limit = 4096 } },
        { "jit, deterministic clock and timer interrupts",
          40000,
          500 * MILLION,
          { XBAR_RISCV_JIT, .insns_per_tick = 3 } },
        { "jit, all of these",
          30000,
          600 * MILLION,
          { XBAR_RISCV_JIT,
            .stress = XBAR_RISCV_STRESS_TLB | XBAR_RISCV_STRESS_CHAIN |
                      XBAR_RISCV_STRESS_EVICT,
            .code_limit = 4096, .insns_per_tick = 1, .vary_state = true } },
        { "lockstep",
          40000,
          700 * MILLION,
          { XBAR_RISCV_LOCKSTEP, .vary_state = true } },
        { "lockstep, timer interrupts",
          20000,
          800 * MILLION,
          { XBAR_RISCV_LOCKSTEP, .insns_per_tick = 2 } },
        { "jit, some of it interpreted",
          30000,
          1400 * MILLION,
          { XBAR_RISCV_JIT, .translate_after = 2, .vary_state = true } },
        { "jit, paging",
          20000,
          900 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_SPAN, .paged = true } },
        { "jit, paging, one-entry TLB",
          15000,
          1000 * MILLION,
          { XBAR_RISCV_JIT, .stress = XBAR_RISCV_STRESS_TLB, .paged = true,
            .vary_state = true } },
        { "lockstep, paging",
          15000,
          1100 * MILLION,
          { XBAR_RISCV_LOCKSTEP, .insns_per_tick = 5, .paged = true } },
    };

    (void)state;
    skip_without_jit();
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        run_variant(&variants[i], NULL);
    }
}

/*
 * After test_jit: has every row been run often enough? Only the interpreter
 * is stepped, a share of the sequences, and counted; the translator retired
 * the same instructions, or it would have differed.
 */
static void test_coverage(void **state)
{
    size_t rarest = 0;

    (void)state;
    skip_without_jit();
    if (getenv("XBAR_SEED")) {
        skip();
    }
    for (size_t row = 0; row < insn_row_count; row++) {
        if (executed[row] < executed[rarest]) {
            rarest = row;
        }
    }
    print_message("%zu rows, the rarest is %s: %llu times\n", insn_row_count,
                  insn_row(rarest).name, (unsigned long long)executed[rarest]);
    assert_true(executed[rarest] >= MIN_EXECUTED);
}

static int set_up(void **state)
{
    (void)state;
    executed = calloc(insn_row_count, sizeof(*executed));
    return executed ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(executed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jit),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_variants),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
