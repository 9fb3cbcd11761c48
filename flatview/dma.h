/* SPDX-License-Identifier: MIT */
/**
 * What a device does to memory: the accesses of address_space.h with a full
 * barrier before them, directions in the device's words, and scatter lists.
 * Row M-106.
 *
 * The barrier orders a device's access against everything that its thread did
 * before: descriptors that it read, registers that it was told through. The
 * forms named _relaxed leave it out. Contexts and results are those of
 * address_space.h.
 */
#ifndef XBAR_FLATVIEW_DMA_H
#define XBAR_FLATVIEW_DMA_H

#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t dma_addr_t;

#define DMA_ADDR_BITS 64

/** The device reads memory, or writes it. */
typedef enum DMADirection {
    DMA_DIRECTION_TO_DEVICE = 0,
    DMA_DIRECTION_FROM_DEVICE = 1,
} DMADirection;

/** dma_barrier() - what came before is done before what comes after */
static inline void dma_barrier(AddressSpace *as, DMADirection dir)
{
    (void)as;
    (void)dir;
    __sync_synchronize(); /* the thread sanitizer knows no fences */
}

/* ---- Bulk -------------------------------------------------------------- */

/** dma_memory_valid() - would all of it be transferred? */
static inline bool dma_memory_valid(AddressSpace *as, dma_addr_t addr,
                                    dma_addr_t len, DMADirection dir,
                                    MemTxAttrs attrs)
{
    return address_space_access_valid(as, addr, len,
                                      dir == DMA_DIRECTION_FROM_DEVICE, attrs);
}

/* Without the barrier. */
static inline MemTxResult
dma_memory_rw_relaxed(AddressSpace *as, dma_addr_t addr, void *buf,
                      dma_addr_t len, DMADirection dir, MemTxAttrs attrs)
{
    return address_space_rw(as, addr, attrs, buf, len,
                            dir == DMA_DIRECTION_FROM_DEVICE);
}

static inline MemTxResult dma_memory_read_relaxed(AddressSpace *as,
                                                  dma_addr_t addr, void *buf,
                                                  dma_addr_t len)
{
    return address_space_read(as, addr, MEMTXATTRS_UNSPECIFIED, buf, len);
}

static inline MemTxResult dma_memory_write_relaxed(AddressSpace *as,
                                                   dma_addr_t addr,
                                                   const void *buf,
                                                   dma_addr_t len)
{
    return address_space_write(as, addr, MEMTXATTRS_UNSPECIFIED, buf, len);
}

/** dma_memory_rw() - barrier, then address_space_rw() */
static inline MemTxResult dma_memory_rw(AddressSpace *as, dma_addr_t addr,
                                        void *buf, dma_addr_t len,
                                        DMADirection dir, MemTxAttrs attrs)
{
    dma_barrier(as, dir);
    return dma_memory_rw_relaxed(as, addr, buf, len, dir, attrs);
}

/** dma_memory_read() - barrier, then address_space_read() */
static inline MemTxResult dma_memory_read(AddressSpace *as, dma_addr_t addr,
                                          void *buf, dma_addr_t len,
                                          MemTxAttrs attrs)
{
    return dma_memory_rw(as, addr, buf, len, DMA_DIRECTION_TO_DEVICE, attrs);
}

/** dma_memory_write() - barrier, then address_space_write() */
static inline MemTxResult dma_memory_write(AddressSpace *as, dma_addr_t addr,
                                           const void *buf, dma_addr_t len,
                                           MemTxAttrs attrs)
{
    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    return address_space_write(as, addr, attrs, buf, len);
}

/** dma_memory_set() - @len bytes of value @c */
static inline MemTxResult dma_memory_set(AddressSpace *as, dma_addr_t addr,
                                         uint8_t c, dma_addr_t len,
                                         MemTxAttrs attrs)
{
    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    return address_space_set(as, addr, c, len, attrs);
}

/* ---- Maps -------------------------------------------------------------- */

/** dma_memory_map() - as address_space_map(); no barrier, as in QEMU */
static inline void *dma_memory_map(AddressSpace *as, dma_addr_t addr,
                                   dma_addr_t *len, DMADirection dir,
                                   MemTxAttrs attrs)
{
    return address_space_map(as, addr, len, dir == DMA_DIRECTION_FROM_DEVICE,
                             attrs);
}

/** dma_memory_unmap() - as address_space_unmap() */
static inline int dma_memory_unmap(AddressSpace *as, void *buffer,
                                   dma_addr_t len, DMADirection dir,
                                   dma_addr_t access_len)
{
    return address_space_unmap(as, buffer, len,
                               dir == DMA_DIRECTION_FROM_DEVICE, access_len);
}

/* ---- Fixed width ------------------------------------------------------- */

/*
 * The value is in host order; _le and _be say the order in memory. A load that
 * fails stores what was read, 0 where nothing was.
 */
static inline MemTxResult ldub_dma(AddressSpace *as, dma_addr_t addr,
                                   uint8_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_ldub(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult lduw_le_dma(AddressSpace *as, dma_addr_t addr,
                                      uint16_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_lduw_le(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult lduw_be_dma(AddressSpace *as, dma_addr_t addr,
                                      uint16_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_lduw_be(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult ldl_le_dma(AddressSpace *as, dma_addr_t addr,
                                     uint32_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_ldl_le(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult ldl_be_dma(AddressSpace *as, dma_addr_t addr,
                                     uint32_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_ldl_be(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult ldq_le_dma(AddressSpace *as, dma_addr_t addr,
                                     uint64_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_ldq_le(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult ldq_be_dma(AddressSpace *as, dma_addr_t addr,
                                     uint64_t *pval, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_TO_DEVICE);
    *pval = address_space_ldq_be(as, addr, attrs, &result);
    return result;
}

static inline MemTxResult stb_dma(AddressSpace *as, dma_addr_t addr,
                                  uint8_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stb(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stw_le_dma(AddressSpace *as, dma_addr_t addr,
                                     uint16_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stw_le(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stw_be_dma(AddressSpace *as, dma_addr_t addr,
                                     uint16_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stw_be(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stl_le_dma(AddressSpace *as, dma_addr_t addr,
                                     uint32_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stl_le(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stl_be_dma(AddressSpace *as, dma_addr_t addr,
                                     uint32_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stl_be(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stq_le_dma(AddressSpace *as, dma_addr_t addr,
                                     uint64_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stq_le(as, addr, val, attrs, &result);
    return result;
}

static inline MemTxResult stq_be_dma(AddressSpace *as, dma_addr_t addr,
                                     uint64_t val, MemTxAttrs attrs)
{
    MemTxResult result;

    dma_barrier(as, DMA_DIRECTION_FROM_DEVICE);
    address_space_stq_be(as, addr, val, attrs, &result);
    return result;
}

/* ---- Scatter lists ----------------------------------------------------- */

/** One piece of memory. */
typedef struct ScatterGatherEntry {
    dma_addr_t base;
    dma_addr_t len;
} ScatterGatherEntry;

/** Pieces that a device sees as one buffer, in order. Caller's storage. */
typedef struct QEMUSGList {
    ScatterGatherEntry *sg; /* nsg of them */
    int nsg;
    int nalloc;
    dma_addr_t size; /* bytes of all of them */
    void *dev;       /* whose; only kept */
    AddressSpace *as;
} QEMUSGList;

/**
 * dma_sglist_init() - an empty list of pieces of @as
 * @alloc_hint: how many will come; no limit
 */
XBAR_API void dma_sglist_init(QEMUSGList *qsg, void *dev, int alloc_hint,
                              AddressSpace *as);

/**
 * dma_sglist_add() - one piece more, at the end
 *
 * Return: 0; -ENOMEM; -EINVAL if the sum of all lengths passes 2^64, or there
 * are INT_MAX of them. The list is as it was then.
 */
XBAR_API int dma_sglist_add(QEMUSGList *qsg, dma_addr_t base, dma_addr_t len);

/** dma_sglist_destroy() - free what the list has; it is empty then */
XBAR_API void dma_sglist_destroy(QEMUSGList *qsg);

/* QEMU's names for the three above. */
static inline void qemu_sglist_init(QEMUSGList *qsg, void *dev, int alloc_hint,
                                    AddressSpace *as)
{
    dma_sglist_init(qsg, dev, alloc_hint, as);
}

static inline int qemu_sglist_add(QEMUSGList *qsg, dma_addr_t base,
                                  dma_addr_t len)
{
    return dma_sglist_add(qsg, base, len);
}

static inline void qemu_sglist_destroy(QEMUSGList *qsg)
{
    dma_sglist_destroy(qsg);
}

/**
 * dma_buf_read() - the device gives @len bytes at @ptr to the pieces of @sg
 * @residual: gets what of the list was left over; may be NULL
 *
 * What is longer than the list is not transferred. Return: the OR of the
 * results of all pieces.
 */
XBAR_API MemTxResult dma_buf_read(void *ptr, dma_addr_t len,
                                  dma_addr_t *residual, QEMUSGList *sg,
                                  MemTxAttrs attrs);

/** dma_buf_write() - the device takes @len bytes from the pieces of @sg */
XBAR_API MemTxResult dma_buf_write(void *ptr, dma_addr_t len,
                                   dma_addr_t *residual, QEMUSGList *sg,
                                   MemTxAttrs attrs);

#ifdef __cplusplus
}
#endif

#endif
