/* SPDX-License-Identifier: MIT */
/*
 * xbar_bench: nanoseconds per operation of the library's public calls.
 *
 *     xbar_bench --benchmark_filter=access/ --benchmark_repetitions=5
 *
 * Method, and what the figures were: docs/benchmarks.md.
 */
#include "bench.h"

int main(int argc, char **argv)
{
    const struct bench_table *tables[] = {
        &bench_floors, &bench_access, &bench_tlb,
        &bench_emit,   &bench_lookup, &bench_commit,
    };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        gbench_register(tables[i]->rows, tables[i]->count);
    }
    return gbench_main(argc, argv);
}
