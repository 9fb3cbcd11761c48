/* SPDX-License-Identifier: MIT */
/* Functions, samples and the timeline, as JSON. */
#include "report_json_internal.h"

/* As in struct functions: samples name them by place. */
json_t *report__json_functions(const struct report *report)
{
    const struct functions *functions = &report->functions;
    json_t *array = json_array();

    for (size_t i = 0; i < functions->count; i++) {
        const struct function_count *f = &functions->items[i];

        report__json_append(
            &array, json_pack("{ss so ss? so so so}", "name", f->function.name,
                              "at", report__json_address(f->function.start),
                              "file", f->function.file, "instructions",
                              report__json_count(f->instructions), "self",
                              report__json_count(f->self), "total",
                              report__json_count(f->total)));
    }
    return array;
}

/* [ what its samples count, [ functions, outermost first ] ] */
static json_t *make_chain(const struct report *report,
                          const struct chain *chain)
{
    uint32_t places[SAMPLES_DEPTH];
    unsigned depth = functions_of_chain(&report->functions, &report->symbols,
                                        &report->code, chain, places);
    json_t *array = json_array();

    for (unsigned i = 0; i < depth; i++) {
        report__json_append(&array, report__json_count(places[i]));
    }
    return json_pack("[oo]", report__json_count(chain->count), array);
}

json_t *report__json_samples(const struct report *report)
{
    const struct samples *samples = &report->samples;
    json_t *chains = json_array();

    for (size_t i = 0; i < samples->num_chains; i++) {
        report__json_append(&chains, make_chain(report, &samples->chains[i]));
    }
    return json_pack(
        "{so si sf so so so}", "taken", report__json_count(samples->taken),
        "period_ns", SAMPLES_PERIOD_US * 1000, "margin",
        samples_margin(samples), "total", report__json_count(samples->total),
        "lost", report__json_count(samples->lost), "chains", chains);
}

/* Each a list of totals up to the time in `ns`. */
json_t *report__json_timeline(const struct report *report)
{
    static const struct {
        const char *name;
        size_t offset;
    } columns[] = {
        { "ns", offsetof(struct point, ns) },
        { "instructions", offsetof(struct point, instructions) },
        { "walks", offsetof(struct point, walks) },
        { "l2_hits", offsetof(struct point, l2_hits) },
        { "mmio", offsetof(struct point, mmio) },
        { "commits", offsetof(struct point, commits) },
        { "engine_bytes", offsetof(struct point, engine_bytes) },
        { "code_bytes", offsetof(struct point, code_bytes) },
        { "resident_bytes", offsetof(struct point, resident) },
    };
    json_t *object = json_object();

    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        json_t *array = json_array();

        for (unsigned k = 0; k < report->samples.num_points; k++) {
            const char *point = (const char *)&report->samples.points[k];

            report__json_append(
                &array, report__json_count(
                            *(const uint64_t *)(point + columns[i].offset)));
        }
        if (json_object_set_new(object, columns[i].name, array)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}
