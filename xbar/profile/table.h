/* SPDX-License-Identifier: MIT */
/* What text and HTML set: rows of cells that are ready to print. */
#ifndef XBAR_PROFILE_TABLE_H
#define XBAR_PROFILE_TABLE_H

#include <xbar/xbar.h>

#define TABLE_COLUMNS 8
#define TABLE_ROWS    64
#define TABLE_CELL    64

/* Columns after the first are numbers, but for the last one if it has notes. */
struct table {
    const char *title;
    unsigned num_columns;
    unsigned num_rows;
    bool has_bars;
    bool has_notes;
    const char *heads[TABLE_COLUMNS]; /* NULL: no heading line */
    char cells[TABLE_ROWS][TABLE_COLUMNS][TABLE_CELL];
    double bars[TABLE_ROWS]; /* 0 to 1 */
    char remark[128];        /* below; "": none */
};

/* table_head() - title, and @count headings */
void table_head(struct table *table, const char *title, unsigned count,
                const char *const *heads);

/* The next cell of the row being made, cut to its size. */
void XBAR_PRINTF(3, 4)
    table_set(struct table *table, unsigned column, const char *format, ...);
/* 1234567 as "1,234,567" */
void table_set_count(struct table *table, unsigned column, uint64_t value);
/* A time with its unit: "850 ns", "1.2 ms" */
void table_set_ns(struct table *table, unsigned column, double ns);
/* A share, 0 to 1, in percent; one that is too small to show as "<0.01 %" */
void table_set_share(struct table *table, unsigned column, double share,
                     unsigned digits);
void table_end_row(struct table *table);

/* table_ratio() - 0 if there is no @whole */
static inline double table_ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static inline double table_percent(uint64_t part, uint64_t whole)
{
    return 100 * table_ratio((double)part, (double)whole);
}

#endif
