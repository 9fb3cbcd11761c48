/* SPDX-License-Identifier: MIT */
/*
 * What this host charges for the things every access is made of. No figure of
 * the library can be below the floors it stands on; and floors/add tells how
 * steady the clock was while the others ran.
 */
#include "bench.h"
#include "counter.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <urcu/static/urcu-bp.h>
#include <xbar/xbar.h>

/* One cycle each: a chain of additions that nothing can shorten. */
static void run_add(void *context, uint64_t operations)
{
    uint64_t value = 0;

    (void)context;
    for (uint64_t i = 0; i < operations; i += 8) {
#pragma GCC unroll 8
        for (unsigned k = 0; k < 8; k++) {
            value = bench_hide(value + 1);
        }
    }
    bench_use(value);
}

/* What the core's other thread leaves. */
static void run_add_parallel(void *context, uint64_t operations)
{
    (void)context;
    bench_add_parallel(operations);
}

/* Each load's address is the value of the one before: a cell that holds its
 * own. */
static void run_dependent_load(void *context, uint64_t operations)
{
    static const void *cell;
    const void *volatile const *next = (const void *volatile const *)&cell;

    (void)context;
    cell = &cell;
    while (operations--) {
        next = (const void *volatile const *)*next;
    }
    bench_use((uintptr_t)next);
}

/* Loads that do not wait for one another: as many as the core can start. */
static void run_load(void *context, uint64_t operations)
{
    static const volatile uint64_t words[8];

    (void)context;
    for (uint64_t i = 0; i < operations; i += 8) {
#pragma GCC unroll 8
        for (unsigned k = 0; k < 8; k++) {
            (void)words[k];
        }
    }
}

/* ---- A load that no cache has ------------------------------------------ */

#define CHAIN_BYTES ((size_t)256 << 20)
#define CHAIN_LINE  64u
#define CHAIN_CELLS (CHAIN_BYTES / CHAIN_LINE)

struct chain {
    uint8_t *cells;
    void *at;
};

static void **cell_of(struct chain *chain, size_t i)
{
    return (void **)(void *)(chain->cells + i * CHAIN_LINE);
}

/*
 * A random cycle through all lines: cell i leads to the next of a shuffled
 * order. Multiplication by an odd number permutes the indices, and is random
 * enough for any prefetcher.
 */
static void *setup_chain(int64_t arg)
{
    struct chain *chain = calloc(1, sizeof(*chain));
    size_t index = 0;

    (void)arg;
    if (!chain) {
        return NULL;
    }
    chain->cells = mmap(NULL, CHAIN_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (chain->cells == MAP_FAILED) {
        free(chain);
        return NULL;
    }
    for (size_t i = 0; i < CHAIN_CELLS; i++) {
        /* A full-period generator modulo a power of two. */
        size_t next = (index * 1664525 + 1013904223) % CHAIN_CELLS;

        *cell_of(chain, index) = cell_of(chain, next);
        index = next;
    }
    chain->at = cell_of(chain, 0);
    return chain;
}

static void run_chain(void *context, uint64_t operations)
{
    struct chain *chain = context;
    void *volatile *at = chain->at;

    while (operations--) {
        at = *at;
    }
    chain->at = (void *)at;
    bench_use((uintptr_t)at);
}

static void teardown_chain(void *context)
{
    struct chain *chain = context;

    munmap(chain->cells, CHAIN_BYTES);
    free(chain);
}

/* ---- Calls, locks, read sections --------------------------------------- */

static uint64_t answer(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    return addr + size;
}

static void run_indirect_call(void *context, uint64_t operations)
{
    uint64_t (*volatile callee)(void *, hwaddr, unsigned) = answer;

    (void)context;
    while (operations--) {
        bench_use(callee(NULL, operations, 4));
    }
}

static void run_mutex(void *context, uint64_t operations)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    (void)context;
    while (operations--) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    }
}

static void run_atomic_add(void *context, uint64_t operations)
{
    static uint64_t cell;

    (void)context;
    while (operations--) {
        __atomic_fetch_add(&cell, 1, __ATOMIC_SEQ_CST);
    }
}

static void run_counter(void *context, uint64_t operations)
{
    (void)context;
    while (operations--) {
        const uint64_t begin = counter_begin();

        bench_use(counter_end() - begin);
    }
}

/* liburcu's own, compiled into this program: what a read section costs. */
static void run_urcu_section(void *context, uint64_t operations)
{
    (void)context;
    while (operations--) {
        _urcu_bp_read_lock();
        _urcu_bp_read_unlock();
    }
}

static void run_read_section(void *context, uint64_t operations)
{
    (void)context;
    while (operations--) {
        xbar_read_begin();
        xbar_read_end();
    }
}

static const struct bench rows[] = {
    { .name = "floors/add", .run = run_add },
    { .name = "floors/add_parallel", .run = run_add_parallel },
    { .name = "floors/load", .run = run_load },
    { .name = "floors/dependent_load", .run = run_dependent_load },
    { .name = "floors/cache_miss",
      .setup = setup_chain,
      .run = run_chain,
      .teardown = teardown_chain },
    { .name = "floors/indirect_call", .run = run_indirect_call },
    { .name = "floors/mutex", .run = run_mutex },
    { .name = "floors/atomic_add", .run = run_atomic_add },
    { .name = "floors/urcu_section", .run = run_urcu_section },
    { .name = "floors/read_section", .run = run_read_section },
    { .name = "floors/counter", .run = run_counter },
};

const struct bench_table bench_floors = BENCH_TABLE(rows);
