/* SPDX-License-Identifier: MIT */
/*
 * xbar_bench: nanoseconds per operation of the library's public calls.
 *
 *     xbar_bench --benchmark_filter=access/ --benchmark_repetitions=5
 *
 * `./dev bench` runs it in rounds, beside the peers, and makes the report.
 * Method, and what the figures were: docs/benchmarks.md.
 */
#include "bench.h"
#include "world.h"

static void add(const struct bench_table *table)
{
    gbench_register(table->rows, table->count);
}

int main(int argc, char **argv)
{
    int status;

    add(&bench_floors);
    bench_dispatch_register();
    add(&bench_access);
    bench_regions_register();
    add(&bench_latency);
    add(&bench_tlb);
    add(&bench_emit);
    add(&bench_flatview);
    add(&bench_beside);
    add(&bench_hart);
    add(&bench_code);
    add(&bench_snapshot);
    add(&bench_threads);
#ifdef XBAR_BENCH_PLUG
    add(&bench_plug);
#endif
    status = gbench_main(argc, argv);
    world_shared_end();
    return status;
}
