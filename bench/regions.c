/* SPDX-License-Identifier: MIT */
/*
 * Four bytes through the address space, by how many regions there are and by
 * which of them are asked:
 *
 *     repeat   one address
 *     random   any page of any region, so that nothing is predicted and, among
 *              many regions, no cache has the way to it
 *     trace    as drivers do it: a burst of accesses to a few registers of one
 *              device, then another device; nine bursts of ten go to a tenth
 *              of the devices
 */
#include "bench.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDRESSES 65536u /* a power of two */

enum pattern {
    REPEAT,
    RANDOM,
    TRACE,
    PATTERNS,
};

static const char *const pattern_names[PATTERNS] = { "repeat", "random",
                                                     "trace" };

/* What a row's argument says: pattern, kind, and the number of regions. */
#define ARG(pattern, kind, n) ((int64_t)(n) << 8 | (kind) << 4 | (pattern))

struct regions {
    struct world *world;
    const char *wrong;
    uint64_t each[ADDRESSES]; /* what address[i] reads as, and sums of them */
    hwaddr address[ADDRESSES];
};

/* ---- Addresses --------------------------------------------------------- */

static void put(struct regions *r, unsigned i, uint64_t region, uint64_t offset)
{
    r->address[i] = world_extra_at((size_t)region) + offset;
    r->each[i] = offset;
}

static void make_random(struct regions *r, uint64_t n)
{
    uint64_t seed = BENCH_SEED;

    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t x = bench_random(&seed);

        put(r, i, x % n, (x >> 50) % WORLD_PAGE & ~UINT64_C(3));
    }
}

static void make_trace(struct regions *r, uint64_t n)
{
    const uint64_t hot = (n + 9) / 10;
    uint64_t seed = BENCH_SEED;
    unsigned i = 0;

    while (i < ADDRESSES) {
        const uint64_t x = bench_random(&seed);
        const uint64_t region = (x >> 40) % 10 ? x % hot : x % n;
        const unsigned length = 4 + (unsigned)(x >> 50) % 28;

        for (unsigned k = 0; k < length && i < ADDRESSES; k++, i++) {
            /* A status register, and every fourth time another. */
            put(r, i, region, k % 4 ? 16 : 4 * (x >> 56) % 64);
        }
    }
}

static void *setup(int64_t arg)
{
    struct regions *r = calloc(1, sizeof(*r));
    const uint64_t n = (uint64_t)arg >> 8;

    if (!r) {
        return NULL;
    }
    r->world = world_shared((size_t)n, (enum world_kind)(arg >> 4 & 15));
    if (!r->world) {
        free(r);
        return NULL;
    }
    if ((arg & 15) == TRACE) {
        make_trace(r, n);
    } else {
        make_random(r, n);
    }
    if ((arg & 15) == REPEAT) {
        for (unsigned i = 1; i < ADDRESSES; i++) {
            r->address[i] = r->address[0];
            r->each[i] = r->each[0];
        }
    }
    return r;
}

static void teardown(void *context)
{
    free(context);
}

/* ---- Running ----------------------------------------------------------- */

static void run(void *context, uint64_t operations)
{
    struct regions *r = context;
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        sum += address_space_ldl(&r->world->as, r->address[i % ADDRESSES],
                                 MEMTXATTRS_UNSPECIFIED, NULL);
        expected += r->each[i % ADDRESSES];
    }
    if (sum != expected) {
        r->wrong = "loads gave wrong values";
    }
}

static const char *check(void *context)
{
    const struct regions *r = context;

    return r->wrong;
}

/* ---- Rows -------------------------------------------------------------- */

#define NAME_SIZE 48
#define ROWS_MAX  64

static const uint32_t device_counts[] = { 1,     10,     100,    1000,
                                          10000, 100000, 1000000 };
/* As many as the peers take. */
static const uint32_t ram_counts[] = { 1, 10, 100, 1000 };

static struct bench rows[ROWS_MAX];
static char names[ROWS_MAX][NAME_SIZE];
static size_t used;

static void add(const char *what, enum world_kind kind, uint32_t n)
{
    for (unsigned p = 0; p < PATTERNS; p++) {
        snprintf(names[used], NAME_SIZE, "regions/%s/%s/%u", what,
                 pattern_names[p], n);
        rows[used] = (struct bench){
            .name = names[used],
            .arg = ARG(p, kind, n),
            .setup = setup,
            .run = run,
            .teardown = teardown,
            .check = check,
            .batch = ADDRESSES,
        };
        used++;
    }
}

void bench_regions_register(void)
{
    for (size_t i = 0; i < sizeof(ram_counts) / sizeof(ram_counts[0]); i++) {
        add("ram", WORLD_RAM_PAGES, ram_counts[i]);
    }
    for (size_t i = 0; i < sizeof(device_counts) / sizeof(device_counts[0]);
         i++) {
        add("mmio", WORLD_DEVICES, device_counts[i]);
    }
    gbench_register(rows, used);
}
