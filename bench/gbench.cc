// SPDX-License-Identifier: MIT
// The shim: the only C++ of the benchmarks. google-benchmark calls a function
// several times to find how long to run it; what a row works on is made once.
#include "gbench.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

struct bench_report {
    benchmark::State *state;
};

namespace
{

struct Live {
    const struct bench *row = nullptr;
    void *context = nullptr;
    bool failed = false; // any row, ever

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

uint64_t batch_of(const struct bench *row)
{
    return row->batch ? row->batch : 4096;
}

void fail(benchmark::State &state, Live *live, const char *why)
{
    live->failed = true;
    state.SkipWithError(why);
}

void time_row(benchmark::State &state, Live *live, const struct bench *row)
{
    const uint64_t batch = batch_of(row);

    while (state.KeepRunningBatch(static_cast<int64_t>(batch))) {
        if (row->prepare) {
            state.PauseTiming();
            row->prepare(live->context);
            state.ResumeTiming();
        }
        row->run(live->context, batch);
    }
}

void run_row(benchmark::State &state, Live *live, const struct bench *row)
{
    if (!live->begin(row)) {
        fail(state, live, "setup failed");
        return;
    }
    if (row->prepare) {
        row->prepare(live->context);
    }
    row->run(live->context, row->batch ? row->batch : 256); // warm
    time_row(state, live, row);

    const char *wrong = row->check ? row->check(live->context) : nullptr;
    if (wrong) {
        fail(state, live, wrong);
        return;
    }
    if (row->report) {
        struct bench_report report = { &state };
        row->report(live->context, &report);
    }
}

Live *the_live()
{
    static Live live;
    return &live;
}

struct Row {
    benchmark::internal::Benchmark *made;
    const struct bench *row;
};

std::vector<Row> &the_rows()
{
    static std::vector<Row> rows;
    return rows;
}

// Takes our own options out of argv.
bool take_brief(int *argc, char **argv)
{
    bool found = false;
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (!std::strcmp(argv[i], "--brief")) {
            found = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return found;
}

} // namespace

extern "C" void gbench_register(const struct bench *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        auto *made = benchmark::RegisterBenchmark(table[i].name, run_row,
                                                  the_live(), &table[i]);
        if (table[i].flags & BENCH_REAL_TIME) {
            made->UseRealTime();
        }
        the_rows().push_back({ made, &table[i] });
    }
}

extern "C" int gbench_main(int argc, char **argv)
{
    if (take_brief(&argc, argv)) {
        for (const Row &each : the_rows()) {
            each.made->Iterations(static_cast<int64_t>(batch_of(each.row)));
        }
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    the_live()->end();
    benchmark::Shutdown();
    return the_live()->failed ? 1 : 0;
}

extern "C" void bench_counter(struct bench_report *to, const char *name,
                              double value)
{
    to->state->counters[name] = value;
}

extern "C" void bench_label(struct bench_report *to, const char *text)
{
    to->state->SetLabel(text);
}
