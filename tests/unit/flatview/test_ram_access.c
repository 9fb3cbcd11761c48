/* SPDX-License-Identifier: MIT */
/* Copies to and from guest memory: every alignment, every short length. */
#include "flatview/access/ram_access.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define AREA 64

static void fill(unsigned char *bytes, size_t length, unsigned char first)
{
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(first + i);
    }
}

static void test_copies(void **state)
{
    _Alignas(8) unsigned char guest[AREA];
    unsigned char bytes[AREA];
    unsigned char expected[AREA];

    (void)state;
    for (size_t at = 0; at < 16; at++) {
        for (size_t length = 0; at + length <= AREA; length++) {
            fill(guest, AREA, 1);
            memset(bytes, 0, AREA);
            flatview__ram_read(bytes, guest + at, length);
            assert_memory_equal(bytes, guest + at, length);

            memcpy(expected, guest, AREA);
            fill(bytes, AREA, 101);
            memcpy(expected + at, bytes, length);
            flatview__ram_write(guest + at, bytes, length);
            assert_memory_equal(guest, expected, AREA);
        }
    }
}

static void test_widths(void **state)
{
    _Alignas(8) unsigned char guest[8];

    (void)state;
    for (unsigned log2 = 0; log2 <= 3; log2++) {
        size_t size = (size_t)1 << log2;
        unsigned char bytes[8] = { 0 };
        uint64_t value;

        fill(guest, sizeof(guest), 0x81);
        value = flatview__ram_load(guest, log2);
        flatview__ram_unpack(bytes, value, log2);
        assert_memory_equal(bytes, guest, size);
        assert_int_equal(flatview__ram_pack(bytes, log2), value);

        memset(guest, 0, sizeof(guest));
        flatview__ram_store(guest, value, log2);
        assert_memory_equal(guest, bytes, sizeof(guest));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_widths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
