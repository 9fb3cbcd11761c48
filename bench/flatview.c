/* SPDX-License-Identifier: MIT */
/*
 * What a view costs: to change, to build, to look up in, to keep.
 *
 *     flatview/commit/N    one region among N, picked at random, is enabled or
 *                          disabled (half of them), moved (a quarter), or taken
 *                          out and put back with another priority (a quarter):
 *                          the commit, with a listener and a warm TLB that
 *                          drops what changed at its safe point, and a share
 *                          of a grace period with its frees
 *     flatview/keep/N      the same, and the new view is kept, the one kept
 *                          before released
 *     flatview/diff/N      two views that 16 regions make differ are compared
 *     flatview/build       N regions are initialised and placed under a root
 *                          that is shown: all in one transaction, or each in
 *                          its own; per region. Pages, 64 KiB apart; in
 *                          `sizes` each begins and ends at any byte
 *     flatview/lookup      a section is found and read: of one region, over and
 *                          over, or of any
 *     flatview/floor       a chain of loads through 64 MiB, each from where the
 *                          one before says: what a random lookup is made of
 *
 * Each row says its bar, in nanoseconds, in a counter; that of a random lookup
 * is three loads of the chain, measured right after it.
 */
#include "bench.h"
#include "world.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/* ---- Commits ----------------------------------------------------------- */

/* Commits between two grace periods. */
#define RECLAIM_EVERY 256

struct commits {
    struct world *world;
    uint64_t seed;
    uint64_t count;
    uint64_t failed;
    uint8_t *is_off; /* of each region */
};

static void *setup_commits(int64_t regions)
{
    struct commits *c = calloc(1, sizeof(*c));

    if (!c) {
        return NULL;
    }
    c->seed = BENCH_SEED;
    c->world = world_new((size_t)regions);
    c->is_off = calloc((size_t)regions, 1);
    if (!c->world || !c->is_off) {
        return NULL;
    }
    tlb_enter(&c->world->tlb);
    return c;
}

static void teardown_commits(void *context)
{
    struct commits *c = context;

    tlb_leave(&c->world->tlb);
    world_free(c->world);
    free(c->is_off);
    free(c);
}

/* Somewhere in the 64 KiB that region @i has to itself. */
static hwaddr place_of(size_t i, uint64_t random)
{
    return world_extra_at(i) + random % 15 * WORLD_PAGE;
}

static int put_anew(struct world *world, size_t i, MemoryRegion *mr,
                    uint64_t random)
{
    MemoryRegion *parent = &world->level[2];
    int err;

    memory_region_transaction_begin();
    err = memory_region_del_subregion(parent, mr);
    if (!err) {
        err = memory_region_add_subregion_overlap(parent, place_of(i, random),
                                                  mr, (int)(random >> 8 & 3));
    }
    return memory_region_transaction_commit() | err;
}

static int change(struct commits *c)
{
    struct world *world = c->world;
    const uint64_t random = bench_random(&c->seed);
    const size_t i = (size_t)(random % world->extra_count);
    MemoryRegion *mr = i % 3 ? &world->extra[i] : &world->alias[i];

    switch (random >> 40 & 3) {
    case 0:
        return memory_region_set_address(mr, place_of(i, random >> 42));
    case 1:
        return put_anew(world, i, mr, random >> 42);
    default:
        c->is_off[i] ^= 1;
        return memory_region_set_enabled(mr, !c->is_off[i]);
    }
}

/* As emitted code does it: the entry is there, if nobody dropped it. */
static int load_ram(SoftTLB *tlb)
{
    uint64_t value = 0;
    const uint32_t *host = tlb_probe(tlb, 0, WORLD_RAM, 4, TLB_READ);

    if (host) {
        bench_use(*(const volatile uint32_t *)host);
        return 0;
    }
    return tlb_load_slow(tlb, 0, WORLD_RAM, 2, &value);
}

static void run_commits(void *context, uint64_t operations)
{
    struct commits *c = context;
    SoftTLB *tlb = &c->world->tlb;

    while (operations--) {
        c->failed += change(c) != 0;
        tlb_safepoint(tlb);
        c->failed += load_ram(tlb) != 0;
        if (++c->count % RECLAIM_EVERY == 0) {
            tlb_leave(tlb);
            c->failed += xbar_engine_reclaim(c->world->engine) < 0;
            tlb_enter(tlb);
        }
    }
}

static const char *check_commits(void *context)
{
    const struct commits *c = context;

    return c->failed ? "a commit, a load or a reclaim failed" : NULL;
}

/* ---- Keeping views ----------------------------------------------------- */

/* Changes between the two views that are compared. */
#define DIFF_CHANGES 16

struct kept {
    struct commits *commits;
    FlatView *from;
    FlatView *to;
    uint64_t found; /* of the last comparison */
    uint64_t wrong;
};

static void *setup_kept(int64_t regions)
{
    struct kept *k = calloc(1, sizeof(*k));

    if (!k) {
        return NULL;
    }
    k->commits = setup_commits(regions);
    if (!k->commits) {
        return NULL;
    }
    k->from = xbar_view_keep(&k->commits->world->as);
    for (size_t i = 0; i < DIFF_CHANGES; i++) {
        k->wrong += memory_region_set_enabled(
                        &k->commits->world->extra[3 * i + 1], false) != 0;
    }
    k->to = xbar_view_keep(&k->commits->world->as);
    return k->from && k->to ? k : NULL;
}

static void teardown_kept(void *context)
{
    struct kept *k = context;

    xbar_view_release(k->from);
    xbar_view_release(k->to);
    teardown_commits(k->commits);
    free(k);
}

/* A change, a view kept, and the one before it released. */
static void run_keep(void *context, uint64_t operations)
{
    struct kept *k = context;

    while (operations--) {
        FlatView *next;

        run_commits(k->commits, 1);
        next = xbar_view_keep(&k->commits->world->as);
        if (!next) {
            k->wrong++;
            continue;
        }
        xbar_view_release(k->to);
        k->to = next;
    }
}

static const char *check_keep(void *context)
{
    const struct kept *k = context;

    return k->wrong ? "a view could not be kept" : check_commits(k->commits);
}

static bool count_difference(const FlatRange *from, const FlatRange *to,
                             void *opaque)
{
    struct kept *k = opaque;

    k->wrong += from == to;
    k->found++;
    return false;
}

static void run_diff(void *context, uint64_t operations)
{
    struct kept *k = context;

    while (operations--) {
        k->found = 0;
        k->wrong += xbar_view_diff(k->from, k->to, count_difference, k);
    }
}

static const char *check_diff(void *context)
{
    const struct kept *k = context;

    return k->wrong || k->found != DIFF_CHANGES
               ? "another number of sections differs"
               : NULL;
}

/* ---- Building ---------------------------------------------------------- */

enum build_kind {
    BUILD_EACH, /* in a transaction of its own */
    BUILD_BULK,
    BUILD_SIZES, /* in bulk, of any size anywhere */
};

#define BUILD_ARG(kind, n) ((int64_t)(n) << 8 | (kind))

struct build {
    struct xbar_engine *engine;
    MemoryRegion root;
    AddressSpace as;
    MemoryRegion *regions;
    size_t count;
    enum build_kind kind;
    bool is_built;
    bool is_wrong;
};

static uint64_t read_nothing(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static const MemoryRegionOps device_ops = {
    .read = read_nothing,
    .write = write_nothing,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void *setup_build(int64_t arg)
{
    struct build *b = calloc(1, sizeof(*b));

    if (!b) {
        return NULL;
    }
    b->kind = (enum build_kind)(arg & 255);
    b->count = (size_t)(arg >> 8);
    b->regions = calloc(b->count, sizeof(*b->regions));
    b->engine = world_engine_new();
    if (!b->regions || !b->engine || xbar_engine_enter(b->engine) ||
        memory_region_init(&b->root, NULL, NULL, UINT64_MAX) ||
        address_space_init(&b->as, &b->root, NULL)) {
        return NULL;
    }
    return b;
}

static void ignore_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static void take_down(struct build *b)
{
    if (!b->is_built) {
        return;
    }
    memory_region_transaction_begin();
    for (size_t i = 0; i < b->count; i++) {
        b->is_wrong |=
            xbar_region_destroy(&b->regions[i], ignore_end, NULL) != 0;
    }
    b->is_wrong |= memory_region_transaction_commit() != 0;
    b->is_wrong |= xbar_engine_reclaim(b->engine) < 0;
    b->is_built = false;
}

static void prepare_build(void *context)
{
    take_down(context);
}

static void teardown_build(void *context)
{
    struct build *b = context;

    take_down(b);
    address_space_destroy(&b->as);
    (void)xbar_region_destroy(&b->root, NULL, NULL);
    (void)xbar_engine_leave(b->engine);
    (void)xbar_engine_free(b->engine);
    free(b->regions);
    free(b);
}

static void build_all(struct build *b)
{
    uint64_t seed = BENCH_SEED;

    for (size_t i = 0; i < b->count; i++) {
        const uint64_t random =
            b->kind == BUILD_SIZES ? bench_random(&seed) : 0;
        const uint64_t size =
            b->kind == BUILD_SIZES ? 1 + random % 0x7fff : WORLD_PAGE;
        MemoryRegion *mr = &b->regions[i];

        b->is_wrong |=
            memory_region_init_io(mr, NULL, &device_ops, NULL, NULL, size) != 0;
        b->is_wrong |=
            memory_region_add_subregion(
                &b->root, world_extra_at(i) + (random >> 32) % 0x8000, mr) != 0;
    }
}

/* One call is one operation for each region. */
static void run_build(void *context, uint64_t operations)
{
    struct build *b = context;

    (void)operations;
    if (b->kind != BUILD_EACH) {
        memory_region_transaction_begin();
    }
    build_all(b);
    if (b->kind != BUILD_EACH) {
        b->is_wrong |= memory_region_transaction_commit() != 0;
    }
    b->is_built = true;
}

static const char *check_build(void *context)
{
    struct build *b = context;
    uint64_t sections;

    xbar_read_begin();
    sections = flatview_num_ranges(address_space_to_flatview(&b->as));
    xbar_read_end();
    if (b->is_wrong) {
        return "a call failed";
    }
    return sections == b->count ? NULL : "sections are missing";
}

/* What the view adds: the same tree, shown and not shown. */
static void report_build(void *context, struct bench_report *to)
{
    struct build *b = context;
    struct xbar_engine_stats shown;
    struct xbar_engine_stats hidden;

    (void)xbar_engine_reclaim(b->engine);
    xbar_engine_get_stats(b->engine, &shown);
    address_space_destroy(&b->as);
    xbar_engine_get_stats(b->engine, &hidden);
    if (address_space_init(&b->as, &b->root, NULL)) {
        return;
    }
    bench_counter(to, "view_bytes",
                  (double)(shown.bytes_live - hidden.bytes_live) /
                      (double)b->count);
    bench_counter(to, "region_bytes", (double)sizeof(MemoryRegion));
    if (b->kind == BUILD_BULK) {
        bench_counter(to, "view_bytes_bar", 130);
    }
    bench_counter(to, "bar", b->kind == BUILD_EACH ? 1000 : 2000);
}

/* ---- The floor --------------------------------------------------------- */

#define FLOOR_BYTES ((size_t)64 << 20)
#define FLOOR_LINE  64u
#define FLOOR_CELLS (FLOOR_BYTES / FLOOR_LINE)

struct chain {
    uint64_t *cells;
    uint64_t at;
};

/* A full-period generator modulo a power of two leads through all lines. */
static void *setup_chain(int64_t arg)
{
    struct chain *chain = calloc(1, sizeof(*chain));

    (void)arg;
    if (!chain) {
        return NULL;
    }
    chain->cells = mmap(NULL, FLOOR_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (chain->cells == MAP_FAILED) {
        free(chain);
        return NULL;
    }
    for (size_t i = 0; i < FLOOR_CELLS; i++) {
        chain->cells[i * (FLOOR_LINE / 8)] =
            (i * 1664525 + 1013904223) % FLOOR_CELLS * (FLOOR_LINE / 8);
    }
    return chain;
}

static void run_chain(void *context, uint64_t operations)
{
    struct chain *chain = context;

    while (operations--) {
        chain->at = chain->cells[bench_hide(chain->at)];
    }
}

static void teardown_chain(void *context)
{
    struct chain *chain = context;

    munmap(chain->cells, FLOOR_BYTES);
    free(chain);
}

#define FLOOR_LOADS (1u << 20)

/* Three loads that wait for one another, now. */
static void report_random(void *context, struct bench_report *to)
{
    struct chain *chain = setup_chain(0);
    struct timespec start;
    struct timespec end;

    (void)context;
    if (!chain) {
        return;
    }
    run_chain(chain, FLOOR_LOADS);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    run_chain(chain, FLOOR_LOADS);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    bench_counter(to, "bar",
                  3 *
                      ((double)(end.tv_sec - start.tv_sec) * 1e9 +
                       (double)(end.tv_nsec - start.tv_nsec)) /
                      FLOOR_LOADS);
    teardown_chain(chain);
}

/* ---- Looking up -------------------------------------------------------- */

#define ADDRESSES (1u << 20)
#define HOT       1024u /* that a core's first cache holds */

struct lookup {
    struct world *world;
    unsigned mask;
    uint64_t sum;
    uint64_t expected;
    hwaddr address[ADDRESSES];
};

/* Negative: any region, else the same one. */
static void *setup_lookup(int64_t regions)
{
    struct lookup *l = malloc(sizeof(*l));
    const uint64_t n = (uint64_t)(regions > 0 ? regions : -regions);
    uint64_t seed = BENCH_SEED;

    if (!l) {
        return NULL;
    }
    l->world = world_shared((size_t)n, WORLD_DEVICES);
    l->mask = regions > 0 ? HOT - 1 : ADDRESSES - 1;
    l->sum = 0;
    l->expected = 0;
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t random = bench_random(&seed);
        const uint64_t region = regions > 0 ? n / 2 : random % n;

        l->address[i] =
            world_extra_at((size_t)region) + (random >> 50) % WORLD_PAGE;
    }
    if (!l->world) {
        free(l);
        return NULL;
    }
    return l;
}

static void run_lookup(void *context, uint64_t operations)
{
    struct lookup *l = context;
    const unsigned mask = l->mask;
    uint64_t sum = 0;
    uint64_t expected = 0;
    const FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&l->world->as);
    for (uint64_t i = 0; i < operations; i++) {
        const hwaddr address = l->address[i & mask];
        const FlatRange *range = flatview_lookup(view, address);

        sum += range->first;
        expected += address / WORLD_PAGE * WORLD_PAGE;
    }
    xbar_read_end();
    l->sum += sum;
    l->expected += expected;
}

static const char *check_lookup(void *context)
{
    const struct lookup *l = context;

    return l->sum == l->expected ? NULL : "another section was found";
}

static void teardown_lookup(void *context)
{
    free(context);
}

/* ---- Rows -------------------------------------------------------------- */

#define REPORT_BAR(ns)                                              \
    static void report_##ns(void *context, struct bench_report *to) \
    {                                                               \
        (void)context;                                              \
        bench_counter(to, "bar", ns);                               \
    }

REPORT_BAR(5)
REPORT_BAR(25)
REPORT_BAR(300)
REPORT_BAR(600)
REPORT_BAR(3000)

#define COMMIT(label, n, report_bar)                                         \
    {                                                                        \
        .name = "flatview/commit/" label, .arg = n, .setup = setup_commits,  \
        .run = run_commits, .teardown = teardown_commits,                    \
        .check = check_commits, .report = report_bar, .batch = RECLAIM_EVERY \
    }

#define KEPT(label, n, run_row, check_row)                             \
    {                                                                  \
        .name = "flatview/" label, .arg = n, .setup = setup_kept,      \
        .run = run_row, .teardown = teardown_kept, .check = check_row, \
        .batch = RECLAIM_EVERY                                         \
    }

#define BUILD(label, kind, n)                                              \
    {                                                                      \
        .name = "flatview/build/" label "/" #n, .arg = BUILD_ARG(kind, n), \
        .setup = setup_build, .prepare = prepare_build, .run = run_build,  \
        .teardown = teardown_build, .check = check_build,                  \
        .report = report_build, .batch = (n)                               \
    }

#define LOOKUP(label, n, report_bar)                                           \
    {                                                                          \
        .name = "flatview/lookup/" label, .arg = n, .setup = setup_lookup,     \
        .run = run_lookup, .teardown = teardown_lookup, .check = check_lookup, \
        .report = report_bar                                                   \
    }

static const struct bench rows[] = {
    COMMIT("10", 10, report_300),
    COMMIT("100", 100, NULL),
    COMMIT("1000", 1000, NULL),
    COMMIT("10000", 10000, report_600),
    COMMIT("1000000", 1000000, report_3000),
    KEPT("keep/1000", 1000, run_keep, check_keep),
    KEPT("keep/1000000", 1000000, run_keep, check_keep),
    KEPT("diff/1000", 1000, run_diff, check_diff),
    KEPT("diff/1000000", 1000000, run_diff, check_diff),
    BUILD("each", BUILD_EACH, 1000),
    BUILD("each", BUILD_EACH, 4000),
    BUILD("bulk", BUILD_BULK, 1000000),
    BUILD("sizes", BUILD_SIZES, 1000000),
    LOOKUP("hot/64", 64, report_5),
    LOOKUP("hot/1000", 1000, NULL),
    LOOKUP("random/1000", -1000, NULL),
    LOOKUP("hot/1000000", 1000000, report_25),
    { .name = "flatview/floor/64MiB",
      .setup = setup_chain,
      .run = run_chain,
      .teardown = teardown_chain },
    LOOKUP("random/1000000", -1000000, report_random),
};

const struct bench_table bench_flatview = BENCH_TABLE(rows);
