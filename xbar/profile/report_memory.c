/* SPDX-License-Identifier: MIT */
/* Tables of what the guest accessed, and what that took. */
#include <inttypes.h>
#include <string.h>

#include "options.h"
#include "report.h"

#define HOT_REGISTERS 12
#define HOT_PAGES     10
#define LABEL_SIZE    (COUNTS_NAME_SIZE + 20)

static const struct {
    const char *name;
    unsigned mode;
} modes[] = { { "M", 3 }, { "S", 1 }, { "U", 0 } };

#define MODES (sizeof(modes) / sizeof(modes[0]))

/* ---- Sums -------------------------------------------------------------- */

uint64_t report_mode_accesses(const struct xbar_riscv_mode_counts *mode,
                              enum xbar_tlb_access access)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < TLB_SIZES; i++) {
        total += mode->accesses[access][i];
    }
    return total;
}

uint64_t report_accesses(const struct report *report,
                         enum xbar_tlb_access access)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < MODES; i++) {
        total +=
            report_mode_accesses(&report->accesses.mode[modes[i].mode], access);
    }
    return total;
}

/* ---- The hottest ------------------------------------------------------- */

typedef uint64_t heat_fn(const struct report *report, uint64_t which);

/* Insert @which where its heat says, of @count places of @max. */
static unsigned insert(const struct report *report, heat_fn *heat,
                       uint64_t *places, unsigned count, unsigned max,
                       uint64_t which)
{
    uint64_t own = heat(report, which);
    unsigned at = count;

    while (at > 0 && heat(report, places[at - 1]) < own) {
        at--;
    }
    if (at == max) {
        return count;
    }
    for (unsigned i = count < max ? count : max - 1; i > at; i--) {
        places[i] = places[i - 1];
    }
    places[at] = which;
    return count < max ? count + 1 : max;
}

static unsigned find_hottest(const struct report *report, heat_fn *heat,
                             uint64_t end, uint64_t *places, unsigned max)
{
    unsigned count = 0;

    for (uint64_t i = 0; i < end; i++) {
        if (heat(report, i)) {
            count = insert(report, heat, places, count, max, i);
        }
    }
    return count;
}

static uint64_t register_heat(const struct report *report, uint64_t which)
{
    const struct register_count *r = &report->counts.registers[which];

    return r->reads + r->writes;
}

static uint64_t page_heat(const struct report *report, uint64_t which)
{
    const struct counts *counts = &report->counts;

    return counts->tlb.pages[TLB_READ][which] +
           counts->tlb.pages[TLB_WRITE][which] + counts->fetches[which];
}

unsigned report_hot_registers(const struct report *report, unsigned *places,
                              unsigned max)
{
    uint64_t found[COUNTS_REGISTERS];
    unsigned count =
        find_hottest(report, register_heat, COUNTS_REGISTERS, found, max);

    for (unsigned i = 0; i < count; i++) {
        places[i] = (unsigned)found[i];
    }
    return count;
}

unsigned report_hot_pages(const struct report *report, uint64_t *pages,
                          unsigned max)
{
    if (!report->counts.fetches) {
        return 0;
    }
    return find_hottest(report, page_heat, report->counts.num_pages, pages,
                        max);
}

/* ---- Regions ----------------------------------------------------------- */

/* Those that nobody accessed would hide the others; report.json has them. */
void report__make_regions(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "region", "at",    "reads",
                                         "writes", "bytes", "share" };
    const struct counts *counts = &report->counts;
    uint64_t total = counts_total(counts);

    table_head(table, "Accesses by region", 6, heads);
    table->has_bars = true;
    for (unsigned i = 0; i < counts->num_regions; i++) {
        const struct region_count *row = &counts->regions[i];
        uint64_t reads = counts_accesses(row, TLB_READ);
        uint64_t writes = counts_accesses(row, TLB_WRITE);
        double share = table_ratio((double)(reads + writes), (double)total);

        if (reads + writes == 0) {
            continue;
        }
        table_set(table, 0, "%s", row->name);
        table_set(table, 1, "0x%" PRIx64, row->first);
        table_set_count(table, 2, reads);
        table_set_count(table, 3, writes);
        table_set_count(table, 4,
                        counts_bytes(row, TLB_READ) +
                            counts_bytes(row, TLB_WRITE));
        table_set_share(table, 5, share, 2);
        table->bars[table->num_rows] = share;
        table_end_row(table);
    }
}

/* "uart", or "virtio-mmio@10001000" of several. */
static void print_label(const struct counts *counts, unsigned which, char *out,
                        size_t size)
{
    const struct region_count *row = &counts->regions[which];

    for (unsigned i = 0; i < counts->num_regions; i++) {
        if (i != which && strcmp(counts->regions[i].name, row->name) == 0) {
            snprintf(out, size, "%s@%" PRIx64, row->name, row->first);
            return;
        }
    }
    snprintf(out, size, "%s", row->name);
}

/* What callbacks took; of the run's time, the time of the clock. */
void report__make_latency(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "device", "accesses", "p50",   "p99",
                                         "max",    "in all",   "of run" };
    const struct counts *counts = &report->counts;

    table_head(table, "Time in devices", 7, heads);
    table->has_bars = true;
    for (unsigned i = 0; i < counts->num_regions; i++) {
        const struct histogram *h = &counts->regions[i].ticks;
        double all = (double)h->sum * report->tick_ns;
        double share = table_ratio(all, report->counted.seconds * 1e9);
        char label[LABEL_SIZE];

        if (!h->count || !(report->measure & MEASURE_LATENCY)) {
            continue;
        }
        print_label(counts, i, label, sizeof(label));
        table_set(table, 0, "%s", label);
        table_set_count(table, 1, h->count);
        table_set_ns(table, 2,
                     (double)histogram_quantile(h, 0.5) * report->tick_ns);
        table_set_ns(table, 3,
                     (double)histogram_quantile(h, 0.99) * report->tick_ns);
        table_set_ns(table, 4, (double)h->max * report->tick_ns);
        table_set_ns(table, 5, all);
        table_set_share(table, 6, share, 2);
        table->bars[table->num_rows] = share;
        table_end_row(table);
    }
}

void report__make_registers(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "register", "reads", "writes", "mean",
                                         "share" };
    const struct counts *counts = &report->counts;
    unsigned places[HOT_REGISTERS];
    unsigned count = report_hot_registers(report, places, HOT_REGISTERS);
    uint64_t total = 0;

    for (unsigned i = 0; i < counts->num_regions; i++) {
        if (!counts->regions[i].is_ram) {
            total += counts_accesses(&counts->regions[i], TLB_READ) +
                     counts_accesses(&counts->regions[i], TLB_WRITE);
        }
    }
    table_head(table, "Device registers", 5, heads);
    table->has_bars = true;
    for (unsigned i = 0; i < count; i++) {
        const struct register_count *r = &counts->registers[places[i]];
        uint64_t own = r->reads + r->writes;
        double share = table_ratio((double)own, (double)total);
        char label[LABEL_SIZE];

        print_label(counts, r->region, label, sizeof(label));
        table_set(table, 0, "%s + 0x%" PRIx64, label, r->offset);
        table_set_count(table, 1, r->reads);
        table_set_count(table, 2, r->writes);
        if (report->measure & MEASURE_LATENCY) {
            table_set_ns(table, 3,
                         table_ratio((double)r->ticks, (double)own) *
                             report->tick_ns);
        } else {
            table_set(table, 3, "-");
        }
        table_set_share(table, 4, share, 2);
        table->bars[table->num_rows] = share;
        table_end_row(table);
    }
}

void report__make_pages(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "page", "reads", "writes",
                                         "instructions" };
    const struct counts *counts = &report->counts;
    uint64_t pages[HOT_PAGES];
    unsigned count = report_hot_pages(report, pages, HOT_PAGES);

    table_head(table, "Hottest pages of RAM", 4, heads);
    for (unsigned i = 0; i < count; i++) {
        uint64_t page = pages[i];

        table_set(table, 0, "0x%" PRIx64,
                  counts->ram_first + page * COUNTS_PAGE_SIZE);
        table_set_count(table, 1, counts->tlb.pages[TLB_READ][page]);
        table_set_count(table, 2, counts->tlb.pages[TLB_WRITE][page]);
        table_set_count(table, 3, counts->fetches[page]);
        table_end_row(table);
    }
}

/* ---- TLB --------------------------------------------------------------- */

/* What was in the first level needed neither the second nor a walk. */
void report__make_tlb(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "mode",       "accesses", "hits",
                                         "L2 hits",    "walks",    "fetch L2",
                                         "fetch walks" };

    table_head(table, "TLB", 7, heads);
    for (unsigned i = 0; i < MODES; i++) {
        const struct xbar_riscv_mode_counts *mode =
            &report->accesses.mode[modes[i].mode];
        uint64_t accesses = report_mode_accesses(mode, TLB_READ) +
                            report_mode_accesses(mode, TLB_WRITE);
        uint64_t misses = mode->data.l2_hits + mode->data.walks;

        if (!accesses && !misses) {
            continue;
        }
        table_set(table, 0, "%s", modes[i].name);
        table_set_count(table, 1, accesses);
        table_set(table, 2, "%.4f %%",
                  accesses > misses ? table_percent(accesses - misses, accesses)
                                    : 0);
        table_set_count(table, 3, mode->data.l2_hits);
        table_set_count(table, 4, mode->data.walks);
        table_set_count(table, 5, mode->fetches.l2_hits);
        table_set_count(table, 6, mode->fetches.walks);
        table_end_row(table);
    }
}

static void add_flush(struct table *table, const char *name, uint64_t count)
{
    if (count) {
        table_set(table, 0, "%s", name);
        table_set_count(table, 1, count);
        table_end_row(table);
    }
}

void report__make_flushes(const struct report *report, struct table *table)
{
    const struct xbar_tlb_stats *tlb = &report->stats.tlb;

    table_head(table, "TLB flushes", 2, NULL);
    add_flush(table, "contexts cleared", tlb->flush_contexts);
    add_flush(table, "pages", tlb->flush_pages);
    add_flush(table, "address-space ids", tlb->flush_asids);
    add_flush(table, "switches of the id", tlb->switches);
    add_flush(table, "write tags, for code", tlb->protects);
    add_flush(table, "entries, by commits", tlb->invalidated);
}
