/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "report.h"
#include "size.h"

#define BAR_WIDTH 24

static unsigned column_width(const struct table *table, unsigned column)
{
    const char *head = table->heads[column];
    size_t width = head ? strlen(head) : 0;

    for (unsigned row = 0; row < table->num_rows; row++) {
        size_t len = strlen(table->cells[row][column]);

        width = len > width ? len : width;
    }
    return (unsigned)width;
}

/* The first column is flush left, the numbers flush right. An empty cell is
 * only ever the last of its row. */
static void print_cell(FILE *out, const char *text, unsigned column,
                       unsigned width)
{
    if (column && !text[0]) {
        return;
    }
    if (column == 0) {
        fprintf(out, "  %-*s", (int)width, text);
    } else {
        fprintf(out, "  %*s", (int)width, text);
    }
}

/* What is too little for a mark gets a dot. */
static void print_bar(FILE *out, double share)
{
    int marks = (int)(share * BAR_WIDTH + 0.5);

    if (share > 0) {
        fprintf(out, "  %.*s", marks ? marks : 1,
                marks ? "########################" : ".");
    }
}

static void print_table(const struct table *table, FILE *out)
{
    unsigned widths[TABLE_COLUMNS];

    for (unsigned i = 0; i < table->num_columns; i++) {
        widths[i] = column_width(table, i);
    }
    fprintf(out, "\n%s\n", table->title);
    for (unsigned i = 0; table->heads[0] && i < table->num_columns; i++) {
        print_cell(out, table->heads[i], i, widths[i]);
    }
    if (table->heads[0]) {
        fputc('\n', out);
    }
    for (unsigned row = 0; row < table->num_rows; row++) {
        for (unsigned i = 0; i < table->num_columns; i++) {
            print_cell(out, table->cells[row][i], i, widths[i]);
        }
        if (table->has_bars) {
            print_bar(out, table->bars[row]);
        }
        fputc('\n', out);
    }
}

void report_print_text(const struct report *report, FILE *out)
{
    char ram[32];

    size_print(ram, sizeof(ram), report->ram_size);
    fprintf(out, "\nProfile of %s: %s of RAM, %s%s, exit status %d\n",
            report->title, ram, report->engine,
            report->deterministic ? ", deterministic" : "", report->status);
    for (unsigned i = 0; i < REPORT_TABLES; i++) {
        struct table table;

        report_make_table(report, (enum report_table)i, &table);
        if (table.num_rows) {
            print_table(&table, out);
        }
    }
}
