/* SPDX-License-Identifier: MIT */
/*
 * The same guest code in every combination of what must make no difference:
 * when code is translated, when loops are, a TLB of one entry, blocks that are
 * not chained, code that is dropped after each run, spans, 4 KiB of code, what
 * the host has. Registers, CSRs, memory, instructions retired, all traps and,
 * of an eighth, every pause must be those of the interpreter.
 *
 * test_jit_sequences.c has more sequences for a few of them.
 *
 * XBAR_SEED=N takes the sequences from there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/guest/insn_diff.h"
#include "tests/guest/insn_scale.h"

#define FIRST_SEED   UINT64_C(5000000000)
#define AT_ONCE      8 /* combinations, with one run of the interpreter */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each of these in any combination, with one of the below. */
static const unsigned stresses[] = {
    XBAR_RISCV_STRESS_TLB,      XBAR_RISCV_STRESS_CHAIN,
    XBAR_RISCV_STRESS_EVICT,    XBAR_RISCV_STRESS_REGION,
    XBAR_RISCV_STRESS_BASELINE,
};

static const unsigned spans[] = { 0, XBAR_RISCV_STRESS_SPAN,
                                  XBAR_RISCV_STRESS_NO_SPAN };
static const size_t code_limits[] = { 4096, 256 << 10 };
static const unsigned thresholds[] = { 1, 2, 5 };

#define COMBINATIONS                                               \
    ((1u << COUNT(stresses)) * COUNT(spans) * COUNT(code_limits) * \
     COUNT(thresholds))

static struct insn_machine_config combination(unsigned number, bool paged)
{
    struct insn_machine_config config = {
        XBAR_RISCV_JIT,
        .vary_state = true,
        .paged = paged,
    };

    for (unsigned i = 0; i < COUNT(stresses); i++, number /= 2) {
        config.stress |= number % 2 ? stresses[i] : 0;
    }
    config.stress |= spans[number % COUNT(spans)];
    number /= COUNT(spans);
    config.code_limit = code_limits[number % COUNT(code_limits)];
    number /= COUNT(code_limits);
    config.translate_after = thresholds[number % COUNT(thresholds)];
    return config;
}

static void make_sequences(struct insn_batch *batch, uint64_t seed)
{
    batch->first_offset = 2 * (seed % 4096);
    for (size_t i = 0; i < batch->count; i++) {
        insn_generate(&batch->sequences[i], seed + i, true);
    }
}

/* Combinations [first, first + AT_ONCE), and the interpreter before them. */
static uint64_t run_some(unsigned first, bool paged, struct insn_batch *batch)
{
    struct insn_side sides[1 + AT_ONCE] = { { .name = "interp" } };
    struct insn_machine_config config = { XBAR_RISCV_INTERP, .vary_state = true,
                                          .paged = paged };
    char names[AT_ONCE][64];
    uint64_t translated = 0;

    sides[0].machine = insn_machine_new(&config);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        config = combination(first + i, paged);
        snprintf(names[i], sizeof(names[i]),
                 "stress %x, %zu bytes of code, after %u", config.stress,
                 config.code_limit, config.translate_after);
        sides[1 + i].name = names[i];
        sides[1 + i].machine = insn_machine_new(&config);
    }
    assert_int_equal(
        insn_diff((struct insn_sides){ sides, 1 + AT_ONCE, paged }, batch), 0);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        struct xbar_riscv_stats stats;

        insn_machine_get_stats(sides[1 + i].machine, &stats);
        assert_true(stats.jit.instructions > 0);
        translated += stats.jit.instructions;
        insn_machine_free(sides[1 + i].machine);
    }
    insn_machine_free(sides[0].machine);
    return translated;
}

static void run_all(bool paged, size_t count)
{
    const char *seed = getenv("XBAR_SEED");
    uint64_t translated = 0;
    struct insn_batch batch;

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        skip();
    }
    insn_batch_open(&batch, count);
    make_sequences(&batch, seed ? strtoull(seed, NULL, 0) : FIRST_SEED);
    for (unsigned i = 0; i < COMBINATIONS; i += AT_ONCE) {
        translated += run_some(i, paged, &batch);
    }
    insn_batch_close(&batch);
    print_message("%zu sequences in %zu combinations, "
                  "%llu instructions in translated code\n",
                  count, COMBINATIONS, (unsigned long long)translated);
}

static void test_physical(void **state)
{
    (void)state;
    run_all(false, insn_scale(60));
}

static void test_paged(void **state)
{
    (void)state;
    run_all(true, insn_scale(10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_physical),
        cmocka_unit_test(test_paged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
