/* SPDX-License-Identifier: MIT */
/* The lock around callbacks: one thread at a time, and nobody sleeps on. */
#include "engine/lock.h"

#include <pthread.h>
#include <time.h>

#include "tests/unit/engine/fixture.h"

#define THREADS 4
#define ROUNDS  20000

struct shared {
    struct engine_lock lock;
    uint64_t count; /* plain: the lock is what makes it right */
};

static void *count_up(void *opaque)
{
    struct shared *s = opaque;
    char self;

    for (unsigned i = 0; i < ROUNDS; i++) {
        lock__take(&s->lock, &self);
        if (i % 3 == 0) {
            lock__take(&s->lock, &self);
            s->count++;
            lock__release(&s->lock);
        } else {
            s->count++;
        }
        if (i % 512 == 0) {
            nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
        }
        lock__release(&s->lock);
    }
    return NULL;
}

static void test_threads_exclude_one_another(void **state)
{
    struct shared s = { .count = 0 };
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &s), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.count, THREADS * ROUNDS);
    assert_int_equal(s.lock.state, 0);
    assert_int_equal(s.lock.depth, 0);
    assert_null(s.lock.owner);
}

static void *take_and_say(void *opaque)
{
    struct shared *s = opaque;
    char self;

    lock__take(&s->lock, &self);
    s->count++;
    lock__release(&s->lock);
    return NULL;
}

/* It is free for others after as many releases as takes, no earlier. */
static void test_recursion(void **state)
{
    struct shared s = { .count = 0 };
    pthread_t thread;
    char self;

    (void)state;
    lock__take(&s.lock, &self);
    lock__take(&s.lock, &self);
    assert_true(lock__is_mine(&s.lock, &self));
    assert_int_equal(pthread_create(&thread, NULL, take_and_say, &s), 0);
    lock__release(&s.lock);
    while (__atomic_load_n(&s.lock.state, __ATOMIC_RELAXED) != 2) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    assert_false(lock__try(&s.lock));
    assert_int_equal(s.count, 0);
    lock__release(&s.lock);
    pthread_join(thread, NULL);
    assert_int_equal(s.count, 1);
    assert_true(lock__try(&s.lock));
}

/* Giving the machine lock away without having it changes nothing. */
static void test_unlock_without_lock(void **state)
{
    struct fixture *f = *state;

    xbar_engine_unlock(f->engine);
    xbar_engine_lock(f->engine);
    xbar_engine_lock(f->engine);
    xbar_engine_unlock(f->engine);
    xbar_engine_unlock(f->engine);
    xbar_engine_unlock(f->engine);
    xbar_engine_lock(f->engine);
    xbar_engine_unlock(f->engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_exclude_one_another),
        cmocka_unit_test(test_recursion),
        engine_test(test_unlock_without_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
