/* SPDX-License-Identifier: MIT */
/*
 * report.json, one object:
 *
 *   format         1; another number is another layout
 *   guest          what ran: a file name, or "the built-in demo"
 *   ram_bytes, engine (as --engine takes it), deterministic, status
 *   counted        the run with counting on:
 *     speed        as below
 *     loads, stores, exceptions, interrupts, wfi_sleeps, fence_i, sfence_vma
 *     tlb          walks, slow, mmio_reads, mmio_writes, flush_pages,
 *                  flush_contexts, invalidated
 *     traps        [ { cause, interrupt, name, count } ], cause as in mcause
 *     regions      [ { name, first, last, ram, reads, writes, bytes_read,
 *                  bytes_written } ], addresses as "0x80000000"
 *     translated   absent with --engine interp, which translates nothing:
 *       instructions, exits, jumps, jump_misses
 *                  retired in translated code; times that it was left;
 *                  indirect jumps, and those that left it
 *       blocks, blocks_live, invalidated, evicted, guest_insns, links
 *                  made; there at the end; dropped, their code had changed;
 *                  dropped for want of room; instructions in all of them;
 *                  exits chained
 *       code_bytes, code_bytes_live
 *                  of all blocks made; of memory in use at the end, with gaps
 *       gone       { executions, instructions } of blocks dropped or evicted
 *       live       the same of all blocks there at the end; both together
 *                  have all instructions above
 *       hot        the blocks of these with most instructions, hottest first:
 *                  [ { pc, page (guest-physical), executions, instructions,
 *                  insns, guest_bytes, code_bytes, hot_bytes, listing } ]
 *       listing    of the first few: [ { address, guest, host: [ text ] } ],
 *                  an instruction each; the entry and the end have no address
 *   plain          the speed of a run without counting; absent if there was
 *                  none: { instructions, seconds, cpu_seconds }
 *
 * jansson fails on a NULL part, so that a shortage anywhere gives NULL.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "listing.h"
#include "mtree_walk.h"
#include "report.h"

#define REPORT_FORMAT 1

static json_t *make_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *make_address(hwaddr addr)
{
    char text[40];

    mtree_format(text, sizeof(text), addr);
    return json_string(text);
}

static json_t *make_tlb(const struct xbar_tlb_stats *tlb)
{
    return json_pack("{so so so so so so so}", "walks", make_count(tlb->walks),
                     "slow", make_count(tlb->slow), "mmio_reads",
                     make_count(tlb->mmio_reads), "mmio_writes",
                     make_count(tlb->mmio_writes), "flush_pages",
                     make_count(tlb->flush_pages), "flush_contexts",
                     make_count(tlb->flush_contexts), "invalidated",
                     make_count(tlb->invalidated));
}

static json_t *make_traps(const struct xbar_riscv_stats *stats)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < 64; i++) {
        if (stats->traps[i]) {
            json_array_append_new(
                array,
                json_pack("{si sb ss so}", "cause", (int)(i % 32), "interrupt",
                          (int)(i / 32), "name", report_trap_name(i), "count",
                          make_count(stats->traps[i])));
        }
    }
    return array;
}

static json_t *make_regions(const struct counts *counts)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < counts->num_regions; i++) {
        const struct region_count *row = &counts->regions[i];

        json_array_append_new(
            array,
            json_pack("{ss so so sb so so so so}", "name", row->name, "first",
                      make_address(row->first), "last", make_address(row->last),
                      "ram", (int)row->is_ram, "reads", make_count(row->reads),
                      "writes", make_count(row->writes), "bytes_read",
                      make_count(row->bytes_read), "bytes_written",
                      make_count(row->bytes_written)));
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
        insn = line->is_guest ? json_pack("{so ss so}", "address",
                                          make_address(line->address), "guest",
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
    json_t *object = json_pack(
        "{so so so so si si si si}", "pc", make_address(block->pc), "page",
        make_address(block->phys), "executions", make_count(block->executions),
        "instructions", make_count(block->instructions), "insns",
        (int)block->insns, "guest_bytes", (int)block->guest_size, "code_bytes",
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
        if (json_array_append_new(array, make_block(report, i))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *make_sum(uint64_t executions, uint64_t instructions)
{
    return json_pack("{so so}", "executions", make_count(executions),
                     "instructions", make_count(instructions));
}

static json_t *make_translated(const struct report *report)
{
    const struct xbar_riscv_jit_stats *jit = &report->stats.jit;
    const struct hot_blocks *hot = &report->hot;

    return json_pack(
        "{so so so so so so so so so so so so so so so}", "instructions",
        make_count(jit->instructions), "exits", make_count(jit->exits), "jumps",
        make_count(jit->jumps), "jump_misses", make_count(jit->jump_misses),
        "blocks", make_count(jit->blocks), "blocks_live",
        make_count(jit->blocks_live), "invalidated",
        make_count(jit->invalidated), "evicted", make_count(jit->evicted),
        "guest_insns", make_count(jit->guest_insns), "links",
        make_count(jit->links), "code_bytes", make_count(jit->code_bytes_ever),
        "code_bytes_live", make_count(jit->code_bytes), "gone",
        make_sum(jit->gone_executions, jit->gone_instructions), "live",
        make_sum(hot->executions, hot->instructions), "hot",
        make_blocks(report));
}

/* ---- The report -------------------------------------------------------- */

static json_t *make_speed(const struct run_speed *speed)
{
    return json_pack("{so sf sf}", "instructions",
                     make_count(speed->instructions), "seconds", speed->seconds,
                     "cpu_seconds", speed->cpu_seconds);
}

static json_t *make_memory(const struct xbar_engine_stats *stats)
{
    return json_pack(
        "{so so so so so so}", "commits", make_count(stats->commits), "views",
        make_count(stats->views), "windows", make_count(stats->windows),
        "nodes_copied", make_count(stats->nodes_copied), "bytes_live",
        make_count(stats->bytes_live), "bytes_retired",
        make_count(stats->bytes_retired));
}

static json_t *make_counted(const struct report *report)
{
    const struct xbar_riscv_stats *stats = &report->stats;
    json_t *object = json_pack(
        "{so so so so so so so so so so so so}", "speed",
        make_speed(&report->counted), "loads", make_count(stats->loads),
        "stores", make_count(stats->stores), "exceptions",
        make_count(stats->exceptions), "interrupts",
        make_count(stats->interrupts), "wfi_sleeps",
        make_count(stats->wfi_sleeps), "fence_i", make_count(stats->fence_i),
        "sfence_vma", make_count(stats->sfence_vma), "tlb",
        make_tlb(&stats->tlb), "traps", make_traps(stats), "regions",
        make_regions(&report->counts), "memory", make_memory(&report->memory));

    if (object && report->translates &&
        json_object_set_new(object, "translated", make_translated(report))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *make_report(const struct report *report)
{
    json_t *object = json_pack(
        "{si ss so ss sb si so}", "format", REPORT_FORMAT, "guest",
        report->title, "ram_bytes", make_count(report->ram_size), "engine",
        report->engine, "deterministic", (int)report->deterministic, "status",
        report->status, "counted", make_counted(report));

    if (object && report->plain.instructions) {
        json_object_set_new(object, "plain", make_speed(&report->plain));
    }
    return object;
}

int report_print_json(const struct report *report, FILE *out)
{
    json_t *object = make_report(report);
    int ret;

    if (!object) {
        return -ENOMEM;
    }
    ret = json_dumpf(object, out, JSON_INDENT(2));
    json_decref(object);
    fputc('\n', out);
    return ret || ferror(out) ? -EIO : 0;
}
