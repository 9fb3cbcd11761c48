/* SPDX-License-Identifier: MIT */
/*
 * An address space in its engine: views appear and change with commits, only
 * what changed is told, what did not keeps its sections, and it ends cleanly.
 */
#include "flatview/address_space.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "flatview/subscriber.h"
#include "tests/unit/counting_alloc.h"

#define MAX_NEWS 8

struct listener {
    struct xbar_view_subscriber sub;
    struct xbar_range ranges[MAX_NEWS];
    size_t count;
    unsigned calls;
};

struct fixture {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    long base_bytes;
    MemoryRegion root;
    MemoryRegion mirror; /* of root: a root that nobody shows */
    MemoryRegion low;
    MemoryRegion high;
    char low_memory[0x1000];
    char high_memory[0x1000];
    AddressSpace as;
    struct listener listener;
};

static void on_change(struct xbar_view_subscriber *sub,
                      const struct xbar_range *ranges, size_t count)
{
    struct listener *self = (struct listener *)sub;

    self->calls++;
    assert_true(count > 0 && self->count + count <= MAX_NEWS);
    memcpy(&self->ranges[self->count], ranges, count * sizeof(*ranges));
    self->count += count;
}

static void check_news(struct fixture *f, unsigned calls, size_t count)
{
    assert_int_equal(f->listener.calls, calls);
    assert_int_equal(f->listener.count, count);
    f->listener.calls = 0;
    f->listener.count = 0;
}

static const FlatRange *look_up(struct fixture *f, hwaddr addr)
{
    const FlatRange *range;

    xbar_read_begin();
    range = flatview_lookup(address_space_to_flatview(&f->as), addr);
    xbar_read_end();
    return range;
}

/* ---- Tests ------------------------------------------------------------- */

static void test_views_follow_commits(void **state)
{
    struct fixture *f = *state;

    assert_ptr_equal(look_up(f, 0x1000)->mr, &f->low);
    assert_ptr_equal(look_up(f, 0x1fff)->mr, &f->low);
    assert_null(look_up(f, 0x2000)->mr);
    assert_true(look_up(f, 0x2000)->flags & FLAT_RANGE_UNASSIGNED);
    assert_null(look_up(f, 0xfff)->mr);

    assert_int_equal(memory_region_set_address(&f->low, 0x800), 0);
    assert_ptr_equal(look_up(f, 0x800)->mr, &f->low);
    assert_null(look_up(f, 0x1800)->mr);
    check_news(f, 1, 1);

    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&f->low, false), 0);
    assert_ptr_equal(look_up(f, 0x800)->mr, &f->low);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_null(look_up(f, 0x800)->mr);
}

static void test_news_are_exact(void **state)
{
    struct fixture *f = *state;

    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&f->high, 0x800), 0);
    assert_int_equal(memory_region_set_address(&f->low, 0x1800), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(f->listener.ranges[0].first, 0x1000);
    assert_int_equal(f->listener.ranges[0].last, 0x27ff);
    assert_int_equal(f->listener.ranges[1].first, 0x8000);
    assert_int_equal(f->listener.ranges[1].last, 0x8fff);
    check_news(f, 1, 2);
}

static void test_invisible_changes_are_silent(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats before;
    struct xbar_engine_stats after;
    FlatView *view;

    assert_true(xbar_engine_reclaim(f->engine) >= 0);
    xbar_engine_get_stats(f->engine, &before);
    xbar_read_begin();
    view = address_space_to_flatview(&f->as);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&f->low, false), 0);
    assert_int_equal(memory_region_set_enabled(&f->low, true), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_ptr_equal(address_space_to_flatview(&f->as), view);
    xbar_read_end();
    check_news(f, 0, 0);
    xbar_engine_get_stats(f->engine, &after);
    assert_int_equal(after.bytes_retired, before.bytes_retired);
    assert_int_equal(after.bytes_live, before.bytes_live);
}

static void test_sections_keep_their_identity(void **state)
{
    struct fixture *f = *state;
    const FlatRange *high = look_up(f, 0x8000);
    const FlatRange *low = look_up(f, 0x1000);

    assert_int_equal(memory_region_set_address(&f->low, 0x3000), 0);
    assert_ptr_equal(look_up(f, 0x8000), high);
    assert_ptr_not_equal(look_up(f, 0x3000), low);
    assert_true(xbar_engine_reclaim(f->engine) > 0);
    assert_ptr_equal(look_up(f, 0x8fff), high);
}

static void test_void_transaction_shows_nothing(void **state)
{
    struct fixture *f = *state;
    const FlatRange *low = look_up(f, 0x1000);

    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&f->low, 0x3000), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_ptr_equal(look_up(f, 0x1000), low);
    check_news(f, 0, 0);
}

static void test_init_in_a_transaction(void **state)
{
    struct fixture *f = *state;
    MemTxResult result;
    AddressSpace other;

    memory_region_transaction_begin();
    assert_int_equal(address_space_init(&other, &f->mirror, NULL), 0);
    assert_string_equal(xbar_address_space_name(&other), "anonymous");
    assert_ptr_equal(xbar_address_space_root(&other), &f->mirror);
    (void)address_space_ldl(&other, 0x1000, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    assert_int_equal(memory_region_transaction_commit(), 0);
    (void)address_space_ldl(&other, 0x1000, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), 0);
}

static void count_done(AddressSpace *as, void *opaque)
{
    assert_non_null(as);
    *(int *)opaque += 1;
}

static MemTxResult load(AddressSpace *as, hwaddr addr)
{
    MemTxResult result;

    (void)address_space_ldub(as, addr, MEMTXATTRS_UNSPECIFIED, &result);
    return result;
}

/* A transaction that turns void leaves an address space of the tree it was. */
static void test_init_in_a_void_transaction(void **state)
{
    struct fixture *f = *state;
    AddressSpace other;

    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&f->low, 0x4000), 0);
    assert_int_equal(address_space_init(&other, &f->mirror, "other"), 0);
    assert_int_equal(memory_region_set_enabled(&f->high, false), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(load(&other, 0x1000), MEMTX_OK);
    assert_int_equal(load(&other, 0x4000), MEMTX_DECODE_ERROR);
    assert_int_equal(load(&other, 0x8000), MEMTX_OK);
    check_news(f, 0, 0);
    address_space_destroy(&other);
}

/* Without memory for the commit, or for the view after it, nothing dangles. */
static void test_init_in_a_commit_without_memory(void **state)
{
    struct fixture *f = *state;
    int err = -ENOMEM;

    for (long n = 1; err != 0; n++) {
        AddressSpace other;

        memory_region_transaction_begin();
        assert_int_equal(memory_region_set_address(&f->low, 0x4000), 0);
        assert_int_equal(address_space_init(&other, &f->mirror, "other"), 0);
        counting_alloc_fail(&f->alloc, n);
        err = memory_region_transaction_commit();
        counting_alloc_fail(&f->alloc, 0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(load(&other, err == 0 ? 0x4000 : 0x1000), MEMTX_OK);
        assert_int_equal(load(&other, err == 0 ? 0x1000 : 0x4000),
                         MEMTX_DECODE_ERROR);
        address_space_destroy(&other);
    }
}

/* Destroyed again before it has seen any tree. */
static void test_end_in_a_void_transaction(void **state)
{
    struct fixture *f = *state;
    AddressSpace other;
    int done = 0;

    memory_region_transaction_begin();
    assert_int_equal(address_space_init(&other, &f->mirror, "other"), 0);
    assert_int_equal(xbar_address_space_destroy(&other, count_done, &done), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_true(xbar_engine_reclaim(f->engine) > 0);
    assert_int_equal(done, 1);
}

static void test_init_without_memory(void **state)
{
    struct fixture *f = *state;
    AddressSpace other;
    long before;
    int err;

    assert_true(xbar_engine_reclaim(f->engine) >= 0);
    before = atomic_load(&f->alloc.live_bytes);
    for (long n = 1;; n++) {
        counting_alloc_fail(&f->alloc, n);
        err = address_space_init(&other, &f->mirror, "other");
        counting_alloc_fail(&f->alloc, 0);
        if (err == 0) {
            break;
        }
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(atomic_load(&f->alloc.live_bytes), before);
    }
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), 0);
    assert_int_equal(atomic_load(&f->alloc.live_bytes), before);
}

static void test_destroy(void **state)
{
    struct fixture *f = *state;
    AddressSpace other;
    int done = 0;

    assert_int_equal(xbar_address_space_destroy(&f->as, NULL, NULL), -EBUSY);
    assert_int_equal(address_space_init(&other, &f->root, "other"), 0);
    xbar_read_begin();
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), -EDEADLK);
    assert_int_equal(xbar_address_space_destroy(&other, count_done, &done), 0);
    assert_int_equal(flatview_num_ranges(address_space_to_flatview(&other)), 0);
    xbar_read_end();
    assert_int_equal(done, 0);
    assert_true(xbar_engine_reclaim(f->engine) > 0);
    assert_int_equal(done, 1);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), -EINVAL);

    assert_int_equal(address_space_init(&other, &f->root, "other"), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&f->low, false), 0);
    assert_int_equal(xbar_address_space_destroy(&other, NULL, NULL), -EDEADLK);
    assert_int_equal(memory_region_transaction_commit(), 0);
    address_space_destroy(&other);
}

/* Without a result there is nobody to refuse: it ends when it can. */
static void test_destroy_where_waiting_would_deadlock(void **state)
{
    struct fixture *f = *state;
    AddressSpace section;
    AddressSpace transaction;

    assert_int_equal(address_space_init(&section, &f->root, "s"), 0);
    assert_int_equal(address_space_init(&transaction, &f->root, "t"), 0);
    xbar_read_begin();
    address_space_destroy(&section);
    assert_int_equal(load(&section, 0x1000), MEMTX_DECODE_ERROR);
    address_space_destroy(&section); /* ending already: no harm */
    xbar_read_end();
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&f->low, 0x4000), 0);
    address_space_destroy(&transaction);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(load(&transaction, 0x1000), MEMTX_DECODE_ERROR);
    assert_true(xbar_engine_reclaim(f->engine) > 0);
    assert_null(section.space);
    assert_null(transaction.space);
}

static void count_region_done(MemoryRegion *mr, void *opaque)
{
    assert_non_null(mr);
    *(int *)opaque += 1;
}

/* Waiting for a root whose address space lives on would have no end. */
static void test_destroy_of_a_root(void **state)
{
    struct fixture *f = *state;
    MemoryRegion root;
    AddressSpace other;
    AddressSpace late;
    int done = 0;

    assert_int_equal(xbar_region_destroy(&f->root, NULL, NULL), -EBUSY);
    assert_ptr_equal(look_up(f, 0x1000)->mr, &f->low); /* nothing changed */

    memory_region_init(&root, NULL, "root", UINT64_MAX);
    assert_int_equal(address_space_init(&other, &root, "other"), 0);
    assert_int_equal(xbar_region_destroy(&root, count_region_done, &done), 0);
    assert_int_equal(address_space_init(&late, &root, "late"), -EINVAL);
    assert_true(xbar_engine_reclaim(f->engine) >= 0);
    assert_int_equal(done, 0);
    address_space_destroy(&other);
    while (xbar_engine_reclaim(f->engine) > 0) {
    }
    assert_int_equal(done, 1);

    /* one that is on its way out delays the root, but not for ever */
    memory_region_init(&root, NULL, "root", UINT64_MAX);
    assert_int_equal(address_space_init(&other, &root, "other"), 0);
    assert_int_equal(xbar_address_space_destroy(&other, count_done, &done), 0);
    assert_int_equal(xbar_region_destroy(&root, NULL, NULL), 0);
    assert_int_equal(done, 2);
}

static void test_unsubscribed_hears_nothing(void **state)
{
    struct fixture *f = *state;
    struct listener second = { .sub.changed = on_change };

    xbar_view_subscribe(&f->as, &second.sub);
    assert_int_equal(memory_region_set_address(&f->low, 0x2000), 0);
    assert_int_equal(second.calls, 1);
    check_news(f, 1, 1);
    xbar_view_unsubscribe(&f->as, &f->listener.sub);
    assert_int_equal(memory_region_set_address(&f->low, 0x1000), 0);
    assert_int_equal(second.calls, 2);
    check_news(f, 0, 0);
    xbar_view_unsubscribe(&f->as, &second.sub);
    xbar_view_subscribe(&f->as, &f->listener.sub);
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    f->engine = counting_alloc_engine(&f->alloc);
    f->base_bytes = atomic_load(&f->alloc.live_bytes);
    xbar_engine_enter(f->engine);
    memory_region_init(&f->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram_ptr(&f->low, NULL, "low", 0x1000, f->low_memory);
    memory_region_init_ram_ptr(&f->high, NULL, "high", 0x1000, f->high_memory);
    memory_region_add_subregion(&f->root, 0x1000, &f->low);
    memory_region_add_subregion(&f->root, 0x8000, &f->high);
    memory_region_init_alias(&f->mirror, NULL, "mirror", &f->root, 0,
                             UINT64_MAX);
    f->listener.sub.changed = on_change;
    if (address_space_init(&f->as, &f->root, "as") != 0) {
        return -1;
    }
    xbar_view_subscribe(&f->as, &f->listener.sub);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    long left;

    xbar_view_unsubscribe(&f->as, &f->listener.sub);
    address_space_destroy(&f->as);
    xbar_region_destroy(&f->mirror, NULL, NULL);
    xbar_region_destroy(&f->root, NULL, NULL);
    xbar_region_destroy(&f->low, NULL, NULL);
    xbar_region_destroy(&f->high, NULL, NULL);
    left = atomic_load(&f->alloc.live_bytes) - f->base_bytes;
    xbar_engine_leave(f->engine);
    if (xbar_engine_free(f->engine) != 0) {
        left = -1;
    }
    free(f);
    return left == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_views_follow_commits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_news_are_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_invisible_changes_are_silent,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sections_keep_their_identity,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_void_transaction_shows_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_init_in_a_commit_without_memory,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_in_a_void_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_init_in_a_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_init_in_a_void_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_init_without_memory, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_destroy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_destroy_where_waiting_would_deadlock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy_of_a_root, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unsubscribed_hears_nothing, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
