/* SPDX-License-Identifier: MIT */
/*
 * The list of an engine's memory blocks, and who is told of it.
 *
 * Whoever is told may add and remove notifiers. So each walk over them is
 * known to the engine, and who leaves puts the walks right:
 *
 *     engine->ram_tellings --> inner walk --> outer walk
 *                              who, next      who, next
 *
 * A new one comes first in the list, where no walk under way passes any more:
 * it hears of the block at hand by its replay, or not at all, never twice.
 */
#include "engine/ram_block.h"

#include <errno.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/ram.h"

/* Blocks are numbered from multiples of 64 pages: bitmaps by words. */
#define RAM_ADDR_ALIGN ((ram_addr_t)64 << 12)
#define RAM_ADDR_MAX   (UINT64_MAX - RAM_ADDR_ALIGN) /* then: no number */

/* ---- The list ---------------------------------------------------------- */

void ram__list(struct xbar_ram_block *block, MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;

    xbar_assert(engine__writer_is_mine(engine));
    block->mr = mr;
    block->addr = RAM_ADDR_INVALID;
    if (block->max_size < RAM_ADDR_MAX - engine->next_ram_addr) {
        block->addr = engine->next_ram_addr;
        engine->next_ram_addr +=
            ram__align_up(block->max_size + 1, RAM_ADDR_ALIGN);
    }
    block->next = engine->ram_blocks;
    if (block->next) {
        block->next->prev = block;
    }
    engine->ram_blocks = block;
}

void ram__unlist(struct xbar_engine *engine, struct xbar_ram_block *block)
{
    xbar_assert(engine__writer_is_mine(engine));
    *(block->prev ? &block->prev->next : &engine->ram_blocks) = block->next;
    if (block->next) {
        block->next->prev = block->prev;
    }
}

static bool has_name(const struct xbar_ram_block *block, const void *name)
{
    return strcmp(memory_region_name(block->mr), name) == 0;
}

static bool has_host(const struct xbar_ram_block *block, const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)block->host < block->max_size;
}

static struct xbar_ram_block *find(bool (*is_it)(const struct xbar_ram_block *,
                                                 const void *),
                                   const void *what)
{
    struct xbar_engine *engine = xbar_engine_current();
    struct xbar_ram_block *block;

    engine__lock_writer(engine);
    block = engine->ram_blocks;
    while (block && !is_it(block, what)) {
        block = block->next;
    }
    engine__unlock_writer(engine);
    return block;
}

RAMBlock *xbar_ram_block_by_name(const char *name)
{
    return name ? find(has_name, name) : NULL;
}

RAMBlock *xbar_ram_block_from_host(const void *ptr, ram_addr_t *offset)
{
    struct xbar_ram_block *block = find(has_host, ptr);

    if (block && offset) {
        *offset = (uintptr_t)ptr - (uintptr_t)block->host;
    }
    return block;
}

MemoryRegion *memory_region_from_host(void *ptr, ram_addr_t *offset)
{
    struct xbar_ram_block *block = xbar_ram_block_from_host(ptr, offset);

    return block ? block->mr : NULL;
}

int xbar_ram_block_foreach(RAMBlockIterFunc *func, void *opaque)
{
    struct xbar_engine *engine = xbar_engine_current();
    struct xbar_ram_block *block;
    int rc = 0;

    engine__lock_writer(engine);
    for (block = engine->ram_blocks; block && !rc; block = block->next) {
        rc = func(block, opaque);
    }
    engine__unlock_writer(engine);
    return rc;
}

RAMBlock *xbar_ram_block_of(const MemoryRegion *mr)
{
    return mr && mr->engine ? mr->ram_block : NULL;
}

void xbar_ram_block_get_info(const RAMBlock *block,
                             struct xbar_ram_block_info *info)
{
    *info = (struct xbar_ram_block_info){
        .mr = block->mr,
        .name = memory_region_name(block->mr),
        .host = block->host,
        .size = ram__size(block),
        .max_size = block->max_size,
        .addr = block->addr,
        .page_size = block->page_size,
        .fd = block->fd,
        .fd_offset = block->fd_offset,
        .flags = block->flags & ~BLOCK_RESIZEABLE,
        .is_callers = !block->mapping && block->host,
    };
}

/* ---- Telling ----------------------------------------------------------- */

struct ram_telling {
    RAMBlockNotifier *who;
    RAMBlockNotifier *next;
    struct ram_telling *outer;
};

static void begin_telling(struct xbar_engine *engine,
                          struct ram_telling *telling, RAMBlockNotifier *who,
                          RAMBlockNotifier *next)
{
    xbar_assert(engine__writer_is_mine(engine));
    telling->who = who;
    telling->next = next;
    telling->outer = engine->ram_tellings;
    engine->ram_tellings = telling;
}

static void end_telling(struct xbar_engine *engine,
                        const struct ram_telling *telling)
{
    engine->ram_tellings = telling->outer;
}

static RAMBlockNotifier *tell_next(struct ram_telling *telling)
{
    telling->who = telling->next;
    telling->next = telling->who ? telling->who->next : NULL;
    return telling->who;
}

/* Called with the one to tell, of a block that it is told of. */
typedef void tell_fn(RAMBlockNotifier *n, const struct xbar_ram_block *block,
                     size_t other);

static void tell_added(RAMBlockNotifier *n, const struct xbar_ram_block *block,
                       size_t other)
{
    (void)other;
    if (n->ram_block_added) {
        n->ram_block_added(n, block->host, ram__size(block), block->max_size);
    }
}

static void tell_removed(RAMBlockNotifier *n,
                         const struct xbar_ram_block *block, size_t other)
{
    (void)other;
    if (n->ram_block_removed) {
        n->ram_block_removed(n, block->host, ram__size(block), block->max_size);
    }
}

static void tell_resized(RAMBlockNotifier *n,
                         const struct xbar_ram_block *block, size_t new_size)
{
    if (n->ram_block_resized) {
        n->ram_block_resized(n, block->host, ram__size(block), new_size);
    }
}

static void tell_all(const struct xbar_ram_block *block, tell_fn *tell,
                     size_t other)
{
    struct xbar_engine *engine = block->mr->engine;
    struct ram_telling telling;
    RAMBlockNotifier *n;

    begin_telling(engine, &telling, NULL, engine->ram_notifiers);
    while ((n = tell_next(&telling)) != NULL) {
        tell(n, block, other);
    }
    end_telling(engine, &telling);
}

void ram__tell_added(struct xbar_ram_block *block)
{
    if (block->host) {
        block->is_told = true;
        tell_all(block, tell_added, 0);
    }
}

void ram__tell_removed(struct xbar_ram_block *block)
{
    if (block->is_told) {
        block->is_told = false;
        tell_all(block, tell_removed, 0);
    }
}

void ram__tell_resizing(const struct xbar_ram_block *block, uint64_t new_size)
{
    if (block->is_told) {
        tell_all(block, tell_resized, new_size);
    }
}

/* All blocks to @n, until it leaves. */
static void replay(struct xbar_engine *engine, RAMBlockNotifier *n)
{
    const struct xbar_ram_block *block = engine->ram_blocks;
    struct ram_telling telling;

    begin_telling(engine, &telling, n, NULL);
    for (; block && telling.who; block = block->next) {
        if (block->is_told) {
            tell_added(n, block, 0);
        }
    }
    end_telling(engine, &telling);
}

int ram_block_notifier_add(RAMBlockNotifier *n)
{
    struct xbar_engine *engine = xbar_engine_current();
    int rc = -EINVAL;

    if (!n) {
        return -EINVAL;
    }
    engine__lock_writer(engine);
    if (!n->engine) {
        n->engine = engine;
        n->next = engine->ram_notifiers;
        engine->ram_notifiers = n;
        replay(engine, n);
        rc = 0;
    }
    engine__unlock_writer(engine);
    return rc;
}

static void unlink_notifier(struct xbar_engine *engine, RAMBlockNotifier *n)
{
    RAMBlockNotifier **link = &engine->ram_notifiers;

    for (struct ram_telling *t = engine->ram_tellings; t; t = t->outer) {
        t->who = t->who == n ? NULL : t->who;
        t->next = t->next == n ? n->next : t->next;
    }
    while (*link != n) {
        link = &(*link)->next;
    }
    *link = n->next;
    n->next = NULL;
    n->engine = NULL;
}

int ram_block_notifier_remove(RAMBlockNotifier *n)
{
    struct xbar_engine *engine = n ? n->engine : NULL;
    const struct xbar_ram_block *block;

    if (!engine) {
        return -EINVAL;
    }
    engine__lock_writer(engine);
    if (n->engine != engine) {
        engine__unlock_writer(engine);
        return -EINVAL; /* removed while we waited for the lock */
    }
    unlink_notifier(engine, n);
    for (block = engine->ram_blocks; block; block = block->next) {
        if (block->is_told) {
            tell_removed(n, block, 0);
        }
    }
    engine__unlock_writer(engine);
    return 0;
}
