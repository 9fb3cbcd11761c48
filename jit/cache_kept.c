/* SPDX-License-Identifier: MIT */
/*
 * Blocks that changed, kept in case they change back.
 *
 *     ring      [ . b c . e f ]       a place each, in the order in which they
 *                    ^ next           came: the oldest makes room
 *     buckets   [ . | f-b | . | c-e ] by key and first bytes: recall
 *
 * A block that is kept is in no other list but its segment's, where its code
 * stays; so it goes with the segment at the latest. It holds its id, which
 * nothing names.
 */
#include "jit/cache_internal.h"

#include <errno.h>
#include <string.h>

#include "engine/alloc.h"

#define KEEP_MAX 65536

/* Of a bucket: no more than that many versions of a block that begin alike. */
#define CHAIN_MAX 8

_Static_assert(XBAR_JIT_RECALL_BYTES == sizeof(uint32_t), "a word is mixed in");

/* ---- Life -------------------------------------------------------------- */

int jit_cache__open_kept(struct xbar_jit_cache *cache)
{
    struct kept_blocks *kept = &cache->kept;
    uint32_t size = 1;

    if (cache->config.keep > KEEP_MAX) {
        return -EINVAL;
    }
    if (cache->config.keep == 0) {
        return 0;
    }
    while (size < cache->config.keep) {
        size *= 2;
    }
    kept->ring =
        xbar_alloc(cache->config.engine, 2 * size * sizeof(*kept->ring));
    if (kept->ring == NULL) {
        return -ENOMEM;
    }
    kept->buckets = kept->ring + size;
    kept->size = size;
    return 0;
}

void jit_cache__close_kept(struct xbar_jit_cache *cache)
{
    struct kept_blocks *kept = &cache->kept;

    for (uint32_t i = 0; i < kept->size; i++) {
        if (kept->ring[i] != NULL) {
            jit_cache__free_block(cache, kept->ring[i]);
        }
    }
    xbar_free(cache->config.engine, kept->ring,
              (size_t)2 * kept->size * sizeof(*kept->ring));
}

/* ---- Buckets ----------------------------------------------------------- */

static struct xbar_jit_block **bucket_of(const struct kept_blocks *kept,
                                         const struct xbar_jit_key *key,
                                         const uint8_t *bytes)
{
    uint32_t word;
    uint64_t mixed;

    memcpy(&word, bytes, sizeof(word));
    mixed = jit_cache__mix(jit_cache__mix(key->pc ^ key->mode) ^ word);
    return &kept->buckets[mixed >> 32 & (kept->size - 1)];
}

static bool begins_like(const struct xbar_jit_block *block,
                        const struct xbar_jit_key *key, const uint8_t *bytes)
{
    return memcmp(block->bytes, bytes, XBAR_JIT_RECALL_BYTES) == 0 &&
           jit_cache__keys_equal(&block->key, key);
}

void jit_cache__unkeep(struct xbar_jit_cache *cache,
                       struct xbar_jit_block *block)
{
    struct kept_blocks *kept = &cache->kept;
    struct xbar_jit_block **p = bucket_of(kept, &block->key, block->bytes);

    while (*p != block) {
        p = &(*p)->hash_next;
    }
    *p = block->hash_next;
    kept->ring[block->kept - 1] = NULL;
    kept->count--;
    block->kept = 0;
}

/* ---- Keeping ----------------------------------------------------------- */

static void let_go(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    jit_cache__unkeep(cache, block);
    jit_cache__end_block(cache, block);
}

void jit_cache__let_go(struct xbar_jit_cache *cache)
{
    struct kept_blocks *kept = &cache->kept;

    for (uint32_t i = 0; i < kept->size && kept->count != 0; i++) {
        if (kept->ring[i] != NULL) {
            let_go(cache, kept->ring[i]);
        }
    }
}

/* The last of a bucket goes if there are too many. */
static void shorten(struct xbar_jit_cache *cache, struct xbar_jit_block *first)
{
    unsigned length = 1;

    while (first->hash_next != NULL) {
        first = first->hash_next;
        length++;
    }
    if (length > CHAIN_MAX) {
        let_go(cache, first);
    }
}

bool jit_cache__keep(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    struct kept_blocks *kept = &cache->kept;
    struct xbar_jit_block **bucket;

    if (kept->size == 0 || block->guest_size < XBAR_JIT_RECALL_BYTES ||
        block->profile != NULL || block->shown != NULL) {
        return false;
    }
    if (kept->ring[kept->next] != NULL) {
        let_go(cache, kept->ring[kept->next]);
    }
    kept->ring[kept->next] = block;
    block->kept = kept->next + 1;
    kept->next = (kept->next + 1) & (kept->size - 1);
    kept->count++;
    bucket = bucket_of(kept, &block->key, block->bytes);
    block->hash_next = *bucket;
    *bucket = block;
    cache->blocks[block->id] = NULL;
    shorten(cache, block);
    return true;
}

/* ---- Recall ------------------------------------------------------------ */

static struct xbar_jit_block *
find_kept(const struct kept_blocks *kept, const struct xbar_jit_key *key,
          const uint8_t *bytes, xbar_jit_changed_fn *changed, void *opaque)
{
    struct xbar_jit_block *block = *bucket_of(kept, key, bytes);

    while (block != NULL &&
           (!begins_like(block, key, bytes) || changed(opaque, block))) {
        block = block->hash_next;
    }
    return block;
}

struct xbar_jit_block *xbar_jit_recall(struct xbar_jit_cache *cache,
                                       const struct xbar_jit_key *key,
                                       const uint8_t *bytes,
                                       xbar_jit_changed_fn *changed,
                                       void *opaque)
{
    struct xbar_jit_block *block;

    if (cache->kept.count == 0 || cache->making != NULL ||
        xbar_jit_find(cache, key) != NULL) {
        return NULL;
    }
    block = find_kept(&cache->kept, key, bytes, changed, opaque);
    if (block == NULL) {
        return NULL;
    }
    jit_cache__unkeep(cache, block);
    cache->blocks[block->id] = block;
    jit_cache__add_to_lists(cache, block);
    cache->stats.recalled++;
    return block;
}
