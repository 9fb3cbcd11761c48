/* SPDX-License-Identifier: MIT */
#include "jit/cache.h"

#include "jit/cache_internal.h"

#include <errno.h>

#include "engine/alloc.h"
#include "jit/host.h"

/* ---- Life -------------------------------------------------------------- */

static int open_memory(struct xbar_jit_cache *cache)
{
    const struct xbar_jit_config *config = &cache->config;
    const struct code_memory_config memory = {
        .engine = config->engine,
        .limit = config->limit,
        .fixed_size = config->fixed_size,
        .segment_size = config->segment_size,
        .evict = jit_cache__evict,
        .is_empty = jit_cache__segment_is_empty,
        .evict_opaque = cache,
    };
    int err = code_memory__new(&memory, &cache->memory);

    if (err) {
        return err;
    }
    cache->segment_count = code_memory__segments(cache->memory);
    cache->segments = xbar_alloc(config->engine, cache->segment_count *
                                                     sizeof(*cache->segments));
    if (cache->segments == NULL) {
        code_memory__free(cache->memory);
        return -ENOMEM;
    }
    return 0;
}

int xbar_jit_new(const struct xbar_jit_config *config,
                 struct xbar_jit_cache **out)
{
    struct xbar_engine *engine =
        config->engine ? config->engine : xbar_engine_current();
    struct xbar_jit_cache *cache;
    int err;

    if (!jit_host__supported()) {
        return -ENOTSUP;
    }
    cache = xbar_alloc(engine, sizeof(*cache));
    if (cache == NULL) {
        return -ENOMEM;
    }
    cache->config = *config;
    cache->config.engine = engine;
    err = jit_cache__open_kept(cache);
    if (!err) {
        err = open_memory(cache);
    }
    if (err) {
        jit_cache__close_kept(cache);
        xbar_free(engine, cache, sizeof(*cache));
        return err;
    }
    *out = cache;
    return 0;
}

/* The struct, what is the maker's, what is left, what starts. */
static size_t profile_size(unsigned insns_max, size_t own_size)
{
    return sizeof(struct xbar_jit_profile) + own_size +
           insns_max * sizeof(uint64_t) + (insns_max + 1) * sizeof(uint16_t);
}

/* What outlives the making: the sites, and behind them the guest's bytes. */
static size_t copies_size(const struct xbar_jit_block *block)
{
    return block->site_count * sizeof(*block->sites) + block->guest_size;
}

void jit_cache__free_block(struct xbar_jit_cache *cache,
                           struct xbar_jit_block *block)
{
    if (block->profile != NULL) {
        xbar_free(
            cache->config.engine, block->profile,
            profile_size(block->profile->insns_max, block->profile->own_size));
    }
    xbar_free(cache->config.engine, block->sites, copies_size(block));
    if (block->links != block->both) {
        xbar_free(cache->config.engine, block->links,
                  block->link_count * sizeof(*block->links));
    }
    xbar_free(cache->config.engine, block, sizeof(*block));
}

static void free_table(struct xbar_jit_cache *cache,
                       struct xbar_jit_block **blocks, uint32_t *free_ids)
{
    size_t n = cache->block_capacity;

    xbar_free(cache->config.engine, blocks, n * sizeof(*blocks));
    xbar_free(cache->config.engine, free_ids, n * sizeof(*free_ids));
}

void xbar_jit_free(struct xbar_jit_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    jit_cache__close_kept(cache);
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

struct code_memory *jit_cache__memory(const struct xbar_jit_cache *cache)
{
    return cache->memory;
}

void xbar_jit_get_stats(const struct xbar_jit_cache *cache,
                        struct xbar_jit_stats *stats)
{
    struct code_memory_stats code;

    code_memory__get_stats(cache->memory, &code);
    *stats = cache->stats;
    stats->code.bytes_committed = code.bytes_committed;
    stats->code.bytes_live = code.bytes_live;
    stats->code.evictions = code.evictions;
}

/* ---- Code -------------------------------------------------------------- */

const void *xbar_jit_code(const struct xbar_jit_cache *cache, uint32_t offset)
{
    return code_memory__rx(cache->memory, offset);
}

const void *xbar_jit_to_code(const struct xbar_jit_cache *cache,
                             const uint8_t *rw)
{
    return code_memory__to_rx(cache->memory, rw);
}

const void *xbar_jit_fixed(struct xbar_jit_cache *cache,
                           struct xbar_emit_buffer *buffer)
{
    struct code_buf b;

    code_memory__fixed(cache->memory, &b);
    *buffer = (struct xbar_emit_buffer){ .code = b.start,
                                         .size = (size_t)(b.end - b.start) };
    return code_memory__to_rx(cache->memory, b.start);
}

uint64_t xbar_jit_dropped(const struct xbar_jit_cache *cache)
{
    return cache->stats.translated + cache->stats.recalled - cache->stats.live;
}

size_t xbar_jit_lease_size(const struct xbar_jit_cache *cache, size_t size)
{
    size_t segment = code_memory__segment_size(cache->memory);

    return size < segment ? size : segment;
}

/* ---- Finding ----------------------------------------------------------- */

struct xbar_jit_block *xbar_jit_find(const struct xbar_jit_cache *cache,
                                     const struct xbar_jit_key *key)
{
    struct xbar_jit_block *block = cache->hash[jit_cache__hash_key(key)];

    while (block != NULL && !jit_cache__keys_equal(&block->key, key)) {
        block = block->hash_next;
    }
    return block;
}

struct xbar_jit_block *xbar_jit_by_id(const struct xbar_jit_cache *cache,
                                      uint32_t id)
{
    return id < cache->block_count ? cache->blocks[id] : NULL;
}

static const struct xbar_jit_site *find_site(const struct xbar_jit_block *block,
                                             uint32_t return_offset)
{
    for (unsigned i = 0; i < block->site_count; i++) {
        if (block->sites[i].return_offset == return_offset) {
            return &block->sites[i];
        }
    }
    return NULL;
}

struct xbar_jit_block *xbar_jit_at(const struct xbar_jit_cache *cache,
                                   const void *rx)
{
    return jit_cache__block_at(cache, code_memory__offset(cache->memory, rx));
}

struct xbar_jit_block *xbar_jit_recover(const struct xbar_jit_cache *cache,
                                        const void *rx,
                                        const struct xbar_jit_site **site)
{
    uint32_t offset = code_memory__offset(cache->memory, rx);
    /* Where the call was: behind it another block, or segment, may begin. */
    struct xbar_jit_block *block = jit_cache__block_at(cache, offset - 1);

    if (block == NULL) {
        return NULL;
    }
    *site = find_site(block, offset - block->code);
    return *site != NULL ? block : NULL;
}

void xbar_jit_for_each(const struct xbar_jit_cache *cache,
                       bool (*cb)(void *opaque,
                                  const struct xbar_jit_block *block),
                       void *opaque)
{
    for (uint32_t id = 0; id < cache->block_count; id++) {
        const struct xbar_jit_block *block = cache->blocks[id];

        if (block != NULL && block != cache->making && !cb(opaque, block)) {
            return;
        }
    }
}

/* ---- Making a block ---------------------------------------------------- */

static bool grow_table(struct xbar_jit_cache *cache)
{
    struct xbar_engine *engine = cache->config.engine;
    uint32_t n = cache->block_capacity ? cache->block_capacity * 2 : 1024;
    struct xbar_jit_block **blocks = xbar_alloc(engine, n * sizeof(*blocks));
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
static bool take_id(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
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

void jit_cache__give_id(struct xbar_jit_cache *cache,
                        struct xbar_jit_block *block)
{
    cache->blocks[block->id] = NULL;
    cache->free_ids[cache->free_count++] = block->id;
}

struct xbar_jit_block *xbar_jit_begin(struct xbar_jit_cache *cache,
                                      const struct xbar_jit_key *key,
                                      size_t size,
                                      struct xbar_emit_buffer *buffer)
{
    struct xbar_jit_block *block =
        cache->making ? NULL : xbar_alloc(cache->config.engine, sizeof(*block));

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
    if (!code_memory__lease(cache->memory, size, &cache->lease)) {
        jit_cache__give_id(cache, block);
        goto fail;
    }
    cache->site_count = 0;
    cache->making = block;
    *buffer = (struct xbar_emit_buffer){ .code = cache->lease.start,
                                         .size = (size_t)(cache->lease.end -
                                                          cache->lease.start) };
    return block;
fail:
    xbar_free(cache->config.engine, block, sizeof(*block));
    return NULL;
}

bool xbar_jit_add_site(struct xbar_jit_cache *cache,
                       const struct xbar_jit_site *site)
{
    if (cache->site_count == SITES_MAX) {
        return false;
    }
    cache->sites[cache->site_count++] = *site;
    return true;
}

bool xbar_jit_add_profile(struct xbar_jit_cache *cache,
                          struct xbar_jit_block *block, unsigned insns_max,
                          size_t own_size)
{
    size_t own = (own_size + 7) & ~(size_t)7;
    struct xbar_jit_profile *profile;

    if (block->profile != NULL || insns_max > UINT16_MAX) {
        return false;
    }
    profile = xbar_alloc(cache->config.engine, profile_size(insns_max, own));
    if (profile != NULL) {
        profile->insns_max = (uint16_t)insns_max;
        profile->own_size = own;
        profile->own = profile + 1;
        profile->left = (uint64_t *)((uint8_t *)profile->own + own);
        profile->starts = (uint16_t *)&profile->left[insns_max];
    }
    block->profile = profile;
    return profile != NULL;
}

bool xbar_jit_add_links(struct xbar_jit_cache *cache,
                        struct xbar_jit_block *block, unsigned count)
{
    struct xbar_jit_link *links = NULL;

    if (count > 0 && count <= XBAR_JIT_LINKS && block->links == block->both) {
        links = xbar_alloc(cache->config.engine, count * sizeof(*links));
    }
    if (links != NULL) {
        block->links = links;
        block->link_count = (uint8_t)count;
    }
    return links != NULL;
}

void xbar_jit_abort(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    if (block == NULL || block != cache->making) {
        return;
    }
    code_memory__abort(cache->memory);
    cache->making = NULL;
    jit_cache__give_id(cache, block);
    jit_cache__free_block(cache, block);
}

void jit_cache__add_to_lists(struct xbar_jit_cache *cache,
                             struct xbar_jit_block *block)
{
    struct xbar_jit_block **bucket =
        &cache->hash[jit_cache__hash_key(&block->key)];

    block->hash_next = *bucket;
    *bucket = block;
    jit_cache__add_page(cache, block, 0, xbar_jit_home_page(block->home[0]));
    jit_cache__add_page(cache, block, 1, xbar_jit_home_page(block->home[1]));
    cache->stats.live++;
}

/* Room in the lists for a block that is being written at @code. */
static bool reserve_lists(struct xbar_jit_cache *cache,
                          const struct xbar_jit_block *block,
                          const uint8_t *code)
{
    const uint8_t *start = code_memory__rw(cache->memory, 0);
    uint32_t segment =
        code_memory__segment_of(cache->memory, (uint32_t)(code - start));

    return jit_cache__reserve_page(cache, xbar_jit_home_page(block->home[0])) &&
           jit_cache__reserve_page(cache, xbar_jit_home_page(block->home[1])) &&
           jit_cache__reserve_segment(cache, segment);
}

static bool keep_copies(struct xbar_jit_cache *cache,
                        struct xbar_jit_block *block, const uint8_t *bytes)
{
    block->site_count = (uint16_t)cache->site_count;
    block->sites = xbar_alloc(cache->config.engine, copies_size(block));
    if (block->sites == NULL) {
        return false;
    }
    memcpy(block->sites, cache->sites,
           block->site_count * sizeof(*block->sites));
    block->bytes = (uint8_t *)(block->sites + block->site_count);
    memcpy(block->bytes, bytes, block->guest_size);
    return true;
}

/* Patching needs aligned operands inside of the code. */
static bool is_operand(uint32_t at, uint32_t size, size_t used)
{
    return at % size == 0 && used >= size && at <= used - size;
}

static bool links_are_valid(const struct xbar_jit_block *block, size_t used)
{
    for (unsigned i = 0; i < block->link_count; i++) {
        const struct xbar_jit_link *link = &block->links[i];

        if (link->jump_at &&
            (!is_operand(link->jump_at, 4, used) || link->stub == 0 ||
             link->stub >= used ||
             (link->addend_at && !is_operand(link->addend_at, 8, used)))) {
            return false;
        }
    }
    return true;
}

static void place_links(struct xbar_jit_block *block)
{
    for (unsigned i = 0; i < block->link_count; i++) {
        struct xbar_jit_link *link = &block->links[i];

        link->jump_at += link->jump_at ? block->code : 0;
        link->addend_at += link->addend_at ? block->code : 0;
        link->stub += link->stub ? block->code : 0;
    }
}

int xbar_jit_finish(struct xbar_jit_cache *cache, struct xbar_jit_block *block,
                    const struct xbar_emit_buffer *buffer, const uint8_t *bytes)
{
    struct code_buf *lease = &cache->lease;
    int err = 0;

    if (block == NULL || block != cache->making) {
        return -EINVAL;
    }
    if (buffer->used == 0 || block->guest_size == 0 ||
        buffer->used > (size_t)(lease->end - lease->start) ||
        !links_are_valid(block, buffer->used)) {
        err = -EINVAL;
    } else if (!keep_copies(cache, block, bytes) ||
               !reserve_lists(cache, block, lease->start)) {
        err = -ENOMEM;
    }
    if (err) {
        xbar_jit_abort(cache, block);
        return err;
    }
    lease->cur = lease->start + buffer->used;
    block->code_size = (uint32_t)buffer->used;
    block->code = code_memory__commit(cache->memory, lease);
    cache->making = NULL;
    place_links(block);
    jit_cache__add_to_lists(cache, block);
    jit_cache__add_to_segment(cache, block);
    cache->stats.translated++;
    cache->stats.guest_insns += block->insns;
    return 0;
}
