/* SPDX-License-Identifier: MIT */
/*
 * The index of a container's sub-regions: intervals [addr, addr + last] in a
 * treap, each node augmented with the greatest end below it, so that a window
 * finds what overlaps it in O(log n + found).
 *
 *               addr 40, end 7f            order: addr, then sequence
 *               subtree_last ff            heap:  heap_key, drawn at random
 *              /               \
 *     addr 10, end ff      addr 60, end 6f
 *     subtree_last ff      subtree_last 6f
 *
 * Keys are unique because sequence numbers are. Ends past 2^64 are clipped;
 * an empty region is indexed by its first address, as if it had one byte.
 * Nothing is allocated. The functions recurse along one path, of which the
 * expected length is 2 ln n: 28 levels for a million sub-regions.
 */
#ifndef XBAR_ENGINE_INTERVAL_H
#define XBAR_ENGINE_INTERVAL_H

#include "engine/memory.h"

void interval__insert(MemoryRegion **root, MemoryRegion *node);
void interval__remove(MemoryRegion **root, MemoryRegion *node);

/* @node's height changed: make subtree_height right on the way to it. */
void interval__refresh(MemoryRegion *root, const MemoryRegion *node);

/* The last address of @node in its container. */
hwaddr interval__end(const MemoryRegion *node);

/*
 * Call @visit for every node that overlaps [first, last], by address; stops
 * at, and returns, the first nonzero result.
 */
int interval__overlaps(MemoryRegion *root, hwaddr first, hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque);

/* All that the drawing promises, O(n); for xbar_assert_slow(). */
bool interval__is_valid(const MemoryRegion *root);

#endif
