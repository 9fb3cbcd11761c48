/* SPDX-License-Identifier: MIT */
/* One self-contained page: no script, no file beside it, light or dark. */
#include <errno.h>

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
    "td.bar { width: 14em; }\n"
    "td.bar span { display: block; height: .8em; min-width: 1px;\n"
    "  background: var(--bar); }\n"
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
        print_element(out, "td", table->cells[row][i]);
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

int report_print_html(const struct report *report, FILE *out)
{
    char ram[32];

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
    fputs("</body>\n</html>\n", out);
    return ferror(out) ? -EIO : 0;
}
