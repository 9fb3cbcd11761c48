/* SPDX-License-Identifier: MIT */
/* Code memory: leases, both views, eviction in turn, limits. */
#include "jit/code_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "engine/engine.h"

static struct xbar_engine *engine;
static uint32_t evicted[64];
static unsigned evicted_count;

static void note_evicted(void *opaque, uint32_t segment)
{
    (void)opaque;
    assert_true(evicted_count < 64);
    evicted[evicted_count++] = segment;
}

static struct code_memory *make(size_t limit, size_t segment)
{
    const struct code_memory_config config = { .engine = engine,
                                               .limit = limit,
                                               .fixed_size = 100,
                                               .segment_size = segment,
                                               .evict = note_evicted };
    struct code_memory *cm = NULL;

    evicted_count = 0;
    assert_int_equal(code_memory__new(&config, &cm), 0);
    return cm;
}

/* Lease, write @size bytes of @byte, commit. */
static uint32_t put(struct code_memory *cm, size_t size, uint8_t byte)
{
    struct code_buf b;

    assert_true(code_memory__lease(cm, size, &b));
    memset(b.start, byte, size);
    b.cur += size;
    return code_memory__commit(cm, &b);
}

static void test_views_show_the_same_bytes(void **state)
{
    struct code_memory *cm = make(64 << 10, 0);
    uint32_t a = put(cm, 40, 0x11);
    uint32_t b = put(cm, 7, 0x22);

    (void)state;
    assert_int_equal(a % 16, 0);
    assert_int_equal(b, a + 48);
    assert_int_equal(code_memory__rx(cm, a)[39], 0x11);
    assert_int_equal(code_memory__rx(cm, b)[6], 0x22);
    assert_ptr_not_equal(code_memory__rx(cm, a), code_memory__rw(cm, a));
    assert_ptr_equal(code_memory__to_rx(cm, code_memory__rw(cm, b)),
                     code_memory__rx(cm, b));
    assert_int_equal(code_memory__offset(cm, code_memory__rx(cm, b)), b);
    assert_int_equal(code_memory__offset(cm, &a), UINT32_MAX);
    code_memory__free(cm);
}

static void test_abort_gives_the_lease_back(void **state)
{
    struct code_memory *cm = make(64 << 10, 0);
    struct code_buf b;
    uint32_t first;

    (void)state;
    assert_true(code_memory__lease(cm, 100, &b));
    first = (uint32_t)(b.start - code_memory__rw(cm, 0));
    b.cur += 50;
    code_memory__abort(cm);
    assert_int_equal(put(cm, 16, 1), first);
    code_memory__free(cm);
}

static void test_segments_are_evicted_in_turn(void **state)
{
    struct code_memory *cm = make(16 << 10, 4 << 10);
    struct code_memory_stats stats;
    uint32_t first = put(cm, 4 << 10, 1);

    (void)state;
    assert_int_equal(code_memory__segments(cm), 4);
    for (unsigned i = 1; i < 4; i++) {
        put(cm, 4 << 10, 1);
    }
    assert_int_equal(evicted_count, 0);
    assert_int_equal(put(cm, 16, 2), first);
    put(cm, 4 << 10, 3);
    assert_int_equal(evicted_count, 2);
    assert_int_equal(evicted[0], 0);
    assert_int_equal(evicted[1], 1);
    code_memory__get_stats(cm, &stats);
    assert_int_equal(stats.evictions, 2);
    assert_true(stats.bytes_live <= 16 << 10);
    code_memory__free(cm);
}

#define PIECE ((size_t)64 << 10)

/* Does the kernel know how to get memory before it is touched? */
static bool can_populate(void)
{
    const int populate_write = 23;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = madvise(page, 4096, populate_write) == 0;

    munmap(page, 4096);
    return can;
}

static size_t resident_pages(const struct code_memory *cm, size_t size)
{
    unsigned char pages[64];
    size_t count = 0;

    assert_true(size / 4096 <= sizeof(pages));
    assert_int_equal(
        mincore((void *)(uintptr_t)code_memory__rx(cm, 4096), size, pages), 0);
    for (size_t i = 0; i < size / 4096; i++) {
        count += pages[i] & 1;
    }
    return count;
}

/* The page of the fixed part is not counted. */
static void test_memory_comes_in_pieces(void **state)
{
    struct code_memory *cm = make(1 << 20, 256 << 10);

    (void)state;
    assert_int_equal(resident_pages(cm, 2 * PIECE), 0);
    put(cm, 16, 1);
    assert_int_equal(resident_pages(cm, 2 * PIECE),
                     can_populate() ? PIECE / 4096 : 1);
    put(cm, PIECE - 16, 1);
    assert_int_equal(resident_pages(cm, 2 * PIECE), PIECE / 4096);
    put(cm, PIECE, 1);
    assert_int_equal(resident_pages(cm, 2 * PIECE), 2 * PIECE / 4096);
    code_memory__free(cm);
}

static void test_the_smallest_limit_has_two_segments(void **state)
{
    struct code_memory *cm = make(1, 0);
    struct code_buf b;
    size_t segment = code_memory__segment_size(cm);

    (void)state;
    assert_true(code_memory__segments(cm) >= 2);
    assert_false(code_memory__lease(cm, segment + 1, &b));
    put(cm, segment, 1);
    put(cm, segment, 1);
    put(cm, segment, 1);
    assert_int_equal(evicted_count, 1);
    assert_int_equal(code_memory__segment_of(cm, 0), UINT32_MAX);
    code_memory__free(cm);
}

static void test_impossible_limits_are_refused(void **state)
{
    const struct code_memory_config huge = { .engine = engine,
                                             .limit = (size_t)2 << 30,
                                             .evict = note_evicted };
    const struct code_memory_config odd = { .engine = engine,
                                            .limit = 4096,
                                            .segment_size = 8192,
                                            .evict = note_evicted };
    struct code_memory_config tiny = odd;
    struct code_memory *cm;

    (void)state;
    assert_int_equal(code_memory__new(&huge, &cm), -EINVAL);
    assert_int_equal(code_memory__new(&odd, &cm), -EINVAL);
    tiny.segment_size = 15;
    assert_int_equal(code_memory__new(&tiny, &cm), -EINVAL);
    tiny.segment_size = 16;
    assert_int_equal(code_memory__new(&tiny, &cm), 0);
    code_memory__free(cm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_show_the_same_bytes),
        cmocka_unit_test(test_abort_gives_the_lease_back),
        cmocka_unit_test(test_memory_comes_in_pieces),
        cmocka_unit_test(test_segments_are_evicted_in_turn),
        cmocka_unit_test(test_the_smallest_limit_has_two_segments),
        cmocka_unit_test(test_impossible_limits_are_refused),
    };
    int failed;

    engine = xbar_engine_new(NULL);
    if (engine == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || xbar_engine_free(engine) != 0;
}
