/* SPDX-License-Identifier: MIT */
/* Engines: their life, which one is current, what they count. */
#include <pthread.h>

#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

static void test_current_is_the_one_entered_last(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine *other = xbar_engine_new(NULL);

    assert_ptr_equal(xbar_engine_current(), f->engine);
    assert_int_equal(xbar_engine_enter(other), 0);
    assert_ptr_equal(xbar_engine_current(), other);
    assert_int_equal(xbar_engine_leave(f->engine), -EINVAL);
    assert_int_equal(xbar_engine_free(other), -EBUSY);
    assert_int_equal(xbar_engine_leave(other), 0);
    assert_ptr_equal(xbar_engine_current(), f->engine);
    assert_int_equal(xbar_engine_free(other), 0);
    assert_int_equal(xbar_engine_enter(NULL), -EINVAL);
}

static void test_entering_too_deep(void **state)
{
    struct fixture *f = *state; /* entered once already */

    for (unsigned i = 1; i < 8; i++) {
        assert_int_equal(xbar_engine_enter(f->engine), 0);
    }
    assert_int_equal(xbar_engine_enter(f->engine), -EINVAL);
    for (unsigned i = 1; i < 8; i++) {
        assert_int_equal(xbar_engine_leave(f->engine), 0);
    }
}

static void *get_current(void *opaque)
{
    *(struct xbar_engine **)opaque = xbar_engine_current();
    return NULL;
}

static void test_default_engine_is_one(void **state)
{
    struct xbar_engine *seen[2] = { NULL, NULL };
    pthread_t threads[2];
    MemoryRegion mr;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, get_current, &seen[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_non_null(seen[0]);
    assert_ptr_equal(seen[0], seen[1]);
    assert_ptr_equal(xbar_engine_current(), seen[0]);
    assert_int_equal(xbar_engine_leave(seen[0]), -EINVAL);
    assert_int_equal(xbar_engine_free(seen[0]), -EINVAL);
    assert_int_equal(xbar_engine_free(NULL), -EINVAL);
    assert_int_equal(memory_region_init(&mr, NULL, "default's", 1), 0);
    assert_ptr_equal(xbar_region_engine(&mr), seen[0]);
    end_region(&mr);
}

static void test_free_while_in_use(void **state)
{
    struct xbar_engine *engine = xbar_engine_new(NULL);
    MemoryRegion mr;

    (void)state;
    assert_int_equal(xbar_engine_enter(engine), 0);
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 1), 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    assert_int_equal(xbar_engine_free(engine), -EBUSY);
    end_region(&mr);
    assert_int_equal(xbar_engine_free(engine), 0);
}

static void test_new_without_memory(void **state)
{
    struct fixture f = { .fail_at = 1 };
    struct xbar_allocator allocator = { fixture_alloc, fixture_free, &f, true };
    struct xbar_engine_config config = { .allocator = &allocator };

    (void)state;
    assert_null(xbar_engine_new(&config));
    assert_int_equal(f.blocks, 0);
}

static void test_alignment_of_the_default_allocator(void **state)
{
    struct xbar_engine *engine = xbar_engine_new(NULL);
    struct xbar_engine_stats stats;

    (void)state;
    for (size_t align = 8; align <= 4096; align *= 2) {
        uint8_t *p = xbar_alloc_aligned(engine, 100, align);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(p[i], 0);
        }
        xbar_engine_get_stats(engine, &stats);
        assert_int_equal(stats.bytes_live, 100);
        memset(p, 0xff, 100);
        xbar_free(engine, p, 100);
    }
    xbar_free(engine, NULL, 100);
    xbar_engine_get_stats(engine, &stats);
    assert_int_equal(stats.bytes_live, 0);
    assert_int_equal(xbar_engine_free(engine), 0);
}

/* An adapter's memory comes from where the engine's does, and is counted. */
static void test_memory_for_others(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats before, with, after;
    char *ptr;

    xbar_engine_get_stats(f->engine, &before);
    ptr = xbar_engine_allocate(f->engine, 1000);
    assert_non_null(ptr);
    assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
    assert_int_equal(ptr[0] | ptr[999], 0);
    xbar_engine_get_stats(f->engine, &with);
    assert_int_equal(with.bytes_live, before.bytes_live + 1000);
    xbar_engine_release(f->engine, ptr, 1000);
    xbar_engine_release(f->engine, NULL, 1000);
    xbar_engine_get_stats(f->engine, &after);
    assert_int_equal(after.bytes_live, before.bytes_live);
}

static void test_stats(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    MemoryRegion a, b;

    assert_int_equal(memory_region_init(&a, NULL, "a", 1), 0);
    assert_int_equal(memory_region_init(&b, NULL, "b", 1), 0);
    assert_int_equal(memory_region_set_size(&a, 2), 0);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.regions, 2);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.bytes_live, 4);
    end_region(&a);
    end_region(&b);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.regions, 0);
    assert_int_equal(stats.commits, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_current_is_the_one_entered_last),
        engine_test(test_entering_too_deep),
        cmocka_unit_test(test_default_engine_is_one),
        engine_test(test_free_while_in_use),
        cmocka_unit_test(test_new_without_memory),
        cmocka_unit_test(test_alignment_of_the_default_allocator),
        engine_test(test_memory_for_others),
        engine_test(test_stats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
