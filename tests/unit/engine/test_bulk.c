/* SPDX-License-Identifier: MIT */
/* Is a bulk transfer valid? As its accesses are, asked one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/plan.h"

static const MemTxAttrs plain = { .unspecified = 1 };

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static bool ask_each(MemoryRegion *mr, hwaddr offset, uint64_t length)
{
    while (length != 0) {
        unsigned size = xbar_plan_bulk_size(mr, offset, length);

        if (!memory_region_access_valid(mr, offset, size, false, plain)) {
            return false;
        }
        offset += size;
        length -= size;
    }
    return true;
}

static void check_ops(const MemoryRegionOps *ops)
{
    MemoryRegion mr;

    assert_int_equal(memory_region_init_io(&mr, NULL, ops, NULL, "mr", 0x100),
                     0);
    for (hwaddr offset = 0; offset < 17; offset++) {
        for (uint64_t length = 0; length < 40; length++) {
            assert_int_equal(
                xbar_plan_bulk_valid(&mr, offset, length, false, plain),
                ask_each(&mr, offset, length));
        }
    }
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
}

/* Aligned only; unaligned, in pieces; unaligned, as it is. */
static void check_limits(unsigned min, unsigned max)
{
    for (unsigned flags = 0; flags < 3; flags++) {
        const MemoryRegionOps ops = {
            .read = read_nothing,
            .write = write_nothing,
            .valid = { .min_access_size = min,
                       .max_access_size = max,
                       .unaligned = flags > 0 },
            .impl = { .min_access_size = 1,
                      .max_access_size = 8,
                      .unaligned = flags > 1 },
        };

        check_ops(&ops);
    }
}

static void test_all_limits(void **state)
{
    (void)state;
    for (unsigned min = 1; min <= 8; min *= 2) {
        for (unsigned max = min; max <= 8; max *= 2) {
            check_limits(min, max);
        }
    }
}

/* A length that a guest chose costs a few questions, not one a word. */
static void test_huge_lengths(void **state)
{
    static const MemoryRegionOps ops = {
        .read = read_nothing,
        .write = write_nothing,
    };
    MemoryRegion mr;

    (void)state;
    assert_int_equal(
        memory_region_init_io(&mr, NULL, &ops, NULL, "mr", UINT64_MAX), 0);
    assert_true(xbar_plan_bulk_valid(&mr, 3, UINT64_MAX - 3, true, plain));
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_limits),
        cmocka_unit_test(test_huge_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
