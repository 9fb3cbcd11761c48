/* SPDX-License-Identifier: MIT */
/*
 * The translation cache, with blocks that hold a jump and nothing else: keys,
 * chains, drops, eviction and recovery against a plain list.
 */
#include "jit/cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"

#define CODE_SIZE 64
#define JUMP_AT   4 /* both displacements: multiples of 4 */
#define STUB_AT   32

static struct xbar_engine *engine;
static unsigned dropped;

static void note_dropped(void *opaque, const struct xbar_jit_block *block)
{
    (void)opaque;
    (void)block;
    dropped++;
}

static struct xbar_jit_cache *make(size_t limit, size_t segment)
{
    const struct xbar_jit_config config = { .engine = engine,
                                            .limit = limit,
                                            .fixed_size = 16,
                                            .segment_size = segment,
                                            .dropped = note_dropped };
    struct xbar_jit_cache *cache = NULL;

    dropped = 0;
    assert_int_equal(xbar_jit_new(&config, &cache), 0);
    return cache;
}

static struct xbar_jit_key key_of(uint64_t pc, uint64_t page)
{
    return (struct xbar_jit_key){ .pc = pc,
                                  .page = page,
                                  .page2 = XBAR_JIT_NO_PAGE };
}

static struct xbar_jit_block *add(struct xbar_jit_cache *cache,
                                  const struct xbar_jit_key *key)
{
    static const struct xbar_jit_site sites[] = {
        { .return_offset = 20, .insn = 1, .pc_offset = 2, .length = 4 },
        { .return_offset = CODE_SIZE, .insn = 2, .pc_offset = 6, .length = 4 },
    };
    static const uint8_t bytes[10];
    struct xbar_emit_buffer b;
    struct xbar_jit_block *block = xbar_jit_begin(cache, key, CODE_SIZE, &b);

    assert_non_null(block);
    assert_true(b.used == 0 && b.size >= CODE_SIZE);
    memset(b.code, 0x90, CODE_SIZE);
    b.used = CODE_SIZE;
    block->insns = 3;
    block->guest_size = 10;
    for (unsigned i = 0; i < 2; i++) {
        block->links[i].jump_at = JUMP_AT + 8 * i;
        block->links[i].stub = STUB_AT + 8 * i;
    }
    assert_true(xbar_jit_add_site(cache, &sites[0]));
    assert_true(xbar_jit_add_site(cache, &sites[1]));
    assert_int_equal(xbar_jit_finish(cache, block, &b, bytes), 0);
    return block;
}

/* Where the jump of @link leads, as a code offset. */
static uint32_t target_of(struct xbar_jit_cache *cache,
                          const struct xbar_jit_link *link)
{
    int32_t distance;

    memcpy(&distance, xbar_jit_code(cache, link->jump_at), sizeof(distance));
    return link->jump_at + 4 + (uint32_t)distance;
}

static void test_keys_differ_in_every_field(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key a = key_of(0x1000, 0x80000000);
    struct xbar_jit_key others[] = { a, a, a, a };
    struct xbar_jit_block *block = add(cache, &a);

    (void)state;
    others[0].pc += 2;
    others[1].page += 4096;
    others[2].page2 = 0x80001000;
    others[3].mode = 1;
    assert_ptr_equal(xbar_jit_find(cache, &a), block);
    for (unsigned i = 0; i < 4; i++) {
        assert_null(xbar_jit_find(cache, &others[i]));
    }
    assert_ptr_equal(xbar_jit_by_id(cache, block->id), block);
    xbar_jit_free(cache);
}

static void test_links_are_undone_from_both_ends(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key keys[] = { key_of(0x1000, 0), key_of(0x1100, 0),
                                         key_of(0x1200, 0) };
    struct xbar_jit_block *a = add(cache, &keys[0]);
    struct xbar_jit_block *b = add(cache, &keys[1]);
    struct xbar_jit_block *c = add(cache, &keys[2]);
    struct xbar_jit_stats stats;

    (void)state;
    assert_int_equal(xbar_jit_chain(cache, a, 0, b), 0);
    assert_int_equal(xbar_jit_chain(cache, a, 1, c), 0);
    assert_int_equal(xbar_jit_chain(cache, b, 0, c), 0);
    assert_int_equal(xbar_jit_chain(cache, c, 1, c), 0);
    assert_int_equal(target_of(cache, &a->links[0]), b->code);
    assert_int_equal(target_of(cache, &c->links[1]), c->code);
    xbar_jit_drop(cache, c);
    assert_int_equal(target_of(cache, &a->links[1]), a->links[1].stub);
    assert_int_equal(target_of(cache, &b->links[0]), b->links[0].stub);
    assert_int_equal(target_of(cache, &a->links[0]), b->code);
    assert_null(xbar_jit_find(cache, &keys[2]));
    xbar_jit_drop(cache, a);
    assert_null(b->incoming);
    assert_int_equal(dropped, 2);
    xbar_jit_check_all(cache, NULL, NULL);
    xbar_jit_get_stats(cache, &stats);
    assert_int_equal(stats.replaced, 2);
    assert_int_equal(stats.invalidated, 1);
    assert_int_equal(stats.translated, 3);
    assert_int_equal(stats.live, 0);
    xbar_jit_free(cache);
}

static void test_recovery_names_block_and_site(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_site *site;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        const struct xbar_jit_key key = key_of(0x1000 + 16 * i, 0);
        struct xbar_jit_block *block = add(cache, &key);
        const uint8_t *code = xbar_jit_code(cache, block->code);

        assert_ptr_equal(xbar_jit_recover(cache, code + 20, &site), block);
        assert_int_equal(site->pc_offset, 2);
        assert_null(xbar_jit_recover(cache, code + 21, &site));
    }
    assert_null(xbar_jit_recover(cache, &site, &site));
    xbar_jit_free(cache);
}

/* A call may be the last thing in a block, and in a segment. */
static void test_recovery_of_a_call_at_the_end(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 4 * CODE_SIZE);
    struct xbar_jit_block *blocks[16];
    const struct xbar_jit_site *site;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        const struct xbar_jit_key key = key_of(0x1000 + 16 * i, 0);

        blocks[i] = add(cache, &key);
    }
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *code = xbar_jit_code(cache, blocks[i]->code);

        assert_ptr_equal(xbar_jit_recover(cache, code + CODE_SIZE, &site),
                         blocks[i]);
        assert_int_equal(site->pc_offset, 6);
    }
    xbar_jit_free(cache);
}

static bool is_odd(void *opaque, const struct xbar_jit_block *block)
{
    (void)opaque;
    return block->key.pc & 16;
}

static void test_pages_know_their_blocks(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    struct xbar_jit_key crossing = key_of(0x1ffe, 0x5000);

    (void)state;
    crossing.page2 = 0x9000;
    add(cache, &crossing);
    for (unsigned i = 0; i < 8; i++) {
        const struct xbar_jit_key key = key_of(0x1000 + 16 * i, 0x5000);

        add(cache, &key);
    }
    assert_true(xbar_jit_has_page(cache, 0x9000));
    assert_false(xbar_jit_has_page(cache, 0x6000));
    xbar_jit_check_page(cache, 0x9000, NULL, NULL);
    assert_false(xbar_jit_has_page(cache, 0x9000));
    assert_null(xbar_jit_find(cache, &crossing));
    xbar_jit_check_page(cache, 0x5000, is_odd, NULL);
    assert_int_equal(dropped, 5);
    assert_true(xbar_jit_has_page(cache, 0x5000));
    xbar_jit_check_all(cache, NULL, NULL);
    assert_false(xbar_jit_has_page(cache, 0x5000));
    xbar_jit_free(cache);
}

/* A block whose two pages share a bucket is dropped once, from both lists. */
static void test_both_pages_in_one_bucket(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);

    (void)state;
    for (uint64_t page2 = 0x1000; page2 < 0x4000000; page2 += 0x1000) {
        struct xbar_jit_key key = key_of(0xffe, 0);
        struct xbar_jit_block *block;

        key.page2 = page2;
        block = add(cache, &key);
        xbar_jit_check_page(cache, page2 & 0x1000 ? 0 : page2, NULL, NULL);
        assert_null(xbar_jit_find(cache, &key));
        assert_false(xbar_jit_has_page(cache, 0));
        (void)block;
    }
    xbar_jit_free(cache);
}

/* Random chains under a small limit: eviction leaves no jump that leads into
 * a segment that was emptied. */
static void test_eviction_unlinks_everything(void **state)
{
    struct xbar_jit_cache *cache = make(16 << 10, 2 << 10);
    struct xbar_jit_stats stats;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        const struct xbar_jit_key to = key_of(0x1000 + 2u * (rand() % 600), 0);
        const struct xbar_jit_key from =
            key_of(0x1000 + 2u * (rand() % 600), 0);
        unsigned link = (unsigned)rand() % 2;
        struct xbar_jit_block *b, *a;

        if (xbar_jit_find(cache, &to) == NULL) {
            add(cache, &to);
        }
        b = xbar_jit_find(cache, &to);
        a = xbar_jit_find(cache, &from);
        if (a != NULL && a->links[link].to == NULL) {
            assert_int_equal(xbar_jit_chain(cache, a, link, b), 0);
        }
    }
    xbar_jit_get_stats(cache, &stats);
    assert_true(stats.evicted > 1000);
    assert_int_equal(stats.translated - stats.live, dropped);
    xbar_jit_check_all(cache, NULL, NULL);
    xbar_jit_get_stats(cache, &stats);
    assert_int_equal(stats.live, 0);
    xbar_jit_free(cache);
}

static bool check_links(void *opaque, const struct xbar_jit_block *block)
{
    struct xbar_jit_cache *cache = opaque;

    for (unsigned i = 0; i < 2; i++) {
        const struct xbar_jit_link *link = &block->links[i];
        uint32_t want = link->to ? link->to->code : link->stub;

        if (link->to) {
            assert_ptr_equal(xbar_jit_by_id(cache, link->to->id), link->to);
            assert_int_equal(target_of(cache, link), want);
        }
    }
    return true;
}

static void test_every_link_leads_to_a_live_block(void **state)
{
    struct xbar_jit_cache *cache = make(16 << 10, 2 << 10);

    (void)state;
    srand(2);
    for (unsigned i = 0; i < 3000; i++) {
        const struct xbar_jit_key to = key_of(0x1000 + 2u * (rand() % 300), 0);
        const struct xbar_jit_key from =
            key_of(0x1000 + 2u * (rand() % 300), 0);
        struct xbar_jit_block *a, *b = xbar_jit_find(cache, &to);

        if (b == NULL) {
            b = add(cache, &to);
        } else if (rand() % 4 == 0) {
            xbar_jit_drop(cache, b);
            b = add(cache, &to);
        }
        a = xbar_jit_find(cache, &from);
        if (a != NULL && a->links[i % 2].to == NULL) {
            assert_int_equal(xbar_jit_chain(cache, a, i % 2, b), 0);
        }
        xbar_jit_for_each(cache, check_links, cache);
    }
    xbar_jit_free(cache);
}

/* ---- Misuse ------------------------------------------------------------ */

static void test_links_are_refused_by_name(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key keys[] = { key_of(0x1000, 0), key_of(0x1100, 0) };
    struct xbar_jit_block *a = add(cache, &keys[0]);
    struct xbar_jit_block *b = add(cache, &keys[1]);

    (void)state;
    assert_int_equal(xbar_jit_chain(cache, a, 2, b), -EINVAL);
    assert_int_equal(xbar_jit_chain(cache, a, 1, b), 0);
    assert_int_equal(xbar_jit_chain(cache, a, 1, a), -EALREADY);
    xbar_jit_unchain(cache, a, 1);
    xbar_jit_unchain(cache, a, 1);
    xbar_jit_unchain(cache, a, 9);
    assert_int_equal(target_of(cache, &a->links[1]), a->links[1].stub);
    assert_null(b->incoming);
    assert_int_equal(xbar_jit_chain(cache, a, 1, a), 0);
    assert_int_equal(target_of(cache, &a->links[1]), a->code);
    xbar_jit_free(cache);
}

/* What finish() refuses leaves no trace, and another block can be made. */
static void test_bad_blocks_are_refused(void **state)
{
    static const uint8_t bytes[4];
    static const struct {
        uint32_t jump_at, addend_at, stub;
        size_t used;
    } bad[] = {
        { 5, 0, 32, 64 },      { 4, 12, 32, 64 }, { 4, 8, 64, 64 },
        { 64, 0, 32, 64 },     { 4, 64, 32, 64 }, { 4, 0, 0, 64 },
        { 4, 0, 32, 1 << 20 }, { 4, 0, 1, 7 },
    };
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key key = key_of(0x1000, 0);
    struct xbar_emit_buffer b, other;
    struct xbar_jit_block *empty = xbar_jit_begin(cache, &key, CODE_SIZE, &b);

    (void)state;
    assert_int_equal(xbar_jit_finish(cache, empty, &b, bytes), -EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xbar_jit_block *block =
            xbar_jit_begin(cache, &key, CODE_SIZE, &b);

        assert_non_null(block);
        assert_null(xbar_jit_begin(cache, &key, CODE_SIZE, &other));
        block->guest_size = sizeof(bytes);
        block->links[0].jump_at = bad[i].jump_at;
        block->links[0].addend_at = bad[i].addend_at;
        block->links[0].stub = bad[i].stub;
        b.used = bad[i].used;
        assert_int_equal(xbar_jit_finish(cache, block, &b, bytes), -EINVAL);
        assert_null(xbar_jit_find(cache, &key));
        assert_null(xbar_jit_by_id(cache, 0));
    }
    empty = add(cache, &key);
    assert_ptr_equal(xbar_jit_find(cache, &key), empty);
    assert_null(xbar_jit_by_id(cache, 12345));
    xbar_jit_free(cache);
}

static bool count_blocks(void *opaque, const struct xbar_jit_block *block)
{
    (void)block;
    ++*(unsigned *)opaque;
    return true;
}

/* What is being made is nobody's yet, whoever looks at all blocks. */
static void test_unfinished_blocks_are_left_alone(void **state)
{
    static const uint8_t bytes[4];
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key keys[] = { key_of(0x1000, 0), key_of(0x1100, 0) };
    struct xbar_jit_block *old = add(cache, &keys[0]);
    struct xbar_emit_buffer b;
    struct xbar_jit_block *block =
        xbar_jit_begin(cache, &keys[1], CODE_SIZE, &b);
    unsigned count = 0;

    (void)state;
    assert_non_null(block);
    xbar_jit_for_each(cache, count_blocks, &count);
    assert_int_equal(count, 1);
    assert_int_equal(xbar_jit_finish(cache, old, &b, bytes), -EINVAL);
    xbar_jit_abort(cache, old);
    xbar_jit_abort(cache, NULL);
    assert_ptr_equal(xbar_jit_find(cache, &keys[0]), old);
    assert_true(xbar_jit_add_profile(cache, block, 5, 3));
    assert_false(xbar_jit_add_profile(cache, block, 5, 0));
    memset(block->profile->own, 1, 3);
    assert_int_equal(block->profile->left[0] | block->profile->left[4], 0);
    assert_int_equal(block->profile->starts[0] | block->profile->starts[5], 0);
    xbar_jit_check_all(cache, NULL, NULL);
    assert_int_equal(dropped, 1);
    b.used = CODE_SIZE;
    block->guest_size = 4;
    assert_int_equal(xbar_jit_finish(cache, block, &b, bytes), 0);
    assert_int_equal(xbar_jit_finish(cache, block, &b, bytes), -EINVAL);
    block = xbar_jit_begin(cache, &keys[0], CODE_SIZE, &b);
    assert_non_null(block);
    xbar_jit_drop(cache, block);
    assert_int_equal(dropped, 1);
    assert_non_null(xbar_jit_begin(cache, &keys[0], CODE_SIZE, &b));
    xbar_jit_free(cache);
}

static void test_links_are_added_once(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    const struct xbar_jit_key key = key_of(0x1000, 0);
    struct xbar_emit_buffer b;
    struct xbar_jit_block *block = xbar_jit_begin(cache, &key, 64, &b);

    (void)state;
    assert_non_null(block);
    assert_false(xbar_jit_add_links(cache, block, 0));
    assert_false(xbar_jit_add_links(cache, block, XBAR_JIT_LINKS + 1));
    assert_true(xbar_jit_add_links(cache, block, XBAR_JIT_LINKS));
    assert_false(xbar_jit_add_links(cache, block, 3));
    assert_int_equal(block->link_count, XBAR_JIT_LINKS);
    xbar_jit_abort(cache, block);
    xbar_jit_free(cache);
}

/* ---- Ranges ------------------------------------------------------------ */

/* Blocks of 10 bytes, against each range near their ends. */
static void test_ranges_drop_what_they_touch(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);

    (void)state;
    for (uint64_t first = 0; first < 40; first++) {
        for (uint64_t size = 1; size < 40; size++) {
            const uint64_t last = first + size - 1;
            const uint64_t expected =
                (first <= 9) + (first <= 29 && last >= 20);
            const struct xbar_jit_key keys[] = { key_of(0x1000, 0x5000),
                                                 key_of(0x1014, 0x5014) };

            for (unsigned i = 0; i < 2; i++) {
                if (xbar_jit_find(cache, &keys[i]) == NULL) {
                    add(cache, &keys[i]);
                }
            }
            assert_int_equal(
                xbar_jit_invalidate(cache, 0x5000 + first, 0x5000 + last),
                expected);
            assert_int_equal(xbar_jit_find(cache, &keys[0]) != NULL, first > 9);
        }
    }
    xbar_jit_free(cache);
}

/* Both pages of a block; one that begins in the page below; long ranges. */
static void test_ranges_find_what_crosses(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    struct xbar_jit_key crossing = key_of(0x1ffe, 0x5ffe);
    const struct xbar_jit_key odd = key_of(0x3000, 0x6ffc);

    (void)state;
    crossing.page2 = 0x9000;
    add(cache, &crossing);
    assert_int_equal(xbar_jit_invalidate(cache, 0x9000, 0x9000), 1);
    add(cache, &crossing);
    assert_int_equal(xbar_jit_invalidate(cache, 0x5fff, 0x5fff), 1);
    add(cache, &odd);
    assert_int_equal(xbar_jit_invalidate(cache, 0x7000, 0x7000), 1);
    add(cache, &odd);
    add(cache, &crossing);
    assert_int_equal(xbar_jit_invalidate(cache, 0xa000, UINT64_MAX), 0);
    assert_int_equal(xbar_jit_invalidate(cache, 0, 0x4fff), 0);
    assert_int_equal(xbar_jit_invalidate(cache, 0, UINT64_MAX - 1), 2);
    xbar_jit_free(cache);
}

/* ---- The fixed part, and jump caches ----------------------------------- */

static void test_the_fixed_part_is_executable(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    struct xbar_emit_buffer fixed;
    int (*function)(void);
    const void *code = xbar_jit_fixed(cache, &fixed);

    (void)state;
    assert_true(fixed.size >= 6);
    memcpy(fixed.code, "\xb8\x2a\0\0\0\xc3", 6); /* mov eax, 42; ret */
    assert_ptr_equal(xbar_jit_to_code(cache, fixed.code), code);
    assert_null(xbar_jit_at(cache, code));
    memcpy(&function, &code, sizeof(code));
    assert_int_equal(function(), 42);
    xbar_jit_free(cache);
}

static void test_jump_caches_find_what_was_put(void **state)
{
    struct xbar_jit_cache *cache = make(1 << 20, 0);
    struct xbar_jit_jumps *jumps = malloc(sizeof(*jumps));
    struct xbar_jit_key key = key_of(0x1000, 0x5000);
    const struct xbar_jit_block *block;
    uint64_t addend;

    (void)state;
    key.mode = 3;
    block = add(cache, &key);
    addend = xbar_jit_addend(block);
    memset(jumps, 0, sizeof(*jumps));
    xbar_jit_jumps_clear(jumps);
    /* Empty: nothing is there, whatever the pc. */
    for (uint64_t pc = 0; pc < 4u << XBAR_JIT_JUMP_BITS; pc++) {
        assert_null(xbar_jit_jumps_find(jumps, pc, 0, 0));
    }
    xbar_jit_jumps_put(jumps, cache, block);
    assert_ptr_equal(xbar_jit_jumps_find(jumps, 0x1000, 3, addend),
                     xbar_jit_code(cache, block->code));
    assert_ptr_equal(
        xbar_jit_at(cache, xbar_jit_jumps_find(jumps, 0x1000, 3, addend)),
        block);
    assert_null(xbar_jit_jumps_find(jumps, 0x1000, 2, addend));
    assert_null(xbar_jit_jumps_find(jumps, 0x1000, 3, addend + 1));
    assert_null(xbar_jit_jumps_find(jumps, 0x1001, 3, addend));
    xbar_jit_jumps_forget(jumps, block);
    assert_null(xbar_jit_jumps_find(jumps, 0x1000, 3, addend));
    free(jumps);
    xbar_jit_free(cache);
}

/* Segments of 16 blocks. What was dropped makes room, but not beside a block that
 * is still there. */
static void test_empty_segments_are_filled_again(void **state)
{
    struct xbar_jit_cache *cache = make(16 << 10, 1 << 10);
    struct xbar_jit_block *blocks[33];
    struct xbar_jit_stats stats;
    uint32_t first;

    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        const struct xbar_jit_key key = key_of(0x1000 + 4 * i, 0);

        blocks[i] = add(cache, &key);
    }
    first = blocks[0]->code;
    assert_int_equal(blocks[31]->code, first + 31 * CODE_SIZE);
    for (unsigned i = 0; i < 15; i++) {
        xbar_jit_drop(cache, blocks[i]);
    }
    blocks[32] = add(cache, &(const struct xbar_jit_key){ .pc = 0x2000 });
    assert_int_equal(blocks[32]->code, first + 32 * CODE_SIZE);
    xbar_jit_drop(cache, blocks[15]);
    for (unsigned i = 1; i < 16; i++) {
        const struct xbar_jit_key key = key_of(0x2000 + 4 * i, 0);

        assert_int_equal(add(cache, &key)->code, first + (32 + i) * CODE_SIZE);
    }
    blocks[0] = add(cache, &(const struct xbar_jit_key){ .pc = 0x3000 });
    assert_int_equal(blocks[0]->code, first);
    assert_ptr_equal(xbar_jit_at(cache, xbar_jit_code(cache, first)),
                     blocks[0]);
    xbar_jit_get_stats(cache, &stats);
    assert_int_equal(stats.evicted, 0);
    assert_int_equal(stats.code.evictions, 0);
    assert_int_equal(stats.code.bytes_live, 33 * CODE_SIZE);
    xbar_jit_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_segments_are_filled_again),
        cmocka_unit_test(test_keys_differ_in_every_field),
        cmocka_unit_test(test_links_are_undone_from_both_ends),
        cmocka_unit_test(test_recovery_names_block_and_site),
        cmocka_unit_test(test_recovery_of_a_call_at_the_end),
        cmocka_unit_test(test_pages_know_their_blocks),
        cmocka_unit_test(test_both_pages_in_one_bucket),
        cmocka_unit_test(test_eviction_unlinks_everything),
        cmocka_unit_test(test_every_link_leads_to_a_live_block),
        cmocka_unit_test(test_links_are_refused_by_name),
        cmocka_unit_test(test_bad_blocks_are_refused),
        cmocka_unit_test(test_unfinished_blocks_are_left_alone),
        cmocka_unit_test(test_links_are_added_once),
        cmocka_unit_test(test_ranges_drop_what_they_touch),
        cmocka_unit_test(test_ranges_find_what_crosses),
        cmocka_unit_test(test_the_fixed_part_is_executable),
        cmocka_unit_test(test_jump_caches_find_what_was_put),
    };
    int failed;

    engine = xbar_engine_new(NULL);
    if (engine == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || xbar_engine_free(engine) != 0;
}
