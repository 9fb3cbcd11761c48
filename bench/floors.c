/* SPDX-License-Identifier: MIT */
/*
 * What this host charges for the things every access is made of. No figure of
 * the library can be below the floors it stands on; and floors/add tells how
 * steady the clock was while the others ran.
 */
#include "bench.h"

#include <pthread.h>
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

/*
 * Four chains side by side keep the adders of a core busy: what the core's
 * other thread takes away shows here, and not in the chain above.
 */
static void run_add_parallel(void *context, uint64_t operations)
{
    uint64_t value[4] = { 0 };

    (void)context;
    for (uint64_t i = 0; i < operations; i += 32) {
#pragma GCC unroll 32
        for (unsigned k = 0; k < 32; k++) {
            value[k % 4] = bench_hide(value[k % 4] + 1);
        }
    }
    bench_use(value[0] + value[1] + value[2] + value[3]);
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
    { .name = "floors/dependent_load", .run = run_dependent_load },
    { .name = "floors/indirect_call", .run = run_indirect_call },
    { .name = "floors/mutex", .run = run_mutex },
    { .name = "floors/read_section", .run = run_read_section },
};

const struct bench_table bench_floors = BENCH_TABLE(rows);
