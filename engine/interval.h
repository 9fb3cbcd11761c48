/* SPDX-License-Identifier: MIT */
/*
 * The index of a container's sub-regions: intervals [addr, addr + last] in a
 * B+ tree, in the order of address and then sequence, so that a window finds
 * what overlaps it in O(log n + found) and a few cache misses.
 *
 *     root     | key 0     4000     9000   |      of each child: a key that
 *              | last 3fff  ffff    9fff   |      none of its own is below,
 *                 |          \         \          and its greatest end
 *     leaf     | key 0     100      2000   |      of each sub-region: address
 *              | last 3fff  1ff     2fff   |      and end
 *              | mr   ...                  |
 *
 * Keys, ends and pointers are each an array of a cache line or two, and regions
 * are not looked at but to tell those apart that begin at one address. Ends
 * past 2^64 are clipped; an empty region is indexed by its first address, as if
 * it had one byte.
 *
 * Nodes split when they are full. They are not merged, and given back only when
 * they are empty, by interval__sweep(), which is not before the transaction is
 * over. So until then a node's range of keys is never joined with another's, and
 * whatever an undo puts back finds the room that it left: undoing allocates
 * nothing.
 */
#ifndef XBAR_ENGINE_INTERVAL_H
#define XBAR_ENGINE_INTERVAL_H

#include "engine/memory.h"

struct xbar_interval_node;

/*
 * Into the index of its container. -ENOMEM, with nothing changed: not if it
 * undoes a removal of this transaction.
 */
int interval__insert(MemoryRegion *container, MemoryRegion *node)
    XBAR_MUST_CHECK;
void interval__remove(MemoryRegion *container, MemoryRegion *node);

/* @node comes to lie at @addr. The same. */
int interval__move(MemoryRegion *container, MemoryRegion *node, hwaddr addr)
    XBAR_MUST_CHECK;

/* @node's end, or its height, changed: make right what is said of it. */
void interval__refresh(MemoryRegion *container, const MemoryRegion *node);

/* The last address of @node in its container. */
hwaddr interval__end(const MemoryRegion *node);

/* The greatest height among the sub-regions, or 0; one of them, or NULL. */
unsigned interval__height(const MemoryRegion *container);
MemoryRegion *interval__any(const MemoryRegion *container);

/*
 * Call @visit for every node that overlaps [first, last], by address; stops
 * at, and returns, the first nonzero result.
 */
int interval__overlaps(const MemoryRegion *container, hwaddr first, hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque);

/*
 * The same, stored to @few, which has @room for more than one node of the tree.
 * Return: how many; more than @room if they might be too many.
 */
size_t interval__few(const MemoryRegion *container, hwaddr first, hwaddr last,
                     MemoryRegion **few, size_t room);

/* Is @mr, which is in @container, the only one that overlaps [first, last]? */
bool interval__is_alone(const MemoryRegion *container, const MemoryRegion *mr,
                        hwaddr first, hwaddr last);

/* Have the leaf with @addr come into the cache, if there is one. */
void interval__fetch(const MemoryRegion *container, hwaddr addr);

/* The transaction is over: give back the nodes that it left empty. */
void interval__sweep(struct xbar_engine *engine);

/* All that the drawing promises, O(n); for xbar_assert_slow(). */
bool interval__is_valid(const MemoryRegion *container);

#endif
