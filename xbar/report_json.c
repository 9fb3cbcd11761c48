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
 *   plain          the speed of a run without counting; absent if there was
 *                  none: { instructions, seconds, cpu_seconds }
 *
 * jansson fails on a NULL part, so that a shortage anywhere gives NULL.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

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

static json_t *make_speed(const struct run_speed *speed)
{
    return json_pack("{so sf sf}", "instructions",
                     make_count(speed->instructions), "seconds", speed->seconds,
                     "cpu_seconds", speed->cpu_seconds);
}

static json_t *make_counted(const struct report *report)
{
    const struct xbar_riscv_stats *stats = &report->stats;

    return json_pack(
        "{so so so so so so so so so so so}", "speed",
        make_speed(&report->counted), "loads", make_count(stats->loads),
        "stores", make_count(stats->stores), "exceptions",
        make_count(stats->exceptions), "interrupts",
        make_count(stats->interrupts), "wfi_sleeps",
        make_count(stats->wfi_sleeps), "fence_i", make_count(stats->fence_i),
        "sfence_vma", make_count(stats->sfence_vma), "tlb",
        make_tlb(&stats->tlb), "traps", make_traps(stats), "regions",
        make_regions(&report->counts));
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
