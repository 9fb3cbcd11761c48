/* SPDX-License-Identifier: MIT */
/*
 * One self-contained page, light or dark: the tables and listings as they are
 * printed, and figures that a script draws from the report, which the page
 * carries as JSON. Nothing is fetched.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "listing.h"
#include "report_json_internal.h"
#include "size.h"

static const char page_css[] = {
#include "page_css.inc"
};

static const char page_js[] = {
#include "page_js.inc"
};

static const char page_head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>xbar profile</title>\n"
    "<style>\n";

/* Hidden until the script finds that there is something to be drawn. */
static const char page_figures[] =
    "<section id=\"timeline-part\" hidden>\n"
    "<h2>Timeline</h2>\n"
    "<div class=\"grid\" id=\"timeline\"></div>\n"
    "</section>\n"
    "<section id=\"flame-part\" hidden>\n"
    "<h2>Where time goes</h2>\n"
    "<p>Samples by chain of calls, callers above. A click on a function makes "
    "it as wide as the picture; one on a caller above goes back.</p>\n"
    "<div class=\"tools\">\n"
    "<input id=\"flame-search\" type=\"search\" placeholder=\"function\" "
    "aria-label=\"find a function\">\n"
    "<button id=\"flame-reset\">all</button>\n"
    "<span id=\"flame-found\"></span>\n"
    "</div>\n"
    "<figure><div id=\"flame\"></div><output id=\"flame-says\"></output>"
    "</figure>\n"
    "</section>\n"
    "<section id=\"regions-part\" hidden>\n"
    "<h2>Addresses</h2>\n"
    "<p>Accesses by region, in order of address; bars and colours are "
    "logarithmic.</p>\n"
    "<ul id=\"regions\"></ul>\n"
    "<output id=\"region-says\"></output>\n"
    "</section>\n"
    "<section id=\"map-part\" hidden>\n"
    "<h2>Pages of RAM</h2>\n"
    "<div class=\"tools\">\n"
    "<button data-way=\"reads\">reads</button>\n"
    "<button data-way=\"writes\">writes</button>\n"
    "<button data-way=\"instructions\">fetches</button>\n"
    "<button id=\"map-reset\">all of RAM</button>\n"
    "</div>\n"
    "<figure><div id=\"map\"></div><div id=\"map-scale\"></div>"
    "<output id=\"map-says\"></output></figure>\n"
    "</section>\n"
    "<section id=\"latency-part\" hidden>\n"
    "<h2>Latency of devices</h2>\n"
    "<p>What callbacks took; both axes are logarithmic.</p>\n"
    "<div class=\"grid\" id=\"latency\"></div>\n"
    "<details id=\"latency-rest\"><summary id=\"latency-count\"></summary>\n"
    "<div class=\"grid\" id=\"latency-more\"></div></details>\n"
    "</section>\n";

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
    fputs("\n<div class=\"wide\"><table>\n", out);
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
    if (table->remark[0]) {
        print_element(out, "p", table->remark);
    }
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
    fputs("\n<div class=\"wide\"><table class=\"code\">\n", out);
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

/* Inside a script element, "<" might begin something else. */
static int print_json(const struct report *report, FILE *out)
{
    json_t *object = report__json_make(report);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!text) {
        return -ENOMEM;
    }
    fputs("<script type=\"application/json\" id=\"report\">", out);
    for (const char *c = text; *c; c++) {
        if (*c == '<') {
            fputs("\\u003c", out);
        } else {
            fputc(*c, out);
        }
    }
    fputs("</script>\n", out);
    free(text);
    return 0;
}

static void print_head(const struct report *report, FILE *out)
{
    char ram[32];

    size_print(ram, sizeof(ram), report->ram_size);
    fprintf(out, "%s%s</style>\n</head>\n<body>\n<header><div>\n", page_head,
            page_css);
    fputs("<h1>Profile of ", out);
    print_escaped(out, report->title);
    fprintf(out, "</h1>\n<p>%s of RAM, %s%s, exit status %d</p>\n", ram,
            report->engine, report->deterministic ? ", deterministic" : "",
            report->status);
    fputs("</div><button id=\"theme\">light or dark</button></header>\n", out);
}

int report_print_html(const struct report *report, FILE *out)
{
    int ret;

    print_head(report, out);
    fputs(page_figures, out);
    for (unsigned i = 0; i < REPORT_TABLES; i++) {
        struct table table;

        report_make_table(report, (enum report_table)i, &table);
        if (table.num_rows) {
            print_table(&table, out);
        }
    }
    ret = print_listings(report, out);
    ret = ret ? ret : print_json(report, out);
    fprintf(out, "<script>\n%s</script>\n</body>\n</html>\n", page_js);
    return ret ? ret : ferror(out) ? -EIO : 0;
}
