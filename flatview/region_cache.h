/* SPDX-License-Identifier: MIT */
/**
 * MemoryRegionCache: a piece of guest memory that is accessed again and again
 * (a ring of descriptors), without a lookup and without a call.
 *
 *     hit    RAM, aligned: two compares, a load or store
 *     else   as address_space_ld*() at that address: a device, an IOMMU, the
 *            edge of the RAM, or a commit that changed what is there
 *
 * So a cache never answers from memory that a commit has taken away: a commit
 * makes the caches that it concerns slow, and the owner makes them fast again
 * by destroying and initialising them (from a listener, say). Until then the
 * memory they had cannot end: they keep its region alive.
 *
 * Threads: accesses through one cache from any, at the same time; init and
 * destroy while nobody accesses.
 *
 * Row M-58.
 */
#ifndef XBAR_FLATVIEW_REGION_CACHE_H
#define XBAR_FLATVIEW_REGION_CACHE_H

#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Caller's storage; must not move while initialised. */
typedef struct MemoryRegionCache MemoryRegionCache;

struct MemoryRegionCache {
    /* private */
    uint8_t *ptr XBAR_PRIVATE_FLATVIEW;     /* host address of byte 0 */
    hwaddr read_len XBAR_PRIVATE_FLATVIEW;  /* what hits; 0: stale. atomic */
    hwaddr write_len XBAR_PRIVATE_FLATVIEW; /* the same for stores */
    const unsigned *watchers XBAR_PRIVATE_FLATVIEW; /* of writes to RAM */
    uint32_t native XBAR_PRIVATE_FLATVIEW; /* the guest's order, as a MemOp */
    bool is_stale XBAR_PRIVATE_FLATVIEW;
    hwaddr addr XBAR_PRIVATE_FLATVIEW; /* in @as */
    hwaddr len XBAR_PRIVATE_FLATVIEW;
    AddressSpace *as XBAR_PRIVATE_FLATVIEW; /* NULL: not initialised */
    MemoryRegion *mr XBAR_PRIVATE_FLATVIEW; /* kept alive, or NULL */
    MemoryRegionCache *next XBAR_PRIVATE_FLATVIEW;
};

/**
 * address_space_cache_init() - cache @len bytes at @addr
 * @is_write: stores through the cache, too, will hit
 *
 * Context: any thread; takes the engine's writer lock. @as outlives the cache.
 * Return: bytes that can be accessed, less than @len at the end of the address
 * space only; -EINVAL if @len is 0 or above INT64_MAX.
 */
XBAR_API int64_t address_space_cache_init(MemoryRegionCache *cache,
                                          AddressSpace *as, hwaddr addr,
                                          hwaddr len, bool is_write);

/**
 * address_space_cache_invalidate() - tell of bytes that were written
 *
 * For those who write to the memory by other means than the functions below,
 * which tell by themselves. Row M-58.
 */
XBAR_API void address_space_cache_invalidate(MemoryRegionCache *cache,
                                             hwaddr addr, hwaddr access_len);

/** address_space_cache_destroy() - end it; nothing if it is not initialised */
XBAR_API void address_space_cache_destroy(MemoryRegionCache *cache);

/** xbar_cache_is_stale() - has a commit made it slow? It is right still. */
XBAR_API bool xbar_cache_is_stale(const MemoryRegionCache *cache);

/**
 * address_space_read_cached() / address_space_write_cached() - any length
 *
 * @addr counts from the start of the cache. What lies outside of it is
 * MEMTX_DECODE_ERROR, and nothing is transferred then.
 */
XBAR_API MemTxResult address_space_read_cached(MemoryRegionCache *cache,
                                               hwaddr addr, void *buf,
                                               hwaddr len);
XBAR_API MemTxResult address_space_write_cached(MemoryRegionCache *cache,
                                                hwaddr addr, const void *buf,
                                                hwaddr len);

/* ---- What the inline functions are made of ----------------------------- */

/* Out of line: what is no hit. @op: log2 of the size, and the order. */
XBAR_API uint64_t xbar_cache_load_slow(MemoryRegionCache *cache, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result,
                                       MemOp op);
XBAR_API void xbar_cache_store_slow(MemoryRegionCache *cache, hwaddr addr,
                                    uint64_t val, MemTxAttrs attrs,
                                    MemTxResult *result, MemOp op);
/* A store hit, and somebody watches. */
XBAR_API void xbar_cache_wrote(MemoryRegionCache *cache, hwaddr addr,
                               hwaddr len);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static inline uint32_t xbar_cache_native(const MemoryRegionCache *cache)
{
    return cache->native;
}

/* Is it a hit? Aligned on the host, so that it is one access. */
static inline bool xbar_cache_hits(const MemoryRegionCache *cache, hwaddr addr,
                                   hwaddr hit_len, hwaddr size)
{
    return addr < hit_len && size <= hit_len - addr &&
           (((uintptr_t)cache->ptr + addr) & (size - 1)) == 0;
}

static inline uint64_t xbar_cache_swap(uint64_t value, unsigned size_log2,
                                       MemOp swap)
{
    if ((swap & MO_BSWAP) == 0) {
        return value;
    }
    return __builtin_bswap64(value) >> (64 - (8u << size_log2));
}

static inline uint64_t xbar_cache_load(MemoryRegionCache *cache, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result,
                                       unsigned size_log2, MemOp swap)
{
    hwaddr hit_len = __atomic_load_n(&cache->read_len, __ATOMIC_RELAXED);
    const void *host = cache->ptr + addr;
    uint64_t value;

    if (__builtin_expect(
            !xbar_cache_hits(cache, addr, hit_len, (hwaddr)1 << size_log2),
            0)) {
        return xbar_cache_load_slow(cache, addr, attrs, result,
                                    (MemOp)(size_log2 | swap));
    }
    switch (size_log2) {
    case 0:
        value = __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
        break;
    case 1:
        value = __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
        break;
    case 2:
        value = __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
        break;
    default:
        value = __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
    if (result != NULL) {
        *result = MEMTX_OK;
    }
    return xbar_cache_swap(value, size_log2, swap);
}

static inline void xbar_cache_store(MemoryRegionCache *cache, hwaddr addr,
                                    uint64_t val, MemTxAttrs attrs,
                                    MemTxResult *result, unsigned size_log2,
                                    MemOp swap)
{
    hwaddr hit_len = __atomic_load_n(&cache->write_len, __ATOMIC_RELAXED);
    void *host = cache->ptr + addr;
    uint64_t value = xbar_cache_swap(val, size_log2, swap);

    if (__builtin_expect(
            !xbar_cache_hits(cache, addr, hit_len, (hwaddr)1 << size_log2),
            0)) {
        xbar_cache_store_slow(cache, addr, val, attrs, result,
                              (MemOp)(size_log2 | swap));
        return;
    }
    switch (size_log2) {
    case 0:
        __atomic_store_n((uint8_t *)host, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 1:
        __atomic_store_n((uint16_t *)host, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint32_t *)host, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, value, __ATOMIC_RELAXED);
    }
    if (result != NULL) {
        *result = MEMTX_OK;
    }
    if (__builtin_expect(
            __atomic_load_n(cache->watchers, __ATOMIC_RELAXED) != 0, 0)) {
        xbar_cache_wrote(cache, addr, (hwaddr)1 << size_log2);
    }
}

#pragma GCC diagnostic pop

/* ---- Fixed width ------------------------------------------------------- */

/*
 * As the functions of address_space.h without _cached; @addr counts from the
 * start of the cache, and what reaches out of it is MEMTX_DECODE_ERROR.
 */
static inline uint8_t address_space_ldub_cached(MemoryRegionCache *cache,
                                                hwaddr addr, MemTxAttrs attrs,
                                                MemTxResult *result)
{
    return (uint8_t)xbar_cache_load(cache, addr, attrs, result, 0, MO_LE);
}

static inline uint16_t address_space_lduw_cached(MemoryRegionCache *cache,
                                                 hwaddr addr, MemTxAttrs attrs,
                                                 MemTxResult *result)
{
    return (uint16_t)xbar_cache_load(cache, addr, attrs, result, 1,
                                     (MemOp)xbar_cache_native(cache));
}

static inline uint16_t address_space_lduw_le_cached(MemoryRegionCache *cache,
                                                    hwaddr addr,
                                                    MemTxAttrs attrs,
                                                    MemTxResult *result)
{
    return (uint16_t)xbar_cache_load(cache, addr, attrs, result, 1, MO_LE);
}

static inline uint16_t address_space_lduw_be_cached(MemoryRegionCache *cache,
                                                    hwaddr addr,
                                                    MemTxAttrs attrs,
                                                    MemTxResult *result)
{
    return (uint16_t)xbar_cache_load(cache, addr, attrs, result, 1, MO_BE);
}

static inline uint32_t address_space_ldl_cached(MemoryRegionCache *cache,
                                                hwaddr addr, MemTxAttrs attrs,
                                                MemTxResult *result)
{
    return (uint32_t)xbar_cache_load(cache, addr, attrs, result, 2,
                                     (MemOp)xbar_cache_native(cache));
}

static inline uint32_t address_space_ldl_le_cached(MemoryRegionCache *cache,
                                                   hwaddr addr,
                                                   MemTxAttrs attrs,
                                                   MemTxResult *result)
{
    return (uint32_t)xbar_cache_load(cache, addr, attrs, result, 2, MO_LE);
}

static inline uint32_t address_space_ldl_be_cached(MemoryRegionCache *cache,
                                                   hwaddr addr,
                                                   MemTxAttrs attrs,
                                                   MemTxResult *result)
{
    return (uint32_t)xbar_cache_load(cache, addr, attrs, result, 2, MO_BE);
}

static inline uint64_t address_space_ldq_cached(MemoryRegionCache *cache,
                                                hwaddr addr, MemTxAttrs attrs,
                                                MemTxResult *result)
{
    return (uint64_t)xbar_cache_load(cache, addr, attrs, result, 3,
                                     (MemOp)xbar_cache_native(cache));
}

static inline uint64_t address_space_ldq_le_cached(MemoryRegionCache *cache,
                                                   hwaddr addr,
                                                   MemTxAttrs attrs,
                                                   MemTxResult *result)
{
    return (uint64_t)xbar_cache_load(cache, addr, attrs, result, 3, MO_LE);
}

static inline uint64_t address_space_ldq_be_cached(MemoryRegionCache *cache,
                                                   hwaddr addr,
                                                   MemTxAttrs attrs,
                                                   MemTxResult *result)
{
    return (uint64_t)xbar_cache_load(cache, addr, attrs, result, 3, MO_BE);
}

static inline void address_space_stb_cached(MemoryRegionCache *cache,
                                            hwaddr addr, uint8_t val,
                                            MemTxAttrs attrs,
                                            MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 0, MO_LE);
}

static inline void address_space_stw_cached(MemoryRegionCache *cache,
                                            hwaddr addr, uint16_t val,
                                            MemTxAttrs attrs,
                                            MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 1,
                     (MemOp)xbar_cache_native(cache));
}

static inline void address_space_stw_le_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint16_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 1, MO_LE);
}

static inline void address_space_stw_be_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint16_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 1, MO_BE);
}

static inline void address_space_stl_cached(MemoryRegionCache *cache,
                                            hwaddr addr, uint32_t val,
                                            MemTxAttrs attrs,
                                            MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 2,
                     (MemOp)xbar_cache_native(cache));
}

static inline void address_space_stl_le_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint32_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 2, MO_LE);
}

static inline void address_space_stl_be_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint32_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 2, MO_BE);
}

static inline void address_space_stq_cached(MemoryRegionCache *cache,
                                            hwaddr addr, uint64_t val,
                                            MemTxAttrs attrs,
                                            MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 3,
                     (MemOp)xbar_cache_native(cache));
}

static inline void address_space_stq_le_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint64_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 3, MO_LE);
}

static inline void address_space_stq_be_cached(MemoryRegionCache *cache,
                                               hwaddr addr, uint64_t val,
                                               MemTxAttrs attrs,
                                               MemTxResult *result)
{
    xbar_cache_store(cache, addr, val, attrs, result, 3, MO_BE);
}

/* The same without attributes and result, as QEMU's callers write it. */

static inline uint8_t ldub_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldub_cached(cache, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint16_t lduw_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_lduw_cached(cache, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint16_t lduw_le_phys_cached(MemoryRegionCache *cache,
                                           hwaddr addr)
{
    return address_space_lduw_le_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                        NULL);
}

static inline uint16_t lduw_be_phys_cached(MemoryRegionCache *cache,
                                           hwaddr addr)
{
    return address_space_lduw_be_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                        NULL);
}

static inline uint32_t ldl_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldl_cached(cache, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint32_t ldl_le_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldl_le_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                       NULL);
}

static inline uint32_t ldl_be_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldl_be_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                       NULL);
}

static inline uint64_t ldq_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldq_cached(cache, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint64_t ldq_le_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldq_le_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                       NULL);
}

static inline uint64_t ldq_be_phys_cached(MemoryRegionCache *cache, hwaddr addr)
{
    return address_space_ldq_be_cached(cache, addr, MEMTXATTRS_UNSPECIFIED,
                                       NULL);
}

static inline void stb_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                   uint8_t val)
{
    address_space_stb_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                   uint16_t val)
{
    address_space_stw_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_le_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint16_t val)
{
    address_space_stw_le_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_be_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint16_t val)
{
    address_space_stw_be_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                   uint32_t val)
{
    address_space_stl_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_le_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint32_t val)
{
    address_space_stl_le_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_be_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint32_t val)
{
    address_space_stl_be_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                   uint64_t val)
{
    address_space_stq_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_le_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint64_t val)
{
    address_space_stq_le_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_be_phys_cached(MemoryRegionCache *cache, hwaddr addr,
                                      uint64_t val)
{
    address_space_stq_be_cached(cache, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

#ifdef __cplusplus
}
#endif

#endif
