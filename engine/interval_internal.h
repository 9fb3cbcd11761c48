/* SPDX-License-Identifier: MIT */
/* A node of the index of sub-regions (interval.h), for interval*.c. */
#ifndef XBAR_ENGINE_INTERVAL_INTERNAL_H
#define XBAR_ENGINE_INTERVAL_INTERNAL_H

#include "engine/engine_internal.h"

/* Two cache lines of addresses: a node of a leaf is seven, of others nine. */
#define NODE_KEYS 16

/* Root and leaf included. One more takes eight times as many insertions. */
#define MAX_LEVELS 20

struct xbar_interval_node {
    uint16_t count;   /* of what follows; 0 until it is swept */
    uint16_t height;  /* the greatest below */
    uint8_t level;    /* 0: a leaf */
    bool is_listed;   /* among the empty ones */
    bool ends_ascend; /* if set, no end is less than one before it */
    struct xbar_interval_node *parent; /* NULL: @container has it */
    MemoryRegion *container;
    struct xbar_interval_node *next_empty;

    /* in order; beyond @count, NO_KEY */
    hwaddr addr[NODE_KEYS];
    hwaddr last[NODE_KEYS];
    union {
        MemoryRegion *mr[NODE_KEYS];
        struct xbar_interval_node *child[NODE_KEYS];
    };
    uint16_t heights[NODE_KEYS]; /* of each region, or below each child */
    uint64_t sequence[]; /* [NODE_KEYS], not in leaves: regions have it */
};

#define NO_KEY UINT64_MAX /* as an address: searching takes it for greater */

#define NODE_LINE 64

static_assert(XBAR_FEW_CHILDREN >= NODE_KEYS, "a leaf is stored unseen");
static_assert(sizeof(struct xbar_interval_node) <= 7 * NODE_LINE,
              "a million regions take 28 MB of leaves");

/* The last address of @mr if it lies at @addr. */
static inline hwaddr end_at(const MemoryRegion *mr, hwaddr addr)
{
    return mr->last > UINT64_MAX - addr ? UINT64_MAX : addr + mr->last;
}

static inline uint64_t sequence_at(const struct xbar_interval_node *node,
                                   unsigned i)
{
    return node->level ? node->sequence[i] : node->mr[i]->sequence;
}

static inline bool is_before(hwaddr addr, uint64_t sequence,
                             const struct xbar_interval_node *node, unsigned i)
{
    return addr < node->addr[i] ||
           (addr == node->addr[i] && sequence < sequence_at(node, i));
}

/*
 * How many addresses of @node are at or below @addr: of each four the last one is
 * looked at, and then those of the four where it is decided. No branch is to be
 * guessed, and two loads wait for one another, where halving takes four.
 */
static inline unsigned count_upto(const struct xbar_interval_node *node,
                                  hwaddr addr)
{
    const hwaddr *at = node->addr;
    unsigned n;

    static_assert(NODE_KEYS == 16, "four times four");
    n = 4u * ((at[3] <= addr) + (at[7] <= addr) + (at[11] <= addr));
    at += n;
    n += (at[0] <= addr) + (at[1] <= addr) + (at[2] <= addr) + (at[3] <= addr);
    return n < node->count ? n : node->count; /* @addr may be NO_KEY */
}

/* @child is about to be looked at: have its lines come at the same time. */
static inline void fetch(const struct xbar_interval_node *child)
{
    const char *at = (const char *)child;

#pragma GCC unroll 8
    for (size_t i = 0; i < sizeof(*child); i += NODE_LINE) {
        __builtin_prefetch(at + i);
    }
}

/* What is said of a node above it. */
static inline hwaddr greatest_end(const struct xbar_interval_node *node)
{
    hwaddr end = 0;

    for (unsigned i = 0; i < node->count; i++) {
        end = node->last[i] > end ? node->last[i] : end;
    }
    return end;
}

static inline uint16_t greatest_height(const struct xbar_interval_node *node)
{
    uint16_t height = 0;

    for (unsigned i = 0; i < node->count; i++) {
        height = node->heights[i] > height ? node->heights[i] : height;
    }
    return height;
}

static inline bool do_ends_ascend(const struct xbar_interval_node *node)
{
    unsigned i = 1;

    while (i < node->count && node->last[i - 1] <= node->last[i]) {
        i++;
    }
    return i >= node->count;
}

#endif
