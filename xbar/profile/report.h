/* SPDX-License-Identifier: MIT */
/*
 * What `profile` found, and its three forms.
 *
 *   struct report --> tables, listings --> text (stdout)
 *                 |                  \---> HTML (report.html)
 *                 \----------------------> JSON (report.json)
 *
 * Text and HTML are two ways to set the same tables and listings, so that they
 * cannot differ; JSON has the bare figures.
 */
#ifndef XBAR_REPORT_H
#define XBAR_REPORT_H

#include <xbar/xbar.h>

#include "changes.h"
#include "code.h"
#include "counts.h"
#include "functions.h"
#include "hot_blocks.h"
#include "jitdump.h"
#include "samples.h"
#include "symbols.h"
#include "table.h"

/* How long a run took. MIPS are per second of processor time: a guest that
 * sleeps in wfi, or a busy host, says nothing about speed. */
struct run_speed {
    uint64_t instructions;
    double seconds;
    double cpu_seconds;
};

struct report {
    char title[512]; /* of the guest */
    uint64_t ram_size;
    const char *engine; /* as --engine takes it */
    bool deterministic;
    int status; /* of the counted run */

    /* The run with counting on: all figures but the speed come from it. */
    struct run_speed counted;
    struct xbar_riscv_stats stats;
    struct xbar_engine_stats memory;   /* commits, views and their bytes */
    struct changes changes;            /* while it ran */
    struct xbar_riscv_counts accesses; /* by privilege */
    unsigned measure;                  /* enum measure: what there is */
    struct counts counts;
    double tick_ns; /* of the ticks in counts */
    struct code code;
    struct symbols symbols;
    struct samples samples;
    struct functions functions;
    struct jitdump jitdump; /* while it runs */
    bool translates;        /* there is an engine that does: */
    struct hot_blocks hot;  /* what it made */

    /* A run of its own without counting; zero if there was none. */
    struct run_speed plain;
};

enum report_table {
    REPORT_SPEED,
    REPORT_WORK,
    REPORT_CODE,
    REPORT_FUNCTIONS,
    REPORT_BLOCKS,
    REPORT_TRAPS,
    REPORT_REGIONS,
    REPORT_LATENCY,
    REPORT_REGISTERS,
    REPORT_PAGES,
    REPORT_TLB,
    REPORT_FLUSHES,
    REPORT_MEMORY,
    REPORT_CHANGES,
    REPORT_TABLES,
};

/* report_make_table() - set one table; `num_rows` 0 if there is nothing */
void report_make_table(const struct report *report, enum report_table which,
                       struct table *table);

/* report_accesses() - loads or stores, of all modes; the same of one mode */
uint64_t report_accesses(const struct report *report,
                         enum xbar_tlb_access access);
uint64_t report_mode_accesses(const struct xbar_riscv_mode_counts *mode,
                              enum xbar_tlb_access access);

/* report_hot_registers() - of @max, the places of those accessed most, most
 * first; report_hot_pages() the same of pages. Return: how many. */
unsigned report_hot_registers(const struct report *report, unsigned *places,
                              unsigned max);
unsigned report_hot_pages(const struct report *report, uint64_t *pages,
                          unsigned max);

/* How many of the hot blocks are listed, and what is said above each. */
unsigned report_num_listings(const struct report *report);
void report_make_caption(const struct report *report, unsigned which,
                         char *caption, size_t size);

#define REPORT_LISTINGS "Hottest blocks, guest beside host code"
#define REPORT_CAPTION  128

/* report_trap_name() - of cause 0..31 (exceptions), 32.. (interrupts) */
const char *report_trap_name(unsigned cause);

/* report_memory.c: tables */
void report__make_regions(const struct report *report, struct table *table);
void report__make_latency(const struct report *report, struct table *table);
void report__make_registers(const struct report *report, struct table *table);
void report__make_pages(const struct report *report, struct table *table);
void report__make_tlb(const struct report *report, struct table *table);
void report__make_flushes(const struct report *report, struct table *table);

/* report_print_text() - whether it arrived, ferror(@out) tells
 *
 * Return: 0; -ENOMEM. */
int report_print_text(const struct report *report, FILE *out) XBAR_MUST_CHECK;

/* Return: 0; -ENOMEM; -EIO if @out failed. */
int report_print_html(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int report_print_json(const struct report *report, FILE *out) XBAR_MUST_CHECK;

#endif
