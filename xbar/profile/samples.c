/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unwind.h"

#define CAPACITY_MIN 1024
#define RESIDENT_NS  50000000 /* asking costs three system calls */
#define CHAINS_MAX   (1 << 16)
#define ITEMS_MIN    4096
#define ITEMS_MAX    (1 << 20)

/* ---- Chains ------------------------------------------------------------ */

static uint64_t hash_chain(const struct chain *chain)
{
    uint64_t hash = chain->depth;

    for (unsigned i = 0; i < chain->depth; i++) {
        hash = (hash ^ chain->pcs[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static bool is_same(const struct chain *a, const struct chain *b)
{
    return a->depth == b->depth &&
           memcmp(a->pcs, b->pcs, a->depth * sizeof(a->pcs[0])) == 0;
}

static struct chain *find_slot(const struct samples *samples,
                               const struct chain *chain)
{
    size_t i = (size_t)(hash_chain(chain) >> 20);

    for (;; i++) {
        struct chain *slot = &samples->chains[i & (samples->capacity - 1)];

        if (!slot->count || is_same(slot, chain)) {
            return slot;
        }
    }
}

/* Chains move, so samples that name them by place are told where to. */
static bool grow_chains(struct samples *samples)
{
    size_t capacity = samples->capacity ? 2 * samples->capacity : CAPACITY_MIN;
    struct samples old = *samples;
    uint32_t *places = calloc(old.capacity + 1, sizeof(*places));
    struct chain *chains =
        capacity <= CHAINS_MAX ? calloc(capacity, sizeof(*chains)) : NULL;

    if (!chains || !places) {
        free(chains);
        free(places);
        return false;
    }
    samples->chains = chains;
    samples->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.chains[i].count) {
            struct chain *slot = find_slot(samples, &old.chains[i]);

            *slot = old.chains[i];
            places[i] = (uint32_t)(slot - chains);
        }
    }
    for (size_t i = 0; i < samples->count; i++) {
        samples->items[i].chain = places[samples->items[i].chain];
    }
    free(places);
    free(old.chains);
    return true;
}

/* NULL: there is no room for another one. */
static struct chain *intern(struct samples *samples, const struct chain *chain,
                            unsigned count)
{
    struct chain *slot;

    if (samples->num_chains * 4 >= samples->capacity * 3 &&
        !grow_chains(samples)) {
        return NULL;
    }
    slot = find_slot(samples, chain);
    if (!slot->count) {
        *slot = *chain;
        samples->num_chains++;
    }
    slot->count += count;
    return slot;
}

static void add_item(struct samples *samples, uint64_t ns, uint32_t chain)
{
    if (samples->count == samples->room) {
        size_t room = samples->room ? 2 * samples->room : ITEMS_MIN;
        struct sample *items =
            room <= ITEMS_MAX ? realloc(samples->items, room * sizeof(*items))
                              : NULL;

        if (!items) {
            return; /* it is in its chain's count */
        }
        samples->items = items;
        samples->room = room;
    }
    samples->items[samples->count++] = (struct sample){ ns, chain };
}

/* ---- Points ------------------------------------------------------------ */

/* Pages that are there, of all that the process has mapped. */
static uint64_t resident_bytes(void)
{
    char text[64];
    unsigned long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0) {
        close(fd);
    }
    if (got <= 0) {
        return 0;
    }
    text[got] = '\0';
    (void)sscanf(text, "%*u %lu", &pages);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void thin_points(struct samples *samples)
{
    for (unsigned i = 0; i < SAMPLES_POINTS / 2; i++) {
        samples->points[i] = samples->points[2 * i]; /* the first stays */
    }
    samples->num_points = SAMPLES_POINTS / 2;
    samples->distance =
        (samples->points[samples->num_points - 1].ns - samples->points[0].ns) /
        (samples->num_points - 1);
}

static void add_point(struct samples *samples,
                      const struct xbar_riscv_hart *hart,
                      struct xbar_engine *engine, uint64_t ns)
{
    struct xbar_riscv_stats stats;
    struct xbar_engine_stats memory;

    if (samples->num_points == SAMPLES_POINTS) {
        thin_points(samples);
    }
    xbar_riscv_get_stats(hart, &stats);
    xbar_engine_get_stats(engine, &memory);
    if (ns - samples->resident_ns >= RESIDENT_NS || !samples->resident) {
        samples->resident = resident_bytes();
        samples->resident_ns = ns;
    }
    samples->points[samples->num_points++] = (struct point){
        .ns = ns,
        .instructions = stats.instructions,
        .walks = stats.tlb.walks,
        .l2_hits = stats.tlb.l2_hits,
        .mmio = stats.tlb.mmio_reads + stats.tlb.mmio_writes,
        .commits = memory.commits,
        .engine_bytes = memory.bytes_live,
        .code_bytes = stats.jit.code_bytes,
        .resident = samples->resident,
    };
}

/* ---- Samples ----------------------------------------------------------- */

/* What the next sample counts, so many periods after the last. */
static unsigned next_count(const struct samples *samples)
{
    uint64_t times = samples->taken / SAMPLES_HALVE;

    return times < 16 && 1U << times < SAMPLES_COUNT_MAX ? 1U << times
                                                         : SAMPLES_COUNT_MAX;
}

static bool is_far_enough(const struct samples *samples, uint64_t ns)
{
    return samples->num_points == 0 ||
           ns - samples->points[samples->num_points - 1].ns >=
               samples->distance;
}

unsigned samples_add(struct samples *samples,
                     const struct xbar_riscv_hart *hart,
                     struct xbar_engine *engine, uint64_t ns)
{
    struct chain chain = { .depth = 1, .pcs = { xbar_riscv_get_pc(hart) } };
    unsigned count = next_count(samples);
    struct chain *slot;

    chain.depth += unwind(hart, &chain.pcs[1], SAMPLES_DEPTH - 1);
    slot = intern(samples, &chain, count);
    if (slot) {
        add_item(samples, ns, (uint32_t)(slot - samples->chains));
    } else {
        samples->lost += count;
    }
    samples->taken++;
    samples->total += count;
    samples->squares += (uint64_t)count * count;
    if (is_far_enough(samples, ns)) {
        add_point(samples, hart, engine, ns);
    }
    return next_count(samples) * SAMPLES_PERIOD_US;
}

/* Samples that count differently tell as much as total^2 / squares that count
 * the same. */
double samples_margin(const struct samples *samples)
{
    double total = (double)samples->total;
    double alike =
        samples->squares ? total * total / (double)samples->squares : 0;

    return alike > 1 ? 1.96 * 0.5 / sqrt(alike) : 1;
}

struct order {
    uint64_t count;
    uint32_t place;
};

static int compare(const void *a, const void *b)
{
    const struct order *x = a;
    const struct order *y = b;

    if (x->count != y->count) {
        return x->count < y->count ? 1 : -1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

/* Without holes, the hottest first; items follow. False: memory is short. */
static bool sort_chains(struct samples *samples)
{
    struct order *order = calloc(samples->num_chains + 1, sizeof(*order));
    uint32_t *places = calloc(samples->capacity + 1, sizeof(*places));
    struct chain *chains = calloc(samples->num_chains + 1, sizeof(*chains));
    bool ok = order && places && chains;
    size_t n = 0;

    for (size_t i = 0; ok && i < samples->capacity; i++) {
        if (samples->chains[i].count) {
            order[n++] =
                (struct order){ samples->chains[i].count, (uint32_t)i };
        }
    }
    if (ok) {
        qsort(order, n, sizeof(*order), compare);
        for (size_t i = 0; i < n; i++) {
            chains[i] = samples->chains[order[i].place];
            places[order[i].place] = (uint32_t)i;
        }
        for (size_t i = 0; i < samples->count; i++) {
            samples->items[i].chain = places[samples->items[i].chain];
        }
        free(samples->chains);
        samples->chains = chains;
        samples->capacity = 0;
    } else {
        free(chains);
    }
    free(order);
    free(places);
    return ok;
}

void samples_finish(struct samples *samples, const struct xbar_riscv_hart *hart,
                    struct xbar_engine *engine, uint64_t ns)
{
    add_point(samples, hart, engine, ns);
    if (!sort_chains(samples)) {
        samples->lost = samples->total;
        samples->num_chains = 0;
        samples->count = 0;
    }
}

void samples_end(struct samples *samples)
{
    free(samples->chains);
    free(samples->items);
    memset(samples, 0, sizeof(*samples));
}
