/* SPDX-License-Identifier: MIT */
/*
 * What ported models rely on does not change: each call's type, the order of
 * the fields that they initialise, and the values of names that they use.
 * Most of it fails to compile rather than to run.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <xbar/compat.h>
#include <xbar/xbar.h>

#define FROZEN(name, type)                                                \
    static_assert(                                                        \
        __builtin_types_compatible_p(__typeof__(name), __typeof__(type)), \
        #name " is not " #type);
#include "tests/compat/frozen.inc"
#undef FROZEN

/* ---- Calls ------------------------------------------------------------- */

/* They are in the library, too: else this does not link. */
static void test_calls(void **state)
{
#define FROZEN(name, type) (void (*)(void)) name,
    void (*const calls[])(void) = {
#include "tests/compat/frozen.inc"
    };
#undef FROZEN

    (void)state;
    assert_true(ARRAY_SIZE(calls) >= 246);
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        assert_non_null(calls[i]);
    }
}

/* ---- Structures -------------------------------------------------------- */

#define FOLLOWS(type, field, before) \
    assert_true(offsetof(type, field) > offsetof(type, before))

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(offsetof(MemoryRegionOps, read), 0);
    FOLLOWS(MemoryRegionOps, write, read);
    FOLLOWS(MemoryRegionOps, read_with_attrs, write);
    FOLLOWS(MemoryRegionOps, write_with_attrs, read_with_attrs);
    FOLLOWS(MemoryRegionOps, endianness, write_with_attrs);
    FOLLOWS(MemoryRegionOps, valid.min_access_size, endianness);
    FOLLOWS(MemoryRegionOps, valid.max_access_size, valid.min_access_size);
    FOLLOWS(MemoryRegionOps, valid.unaligned, valid.max_access_size);
    FOLLOWS(MemoryRegionOps, valid.accepts, valid.unaligned);
    FOLLOWS(MemoryRegionOps, impl.min_access_size, valid.accepts);
    FOLLOWS(MemoryRegionOps, impl.max_access_size, impl.min_access_size);
    FOLLOWS(MemoryRegionOps, impl.unaligned, impl.max_access_size);
    FOLLOWS(MemoryRegionSection, mr, size);
    FOLLOWS(MemoryRegionSection, fv, mr);
    FOLLOWS(MemoryRegionSection, offset_within_region, fv);
    FOLLOWS(MemoryRegionSection, offset_within_address_space,
            offset_within_region);
}

/* A model may initialise attributes in place. */
static void test_attributes(void **state)
{
    const MemTxAttrs attrs = {
        .unspecified = 0,
        .secure = 1,
        .user = 1,
        .memory = 0,
        .requester_id = 0xffff,
        .byte_swap = 0,
        .target_tlb_bit0 = 0,
        .target_tlb_bit1 = 0,
        .target_tlb_bit2 = 0,
    };

    (void)state;
    assert_int_equal(sizeof(attrs), 4);
    assert_int_equal(MEMTXATTRS_UNSPECIFIED.unspecified, 1);
    assert_int_equal(MEMTX_OK, 0);
    assert_int_equal(MEMTX_ERROR, 1);
    assert_int_equal(MEMTX_DECODE_ERROR, 2);
    assert_int_equal(MEMTX_ACCESS_ERROR, 4);
    assert_int_equal(DEVICE_NATIVE_ENDIAN, 0);
    assert_int_equal(DEVICE_BIG_ENDIAN, 1);
    assert_int_equal(DEVICE_LITTLE_ENDIAN, 2);
    assert_int_equal(RAM_SHARED, 1 << 1);
    assert_int_equal(RAM_PMEM, 1 << 5);
    assert_int_equal(RAM_NORESERVE, 1 << 7);
    assert_int_equal(RAM_PROTECTED, 1 << 8);
    assert_int_equal(LOG_UNIMP, 1 << 10);
    assert_int_equal(LOG_GUEST_ERROR, 1 << 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
