/* SPDX-License-Identifier: MIT */
/* Accesses, as JSON. */
#include "mtree_walk.h"
#include "options.h"
#include "report_json_internal.h"

json_t *report__json_count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *report__json_address(hwaddr addr)
{
    char text[40];

    mtree_format(text, sizeof(text), addr);
    return json_string(text);
}

void report__json_append(json_t **array, json_t *value)
{
    if (json_array_append_new(*array, value)) {
        json_decref(*array);
        *array = NULL;
    }
}

/* ---- TLB --------------------------------------------------------------- */

json_t *report__json_tlb(const struct report *report)
{
    const struct xbar_tlb_stats *tlb = &report->stats.tlb;

    return json_pack("{so so so so so so so so so so so}", "walks",
                     report__json_count(tlb->walks), "l2_hits",
                     report__json_count(tlb->l2_hits), "slow",
                     report__json_count(tlb->slow), "mmio_reads",
                     report__json_count(tlb->mmio_reads), "mmio_writes",
                     report__json_count(tlb->mmio_writes), "flush_pages",
                     report__json_count(tlb->flush_pages), "flush_contexts",
                     report__json_count(tlb->flush_contexts), "flush_asids",
                     report__json_count(tlb->flush_asids), "switches",
                     report__json_count(tlb->switches), "protects",
                     report__json_count(tlb->protects), "invalidated",
                     report__json_count(tlb->invalidated));
}

/* By the base-2 logarithm of their size. */
static json_t *make_sizes(const uint64_t sizes[TLB_SIZES])
{
    json_t *array = json_array();

    for (unsigned i = 0; i < TLB_SIZES; i++) {
        report__json_append(&array, report__json_count(sizes[i]));
    }
    return array;
}

static json_t *make_fills(const struct xbar_tlb_fills *fills)
{
    return json_pack("{so so}", "l2_hits", report__json_count(fills->l2_hits),
                     "walks", report__json_count(fills->walks));
}

static json_t *make_mode(const struct xbar_riscv_mode_counts *mode)
{
    return json_pack(
        "{so so so so}", "reads", make_sizes(mode->accesses[TLB_READ]),
        "writes", make_sizes(mode->accesses[TLB_WRITE]), "data",
        make_fills(&mode->data), "fetches", make_fills(&mode->fetches));
}

json_t *report__json_modes(const struct report *report)
{
    const struct xbar_riscv_mode_counts *mode = report->accesses.mode;

    return json_pack("{so so so}", "M", make_mode(&mode[3]), "S",
                     make_mode(&mode[1]), "U", make_mode(&mode[0]));
}

/* ---- Regions ----------------------------------------------------------- */

/* [ [ nanoseconds that a class begins at, accesses ] ], without empty ones. */
static json_t *make_classes(const struct histogram *h, double tick_ns)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++) {
        if (h->classes[i]) {
            report__json_append(
                &array, json_pack("[fo]", (double)histogram_start(i) * tick_ns,
                                  report__json_count(h->classes[i])));
        }
    }
    return array;
}

static json_t *make_latency(const struct histogram *h, double tick_ns)
{
    return json_pack(
        "{so sf sf sf sf so}", "count", report__json_count(h->count), "sum_ns",
        (double)h->sum * tick_ns, "p50_ns",
        (double)histogram_quantile(h, 0.5) * tick_ns, "p99_ns",
        (double)histogram_quantile(h, 0.99) * tick_ns, "max_ns",
        (double)h->max * tick_ns, "histogram", make_classes(h, tick_ns));
}

static json_t *make_region(const struct report *report,
                           const struct region_count *row)
{
    json_t *object = json_pack(
        "{ss so so sb so so so so so so}", "name", row->name, "first",
        report__json_address(row->first), "last",
        report__json_address(row->last), "ram", (int)row->is_ram, "reads",
        report__json_count(counts_accesses(row, TLB_READ)), "writes",
        report__json_count(counts_accesses(row, TLB_WRITE)), "bytes_read",
        report__json_count(counts_bytes(row, TLB_READ)), "bytes_written",
        report__json_count(counts_bytes(row, TLB_WRITE)), "read_sizes",
        make_sizes(row->sizes[TLB_READ]), "write_sizes",
        make_sizes(row->sizes[TLB_WRITE]));

    if (object && row->ticks.count && (report->measure & MEASURE_LATENCY) &&
        json_object_set_new(object, "latency",
                            make_latency(&row->ticks, report->tick_ns))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *report__json_regions(const struct report *report)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < report->counts.num_regions; i++) {
        report__json_append(&array,
                            make_region(report, &report->counts.regions[i]));
    }
    return array;
}

json_t *report__json_registers(const struct report *report)
{
    const struct counts *counts = &report->counts;
    unsigned places[COUNTS_REGISTERS];
    unsigned count = report_hot_registers(report, places, COUNTS_REGISTERS);
    json_t *array = json_array();

    for (unsigned i = 0; i < count; i++) {
        const struct register_count *r = &counts->registers[places[i]];

        report__json_append(
            &array,
            json_pack("{ss so so so so sf}", "region",
                      counts->regions[r->region].name, "first",
                      report__json_address(counts->regions[r->region].first),
                      "offset", report__json_address(r->offset), "reads",
                      report__json_count(r->reads), "writes",
                      report__json_count(r->writes), "ns",
                      (double)r->ticks * report->tick_ns));
    }
    return array;
}

/* [ [ address, reads, writes, instructions ] ], those that were touched. */
json_t *report__json_pages(const struct report *report)
{
    const struct counts *counts = &report->counts;
    json_t *array = json_array();

    for (uint64_t i = 0; counts->fetches && i < counts->num_pages; i++) {
        uint64_t reads = counts->tlb.pages[TLB_READ][i];
        uint64_t writes = counts->tlb.pages[TLB_WRITE][i];

        if (reads || writes || counts->fetches[i]) {
            report__json_append(
                &array,
                json_pack("[oooo]",
                          report__json_address(counts->ram_first +
                                               i * COUNTS_PAGE_SIZE),
                          report__json_count(reads), report__json_count(writes),
                          report__json_count(counts->fetches[i])));
        }
    }
    return array;
}
