/* SPDX-License-Identifier: MIT */
/*
 * Readers among so many regions that views and index lie in chunks, while writers
 * move regions, keep views, and a tide of others comes and goes: with it the
 * engine is large, without it is not. XBAR_STRESS_SECONDS sets how long; best under
 * a sanitizer.
 *
 *     readers   R R     a region answers at its own place, or nothing does
 *     writers   W W     each moves half of those that stay
 *     tide      T       ends the rest, and makes them again
 *     reclaim   C       all the time
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "engine/engine_internal.h"
#include "flatview/subscriber.h"
#include "tests/stress/duration.h"
#include "tests/unit/counting_alloc.h"

#define STAY         4000
#define TIDE         600
#define REGIONS      (STAY + TIDE)
#define STRIDE       0x10000
#define WORD         0xd7000000u
#define DEFAULT_TIME 3 /* seconds */

/* Under address sanitizer there are none, for it to see what is freed. */
#ifdef TESTS_UNDER_ASAN
#define HAS_CHUNKS 0
#else
#define HAS_CHUNKS 1
#endif

enum { READERS = 2, WRITERS = 2, THREADS = READERS + WRITERS + 2 };

struct stress {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion regions[REGIONS];
    atomic_bool is_over;
    atomic_long ended; /* of the tide, since it turned */
    atomic_long tides;
    atomic_long commits;
    atomic_long answers;
    atomic_long chunks; /* times that there were some */
    atomic_long wrong;
};

struct worker {
    struct stress *s;
    unsigned index;
    uint64_t seed;
    pthread_t thread;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void expect(struct stress *s, bool is_fine)
{
    if (!is_fine) {
        atomic_fetch_add(&s->wrong, 1);
    }
}

/* ---- Regions ----------------------------------------------------------- */

static uint64_t read_index(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    return WORD | (uint32_t)(uintptr_t)opaque;
}

static void ignore_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)value;
    (void)size;
}

static const MemoryRegionOps index_ops = {
    .read = read_index,
    .write = ignore_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void make(struct stress *s, size_t first, size_t count)
{
    memory_region_transaction_begin();
    for (size_t i = first; i < first + count; i++) {
        MemoryRegion *mr = &s->regions[i];

        expect(s, memory_region_init_io(mr, NULL, &index_ops, (void *)i, "one",
                                        0x1000) == 0);
        expect(s, xbar_region_set_lock_policy(mr, XBAR_LOCK_NONE) == 0);
        expect(s, memory_region_add_subregion(&s->root, i * STRIDE, mr) == 0);
    }
    expect(s, memory_region_transaction_commit() == 0);
}

static void note_end(MemoryRegion *mr, void *opaque)
{
    struct stress *s = opaque;

    (void)mr;
    atomic_fetch_add(&s->ended, 1);
}

static void end(struct stress *s, size_t first, size_t count)
{
    memory_region_transaction_begin();
    for (size_t i = first; i < first + count; i++) {
        expect(s, xbar_region_destroy(&s->regions[i], note_end, s) == 0);
    }
    expect(s, memory_region_transaction_commit() == 0);
}

/* ---- Threads ----------------------------------------------------------- */

/* Not one that another moves; all of it stays in what is its own. */
static void change(struct worker *w)
{
    struct stress *s = w->s;
    size_t i = next_random(&w->seed) % (STAY / WRITERS) * WRITERS + w->index;
    MemoryRegion *mr = &s->regions[i];
    hwaddr at = i * STRIDE + next_random(&w->seed) % 15 * 0x1000;

    if (next_random(&w->seed) % 4 != 0) {
        expect(s, memory_region_set_address(mr, at) == 0);
    } else {
        memory_region_transaction_begin();
        expect(s, memory_region_del_subregion(&s->root, mr) == 0);
        expect(s, memory_region_add_subregion(&s->root, at, mr) == 0);
        expect(s, memory_region_transaction_commit() == 0);
    }
    atomic_fetch_add(&s->commits, 1);
}

static void *run_writer(void *opaque)
{
    struct worker *w = opaque;
    FlatView *kept = NULL;

    while (!atomic_load(&w->s->is_over)) {
        change(w);
        if (next_random(&w->seed) % 64 == 0) {
            if (kept) {
                xbar_view_release(kept);
            }
            kept = xbar_view_keep(&w->s->as);
            expect(w->s, kept != NULL);
        }
    }
    if (kept) {
        xbar_view_release(kept);
    }
    return NULL;
}

static void *run_reader(void *opaque)
{
    struct worker *w = opaque;
    struct stress *s = w->s;

    while (!atomic_load_explicit(&s->is_over, memory_order_relaxed)) {
        size_t i = next_random(&w->seed) % REGIONS;
        hwaddr addr = i * STRIDE + next_random(&w->seed) % 15 * 0x1000;
        const FlatRange *range;
        MemTxResult result;
        uint32_t word =
            address_space_ldl_le(&s->as, addr, MEMTXATTRS_UNSPECIFIED, &result);

        expect(s, result == MEMTX_OK ? word == (WORD | i)
                                     : result == MEMTX_DECODE_ERROR && !word);
        atomic_fetch_add_explicit(&s->answers, result == MEMTX_OK,
                                  memory_order_relaxed);
        xbar_read_begin();
        range = flatview_lookup(address_space_to_flatview(&s->as), addr);
        expect(s, !range->mr || (range->first <= addr && addr <= range->last &&
                                 range->mr == &s->regions[i]));
        xbar_read_end();
    }
    return NULL;
}

static void look_at_memory(struct stress *s)
{
    struct xbar_engine_stats stats;

    atomic_fetch_add(&s->chunks, chunks__are_there(&s->engine->chunks));
    xbar_engine_get_stats(s->engine, &stats);
    expect(s, stats.bytes_live < (uint64_t)1 << 32);
}

static void *run_tide(void *opaque)
{
    struct worker *w = opaque;
    struct stress *s = w->s;
    const struct timespec pause = { .tv_nsec = 1000000 };

    expect(s, xbar_engine_enter(s->engine) == 0);
    while (!atomic_load(&s->is_over)) {
        atomic_store(&s->ended, 0);
        end(s, STAY, TIDE);
        while (atomic_load(&s->ended) < TIDE) {
            nanosleep(&pause, NULL);
        }
        look_at_memory(s);
        make(s, STAY, TIDE);
        nanosleep(&pause, NULL);
        look_at_memory(s);
        atomic_fetch_add(&s->tides, 1);
    }
    expect(s, xbar_engine_leave(s->engine) == 0);
    return NULL;
}

static void *run_reclaimer(void *opaque)
{
    struct worker *w = opaque;
    const struct timespec pause = { .tv_nsec = 200000 };

    while (!atomic_load(&w->s->is_over) || atomic_load(&w->s->ended) < TIDE) {
        expect(w->s, xbar_engine_reclaim(w->s->engine) >= 0);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- The run ----------------------------------------------------------- */

/* The allocator is not asked each time: then there would be no chunks. */
static void init_stress(struct stress *s)
{
    const struct xbar_allocator hooks = { counting_alloc_get,
                                          counting_alloc_put, &s->alloc,
                                          false };
    const struct xbar_engine_config config = { .allocator = &hooks };

    s->engine = xbar_engine_new(&config);
    assert_non_null(s->engine);
    assert_int_equal(xbar_engine_enter(s->engine), 0);
    assert_int_equal(memory_region_init(&s->root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(address_space_init(&s->as, &s->root, "stress"), 0);
    make(s, 0, REGIONS);
    atomic_store(&s->ended, TIDE);
    assert_int_equal(atomic_load(&s->wrong), 0);
}

static void end_stress(struct stress *s)
{
    end(s, 0, REGIONS);
    address_space_destroy(&s->as);
    assert_int_equal(xbar_region_destroy(&s->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(s->engine), 0);
    assert_int_equal(xbar_engine_free(s->engine), 0);
    assert_int_equal(atomic_load(&s->alloc.live_bytes), 0);
    assert_int_equal(atomic_load(&s->wrong), 0);
}

/* Not if the machine let some thread have no processor. */
static bool is_enough(struct stress *s)
{
    return atomic_load(&s->answers) > 0 && atomic_load(&s->commits) > 0 &&
           atomic_load(&s->tides) > 1;
}

static void test_a_tide(void **state)
{
    static struct stress s;
    static struct worker workers[THREADS];
    void *(*const bodies[THREADS])(void *) = { run_writer, run_writer,
                                               run_reader, run_reader,
                                               run_tide,   run_reclaimer };

    (void)state;
    init_stress(&s);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .s = &s, .index = i, .seed = i + 1 };
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, bodies[i], &workers[i]),
            0);
    }
    for (unsigned i = 0; i == 0 || (i < 100 && !is_enough(&s)); i++) {
        sleep_for_the_run(DEFAULT_TIME);
    }
    atomic_store(&s.is_over, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    printf("answers %ld, commits %ld, tides %ld\n", atomic_load(&s.answers),
           atomic_load(&s.commits), atomic_load(&s.tides));
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(is_enough(&s));
    assert_int_equal(atomic_load(&s.chunks) > 0, HAS_CHUNKS);
    end_stress(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
