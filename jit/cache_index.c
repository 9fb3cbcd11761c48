/* SPDX-License-Identifier: MIT */
/*
 * What the cache finds blocks by beside their key: the physical page that
 * their bytes lie in, and the address of their code.
 *
 *     pages[hash] -> page -> page -> ...       asked for each store that may
 *                     |                        hit code: short chains
 *                   blocks of the page
 *
 *     segments[n] -> [block, block, ...]       ascending: a return address is
 *                                              found by bisection
 */
#include "engine/alloc.h"
#include "jit/cache_internal.h"

/* ---- Pages ------------------------------------------------------------- */

static struct jit_page *find_page(const struct xbar_jit_cache *cache,
                                  uint64_t page)
{
    struct jit_page *p = cache->pages[jit_cache__hash_page(page)];

    while (p != NULL && p->page != page) {
        p = p->next;
    }
    return p;
}

bool jit_cache__reserve_page(struct xbar_jit_cache *cache, uint64_t page)
{
    struct jit_page **bucket = &cache->pages[jit_cache__hash_page(page)];
    struct jit_page *p;

    if (page == XBAR_JIT_NO_PAGE || find_page(cache, page) != NULL) {
        return true;
    }
    p = xbar_alloc(cache->config.engine, sizeof(*p));
    if (p == NULL) {
        return false;
    }
    *p = (struct jit_page){ .page = page, .next = *bucket };
    *bucket = p;
    return true;
}

void jit_cache__add_page(struct xbar_jit_cache *cache,
                         struct xbar_jit_block *block, unsigned slot,
                         uint64_t page)
{
    struct xbar_jit_page_node *node = &block->pages[slot];
    struct jit_page *p;

    *node = (struct xbar_jit_page_node){ .block = block, .page = page };
    if (page == XBAR_JIT_NO_PAGE) {
        return;
    }
    p = find_page(cache, page);
    node->next = p->blocks;
    node->pprev = &p->blocks;
    if (node->next != NULL) {
        node->next->pprev = &node->next;
    }
    p->blocks = node;
}

void jit_cache__remove_page(struct xbar_jit_page_node *node)
{
    if (node->page == XBAR_JIT_NO_PAGE) {
        return;
    }
    *node->pprev = node->next;
    if (node->next != NULL) {
        node->next->pprev = node->pprev;
    }
}

struct xbar_jit_page_node *
jit_cache__page_blocks(const struct xbar_jit_cache *cache, uint64_t page)
{
    const struct jit_page *p = find_page(cache, page);

    return p != NULL ? p->blocks : NULL;
}

bool xbar_jit_has_page(const struct xbar_jit_cache *cache, uint64_t page)
{
    return jit_cache__page_blocks(cache, page) != NULL;
}

/* ---- Segments ---------------------------------------------------------- */

bool jit_cache__reserve_segment(struct xbar_jit_cache *cache, uint32_t segment)
{
    struct block_list *list = &cache->segments[segment];
    struct xbar_engine *engine = cache->config.engine;
    uint32_t capacity = list->capacity ? list->capacity * 2 : 64;
    struct block_place *items;

    if (list->count < list->capacity) {
        return true;
    }
    items = xbar_alloc(engine, capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    if (list->count) {
        memcpy(items, list->items, list->count * sizeof(*items));
    }
    xbar_free(engine, list->items, list->capacity * sizeof(*items));
    list->items = items;
    list->capacity = capacity;
    return true;
}

static struct block_list *list_of(const struct xbar_jit_cache *cache,
                                  const struct xbar_jit_block *block)
{
    return &cache
                ->segments[code_memory__segment_of(cache->memory, block->code)];
}

void jit_cache__add_to_segment(struct xbar_jit_cache *cache,
                               struct xbar_jit_block *block)
{
    struct block_list *list = list_of(cache, block);

    xbar_assert(list->count < list->capacity);
    list->items[list->count++] = (struct block_place){ block, block->code };
}

bool jit_cache__segment_is_empty(void *opaque, uint32_t segment)
{
    const struct xbar_jit_cache *cache = opaque;
    const struct block_list *list = &cache->segments[segment];
    uint32_t i = 0;

    while (i < list->count && list->items[i].block == NULL) {
        i++;
    }
    return i == list->count;
}

/* How many blocks of @list begin at or before @offset. */
static uint32_t count_up_to(const struct block_list *list, uint32_t offset)
{
    uint32_t low = 0, high = list->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (list->items[middle].code <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void jit_cache__remove_from_segment(struct xbar_jit_cache *cache,
                                    struct xbar_jit_block *block)
{
    struct block_list *list = list_of(cache, block);
    uint32_t index = count_up_to(list, block->code) - 1;

    xbar_assert(list->items[index].block == block);
    list->items[index].block = NULL;
}

struct xbar_jit_block *jit_cache__block_at(const struct xbar_jit_cache *cache,
                                           uint32_t offset)
{
    uint32_t segment = code_memory__segment_of(cache->memory, offset);
    const struct block_list *list;
    struct xbar_jit_block *block;
    uint32_t count;

    if (segment == UINT32_MAX) {
        return NULL;
    }
    list = &cache->segments[segment];
    count = count_up_to(list, offset);
    if (count == 0) {
        return NULL;
    }
    block = list->items[count - 1].block;
    return block != NULL && block->kept == 0 &&
                   offset - block->code < block->code_size
               ? block
               : NULL;
}

/* ---- The end ----------------------------------------------------------- */

void jit_cache__free_index(struct xbar_jit_cache *cache)
{
    struct xbar_engine *engine = cache->config.engine;

    for (unsigned i = 0; i < 1u << PAGE_BITS; i++) {
        struct jit_page *p = cache->pages[i];

        while (p != NULL) {
            struct jit_page *next = p->next;

            xbar_free(engine, p, sizeof(*p));
            p = next;
        }
    }
    for (uint32_t i = 0; i < cache->segment_count; i++) {
        struct block_list *list = &cache->segments[i];

        xbar_free(engine, list->items, list->capacity * sizeof(*list->items));
    }
    xbar_free(engine, cache->segments,
              cache->segment_count * sizeof(*cache->segments));
}
