/* SPDX-License-Identifier: MIT */
/*
 * report.json: docs/profiling.md says what is in it.
 *
 * jansson fails on a NULL part, so that a shortage anywhere gives NULL.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "listing.h"
#include "report_json_internal.h"

#define REPORT_FORMAT 2

static json_t *make_traps(const struct xbar_riscv_stats *stats)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < 64; i++) {
        if (stats->traps[i]) {
            report__json_append(
                &array,
                json_pack("{si sb ss so}", "cause", (int)(i % 32), "interrupt",
                          (int)(i / 32), "name", report_trap_name(i), "count",
                          report__json_count(stats->traps[i])));
        }
    }
    return array;
}

/* ---- Translated code --------------------------------------------------- */

struct json_listing {
    json_t *array;
    json_t *host; /* of the instruction at hand; borrowed */
    bool failed;  /* sticky: memory is short */
};

static void add_line(void *opaque, const struct listing_line *line)
{
    struct json_listing *listing = opaque;
    json_t *insn;

    if (line->is_first) {
        listing->host = json_array();
        insn = line->is_guest
                   ? json_pack("{so so ss so}", "executed",
                               report__json_count(line->executed), "address",
                               report__json_address(line->address), "guest",
                               line->guest, "host", listing->host)
                   : json_pack("{so}", "host", listing->host);
        listing->host = insn ? listing->host : NULL;
        listing->failed |= json_array_append_new(listing->array, insn) != 0;
    }
    if (line->host[0]) {
        listing->failed |=
            json_array_append_new(listing->host, json_string(line->host)) != 0;
    }
}

/* NULL if memory is short. */
static json_t *make_listing(const struct hot_blocks *hot, unsigned which)
{
    struct json_listing listing = { json_array(), NULL, false };

    if (listing_walk(hot, &hot->items[which], add_line, &listing) ||
        listing.failed) {
        json_decref(listing.array);
        return NULL;
    }
    return listing.array;
}

static json_t *make_block(const struct report *report, unsigned which)
{
    const struct xbar_riscv_block *block = &report->hot.items[which].block;
    char mode[TABLE_CELL];
    json_t *object;

    xbar_riscv_print_mode(mode, sizeof(mode), block->mode);
    object = json_pack(
        "{so so ss so so si si si si}", "pc", report__json_address(block->pc),
        "page", report__json_address(block->phys), "mode", mode, "executions",
        report__json_count(block->executions), "instructions",
        report__json_count(block->instructions), "insns", (int)block->insns,
        "guest_bytes", (int)block->guest_size, "code_bytes",
        (int)block->code_size, "hot_bytes", (int)block->hot_size);

    if (object && which < report_num_listings(report) &&
        json_object_set_new(object, "listing",
                            make_listing(&report->hot, which))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *make_blocks(const struct report *report)
{
    json_t *array = json_array();

    for (unsigned i = 0; array && i < report->hot.count; i++) {
        report__json_append(&array, make_block(report, i));
    }
    return array;
}

static json_t *make_sum(uint64_t executions, uint64_t instructions)
{
    return json_pack("{so so}", "executions", report__json_count(executions),
                     "instructions", report__json_count(instructions));
}

static json_t *make_translated(const struct report *report)
{
    const struct xbar_riscv_jit_stats *jit = &report->stats.jit;
    const struct hot_blocks *hot = &report->hot;

    return json_pack(
        "{so so so so so so so so so so so so so so so so so so}",
        "return_hits", report__json_count(jit->return_hits), "instructions",
        report__json_count(jit->instructions), "exits",
        report__json_count(jit->exits), "jumps", report__json_count(jit->jumps),
        "jump_misses", report__json_count(jit->jump_misses), "blocks",
        report__json_count(jit->blocks), "blocks_live",
        report__json_count(jit->blocks_live), "invalidated",
        report__json_count(jit->invalidated), "evicted",
        report__json_count(jit->evicted), "recalled",
        report__json_count(jit->recalled), "replaced",
        report__json_count(jit->replaced), "guest_insns",
        report__json_count(jit->guest_insns), "links",
        report__json_count(jit->links), "code_bytes",
        report__json_count(jit->code_bytes_ever), "code_bytes_live",
        report__json_count(jit->code_bytes), "gone",
        make_sum(jit->gone_executions, jit->gone_instructions), "live",
        make_sum(hot->executions, hot->instructions), "hot",
        make_blocks(report));
}

/* ---- The report -------------------------------------------------------- */

static json_t *make_speed(const struct run_speed *speed)
{
    return json_pack("{so sf sf}", "instructions",
                     report__json_count(speed->instructions), "seconds",
                     speed->seconds, "cpu_seconds", speed->cpu_seconds);
}

static json_t *make_changes(const struct changes *changes)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        report__json_append(
            &array, json_pack("{so so ss ss so so sb}", "ns",
                              report__json_count(change->ns), "commit",
                              report__json_count(change->commit), "change",
                              change->is_added ? "added" : "removed", "region",
                              change->name, "first",
                              report__json_address(change->first), "last",
                              report__json_address(change->last), "ram",
                              (int)change->is_ram));
    }
    return array;
}

static json_t *make_memory(const struct report *report)
{
    const struct xbar_engine_stats *stats = &report->memory;

    return json_pack("{so so so so so so so so so}", "changes",
                     make_changes(&report->changes), "changes_total",
                     report__json_count(report->changes.total),
                     "changes_commits",
                     report__json_count(report->changes.commits), "commits",
                     report__json_count(stats->commits), "views",
                     report__json_count(stats->views), "windows",
                     report__json_count(stats->windows), "nodes_copied",
                     report__json_count(stats->nodes_copied), "bytes_live",
                     report__json_count(stats->bytes_live), "bytes_retired",
                     report__json_count(stats->bytes_retired));
}

static json_t *make_counted(const struct report *report)
{
    const struct xbar_riscv_stats *stats = &report->stats;
    json_t *object = json_pack(
        "{so so so so so so so so so so so so so so so so so so}", "functions",
        report__json_functions(report), "samples", report__json_samples(report),
        "timeline", report__json_timeline(report), "speed",
        make_speed(&report->counted), "loads",
        report__json_count(report_accesses(report, TLB_READ)), "stores",
        report__json_count(report_accesses(report, TLB_WRITE)), "exceptions",
        report__json_count(stats->exceptions), "interrupts",
        report__json_count(stats->interrupts), "wfi_sleeps",
        report__json_count(stats->wfi_sleeps), "fence_i",
        report__json_count(stats->fence_i), "sfence_vma",
        report__json_count(stats->sfence_vma), "tlb", report__json_tlb(report),
        "modes", report__json_modes(report), "traps", make_traps(stats),
        "regions", report__json_regions(report), "registers",
        report__json_registers(report), "pages", report__json_pages(report),
        "memory", make_memory(report));

    if (object && report->translates &&
        json_object_set_new(object, "translated", make_translated(report))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* What is 0 in the report may not have been looked at. */
static json_t *make_measured(const struct report *report)
{
    static const char *const names[] = { "counts", "latency", "pages",
                                         "samples" };
    json_t *list = json_array();

    for (unsigned i = 0; list && i < sizeof(names) / sizeof(names[0]); i++) {
        if ((report->measure & 1u << i) &&
            json_array_append_new(list, json_string(names[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *report__json_make(const struct report *report)
{
    json_t *object = json_pack(
        "{si ss so ss sb si so so}", "format", REPORT_FORMAT, "guest",
        report->title, "ram_bytes", report__json_count(report->ram_size),
        "engine", report->engine, "deterministic", (int)report->deterministic,
        "status", report->status, "measured", make_measured(report), "counted",
        make_counted(report));

    if (object && report->plain.instructions &&
        json_object_set_new(object, "plain", make_speed(&report->plain))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int report_print_json(const struct report *report, FILE *out)
{
    json_t *object = report__json_make(report);
    int ret;

    if (!object) {
        return -ENOMEM;
    }
    ret = json_dumpf(object, out, JSON_INDENT(2));
    json_decref(object);
    fputc('\n', out);
    return ret || ferror(out) ? -EIO : 0;
}
