/* SPDX-License-Identifier: MIT */
/* Which section decodes an address, among few and among many. */
#include "bench.h"
#include "world.h"

#include <stdlib.h>

#define ADDRESSES 65536u /* a power of two */

struct lookup {
    struct world *world;
    const char *wrong;
    hwaddr address[ADDRESSES];
    uintptr_t section[ADDRESSES]; /* that decodes it */
};

/* False if something else than extra region @i decodes an address in it. */
static bool find_section(struct lookup *lookup, unsigned at, uint64_t i)
{
    const FlatRange *section;

    xbar_read_begin();
    section = flatview_lookup(address_space_to_flatview(&lookup->world->as),
                              lookup->address[at]);
    xbar_read_end();
    lookup->section[at] = (uintptr_t)section; /* stays: nothing commits */
    return section->mr == &lookup->world->extra[i];
}

/* Addresses inside extra regions, in random order, the same in every run. */
static void *setup(int64_t regions)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    uint64_t seed = BENCH_SEED;

    if (!lookup) {
        return NULL;
    }
    lookup->world = world_new((size_t)regions);
    if (!lookup->world) {
        free(lookup);
        return NULL;
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t x = bench_random(&seed);
        const uint64_t region = x % (uint64_t)regions;

        lookup->address[i] = world_extra_at((size_t)region) + (x >> 50) % 4096;
        if (!find_section(lookup, i, region)) {
            lookup->wrong = "an address is decoded by another region";
        }
    }
    return lookup;
}

static void teardown(void *context)
{
    struct lookup *lookup = context;

    world_free(lookup->world);
    free(lookup);
}

/* Sections are summed as numbers; @operations fill all addresses. */
static inline void look_up(struct lookup *lookup, unsigned mask,
                           uint64_t operations)
{
    const FlatView *view;
    uintptr_t sum = 0;
    uintptr_t expected = 0;

    xbar_read_begin();
    view = address_space_to_flatview(&lookup->world->as);
    for (uint64_t i = 0; i < operations; i++) {
        sum += (uintptr_t)flatview_lookup(view, lookup->address[i & mask]);
    }
    xbar_read_end();
    for (unsigned i = 0; i <= mask; i++) {
        expected += lookup->section[i];
    }
    if (sum != expected * (operations / (mask + 1))) {
        lookup->wrong = "a lookup found another section";
    }
}

static const char *check(void *context)
{
    const struct lookup *lookup = context;

    return lookup->wrong;
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
        .teardown = teardown, .check = check, .batch = ADDRESSES  \
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
