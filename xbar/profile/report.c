/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "options.h"

#define HOT_FUNCTIONS   15
#define CAUSE_INTERRUPT 32 /* in xbar_riscv_stats.traps */

static const char *const trap_names[64] = {
    [0] = "instruction address misaligned",
    [1] = "instruction access fault",
    [2] = "illegal instruction",
    [3] = "breakpoint",
    [4] = "load address misaligned",
    [5] = "load access fault",
    [6] = "store address misaligned",
    [7] = "store access fault",
    [8] = "environment call from U",
    [9] = "environment call from S",
    [11] = "environment call from M",
    [12] = "instruction page fault",
    [13] = "load page fault",
    [15] = "store page fault",
    [CAUSE_INTERRUPT + 1] = "supervisor software interrupt",
    [CAUSE_INTERRUPT + 3] = "machine software interrupt",
    [CAUSE_INTERRUPT + 5] = "supervisor timer interrupt",
    [CAUSE_INTERRUPT + 7] = "machine timer interrupt",
    [CAUSE_INTERRUPT + 9] = "supervisor external interrupt",
    [CAUSE_INTERRUPT + 11] = "machine external interrupt",
};

const char *report_trap_name(unsigned cause)
{
    const char *name = cause < 64 ? trap_names[cause] : NULL;

    return name ? name : "other";
}

/* ---- Tables ------------------------------------------------------------ */

static void add_speed(struct table *table, const char *name,
                      const struct run_speed *speed)
{
    if (!speed->instructions) {
        return;
    }
    table_set(table, 0, "%s", name);
    table_set_count(table, 1, speed->instructions);
    table_set(table, 2, "%.3f", speed->seconds);
    table_set(table, 3, "%.3f", speed->cpu_seconds);
    table_set(
        table, 4, "%.1f",
        table_ratio((double)speed->instructions, speed->cpu_seconds * 1e6));
    table_end_row(table);
}

/* Counting slows the guest down, so its speed is only shown as such. */
static void make_speed(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "", "instructions", "seconds",
                                         "CPU seconds", "MIPS" };

    table->title = "Speed";
    table->num_columns = 5;
    memcpy(table->heads, heads, sizeof(heads));
    add_speed(table, "without counting", &report->plain);
    add_speed(table, "with counting", &report->counted);
}

static void add_work(struct table *table, const char *name, uint64_t value,
                     double whole, const char *unit)
{
    if (value == 0) {
        return;
    }
    table_set(table, 0, "%s", name);
    table_set_count(table, 1, value);
    if (whole > 0) {
        table_set(table, 2, "%.3f %s", 1000.0 * (double)value / whole, unit);
    }
    table_end_row(table);
}

/* What the hart did; what did not happen is left out. A miss is a walk of
 * the guest's page tables, for data or for code. */
static void make_work(const struct report *report, struct table *table)
{
    const struct xbar_riscv_stats *stats = &report->stats;
    double insns = (double)stats->instructions;
    uint64_t loads = report_accesses(report, TLB_READ);
    uint64_t stores = report_accesses(report, TLB_WRITE);
    double accesses = (double)(loads + stores);

    table->title = "Work";
    table->num_columns = 3;
    add_work(table, "instructions", stats->instructions, 0, "");
    add_work(table, "loads", loads, insns, "per 1000 instructions");
    add_work(table, "stores", stores, insns, "per 1000 instructions");
    add_work(table, "TLB misses", stats->tlb.walks, accesses,
             "per 1000 accesses");
    add_work(table, "exceptions", stats->exceptions, insns,
             "per 1000 instructions");
    add_work(table, "interrupts", stats->interrupts, insns,
             "per 1000 instructions");
    add_work(table, "wfi sleeps", stats->wfi_sleeps, 0, "");
    add_work(table, "fence.i", stats->fence_i, 0, "");
    add_work(table, "sfence.vma", stats->sfence_vma, 0, "");
}

/* ---- Translated code --------------------------------------------------- */

/* A figure, and what it is in relation to another; 0 is left out. */
static void XBAR_PRINTF(4, 5)
    add_figure(struct table *table, const char *name, uint64_t value,
               const char *format, ...)
{
    va_list args;

    if (value == 0) {
        return;
    }
    table_set(table, 0, "%s", name);
    table_set_count(table, 1, value);
    va_start(args, format);
    vsnprintf(table->cells[table->num_rows][2], TABLE_CELL, format, args);
    va_end(args);
    table_end_row(table);
}

static void add_execution(const struct report *report, struct table *table)
{
    const struct xbar_riscv_jit_stats *jit = &report->stats.jit;
    uint64_t runs = report->hot.executions + jit->gone_executions;
    uint64_t known = jit->return_hits + jit->jump_misses;
    uint64_t hits = jit->jumps > known ? jit->jumps - known : 0;

    add_figure(table, "instructions", jit->instructions, "%.3f %% of all",
               table_percent(jit->instructions, report->stats.instructions));
    add_figure(table, "blocks run", runs, "%.1f instructions each",
               table_ratio((double)jit->instructions, (double)runs));
    if (!runs) {
        add_figure(table, "times left", jit->exits, "%s", "");
        return; /* nothing is counted in blocks */
    }
    add_figure(table, "times left", jit->exits, "%.3f per 1000 blocks",
               1000 * table_ratio((double)jit->exits, (double)runs));
    add_figure(table, "indirect jumps", jit->jumps, "%s", "");
    add_figure(table, "  return stack", jit->return_hits, "%.3f %% of these",
               table_percent(jit->return_hits, jit->jumps));
    add_figure(table, "  jump cache", hits, "%.3f %%",
               table_percent(hits, jit->jumps));
    add_figure(table, "  looked up", jit->jump_misses, "%.3f %%",
               table_percent(jit->jump_misses, jit->jumps));
}

static void make_code(const struct report *report, struct table *table)
{
    const struct xbar_riscv_jit_stats *jit = &report->stats.jit;

    table->title = "Translated code";
    table->num_columns = 3;
    table->has_notes = true;
    if (!report->translates) {
        return;
    }
    add_execution(report, table);
    add_figure(table, "blocks made", jit->blocks, "%.1f instructions each",
               table_ratio((double)jit->guest_insns, (double)jit->blocks));
    add_figure(table, "blocks dropped", jit->invalidated, "their code changed");
    add_figure(table, "blocks found again", jit->recalled,
               "their code was what it had been");
    add_figure(table, "blocks replaced", jit->replaced,
               "most by loops as a whole");
    add_figure(table, "blocks evicted", jit->evicted, "for want of room");
    add_figure(table, "blocks at the end", jit->blocks_live, "%s", "");
    add_figure(table, "exits chained", jit->links, "%.2f per block",
               table_ratio((double)jit->links, (double)jit->blocks));
    add_figure(
        table, "code bytes", jit->code_bytes_ever,
        "%.1f per instruction, counting included",
        table_ratio((double)jit->code_bytes_ever, (double)jit->guest_insns));
    add_figure(table, "memory for code", jit->code_bytes,
               "bytes in use at the end, gaps included");
}

/* How far to trust them. */
static void remark_samples(const struct samples *samples, struct table *table)
{
    if (samples->taken) {
        snprintf(table->remark, sizeof(table->remark),
                 "%" PRIu64
                 " samples: shares may be off by %.1f points, rarely "
                 "by more",
                 samples->taken, 100 * samples_margin(samples));
    }
}

static bool counts_functions(const struct report *report)
{
    return report->translates && (report->measure & MEASURE_COUNTS);
}

/* What was not measured has no columns, as 0 would say that there was none. The
 * interpreter counts no functions. */
static void add_functions_heads(const struct report *report,
                                struct table *table)
{
    table_head(table, "Functions", 2,
               (const char *const[]){ "function", "at" });
    if (counts_functions(report)) {
        table->heads[table->num_columns++] = "instructions";
        table->heads[table->num_columns++] = "share";
    }
    if (report->measure & MEASURE_SAMPLES) {
        table->heads[table->num_columns++] = "in samples";
        table->heads[table->num_columns++] = "itself";
    }
}

/* Exact counts, where they are; else samples lead. */
static void add_function(const struct report *report,
                         const struct function_count *f, struct table *table)
{
    double samples = (double)report->samples.total;
    double share = table_ratio((double)f->instructions,
                               (double)report->stats.instructions);
    double self = table_ratio((double)f->self, samples);
    unsigned column = 2;

    table_set(table, 0, "%.40s", f->function.name);
    table_set(table, 1, "0x%" PRIx64, f->function.start);
    if (counts_functions(report)) {
        table_set_count(table, column++, f->instructions);
        table_set_share(table, column++, share, 2);
    }
    if (report->measure & MEASURE_SAMPLES) {
        table_set_share(table, column++, table_ratio((double)f->total, samples),
                        1);
        table_set_share(table, column++, self, 1);
    }
    table->bars[table->num_rows] = f->instructions ? share : self;
    table_end_row(table);
}

static void make_functions(const struct report *report, struct table *table)
{
    const struct functions *functions = &report->functions;

    add_functions_heads(report, table);
    table->has_bars = true;
    for (size_t i = 0; i < functions->count && i < HOT_FUNCTIONS; i++) {
        const struct function_count *f =
            &functions->items[functions->by_heat[i]];

        if (f->instructions || f->total) {
            add_function(report, f, table);
        }
    }
    remark_samples(&report->samples, table);
}

static void make_blocks(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "block at", "made for",     "length",
                                         "runs",     "instructions", "share" };

    table_head(table, "Hot blocks", 6, heads);
    table->has_bars = true;
    for (unsigned i = 0; i < report->hot.count; i++) {
        const struct xbar_riscv_block *block = &report->hot.items[i].block;
        double share = table_ratio((double)block->instructions,
                                   (double)report->stats.instructions);

        table_set(table, 0, "0x%" PRIx64, block->pc);
        xbar_riscv_print_mode(table->cells[table->num_rows][1], TABLE_CELL,
                              block->mode);
        table_set_count(table, 2, block->insns);
        table_set_count(table, 3, block->executions);
        table_set_count(table, 4, block->instructions);
        table_set_share(table, 5, share, 2);
        table->bars[table->num_rows] = share;
        table_end_row(table);
    }
}

unsigned report_num_listings(const struct report *report)
{
    return report->hot.count < HOT_LISTED ? report->hot.count : HOT_LISTED;
}

void report_make_caption(const struct report *report, unsigned which,
                         char *caption, size_t size)
{
    const struct xbar_riscv_block *block = &report->hot.items[which].block;
    char mode[TABLE_CELL];

    xbar_riscv_print_mode(mode, sizeof(mode), block->mode);
    snprintf(caption, size,
             "0x%" PRIx64
             ", %s: %.2f %%; %u guest bytes, %u host bytes, %u of slow paths",
             block->pc, mode,
             table_percent(block->instructions, report->stats.instructions),
             (unsigned)block->guest_size, (unsigned)block->hot_size,
             (unsigned)(block->code_size - block->hot_size));
}

/* ---- Traps, regions ---------------------------------------------------- */

static void make_traps(const struct report *report, struct table *table)
{
    const struct xbar_riscv_stats *stats = &report->stats;
    uint64_t total = stats->exceptions + stats->interrupts;

    table->title = "Traps";
    table->num_columns = 3;
    table->has_bars = true;
    for (unsigned cause = 0; cause < 64; cause++) {
        if (!stats->traps[cause]) {
            continue;
        }
        double share = table_ratio((double)stats->traps[cause], (double)total);

        table_set(table, 0, "%s", report_trap_name(cause));
        table_set_count(table, 1, stats->traps[cause]);
        table_set_share(table, 2, share, 2);
        table->bars[table->num_rows] = share;
        table_end_row(table);
    }
}

static void add_count(struct table *table, const char *name, uint64_t value)
{
    table_set(table, 0, "%s", name);
    table_set_count(table, 1, value);
    table_end_row(table);
}

/* Changes of the tree, those that made the board included. */
static void make_memory(const struct report *report, struct table *table)
{
    const struct xbar_engine_stats *stats = &report->memory;

    table->title = "Memory map";
    table->num_columns = 2;
    add_count(table, "commits", stats->commits);
    add_count(table, "of these while it ran", report->changes.commits);
    add_count(table, "views published", stats->views);
    add_count(table, "windows resolved anew", stats->windows);
    add_count(table, "index nodes copied", stats->nodes_copied);
    add_count(table, "bytes live", stats->bytes_live);
    add_count(table, "bytes awaiting a grace period", stats->bytes_retired);
}

#define CHANGES_SHOWN 20

/* Of addresses, as the hart sees them. */
static void make_changes(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "region", "at",    "to",
                                         "commit", "after", "" };
    const struct changes *changes = &report->changes;

    table_head(table, "Changes of the memory map", 6, heads);
    table->has_notes = true;
    for (unsigned i = 0; i < changes->count && i < CHANGES_SHOWN; i++) {
        const struct change *change = &changes->items[i];

        table_set(table, 0, "%s", change->name);
        table_set(table, 1, "0x%" PRIx64, change->first);
        table_set(table, 2, "0x%" PRIx64, change->last);
        table_set_count(table, 3, change->commit);
        table_set_ns(table, 4, (double)change->ns);
        table_set(table, 5, "%s", change->is_added ? "added" : "removed");
        table_end_row(table);
    }
    if (changes->total > table->num_rows) {
        table_set(table, 0, "and %" PRIu64 " more",
                  changes->total - table->num_rows);
        table_end_row(table);
    }
}

typedef void make_fn(const struct report *report, struct table *table);

static make_fn *const makers[REPORT_TABLES] = {
    [REPORT_SPEED] = make_speed,
    [REPORT_WORK] = make_work,
    [REPORT_CODE] = make_code,
    [REPORT_FUNCTIONS] = make_functions,
    [REPORT_BLOCKS] = make_blocks,
    [REPORT_TRAPS] = make_traps,
    [REPORT_REGIONS] = report__make_regions,
    [REPORT_LATENCY] = report__make_latency,
    [REPORT_REGISTERS] = report__make_registers,
    [REPORT_PAGES] = report__make_pages,
    [REPORT_TLB] = report__make_tlb,
    [REPORT_FLUSHES] = report__make_flushes,
    [REPORT_MEMORY] = make_memory,
    [REPORT_CHANGES] = make_changes,
};

void report_make_table(const struct report *report, enum report_table which,
                       struct table *table)
{
    memset(table, 0, sizeof(*table));
    makers[which](report, table);
}
