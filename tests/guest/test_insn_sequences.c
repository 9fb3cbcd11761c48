/* SPDX-License-Identifier: MIT */
/*
 * Random user-mode instruction sequences under qemu-riscv64, our interpreter
 * and our translator: registers, fcsr, memory and faults must be equal
 * afterwards.
 *
 * 100 000 sequences from fixed seeds; a tenth in checked builds, 20 times as
 * many with XBAR_LONG=1. XBAR_SEED=N runs just the batch of one; a failure
 * prints a seed, and the shortest form of the sequence that still fails. Some
 * run one instruction at a time, which also counts what was executed: each
 * row of the decode table at least 1000 times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/guest/insn_diff.h"
#include "tests/guest/insn_rows.h"
#include "tests/guest/insn_scale.h"
#include "tests/guest/oracle.h"

#define SEQUENCES    100000
#define BATCH        2000
#define COUNT_EVERY  (INSN_SLOW_BUILD ? 1 : 4)
#define MIN_EXECUTED 1000
#define FIRST_SEED   1

enum { QEMU, INTERP, JIT, SIDES };

static struct insn_side sides[SIDES] = {
    [QEMU] = { .name = "qemu", .program = XBAR_RV_PROGRAM },
    [INTERP] = { .name = "interp", .count_every = COUNT_EVERY },
    [JIT] = { .name = "jit" },
};

static size_t side_count(void)
{
    return xbar_riscv_has_jit() ? SIDES : JIT;
}

static void skip_without_oracle(void)
{
    const char *missing = oracle_missing(XBAR_RV_PROGRAM);

    if (missing) {
        print_message("%s\n", missing);
        skip();
    }
}

static void run_seeds(uint64_t first)
{
    struct insn_batch batch;
    int differences;

    insn_batch_open(&batch, BATCH);
    for (size_t i = 0; i < BATCH; i++) {
        insn_generate(&batch.sequences[i], first + i, false);
    }
    differences = insn_diff((struct insn_sides){ sides, side_count() }, &batch);
    insn_batch_close(&batch);
    assert_int_equal(differences, 0);
}

/* Where a sequence lies depends on those before it, so they run with it. */
static uint64_t batch_of(uint64_t seed)
{
    return seed - (seed - FIRST_SEED) % BATCH;
}

static void test_sequences(void **state)
{
    const char *only = getenv("XBAR_SEED");
    size_t total = insn_scale(SEQUENCES);

    (void)state;
    skip_without_oracle();
    if (only) {
        run_seeds(batch_of(strtoull(only, NULL, 0)));
        return;
    }
    print_message("%zu sequences%s, seeds %u and up\n", total, INSN_SCALE_NOTE,
                  FIRST_SEED);
    for (size_t done = 0; done < total; done += BATCH) {
        run_seeds(FIRST_SEED + done);
    }
}

/* After test_sequences: has every row been run often enough? */
static void test_coverage(void **state)
{
    const uint64_t *executed = sides[INTERP].executed;
    size_t rarest = 0;

    (void)state;
    skip_without_oracle();
    if (getenv("XBAR_SEED")) {
        skip();
    }
    for (size_t row = 0; row < insn_row_count; row++) {
        if (insn_row_has_oracle(row) && executed[row] < executed[rarest]) {
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
    sides[INTERP].machine =
        insn_machine_new(&(struct insn_machine_config){ XBAR_RISCV_INTERP });
    sides[INTERP].executed = calloc(insn_row_count, sizeof(uint64_t));
    assert_non_null(sides[INTERP].executed);
    if (xbar_riscv_has_jit()) {
        sides[JIT].machine =
            insn_machine_new(&(struct insn_machine_config){ XBAR_RISCV_JIT });
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    insn_machine_free(sides[INTERP].machine);
    free(sides[INTERP].executed);
    if (sides[JIT].machine) {
        insn_machine_free(sides[JIT].machine);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_coverage),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
