/* SPDX-License-Identifier: MIT */
/* Which section decodes an address, among few and among many. */
#include "bench.h"
#include "world.h"

#include <stdlib.h>

#define ADDRESSES 65536u /* a power of two */

struct lookup {
    struct world *world;
    hwaddr address[ADDRESSES];
};

/* Addresses inside extra regions, in random order, the same in every run. */
static void *setup(int64_t regions)
{
    struct lookup *lookup = malloc(sizeof(*lookup));
    uint64_t seed = 88172645463325252;

    if (!lookup) {
        return NULL;
    }
    lookup->world = world_new((size_t)regions);
    if (!lookup->world) {
        free(lookup);
        return NULL;
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        lookup->address[i] =
            world_extra_at(seed % (uint64_t)regions) + (seed >> 50) % 4096;
    }
    return lookup;
}

static void teardown(void *context)
{
    struct lookup *lookup = context;

    world_free(lookup->world);
    free(lookup);
}

static inline void look_up(struct lookup *lookup, unsigned mask,
                           uint64_t operations)
{
    const FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&lookup->world->as);
    while (operations--) {
        hwaddr address = lookup->address[operations & mask];

        bench_use((uintptr_t)flatview_lookup(view, address));
    }
    xbar_read_end();
}

static void run_hot(void *context, uint64_t operations)
{
    look_up(context, 0, operations);
}

static void run_random(void *context, uint64_t operations)
{
    look_up(context, ADDRESSES - 1, operations);
}

#define ROW(label, n, function)                                   \
    {                                                             \
        .name = label, .arg = n, .setup = setup, .run = function, \
        .teardown = teardown, .batch = ADDRESSES                  \
    }

static const struct bench rows[] = {
    ROW("lookup/hot/10", 10, run_hot),
    ROW("lookup/random/10", 10, run_random),
    ROW("lookup/hot/1000", 1000, run_hot),
    ROW("lookup/random/1000", 1000, run_random),
    ROW("lookup/hot/100000", 100000, run_hot),
    ROW("lookup/random/100000", 100000, run_random),
};

const struct bench_table bench_lookup = BENCH_TABLE(rows);
