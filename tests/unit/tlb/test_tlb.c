/* SPDX-License-Identifier: MIT */
/* Life cycle, safe points, and a vCPU that was away. */
#include "tests/unit/tlb/world.h"

#include <errno.h>
#include <pthread.h>

#include "engine/rcu.h"

static void init_refuses_nothing_to_work_on(void **state)
{
    struct world *world = world_new();
    struct xbar_tlb_config config = { .as = &world->as };
    SoftTLB *other = aligned_zeroed(sizeof(*other));

    (void)state;
    assert_int_equal(tlb_init(other, &config), -EINVAL);
    config.as = NULL;
    config.walk = world_walk;
    assert_int_equal(tlb_init(other, &config), -EINVAL);
    config.as = &world->as;
    config.page_bits = TLB_PAGE_BITS_MIN - 1;
    assert_int_equal(tlb_init(other, &config), -EINVAL);
    config.page_bits = TLB_PAGE_BITS + 1;
    assert_int_equal(tlb_init(other, &config), -EINVAL);
    free(other);
    world_free(world);
}

static bool allocations_fail;

static void *fail_alloc(void *opaque, size_t size, size_t align)
{
    (void)opaque;
    if (allocations_fail) {
        return NULL;
    }
    void *ptr = aligned_alloc(align, (size + align - 1) / align * align);

    return ptr ? memset(ptr, 0, size) : NULL;
}

static void fail_free(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

static void init_reports_want_of_memory(void **state)
{
    struct xbar_allocator allocator = { fail_alloc, fail_free, NULL, true };
    struct xbar_engine_config engine_config = { .allocator = &allocator };
    struct xbar_engine *engine = xbar_engine_new(&engine_config);
    SoftTLB *tlb = aligned_zeroed(sizeof(*tlb));
    struct xbar_tlb_config config = { .walk = world_walk };
    MemoryRegion root;
    AddressSpace as;

    (void)state;
    assert_int_equal(xbar_engine_enter(engine), 0);
    assert_int_equal(memory_region_init(&root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(address_space_init(&as, &root, "test"), 0);
    config.as = &as;
    allocations_fail = true;
    assert_int_equal(tlb_init(tlb, &config), -ENOMEM);
    allocations_fail = false;
    assert_int_equal(tlb_init(tlb, &config), 0);
    tlb_destroy(tlb);
    address_space_destroy(
        &as); /* a TLB that failed to start is no subscriber */
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    assert_int_equal(xbar_engine_free(engine), 0);
    free(tlb);
}

static void starts_empty_whatever_the_memory_held(void **state)
{
    struct world *world = world_new();
    struct xbar_tlb_config config = world->tlb.config;
    SoftTLB *tlb = aligned_zeroed(sizeof(*tlb));

    (void)state;
    memset(tlb, 0xff, sizeof(*tlb));
    assert_int_equal(tlb_init(tlb, &config), 0);
    for (uint64_t page = 0; page < TLB_L1_SIZE; page++) {
        assert_null(tlb_probe(tlb, 0, page * PAGE, 1, TLB_READ));
        assert_null(tlb_probe(tlb, 7, page * PAGE, 1, TLB_EXEC));
    }
    assert_int_equal(tlb->stats.slow, 0);
    tlb_destroy(tlb);
    free(tlb);
    world_free(world);
}

static void sections_are_held_only_while_entered(void **state)
{
    struct world *world = world_new();

    (void)state;
    assert_true(xbar_rcu_read_held());
    tlb_safepoint(&world->tlb);
    assert_true(xbar_rcu_read_held());
    tlb_leave(&world->tlb);
    assert_false(xbar_rcu_read_held());
    tlb_enter(&world->tlb);
    world_free(world);
}

/* A commit while the vCPU sleeps: its first access sees the new view. */
static void enter_drains_what_was_missed(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x80003000, PROT_RWX);
    world->bytes[OVER][8] = 0x55;
    assert_int_equal(world_must_load(world, 8, 0), 0);
    assert_true(world_hits(world, 0, 8, TLB_READ));

    tlb_leave(&world->tlb);
    world_enable(world, OVER, true);
    assert_true(xbar_engine_reclaim(world->engine) >= 0);
    tlb_enter(&world->tlb);
    assert_false(world_hits(world, 0, 8, TLB_READ));
    assert_int_equal(world_must_load(world, 8, 0), 0x55);
    world_free(world);
}

/* What was not touched is still there afterwards. */
static void enter_keeps_good_entries(void **state)
{
    struct world *world = world_new();

    (void)state;
    world_map(world, 0, 0x80000000, PROT_RWX);
    world_must_load(world, 0, 0);
    tlb_leave(&world->tlb);
    tlb_enter(&world->tlb);
    assert_true(world_hits(world, 0, 0, TLB_READ));
    world_free(world);
}

static void *reclaim(void *opaque)
{
    struct world *world = opaque;
    static _Atomic int64_t result;

    result = xbar_engine_reclaim(world->engine);
    return (void *)&result;
}

/* A running vCPU delays a grace period only until its next safe point. */
static void safepoints_let_grace_periods_pass(void **state)
{
    struct world *world = world_new();
    pthread_t thread;
    void *result = NULL;

    (void)state;
    world_map(world, 0, 0x80003000, PROT_RWX);
    world_must_load(world, 0, 0);
    world_enable(world, OVER, true);
    assert_int_equal(pthread_create(&thread, NULL, reclaim, world), 0);
    do {
        tlb_safepoint(&world->tlb);
        world_must_load(world, 0, 0);
    } while (pthread_tryjoin_np(thread, &result) == EBUSY);
    assert_true(*(_Atomic int64_t *)result > 0);
    world_free(world);
}

static void two_tlbs_share_one_address_space(void **state)
{
    struct world *world = world_new();
    struct xbar_tlb_config config = world->tlb.config;
    SoftTLB *tlb = aligned_zeroed(sizeof(*tlb));
    uint64_t value;

    (void)state;
    world_map(world, 0, 0x80003000, PROT_RWX);
    assert_int_equal(tlb_init(tlb, &config), 0);
    tlb_leave(&world->tlb);
    tlb_enter(tlb);
    assert_int_equal(tlb_load_slow(tlb, 0, 0, 0, &value), 0);
    tlb_leave(tlb);
    tlb_enter(&world->tlb);
    world_must_load(world, 0, 0);

    world_enable(world, OVER, true);
    tlb_safepoint(&world->tlb);
    assert_false(world_hits(world, 0, 0, TLB_READ));
    tlb_leave(&world->tlb);
    tlb_enter(tlb);
    assert_null(tlb_probe(tlb, 0, 0, 1, TLB_READ));
    tlb_leave(tlb);
    tlb_destroy(tlb);
    tlb_enter(&world->tlb);
    free(tlb);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_refuses_nothing_to_work_on),
        cmocka_unit_test(init_reports_want_of_memory),
        cmocka_unit_test(starts_empty_whatever_the_memory_held),
        cmocka_unit_test(sections_are_held_only_while_entered),
        cmocka_unit_test(enter_drains_what_was_missed),
        cmocka_unit_test(enter_keeps_good_entries),
        cmocka_unit_test(safepoints_let_grace_periods_pass),
        cmocka_unit_test(two_tlbs_share_one_address_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
