/* SPDX-License-Identifier: MIT */
#include "trace/dump.h"

#include <inttypes.h>
#include <string.h>

/* Bytes as the characters of the same number. */
static void print_bytes(FILE *out, const uint8_t *bytes, unsigned count)
{
    fputc('"', out);
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\') {
            fprintf(out, "\\%c", bytes[i]);
        } else if (bytes[i] < 0x20 || bytes[i] >= 0x7f) {
            fprintf(out, "\\u%04x", bytes[i]);
        } else {
            fputc(bytes[i], out);
        }
    }
    fputc('"', out);
}

/* What is wider than 53 bits would be rounded by some: so it is a string. */
static void dump_access(const struct trace_source *source,
                        const struct trace_event *event, FILE *out)
{
    const struct trace_site *site = &event->site;
    const struct trace_region *region =
        trace_source_region(source, site->region);

    fprintf(out, "{\"kind\":\"access\",\"ns\":%" PRIu64 ",", event->ns);
    if (!(site->flags & TRACE_DMA)) {
        fprintf(out, "\"pc\":\"0x%" PRIx64 "\",", site->pc);
    }
    fputs("\"region\":", out);
    print_bytes(out, (const uint8_t *)region->name,
                (unsigned)strlen(region->name));
    fprintf(out,
            ",\"address\":\"0x%" PRIx64 "\",\"offset\":%" PRIu64
            ",\"size\":%u,\"write\":%s,\"value\":\"0x%" PRIx64 "\"",
            region->address + site->offset, site->offset, site->size,
            site->flags & TRACE_WRITE ? "true" : "false", event->value);
    if (site->result) {
        fprintf(out, ",\"result\":%" PRIu32, site->result);
    }
    fputs("}\n", out);
}

static void dump_other(const struct trace_event *event, FILE *out)
{
    const struct trace_kind_info *info = trace_kind_info(event->kind);

    fprintf(out, "{\"kind\":\"%s\"", info->name);
    if (info->is_timed) {
        fprintf(out, ",\"ns\":%" PRIu64, event->ns);
    }
    for (unsigned i = 0; info->numbers[i]; i++) {
        fprintf(out, ",\"%s\":%" PRIu64, info->numbers[i], event->numbers[i]);
    }
    if (info->bytes) {
        fprintf(out, ",\"%s\":", info->bytes);
        print_bytes(out, event->bytes, event->num_bytes);
    }
    fputs("}\n", out);
}

int trace_dump(struct trace_source *source, FILE *out, Error **errp)
{
    struct trace_event event;
    int ret;

    fprintf(out, "{\"kind\":\"trace\",\"version\":%d}\n", TRACE_VERSION);
    while (!ferror(out)) {
        ret = trace_source_next(source, &event, errp);
        if (ret <= 0) {
            return ret;
        }
        if (event.kind == TRACE_ACCESS) {
            dump_access(source, &event, out);
        } else {
            dump_other(&event, out);
        }
    }
    return 0;
}
