/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "size.h"

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

/* ---- Cells ------------------------------------------------------------- */

/* 1234567 as "1,234,567" */
static void format_count(char *cell, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    char *to = cell;

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
}

/* The next cell of the row being made, cut to its size. */
static void XBAR_PRINTF(3, 4)
    set_cell(struct table *table, unsigned column, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(table->cells[table->num_rows][column], TABLE_CELL, format, args);
    va_end(args);
}

static void set_count(struct table *table, unsigned column, uint64_t value)
{
    format_count(table->cells[table->num_rows][column], value);
}

static void end_row(struct table *table)
{
    if (table->num_rows < TABLE_ROWS - 1) {
        table->num_rows++;
    }
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- Tables ------------------------------------------------------------ */

static void add_speed(struct table *table, const char *name,
                      const struct run_speed *speed)
{
    if (!speed->instructions) {
        return;
    }
    set_cell(table, 0, "%s", name);
    set_count(table, 1, speed->instructions);
    set_cell(table, 2, "%.3f", speed->seconds);
    set_cell(table, 3, "%.3f", speed->cpu_seconds);
    set_cell(table, 4, "%.1f",
             ratio((double)speed->instructions, speed->cpu_seconds * 1e6));
    end_row(table);
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
    set_cell(table, 0, "%s", name);
    set_count(table, 1, value);
    if (whole > 0) {
        set_cell(table, 2, "%.3f %s", 1000.0 * (double)value / whole, unit);
    }
    end_row(table);
}

/* What the hart did; what did not happen is left out. A miss is a walk of
 * the guest's page tables, for data or for code. */
static void make_work(const struct report *report, struct table *table)
{
    const struct xbar_riscv_stats *stats = &report->stats;
    double insns = (double)stats->instructions;
    double accesses = (double)(stats->loads + stats->stores);

    table->title = "Work";
    table->num_columns = 3;
    add_work(table, "instructions", stats->instructions, 0, "");
    add_work(table, "loads", stats->loads, insns, "per 1000 instructions");
    add_work(table, "stores", stats->stores, insns, "per 1000 instructions");
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
    set_cell(table, 0, "%s", name);
    set_count(table, 1, value);
    va_start(args, format);
    vsnprintf(table->cells[table->num_rows][2], TABLE_CELL, format, args);
    va_end(args);
    end_row(table);
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100 * ratio((double)part, (double)whole);
}

static void add_execution(const struct report *report, struct table *table)
{
    const struct xbar_riscv_jit_stats *jit = &report->stats.jit;
    uint64_t runs = report->hot.executions + jit->gone_executions;
    uint64_t hits =
        jit->jumps > jit->jump_misses ? jit->jumps - jit->jump_misses : 0;

    add_figure(table, "instructions", jit->instructions, "%.3f %% of all",
               percent(jit->instructions, report->stats.instructions));
    add_figure(table, "blocks run", runs, "%.1f instructions each",
               ratio((double)jit->instructions, (double)runs));
    add_figure(table, "times left", jit->exits, "%.3f per 1000 blocks",
               1000 * ratio((double)jit->exits, (double)runs));
    add_figure(table, "indirect jumps", jit->jumps, "%.3f %% hit",
               percent(hits, jit->jumps));
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
               ratio((double)jit->guest_insns, (double)jit->blocks));
    add_figure(table, "blocks dropped", jit->invalidated, "their code changed");
    add_figure(table, "blocks evicted", jit->evicted, "for want of room");
    add_figure(table, "blocks at the end", jit->blocks_live, "%s", "");
    add_figure(table, "exits chained", jit->links, "%.2f per block",
               ratio((double)jit->links, (double)jit->blocks));
    add_figure(table, "code bytes", jit->code_bytes_ever,
               "%.1f per instruction, counting included",
               ratio((double)jit->code_bytes_ever, (double)jit->guest_insns));
    add_figure(table, "memory for code", jit->code_bytes,
               "bytes in use at the end, gaps included");
}

static void make_blocks(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "block at", "length", "runs",
                                         "instructions", "share" };

    table->title = "Hot blocks";
    table->num_columns = 5;
    table->has_bars = true;
    memcpy(table->heads, heads, sizeof(heads));
    for (unsigned i = 0; i < report->hot.count; i++) {
        const struct xbar_riscv_block *block = &report->hot.items[i].block;
        double share = percent(block->instructions, report->stats.instructions);

        set_cell(table, 0, "0x%" PRIx64, block->pc);
        set_count(table, 1, block->insns);
        set_count(table, 2, block->executions);
        set_count(table, 3, block->instructions);
        set_cell(table, 4, "%.2f %%", share);
        table->bars[table->num_rows] = share / 100;
        end_row(table);
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

    snprintf(
        caption, size,
        "0x%" PRIx64 ": %.2f %% of all; %u bytes of guest code, %u (and %u "
        "cold) for it",
        block->pc, percent(block->instructions, report->stats.instructions),
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
        double share = ratio((double)stats->traps[cause], (double)total);

        set_cell(table, 0, "%s", report_trap_name(cause));
        set_count(table, 1, stats->traps[cause]);
        set_cell(table, 2, "%.2f %%", 100 * share);
        table->bars[table->num_rows] = share;
        end_row(table);
    }
}

static void add_count(struct table *table, const char *name, uint64_t value)
{
    set_cell(table, 0, "%s", name);
    set_count(table, 1, value);
    end_row(table);
}

/* Changes of the tree, those that made the board included. */
static void make_memory(const struct report *report, struct table *table)
{
    const struct xbar_engine_stats *stats = &report->memory;

    table->title = "Memory map";
    table->num_columns = 2;
    add_count(table, "commits", stats->commits);
    add_count(table, "views published", stats->views);
    add_count(table, "windows resolved anew", stats->windows);
    add_count(table, "index nodes copied", stats->nodes_copied);
    add_count(table, "bytes live", stats->bytes_live);
    add_count(table, "bytes awaiting a grace period", stats->bytes_retired);
}

/* Those that nobody accessed would hide the others; report.json has them. */
static void make_regions(const struct report *report, struct table *table)
{
    static const char *const heads[] = { "region", "at",    "reads",
                                         "writes", "bytes", "share" };
    const struct counts *counts = &report->counts;
    uint64_t total = counts_total(counts);

    table->title = "Accesses by region";
    table->num_columns = 6;
    table->has_bars = true;
    memcpy(table->heads, heads, sizeof(heads));
    for (unsigned i = 0; i < counts->num_regions; i++) {
        const struct region_count *row = &counts->regions[i];
        double share = ratio((double)(row->reads + row->writes), (double)total);

        if (row->reads + row->writes == 0) {
            continue;
        }
        set_cell(table, 0, "%s", row->name);
        set_cell(table, 1, "0x%" PRIx64, row->first);
        set_count(table, 2, row->reads);
        set_count(table, 3, row->writes);
        set_count(table, 4, row->bytes_read + row->bytes_written);
        set_cell(table, 5, "%.4f %%", 100 * share);
        table->bars[table->num_rows] = share;
        end_row(table);
    }
}

void report_make_table(const struct report *report, enum report_table which,
                       struct table *table)
{
    memset(table, 0, sizeof(*table));
    switch (which) {
    case REPORT_SPEED:
        make_speed(report, table);
        break;
    case REPORT_WORK:
        make_work(report, table);
        break;
    case REPORT_CODE:
        make_code(report, table);
        break;
    case REPORT_BLOCKS:
        make_blocks(report, table);
        break;
    case REPORT_TRAPS:
        make_traps(report, table);
        break;
    case REPORT_REGIONS:
        make_regions(report, table);
        break;
    case REPORT_MEMORY:
        make_memory(report, table);
        break;
    case REPORT_TABLES:
        break;
    }
}
