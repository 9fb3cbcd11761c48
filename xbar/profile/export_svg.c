/* SPDX-License-Identifier: MIT */
/*
 * Pictures that stand alone: the flame graph, and the timeline, for documents.
 * They follow the reader's choice of light or dark. The page has the same ones,
 * to be clicked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"

#define WIDTH      900
#define ROW_HEIGHT 20
#define ROWS_MAX   (SAMPLES_DEPTH + 1)
#define NAME_WIDTH 7 /* of a letter, about */

static void print_head(FILE *out, int height, const char *title)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "width=\"%d\" height=\"%d\">\n<title>%s</title>\n<style>\n"
            "text { font: 12px system-ui, sans-serif; fill: #555; }\n"
            ".f text { fill: #1c1409; }\n"
            "path { fill: none; stroke: #2f6db3; stroke-width: 1.5; }\n"
            "line { stroke: #ccc; }\n"
            "@media (prefers-color-scheme: dark) {\n"
            "text { fill: #aaa; } line { stroke: #444; }\n"
            "path { stroke: #74aef0; } }\n"
            "</style>\n",
            WIDTH, height, WIDTH, height, title);
}

static void print_escaped(FILE *out, const char *text, int length)
{
    for (; *text && length > 0; text++, length--) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
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

/* ---- Flame graph ------------------------------------------------------- */

/* A chain as functions: sorted by these, what has a caller in common lies side
 * by side. */
struct stack {
    unsigned depth;
    uint32_t places[SAMPLES_DEPTH];
    uint64_t count;
};

struct flame {
    const struct report *report;
    FILE *out;
    uint64_t total;
    const struct stack *stacks;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct stack *x = a;
    const struct stack *y = b;

    for (unsigned i = 0; i < x->depth && i < y->depth; i++) {
        if (x->places[i] != y->places[i]) {
            return x->places[i] < y->places[i] ? -1 : 1;
        }
    }
    return (x->depth > y->depth) - (x->depth < y->depth);
}

static struct stack *make_stacks(const struct report *report)
{
    size_t count = report->samples.num_chains;
    struct stack *stacks = calloc(count + 1, sizeof(*stacks));

    for (size_t i = 0; stacks && i < count; i++) {
        const struct chain *chain = &report->samples.chains[i];

        stacks[i].count = chain->count;
        stacks[i].depth =
            functions_of_chain(&report->functions, &report->symbols,
                               &report->code, chain, stacks[i].places);
    }
    if (stacks) {
        qsort(stacks, count, sizeof(*stacks), compare);
    }
    return stacks;
}

/* The same colour for the same name, as on the page. */
static void print_frame(const struct flame *flame, const char *name, double x,
                        double width, unsigned row, uint64_t count)
{
    uint32_t hash = 0;

    for (const char *c = name; *c; c++) {
        hash = hash * 31 + (unsigned char)*c;
    }
    fprintf(flame->out,
            "<g class=\"f\"><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" "
            "height=\"%d\" fill=\"hsl(%u,%u%%,%u%%)\"/>",
            x, row * ROW_HEIGHT, width > 1 ? width - 0.5 : width,
            ROW_HEIGHT - 1, 20 + hash % 40, 70 + hash % 23, 62 + hash % 13);
    fputs("<title>", flame->out);
    print_escaped(flame->out, name, SYMBOLS_NAME);
    fprintf(flame->out, ": %" PRIu64 " samples, %.1f %%</title>", count,
            table_percent(count, flame->total));
    if (width > 4 * NAME_WIDTH) {
        fprintf(flame->out, "<text x=\"%.1f\" y=\"%u\">", x + 3,
                row * ROW_HEIGHT + 14);
        print_escaped(flame->out, name, (int)(width / NAME_WIDTH));
        fputs("</text>", flame->out);
    }
    fputs("</g>\n", flame->out);
}

/* The frames of one row: runs of stacks that are equal up to there. Return:
 * was there one? */
static bool print_row(const struct flame *flame, unsigned row)
{
    uint64_t before = 0;
    bool any = false;

    for (size_t i = 0, next; i < flame->count; i = next) {
        const struct stack *stack = &flame->stacks[i];
        uint64_t count = 0;

        next = i;
        do {
            count += flame->stacks[next++].count;
        } while (next < flame->count && stack->depth >= row &&
                 flame->stacks[next].depth >= row &&
                 memcmp(stack->places, flame->stacks[next].places,
                        row * sizeof(stack->places[0])) == 0);
        if (stack->depth >= row && flame->total) {
            double scale = (double)WIDTH / (double)flame->total;

            any = true;
            print_frame(
                flame,
                row ? flame->report->functions.items[stack->places[row - 1]]
                          .function.name
                    : "all",
                (double)before * scale, (double)count * scale, row, count);
        }
        before += count;
    }
    return any;
}

int export_flame_svg(const struct report *report, FILE *out)
{
    struct stack *stacks = make_stacks(report);
    struct flame flame = { .report = report,
                           .out = out,
                           .stacks = stacks,
                           .count = report->samples.num_chains };
    unsigned rows = 1;
    unsigned row = 0;

    if (!stacks) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < flame.count; i++) {
        flame.total += stacks[i].count;
        rows = stacks[i].depth + 1 > rows ? stacks[i].depth + 1 : rows;
    }
    print_head(out, (int)rows * ROW_HEIGHT, "samples by chain of calls");
    while (row < ROWS_MAX && print_row(&flame, row)) {
        row++;
    }
    fputs("</svg>\n", out);
    free(stacks);
    return ferror(out) ? -EIO : 0;
}

/* ---- Timeline ---------------------------------------------------------- */

#define PLOT_HEIGHT 110
#define PLOT_TOP    28
#define PLOT_BASE   92
#define PLOT_STEPS  300 /* points of a line, at most */

static const struct plot {
    const char *title;
    size_t offset; /* in struct point */
    size_t more;   /* added to that; the same offset: nothing is */
} plots[] = {
    { "instructions per second", offsetof(struct point, instructions),
      offsetof(struct point, instructions) },
    { "TLB misses per second", offsetof(struct point, walks),
      offsetof(struct point, l2_hits) },
    { "device accesses per second", offsetof(struct point, mmio),
      offsetof(struct point, mmio) },
};

#define PLOTS (sizeof(plots) / sizeof(plots[0]))

static uint64_t value_of(const struct plot *plot, const struct point *point)
{
    const char *at = (const char *)point;
    uint64_t value = *(const uint64_t *)(at + plot->offset);

    return plot->more == plot->offset
               ? value
               : value + *(const uint64_t *)(at + plot->more);
}

static double rate_at(const struct samples *samples, const struct plot *plot,
                      unsigned from, unsigned to)
{
    const struct point *a = &samples->points[from];
    const struct point *b = &samples->points[to];

    return table_ratio((double)(value_of(plot, b) - value_of(plot, a)),
                       (double)(b->ns - a->ns) / 1e9);
}

/* "2.19 G" */
static void print_number(double value, FILE *out)
{
    static const char *const units[] = { "", " k", " M", " G" };
    unsigned unit = 0;

    while (value >= 1000 && unit < 3) {
        value /= 1000;
        unit++;
    }
    fprintf(out, "%.3g%s", value, units[unit]);
}

static void print_plot(const struct samples *samples, const struct plot *plot,
                       int y, FILE *out)
{
    unsigned last = samples->num_points - 1;
    unsigned step = last / PLOT_STEPS + 1;
    double end = (double)samples->points[last].ns;
    double most = 0;

    for (unsigned i = 0; i + step <= last; i += step) {
        double rate = rate_at(samples, plot, i, i + step);

        most = rate > most ? rate : most;
    }
    fprintf(out,
            "<line x1=\"4\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n"
            "<text x=\"4\" y=\"%d\">%s, up to ",
            WIDTH - 4, y + PLOT_BASE, y + PLOT_BASE, y + 16, plot->title);
    print_number(most, out);
    fputs("</text>\n<path d=\"", out);
    for (unsigned i = 0; i + step <= last; i += step) {
        double rate = rate_at(samples, plot, i, i + step);
        double x = (double)samples->points[i + step].ns / end;

        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', 4 + x * (WIDTH - 8),
                y + PLOT_BASE -
                    table_ratio(rate, most) * (PLOT_BASE - PLOT_TOP));
    }
    fprintf(out,
            "\"/>\n<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.2f s"
            "</text>\n",
            WIDTH - 4, y + PLOT_HEIGHT - 4, end / 1e9);
}

int export_timeline_svg(const struct report *report, FILE *out)
{
    const struct samples *samples = &report->samples;

    print_head(out, (int)PLOTS * PLOT_HEIGHT, "the run along time");
    for (unsigned i = 0; samples->num_points > 2 && i < PLOTS; i++) {
        print_plot(samples, &plots[i], (int)i * PLOT_HEIGHT, out);
    }
    fputs("</svg>\n", out);
    return ferror(out) ? -EIO : 0;
}
