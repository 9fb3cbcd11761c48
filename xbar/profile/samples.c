/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unwind.h"

#define SLOTS_MIN   1024
#define SLOTS_MAX   (1 << 16)
#define CHAINS_MIN  64
#define RESIDENT_NS 50000000 /* asking is a system call */
#define ITEMS_MIN   4096
#define ITEMS_MAX   (1 << 20)

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

/* Where @chain is or would be noted. */
static uint32_t *find_slot(const struct samples *samples,
                           const struct chain *chain)
{
    size_t i = (size_t)(hash_chain(chain) >> 20);

    for (;; i++) {
        uint32_t *slot = &samples->slots[i & (samples->num_slots - 1)];

        if (!*slot || is_same(&samples->chains[*slot - 1], chain)) {
            return slot;
        }
    }
}

static bool grow_slots(struct samples *samples)
{
    size_t num_slots = samples->num_slots ? 2 * samples->num_slots : SLOTS_MIN;
    uint32_t *slots =
        num_slots <= SLOTS_MAX ? calloc(num_slots, sizeof(*slots)) : NULL;

    if (!slots) {
        return false;
    }
    free(samples->slots);
    samples->slots = slots;
    samples->num_slots = num_slots;
    for (size_t i = 0; i < samples->num_chains; i++) {
        *find_slot(samples, &samples->chains[i]) = (uint32_t)i + 1;
    }
    return true;
}

static bool grow_chains(struct samples *samples)
{
    size_t room = samples->chains_room ? 2 * samples->chains_room : CHAINS_MIN;
    struct chain *chains =
        realloc(samples->chains, room * sizeof(*samples->chains));

    if (!chains) {
        return false;
    }
    samples->chains = chains;
    samples->chains_room = room;
    return true;
}

/* False: there is no room for another one. */
static bool reserve_chain(struct samples *samples)
{
    return (samples->num_chains * 4 < samples->num_slots * 3 ||
            grow_slots(samples)) &&
           (samples->num_chains < samples->chains_room || grow_chains(samples));
}

/* Chains lie side by side, each as long as the deepest, and what is not used of
 * one is not touched. NULL: there is no room for another one. */
static struct chain *intern(struct samples *samples, const struct chain *chain,
                            unsigned count)
{
    struct chain *found;
    uint32_t *slot;

    if (!reserve_chain(samples)) {
        return NULL;
    }
    slot = find_slot(samples, chain);
    if (!*slot) {
        found = &samples->chains[samples->num_chains];
        found->count = 0;
        found->depth = chain->depth;
        memcpy(found->pcs, chain->pcs, chain->depth * sizeof(chain->pcs[0]));
        *slot = (uint32_t)++samples->num_chains;
    }
    found = &samples->chains[*slot - 1];
    found->count += count;
    return found;
}

static bool reserve_item(struct samples *samples)
{
    size_t room = samples->room ? 2 * samples->room : ITEMS_MIN;
    struct sample *items;

    if (samples->count < samples->room) {
        return true;
    }
    items = room <= ITEMS_MAX ? realloc(samples->items, room * sizeof(*items))
                              : NULL;
    if (!items) {
        return false;
    }
    samples->items = items;
    samples->room = room;
    return true;
}

static void add_item(struct samples *samples, uint64_t ns, uint32_t chain)
{
    if (reserve_item(samples)) { /* otherwise it is in its chain's count */
        samples->items[samples->count++] = (struct sample){ ns, chain };
    }
}

/* ---- Points ------------------------------------------------------------ */

/* Pages that are there, of all that the process has mapped. The file stays open:
 * to open it takes much longer than to read it. */
static uint64_t resident_bytes(struct samples *samples)
{
    char text[64];
    const char *pages;
    ssize_t got;

    if (!samples->statm) {
        samples->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC) + 1;
    }
    got = pread(samples->statm - 1, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    pages = strchr(text, ' ');
    return pages ? strtoull(pages, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE)
                 : 0;
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
        samples->resident = resident_bytes(samples);
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

void samples_start(struct samples *samples)
{
    (void)reserve_chain(samples);
    (void)reserve_item(samples);
    (void)resident_bytes(samples);
}

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

/* The hottest first; items follow. False: memory is short. */
static bool sort_chains(struct samples *samples)
{
    size_t count = samples->num_chains;
    struct order *order = calloc(count + 1, sizeof(*order));
    uint32_t *places = calloc(count + 1, sizeof(*places));
    struct chain *chains = calloc(count + 1, sizeof(*chains));
    bool ok = order && places && chains;

    for (size_t i = 0; ok && i < count; i++) {
        order[i] = (struct order){ samples->chains[i].count, (uint32_t)i };
    }
    if (ok) {
        qsort(order, count, sizeof(*order), compare);
        for (size_t i = 0; i < count; i++) {
            chains[i] = samples->chains[order[i].place];
            places[order[i].place] = (uint32_t)i;
        }
        for (size_t i = 0; i < samples->count; i++) {
            samples->items[i].chain = places[samples->items[i].chain];
        }
        free(samples->chains);
        samples->chains = chains;
        samples->chains_room = count + 1;
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
    free(samples->slots);
    samples->slots = NULL;
    samples->num_slots = 0;
    if (!sort_chains(samples)) {
        samples->lost = samples->total;
        samples->num_chains = 0;
        samples->count = 0;
    }
}

void samples_end(struct samples *samples)
{
    free(samples->slots);
    free(samples->chains);
    free(samples->items);
    if (samples->statm > 0) {
        close(samples->statm - 1);
    }
    memset(samples, 0, sizeof(*samples));
}
