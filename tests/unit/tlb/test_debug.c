/* SPDX-License-Identifier: MIT */
/* A debugger's accesses: what they reach, and what they leave alone. */
#include "tests/unit/tlb/world.h"

#define LOW  UINT64_C(0x40000000)
#define HIGH (LOW + PAGE)

static struct world *open_world(void)
{
    struct world *world = world_new();

    for (unsigned i = 0; i < 2 * PAGE; i++) {
        world->bytes[RAM][i] = (uint8_t)(i * 7 + (i >> 8));
    }
    world_map(world, LOW, 0x80001000, TLB_PROT_READ);
    world_map(world, HIGH, 0x80000000, TLB_PROT_EXEC);
    return world;
}

/* With the TLB's own walker. */
static uint64_t get(struct world *world, uint64_t va, void *buf, uint64_t len)
{
    return tlb_debug_rw(&world->tlb, NULL, 0, va, buf, len, false);
}

static uint64_t put(struct world *world, uint64_t va, const void *buf,
                    uint64_t len)
{
    return tlb_debug_rw(&world->tlb, NULL, 0, va, (void *)buf, len, true);
}

static void it_goes_page_by_page(void **state)
{
    struct world *world = open_world();
    uint8_t buf[2 * PAGE + 1];

    (void)state;
    assert_int_equal(get(world, LOW, buf, 2 * PAGE), 2 * PAGE);
    assert_memory_equal(buf, world->bytes[RAM] + PAGE, PAGE);
    assert_memory_equal(buf + PAGE, world->bytes[RAM], PAGE);
    assert_int_equal(put(world, HIGH - 3, "abcdef", 6), 6);
    assert_memory_equal(world->bytes[RAM] + 2 * PAGE - 3, "abc", 3);
    assert_memory_equal(world->bytes[RAM], "def", 3);
    assert_int_equal(get(world, LOW, buf, 0), 0);
    world_free(world);
}

/* As much as there is: to where a page, or the memory behind it, ends. */
static void it_ends_at_the_first_byte_that_is_not_there(void **state)
{
    struct world *world = open_world();
    uint8_t buf[2 * PAGE];

    (void)state;
    assert_int_equal(get(world, HIGH + PAGE - 5, buf, 100), 5);
    assert_int_equal(get(world, HIGH + PAGE, buf, 1), 0);
    assert_int_equal(put(world, HIGH + PAGE - 5, buf, 100), 5);
    world_map(world, LOW, 0x10002000, PROT_RWX);
    assert_int_equal(get(world, LOW + 0x7f3, buf, 100), 0xd);
    assert_int_equal(put(world, LOW + 0x7f3, buf, 100), 0xd);
    assert_int_equal(get(world, LOW + 0x800, buf, 1), 0);
    assert_int_equal(get(world, LOW + 0x980, buf, 1), 0);
    /* Around the top of the guest's addresses. */
    world_map(world, -(uint64_t)PAGE, 0x80000000, TLB_PROT_READ);
    world_map(world, 0, 0x80001000, TLB_PROT_READ);
    assert_int_equal(get(world, UINT64_MAX - 3, buf, 8), 8);
    assert_memory_equal(buf + 4, world->bytes[RAM] + PAGE, 4);
    world_free(world);
}

static void it_writes_what_the_guest_cannot(void **state)
{
    struct world *world = open_world();

    (void)state;
    world_map(world, LOW, 0x1000, TLB_PROT_READ);
    assert_int_equal(put(world, LOW + 8, "rom", 3), 3);
    assert_memory_equal(world->bytes[ROM] + 8, "rom", 3);
    world_free(world);
}

static void devices_are_left_alone(void **state)
{
    struct world *world = open_world();
    uint8_t buf[8];

    (void)state;
    world_map(world, LOW, 0x10000000, PROT_RWX);
    assert_int_equal(get(world, LOW, buf, 8), 0);
    assert_int_equal(put(world, LOW, buf, 8), 0);
    assert_int_equal(world->call_count, 0);
    world_free(world);
}

/* Entries, counts and the fault stay; so does what a store is told of. */
static void the_tlb_does_not_notice(void **state)
{
    struct world *world = open_world();
    SoftTLB *before = aligned_zeroed(sizeof(*before));
    uint8_t buf[8] = { 0 };

    (void)state;
    world_map(world, LOW, 0x80001000, PROT_RWX);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, LOW, 3, 1), 0);
    assert_int_equal(tlb_store_slow(&world->tlb, 0, 5, 0, 1), FAULT_CODE);
    memcpy(before, &world->tlb, sizeof(*before));
    assert_int_equal(get(world, LOW, buf, 8), 8);
    assert_int_equal(buf[0], 1);
    assert_int_equal(put(world, LOW, buf, 8), 8);
    assert_int_equal(get(world, HIGH, buf, 8), 8);
    assert_int_equal(get(world, 5, buf, 8), 0);
    assert_memory_equal(before, &world->tlb, sizeof(*before));
    free(before);
    world_free(world);
}

/* Another walker, with the TLB's opaque pointer, and the context. */
static int walk_by_context(void *opaque, unsigned context, uint64_t va,
                           enum xbar_tlb_access access,
                           struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)va;
    if (access == TLB_WRITE) {
        return FAULT_CODE;
    }
    walk->phys = 0x80000000 + (hwaddr)context * PAGE;
    return 0;
}

static void the_caller_may_walk(void **state)
{
    struct world *world = open_world();
    uint8_t byte = 0;

    (void)state;
    for (unsigned context = 0; context < 3; context++) {
        world->bytes[RAM][context * PAGE + 9] = (uint8_t)(context + 1);
        assert_int_equal(tlb_debug_rw(&world->tlb, walk_by_context, context, 9,
                                      &byte, 1, false),
                         1);
        assert_int_equal(byte, context + 1);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_page_by_page),
        cmocka_unit_test(it_ends_at_the_first_byte_that_is_not_there),
        cmocka_unit_test(it_writes_what_the_guest_cannot),
        cmocka_unit_test(devices_are_left_alone),
        cmocka_unit_test(the_tlb_does_not_notice),
        cmocka_unit_test(the_caller_may_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
