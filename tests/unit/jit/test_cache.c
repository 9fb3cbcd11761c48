/* SPDX-License-Identifier: MIT */
/*
 * The translation cache, with blocks that hold a jump and nothing else: keys,
 * chains, drops, eviction and recovery against a plain list.
 */
#include "jit/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/engine.h"

#define CODE_SIZE 64
#define JUMP_AT   4 /* both displacements: multiples of 4 */
#define STUB_AT   32

static struct xbar_engine *engine;
static unsigned dropped;

static void note_dropped(void *opaque, const struct jit_block *block)
{
    (void)opaque;
    (void)block;
    dropped++;
}

static struct jit_cache *make(size_t limit, size_t segment)
{
    const struct jit_cache_config config = { .engine = engine,
                                             .limit = limit,
                                             .fixed_size = 1,
                                             .segment_size = segment,
                                             .dropped = note_dropped };
    struct jit_cache *cache = NULL;

    dropped = 0;
    assert_int_equal(jit_cache__new(&config, &cache), 0);
    return cache;
}

static struct jit_key key_of(uint64_t pc, uint64_t page)
{
    return (struct jit_key){ .pc = pc, .page = page, .page2 = JIT_NO_PAGE };
}

static struct jit_block *add(struct jit_cache *cache, const struct jit_key *key)
{
    static const struct jit_site sites[] = {
        { .return_offset = 20, .insn = 1, .pc_offset = 2, .length = 4 },
        { .return_offset = CODE_SIZE, .insn = 2, .pc_offset = 6, .length = 4 },
    };
    static const uint8_t bytes[10];
    struct code_buf b;
    struct jit_block *block = jit_cache__begin(cache, key, CODE_SIZE, &b);

    assert_non_null(block);
    memset(b.start, 0x90, CODE_SIZE);
    b.cur += CODE_SIZE;
    block->insns = 3;
    block->guest_size = 10;
    for (unsigned i = 0; i < 2; i++) {
        block->links[i].jump_at = JUMP_AT + 8 * i;
        block->links[i].stub = STUB_AT + 8 * i;
    }
    assert_true(jit_cache__add_site(cache, &sites[0]));
    assert_true(jit_cache__add_site(cache, &sites[1]));
    assert_true(jit_cache__finish(cache, block, &b, bytes));
    return block;
}

/* Where the jump of @link leads, as a code offset. */
static uint32_t target_of(struct jit_cache *cache, const struct jit_link *link)
{
    int32_t distance;

    memcpy(&distance, code_memory__rx(jit_cache__memory(cache), link->jump_at),
           sizeof(distance));
    return link->jump_at + 4 + (uint32_t)distance;
}

static void test_keys_differ_in_every_field(void **state)
{
    struct jit_cache *cache = make(1 << 20, 0);
    const struct jit_key a = key_of(0x1000, 0x80000000);
    struct jit_key others[] = { a, a, a, a };
    struct jit_block *block = add(cache, &a);

    (void)state;
    others[0].pc += 2;
    others[1].page += 4096;
    others[2].page2 = 0x80001000;
    others[3].mode = 1;
    assert_ptr_equal(jit_cache__find(cache, &a), block);
    for (unsigned i = 0; i < 4; i++) {
        assert_null(jit_cache__find(cache, &others[i]));
    }
    assert_ptr_equal(jit_cache__by_id(cache, block->id), block);
    jit_cache__free(cache);
}

static void test_links_are_undone_from_both_ends(void **state)
{
    struct jit_cache *cache = make(1 << 20, 0);
    const struct jit_key keys[] = { key_of(0x1000, 0), key_of(0x1100, 0),
                                    key_of(0x1200, 0) };
    struct jit_block *a = add(cache, &keys[0]);
    struct jit_block *b = add(cache, &keys[1]);
    struct jit_block *c = add(cache, &keys[2]);

    (void)state;
    jit_cache__link(cache, a, 0, b);
    jit_cache__link(cache, a, 1, c);
    jit_cache__link(cache, b, 0, c);
    jit_cache__link(cache, c, 1, c);
    assert_int_equal(target_of(cache, &a->links[0]), b->code);
    assert_int_equal(target_of(cache, &c->links[1]), c->code);
    jit_cache__drop(cache, c);
    assert_int_equal(target_of(cache, &a->links[1]), a->links[1].stub);
    assert_int_equal(target_of(cache, &b->links[0]), b->links[0].stub);
    assert_int_equal(target_of(cache, &a->links[0]), b->code);
    assert_null(jit_cache__find(cache, &keys[2]));
    jit_cache__drop(cache, a);
    assert_null(b->incoming);
    assert_int_equal(dropped, 2);
    jit_cache__free(cache);
}

static void test_recovery_names_block_and_site(void **state)
{
    struct jit_cache *cache = make(1 << 20, 0);
    const struct jit_site *site;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        const struct jit_key key = key_of(0x1000 + 16 * i, 0);
        struct jit_block *block = add(cache, &key);
        const uint8_t *code =
            code_memory__rx(jit_cache__memory(cache), block->code);

        assert_ptr_equal(jit_cache__recover(cache, code + 20, &site), block);
        assert_int_equal(site->pc_offset, 2);
        assert_null(jit_cache__recover(cache, code + 21, &site));
    }
    assert_null(jit_cache__recover(cache, &site, &site));
    jit_cache__free(cache);
}

/* A call may be the last thing in a block, and in a segment. */
static void test_recovery_of_a_call_at_the_end(void **state)
{
    struct jit_cache *cache = make(1 << 20, 4 * CODE_SIZE);
    struct jit_block *blocks[16];
    const struct jit_site *site;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        const struct jit_key key = key_of(0x1000 + 16 * i, 0);

        blocks[i] = add(cache, &key);
    }
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *code =
            code_memory__rx(jit_cache__memory(cache), blocks[i]->code);

        assert_ptr_equal(jit_cache__recover(cache, code + CODE_SIZE, &site),
                         blocks[i]);
        assert_int_equal(site->pc_offset, 6);
    }
    jit_cache__free(cache);
}

static bool is_odd(void *opaque, const struct jit_block *block)
{
    (void)opaque;
    return block->key.pc & 16;
}

static void test_pages_know_their_blocks(void **state)
{
    struct jit_cache *cache = make(1 << 20, 0);
    struct jit_key crossing = key_of(0x1ffe, 0x5000);

    (void)state;
    crossing.page2 = 0x9000;
    add(cache, &crossing);
    for (unsigned i = 0; i < 8; i++) {
        const struct jit_key key = key_of(0x1000 + 16 * i, 0x5000);

        add(cache, &key);
    }
    assert_true(jit_cache__has_page(cache, 0x9000));
    assert_false(jit_cache__has_page(cache, 0x6000));
    jit_cache__check_page(cache, 0x9000, NULL, NULL);
    assert_false(jit_cache__has_page(cache, 0x9000));
    assert_null(jit_cache__find(cache, &crossing));
    jit_cache__check_page(cache, 0x5000, is_odd, NULL);
    assert_int_equal(dropped, 5);
    assert_true(jit_cache__has_page(cache, 0x5000));
    jit_cache__check_all(cache, NULL, NULL);
    assert_false(jit_cache__has_page(cache, 0x5000));
    jit_cache__free(cache);
}

/* A block whose two pages share a bucket is dropped once, from both lists. */
static void test_both_pages_in_one_bucket(void **state)
{
    struct jit_cache *cache = make(1 << 20, 0);

    (void)state;
    for (uint64_t page2 = 0x1000; page2 < 0x4000000; page2 += 0x1000) {
        struct jit_key key = key_of(0xffe, 0);
        struct jit_block *block;

        key.page2 = page2;
        block = add(cache, &key);
        jit_cache__check_page(cache, page2 & 0x1000 ? 0 : page2, NULL, NULL);
        assert_null(jit_cache__find(cache, &key));
        assert_false(jit_cache__has_page(cache, 0));
        (void)block;
    }
    jit_cache__free(cache);
}

/* Random chains under a small limit: eviction leaves no jump that leads into
 * a segment that was emptied. */
static void test_eviction_unlinks_everything(void **state)
{
    struct jit_cache *cache = make(16 << 10, 2 << 10);
    struct jit_cache_stats stats;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        const struct jit_key to = key_of(0x1000 + 2u * (rand() % 600), 0);
        const struct jit_key from = key_of(0x1000 + 2u * (rand() % 600), 0);
        unsigned link = (unsigned)rand() % 2;
        struct jit_block *b, *a;

        if (jit_cache__find(cache, &to) == NULL) {
            add(cache, &to);
        }
        b = jit_cache__find(cache, &to);
        a = jit_cache__find(cache, &from);
        if (a != NULL && a->links[link].to == NULL) {
            jit_cache__link(cache, a, link, b);
        }
    }
    jit_cache__get_stats(cache, &stats);
    assert_true(stats.evicted > 1000);
    assert_int_equal(stats.translated - stats.live, dropped);
    jit_cache__check_all(cache, NULL, NULL);
    jit_cache__get_stats(cache, &stats);
    assert_int_equal(stats.live, 0);
    jit_cache__free(cache);
}

static bool check_links(void *opaque, const struct jit_block *block)
{
    struct jit_cache *cache = opaque;

    for (unsigned i = 0; i < 2; i++) {
        const struct jit_link *link = &block->links[i];
        uint32_t want = link->to ? link->to->code : link->stub;

        if (link->to) {
            assert_ptr_equal(jit_cache__by_id(cache, link->to->id), link->to);
            assert_int_equal(target_of(cache, link), want);
        }
    }
    return true;
}

static void test_every_link_leads_to_a_live_block(void **state)
{
    struct jit_cache *cache = make(16 << 10, 2 << 10);

    (void)state;
    srand(2);
    for (unsigned i = 0; i < 3000; i++) {
        const struct jit_key to = key_of(0x1000 + 2u * (rand() % 300), 0);
        const struct jit_key from = key_of(0x1000 + 2u * (rand() % 300), 0);
        struct jit_block *a, *b = jit_cache__find(cache, &to);

        if (b == NULL) {
            b = add(cache, &to);
        } else if (rand() % 4 == 0) {
            jit_cache__drop(cache, b);
            b = add(cache, &to);
        }
        a = jit_cache__find(cache, &from);
        if (a != NULL && a->links[i % 2].to == NULL) {
            jit_cache__link(cache, a, i % 2, b);
        }
        jit_cache__for_each(cache, check_links, cache);
    }
    jit_cache__free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_differ_in_every_field),
        cmocka_unit_test(test_links_are_undone_from_both_ends),
        cmocka_unit_test(test_recovery_names_block_and_site),
        cmocka_unit_test(test_recovery_of_a_call_at_the_end),
        cmocka_unit_test(test_pages_know_their_blocks),
        cmocka_unit_test(test_both_pages_in_one_bucket),
        cmocka_unit_test(test_eviction_unlinks_everything),
        cmocka_unit_test(test_every_link_leads_to_a_live_block),
    };
    int failed;

    engine = xbar_engine_new(NULL);
    if (engine == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || xbar_engine_free(engine) != 0;
}
