/* SPDX-License-Identifier: MIT */
#include "jit/cache.h"

#include "jit/cache_internal.h"

#include <errno.h>

#include "engine/alloc.h"

/* ---- Life -------------------------------------------------------------- */

int jit_cache__new(const struct jit_cache_config *config,
                   struct jit_cache **out)
{
    struct jit_cache *cache = xbar_alloc(config->engine, sizeof(*cache));
    int err = -ENOMEM;

    if (cache == NULL) {
        return err;
    }
    cache->config = *config;
    err = code_memory__new(
        &(struct code_memory_config){ .engine = config->engine,
                                      .limit = config->limit,
                                      .fixed_size = config->fixed_size,
                                      .segment_size = config->segment_size,
                                      .evict = jit_cache__evict,
                                      .evict_opaque = cache },
        &cache->memory);
    if (err) {
        goto no_memory;
    }
    cache->segment_count = code_memory__segments(cache->memory);
    cache->segments = xbar_alloc(config->engine, cache->segment_count *
                                                     sizeof(*cache->segments));
    if (cache->segments == NULL) {
        err = -ENOMEM;
        goto no_segments;
    }
    *out = cache;
    return 0;
no_segments:
    code_memory__free(cache->memory);
no_memory:
    xbar_free(config->engine, cache, sizeof(*cache));
    return err;
}

static size_t profile_size(unsigned insns_max)
{
    return sizeof(struct jit_profile) + insns_max * sizeof(uint64_t) +
           (insns_max + 1) * sizeof(uint16_t);
}

void jit_cache__free_block(struct jit_cache *cache, struct jit_block *block)
{
    if (block->profile != NULL) {
        xbar_free(cache->config.engine, block->profile,
                  profile_size(block->profile->insns_max));
    }
    xbar_free(cache->config.engine, block->sites,
              block->site_count * sizeof(*block->sites));
    xbar_free(cache->config.engine, block->bytes, block->guest_size);
    if (block->links != block->both) {
        xbar_free(cache->config.engine, block->links,
                  block->link_count * sizeof(*block->links));
    }
    xbar_free(cache->config.engine, block, sizeof(*block));
}

static void free_table(struct jit_cache *cache, struct jit_block **blocks,
                       uint32_t *free_ids)
{
    size_t n = cache->block_capacity;

    xbar_free(cache->config.engine, blocks, n * sizeof(*blocks));
    xbar_free(cache->config.engine, free_ids, n * sizeof(*free_ids));
}

void jit_cache__free(struct jit_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (uint32_t id = 0; id < cache->block_count; id++) {
        if (cache->blocks[id] != NULL) {
            jit_cache__free_block(cache, cache->blocks[id]);
        }
    }
    free_table(cache, cache->blocks, cache->free_ids);
    jit_cache__free_index(cache);
    code_memory__free(cache->memory);
    xbar_free(cache->config.engine, cache, sizeof(*cache));
}

struct code_memory *jit_cache__memory(const struct jit_cache *cache)
{
    return cache->memory;
}

void jit_cache__get_stats(const struct jit_cache *cache,
                          struct jit_cache_stats *stats)
{
    *stats = cache->stats;
    code_memory__get_stats(cache->memory, &stats->code);
}

uint64_t jit_cache__dropped(const struct jit_cache *cache)
{
    return cache->stats.translated - cache->stats.live;
}

size_t jit_cache__lease_size(const struct jit_cache *cache, size_t size)
{
    size_t segment = code_memory__segment_size(cache->memory);

    return size < segment ? size : segment;
}

/* ---- Finding ----------------------------------------------------------- */

static bool keys_equal(const struct jit_key *a, const struct jit_key *b)
{
    return a->pc == b->pc && a->page == b->page && a->page2 == b->page2 &&
           a->mode == b->mode;
}

struct jit_block *jit_cache__find(const struct jit_cache *cache,
                                  const struct jit_key *key)
{
    struct jit_block *block = cache->hash[jit_cache__hash_key(key)];

    while (block != NULL && !keys_equal(&block->key, key)) {
        block = block->hash_next;
    }
    return block;
}

struct jit_block *jit_cache__by_id(const struct jit_cache *cache, uint32_t id)
{
    xbar_assert(id < cache->block_count && cache->blocks[id] != NULL);
    return cache->blocks[id];
}

static const struct jit_site *find_site(const struct jit_block *block,
                                        uint32_t return_offset)
{
    for (unsigned i = 0; i < block->site_count; i++) {
        if (block->sites[i].return_offset == return_offset) {
            return &block->sites[i];
        }
    }
    return NULL;
}

struct jit_block *jit_cache__recover(const struct jit_cache *cache,
                                     const void *rx,
                                     const struct jit_site **site)
{
    uint32_t offset = code_memory__offset(cache->memory, rx);
    /* Where the call was: behind it another block, or segment, may begin. */
    struct jit_block *block = jit_cache__block_at(cache, offset - 1);

    if (block == NULL) {
        return NULL;
    }
    *site = find_site(block, offset - block->code);
    return *site != NULL ? block : NULL;
}

void jit_cache__for_each(const struct jit_cache *cache,
                         bool (*cb)(void *opaque,
                                    const struct jit_block *block),
                         void *opaque)
{
    for (uint32_t id = 0; id < cache->block_count; id++) {
        if (cache->blocks[id] != NULL && !cb(opaque, cache->blocks[id])) {
            return;
        }
    }
}

/* ---- Making a block ---------------------------------------------------- */

static bool grow_table(struct jit_cache *cache)
{
    struct xbar_engine *engine = cache->config.engine;
    uint32_t n = cache->block_capacity ? cache->block_capacity * 2 : 1024;
    struct jit_block **blocks = xbar_alloc(engine, n * sizeof(*blocks));
    uint32_t *free_ids = xbar_alloc(engine, n * sizeof(*free_ids));

    if (blocks == NULL || free_ids == NULL) {
        xbar_free(engine, blocks, n * sizeof(*blocks));
        xbar_free(engine, free_ids, n * sizeof(*free_ids));
        return false;
    }
    if (cache->block_count) {
        memcpy(blocks, cache->blocks, cache->block_count * sizeof(*blocks));
    }
    free_table(cache, cache->blocks, cache->free_ids);
    cache->blocks = blocks;
    cache->free_ids = free_ids;
    cache->block_capacity = n;
    return true;
}

/* The free stack is empty whenever the table grows, so it is not copied. */
static bool take_id(struct jit_cache *cache, struct jit_block *block)
{
    if (cache->free_count) {
        block->id = cache->free_ids[--cache->free_count];
    } else if (cache->block_count < cache->block_capacity ||
               grow_table(cache)) {
        block->id = cache->block_count++;
    } else {
        return false;
    }
    cache->blocks[block->id] = block;
    return true;
}

void jit_cache__give_id(struct jit_cache *cache, struct jit_block *block)
{
    cache->blocks[block->id] = NULL;
    cache->free_ids[cache->free_count++] = block->id;
}

struct jit_block *jit_cache__begin(struct jit_cache *cache,
                                   const struct jit_key *key, size_t size,
                                   struct code_buf *b)
{
    struct jit_block *block;

    xbar_assert(!cache->making);
    block = xbar_alloc(cache->config.engine, sizeof(*block));
    if (block == NULL) {
        return NULL;
    }
    block->key = *key;
    block->links = block->both;
    block->link_count = 2;
    block->home[0] = key->page;
    block->home[1] = key->page2;
    if (!take_id(cache, block)) {
        goto fail;
    }
    if (!code_memory__lease(cache->memory, size, b)) {
        jit_cache__give_id(cache, block);
        goto fail;
    }
    cache->site_count = 0;
    cache->making = true;
    return block;
fail:
    xbar_free(cache->config.engine, block, sizeof(*block));
    return NULL;
}

bool jit_cache__add_site(struct jit_cache *cache, const struct jit_site *site)
{
    if (cache->site_count == SITES_MAX) {
        return false;
    }
    cache->sites[cache->site_count++] = *site;
    return true;
}

bool jit_cache__add_profile(struct jit_cache *cache, struct jit_block *block,
                            unsigned insns_max)
{
    block->profile = xbar_alloc(cache->config.engine, profile_size(insns_max));
    if (block->profile != NULL) {
        block->profile->insns_max = (uint16_t)insns_max;
        block->profile->starts = (uint16_t *)&block->profile->left[insns_max];
    }
    return block->profile != NULL;
}

bool jit_cache__add_links(struct jit_cache *cache, struct jit_block *block,
                          unsigned count)
{
    struct jit_link *links =
        xbar_alloc(cache->config.engine, count * sizeof(*links));

    xbar_assert(count <= JIT_LINKS && block->links == block->both);
    if (links != NULL) {
        block->links = links;
        block->link_count = (uint8_t)count;
    }
    return links != NULL;
}

void jit_cache__abort(struct jit_cache *cache, struct jit_block *block)
{
    code_memory__abort(cache->memory);
    cache->making = false;
    jit_cache__give_id(cache, block);
    jit_cache__free_block(cache, block);
}

static void add_to_lists(struct jit_cache *cache, struct jit_block *block)
{
    struct jit_block **bucket = &cache->hash[jit_cache__hash_key(&block->key)];

    block->hash_next = *bucket;
    *bucket = block;
    jit_cache__add_page(cache, block, 0, jit_home_page(block->home[0]));
    jit_cache__add_page(cache, block, 1, jit_home_page(block->home[1]));
    jit_cache__add_to_segment(cache, block);
}

/* Room in the lists for a block that is being written at @code. */
static bool reserve_lists(struct jit_cache *cache,
                          const struct jit_block *block, const uint8_t *code)
{
    const uint8_t *start = code_memory__rw(cache->memory, 0);
    uint32_t segment =
        code_memory__segment_of(cache->memory, (uint32_t)(code - start));

    return jit_cache__reserve_page(cache, jit_home_page(block->home[0])) &&
           jit_cache__reserve_page(cache, jit_home_page(block->home[1])) &&
           jit_cache__reserve_segment(cache, segment);
}

/* What outlives the making: the sites, and the guest's bytes. */
static bool keep_copies(struct jit_cache *cache, struct jit_block *block,
                        const uint8_t *bytes)
{
    size_t size = cache->site_count * sizeof(*block->sites);

    if (size) {
        block->sites = xbar_alloc(cache->config.engine, size);
        if (block->sites == NULL) {
            return false;
        }
        memcpy(block->sites, cache->sites, size);
    }
    block->site_count = (uint16_t)cache->site_count;
    block->bytes = xbar_alloc(cache->config.engine, block->guest_size);
    if (block->bytes == NULL) {
        return false;
    }
    memcpy(block->bytes, bytes, block->guest_size);
    return true;
}

bool jit_cache__finish(struct jit_cache *cache, struct jit_block *block,
                       const struct code_buf *b, const uint8_t *bytes)
{
    if (!keep_copies(cache, block, bytes) ||
        !reserve_lists(cache, block, b->start)) {
        jit_cache__abort(cache, block);
        return false;
    }
    block->code_size = code_buf__offset(b);
    block->code = code_memory__commit(cache->memory, b);
    cache->making = false;
    for (unsigned i = 0; i < block->link_count; i++) {
        struct jit_link *link = &block->links[i];

        link->jump_at += link->jump_at ? block->code : 0;
        link->addend_at += link->addend_at ? block->code : 0;
        link->stub += link->stub ? block->code : 0;
    }
    add_to_lists(cache, block);
    cache->stats.translated++;
    cache->stats.live++;
    cache->stats.guest_insns += block->insns;
    return true;
}
