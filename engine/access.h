/* SPDX-License-Identifier: MIT */
/*
 * The general path of one access to one device: everything that an access
 * plan (engine/plan.h) cannot say beforehand.
 */
#ifndef XBAR_ENGINE_ACCESS_H
#define XBAR_ENGINE_ACCESS_H

#include "engine/memory.h"

struct access {
    MemoryRegion *mr;
    hwaddr offset;
    unsigned size; /* bytes */
    MemTxAttrs attrs;
    bool is_big; /* the device's order */
    bool is_write;
};

/* The low @size bytes, 1 to 8. */
static inline uint64_t access__mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static inline uint64_t access__swap(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

/*
 * Device order in, device order out. Takes the region's lock, asks `valid`,
 * calls back, tells the observer. @a->mr has no memory to answer with.
 */
MemTxResult access__device(const struct access *a, uint64_t *value);

/*
 * @size bytes, 1 to 16, in the order of their addresses, as one access: the
 * lock is held over all of it, and nothing happens if any part is refused. A
 * part that an eventfd is signalled for does not call back.
 */
MemTxResult access__device_bytes(const struct access *a, uint8_t *bytes);

/*
 * The same in steps, for accesses that waited: enter, which may be refused,
 * inside, leave, observe.
 */
bool access__enter(const struct access *a);
MemTxResult access__inside(const struct access *a, uint64_t *value);
void access__leave(const struct access *a);
void access__observe(const struct access *a, uint64_t value,
                     MemTxResult result);

/*
 * deferred.c: is the access done? If not, what waited for the device has been
 * delivered. For regions with a deferred plan.
 */
bool deferred__access(const struct access *a, const uint64_t *value);

/*
 * The same for an access in parts, which never waits: what waits is delivered
 * before it is entered; then each part of a write asks for its eventfd. The
 * part is one that `valid` takes, @value in the device's order.
 */
void deferred__before(const struct access *a);
bool deferred__signal(const struct access *part, uint64_t value);

/* Tell the engine's log that @a would re-enter a device. */
void access__log_reentry(const struct access *a);

/* Would `valid` take it? Takes the region's lock. */
bool access__is_valid(const struct access *a);

#endif
