/* SPDX-License-Identifier: MIT */
/* What the profile notes of commits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "profile/changes.h"

struct rig {
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion device;
    struct changes *changes;
};

static uint64_t read_zero(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)value;
    (void)size;
}

static const MemoryRegionOps ops = {
    .read = read_zero,
    .write = write_nothing,
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    Error *err = NULL;

    assert_non_null(rig);
    rig->changes = calloc(1, sizeof(*rig->changes));
    assert_non_null(rig->changes);
    memory_region_init(&rig->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&rig->ram, NULL, "ram", 0x4000, &err);
    assert_null(err);
    memory_region_init_io(&rig->device, NULL, &ops, NULL, "device", 0x1000);
    address_space_init(&rig->as, &rig->root, "memory");
    (void)memory_region_add_subregion(&rig->root, 0x10000, &rig->ram);
    assert_int_equal(changes_start(rig->changes, &rig->as, &err), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    changes_stop(rig->changes);
    address_space_destroy(&rig->as);
    assert_int_equal(xbar_region_destroy(&rig->root, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&rig->ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&rig->device, NULL, NULL), 0);
    free(rig->changes);
    free(rig);
    return 0;
}

static void expect(const struct changes *changes, unsigned which,
                   uint64_t commit, bool is_added, const char *name,
                   hwaddr first, hwaddr last)
{
    const struct change *change = &changes->items[which];

    assert_true(which < changes->count);
    assert_int_equal(change->commit, commit);
    assert_int_equal(change->is_added, is_added);
    assert_int_equal(change->is_ram, strcmp(name, "ram") == 0);
    assert_string_equal(change->name, name);
    assert_int_equal(change->first, first);
    assert_int_equal(change->last, last);
}

static void test_the_view_as_it_is(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig->changes->count, 0);
    assert_int_equal(rig->changes->commits, 0);
}

static void test_a_device_over_ram(void **state)
{
    struct rig *rig = *state;
    struct changes *changes = rig->changes;

    (void)memory_region_add_subregion_overlap(&rig->root, 0x11000, &rig->device,
                                              1);
    assert_int_equal(changes->commits, 1);
    expect(changes, 0, 1, false, "ram", 0x11000, 0x11fff);
    expect(changes, 1, 1, true, "device", 0x11000, 0x11fff);

    memory_region_set_address(&rig->device, 0x20000);
    assert_int_equal(changes->commits, 2);
    expect(changes, 2, 2, false, "device", 0x11000, 0x11fff);
    expect(changes, 3, 2, true, "ram", 0x11000, 0x11fff);
    expect(changes, 4, 2, true, "device", 0x20000, 0x20fff);
    assert_int_equal(changes->count, 5);
    assert_int_equal(changes->total, 5);
    assert_true(changes->items[4].ns >= changes->items[0].ns);
}

static void test_more_than_fit(void **state)
{
    struct rig *rig = *state;
    struct changes *changes = rig->changes;

    (void)memory_region_add_subregion(&rig->root, 0x20000, &rig->device);
    for (unsigned i = 0; i < CHANGES_MAX; i++) {
        memory_region_set_enabled(&rig->device, i & 1);
    }
    assert_int_equal(changes->commits, 1 + CHANGES_MAX);
    assert_int_equal(changes->total, 1 + CHANGES_MAX);
    assert_int_equal(changes->count, CHANGES_MAX);
}

static void test_the_end(void **state)
{
    struct rig *rig = *state;

    changes_stop(rig->changes);
    (void)memory_region_add_subregion(&rig->root, 0x20000, &rig->device);
    assert_int_equal(rig->changes->count, 0);
    assert_int_equal(rig->changes->total, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_view_as_it_is),
        CASE(test_a_device_over_ram),
        CASE(test_more_than_fit),
        CASE(test_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
