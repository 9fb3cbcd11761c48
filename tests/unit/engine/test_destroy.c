/* SPDX-License-Identifier: MIT */
/* The end of regions: when `done` comes, and what must have happened before. */
#include <pthread.h>

#include "engine/dispatch.h"
#include "engine/engine_internal.h"
#include "engine/rcu.h"
#include "tests/unit/engine/fixture.h"

struct ending {
    unsigned count;
    MemoryRegion *mr;
};

static void note_end(MemoryRegion *mr, void *opaque)
{
    struct ending *e = opaque;

    e->count++;
    e->mr = mr;
}

static void test_detaches_at_once_ends_later(void **state)
{
    struct fixture *f = *state;
    struct ending end = { 0 };
    MemoryRegion root, mr, child, alias;

    assert_int_equal(memory_region_init(&root, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_init(&child, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_init_alias(&alias, NULL, NULL, &mr, 0, 64),
                     0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &mr), 0);
    assert_int_equal(memory_region_add_subregion(&mr, 0, &child), 0);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), 0);
    assert_int_equal(end.count, 0);
    assert_null(root.children);
    assert_null(child.container);
    assert_null(alias.alias);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&root, 0, &mr), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&mr, 0, &child), -EINVAL);
    assert_int_equal(memory_region_set_size(&mr, 1), -EINVAL);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(end.count, 1);
    assert_ptr_equal(end.mr, &mr);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(memory_region_init(&mr, NULL, "again", 64), 0);
    end_region(&mr);
    end_region(&alias);
    end_region(&child);
    end_region(&root);
}

static void test_a_view_delays_the_end(void **state)
{
    struct fixture *f = *state;
    struct ending end = { 0 };
    MemoryRegion mr;

    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    xbar_region_get(&mr);
    xbar_region_get(&mr);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    xbar_region_put(&mr);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(end.count, 0);
    assert_string_equal(memory_region_name(&mr), "anonymous");
    xbar_region_put(&mr);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(end.count, 1);
}

static void hide(struct xbar_engine *engine, MemoryRegion *mr)
{
    xbar_tree_hold(engine);
    xbar_region_hide(engine, mr);
    xbar_tree_release(engine);
}

/* Retired: what has a section of @mr. */
struct shower {
    struct xbar_retired link;
    MemoryRegion *mr;
};

static void release_shower(struct xbar_engine *engine,
                           struct xbar_retired *object)
{
    xbar_region_hide(engine, ((struct shower *)object)->mr);
}

/* Some go with void commits, the others with a reclaim; neither alone ends it. */
static void test_sections_delay_the_end(void **state)
{
    static struct xbar_retire_queue queue; /* outlives the engine */
    struct fixture *f = *state;
    struct ending end = { 0 };
    MemoryRegion mr;
    struct shower shower = { .mr = &mr };

    queue = (struct xbar_retire_queue){ .release = release_shower };
    xbar_retire_queue_add(f->engine, &queue);
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    xbar_tree_hold(f->engine);
    for (unsigned i = 0; i < 3; i++) {
        xbar_region_show(&mr);
    }
    xbar_tree_release(f->engine);
    hide(f->engine, &mr);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    xbar_tree_hold(f->engine);
    xbar_retire(f->engine, &queue, &shower.link, 0);
    xbar_tree_release(f->engine);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(end.count, 0);
    hide(f->engine, &mr);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_int_equal(end.count, 1);
}

static void test_void_transaction_revives(void **state)
{
    struct fixture *f = *state;
    struct ending end = { 0 };
    MemoryRegion mr;

    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    memory_region_transaction_begin();
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), 0);
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), -EINVAL);
    xbar_transaction_abort();
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(end.count, 0);
    assert_int_equal(memory_region_set_size(&mr, 1), 0);
    end_region(&mr);
}

static void test_waiting_where_it_would_deadlock(void **state)
{
    struct fixture *f = *state;
    MemoryRegion mr;

    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    xbar_rcu_read_lock();
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), -EDEADLK);
    assert_int_equal(xbar_engine_reclaim(f->engine), -EDEADLK);
    assert_int_equal(xbar_engine_free(f->engine), -EBUSY);
    xbar_rcu_read_unlock();
    memory_region_transaction_begin();
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), -EDEADLK);
    assert_int_equal(memory_region_transaction_commit(), 0);
    xbar_tree_hold(f->engine);
    assert_int_equal(xbar_region_destroy(&mr, NULL, NULL), -EDEADLK);
    assert_int_equal(xbar_engine_reclaim(f->engine), -EDEADLK);
    xbar_tree_release(f->engine);
    end_region(&mr);
}

static void test_destroy_without_memory(void **state)
{
    struct fixture *f = *state;
    struct ending end = { 0 };
    MemoryRegion root, mr;

    assert_int_equal(memory_region_init(&root, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_init(&mr, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &mr), 0);
    f->fail_at = f->requests + 1;
    assert_int_equal(xbar_region_destroy(&mr, note_end, &end), -ENOMEM);
    f->fail_at = 0;
    assert_ptr_equal(mr.container, &root);
    assert_int_equal(xbar_engine_reclaim(f->engine), 0);
    assert_int_equal(end.count, 0);
    end_region(&mr);
    end_region(&root);
}

/* `done` may do anything, even end the next one and wait for it. */
static void end_next(MemoryRegion *mr, void *opaque)
{
    MemoryRegion *next = opaque;

    assert_null(xbar_region_engine(mr));
    end_region(next);
    assert_int_equal(memory_region_init(mr, NULL, "reused", 64), 0);
}

static void test_done_may_call_anything(void **state)
{
    struct fixture *f = *state;
    MemoryRegion first, second;

    assert_int_equal(memory_region_init(&first, NULL, NULL, 64), 0);
    assert_int_equal(memory_region_init(&second, NULL, NULL, 64), 0);
    assert_int_equal(xbar_region_destroy(&first, end_next, &second), 0);
    assert_int_equal(xbar_engine_reclaim(f->engine), 1);
    assert_null(xbar_region_engine(&second));
    assert_string_equal(memory_region_name(&first), "reused");
    end_region(&first);
}

/* ---- Owners ------------------------------------------------------------ */

struct Object {
    unsigned refs;
};

static void ref_owner(Object *owner)
{
    owner->refs++;
}

static void unref_owner(Object *owner)
{
    owner->refs--;
}

static void test_views_keep_owners(void **state)
{
    struct Object owner = { 0 };
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    fixture_open(&f, (struct xbar_engine_config){ .owner_ref = ref_owner,
                                                  .owner_unref = unref_owner });
    assert_int_equal(memory_region_init(&mr, &owner, NULL, 64), 0);
    assert_int_equal(owner.refs, 0);
    xbar_region_get(&mr);
    xbar_region_get(&mr);
    assert_int_equal(owner.refs, 2);
    xbar_region_put(&mr);
    xbar_region_put(&mr);
    assert_int_equal(owner.refs, 0);
    xbar_tree_hold(f.engine);
    xbar_region_show(&mr);
    xbar_region_show(&mr);
    assert_int_equal(owner.refs, 2);
    xbar_region_hide(f.engine, &mr);
    xbar_region_hide(f.engine, &mr);
    xbar_tree_release(f.engine);
    assert_int_equal(owner.refs, 0);
    end_region(&mr);
    fixture_close(&f);
}

/* ---- Readers ----------------------------------------------------------- */

struct shared {
    struct xbar_engine *engine;
    MemoryRegion *current; /* published with release */
    bool stop;
    unsigned reads;
    unsigned bad;
};

static void *read_current(void *opaque)
{
    struct shared *s = opaque;

    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        uint64_t value = 0;
        MemoryRegion *mr;

        xbar_rcu_read_lock();
        mr = __atomic_load_n(&s->current, __ATOMIC_ACQUIRE);
        memory_region_dispatch_read(mr, 8, &value, MO_32, ATTRS);
        s->bad += value != 0x600d600d;
        xbar_rcu_read_unlock();
        __atomic_fetch_add(&s->reads, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static MemoryRegion *new_ram(void)
{
    MemoryRegion *mr = malloc(sizeof(*mr));

    assert_non_null(mr);
    assert_int_equal(memory_region_init_ram(mr, NULL, "ram", 64, NULL), 0);
    memory_region_dispatch_write(mr, 8, 0x600d600d, MO_32, ATTRS);
    return mr;
}

static void free_region(MemoryRegion *mr, void *opaque)
{
    (void)opaque;
    free(mr);
}

static void replace_often(struct shared *s)
{
    unsigned replaced = 0;

    while (replaced < 300 ||
           __atomic_load_n(&s->reads, __ATOMIC_RELAXED) < 300) {
        MemoryRegion *old = s->current;

        __atomic_store_n(&s->current, new_ram(), __ATOMIC_RELEASE);
        assert_int_equal(xbar_region_destroy(old, free_region, NULL), 0);
        if (++replaced % 3 == 0) {
            assert_true(xbar_engine_reclaim(s->engine) > 0);
        }
    }
}

static void test_readers_during_destruction(void **state)
{
    struct fixture *f = *state;
    struct shared s = { .engine = f->engine, .current = new_ram() };
    pthread_t reader;

    pthread_create(&reader, NULL, read_current, &s);
    replace_often(&s);
    __atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
    pthread_join(reader, NULL);
    assert_int_equal(s.bad, 0);
    assert_int_equal(xbar_region_destroy(s.current, free_region, NULL), 0);
}

/* A waiting destroy returns also when another thread reclaims its region. */
static void *destroy_own(void *opaque)
{
    struct shared *s = opaque;
    MemoryRegion mr;

    xbar_engine_enter(s->engine);
    for (unsigned i = 0; i < 50; i++) {
        s->bad += memory_region_init(&mr, NULL, NULL, 64) != 0;
        s->bad += xbar_region_destroy(&mr, NULL, NULL) != 0;
    }
    xbar_engine_leave(s->engine);
    return NULL;
}

static void test_concurrent_reclaim(void **state)
{
    struct fixture *f = *state;
    struct shared s[3];
    pthread_t threads[3];

    for (unsigned i = 0; i < 3; i++) {
        s[i] = (struct shared){ .engine = f->engine };
        pthread_create(&threads[i], NULL, destroy_own, &s[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(s[i].bad, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_detaches_at_once_ends_later),
        engine_test(test_a_view_delays_the_end),
        engine_test(test_sections_delay_the_end),
        engine_test(test_void_transaction_revives),
        engine_test(test_waiting_where_it_would_deadlock),
        engine_test(test_destroy_without_memory),
        engine_test(test_done_may_call_anything),
        engine_test(test_views_keep_owners),
        engine_test(test_readers_during_destruction),
        engine_test(test_concurrent_reclaim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
