/* SPDX-License-Identifier: MIT */
#include "jit/cache_internal.h"

#include <errno.h>

#include "jit/host.h"

#define PAGE UINT64_C(4096)

/* ---- Links ------------------------------------------------------------- */

static void patch_jump(struct xbar_jit_cache *cache,
                       const struct xbar_jit_link *link, uint32_t target)
{
    jit_host__patch_jump(code_memory__rw(cache->memory, link->jump_at),
                         link->jump_at, target);
}

int xbar_jit_chain(struct xbar_jit_cache *cache, struct xbar_jit_block *from,
                   unsigned which, struct xbar_jit_block *to)
{
    struct xbar_jit_link *link = &from->links[which];

    if (which >= from->link_count || link->jump_at == 0) {
        return -EINVAL;
    }
    if (link->to != NULL) {
        return -EALREADY;
    }
    if (link->addend_at) {
        jit_host__patch_value(code_memory__rw(cache->memory, link->addend_at),
                              xbar_jit_addend(to));
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
    return 0;
}

static void unlink_exit(struct xbar_jit_cache *cache,
                        struct xbar_jit_link *link)
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

void xbar_jit_unchain(struct xbar_jit_cache *cache, struct xbar_jit_block *from,
                      unsigned which)
{
    if (which < from->link_count) {
        unlink_exit(cache, &from->links[which]);
    }
}

/* ---- Dropping ---------------------------------------------------------- */

static void remove_from_hash(struct xbar_jit_cache *cache,
                             struct xbar_jit_block *block)
{
    struct xbar_jit_block **p = &cache->hash[jit_cache__hash_key(&block->key)];

    while (*p != block) {
        p = &(*p)->hash_next;
    }
    *p = block->hash_next;
}

/* All but its place in the list of its segment. */
static void detach(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    if (cache->config.dropped != NULL) {
        cache->config.dropped(cache->config.opaque, block);
    }
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

void jit_cache__end_block(struct xbar_jit_cache *cache,
                          struct xbar_jit_block *block)
{
    jit_cache__remove_from_segment(cache, block);
    jit_cache__give_id(cache, block);
    jit_cache__free_block(cache, block);
}

/* The code of a dropped block stays where it is until its segment's turn
 * comes; nothing leads to it any more. */
static void drop(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    detach(cache, block);
    jit_cache__end_block(cache, block);
}

void xbar_jit_drop(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    if (block == cache->making) {
        xbar_jit_abort(cache, block);
    } else {
        drop(cache, block);
        cache->stats.replaced++;
    }
}

/* Dropped, but it may come back. */
static void put_away(struct xbar_jit_cache *cache, struct xbar_jit_block *block)
{
    detach(cache, block);
    if (!jit_cache__keep(cache, block)) {
        jit_cache__end_block(cache, block);
    }
}

/* code_memory's turn has come back to @segment. */
void jit_cache__evict(void *opaque, uint32_t segment)
{
    struct xbar_jit_cache *cache = opaque;
    struct block_list *list = &cache->segments[segment];

    for (uint32_t i = 0; i < list->count; i++) {
        struct xbar_jit_block *block = list->items[i].block;

        if (block == NULL) {
            continue;
        }
        if (block->kept != 0) {
            jit_cache__unkeep(cache, block);
        } else {
            detach(cache, block);
            cache->stats.evicted++;
        }
        jit_cache__give_id(cache, block);
        jit_cache__free_block(cache, block);
    }
    list->count = 0;
}

/* ---- Pages ------------------------------------------------------------- */

typedef void drop_fn(struct xbar_jit_cache *cache,
                     struct xbar_jit_block *block);

static void check_page(struct xbar_jit_cache *cache, uint64_t page,
                       xbar_jit_changed_fn *changed, void *opaque,
                       drop_fn *drop_it)
{
    struct xbar_jit_page_node *node = jit_cache__page_blocks(cache, page);

    while (node != NULL) {
        struct xbar_jit_page_node *next = node->next;

        if (changed == NULL || changed(opaque, node->block)) {
            /* Both its pages may be this one: then its nodes are neighbours. */
            if (next != NULL && next->block == node->block) {
                next = next->next;
            }
            drop_it(cache, node->block);
            cache->stats.invalidated++;
        }
        node = next;
    }
}

void xbar_jit_check_page(struct xbar_jit_cache *cache, uint64_t page,
                         xbar_jit_changed_fn *changed, void *opaque)
{
    if (changed == NULL) {
        jit_cache__let_go(cache);
    }
    check_page(cache, page, changed, opaque, changed == NULL ? drop : put_away);
}

void xbar_jit_check_all(struct xbar_jit_cache *cache,
                        xbar_jit_changed_fn *changed, void *opaque)
{
    jit_cache__let_go(cache);
    for (uint32_t id = 0; id < cache->block_count; id++) {
        struct xbar_jit_block *block = cache->blocks[id];

        if (block != NULL && block != cache->making &&
            (changed == NULL || changed(opaque, block))) {
            drop(cache, block);
            cache->stats.invalidated++;
        }
    }
}

/* ---- Ranges ------------------------------------------------------------ */

struct bytes {
    uint64_t first;
    uint64_t last;
};

/* How much of a block is in which of its pages depends on the size of the
 * guest's pages; each part counts as all of it. */
static bool is_hit(const struct bytes *bytes, uint64_t home, unsigned size)
{
    return home != XBAR_JIT_NO_PAGE && home <= bytes->last &&
           bytes->first <= home + (size - 1);
}

static bool has_bytes(void *opaque, const struct xbar_jit_block *block)
{
    return is_hit(opaque, block->home[0], block->guest_size) ||
           is_hit(opaque, block->home[1], block->guest_size);
}

uint64_t xbar_jit_invalidate(struct xbar_jit_cache *cache, uint64_t first,
                             uint64_t last)
{
    struct bytes bytes = { first, last };
    uint64_t before = cache->stats.invalidated;
    /* Of blocks that begin there, or in the page below and reach it. */
    uint64_t page = xbar_jit_home_page(first) - (first >= PAGE ? PAGE : 0);

    jit_cache__let_go(cache);
    if ((last - page) / PAGE > cache->stats.live) {
        xbar_jit_check_all(cache, has_bytes, &bytes);
        return cache->stats.invalidated - before;
    }
    for (; page <= last; page += PAGE) {
        check_page(cache, page, has_bytes, &bytes, drop);
        if (page > UINT64_MAX - PAGE) {
            break;
        }
    }
    return cache->stats.invalidated - before;
}
