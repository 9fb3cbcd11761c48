/* SPDX-License-Identifier: MIT */
/*
 * So many regions that what commits work on is fetched early, and lies in huge
 * pages: that they show what they are to, and that all memory comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/engine_internal.h"
#include "engine/memory.h"
#include "flatview/address_space.h"
#include "flatview/flatview_internal.h"
#include "tests/unit/counting_alloc.h"

#define REGIONS 9000
#define STRIDE  0x10000
#define CHANGES 8000

#ifdef TESTS_UNDER_ASAN
#define HAS_CHUNKS 0
#else
#define HAS_CHUNKS 1
#endif

struct many {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion level;
    MemoryRegion target; /* of all aliases */
    MemoryRegion regions[REGIONS];
    hwaddr at[REGIONS];
    bool is_shown[REGIONS];
};

static void open_engine(struct many *m)
{
    struct xbar_engine_config config = { .allocator = &m->alloc.hooks };

    m->alloc.hooks =
        (struct xbar_allocator){ counting_alloc_get, counting_alloc_put,
                                 &m->alloc, false };
    m->engine = xbar_engine_new(&config);
    assert_non_null(m->engine);
    assert_int_equal(xbar_engine_enter(m->engine), 0);
}

/* Every third one is an alias. */
static void init_region(struct many *m, size_t i)
{
    MemoryRegion *mr = &m->regions[i];

    assert_int_equal(
        i % 3 ? memory_region_init_io(mr, NULL, NULL, NULL, NULL, 0x1000)
              : memory_region_init_alias(mr, NULL, NULL, &m->target, 0, 0x1000),
        0);
    m->at[i] = i * STRIDE;
    m->is_shown[i] = true;
    assert_int_equal(memory_region_add_subregion(&m->level, m->at[i], mr), 0);
}

static void build(struct many *m)
{
    memory_region_transaction_begin();
    assert_int_equal(memory_region_init(&m->root, NULL, NULL, UINT64_MAX), 0);
    assert_int_equal(memory_region_init(&m->level, NULL, NULL, UINT64_MAX), 0);
    assert_int_equal(
        memory_region_init_io(&m->target, NULL, NULL, NULL, NULL, 0x1000), 0);
    assert_int_equal(memory_region_add_subregion(&m->root, 0, &m->level), 0);
    for (size_t i = 0; i < REGIONS; i++) {
        init_region(m, i);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(address_space_init(&m->as, &m->root, NULL), 0);
}

static void move(struct many *m, size_t i, uint64_t random)
{
    MemoryRegion *mr = &m->regions[i];

    m->at[i] = i * STRIDE + random % 15 * 0x1000;
    if (random & 0x100) {
        assert_int_equal(memory_region_set_address(mr, m->at[i]), 0);
        return;
    }
    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&m->level, mr), 0);
    assert_int_equal(memory_region_add_subregion(&m->level, m->at[i], mr), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

/* Is region @i shown where it is, and nowhere else of what it has to itself? */
static void check_region(const struct many *m, size_t i)
{
    const FlatView *view = flatview__current(&m->as);
    const FlatRange *range = flatview_next_range(view, i * STRIDE);

    if (m->is_shown[i]) {
        assert_non_null(range);
        assert_int_equal(range->first, m->at[i]);
        assert_int_equal(range->last, m->at[i] + 0xfff);
        assert_ptr_equal(range->mr, i % 3 ? &m->regions[i] : &m->target);
        range = flatview_next_range(view, m->at[i] + 0x1000);
    }
    assert_true(range == NULL || range->first >= (i + 1) * STRIDE);
}

static void change(struct many *m)
{
    uint64_t seed = 1;

    for (unsigned n = 0; n < CHANGES; n++) {
        size_t i;

        seed = seed * 6364136223846793005 + 1442695040888963407;
        i = (seed >> 33) % REGIONS;
        if (seed >> 62) {
            m->is_shown[i] = !m->is_shown[i];
            assert_int_equal(
                memory_region_set_enabled(&m->regions[i], m->is_shown[i]), 0);
        } else {
            move(m, i, seed >> 20);
        }
        check_region(m, i);
        if (n % 256 == 0) {
            assert_true(xbar_engine_reclaim(m->engine) >= 0);
        }
    }
}

static void ignore_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static void end_regions(struct many *m)
{
    memory_region_transaction_begin();
    for (size_t i = 0; i < REGIONS; i++) {
        assert_int_equal(xbar_region_destroy(&m->regions[i], ignore_end, NULL),
                         0);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    while (xbar_engine_reclaim(m->engine) > 0) {
    }
}

/* Each in an own commit, as hot-plug does. */
static void add_again(struct many *m)
{
    for (size_t i = 0; i < REGIONS; i++) {
        init_region(m, i);
        check_region(m, i);
    }
}

static void end_rest(struct many *m)
{
    address_space_destroy(&m->as);
    assert_int_equal(xbar_region_destroy(&m->level, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&m->target, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&m->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(m->engine), 0);
    assert_int_equal(xbar_engine_free(m->engine), 0);
    assert_int_equal(atomic_load(&m->alloc.live_bytes), 0);
}

static void test_many(void **state)
{
    struct many *m = calloc(1, sizeof(*m));

    (void)state;
    assert_non_null(m);
    open_engine(m);
    build(m);
    assert_int_equal(m->engine->chunks.count > 0, HAS_CHUNKS);
    change(m);
    end_regions(m);
    assert_int_equal(m->engine->chunks.count, 0);
    add_again(m);
    change(m);
    for (size_t i = 0; i < REGIONS; i++) {
        check_region(m, i);
    }
    end_regions(m);
    end_rest(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
