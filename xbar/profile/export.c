/* SPDX-License-Identifier: MIT */
#include "export.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const char *name_of(const struct report *report, uint32_t place)
{
    return report->functions.items[place].function.name;
}

static unsigned find_chain(const struct report *report,
                           const struct chain *chain,
                           uint32_t places[SAMPLES_DEPTH])
{
    return functions_of_chain(&report->functions, &report->symbols,
                              &report->code, chain, places);
}

/* ---- Folded stacks ----------------------------------------------------- */

/* Names of C++ may have the separator in them. */
static void print_frame(const char *name, FILE *out)
{
    for (; *name; name++) {
        putc(*name == ';' ? ':' : *name, out);
    }
}

int export_folded(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->samples.num_chains; i++) {
        const struct chain *chain = &report->samples.chains[i];
        uint32_t places[SAMPLES_DEPTH];
        unsigned depth = find_chain(report, chain, places);

        for (unsigned k = 0; k < depth; k++) {
            fputs(k ? ";" : "", out);
            print_frame(name_of(report, places[k]), out);
        }
        fprintf(out, " %" PRIu64 "\n", chain->count);
    }
    return ferror(out) ? -EIO : 0;
}

/* ---- Chrome trace ------------------------------------------------------ */

/* The slices that are open: each is a function that consecutive samples had
 * at one depth of their chains. */
struct slices {
    const struct report *report;
    FILE *out;
    unsigned depth;
    uint32_t places[SAMPLES_DEPTH];
    bool is_first; /* no event was written yet */
    bool failed;   /* sticky: memory is short */
};

/* Times have nanoseconds, and doubles are as short as they are exact. */
#define EVENT_STYLE (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* @event: taken; NULL for want of memory */
static void print_event(struct slices *slices, json_t *event)
{
    if (!event) {
        slices->failed = true;
        return;
    }
    fputs(slices->is_first ? "\n" : ",\n", slices->out);
    slices->is_first = false;
    json_dumpf(event, slices->out, EVENT_STYLE);
    json_decref(event);
}

static void print_name(struct slices *slices, const char *what,
                       const char *name)
{
    print_event(slices,
                json_pack("{ss ss si si s{ss}}", "name", what, "ph", "M", "pid",
                          1, "tid", 1, "args", "name", name));
}

static void print_slice(struct slices *slices, const char *phase,
                        uint32_t place, uint64_t ns)
{
    print_event(slices, json_pack("{ss ss sf si si}", "name",
                                  name_of(slices->report, place), "ph", phase,
                                  "ts", (double)ns / 1e3, "pid", 1, "tid", 1));
}

static void move_to(struct slices *slices, const uint32_t *places,
                    unsigned depth, uint64_t ns)
{
    unsigned same = 0;

    while (same < depth && same < slices->depth &&
           places[same] == slices->places[same]) {
        same++;
    }
    while (slices->depth > same) {
        print_slice(slices, "E", slices->places[--slices->depth], ns);
    }
    while (slices->depth < depth) {
        slices->places[slices->depth] = places[slices->depth];
        print_slice(slices, "B", places[slices->depth++], ns);
    }
}

/* Per second, between two points. */
static void print_counters(struct slices *slices, const struct point *a,
                           const struct point *b)
{
    double seconds = (double)(b->ns - a->ns) / 1e9;
    const struct {
        const char *name;
        double value;
    } counters[] = {
        { "MIPS", (double)(b->instructions - a->instructions) / seconds / 1e6 },
        { "TLB walks/s", (double)(b->walks - a->walks) / seconds },
        { "MMIO/s", (double)(b->mmio - a->mmio) / seconds },
        { "commits/s", (double)(b->commits - a->commits) / seconds },
        { "resident MiB", (double)b->resident / (1 << 20) },
    };

    for (unsigned i = 0;
         seconds > 0 && i < sizeof(counters) / sizeof(counters[0]); i++) {
        print_event(slices,
                    json_pack("{ss ss sf si s{sf}}", "name", counters[i].name,
                              "ph", "C", "ts", (double)a->ns / 1e3, "pid", 1,
                              "args", "value", counters[i].value));
    }
}

/* A sample says where the hart is until the next one, the last one until the
 * run's end. */
static uint64_t last_time(const struct samples *samples)
{
    uint64_t sample =
        samples->count ? samples->items[samples->count - 1].ns : 0;
    uint64_t point =
        samples->num_points ? samples->points[samples->num_points - 1].ns : 0;

    return sample > point ? sample : point;
}

int export_chrome(const struct report *report, FILE *out)
{
    const struct samples *samples = &report->samples;
    struct slices slices = { .report = report, .out = out, .is_first = true };
    uint64_t end = last_time(samples);

    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", out);
    print_name(&slices, "process_name", report->title);
    print_name(&slices, "thread_name", "hart 0");
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->items[i];
        uint32_t places[SAMPLES_DEPTH];
        unsigned depth =
            find_chain(report, &samples->chains[sample->chain], places);

        move_to(&slices, places, depth, sample->ns);
    }
    move_to(&slices, NULL, 0, end);
    for (unsigned i = 1; i < samples->num_points; i++) {
        print_counters(&slices, &samples->points[i - 1], &samples->points[i]);
    }
    fputs("\n]}\n", out);
    return ferror(out) ? -EIO : slices.failed ? -ENOMEM : 0;
}

/* ---- perf -------------------------------------------------------------- */

int export_perf_map(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->hot.num_places; i++) {
        const struct block_place *place = &report->hot.places[i];
        struct function function;

        symbols_find(&report->symbols, &report->code, place->pc, &function);
        fprintf(out, "%" PRIxPTR " %x %s+0x%" PRIx64 "\n",
                (uintptr_t)place->code, place->size, function.name,
                place->pc - function.start);
    }
    return ferror(out) ? -EIO : 0;
}
