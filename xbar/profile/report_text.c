/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "report.h"
#include "size.h"
#include "terminal.h"

/* Not in a file, and not if NO_COLOR says so (no-color.org). */
#define BOLD  "\033[1m"
#define BLUE  "\033[34m"
#define PLAIN "\033[0m"

static bool has_colours(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    int fd = fileno(out);

    return fd >= 0 && terminal_obeys(fd) && !(no_color && no_color[0]);
}

/* @code, if there are colours. */
static void colour(FILE *out, const char *code)
{
    if (has_colours(out)) {
        fputs(code, out);
    }
}

static void print_title(FILE *out, const char *title)
{
    fputc('\n', out);
    colour(out, BOLD);
    fputs(title, out);
    colour(out, PLAIN);
    fputc('\n', out);
}

#define LINE_WIDTH    80
#define BAR_WIDTH_MAX 24
#define BAR_WIDTH_MIN 3 /* or there are none */

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

/* The first column is flush left, the numbers flush right, notes have no
 * width. An empty cell is only ever the last of its row. */
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

/* What the columns leave of a line. */
static int bar_width(const unsigned *widths, unsigned columns)
{
    int room = LINE_WIDTH - 2;

    for (unsigned i = 0; i < columns; i++) {
        room -= 2 + (int)widths[i];
    }
    if (room > BAR_WIDTH_MAX) {
        return BAR_WIDTH_MAX;
    }
    return room < BAR_WIDTH_MIN ? 0 : room;
}

/* What is too little for a mark gets a dot. */
static void print_bar(FILE *out, double share, int width)
{
    int marks = (int)(share * width + 0.5);

    if (share > 0 && width) {
        colour(out, BLUE);
        fprintf(out, "  %.*s", marks ? marks : 1,
                marks ? "########################" : ".");
        colour(out, PLAIN);
    }
}

static void print_table(const struct table *table, FILE *out)
{
    unsigned widths[TABLE_COLUMNS];

    for (unsigned i = 0; i < table->num_columns; i++) {
        widths[i] = column_width(table, i);
    }
    if (table->has_notes) {
        widths[table->num_columns - 1] = 0;
    }
    print_title(out, table->title);
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
            print_bar(out, table->bars[row],
                      bar_width(widths, table->num_columns));
        }
        fputc('\n', out);
    }
    if (table->remark[0]) {
        fprintf(out, "  %s\n", table->remark);
    }
}

/* ---- Listings ---------------------------------------------------------- */

#define GUEST_WIDTH_MAX 36 /* a longer one moves its first line only */

struct columns {
    FILE *out; /* NULL: measuring */
    int executed;
    int address;
    int guest;
};

static void measure_line(void *opaque, const struct listing_line *line)
{
    struct columns *columns = opaque;
    int guest = (int)strlen(line->guest);
    int address = snprintf(NULL, 0, "%" PRIx64, line->address);
    int executed = snprintf(NULL, 0, "%" PRIu64, line->executed);

    if (line->is_guest) {
        columns->executed =
            executed > columns->executed ? executed : columns->executed;
        columns->address =
            address > columns->address ? address : columns->address;
        columns->guest = guest > columns->guest ? guest : columns->guest;
    }
}

static void print_line(void *opaque, const struct listing_line *line)
{
    const struct columns *columns = opaque;

    if (line->is_guest) {
        fprintf(columns->out, "  %*" PRIu64 "  %*" PRIx64 "  %-*s",
                columns->executed, line->executed, columns->address,
                line->address, line->host[0] ? columns->guest : 0, line->guest);
    } else {
        fprintf(columns->out, "  %*s",
                columns->executed + 2 + columns->address + 2 + columns->guest,
                "");
    }
    fprintf(columns->out, "%s%s\n", line->host[0] ? "  " : "", line->host);
}

static int print_listing(const struct report *report, unsigned which, FILE *out)
{
    const struct hot_block *item = &report->hot.items[which];
    struct columns columns = { .out = out };
    char caption[REPORT_CAPTION];
    int ret = listing_walk(&report->hot, item, measure_line, &columns);

    if (ret) {
        return ret;
    }
    if (columns.guest > GUEST_WIDTH_MAX) {
        columns.guest = GUEST_WIDTH_MAX;
    }
    report_make_caption(report, which, caption, sizeof(caption));
    fprintf(out, "\n  %s\n", caption);
    return listing_walk(&report->hot, item, print_line, &columns);
}

static int print_listings(const struct report *report, FILE *out)
{
    unsigned count = report_num_listings(report);
    int ret = 0;

    if (count) {
        print_title(out, REPORT_LISTINGS);
    }
    for (unsigned i = 0; ret == 0 && i < count; i++) {
        ret = print_listing(report, i, out);
    }
    return ret;
}

int report_print_text(const struct report *report, FILE *out)
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
    return print_listings(report, out);
}
