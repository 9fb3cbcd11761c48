/* SPDX-License-Identifier: MIT */
/* What cache.c (life, finding, making), cache_index.c (pages, segments),
 * cache_kept.c (what may come back) and cache_link.c (links, checks, dropping)
 * share. */
#ifndef XBAR_JIT_CACHE_INTERNAL_H
#define XBAR_JIT_CACHE_INTERNAL_H

#include "jit/cache.h"
#include "jit/code_memory.h"

/* Blocks are found by hash; chains stay short up to about 100 000 blocks. */
#define HASH_BITS 16
#define PAGE_BITS 11
#define SITES_MAX 1024

/* A block of a segment; NULL: dropped, and its code is nobody's. */
struct block_place {
    struct xbar_jit_block *block;
    uint32_t code;
};

/* In ascending order of code. A place stays until the segment is evicted, as
 * its code does: dropping moves nothing. */
struct block_list {
    struct block_place *items;
    uint32_t count;
    uint32_t capacity;
};

/* A physical page that there is, or was, code of. */
struct jit_page {
    uint64_t page;
    struct xbar_jit_page_node *blocks; /* NULL: none any more */
    struct jit_page *next;             /* in the bucket */
};

/* See cache_kept.c. */
struct kept_blocks {
    struct xbar_jit_block **ring;    /* by age; NULL: gone */
    struct xbar_jit_block **buckets; /* as many: by key and first bytes */
    uint32_t size;                   /* a power of 2, or 0: none is kept */
    uint32_t next;                   /* of the ring: the oldest */
    uint32_t count;
};

struct xbar_jit_cache {
    struct xbar_jit_config config;
    struct code_memory *memory;
    struct xbar_jit_block *hash[1 << HASH_BITS];
    struct jit_page *pages[1 << PAGE_BITS];

    /* Blocks by id. free_ids is a stack with room for every id, so giving
     * one back cannot fail. */
    struct xbar_jit_block **blocks;
    uint32_t *free_ids;
    uint32_t free_count;
    uint32_t block_count;
    uint32_t block_capacity;

    struct block_list *segments; /* one for each segment */
    uint32_t segment_count;

    struct kept_blocks kept;

    struct xbar_jit_site sites[SITES_MAX]; /* of the block being made */
    uint32_t site_count;
    struct xbar_jit_block *making; /* or NULL */
    struct code_buf lease;         /* of it */
    struct xbar_jit_stats stats;
};

static inline uint64_t jit_cache__mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

static inline bool jit_cache__keys_equal(const struct xbar_jit_key *a,
                                         const struct xbar_jit_key *b)
{
    return a->pc == b->pc && a->page == b->page && a->page2 == b->page2 &&
           a->mode == b->mode;
}

/* Blocks of 128 bytes of code have buckets side by side: what is asked for
 * together, and dropped together, lies together. */
#define HASH_NEAR_BITS 5

static inline unsigned jit_cache__hash_key(const struct xbar_jit_key *key)
{
    uint64_t word = key->pc >> 2;
    uint64_t area = word >> HASH_NEAR_BITS ^ (uint64_t)key->mode << 40;
    uint64_t x = jit_cache__mix(jit_cache__mix(area) ^ key->page >> 12);
    unsigned near = word & ((1u << HASH_NEAR_BITS) - 1);

    return (unsigned)(x >> (64 - HASH_BITS + HASH_NEAR_BITS))
               << HASH_NEAR_BITS |
           near;
}

static inline unsigned jit_cache__hash_page(uint64_t page)
{
    return (unsigned)(jit_cache__mix(page >> 12) >> (64 - PAGE_BITS));
}

/* cache.c */
void jit_cache__add_to_lists(struct xbar_jit_cache *cache,
                             struct xbar_jit_block *block);
struct code_memory *jit_cache__memory(const struct xbar_jit_cache *cache);
void jit_cache__free_block(struct xbar_jit_cache *cache,
                           struct xbar_jit_block *block);
void jit_cache__give_id(struct xbar_jit_cache *cache,
                        struct xbar_jit_block *block);

/*
 * cache_index.c: which blocks lie in a page, and in a segment. Reserving may
 * fail; adding to what was reserved cannot.
 */
bool jit_cache__reserve_page(struct xbar_jit_cache *cache, uint64_t page)
    XBAR_MUST_CHECK;
void jit_cache__add_page(struct xbar_jit_cache *cache,
                         struct xbar_jit_block *block, unsigned slot,
                         uint64_t page);
void jit_cache__remove_page(struct xbar_jit_page_node *node);
struct xbar_jit_page_node *
jit_cache__page_blocks(const struct xbar_jit_cache *cache, uint64_t page);
bool jit_cache__reserve_segment(struct xbar_jit_cache *cache, uint32_t segment)
    XBAR_MUST_CHECK;
void jit_cache__add_to_segment(struct xbar_jit_cache *cache,
                               struct xbar_jit_block *block);
void jit_cache__remove_from_segment(struct xbar_jit_cache *cache,
                                    struct xbar_jit_block *block);
/* Have all its blocks been dropped? @opaque: the cache. */
bool jit_cache__segment_is_empty(void *opaque, uint32_t segment);
/* The block whose code holds @offset, or NULL. */
struct xbar_jit_block *jit_cache__block_at(const struct xbar_jit_cache *cache,
                                           uint32_t offset);
void jit_cache__free_index(struct xbar_jit_cache *cache);

/* cache_kept.c */
int jit_cache__open_kept(struct xbar_jit_cache *cache) XBAR_MUST_CHECK;
void jit_cache__close_kept(struct xbar_jit_cache *cache);
/* @block, which was found no more, has changed. False: it is not to be kept. */
bool jit_cache__keep(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
    XBAR_MUST_CHECK;
/* @block, which is kept, is only what jit_cache__keep() was given. */
void jit_cache__unkeep(struct xbar_jit_cache *cache,
                       struct xbar_jit_block *block);
void jit_cache__let_go(struct xbar_jit_cache *cache);

/* cache_link.c */
/* @block is in no list but its segment's. */
void jit_cache__end_block(struct xbar_jit_cache *cache,
                          struct xbar_jit_block *block);
void jit_cache__evict(void *opaque, uint32_t segment);

#endif
