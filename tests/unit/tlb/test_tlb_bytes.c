/* SPDX-License-Identifier: MIT */
/*
 * Accesses of 1 to 16 bytes through a TLB: what they read and write, what a
 * fault leaves alone. (test_splitter_model has what devices see of them.)
 */
#include "flatview/dirty_bitmap.h"
#include "tests/unit/tlb/world.h"

#define VA   0x40000000u
#define BITS 0x41000000u /* the page of pieces */

static struct world *new_world(void)
{
    struct world *world = world_new();

    world_map(world, VA, 0x80000000u, PROT_RWX);
    world_map(world, VA + PAGE, 0x80003000u, PROT_RWX);
    world_map(world, BITS, 0x10002000u, PROT_RWX);
    for (unsigned i = 0; i < 4 * PAGE; i++) {
        world->bytes[RAM][i] = (uint8_t)(i * 7 + i / PAGE);
    }
    return world;
}

/* Byte @i from VA on. */
static uint8_t *byte_at(struct world *world, unsigned i)
{
    return &world->bytes[RAM][i < PAGE ? i : i + 2 * PAGE];
}

static void memory_of_all_sizes(void **state)
{
    struct world *world = new_world();

    (void)state;
    for (unsigned size = 1; size <= 16; size++) {
        for (unsigned at = PAGE - 20; at < PAGE + 20; at++) {
            uint8_t bytes[18] = { 0 };

            bytes[size] = 0x5a;
            assert_int_equal(
                tlb_load_bytes(&world->tlb, 0, VA + at, bytes, size), 0);
            for (unsigned i = 0; i < size; i++) {
                assert_int_equal(bytes[i], *byte_at(world, at + i));
                bytes[i] = (uint8_t)~bytes[i];
            }
            assert_int_equal(bytes[size], 0x5a);
            assert_int_equal(
                tlb_store_bytes(&world->tlb, 0, VA + at, bytes, size), 0);
            for (unsigned i = 0; i < size; i++) {
                assert_int_equal(*byte_at(world, at + i), bytes[i]);
            }
        }
    }
    world_free(world);
}

/* All of it is known to be possible before anything happens. */
static void faults_have_no_effect(void **state)
{
    struct world *world = new_world();
    uint8_t before[16], bytes[16];

    (void)state;
    memset(bytes, 0x11, sizeof(bytes));
    memcpy(before, byte_at(world, 0) + PAGE - 8, 8);
    world_map(world, VA + PAGE, 0x80003000u, 0);
    tlb_flush(&world->tlb, 1);
    assert_int_not_equal(
        tlb_store_bytes(&world->tlb, 0, VA + PAGE - 8, bytes, 16), 0);
    assert_int_equal(world->tlb.fault.va, VA + PAGE);
    assert_memory_equal(byte_at(world, PAGE - 8), before, 8);
    assert_int_not_equal(
        tlb_load_bytes(&world->tlb, 0, VA + PAGE - 8, bytes, 16), 0);
    assert_int_equal(bytes[0], 0x11);
    /* A hole, after RAM in the same page. */
    assert_int_not_equal(
        tlb_store_bytes(&world->tlb, 0, BITS + 0x7f8, bytes, 16), 0);
    assert_int_equal(world->tlb.fault.code, 0);
    assert_int_equal(world->tlb.fault.result, MEMTX_DECODE_ERROR);
    world_free(world);
}

/* Devices are asked first, also when memory comes before them. */
static void a_refusing_device_spares_memory(void **state)
{
    struct world *world = new_world();
    uint8_t bytes[16];

    (void)state;
    memset(bytes, 0x11, sizeof(bytes));
    *byte_at(world, PAGE - 1) = 0;
    world_map(world, VA + PAGE, 0x10001000u, PROT_RWX); /* 4 bytes only */
    tlb_flush(&world->tlb, 1);
    assert_int_not_equal(
        tlb_store_bytes(&world->tlb, 0, VA + PAGE - 1, bytes, 3), 0);
    assert_int_equal(world->tlb.fault.va, VA + PAGE);
    assert_int_equal(world->tlb.fault.result, MEMTX_DECODE_ERROR);
    assert_int_equal(*byte_at(world, PAGE - 1), 0);
    assert_int_equal(tlb_store_bytes(&world->tlb, 0, VA + PAGE - 1, bytes, 13),
                     0);
    assert_int_equal(*byte_at(world, PAGE - 1), 0x11);
    world_free(world);
}

static void writes_are_seen(void **state)
{
    struct world *world = new_world();
    uint8_t bytes[16] = { 0 };

    (void)state;
    assert_int_equal(memory_region_set_log(&world->mr[RAM], true, 0), 0);
    memory_region_reset_dirty(&world->mr[RAM], 0, UINT64_MAX, 0);
    tlb_safepoint(&world->tlb);
    assert_int_equal(tlb_store_bytes(&world->tlb, 0, VA + PAGE - 3, bytes, 16),
                     0);
    assert_true(memory_region_get_dirty(&world->mr[RAM], 0, PAGE, 0));
    assert_false(memory_region_get_dirty(&world->mr[RAM], PAGE, PAGE, 0));
    assert_true(memory_region_get_dirty(&world->mr[RAM], 3 * PAGE, PAGE, 0));
    world_free(world);
}

struct told {
    unsigned calls;
    unsigned bytes;
};

static void note(void *opaque, const FlatRange *section,
                 enum xbar_tlb_access access, unsigned size)
{
    struct told *told = opaque;

    (void)access;
    assert_non_null(section->mr);
    told->calls++;
    told->bytes += size;
}

static void they_are_observed(void **state)
{
    struct told told = { 0, 0 };
    struct world *world = world_new_observed(note, &told);
    uint8_t bytes[16] = { 0 };

    (void)state;
    world_map(world, VA, 0x80000000u, PROT_RWX);
    world_map(world, VA + PAGE, 0x80003000u, PROT_RWX);
    assert_int_equal(tlb_load_bytes(&world->tlb, 0, VA, bytes, 16), 0);
    assert_int_equal(told.calls, 1);
    assert_int_equal(tlb_store_bytes(&world->tlb, 0, VA + PAGE - 5, bytes, 13),
                     0);
    assert_int_equal(told.calls, 3);
    assert_int_equal(told.bytes, 29);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_all_sizes),
        cmocka_unit_test(faults_have_no_effect),
        cmocka_unit_test(a_refusing_device_spares_memory),
        cmocka_unit_test(writes_are_seen),
        cmocka_unit_test(they_are_observed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
