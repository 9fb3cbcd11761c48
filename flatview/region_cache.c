/* SPDX-License-Identifier: MIT */
/*
 * Region caches: who has one is on a list of its address space, under the
 * engine's writer lock. A commit that changes what a cache shows clears the
 * lengths that hit, right after the new view was published: an access that
 * begins after the commit returned is slow, and sees the new view. One that
 * had read the length before still reaches memory, as the region is kept.
 */
#include "flatview/region_cache.h"

#include <errno.h>
#include <string.h>

#include "engine/ram_writes.h"
#include "engine/tree.h"
#include "flatview/access/ram_access.h"
#include "flatview/flatview_internal.h"
#include "flatview/iommu.h"

/* ---- Life -------------------------------------------------------------- */

/*
 * What hits: RAM without an IOMMU before it, up to the end of its section. An
 * IOMMU may change its mind without a commit.
 */
static void find_hits(MemoryRegionCache *cache, bool is_write)
{
    const FlatRange *range =
        flatview__find(flatview__current(cache->as), cache->addr);
    hwaddr left;

    if ((range->flags & FLAT_RANGE_RAM) == 0) {
        return;
    }
    left = range->last - cache->addr;
    cache->ptr = (uint8_t *)(uintptr_t)(cache->addr + range->host_delta);
    cache->read_len = cache->len - 1 > left ? left + 1 : cache->len;
    if (is_write && (range->flags & FLAT_RANGE_WRITABLE)) {
        cache->write_len = cache->read_len;
    }
    cache->mr = range->mr;
    xbar_region_get(cache->mr);
}

int64_t address_space_cache_init(MemoryRegionCache *cache, AddressSpace *as,
                                 hwaddr addr, hwaddr len, bool is_write)
{
    struct xbar_flatview_space *space = as->space;
    hwaddr room = UINT64_MAX - addr;

    memset(cache, 0, sizeof(*cache));
    if (len == 0 || len > INT64_MAX) {
        return -EINVAL;
    }
    cache->as = as;
    cache->addr = addr;
    cache->len = len - 1 > room ? room + 1 : len;
    cache->watchers = space->ram_watchers;
    cache->native = as->native;
    xbar_tree_hold(space->engine);
    find_hits(cache, is_write);
    cache->next = space->caches;
    space->caches = cache;
    xbar_tree_release(space->engine);
    return (int64_t)cache->len;
}

void address_space_cache_destroy(MemoryRegionCache *cache)
{
    struct xbar_flatview_space *space;
    MemoryRegionCache **link;

    if (cache->as == NULL) {
        return;
    }
    space = cache->as->space;
    xbar_tree_hold(space->engine);
    link = &space->caches;
    while (*link != cache) {
        link = &(*link)->next;
    }
    *link = cache->next;
    xbar_tree_release(space->engine);
    if (cache->mr != NULL) {
        xbar_region_put(cache->mr);
    }
    memset(cache, 0, sizeof(*cache));
}

/* ---- Commits ----------------------------------------------------------- */

static bool touches(const MemoryRegionCache *cache,
                    const struct xbar_range *range)
{
    return range->first <= cache->addr + (cache->len - 1) &&
           range->last >= cache->addr;
}

static void make_slow(MemoryRegionCache *cache)
{
    __atomic_store_n(&cache->read_len, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->write_len, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->is_stale, true, __ATOMIC_RELAXED);
}

void flatview__caches_drop(struct xbar_flatview_space *space,
                           const struct xbar_range *ranges, size_t count)
{
    MemoryRegionCache *cache = space->caches;

    for (; cache != NULL; cache = cache->next) {
        for (size_t i = 0; i < count && !cache->is_stale; i++) {
            if (touches(cache, &ranges[i])) {
                make_slow(cache);
            }
        }
    }
}

bool xbar_cache_is_stale(const MemoryRegionCache *cache)
{
    return __atomic_load_n(&cache->is_stale, __ATOMIC_RELAXED);
}

/* ---- Accesses ---------------------------------------------------------- */

static bool holds(const MemoryRegionCache *cache, hwaddr addr, hwaddr len)
{
    return len == 0 || (addr < cache->len && len <= cache->len - addr);
}

void xbar_cache_wrote(MemoryRegionCache *cache, hwaddr addr, hwaddr len)
{
    if (cache->ptr != NULL && holds(cache, addr, len)) {
        xbar_ram_wrote(cache->as->space->engine, cache->ptr + addr, len);
    }
}

void address_space_cache_invalidate(MemoryRegionCache *cache, hwaddr addr,
                                    hwaddr access_len)
{
    if (cache->as != NULL && access_len != 0) {
        xbar_cache_wrote(cache, addr, access_len);
    }
}

MemTxResult address_space_read_cached(MemoryRegionCache *cache, hwaddr addr,
                                      void *buf, hwaddr len)
{
    hwaddr hit_len;

    if (!holds(cache, addr, len)) {
        return MEMTX_DECODE_ERROR;
    }
    hit_len = __atomic_load_n(&cache->read_len, __ATOMIC_RELAXED);
    if (addr < hit_len && len <= hit_len - addr) {
        flatview__ram_read(buf, cache->ptr + addr, len);
        return MEMTX_OK;
    }
    return address_space_read(cache->as, cache->addr + addr,
                              MEMTXATTRS_UNSPECIFIED, buf, len);
}

MemTxResult address_space_write_cached(MemoryRegionCache *cache, hwaddr addr,
                                       const void *buf, hwaddr len)
{
    if (!holds(cache, addr, len)) {
        return MEMTX_DECODE_ERROR;
    }
    return address_space_write(cache->as, cache->addr + addr,
                               MEMTXATTRS_UNSPECIFIED, buf, len);
}

uint64_t xbar_cache_load_slow(MemoryRegionCache *cache, hwaddr addr,
                              MemTxAttrs attrs, MemTxResult *result, MemOp op)
{
    unsigned size_log2 = op & MO_SIZE;
    MemTxResult r = MEMTX_DECODE_ERROR;
    uint64_t value = 0;

    if (holds(cache, addr, (hwaddr)1 << size_log2)) {
        xbar_rcu_read_lock();
        r = flatview__load(flatview__current(cache->as), cache->addr + addr,
                           attrs, &value, size_log2);
        xbar_rcu_read_unlock();
    }
    if (result != NULL) {
        *result = r;
    }
    return xbar_cache_swap(value, size_log2, op);
}

void xbar_cache_store_slow(MemoryRegionCache *cache, hwaddr addr, uint64_t val,
                           MemTxAttrs attrs, MemTxResult *result, MemOp op)
{
    unsigned size_log2 = op & MO_SIZE;
    MemTxResult r = MEMTX_DECODE_ERROR;

    if (holds(cache, addr, (hwaddr)1 << size_log2)) {
        xbar_rcu_read_lock();
        r = flatview__store(flatview__current(cache->as), cache->addr + addr,
                            attrs, xbar_cache_swap(val, size_log2, op),
                            size_log2);
        xbar_rcu_read_unlock();
    }
    if (result != NULL) {
        *result = r;
    }
}
