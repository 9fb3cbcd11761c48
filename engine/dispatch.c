/* SPDX-License-Identifier: MIT */
/*
 * One access to one region.
 *
 *     plan step fits ----------------> the device's callback      (fast)
 *     else: valid? -> pieces -> callback for each -> merge -> swap
 *     RAM: in place
 *
 * A piece is one callback: `width` bytes at `start`, of which `count`, after
 * `lead`, belong to the access. Take impl 4 to 4, not unaligned, and 8 bytes
 * asked for at offset 6:
 *
 *     offset      4   5   6   7   8   9   a   b   c   d   e   f
 *     asked for           x   x   x   x   x   x   x   x
 *     pieces     [  lead  ]       [               ]       [ rest ]
 *                 2 of 4           4 of 4          2 of 4
 *
 * A read takes such words as they are. A write must not change the bytes it
 * was not given: it prefers narrower pieces that fit, and where impl.min
 * forbids them reads the word, merges, and writes it back, all under the
 * region's lock.
 *
 * Values are kept in the device's order of significance: the byte at the
 * lowest address is the least significant one of a little-endian device, and
 * the most significant one of a big-endian one. The requester's order is
 * arranged for once, on the whole value.
 */
#include "engine/dispatch.h"

#include <pthread.h>

#include "engine/engine_internal.h"
#include "engine/ops.h"
#include "engine/plan.h"
#include "engine/ram.h"
#include "engine/ram_writes.h"

/* Out of line, but not cold: that would mean "small rather than fast". */
#define NOINLINE __attribute__((noinline))

struct access {
    MemoryRegion *mr;
    hwaddr offset;
    unsigned size; /* bytes */
    MemTxAttrs attrs;
    bool is_big; /* the device's order */
    bool is_write;
};

struct piece {
    hwaddr start;
    unsigned width;
    unsigned lead;
    unsigned count;
};

/* ---- Values ------------------------------------------------------------ */

/* The low @size bytes, 1 to 8. */
static inline uint64_t mask_of(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

/* How far up in a word of @width the @count bytes at @lead stand. */
static unsigned shift_of(const struct access *a, unsigned width, unsigned lead,
                         unsigned count)
{
    return 8 * (a->is_big ? width - lead - count : lead);
}

/* ---- Validity ---------------------------------------------------------- */

static bool is_valid(const struct access *a)
{
    const MemoryRegionOps *ops = a->mr->ops;

    return ops && (a->is_write ? ops__has_write(ops) : ops__has_read(ops)) &&
           (ops->valid.unaligned || !(a->offset & (a->size - 1))) &&
           ops__takes_size(ops, a->size) &&
           (!ops->valid.accepts ||
            ops->valid.accepts(a->mr->opaque, a->offset, a->size, a->is_write,
                               a->attrs));
}

/* ---- Pieces ------------------------------------------------------------ */

static bool is_aligned(hwaddr offset, unsigned size)
{
    return !(offset & (size - 1));
}

/* The aligned word around @at, of which up to @left bytes are ours. */
static struct piece word_around(hwaddr at, unsigned width, unsigned left)
{
    unsigned lead = (unsigned)at & (width - 1);
    unsigned count = width - lead < left ? width - lead : left;

    return (struct piece){ at - lead, width, lead, count };
}

/* A word that sticks out of the region is halved while the device can. */
static unsigned fit_in_region(const struct access *a, hwaddr at, unsigned width,
                              unsigned min)
{
    while (width > min &&
           !region__holds(a->mr, at & ~(hwaddr)(width - 1), width)) {
        width /= 2;
    }
    return width;
}

/* The widest aligned piece at @at that stays inside the access. */
static unsigned fit_in_access(hwaddr at, unsigned width, unsigned left)
{
    while (width > left || !is_aligned(at, width)) {
        width /= 2;
    }
    return width;
}

/* Does one callback do? Most accesses that come here end with a yes. */
static inline bool is_whole(const struct access *a)
{
    const MemoryRegionOps *ops = a->mr->ops;

    return a->size >= ops__impl_min(ops) && a->size <= ops__impl_max(ops) &&
           (ops->impl.unaligned || is_aligned(a->offset, a->size));
}

/* The piece that starts with byte @done of the access. */
static struct piece next_piece(const struct access *a, unsigned done)
{
    const MemoryRegionOps *ops = a->mr->ops;
    unsigned min = ops__impl_min(ops);
    unsigned max = ops__impl_max(ops);
    unsigned chunk = a->size < max ? a->size : max;
    unsigned left = a->size - done;
    hwaddr at = a->offset + done;

    if (chunk >= min && (ops->impl.unaligned || is_aligned(a->offset, chunk))) {
        return (struct piece){ at, chunk, 0, chunk };
    }
    chunk = chunk < min ? min : chunk;
    if (!a->is_write) {
        chunk = fit_in_region(a, at, chunk, min);
    } else {
        chunk = fit_in_access(at, chunk, left);
        chunk = chunk < min ? min : chunk;
    }
    return word_around(at, chunk, left);
}

/* ---- Callbacks --------------------------------------------------------- */

static MemTxResult call_read(const struct access *a, hwaddr start,
                             unsigned width, uint64_t *word)
{
    const MemoryRegionOps *ops = a->mr->ops;
    MemTxResult result = MEMTX_OK;

    *word = 0;
    if (ops->read) {
        *word = ops->read(a->mr->opaque, start, width);
    } else if (ops->read_with_attrs) {
        result =
            ops->read_with_attrs(a->mr->opaque, start, word, width, a->attrs);
    } else {
        result = MEMTX_DECODE_ERROR; /* a write-only device's narrow write */
    }
    *word &= mask_of(width);
    return result;
}

static MemTxResult call_write(const struct access *a, hwaddr start,
                              unsigned width, uint64_t word)
{
    const MemoryRegionOps *ops = a->mr->ops;

    if (ops->write) {
        ops->write(a->mr->opaque, start, word, width);
        return MEMTX_OK;
    }
    return ops->write_with_attrs(a->mr->opaque, start, word, width, a->attrs);
}

static MemTxResult read_pieces(const struct access *a, uint64_t *value)
{
    MemTxResult result = MEMTX_OK;
    unsigned done = 0;

    if (is_whole(a)) {
        return call_read(a, a->offset, a->size, value);
    }
    *value = 0;
    while (done < a->size) {
        struct piece p = next_piece(a, done);
        uint64_t word;

        result |= call_read(a, p.start, p.width, &word);
        word >>= shift_of(a, p.width, p.lead, p.count);
        word &= mask_of(p.count);
        *value |= word << shift_of(a, a->size, done, p.count);
        done += p.count;
    }
    return result;
}

/*
 * Write @bits, the piece's share of the value. If the word around it cannot
 * be read, it is not written either: the neighbours' bytes are not known.
 */
static MemTxResult write_piece(const struct access *a, const struct piece *p,
                               uint64_t bits)
{
    unsigned shift = shift_of(a, p->width, p->lead, p->count);
    MemTxResult result = MEMTX_OK;
    uint64_t word = 0;

    if (p->count < p->width) {
        result = call_read(a, p->start, p->width, &word);
        word &= ~(mask_of(p->count) << shift);
    }
    if (result != MEMTX_OK) {
        return result;
    }
    return call_write(a, p->start, p->width, word | bits << shift);
}

static MemTxResult write_pieces(const struct access *a, uint64_t value)
{
    MemTxResult result = MEMTX_OK;
    unsigned done = 0;

    if (is_whole(a)) {
        return call_write(a, a->offset, a->size, value);
    }
    while (done < a->size) {
        struct piece p = next_piece(a, done);
        uint64_t bits = value >> shift_of(a, a->size, done, p.count);

        result |= write_piece(a, &p, bits & mask_of(p.count));
        done += p.count;
    }
    return result;
}

/* ---- The general path -------------------------------------------------- */

static void observe(const struct access *a, uint64_t value, MemTxResult result)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;
    struct xbar_access seen = {
        .mr = a->mr,
        .offset = a->offset,
        .value = value,
        .size = a->size,
        .is_write = a->is_write,
        .result = result,
    };

    config->observe(config->observe_opaque, &seen);
}

/* Device order in, device order out; under the region's lock. */
static MemTxResult access_device(const struct access *a, uint64_t *value)
{
    pthread_mutex_t *lock = a->mr->lock;
    MemTxResult result = MEMTX_DECODE_ERROR;
    bool reached;

    if (lock) {
        pthread_mutex_lock(lock);
    }
    reached = is_valid(a);
    if (reached) {
        result = a->is_write ? write_pieces(a, *value) : read_pieces(a, value);
    }
    if (lock) {
        pthread_mutex_unlock(lock);
    }
    if (reached && a->mr->engine->config.observe) {
        observe(a, *value, result);
    }
    return result;
}

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
        xbar_ram_writes_note(a->mr->engine);
    }
    return MEMTX_OK;
}

/* @swap: the requester wants the order that is not the host's. */
static MemTxResult access_general(struct access *a, unsigned size_log2,
                                  uint64_t *value, bool swap)
{
    MemTxResult result;
    bool is_ram = (region__flags(a->mr) & XBAR_REGION_RAM) != 0;

    if (!is_ram && a->attrs.memory) {
        result = MEMTX_ACCESS_ERROR;
    } else if (!is_ram && !a->mr->ops) {
        result = MEMTX_DECODE_ERROR;
    } else {
        if (!is_ram) {
            a->is_big = ops__is_big_endian(a->mr->engine, a->mr->ops);
            swap ^= ops__is_swapped(a->mr->engine, a->mr->ops);
        }
        if (swap && a->is_write) {
            *value = swap_bytes(*value, a->size);
        }
        result =
            is_ram ? access_ram(a, size_log2, value) : access_device(a, value);
        if (swap && !a->is_write) {
            *value = swap_bytes(*value, a->size);
        }
    }
    if (result != MEMTX_OK && !a->is_write) {
        *value = 0;
    }
    return result;
}

static NOINLINE MemTxResult read_general(MemoryRegion *mr, hwaddr offset,
                                         uint64_t *value, MemOp op,
                                         MemTxAttrs attrs)
{
    struct access a = { mr, offset, memop_size(op), attrs, false, false };

    *value = 0;
    return access_general(&a, op & MO_SIZE, value, op & MO_BSWAP);
}

static NOINLINE MemTxResult write_general(MemoryRegion *mr, hwaddr offset,
                                          uint64_t value, MemOp op,
                                          MemTxAttrs attrs)
{
    struct access a = { mr, offset, memop_size(op), attrs, false, true };

    value &= mask_of(a.size);
    return access_general(&a, op & MO_SIZE, &value, op & MO_BSWAP);
}

/* ---- The fast path ----------------------------------------------------- */

/* Apart, so that without a lock nothing has to be kept across a call. */
static NOINLINE uint64_t read_locked(const struct xbar_read_step *step,
                                     MemoryRegion *mr, hwaddr offset,
                                     unsigned size)
{
    pthread_mutex_t *lock = mr->lock;
    uint64_t value;

    pthread_mutex_lock(lock);
    value = step->read(mr->opaque, offset, size);
    pthread_mutex_unlock(lock);
    return value;
}

static NOINLINE void write_locked(const struct xbar_write_step *step,
                                  MemoryRegion *mr, hwaddr offset,
                                  uint64_t value, unsigned size)
{
    pthread_mutex_t *lock = mr->lock;

    pthread_mutex_lock(lock);
    step->write(mr->opaque, offset, value, size);
    pthread_mutex_unlock(lock);
}

/* Without a lock: three tests, one indirect call, one mask. */
static inline MemTxResult read_by_plan(const struct xbar_access_plan *plan,
                                       MemoryRegion *mr, hwaddr offset,
                                       uint64_t *value, unsigned size_log2,
                                       MemTxAttrs attrs)
{
    const struct xbar_read_step *step = &plan->read[size_log2];
    unsigned size = 1u << size_log2;
    uint64_t word;

    if (unlikely(!step->read || (offset & step->align_mask) || attrs.memory)) {
        return read_general(mr, offset, value, (MemOp)size_log2, attrs);
    }
    word = mr->lock ? read_locked(step, mr, offset, size)
                    : step->read(mr->opaque, offset, size);
    *value = word & mask_of(size);
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
    value &= mask_of(size);
    if (mr->lock) {
        write_locked(step, mr, offset, value, size);
    } else {
        step->write(mr->opaque, offset, value, size);
    }
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

unsigned xbar_plan_bulk_size(MemoryRegion *mr, hwaddr offset, uint64_t length)
{
    const MemoryRegionOps *ops = mr->ops;
    unsigned size = ops ? ops->valid.max_access_size : 0;

    size = size ? size : 8;
    while (size > length ||
           (!(ops && ops->impl.unaligned) && !is_aligned(offset, size))) {
        size /= 2;
    }
    return size ? size : 1;
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
            return mr->plan ? mr : NULL;
        }
        if (__builtin_add_overflow(*offset, region__alias_offset(mr), offset)) {
            return NULL;
        }
        mr = region__alias(mr);
    }
    return NULL;
}

/* The common case: no alias, no swap, a size that exists, inside. */
static inline bool is_simple(const MemoryRegion *mr, hwaddr addr, MemOp op)
{
    uint32_t kind = XBAR_REGION_TERMINATES | REGION_ALIAS;

    return !(op & (MO_BSWAP | MO_128)) &&
           (region__flags(mr) & kind) == XBAR_REGION_TERMINATES &&
           region__holds(mr, addr, memop_size(op));
}

static NOINLINE MemTxResult read_resolved(MemoryRegion *mr, hwaddr addr,
                                          uint64_t *pval, MemOp op,
                                          MemTxAttrs attrs)
{
    mr = op & MO_128 ? NULL : resolve(mr, &addr, memop_size(op));
    if (!mr) {
        *pval = 0;
        return MEMTX_DECODE_ERROR;
    }
    if (op & MO_BSWAP) {
        return read_general(mr, addr, pval, op, attrs);
    }
    return read_by_plan(mr->plan, mr, addr, pval, op & MO_SIZE, attrs);
}

static NOINLINE MemTxResult write_resolved(MemoryRegion *mr, hwaddr addr,
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
    return write_by_plan(mr->plan, mr, addr, data, op & MO_SIZE, attrs);
}

XBAR_HOT MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr addr,
                                                 uint64_t *pval, MemOp op,
                                                 MemTxAttrs attrs)
{
    if (unlikely(!is_simple(mr, addr, op))) {
        return read_resolved(mr, addr, pval, op, attrs);
    }
    return read_by_plan(mr->plan, mr, addr, pval, op & MO_SIZE, attrs);
}

XBAR_HOT MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr addr,
                                                  uint64_t data, MemOp op,
                                                  MemTxAttrs attrs)
{
    if (unlikely(!is_simple(mr, addr, op))) {
        return write_resolved(mr, addr, data, op, attrs);
    }
    return write_by_plan(mr->plan, mr, addr, data, op & MO_SIZE, attrs);
}

bool memory_region_access_valid(MemoryRegion *mr, hwaddr addr, unsigned size,
                                bool is_write, MemTxAttrs attrs)
{
    struct access a = { NULL, addr, size, attrs, false, is_write };
    pthread_mutex_t *lock;
    bool valid;

    if (!size || size > 8 || (size & (size - 1))) {
        return false;
    }
    a.mr = resolve(mr, &a.offset, size);
    if (!a.mr || a.mr->ram_block || attrs.memory) {
        return a.mr && a.mr->ram_block;
    }
    lock = a.mr->lock;
    if (lock) {
        pthread_mutex_lock(lock);
    }
    valid = is_valid(&a);
    if (lock) {
        pthread_mutex_unlock(lock);
    }
    return valid;
}
