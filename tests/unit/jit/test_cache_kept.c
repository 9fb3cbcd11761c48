/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/cache_kept.c: blocks of a page of memory that changes and changes
 * back, against a plain list of what is kept.
 */
#include "jit/cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/alloc.h"
#include "engine/engine.h"
#include "tests/unit/engine/scarce.h"

#define CODE_SIZE 64
#define JUMP_AT   4
#define STUB_AT   32
#define SIZE      8 /* of a block, in bytes of the guest's */
#define PAGE      UINT64_C(0x5000)
#define PLACES    32

static uint8_t memory[PLACES * SIZE];
static unsigned asked;

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    return open_scarce();
}

static int teardown(void **state)
{
    (void)state;
    return xbar_engine_free(engine);
}

static int make(struct xbar_jit_cache **cache, unsigned keep, size_t limit)
{
    const struct xbar_jit_config config = { .engine = engine,
                                            .limit = limit,
                                            .segment_size = limit / 4,
                                            .keep = keep };

    *cache = NULL;
    return xbar_jit_new(&config, cache);
}

static struct xbar_jit_cache *keeping(unsigned keep)
{
    struct xbar_jit_cache *cache;

    assert_int_equal(make(&cache, keep, 1 << 20), 0);
    return cache;
}

static struct xbar_jit_key key_at(unsigned place)
{
    return (struct xbar_jit_key){ .pc = PAGE + place * SIZE,
                                  .page = PAGE,
                                  .page2 = XBAR_JIT_NO_PAGE };
}

static uint8_t *bytes_at(unsigned place)
{
    return &memory[place * SIZE];
}

/* Of what memory holds at @place. */
static struct xbar_jit_block *add_sized(struct xbar_jit_cache *cache,
                                        unsigned place, unsigned size)
{
    const struct xbar_jit_key key = key_at(place);
    struct xbar_emit_buffer b;
    struct xbar_jit_block *block = xbar_jit_begin(cache, &key, CODE_SIZE, &b);

    assert_non_null(block);
    memset(b.code, 0x90, CODE_SIZE);
    b.used = CODE_SIZE;
    block->home[0] = key.pc;
    block->insns = 1;
    block->guest_size = (uint16_t)size;
    block->links[0].jump_at = JUMP_AT;
    block->links[0].stub = STUB_AT;
    assert_int_equal(xbar_jit_finish(cache, block, &b, bytes_at(place)), 0);
    return block;
}

static struct xbar_jit_block *add(struct xbar_jit_cache *cache, unsigned place)
{
    return add_sized(cache, place, SIZE);
}

static unsigned place_of(const struct xbar_jit_block *block)
{
    return (unsigned)(block->key.pc - PAGE) / SIZE;
}

static bool has_changed(void *opaque, const struct xbar_jit_block *block)
{
    (void)opaque;
    asked++;
    return memcmp(bytes_at(place_of(block)), block->bytes, block->guest_size);
}

static void check(struct xbar_jit_cache *cache)
{
    xbar_jit_check_page(cache, PAGE, has_changed, NULL);
}

static struct xbar_jit_block *find(struct xbar_jit_cache *cache, unsigned place)
{
    const struct xbar_jit_key key = key_at(place);

    return xbar_jit_find(cache, &key);
}

static struct xbar_jit_block *recall(struct xbar_jit_cache *cache,
                                     unsigned place)
{
    const struct xbar_jit_key key = key_at(place);

    asked = 0;
    return xbar_jit_recall(cache, &key, bytes_at(place), has_changed, NULL);
}

static void change(unsigned place, uint32_t first, uint32_t second)
{
    memcpy(bytes_at(place), &first, sizeof(first));
    memcpy(bytes_at(place) + 4, &second, sizeof(second));
}

static struct xbar_jit_stats stats_of(const struct xbar_jit_cache *cache)
{
    struct xbar_jit_stats stats;

    xbar_jit_get_stats(cache, &stats);
    return stats;
}

static bool is_seen(void *opaque, const struct xbar_jit_block *block)
{
    (void)block;
    ++*(unsigned *)opaque;
    return true;
}

static unsigned count_seen(const struct xbar_jit_cache *cache)
{
    unsigned count = 0;

    xbar_jit_for_each(cache, is_seen, &count);
    return count;
}

static uint32_t target_of(struct xbar_jit_cache *cache,
                          const struct xbar_jit_block *block)
{
    int32_t distance;

    memcpy(&distance, xbar_jit_code(cache, block->links[0].jump_at),
           sizeof(distance));
    return block->links[0].jump_at + 4 + (uint32_t)distance;
}

/* While it is kept it is nowhere; then it is where it was, without links. */
static void test_what_changed_back_is_found_again(void **state)
{
    struct xbar_jit_cache *cache = keeping(16);
    struct xbar_jit_block *a = add(cache, 0), *b = add(cache, 1);
    const uint8_t *code = xbar_jit_code(cache, a->code);
    uint64_t dropped = xbar_jit_dropped(cache);
    uint32_t id = a->id;

    (void)state;
    assert_int_equal(xbar_jit_chain(cache, a, 0, b), 0);
    assert_int_equal(xbar_jit_chain(cache, b, 0, a), 0);
    change(0, 1, 1);
    check(cache);
    assert_null(find(cache, 0));
    assert_null(xbar_jit_by_id(cache, id));
    assert_null(xbar_jit_at(cache, code + 8));
    assert_int_equal(count_seen(cache), 1);
    assert_int_equal(target_of(cache, b), b->code + STUB_AT);
    assert_int_equal(stats_of(cache).live, 1);
    assert_int_equal(stats_of(cache).invalidated, 1);
    assert_int_equal(xbar_jit_dropped(cache), ++dropped);

    assert_null(recall(cache, 0));
    change(0, 0, 1);
    assert_null(recall(cache, 0)); /* it only begins like that */
    assert_int_equal(asked, 1);
    change(0, 0, 0);
    assert_ptr_equal(recall(cache, 0), a);
    assert_null(recall(cache, 0)); /* there it is */
    assert_ptr_equal(find(cache, 0), a);
    assert_ptr_equal(xbar_jit_by_id(cache, id), a);
    assert_ptr_equal(xbar_jit_at(cache, code + 8), a);
    assert_ptr_equal(xbar_jit_code(cache, a->code), code);
    assert_int_equal(count_seen(cache), 2);
    assert_int_equal(target_of(cache, a), a->code + STUB_AT);
    assert_int_equal(xbar_jit_chain(cache, b, 0, a), 0);
    assert_int_equal(target_of(cache, b), a->code);
    assert_int_equal(stats_of(cache).live, 2);
    assert_int_equal(stats_of(cache).recalled, 1);
    assert_int_equal(stats_of(cache).translated, 2);
    assert_int_equal(xbar_jit_dropped(cache), dropped);
    change(0, 2, 0);
    check(cache);
    assert_int_equal(xbar_jit_dropped(cache), dropped + 1);
    xbar_jit_free(cache);
}

/* Many versions, of which each is found by what memory holds. */
static void test_versions(void **state)
{
    struct xbar_jit_cache *cache = keeping(128);
    struct xbar_jit_block *version[50];

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        change(3, i, 0);
        check(cache);
        version[i] = add(cache, 3);
    }
    for (unsigned i = 0; i < 500; i++) {
        unsigned v = i * 7 % 50;

        change(3, v, 0);
        check(cache);
        if (find(cache, 3) == NULL) {
            assert_ptr_equal(recall(cache, 3), version[v]);
            assert_int_equal(asked, 1); /* the others begin otherwise */
        }
        assert_ptr_equal(find(cache, 3), version[v]);
    }
    xbar_jit_free(cache);
}

/* Of those that begin alike a few are kept: looking for them takes no longer,
 * however many there were. */
static void test_versions_that_begin_alike(void **state)
{
    struct xbar_jit_cache *cache = keeping(64);
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        change(3, 7, i);
        check(cache);
        add(cache, 3);
    }
    for (unsigned i = 0; i < 49; i++) {
        change(3, 7, i);
        check(cache);
        found += recall(cache, 3) != NULL;
        assert_in_range(asked, 0, 8);
    }
    assert_in_range(found, 1, 9);
    xbar_jit_free(cache);
}

static void test_the_oldest_makes_room(void **state)
{
    struct xbar_jit_cache *cache = keeping(8);

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        add(cache, i);
    }
    for (unsigned i = 0; i < 12; i++) {
        change(i, 1, 1);
        check(cache);
        change(i, 0, 0);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(recall(cache, i) != NULL, i >= 4);
    }
    xbar_jit_free(cache);
}

/* Too short, or dropped for another reason than what memory holds. */
static void test_what_is_not_kept(void **state)
{
    struct xbar_jit_cache *cache = keeping(8);
    struct xbar_jit_block *block;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        block = i == 0 ? add_sized(cache, 0, 2) : add(cache, 0);
        if (i == 1) {
            xbar_jit_drop(cache, block);
        } else {
            change(0, 1, 1);
            check(cache);
        }
        change(0, 0, 0);
        if (i == 2) {
            xbar_jit_check_page(cache, 0x9000, NULL, NULL);
        } else if (i == 3) {
            xbar_jit_check_all(cache, has_changed, NULL);
        } else if (i == 4) {
            assert_int_equal(xbar_jit_invalidate(cache, 0x9000, 0x9fff), 0);
        }
        assert_null(recall(cache, 0));
    }
    xbar_jit_free(cache);

    cache = keeping(0);
    add(cache, 0);
    change(0, 1, 1);
    check(cache);
    change(0, 0, 0);
    assert_null(recall(cache, 0));
    xbar_jit_free(cache);
}

/* Counted or shown: who counts was told that it is gone. */
static void test_profiles_are_not_kept(void **state)
{
    const struct xbar_jit_key key = key_at(0);
    struct xbar_jit_cache *cache = keeping(8);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct xbar_emit_buffer b;
        struct xbar_jit_block *block;

        change(0, 0, 0);
        block = xbar_jit_begin(cache, &key, CODE_SIZE, &b);
        assert_non_null(block);
        b.used = CODE_SIZE;
        block->home[0] = key.pc;
        block->insns = 1;
        block->guest_size = SIZE;
        if (i == 0) {
            assert_true(xbar_jit_add_profile(cache, block, 1, 0));
        } else {
            block->shown = &key;
        }
        assert_int_equal(xbar_jit_finish(cache, block, &b, bytes_at(0)), 0);
        change(0, 1, 1);
        check(cache);
        change(0, 0, 0);
        assert_null(recall(cache, 0));
    }
    xbar_jit_free(cache);
}

/* Not while another is made, and not beside one of its key. */
static void test_recall_is_refused(void **state)
{
    const struct xbar_jit_key other = key_at(9);
    struct xbar_jit_cache *cache = keeping(8);
    struct xbar_emit_buffer b;
    struct xbar_jit_block *block = add(cache, 0), *making;

    (void)state;
    change(0, 1, 1);
    check(cache);
    change(0, 0, 0);
    making = xbar_jit_begin(cache, &other, CODE_SIZE, &b);
    assert_non_null(making);
    assert_null(recall(cache, 0));
    xbar_jit_abort(cache, making);
    assert_non_null(add(cache, 0));
    assert_null(recall(cache, 0));
    xbar_jit_drop(cache, find(cache, 0));
    assert_ptr_equal(recall(cache, 0), block);
    xbar_jit_free(cache);
}

/* What is kept goes with its segment, and what was recalled, too. */
static void test_eviction(void **state)
{
    struct xbar_jit_cache *cache;

    (void)state;
    assert_int_equal(make(&cache, 1024, 16384), 0);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned place = i % PLACES;

        change(place, i / PLACES % 5, 0);
        check(cache);
        if (find(cache, place) == NULL && recall(cache, place) == NULL) {
            add(cache, place);
        }
        assert_non_null(find(cache, place));
        assert_true(stats_of(cache).live <= PLACES);
    }
    assert_true(stats_of(cache).recalled > 0);
    for (unsigned i = 0; i < 1000; i++) { /* all others are evicted */
        change(0, 1000 + i, 0);
        check(cache);
        add(cache, 0);
    }
    assert_int_equal(stats_of(cache).live, 1);
    for (unsigned place = 1; place < PLACES; place++) {
        for (unsigned v = 0; v < 5; v++) {
            change(place, v, 0);
            assert_null(recall(cache, place));
        }
    }
    xbar_jit_free(cache);
}

static void test_bounds(void **state)
{
    struct xbar_jit_cache *cache;

    (void)state;
    assert_int_equal(make(&cache, 65537, 1 << 20), -EINVAL);
    assert_int_equal(make(&cache, 65536, 1 << 20), 0);
    xbar_jit_free(cache);
    for (unsigned n = 0;; n++) {
        int err;

        allocations_left = n;
        err = make(&cache, 5, 1 << 20);
        allocations_left = UINT32_MAX;
        if (err == 0) {
            assert_true(n >= 4); /* all of them were refused once */
            break;
        }
        assert_int_equal(err, -ENOMEM);
    }
    xbar_jit_free(cache);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_what_changed_back_is_found_again),
        CASE(test_versions),
        CASE(test_versions_that_begin_alike),
        CASE(test_the_oldest_makes_room),
        CASE(test_what_is_not_kept),
        CASE(test_profiles_are_not_kept),
        CASE(test_recall_is_refused),
        CASE(test_eviction),
        CASE(test_bounds),
    };
    struct xbar_jit_cache *cache;

    if (setup(NULL) != 0 || make(&cache, 0, 1 << 20) == -ENOTSUP) {
        print_message("nothing can be patched on this host\n");
        return 0;
    }
    xbar_jit_free(cache);
    teardown(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
