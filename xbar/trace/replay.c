/* SPDX-License-Identifier: MIT */
/*
 * Each access goes to dispatch as it was recorded: the region's, by offset and
 * size, in order, with what came in between. What it reads, its result and the
 * lines of the hart must be what they were.
 *
 * What dispatch takes is measured one by one, by the host's counter, less what
 * two readings of that take.
 */
#include "trace/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "host_clock.h"
#include "profile/histogram.h"
#include "profile/ticks.h"
#include "text.h"
#include "trace/dump.h"
#include "trace/source.h"
#include "trace/stage.h"

#define CLOCK_ROUNDS 1000

/* The counter may step by more than an access takes: then the mean knows more
 * than percentiles do. */
struct latency {
    struct histogram ticks; /* without those of reading the counter */
    uint64_t sum;           /* with them */
};

struct replay {
    struct trace_source *source;
    struct stage stage;
    uint64_t clock_ticks; /* of two readings of the counter: median */
    double clock_mean;
    uint64_t ns; /* of the trace */
    uint64_t inputs;
    uint64_t differences;
    uint64_t line_difference; /* that was told */
    char title[TRACE_BYTES_MAX + 1];
    struct latency latency[TRACE_REGIONS_MAX][2]; /* read, write */
};

/* ---- Differences ------------------------------------------------------- */

/* Only the first is told: the others often follow from it. */
static bool is_first(struct replay *replay)
{
    if (replay->differences++) {
        return false;
    }
    fprintf(stderr,
            "xbar: %s: access %" PRIu64 ", after %.6f s: ", replay->stage.name,
            trace_source_accesses(replay->source), (double)replay->ns / 1e9);
    return true;
}

static void check_access(struct replay *replay, const struct trace_event *event,
                         uint64_t value, MemTxResult result)
{
    const struct trace_site *site = &event->site;
    const struct trace_region *region =
        trace_source_region(replay->source, site->region);
    bool is_write = site->flags & TRACE_WRITE;

    bool is_read = !is_write && site->result == MEMTX_OK;

    if (result == site->result && (!is_read || value == event->value)) {
        return;
    }
    if (!is_first(replay)) {
        return;
    }
    fprintf(stderr, "pc 0x%" PRIx64 " %s %u bytes of %s + 0x%" PRIx64 ": ",
            site->pc, is_write ? "writes" : "reads", site->size, region->name,
            site->offset);
    if (result != site->result) {
        fprintf(stderr, "result %u, and not %" PRIu32 " as recorded\n", result,
                site->result);
    } else {
        fprintf(stderr, "0x%" PRIx64 ", and not 0x%" PRIx64 " as recorded\n",
                value, event->value);
    }
}

static void check_lines(struct replay *replay)
{
    uint64_t wrong = replay->stage.lines ^ replay->stage.recorded_lines;

    if (wrong && wrong != replay->line_difference && is_first(replay)) {
        unsigned line = (unsigned)__builtin_ctzll(wrong);

        fprintf(stderr,
                "interrupt line %u of the hart is %s, and not as recorded\n",
                line, replay->stage.lines >> line & 1 ? "up" : "down");
    }
    replay->line_difference = wrong;
}

/* ---- Accesses ---------------------------------------------------------- */

static MemTxResult dispatch(MemoryRegion *mr, const struct trace_site *site,
                            uint64_t *value)
{
    MemOp op = (MemOp)((unsigned)__builtin_ctz(site->size) | (unsigned)MO_LE);

    return site->flags & TRACE_WRITE
               ? memory_region_dispatch_write(mr, site->offset, *value, op,
                                              MEMTXATTRS_UNSPECIFIED)
               : memory_region_dispatch_read(mr, site->offset, value, op,
                                             MEMTXATTRS_UNSPECIFIED);
}

static void play_access(struct replay *replay, const struct trace_event *event)
{
    const struct trace_site *site = &event->site;
    MemoryRegion *mr = replay->stage.regions[site->region];
    bool is_write = site->flags & TRACE_WRITE;
    uint64_t value = is_write ? event->value : 0;
    uint64_t start = ticks_now();
    MemTxResult result = dispatch(mr, site, &value);
    uint64_t ticks = ticks_now() - start;
    struct latency *latency = &replay->latency[site->region][is_write];

    latency->sum += ticks;
    histogram_add(&latency->ticks,
                  ticks > replay->clock_ticks ? ticks - replay->clock_ticks : 0,
                  1);
    stage_settle(&replay->stage);
    check_access(replay, event, value, result);
    check_lines(replay);
}

static void measure_clock(struct replay *replay)
{
    struct histogram taken = { 0 };

    for (unsigned i = 0; i < CLOCK_ROUNDS; i++) {
        uint64_t start = ticks_now();

        histogram_add(&taken, ticks_now() - start, 1);
    }
    replay->clock_ticks = histogram_quantile(&taken, 0.5);
    replay->clock_mean = (double)taken.sum / CLOCK_ROUNDS;
}

static int play_all(struct replay *replay, Error **errp)
{
    struct trace_event event;
    int ret;

    while ((ret = trace_source_next(replay->source, &event, errp)) > 0) {
        replay->ns = event.ns;
        if (event.kind == TRACE_ACCESS) {
            play_access(replay, &event);
            continue;
        }
        if (event.kind == TRACE_BOARD) {
            char title[sizeof(replay->title)];

            snprintf(title, sizeof(title), "%.*s", (int)event.num_bytes,
                     (const char *)event.bytes);
            text_clean(replay->title, sizeof(replay->title), title);
        }
        replay->inputs += trace_is_input(event.kind);
        if (stage_apply(&replay->stage, &event, errp)) {
            return -EINVAL;
        }
    }
    return ret;
}

/* ---- Report ------------------------------------------------------------ */

static double mean_ticks(const struct replay *replay, uint64_t sum,
                         uint64_t count)
{
    double mean = (double)sum / (double)count - replay->clock_mean;

    return mean > 0 ? mean : 0;
}

static void print_row(const struct replay *replay, unsigned region,
                      bool is_write, double tick_ns)
{
    const struct latency *latency = &replay->latency[region][is_write];
    const struct histogram *h = &latency->ticks;

    if (h->count) {
        printf("%-20s %-5s %12" PRIu64 " %7.1f %7.0f %7.0f %9.0f\n",
               trace_source_region(replay->source, region)->name,
               is_write ? "write" : "read", h->count,
               mean_ticks(replay, latency->sum, h->count) * tick_ns,
               (double)histogram_quantile(h, 0.5) * tick_ns,
               (double)histogram_quantile(h, 0.99) * tick_ns,
               (double)h->max * tick_ns);
    }
}

static void report(const struct replay *replay, double tick_ns)
{
    uint64_t accesses = trace_source_accesses(replay->source);
    uint64_t sum = 0;

    printf("%s: %s, %.3f s: %" PRIu64 " accesses, %" PRIu64 " inputs\n",
           replay->stage.name, replay->title, (double)replay->ns / 1e9,
           accesses, replay->inputs);
    if (replay->differences) {
        printf("%" PRIu64 " times it was not as recorded\n",
               replay->differences);
    } else {
        printf("all that was read is as recorded\n");
    }
    printf("\n%-26s %12s %7s %7s %7s %9s\n", "dispatch, ns", "accesses", "mean",
           "p50", "p99", "max");
    for (unsigned i = 0; i < replay->stage.num_regions; i++) {
        print_row(replay, i, false, tick_ns);
        print_row(replay, i, true, tick_ns);
        sum += replay->latency[i][0].sum + replay->latency[i][1].sum;
    }
    if (accesses) {
        printf("%-26s %12" PRIu64 " %7.1f\n", "all", accesses,
               mean_ticks(replay, sum, accesses) * tick_ns);
    }
}

static int play(struct replay *replay, Error **errp)
{
    uint64_t start_ticks = ticks_now();
    uint64_t start = host_clock_ns(CLOCK_MONOTONIC);
    double tick_ns;
    int ret;

    measure_clock(replay);
    ret = play_all(replay, errp);
    tick_ns = (double)(host_clock_ns(CLOCK_MONOTONIC) - start) /
              (double)(ticks_now() - start_ticks + 1);
    if (ret == 0 || trace_source_accesses(replay->source)) {
        report(replay, tick_ns);
    }
    return ret ? ret : replay->differences != 0;
}

int replay_command(const struct options *options, Error **errp)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    int ret = -EINVAL;

    if (!replay) {
        error_setg(errp, "no memory for a replay");
        return -ENOMEM;
    }
    replay->source = trace_source_open(options->trace, errp);
    if (replay->source && options->json) {
        ret = trace_dump(replay->source, stdout, errp);
    } else if (replay->source) {
        stage_init(&replay->stage, options->trace);
        ret = play(replay, errp);
        stage_end(&replay->stage);
    }
    trace_source_close(replay->source);
    free(replay);
    return ret;
}
