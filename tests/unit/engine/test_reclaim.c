/* SPDX-License-Identifier: MIT */
/* Retire queues: order of publish, grace period and release. */
#include "engine/engine_internal.h"
#include "engine/rcu.h"
#include "tests/unit/engine/fixture.h"

struct item {
    struct xbar_retired link;
    int id;
};

static struct {
    unsigned graces;
    unsigned released;
    unsigned released_before_grace;
    int last_id;
    unsigned fetched;
    int64_t nested;
    struct xbar_retire_queue *again;
    struct xbar_engine *engine;
} seen;

static void count_grace(void)
{
    seen.released_before_grace = seen.released;
    seen.graces++;
}

static void release_item(struct xbar_engine *engine,
                         struct xbar_retired *object)
{
    struct item *item = (struct item *)object;

    seen.released++;
    seen.last_id = item->id;
    seen.nested = xbar_engine_reclaim(engine);
    xbar_free(engine, item, sizeof(*item));
}

static void retire_new(struct fixture *f, struct xbar_retire_queue *queue,
                       int id)
{
    struct item *item = xbar_alloc(f->engine, sizeof(*item));

    assert_non_null(item);
    item->id = id;
    xbar_tree_hold(f->engine);
    xbar_retire(f->engine, queue, &item->link, sizeof(*item));
    xbar_tree_release(f->engine);
}

static void open_queue(struct fixture *f, struct xbar_retire_queue *queue)
{
    memset(&seen, 0, sizeof(seen));
    memset(queue, 0, sizeof(*queue));
    queue->release = release_item;
    xbar_retire_queue_add(f->engine, queue);
}

/* ---- Looking ahead ----------------------------------------------------- */

#define MANY  (ENGINE_MANY_REGIONS + 1)
#define ITEMS 5

/* What is released next has the greatest number that was not released. */
static void check_fetch(const struct xbar_retired *object, unsigned ahead)
{
    const struct item *item = (const struct item *)object;
    int next = seen.released == 0 ? ITEMS : seen.last_id - 1;

    assert_int_equal(item->id, next - (int)ahead);
    seen.fetched++;
}

static void test_large_engines_look_ahead(void **state)
{
    static struct xbar_retire_queue queue; /* outlives the engine */
    MemoryRegion *regions = calloc(MANY, sizeof(*regions));
    struct fixture *f = *state;

    assert_non_null(regions);
    open_queue(f, &queue);
    queue.fetch = check_fetch;
    for (unsigned round = 0; round < 2; round++) {
        memset(&seen, 0, sizeof(seen));
        for (int i = 1; i <= ITEMS; i++) {
            retire_new(f, &queue, i);
        }
        assert_int_equal(xbar_engine_reclaim(f->engine), ITEMS);
        assert_int_equal(seen.released, ITEMS);
        assert_int_equal(seen.fetched, round == 0 ? 0 : 2 * ITEMS - 3);
        for (size_t i = 0; i < MANY && round == 0; i++) {
            assert_int_equal(memory_region_init(&regions[i], NULL, NULL, 1), 0);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        end_region(&regions[i]);
    }
    free(regions);
}

/* ---- Grace periods ----------------------------------------------------- */

static void test_one_grace_for_all_queues(void **state)
{
    static struct xbar_retire_queue first, second; /* outlive the engine */
    struct xbar_engine_stats stats;
    struct fixture *f = *state;

    open_queue(f, &first);
    open_queue(f, &second);
    xbar_rcu_synchronize_hook = count_grace;
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(seen.graces, 0); /* nothing to wait for */
    retire_new(f, &first, 1);
    retire_new(f, &first, 2);
    retire_new(f, &second, 3);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.bytes_retired, 3 * sizeof(struct item));
    assert_int_equal(stats.bytes_live, 3 * sizeof(struct item));
    assert_int_equal(xbar_engine_reclaim(f->engine), 3);
    assert_int_equal(seen.graces, 1);
    assert_int_equal(seen.released_before_grace, 0);
    assert_int_equal(seen.released, 3);
    assert_int_equal(seen.nested, -EDEADLK);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.bytes_retired, 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(seen.graces, 1);
    xbar_rcu_synchronize_hook = NULL;
}

/*
 * Read sections are the process's: a grace period of one engine waits for
 * readers that may wait for what this thread has of another.
 */
static void reclaim_other(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    seen.nested = xbar_engine_reclaim(seen.engine);
    xbar_free(engine, object, sizeof(struct item));
}

static void test_other_engines_count(void **state)
{
    static struct xbar_retire_queue queue;
    struct fixture *f = *state;
    struct fixture other;
    MemoryRegion mr;

    open_queue(f, &queue);
    queue.release = reclaim_other;
    fixture_open(&other, (struct xbar_engine_config){ 0 });
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&mr, 63), 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), -EDEADLK);
    assert_int_equal(memory_region_transaction_commit(), 0);
    memory_region_transaction_begin(); /* with no engine in it yet */
    assert_int_equal(xbar_engine_reclaim(f->engine), -EDEADLK);
    assert_int_equal(memory_region_transaction_commit(), 0);
    xbar_tree_hold(f->engine);
    assert_int_equal(xbar_engine_reclaim(other.engine), -EDEADLK);
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), -EDEADLK);
    xbar_tree_release(f->engine);
    seen.engine = other.engine;
    retire_new(f, &queue, 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(seen.nested, -EDEADLK);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    end_region(&mr);
    fixture_close(&other);
}

/* What a release retires belongs to the next batch and its own grace. */
static void release_twice(struct xbar_engine *engine,
                          struct xbar_retired *object)
{
    struct item *item = (struct item *)object;

    seen.released++;
    if (item->id-- == 0) {
        xbar_free(engine, item, sizeof(*item));
        return;
    }
    xbar_tree_hold(engine);
    xbar_retire(engine, seen.again, object, sizeof(*item));
    xbar_tree_release(engine);
}

static void test_retiring_from_release(void **state)
{
    static struct xbar_retire_queue queue;
    struct fixture *f = *state;

    open_queue(f, &queue);
    queue.release = release_twice;
    seen.again = &queue;
    retire_new(f, &queue, 2);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(seen.released, 3);
}

/* A queue that goes with its last object, while others are being released. */
static void release_with_queue(struct xbar_engine *engine,
                               struct xbar_retired *object)
{
    struct item *item = (struct item *)object;

    seen.released++;
    if (item->id == 0) {
        xbar_retire_queue_remove(engine, seen.again);
        xbar_free(engine, seen.again, sizeof(*seen.again));
    }
    xbar_free(engine, item, sizeof(*item));
}

static void test_queues_may_go(void **state)
{
    static struct xbar_retire_queue first, last; /* outlive the engine */
    struct fixture *f = *state;
    struct xbar_retire_queue *queue = xbar_alloc(f->engine, sizeof(*queue));

    assert_non_null(queue);
    open_queue(f, &first);
    open_queue(f, queue);
    open_queue(f, &last);
    queue->release = release_with_queue;
    seen.again = queue;
    retire_new(f, queue, 0); /* retired first, released last */
    retire_new(f, queue, 1);
    retire_new(f, &first, 1);
    retire_new(f, &last, 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 4);
    assert_int_equal(seen.released, 4);
    retire_new(f, &first, 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    xbar_retire_queue_remove(f->engine, &first);
    xbar_retire_queue_remove(f->engine, &last);
    assert_null(f->engine->queues);
}

static void test_embedder_is_asked_once(void **state)
{
    static struct xbar_retire_queue queue;
    struct fixture *f = *state;
    struct item *item = xbar_alloc(f->engine, sizeof(*item));
    MemoryRegion mr;

    open_queue(f, &queue);
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_set_size(&mr, 63), 0);
    assert_int_equal(f->reclaim_told, 0);
    xbar_tree_hold(f->engine);
    xbar_retire(f->engine, &queue, &item->link, (size_t)65 << 20);
    xbar_tree_release(f->engine);
    assert_int_equal(memory_region_set_size(&mr, 62), 0);
    assert_int_equal(memory_region_set_size(&mr, 61), 0);
    assert_int_equal(f->reclaim_told, 1);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(memory_region_set_size(&mr, 60), 0);
    assert_int_equal(f->reclaim_told, 1);
    end_region(&mr);
}

/* With the grace period skipped, an end comes while a reader still reads. */
static void skip_grace(void)
{
}

static void note_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

static void test_regions_wait_for_the_grace_period(void **state)
{
    struct fixture *f = *state;
    bool ended = false;
    MemoryRegion mr;

    xbar_rcu_synchronize_hook = count_grace;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &ended), 0);
    assert_false(ended);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(seen.graces, 1);
    assert_true(ended);
    xbar_rcu_synchronize_hook = skip_grace;
    xbar_rcu_synchronize();
    xbar_rcu_synchronize_hook = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_one_grace_for_all_queues),
        engine_test(test_large_engines_look_ahead),
        engine_test(test_other_engines_count),
        engine_test(test_retiring_from_release),
        engine_test(test_queues_may_go),
        engine_test(test_embedder_is_asked_once),
        engine_test(test_regions_wait_for_the_grace_period),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
