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

int export_folded(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->samples.num_chains; i++) {
        const struct chain *chain = &report->samples.chains[i];
        uint32_t places[SAMPLES_DEPTH];
        unsigned depth = find_chain(report, chain, places);

        for (unsigned k = 0; k < depth; k++) {
            fprintf(out, "%s%s", k ? ";" : "", name_of(report, places[k]));
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
};

static void print_event(struct slices *slices, json_t *event)
{
    fputs(slices->is_first ? "\n" : ",\n", slices->out);
    slices->is_first = false;
    if (event) {
        json_dumpf(event, slices->out, JSON_COMPACT);
        json_decref(event);
    }
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

int export_chrome(const struct report *report, FILE *out)
{
    const struct samples *samples = &report->samples;
    struct slices slices = { .report = report, .out = out, .is_first = true };
    uint64_t end = 0;

    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", out);
    print_event(&slices,
                json_pack("{ss ss si si s{ss}}", "name", "thread_name", "ph",
                          "M", "pid", 1, "tid", 1, "args", "name", "hart 0"));
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->items[i];
        uint32_t places[SAMPLES_DEPTH];
        unsigned depth =
            find_chain(report, &samples->chains[sample->chain], places);

        move_to(&slices, places, depth, sample->ns);
        end = sample->ns;
    }
    move_to(&slices, NULL, 0, end);
    for (unsigned i = 1; i < samples->num_points; i++) {
        print_counters(&slices, &samples->points[i - 1], &samples->points[i]);
    }
    fputs("\n]}\n", out);
    return ferror(out) ? -EIO : 0;
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
