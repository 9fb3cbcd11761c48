/* SPDX-License-Identifier: MIT */
/*
 * One access to one device, cut into what its callbacks can do.
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
#include "engine/access.h"

#include "engine/engine_internal.h"
#include "engine/guard.h"
#include "engine/log.h"
#include "engine/ops.h"
#include "engine/plan.h"

struct piece {
    hwaddr start;
    unsigned width;
    unsigned lead;
    unsigned count;
};

/* ---- Values ------------------------------------------------------------ */

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
    *word &= access__mask(width);
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
        word &= access__mask(p.count);
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
        word &= ~(access__mask(p->count) << shift);
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

        result |= write_piece(a, &p, bits & access__mask(p.count));
        done += p.count;
    }
    return result;
}

/* ---- The whole access -------------------------------------------------- */

/* The clock of whoever observes. */
static uint64_t ticks_now(const struct access *a)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;

    return config->observe && config->ticks ? config->ticks() : 0;
}

static void observe(const struct access *a, uint64_t value, MemTxResult result,
                    uint64_t ticks)
{
    const struct xbar_engine_config *config = &a->mr->engine->config;
    struct xbar_access seen = {
        .mr = a->mr,
        .offset = a->offset,
        .value = value,
        .size = a->size,
        .is_write = a->is_write,
        .result = result,
        .ticks = ticks,
    };

    config->observe(config->observe_opaque, &seen);
}

static inline bool is_observed(const struct access *a)
{
    return a->mr->engine->config.observe != NULL;
}

static void log_refusal(const struct access *a, const char *why)
{
    if (log__is_wanted(a->mr->engine, XBAR_LOG_GUEST_ERROR)) {
        log__say(a->mr->engine, XBAR_LOG_GUEST_ERROR,
                 "%s: %s of %u bytes at offset 0x%llx refused: %s",
                 memory_region_name(a->mr), a->is_write ? "write" : "read",
                 a->size, (unsigned long long)a->offset, why);
    }
}

void access__log_reentry(const struct access *a)
{
    log_refusal(a, "the device is at work on what caused it");
}

/* What is held, or NULL: then @a may still be recorded. */
static inline struct engine_lock *lock_of(const struct access *a)
{
    struct engine_lock *lock = a->mr->lock;

    return lock == &guard__no_lock ? NULL : lock;
}

static inline bool enter(const struct access *a)
{
    struct engine_lock *lock = lock_of(a);

    if (a->mr->lock && !guard__push(&guard__chain, a->mr)) {
        access__log_reentry(a);
        return false;
    }
    if (lock) {
        lock__take(lock, &guard__chain);
    }
    return true;
}

static inline void leave(const struct access *a)
{
    struct engine_lock *lock = lock_of(a);

    if (lock) {
        lock__release(lock);
    }
    if (a->mr->lock) {
        guard__pop(&guard__chain);
    }
}

static MemTxResult call(const struct access *a, uint64_t *value)
{
    return a->is_write ? write_pieces(a, *value) : read_pieces(a, value);
}

bool access__enter(const struct access *a)
{
    return enter(a);
}

void access__leave(const struct access *a)
{
    leave(a);
}

MemTxResult access__inside(const struct access *a, uint64_t *value)
{
    return is_valid(a) ? call(a, value) : MEMTX_DECODE_ERROR;
}

void access__observe(const struct access *a, uint64_t value, MemTxResult result)
{
    if (is_observed(a)) {
        observe(a, value, result, 0);
    }
}

MemTxResult access__device(const struct access *a, uint64_t *value)
{
    MemTxResult result = MEMTX_DECODE_ERROR;
    uint64_t start;
    bool reached;

    if (unlikely(region__plan(a->mr)->is_deferred) &&
        deferred__access(a, value)) {
        return MEMTX_OK;
    }
    start = ticks_now(a);
    if (!enter(a)) {
        return MEMTX_ACCESS_ERROR;
    }
    reached = is_valid(a);
    if (reached) {
        result = call(a, value);
    }
    leave(a);
    if (!reached) {
        log_refusal(a, "the device does not take it");
    } else if (is_observed(a)) {
        observe(a, *value, result, ticks_now(a) - start);
    }
    return result;
}

bool access__is_valid(const struct access *a)
{
    struct engine_lock *lock = lock_of(a);
    bool valid;

    if (lock) {
        lock__take(lock, &guard__chain);
    }
    valid = is_valid(a);
    if (lock) {
        lock__release(lock);
    }
    return valid;
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

/* ---- Any number of bytes ----------------------------------------------- */

/*
 * The part that starts with byte @done: all of it if the device takes that as
 * one, else as much as a bulk transfer would carry.
 */
static struct access part_at(const struct access *a, unsigned done)
{
    struct access part = *a;
    unsigned size = a->size;

    if ((size & (size - 1)) || size > 8 || !ops__takes_size(a->mr->ops, size) ||
        (!a->mr->ops->valid.unaligned && !is_aligned(a->offset, size))) {
        part.offset = a->offset + done;
        part.size = xbar_plan_bulk_size(a->mr, part.offset, a->size - done);
    }
    return part;
}

static bool are_parts_valid(const struct access *a)
{
    for (unsigned done = 0; done < a->size;) {
        struct access part = part_at(a, done);

        if (!is_valid(&part)) {
            return false;
        }
        done += part.size;
    }
    return true;
}

/* Byte @i of a value of @a's size, in the device's order. */
static unsigned shift_of_byte(const struct access *a, unsigned i)
{
    return shift_of(a, a->size, i, 1);
}

static MemTxResult call_part(const struct access *part, uint8_t *bytes)
{
    uint64_t start = ticks_now(part);
    MemTxResult result;
    uint64_t value = 0;

    for (unsigned i = 0; part->is_write && i < part->size; i++) {
        value |= (uint64_t)bytes[i] << shift_of_byte(part, i);
    }
    if (part->is_write && region__plan(part->mr)->is_deferred &&
        deferred__signal(part, value)) {
        return MEMTX_OK;
    }
    result = call(part, &value);
    if (!part->is_write && result != MEMTX_OK) {
        value = 0;
    }
    for (unsigned i = 0; !part->is_write && i < part->size; i++) {
        bytes[i] = (uint8_t)(value >> shift_of_byte(part, i));
    }
    if (is_observed(part)) {
        observe(part, value, result, ticks_now(part) - start);
    }
    return result;
}

MemTxResult access__device_bytes(const struct access *a, uint8_t *bytes)
{
    MemTxResult result = MEMTX_OK;

    if (unlikely(region__plan(a->mr)->is_deferred)) {
        deferred__before(a);
    }
    if (!enter(a)) {
        return MEMTX_ACCESS_ERROR;
    }
    if (!are_parts_valid(a)) {
        leave(a);
        log_refusal(a, "the device does not take it");
        return MEMTX_DECODE_ERROR;
    }
    for (unsigned done = 0; done < a->size;) {
        struct access part = part_at(a, done);

        result |= call_part(&part, bytes + done);
        done += part.size;
    }
    leave(a);
    return result;
}
