/* SPDX-License-Identifier: MIT */
/*
 * The floating-point reference against qemu-riscv64, operation by operation.
 *
 * What QEMU answered is also kept as one digest a row (fp_golden.inc), so that
 * a machine without QEMU still checks every vector, though it cannot tell
 * which one differs. After a change of the vectors, XBAR_GOLDEN=1 prints a new
 * table from QEMU's answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/guest/fp_vectors.h"
#include "tests/guest/oracle.h"
#include "tests/guest/random.h"

#define MAX_REPORTS 10

static const uint64_t golden[] = {
#define FP_GOLDEN(name, digest) UINT64_C(digest),
#include "tests/guest/fp_golden.inc"
};

static uint64_t add_to_digest(uint64_t digest, struct fp_outcome outcome)
{
    digest = random_mix(digest + outcome.result);
    return random_mix(digest + outcome.flags);
}

static void test_digests(void **state)
{
    (void)state;
    assert_int_equal(sizeof(golden) / sizeof(golden[0]), fp_row_count);
    for (uint32_t row = 0; row < fp_row_count; row++) {
        struct fp_case *cases;
        size_t count = fp_vectors(row, &cases);
        uint64_t digest = 0;

        for (size_t i = 0; i < count; i++) {
            digest = add_to_digest(digest, fp_evaluate(&cases[i]));
        }
        free(cases);
        if (digest != golden[row]) {
            fail_msg("%s: digest 0x%llx, not 0x%llx", fp_rows[row].name,
                     (unsigned long long)digest,
                     (unsigned long long)golden[row]);
        }
    }
}

static void report(const struct fp_case *c, struct fp_outcome ours,
                   struct fp_outcome qemu)
{
    print_message(
        "%s rm=%u %016llx %016llx %016llx: "
        "%016llx flags %02llx, qemu %016llx flags %02llx\n",
        fp_rows[c->row].name, c->rm, (unsigned long long)c->operand[0],
        (unsigned long long)c->operand[1], (unsigned long long)c->operand[2],
        (unsigned long long)ours.result, (unsigned long long)ours.flags,
        (unsigned long long)qemu.result, (unsigned long long)qemu.flags);
}

/* The number of differences in one row; @digest is of the oracle's answers. */
static size_t compare_row(uint32_t row, uint64_t *digest)
{
    struct fp_case *cases;
    size_t count = fp_vectors(row, &cases);
    struct fp_outcome *qemu = calloc(count, sizeof(*qemu));
    size_t differences = 0;

    assert_non_null(qemu);
    assert_int_equal(oracle_run(XBAR_RV_PROGRAM, cases, count * sizeof(*cases),
                                qemu, count * sizeof(*qemu)),
                     0);
    *digest = 0;
    for (size_t i = 0; i < count; i++) {
        struct fp_outcome ours = fp_evaluate(&cases[i]);

        *digest = add_to_digest(*digest, qemu[i]);
        if (ours.result != qemu[i].result || ours.flags != qemu[i].flags) {
            if (differences++ < MAX_REPORTS) {
                report(&cases[i], ours, qemu[i]);
            }
        }
    }
    free(qemu);
    free(cases);
    return differences;
}

static void test_oracle(void **state)
{
    const char *missing = oracle_missing(XBAR_RV_PROGRAM);
    size_t differences = 0;

    (void)state;
    if (missing) {
        print_message("%s\n", missing);
        skip();
    }
    for (uint32_t row = 0; row < fp_row_count; row++) {
        uint64_t digest;

        differences += compare_row(row, &digest);
        if (getenv("XBAR_GOLDEN")) {
            printf("FP_GOLDEN(\"%s\", 0x%016llx)\n", fp_rows[row].name,
                   (unsigned long long)digest);
        }
    }
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
