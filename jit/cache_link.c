/* SPDX-License-Identifier: MIT */
#include "jit/cache_internal.h"

#include "jit/host.h"

/* ---- Links ------------------------------------------------------------- */

static void patch_jump(struct jit_cache *cache, const struct jit_link *link,
                       uint32_t target)
{
    jit_host__patch_jump(code_memory__rw(cache->memory, link->jump_at),
                         link->jump_at, target);
}

void jit_cache__link(struct jit_cache *cache, struct jit_block *from,
                     unsigned which, struct jit_block *to)
{
    struct jit_link *link = &from->links[which];

    xbar_assert(link->jump_at != 0 && link->to == NULL);
    if (link->addend_at) {
        jit_host__patch_value(code_memory__rw(cache->memory, link->addend_at),
                              jit_block_addend(to));
    }
    patch_jump(cache, link, to->code);
    link->to = to;
    link->next = to->incoming;
    link->pprev = &to->incoming;
    if (link->next != NULL) {
        link->next->pprev = &link->next;
    }
    to->incoming = link;
    cache->stats.links++;
}

static void unlink_exit(struct jit_cache *cache, struct jit_link *link)
{
    if (link->to == NULL) {
        return;
    }
    patch_jump(cache, link, link->stub);
    *link->pprev = link->next;
    if (link->next != NULL) {
        link->next->pprev = link->pprev;
    }
    link->to = NULL;
}

/* ---- Dropping ---------------------------------------------------------- */

static void remove_from_hash(struct jit_cache *cache, struct jit_block *block)
{
    struct jit_block **p = &cache->hash[jit_cache__hash_key(&block->key)];

    while (*p != block) {
        p = &(*p)->hash_next;
    }
    *p = block->hash_next;
}

/* All but its place in the list of its segment. */
static void detach(struct jit_cache *cache, struct jit_block *block)
{
    cache->config.dropped(cache->config.opaque, block);
    while (block->incoming != NULL) {
        unlink_exit(cache, block->incoming);
    }
    for (unsigned i = 0; i < block->link_count; i++) {
        unlink_exit(cache, &block->links[i]);
    }
    remove_from_hash(cache, block);
    jit_cache__remove_page(&block->pages[0]);
    jit_cache__remove_page(&block->pages[1]);
    cache->stats.live--;
}

/* The code of a dropped block stays where it is until its segment's turn
 * comes; nothing leads to it any more. */
void jit_cache__drop(struct jit_cache *cache, struct jit_block *block)
{
    detach(cache, block);
    jit_cache__remove_from_segment(cache, block);
    jit_cache__give_id(cache, block);
    jit_cache__free_block(cache, block);
}

/* code_memory's turn has come back to @segment. */
void jit_cache__evict(void *opaque, uint32_t segment)
{
    struct jit_cache *cache = opaque;
    struct block_list *list = &cache->segments[segment];

    for (uint32_t i = 0; i < list->count; i++) {
        struct jit_block *block = list->items[i].block;

        if (block != NULL) {
            detach(cache, block);
            jit_cache__give_id(cache, block);
            jit_cache__free_block(cache, block);
            cache->stats.evicted++;
        }
    }
    list->count = 0;
}

/* ---- Pages ------------------------------------------------------------- */

void jit_cache__check_page(struct jit_cache *cache, uint64_t page,
                           bool (*changed)(void *opaque,
                                           const struct jit_block *block),
                           void *opaque)
{
    struct jit_page_node *node = jit_cache__page_blocks(cache, page);

    while (node != NULL) {
        struct jit_page_node *next = node->next;

        if (changed == NULL || changed(opaque, node->block)) {
            /* Both its pages may be this one: then its nodes are neighbours. */
            if (next != NULL && next->block == node->block) {
                next = next->next;
            }
            jit_cache__drop(cache, node->block);
            cache->stats.invalidated++;
        }
        node = next;
    }
}

void jit_cache__check_all(struct jit_cache *cache,
                          bool (*changed)(void *opaque,
                                          const struct jit_block *block),
                          void *opaque)
{
    for (uint32_t id = 0; id < cache->block_count; id++) {
        struct jit_block *block = cache->blocks[id];

        if (block != NULL && (changed == NULL || changed(opaque, block))) {
            jit_cache__drop(cache, block);
            cache->stats.invalidated++;
        }
    }
}
