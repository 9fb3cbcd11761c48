/* SPDX-License-Identifier: MIT */
/* A byte queue of fixed size. Not thread-safe: its owner has a lock. */
#ifndef XBAR_RING_H
#define XBAR_RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_SIZE (64 * 1024) /* a power of two */

/* count = put - taken <= RING_SIZE; both only grow (and wrap at 2^64). */
struct ring {
    uint64_t put;
    uint64_t taken;
    uint8_t bytes[RING_SIZE];
};

static inline size_t ring_count(const struct ring *ring)
{
    return (size_t)(ring->put - ring->taken);
}

static inline size_t ring_room(const struct ring *ring)
{
    return RING_SIZE - ring_count(ring);
}

/* ring_put() - append one byte; the caller has seen that there is room */
static inline void ring_put(struct ring *ring, uint8_t byte)
{
    ring->bytes[ring->put++ % RING_SIZE] = byte;
}

/* ring_peek() - copy up to @want of the oldest bytes; returns how many */
size_t ring_peek(const struct ring *ring, uint8_t *to, size_t want);

/* ring_drop() - forget the @count oldest bytes, which are there */
static inline void ring_drop(struct ring *ring, size_t count)
{
    ring->taken += count;
}

#endif
