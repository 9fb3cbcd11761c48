/* SPDX-License-Identifier: MIT */
/*
 * google-benchmark for C: benchmarks are rows of a table.
 *
 * A benchmark is a loop over its operation, so that nothing of the harness is
 * inside what is timed. The harness asks for thousands of operations a call.
 */
#ifndef XBAR_BENCH_GBENCH_H
#define XBAR_BENCH_GBENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench {
    const char *name; /* "area/what", or "area/what/parameter" */
    int64_t arg;      /* for setup */

    /*
     * Make what the loop works on; not timed. Kept until another row runs.
     * NULL in the table: run() gets NULL. Returning NULL: the benchmark is
     * reported as failed.
     */
    void *(*setup)(int64_t arg);
    void (*run)(void *context, uint64_t operations);
    void (*teardown)(void *context);

    uint64_t batch; /* operations a call of run(); 0: 4096 */
};

/* @table must outlive the program's run. */
void gbench_register(const struct bench *table, size_t count);

/* Parse google-benchmark's options and run. Return: the exit status. */
int gbench_main(int argc, char **argv);

/* The compiler must have @value, and may not assume memory is unchanged. */
static inline void bench_use(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* @value comes from nowhere: it cannot be folded or hoisted. */
static inline uint64_t bench_hide(uint64_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

#ifdef __cplusplus
}
#endif

#endif
