/* SPDX-License-Identifier: MIT */
/*
 * The fuzz target without a fuzzer: random bytes, and inputs that are likely
 * to matter. XBAR_FUZZ_INPUTS sets how many; XBAR_FUZZ_SEED where to start.
 */
#include "tests/fuzz/fuzz_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fuzz/numbers.h"

#define DEFAULT_INPUTS 20000
#define MAX_SIZE       1024

/* Half of the bytes from a few values, so that keys meet again. */
static void test_random_inputs(void **state)
{
    uint64_t first = number_from("XBAR_FUZZ_SEED", 1);
    uint64_t count = number_from("XBAR_FUZZ_INPUTS", DEFAULT_INPUTS);
    uint8_t bytes[MAX_SIZE];

    (void)state;
    for (uint64_t seed = first; seed < first + count; seed++) {
        uint64_t random = seed;
        size_t size = next_random(&random) % MAX_SIZE;

        for (size_t i = 0; i < size; i++) {
            uint64_t draw = next_random(&random);

            bytes[i] = (uint8_t)(draw & 256 ? draw & 7 : draw);
        }
        if (LLVMFuzzerTestOneInput(bytes, size) != 0) {
            fail_msg("XBAR_FUZZ_SEED=%llu", (unsigned long long)seed);
        }
    }
}

/* One key after the other at each place a digit can stand, and out again. */
static void test_each_digit(void **state)
{
    uint8_t bytes[4 * 16 * 16];
    size_t size = 0;

    (void)state;
    for (unsigned place = 0; place < 16; place++) {
        for (unsigned value = 0; value < 16; value++) {
            bytes[size++] = 8;
            bytes[size++] = (uint8_t)(place << 3 | 1);
            bytes[size++] = (uint8_t)(value * 17);
            bytes[size++] = value % 5 == 4 ? 16 : 7;
        }
    }
    assert_int_equal(LLVMFuzzerTestOneInput(bytes, size), 0);
}

static void test_nothing(void **state)
{
    const uint8_t commit = 16;

    (void)state;
    assert_int_equal(LLVMFuzzerTestOneInput(&commit, 0), 0);
    assert_int_equal(LLVMFuzzerTestOneInput(&commit, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_each_digit),
        cmocka_unit_test(test_random_inputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
