/* SPDX-License-Identifier: MIT */
/* Memory that goes from commit to commit: whose it is, and how much is kept. */
#include "tests/unit/engine/lines_rig.h"

/* What was released comes again, for its size only, and does not live. */
static void test_released_is_used_again(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    long requests = atomic_load(&alloc.requests);

    (void)state;
    for (size_t lines = 1; lines <= 17; lines++) {
        retire(engine, make(engine, lines * LINES));
    }
    assert_int_equal(bytes_live(engine), 17 * 18 / 2 * LINES);
    assert_int_equal(xbar_engine_reclaim(engine), 17);
    assert_int_equal(bytes_live(engine), 0);
    for (size_t lines = 1; lines <= 17; lines++) {
        retire(engine, make(engine, lines * LINES));
    }
    assert_int_equal(atomic_load(&alloc.requests) - requests,
                     IS_KEPT ? 17 : 34);
    assert_int_equal(bytes_live(engine), 17 * 18 / 2 * LINES);
    assert_int_equal(xbar_engine_reclaim(engine), 17);
    close_engine(engine);
}

/* Not before the grace period: what is retired is not there to be taken. */
static void test_retired_is_not_used(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    struct object *old = make(engine, 2 * LINES);

    (void)state;
    retire(engine, old);
    retire(engine, make(engine, 2 * LINES));
    assert_ptr_equal(queue.head->next, &old->link);
    assert_int_equal(xbar_engine_reclaim(engine), 2);
    close_engine(engine);
}

/* Who writes gives back what nobody saw, and has it at once. */
static void test_writer_gives_back(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    void *first = make(engine, 3 * LINES);
    void *second;

    (void)state;
    xbar_tree_hold(engine);
    xbar_free_lines(engine, first, 3 * LINES);
    assert_int_equal(bytes_live(engine), 0);
    second = xbar_alloc_lines(engine, 3 * LINES);
    assert_true(!IS_KEPT || second == first);
    assert_int_equal(bytes_live(engine), 3 * LINES);
    xbar_free_lines(engine, second, 3 * LINES);
    xbar_tree_release(engine);
    close_engine(engine);
}

/* Other threads, and other sizes, have the allocator. */
static void test_others_have_the_allocator(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    void *object = make(engine, LINES);
    long requests;

    (void)state;
    xbar_free_lines(engine, object, LINES);
    assert_int_equal(atomic_load(&alloc.live_bytes), (long)sizeof(*engine));
    retire(engine, make(engine, LINES));
    assert_int_equal(xbar_engine_reclaim(engine), 1);
    requests = atomic_load(&alloc.requests);
    object = xbar_alloc_lines(engine, LINES);
    assert_int_equal(atomic_load(&alloc.requests), requests + 1);
    xbar_free_lines(engine, object, LINES);
    retire(engine, make(engine, 18 * LINES));
    assert_int_equal(xbar_engine_reclaim(engine), 1);
    assert_int_equal(atomic_load(&alloc.live_bytes),
                     (long)(sizeof(*engine) + (IS_KEPT ? LINES : 0)));
    close_engine(engine);
}

static long kept(const struct xbar_engine *engine)
{
    return atomic_load(&alloc.live_bytes) - (long)sizeof(*engine);
}

/* However much is released at once, or by a void commit. */
static void test_so_much_is_kept(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    const size_t bytes = 16 * LINES;
    const size_t count = 3 * KEPT / bytes;
    void *head = NULL;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        retire(engine, make(engine, bytes));
    }
    assert_int_equal(xbar_engine_reclaim(engine), count);
    assert_int_equal(bytes_live(engine), 0);
    assert_int_equal(kept(engine), IS_KEPT ? KEPT : 0);
    xbar_tree_hold(engine);
    for (size_t i = 0; i < count; i++) {
        void **object = xbar_alloc_lines(engine, bytes);

        assert_non_null(object);
        *object = head;
        head = object;
    }
    assert_int_equal(kept(engine), count * bytes);
    while (head) {
        void *object = head;

        head = *(void **)head;
        xbar_free_lines(engine, object, bytes);
    }
    xbar_tree_release(engine);
    assert_int_equal(bytes_live(engine), 0);
    assert_int_equal(kept(engine), IS_KEPT ? KEPT : 0);
    close_engine(engine);
}

/* What has its end by small reclaims: the pool does not grow with each. */
static void test_so_much_is_kept_of_many_reclaims(void **state)
{
    struct xbar_engine *engine = open_engine(false);
    const size_t bytes = 16 * LINES;
    const size_t count = 4 * KEPT / bytes;
    struct object **objects = calloc(count, sizeof(struct object *));

    (void)state;
    assert_non_null(objects);
    for (size_t i = 0; i < count; i++) {
        objects[i] = make(engine, bytes);
    }
    for (size_t i = 0; i < count; i++) {
        retire(engine, objects[i]);
        if (i % 100 == 0) {
            assert_true(xbar_engine_reclaim(engine) > 0);
        }
    }
    assert_true(xbar_engine_reclaim(engine) > 0);
    assert_int_equal(bytes_live(engine), 0);
    assert_int_equal(kept(engine), IS_KEPT ? KEPT : 0);
    free(objects);
    close_engine(engine);
}

/* Who asks for that has each request, and each object back at once. */
static void test_exact(void **state)
{
    struct xbar_engine *engine = open_engine(true);
    void *object;

    (void)state;
    for (long i = 1; i < 4; i++) {
        long requests = atomic_load(&alloc.requests);

        retire(engine, make(engine, 2 * LINES));
        assert_int_equal(atomic_load(&alloc.requests), requests + 1);
        assert_int_equal(xbar_engine_reclaim(engine), 1);
        assert_int_equal(kept(engine), 0);
    }
    xbar_tree_hold(engine);
    object = xbar_alloc_lines(engine, LINES);
    assert_non_null(object);
    xbar_free_lines(engine, object, LINES);
    xbar_tree_release(engine);
    assert_int_equal(kept(engine), 0);
    close_engine(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released_is_used_again),
        cmocka_unit_test(test_retired_is_not_used),
        cmocka_unit_test(test_writer_gives_back),
        cmocka_unit_test(test_others_have_the_allocator),
        cmocka_unit_test(test_so_much_is_kept),
        cmocka_unit_test(test_so_much_is_kept_of_many_reclaims),
        cmocka_unit_test(test_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
