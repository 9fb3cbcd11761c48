// SPDX-License-Identifier: MIT
// The shim: the only C++ of the benchmarks. google-benchmark calls a function
// several times to find how long to run it; what a row works on is made once.
#include "gbench.h"

#include <benchmark/benchmark.h>

namespace
{

struct Live {
    const struct bench *row = nullptr;
    void *context = nullptr;

    void end()
    {
        if (row && row->teardown) {
            row->teardown(context);
        }
        row = nullptr;
    }

    // False: its setup failed.
    bool begin(const struct bench *wanted)
    {
        if (row == wanted) {
            return true;
        }
        end();
        context = wanted->setup ? wanted->setup(wanted->arg) : nullptr;
        if (wanted->setup && !context) {
            return false;
        }
        row = wanted;
        return true;
    }
};

void run_row(benchmark::State &state, Live *live, const struct bench *row)
{
    const int64_t batch = row->batch ? static_cast<int64_t>(row->batch) : 4096;

    if (!live->begin(row)) {
        state.SkipWithError("setup failed");
        return;
    }
    row->run(live->context, row->batch ? row->batch : 256); // warm
    while (state.KeepRunningBatch(batch)) {
        row->run(live->context, static_cast<uint64_t>(batch));
    }
}

Live *the_live()
{
    static Live live;
    return &live;
}

} // namespace

extern "C" void gbench_register(const struct bench *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        benchmark::RegisterBenchmark(table[i].name, run_row, the_live(),
                                     &table[i]);
    }
}

extern "C" int gbench_main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    the_live()->end();
    benchmark::Shutdown();
    return 0;
}
