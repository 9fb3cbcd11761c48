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

#include "counts.h"
#include "hot_blocks.h"

/* How long a run took. MIPS are per second of processor time: a guest that
 * sleeps in wfi, or a busy host, says nothing about speed. */
struct run_speed {
    uint64_t instructions;
    double seconds;
    double cpu_seconds;
};

struct report {
    const char *title; /* of the guest */
    uint64_t ram_size;
    const char *engine; /* as --engine takes it */
    bool deterministic;
    int status; /* of the counted run */

    /* The run with counting on: all figures but the speed come from it. */
    struct run_speed counted;
    struct xbar_riscv_stats stats;
    struct xbar_engine_stats memory; /* commits, views and their bytes */
    struct counts counts;
    bool translates;       /* there is an engine that does: */
    struct hot_blocks hot; /* what it made */

    /* A run of its own without counting; zero if there was none. */
    struct run_speed plain;
};

#define TABLE_COLUMNS 6
#define TABLE_ROWS    64
#define TABLE_CELL    48

/* Cells are text, ready to print. Columns after the first are numbers, but
 * for the last one if it has notes. */
struct table {
    const char *title;
    unsigned num_columns;
    unsigned num_rows;
    bool has_bars;
    bool has_notes;
    const char *heads[TABLE_COLUMNS]; /* NULL: no heading line */
    char cells[TABLE_ROWS][TABLE_COLUMNS][TABLE_CELL];
    double bars[TABLE_ROWS]; /* 0 to 1 */
};

enum report_table {
    REPORT_SPEED,
    REPORT_WORK,
    REPORT_CODE,
    REPORT_BLOCKS,
    REPORT_TRAPS,
    REPORT_REGIONS,
    REPORT_MEMORY,
    REPORT_TABLES,
};

/* report_make_table() - set one table; `num_rows` 0 if there is nothing */
void report_make_table(const struct report *report, enum report_table which,
                       struct table *table);

/* How many of the hot blocks are listed, and what is said above each. */
unsigned report_num_listings(const struct report *report);
void report_make_caption(const struct report *report, unsigned which,
                         char *caption, size_t size);

#define REPORT_LISTINGS "Hottest blocks, guest beside host code"
#define REPORT_CAPTION  128

/* report_trap_name() - of cause 0..31 (exceptions), 32.. (interrupts) */
const char *report_trap_name(unsigned cause);

/* report_print_text() - whether it arrived, ferror(@out) tells
 *
 * Return: 0; -ENOMEM. */
int report_print_text(const struct report *report, FILE *out) XBAR_MUST_CHECK;

/* Return: 0; -ENOMEM; -EIO if @out failed. */
int report_print_html(const struct report *report, FILE *out) XBAR_MUST_CHECK;
int report_print_json(const struct report *report, FILE *out) XBAR_MUST_CHECK;

#endif
