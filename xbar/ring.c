/* SPDX-License-Identifier: MIT */
#include "ring.h"

size_t ring_peek(const struct ring *ring, uint8_t *to, size_t want)
{
    size_t count = ring_count(ring) < want ? ring_count(ring) : want;

    for (size_t i = 0; i < count; i++) {
        to[i] = ring->bytes[(ring->taken + i) % RING_SIZE];
    }
    return count;
}
