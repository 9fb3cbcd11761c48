/* SPDX-License-Identifier: MIT */
/*
 * One access to one region, from the front.
 *
 *     plan step fits ----------------> the device's callback      (fast)
 *     else: a device: engine/access.c
 *           memory: in place
 */
#include "engine/dispatch.h"

#include <string.h>

#include "engine/access.h"
#include "engine/engine_internal.h"
#include "engine/guard.h"
#include "engine/plan.h"
#include "engine/ram.h"
#include "engine/ram_writes.h"

#define HOST_IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* ---- The general path -------------------------------------------------- */

/* RAM answers in host order. Writes to ROM are dropped. */
static MemTxResult access_ram(const struct access *a, unsigned size_log2,
                              uint64_t *value)
{
    const struct xbar_ram_block *block = a->mr->ram_block;
    uint64_t size = ram__size(block);

    if (a->offset >= size || a->size > size - a->offset) {
        return MEMTX_DECODE_ERROR;
    }
    if (!a->is_write) {
        *value = ram__load(block->host + a->offset, size_log2);
    } else if (!(region__flags(a->mr) & XBAR_REGION_READONLY)) {
        ram__store(block->host + a->offset, size_log2, *value);
        xbar_ram_wrote(a->mr->engine, block->host + a->offset, a->size);
    }
    return MEMTX_OK;
}

/* Does memory answer, and no callback? */
static bool is_memory(const MemoryRegion *mr, bool is_write)
{
    uint32_t flags = region__flags(mr);

    return (flags & XBAR_REGION_RAM) ||
           (!is_write && (flags & XBAR_REGION_ROMD));
}

/* Values are turned round where the device's order is not the host's. */
static MemTxResult access_device(struct access *a, uint64_t *value, bool swap)
{
    MemTxResult result;

    if (a->attrs.memory) {
        return MEMTX_ACCESS_ERROR;
    }
    if (!a->mr->ops) {
        return MEMTX_DECODE_ERROR;
    }
    a->is_big = region__plan(a->mr)->is_big_endian;
    swap ^= a->is_big != HOST_IS_BIG_ENDIAN;
    if (swap && a->is_write) {
        *value = access__swap(*value, a->size);
    }
    result = access__device(a, value);
    if (swap && !a->is_write) {
        *value = access__swap(*value, a->size);
    }
    return result;
}

static MemTxResult access_memory(const struct access *a, unsigned size_log2,
                                 uint64_t *value, bool swap)
{
    MemTxResult result;

    if (swap && a->is_write) {
        *value = access__swap(*value, a->size);
    }
    result = access_ram(a, size_log2, value);
    if (swap && !a->is_write) {
        *value = access__swap(*value, a->size);
    }
    return result;
}

/* A swap in @op: the requester wants the order that is not the host's. */
static XBAR_NOINLINE MemTxResult read_general(MemoryRegion *mr, hwaddr offset,
                                              uint64_t *value, MemOp op,
                                              MemTxAttrs attrs)
{
    struct access a = { mr, offset, memop_size(op), attrs, false, false };
    MemTxResult result;

    *value = 0;
    result = is_memory(mr, false)
                 ? access_memory(&a, op & MO_SIZE, value, op & MO_BSWAP)
                 : access_device(&a, value, op & MO_BSWAP);
    if (result != MEMTX_OK) {
        *value = 0;
    }
    return result;
}

static XBAR_NOINLINE MemTxResult write_general(MemoryRegion *mr, hwaddr offset,
                                               uint64_t value, MemOp op,
                                               MemTxAttrs attrs)
{
    struct access a = { mr, offset, memop_size(op), attrs, false, true };

    value &= access__mask(a.size);
    return is_memory(mr, true)
               ? access_memory(&a, op & MO_SIZE, &value, op & MO_BSWAP)
               : access_device(&a, &value, op & MO_BSWAP);
}

/* ---- The fast path ----------------------------------------------------- */

static XBAR_COLD MemTxResult refuse(MemoryRegion *mr, hwaddr offset,
                                    unsigned size_log2, bool is_write)
{
    struct access a = { .mr = mr,
                        .offset = offset,
                        .size = 1u << size_log2,
                        .is_write = is_write };

    access__log_reentry(&a);
    return MEMTX_ACCESS_ERROR;
}

/* Recorded, but not locked: asked for, so it may take its time. */
static XBAR_NOINLINE MemTxResult
read_recorded(const struct xbar_access_plan *plan, MemoryRegion *mr,
              hwaddr offset, uint64_t *value, unsigned size_log2)
{
    unsigned size = 1u << size_log2;
    uint64_t word;

    if (!guard__push(&guard__chain, mr)) {
        *value = 0;
        return refuse(mr, offset, size_log2, false);
    }
    word = plan->read[size_log2].read(mr->opaque, offset, size);
    guard__pop(&guard__chain);
    *value = word & access__mask(size);
    return MEMTX_OK;
}

static XBAR_NOINLINE MemTxResult
write_recorded(const struct xbar_access_plan *plan, MemoryRegion *mr,
               hwaddr offset, uint64_t value, unsigned size_log2)
{
    unsigned size = 1u << size_log2;

    if (!guard__push(&guard__chain, mr)) {
        return refuse(mr, offset, size_log2, true);
    }
    plan->write[size_log2].write(mr->opaque, offset, value & access__mask(size),
                                 size);
    guard__pop(&guard__chain);
    return MEMTX_OK;
}

/*
 * Apart, and the last thing that their callers do, so that without a lock
 * nothing has to be kept across a call.
 */
static XBAR_NOINLINE MemTxResult read_held(const struct xbar_access_plan *plan,
                                           MemoryRegion *mr, hwaddr offset,
                                           uint64_t *value, unsigned size_log2)
{
    struct guard_chain *chain = &guard__chain;
    struct engine_lock *lock = mr->lock;
    unsigned size = 1u << size_log2;
    uint64_t word;

    if (unlikely(lock == &guard__no_lock)) {
        return read_recorded(plan, mr, offset, value, size_log2);
    }
    if (unlikely(!guard__push(chain, mr))) {
        *value = 0;
        return refuse(mr, offset, size_log2, false);
    }
    lock__take(lock, chain);
    word = plan->read[size_log2].read(mr->opaque, offset, size);
    lock__release(lock);
    guard__pop(chain);
    *value = word & access__mask(size);
    return MEMTX_OK;
}

static XBAR_NOINLINE MemTxResult write_held(const struct xbar_access_plan *plan,
                                            MemoryRegion *mr, hwaddr offset,
                                            uint64_t value, unsigned size_log2)
{
    struct guard_chain *chain = &guard__chain;
    struct engine_lock *lock = mr->lock;
    unsigned size = 1u << size_log2;

    if (unlikely(lock == &guard__no_lock)) {
        return write_recorded(plan, mr, offset, value, size_log2);
    }
    if (unlikely(!guard__push(chain, mr))) {
        return refuse(mr, offset, size_log2, true);
    }
    lock__take(lock, chain);
    plan->write[size_log2].write(mr->opaque, offset, value & access__mask(size),
                                 size);
    lock__release(lock);
    guard__pop(chain);
    return MEMTX_OK;
}

/* Without a lock: three tests, one indirect call, one mask. */
static inline MemTxResult read_by_plan(const struct xbar_access_plan *plan,
                                       MemoryRegion *mr, hwaddr offset,
                                       uint64_t *value, unsigned size_log2,
                                       MemTxAttrs attrs)
{
    const struct xbar_read_step *step = &plan->read[size_log2];
    unsigned size = 1u << size_log2;

    if (unlikely(!step->read || (offset & step->align_mask) || attrs.memory)) {
        return read_general(mr, offset, value, (MemOp)size_log2, attrs);
    }
    if (mr->lock) {
        return read_held(plan, mr, offset, value, size_log2);
    }
    *value = step->read(mr->opaque, offset, size) & access__mask(size);
    return MEMTX_OK;
}

static inline MemTxResult write_by_plan(const struct xbar_access_plan *plan,
                                        MemoryRegion *mr, hwaddr offset,
                                        uint64_t value, unsigned size_log2,
                                        MemTxAttrs attrs)
{
    const struct xbar_write_step *step = &plan->write[size_log2];
    unsigned size = 1u << size_log2;

    if (unlikely(!step->write || (offset & step->align_mask) || attrs.memory)) {
        return write_general(mr, offset, value, (MemOp)size_log2, attrs);
    }
    if (mr->lock) {
        return write_held(plan, mr, offset, value, size_log2);
    }
    step->write(mr->opaque, offset, value & access__mask(size), size);
    return MEMTX_OK;
}

XBAR_HOT MemTxResult xbar_plan_read(const struct xbar_access_plan *plan,
                                    MemoryRegion *mr, hwaddr offset,
                                    uint64_t *value, unsigned size_log2,
                                    MemTxAttrs attrs)
{
    return read_by_plan(plan, mr, offset, value, size_log2, attrs);
}

XBAR_HOT MemTxResult xbar_plan_write(const struct xbar_access_plan *plan,
                                     MemoryRegion *mr, hwaddr offset,
                                     uint64_t value, unsigned size_log2,
                                     MemTxAttrs attrs)
{
    return write_by_plan(plan, mr, offset, value, size_log2, attrs);
}

/* ---- By region --------------------------------------------------------- */

/*
 * Through aliases to the region that answers; NULL if some window on the way
 * does not hold the access. Ends because the tree has no cycle.
 */
static MemoryRegion *resolve(MemoryRegion *mr, hwaddr *offset, unsigned size)
{
    while (mr && region__holds(mr, *offset, size)) {
        if (!(region__flags(mr) & REGION_ALIAS)) {
            return region__plan(mr) ? mr : NULL;
        }
        if (__builtin_add_overflow(*offset, region__alias_offset(mr), offset)) {
            return NULL;
        }
        mr = region__alias(mr);
    }
    return NULL;
}

/* The common case: no alias, no swap, a size that exists, inside; and the
 * callbacks answer reads, if there are any. */
static inline bool is_simple(const MemoryRegion *mr, hwaddr addr, MemOp op)
{
    uint32_t kind =
        XBAR_REGION_TERMINATES | REGION_ALIAS | XBAR_REGION_ROMD | REGION_EMPTY;
    uint64_t last = region__last(mr);

    return !(op & (MO_BSWAP | MO_128)) &&
           (region__flags(mr) & kind) == XBAR_REGION_TERMINATES &&
           addr <= last && memop_size(op) - 1 <= last - addr;
}

static XBAR_NOINLINE MemTxResult read_resolved(MemoryRegion *mr, hwaddr addr,
                                               uint64_t *pval, MemOp op,
                                               MemTxAttrs attrs)
{
    mr = op & MO_128 ? NULL : resolve(mr, &addr, memop_size(op));
    if (!mr) {
        *pval = 0;
        return MEMTX_DECODE_ERROR;
    }
    if ((op & MO_BSWAP) || is_memory(mr, false)) {
        return read_general(mr, addr, pval, op, attrs);
    }
    return read_by_plan(region__plan(mr), mr, addr, pval, op & MO_SIZE, attrs);
}

static XBAR_NOINLINE MemTxResult write_resolved(MemoryRegion *mr, hwaddr addr,
                                                uint64_t data, MemOp op,
                                                MemTxAttrs attrs)
{
    mr = op & MO_128 ? NULL : resolve(mr, &addr, memop_size(op));
    if (!mr) {
        return MEMTX_DECODE_ERROR;
    }
    if (op & MO_BSWAP) {
        return write_general(mr, addr, data, op, attrs);
    }
    return write_by_plan(region__plan(mr), mr, addr, data, op & MO_SIZE, attrs);
}

XBAR_HOT MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr addr,
                                                 uint64_t *pval, MemOp op,
                                                 MemTxAttrs attrs)
{
    if (unlikely(!is_simple(mr, addr, op))) {
        return read_resolved(mr, addr, pval, op, attrs);
    }
    return read_by_plan(region__plan(mr), mr, addr, pval, op & MO_SIZE, attrs);
}

XBAR_HOT MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr addr,
                                                  uint64_t data, MemOp op,
                                                  MemTxAttrs attrs)
{
    if (unlikely(!is_simple(mr, addr, op))) {
        return write_resolved(mr, addr, data, op, attrs);
    }
    return write_by_plan(region__plan(mr), mr, addr, data, op & MO_SIZE, attrs);
}

bool memory_region_access_valid(MemoryRegion *mr, hwaddr addr, unsigned size,
                                bool is_write, MemTxAttrs attrs)
{
    struct access a = { NULL, addr, size, attrs, false, is_write };

    if (!size || size > 8 || (size & (size - 1))) {
        return false;
    }
    a.mr = resolve(mr, &a.offset, size);
    if (!a.mr) {
        return false;
    }
    return is_memory(a.mr, is_write) || (!attrs.memory && access__is_valid(&a));
}

/* ---- Bytes ------------------------------------------------------------- */

/* The widest aligned unit at @host that is not longer than @length. */
static unsigned unit_log2(const uint8_t *host, unsigned length)
{
    unsigned align = (unsigned)__builtin_ctzll((uintptr_t)host | 8);
    unsigned fits = 31u - (unsigned)__builtin_clz(length);

    return align < fits ? align : fits;
}

static MemTxResult copy_memory(const struct access *a, uint8_t *bytes)
{
    struct access part = *a;
    MemTxResult result = MEMTX_OK;

    for (unsigned done = 0; done < a->size; done += part.size) {
        uint64_t value = 0;
        unsigned log2;

        part.offset = a->offset + done;
        log2 = unit_log2(a->mr->ram_block->host + part.offset, a->size - done);
        part.size = 1u << log2;
        memcpy(&value, bytes + done, a->is_write ? part.size : 0);
        result |= access_ram(&part, log2, &value);
        memcpy(bytes + done, &value, a->is_write ? 0 : part.size);
    }
    return result;
}

/* Host order is the order of the bytes in memory, whichever that is. */
static MemTxResult access_bytes(struct access *a, uint8_t *bytes)
{
    a->mr =
        a->size && a->size <= 16 ? resolve(a->mr, &a->offset, a->size) : NULL;
    if (!a->mr) {
        return MEMTX_DECODE_ERROR;
    }
    if (is_memory(a->mr, a->is_write)) {
        return copy_memory(a, bytes);
    }
    if (a->attrs.memory) {
        return MEMTX_ACCESS_ERROR;
    }
    if (!a->mr->ops) {
        return MEMTX_DECODE_ERROR;
    }
    a->is_big = region__plan(a->mr)->is_big_endian;
    return access__device_bytes(a, bytes);
}

MemTxResult xbar_region_read_bytes(MemoryRegion *mr, hwaddr addr, void *buf,
                                   unsigned size, MemTxAttrs attrs)
{
    struct access a = { mr, addr, size, attrs, false, false };

    memset(buf, 0, size);
    return access_bytes(&a, buf);
}

MemTxResult xbar_region_write_bytes(MemoryRegion *mr, hwaddr addr,
                                    const void *buf, unsigned size,
                                    MemTxAttrs attrs)
{
    struct access a = { mr, addr, size, attrs, false, true };

    return access_bytes(&a, (uint8_t *)buf);
}
