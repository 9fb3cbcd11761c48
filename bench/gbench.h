/* SPDX-License-Identifier: MIT */
/*
 * google-benchmark for C: benchmarks are rows of a table.
 *
 * A benchmark is a loop over its operation, so that nothing of the harness is
 * inside what is timed. The harness asks for thousands of operations a call.
 *
 * A row is timed in slices of half a millisecond. Counters: xbar_probe, ns, is
 * what an addition beside three others took at best in this process; xbar_alone,
 * ns, what an operation took in the slices right before and after which it took
 * no more than a tenth longer: while nobody else was on the core. It is not
 * there if these were less than a millisecond.
 */
#ifndef XBAR_BENCH_GBENCH_H
#define XBAR_BENCH_GBENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_report; /* where a row's further figures go */

enum bench_flags {
    /* The wall clock counts: other threads do part of the work, or the thread
     * sleeps. Else the thread's CPU time does. */
    BENCH_REAL_TIME = 1 << 0,
};

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

    /* Before each call of run(), not timed: for batches of 100 us and more, as
     * stopping the clock takes about one. */
    void (*prepare)(void *context);

    /*
     * Did every operation so far do what it should? NULL, or one line that
     * says what it did instead: then that is reported, and no figure.
     */
    const char *(*check)(void *context);

    /* More figures than the time: bench_counter(), bench_label(). */
    void (*report)(void *context, struct bench_report *to);

    unsigned flags; /* enum bench_flags */
};

/* @table must outlive the program's run. */
void gbench_register(const struct bench *table, size_t count);

/*
 * Parse google-benchmark's options and run. One of our own: --brief calls
 * run() of each row once, for its check.
 *
 * Return: the exit status: 1 if a check failed.
 */
int gbench_main(int argc, char **argv);

/* Inside bench.report() only; texts are copied. */
void bench_counter(struct bench_report *to, const char *name, double value);
void bench_label(struct bench_report *to, const char *text);

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

/*
 * Four chains of additions side by side keep the adders of a core busy: what the
 * core's other thread takes away shows here, and not in one chain. @operations
 * is a multiple of 32.
 */
static inline void bench_add_parallel(uint64_t operations)
{
    uint64_t value[4] = { 0, 0, 0, 0 };

    for (uint64_t i = 0; i < operations; i += 32) {
#pragma GCC unroll 32
        for (unsigned k = 0; k < 32; k++) {
            value[k % 4] = bench_hide(value[k % 4] + 1);
        }
    }
    bench_use(value[0] + value[1] + value[2] + value[3]);
}

/* xorshift64: the same addresses in every run. @state is never 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

#define BENCH_SEED UINT64_C(88172645463325252)

#ifdef __cplusplus
}
#endif

#endif
