/* SPDX-License-Identifier: MIT */
/* One self-contained page: no script, no file beside it, light or dark. */
#include <errno.h>
#include <inttypes.h>

#include "listing.h"
#include "report.h"
#include "size.h"

static const char page_head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>xbar profile</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; --ink: #1c2024; --soft: #667;\n"
    "  --paper: #fff; --line: #dde; --bar: #4477aa; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --ink: #e4e6ea; --soft: #99a; --paper: #16181c;\n"
    "    --line: #334; --bar: #77aadd; }\n"
    "}\n"
    "body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);\n"
    "  background: var(--paper); max-width: 60em; margin: 2em auto;\n"
    "  padding: 0 1em; }\n"
    "h1 { font-size: 1.4em; margin-bottom: 0; }\n"
    "h2 { font-size: 1.1em; margin: 1.6em 0 .3em; }\n"
    "p { color: var(--soft); margin-top: .2em; }\n"
    "div { overflow-x: auto; }\n"
    "table { border-collapse: collapse; }\n"
    "th, td { padding: .2em .9em .2em 0; text-align: right;\n"
    "  border-bottom: 1px solid var(--line); white-space: nowrap;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    "th { font-weight: 600; color: var(--soft); }\n"
    "th:first-child, td:first-child { text-align: left; }\n"
    "td.note { text-align: left; }\n"
    "td.bar { width: 14em; }\n"
    "td.bar span { display: block; height: .8em; min-width: 1px;\n"
    "  background: var(--bar); }\n"
    "summary { margin-top: .4em; cursor: pointer; }\n"
    "table.code { font: 13px/1.4 ui-monospace, monospace; }\n"
    "table.code td { text-align: left; border-bottom: none;\n"
    "  padding: 0 1.6em 0 0; }\n"
    "table.code tr.first td { border-top: 1px solid var(--line); }\n"
    "table.code td:first-child { color: var(--soft); }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n";

/* File names and region names are free text. */
static void print_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc(*text, out);
            break;
        }
    }
}

static void print_element(FILE *out, const char *element, const char *text)
{
    fprintf(out, "<%s>", element);
    print_escaped(out, text);
    fprintf(out, "</%s>", element);
}

static void print_row(const struct table *table, unsigned row, FILE *out)
{
    fputs("<tr>", out);
    for (unsigned i = 0; i < table->num_columns; i++) {
        bool is_note = table->has_notes && i == table->num_columns - 1;

        fputs(is_note ? "<td class=\"note\">" : "<td>", out);
        print_escaped(out, table->cells[row][i]);
        fputs("</td>", out);
    }
    if (table->has_bars) {
        fputs("<td class=\"bar\">", out);
        if (table->bars[row] > 0) {
            fprintf(out, "<span style=\"width:%.2f%%\"></span>",
                    100 * table->bars[row]);
        }
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

static void print_table(const struct table *table, FILE *out)
{
    print_element(out, "h2", table->title);
    fputs("\n<div><table>\n", out);
    if (table->heads[0]) {
        fputs("<tr>", out);
        for (unsigned i = 0; i < table->num_columns; i++) {
            print_element(out, "th", table->heads[i]);
        }
        fputs(table->has_bars ? "<th></th></tr>\n" : "</tr>\n", out);
    }
    for (unsigned row = 0; row < table->num_rows; row++) {
        print_row(table, row, out);
    }
    fputs("</table></div>\n", out);
}

/* ---- Listings ---------------------------------------------------------- */

static void print_line(void *opaque, const struct listing_line *line)
{
    FILE *out = opaque;

    fputs(line->is_first ? "<tr class=\"first\"><td>" : "<tr><td>", out);
    if (line->is_guest) {
        fprintf(out, "%" PRIu64 "</td><td>%" PRIx64, line->executed,
                line->address);
    } else {
        fputs("</td><td>", out);
    }
    fputs("</td>", out);
    print_element(out, "td", line->guest);
    print_element(out, "td", line->host);
    fputs("</tr>\n", out);
}

/* The hottest one is open. */
static int print_listing(const struct report *report, unsigned which, FILE *out)
{
    char caption[REPORT_CAPTION];
    int ret;

    report_make_caption(report, which, caption, sizeof(caption));
    fputs(which == 0 ? "<details open>" : "<details>", out);
    print_element(out, "summary", caption);
    fputs("\n<div><table class=\"code\">\n", out);
    ret =
        listing_walk(&report->hot, &report->hot.items[which], print_line, out);
    fputs("</table></div></details>\n", out);
    return ret;
}

static int print_listings(const struct report *report, FILE *out)
{
    unsigned count = report_num_listings(report);
    int ret = 0;

    if (count) {
        print_element(out, "h2", REPORT_LISTINGS);
        fputc('\n', out);
    }
    for (unsigned i = 0; ret == 0 && i < count; i++) {
        ret = print_listing(report, i, out);
    }
    return ret;
}

int report_print_html(const struct report *report, FILE *out)
{
    char ram[32];
    int ret;

    size_print(ram, sizeof(ram), report->ram_size);
    fputs(page_head, out);
    fputs("<h1>Profile of ", out);
    print_escaped(out, report->title);
    fprintf(out, "</h1>\n<p>%s of RAM, %s%s, exit status %d</p>\n", ram,
            report->engine, report->deterministic ? ", deterministic" : "",
            report->status);
    for (unsigned i = 0; i < REPORT_TABLES; i++) {
        struct table table;

        report_make_table(report, (enum report_table)i, &table);
        if (table.num_rows) {
            print_table(&table, out);
        }
    }
    ret = print_listings(report, out);
    fputs("</body>\n</html>\n", out);
    return ret ? ret : ferror(out) ? -EIO : 0;
}
