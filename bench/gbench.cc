// SPDX-License-Identifier: MIT
// The shim: the only C++ of the benchmarks. google-benchmark calls a function
// several times to find how long to run it; what a row works on is made once.
#include "gbench.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
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

// ---- Who else is on the core ----------------------------------------------
//
// What a neighbour on the core's other thread takes away shows in additions
// side by side, and on a shared host comes and goes by milliseconds. So a row
// is timed in slices between two probes of that; the slices that were alone
// are a figure of their own. A probe knows nothing of what is measured.

using Clock = std::chrono::steady_clock;

double ns_since(Clock::time_point begun)
{
    const std::chrono::duration<double, std::nano> took = Clock::now() - begun;

    return took.count();
}

constexpr double SLICE_NS = 500e3;
constexpr double ALONE_NS = 1e6; // fewer of those are no figure
constexpr double TOLERANCE = 1.1;
constexpr uint64_t PROBE_ADDITIONS = 1 << 17; // some 10 us

// ns of an addition; the least there was.
double least_probed;

double probe()
{
    const auto begun = Clock::now();
    double took;

    bench_add_parallel(PROBE_ADDITIONS);
    took = ns_since(begun) / PROBE_ADDITIONS;
    if (least_probed == 0 || took < least_probed) {
        least_probed = took;
    }
    return took;
}

// What a core gives at best is not known from its first 10 us.
void probe_at_length()
{
    for (int i = 0; i < 3000; i++) {
        probe();
    }
}

struct Slice {
    double probed; // the worse of both
    double ns;
    uint64_t operations;
};

class Slices
{
  public:
    Slices(bool is_real, uint64_t operations_each)
        : clock(is_real ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID),
          most(operations_each)
    {
    }

    void begin()
    {
        probed = probe();
        operations = 0;
        begun = now();
    }

    // Is it long enough?
    bool add(uint64_t n)
    {
        operations += n;
        return operations >= most;
    }

    void end()
    {
        const double ns = now() - begun;

        all.push_back({ std::max(probed, probe()), ns, operations });
    }

    void report(benchmark::State &state) const
    {
        double ns = 0;
        uint64_t count = 0;

        for (const Slice &slice : all) {
            if (slice.probed <= least_probed * TOLERANCE) {
                ns += slice.ns;
                count += slice.operations;
            }
        }
        state.counters["xbar_probe"] = least_probed;
        if (ns >= ALONE_NS) {
            state.counters["xbar_alone"] = ns / static_cast<double>(count);
        }
    }

  private:
    double now() const
    {
        struct timespec at;

        clock_gettime(clock, &at);
        return static_cast<double>(at.tv_sec) * 1e9 +
               static_cast<double>(at.tv_nsec);
    }

    const clockid_t clock;
    const uint64_t most; // operations of a slice
    double probed = 0;
    double begun = 0;
    uint64_t operations = 0;
    std::vector<Slice> all;
};

// ---- Rows ------------------------------------------------------------------

// Operations of a slice; a call of run() is warmed by it, too.
uint64_t slice_of(const struct bench *row, void *context)
{
    const uint64_t batch = batch_of(row);
    const auto begun = Clock::now();
    uint64_t fit;
    double took;

    if (row->prepare) {
        return batch;
    }
    row->run(context, batch);
    took = ns_since(begun);
    fit = static_cast<uint64_t>(SLICE_NS / std::max(took, 1.0));
    return batch * std::max<uint64_t>(1, fit);
}

void time_row(benchmark::State &state, Live *live, const struct bench *row)
{
    if (least_probed == 0) {
        probe_at_length();
    }

    const uint64_t batch = batch_of(row);
    Slices slices(row->flags & BENCH_REAL_TIME, slice_of(row, live->context));
    bool is_open = false;

    while (state.KeepRunningBatch(static_cast<int64_t>(batch))) {
        if (!is_open) {
            state.PauseTiming();
            if (row->prepare) {
                row->prepare(live->context);
            }
            slices.begin();
            is_open = true;
            state.ResumeTiming();
        }
        row->run(live->context, batch);
        if (slices.add(batch)) {
            state.PauseTiming();
            slices.end();
            is_open = false;
            state.ResumeTiming();
        }
    }
    slices.report(state);
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
