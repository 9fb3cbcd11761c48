/* SPDX-License-Identifier: MIT */
/*
 * A plug-in: which lines of a guest's source were executed, and how often, in
 * the form that lcov and genhtml read.
 *
 *     --plugin coverage.so,elf=FILE[,out=coverage.info]
 *     genhtml --output-directory html coverage.info
 *
 * FILE is linked to where it runs, and has line numbers (-g). Each instruction
 * gets a counter of its own, which translated code raises inline: nothing is
 * called while the guest runs.
 */
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xbar/instrument.h>

#define HASH_SIZE 65536
#define PER_BOARD 4096 /* counters */

/* An instruction that was shown. */
struct site {
    uint64_t pc;
    struct xbar_scoreboard *board;
    size_t offset;
    struct site *next; /* in the hash */
};

/* Counters do not move, so there are more boards when one is full. */
struct boards {
    struct xbar_scoreboard *board;
    struct boards *next;
};

struct line {
    const char *file; /* of the debug information */
    int number;
    uint64_t count;
};

struct function {
    const char *file;
    const char *name;
    int number;
    uint64_t count;
};

struct coverage {
    struct xbar_instruments *instruments;
    char *elf;
    char *out;
    int fd;
    Dwarf *dwarf;
    pthread_mutex_t lock; /* of all below: harts show code at the same time */
    struct site *sites[HASH_SIZE];
    struct boards *boards;
    size_t used; /* counters of the newest board */
    bool is_short;
    struct line *lines;
    size_t line_count;
    struct function *functions;
    size_t function_count;
};

/* ---- Counting ---------------------------------------------------------- */

static struct site *find_site(const struct coverage *coverage, uint64_t pc)
{
    struct site *site = coverage->sites[pc / 2 % HASH_SIZE];

    while (site && site->pc != pc) {
        site = site->next;
    }
    return site;
}

static bool add_board(struct coverage *coverage)
{
    struct boards *boards = calloc(1, sizeof(*boards));

    if (!boards) {
        return false;
    }
    boards->board = xbar_scoreboard_new(coverage->instruments,
                                        PER_BOARD * sizeof(uint64_t));
    if (!boards->board) {
        free(boards);
        return false;
    }
    boards->next = coverage->boards;
    coverage->boards = boards;
    coverage->used = 0;
    return true;
}

static struct site *make_site(struct coverage *coverage, uint64_t pc)
{
    struct site **slot = &coverage->sites[pc / 2 % HASH_SIZE];
    struct site *site = calloc(1, sizeof(*site));

    if (!site || ((!coverage->boards || coverage->used == PER_BOARD) &&
                  !add_board(coverage))) {
        free(site);
        return NULL;
    }
    site->pc = pc;
    site->board = coverage->boards->board;
    site->offset = coverage->used++ * sizeof(uint64_t);
    site->next = *slot;
    *slot = site;
    return site;
}

static void look_at(void *opaque, struct xbar_vcpu *vcpu,
                    struct xbar_code *code)
{
    struct coverage *coverage = opaque;

    (void)vcpu;
    pthread_mutex_lock(&coverage->lock);
    for (unsigned i = 0; i < xbar_code_insns(code); i++) {
        uint64_t pc = xbar_code_insn(code, i)->pc;
        struct site *site = find_site(coverage, pc);

        site = site ? site : make_site(coverage, pc);
        if (!site ||
            xbar_code_count_insn(code, i, site->board, site->offset, 1)) {
            coverage->is_short = true;
        }
    }
    pthread_mutex_unlock(&coverage->lock);
}

static uint64_t count_at(const struct coverage *coverage, uint64_t pc)
{
    const struct site *site = find_site(coverage, pc);

    return site ? xbar_scoreboard_sum(site->board, site->offset) : 0;
}

/* ---- Lines ------------------------------------------------------------- */

static void add_line(struct coverage *coverage, const char *file, int number,
                     uint64_t count)
{
    size_t n = coverage->line_count;

    if ((n & (n - 1)) == 0) { /* a power of 2 is full */
        struct line *more =
            realloc(coverage->lines, (n ? 2 * n : 1) * sizeof(*more));

        if (!more) {
            coverage->is_short = true;
            return;
        }
        coverage->lines = more;
    }
    coverage->lines[coverage->line_count++] =
        (struct line){ file, number, count };
}

/* A row is executed as often as the instruction that it begins with. */
static void add_rows(struct coverage *coverage, Dwarf_Die *unit)
{
    Dwarf_Lines *rows;
    size_t count;

    if (dwarf_getsrclines(unit, &rows, &count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        Dwarf_Line *row = dwarf_onesrcline(rows, i);
        bool is_end = true, begins = false;
        Dwarf_Addr pc;
        int number;

        dwarf_lineendsequence(row, &is_end);
        dwarf_linebeginstatement(row, &begins);
        if (!is_end && begins && !dwarf_lineaddr(row, &pc) &&
            !dwarf_lineno(row, &number) && number > 0) {
            add_line(coverage, dwarf_linesrc(row, NULL, NULL), number,
                     count_at(coverage, pc));
        }
    }
}

static int add_function(Dwarf_Die *die, void *opaque)
{
    struct coverage *coverage = opaque;
    Dwarf_Addr pc;
    int number;
    struct function *more;

    if (dwarf_entrypc(die, &pc) || !dwarf_diename(die) ||
        dwarf_decl_line(die, &number)) {
        return DWARF_CB_OK; /* a declaration, or all of it inlined */
    }
    more = realloc(coverage->functions,
                   (coverage->function_count + 1) * sizeof(*more));
    if (!more) {
        coverage->is_short = true;
        return DWARF_CB_ABORT;
    }
    coverage->functions = more;
    more[coverage->function_count++] =
        (struct function){ dwarf_decl_file(die), dwarf_diename(die), number,
                           count_at(coverage, pc) };
    return DWARF_CB_OK;
}

static void read_units(struct coverage *coverage)
{
    Dwarf_Off offset = 0, next;
    size_t header;

    while (!dwarf_nextcu(coverage->dwarf, offset, &next, &header, NULL, NULL,
                         NULL)) {
        Dwarf_Die unit;

        if (dwarf_offdie(coverage->dwarf, offset + header, &unit)) {
            add_rows(coverage, &unit);
            dwarf_getfuncs(&unit, add_function, coverage, 0);
        }
        offset = next;
    }
}

/* By file and line, the most executed first. */
static int by_place(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int files = strcmp(x->file, y->file);

    if (files || x->number != y->number) {
        return files ? files : x->number - y->number;
    }
    return x->count > y->count ? -1 : x->count < y->count;
}

static void print_functions(const struct coverage *coverage, const char *file,
                            FILE *out)
{
    for (size_t i = 0; i < coverage->function_count; i++) {
        const struct function *f = &coverage->functions[i];

        if (f->file && strcmp(f->file, file) == 0) {
            fprintf(out, "FN:%d,%s\nFNDA:%" PRIu64 ",%s\n", f->number, f->name,
                    f->count, f->name);
        }
    }
}

static void print(const struct coverage *coverage, FILE *out)
{
    const struct line *before = NULL;

    for (size_t i = 0; i < coverage->line_count; i++) {
        const struct line *line = &coverage->lines[i];
        bool is_file = !before || strcmp(before->file, line->file) != 0;

        if (is_file) {
            fprintf(out, "%sTN:\nSF:%s\n", before ? "end_of_record\n" : "",
                    line->file);
            print_functions(coverage, line->file, out);
        }
        if (is_file || before->number != line->number) {
            fprintf(out, "DA:%d,%" PRIu64 "\n", line->number, line->count);
        }
        before = line;
    }
    if (before) {
        fputs("end_of_record\n", out);
    }
}

/* ---- Life -------------------------------------------------------------- */

static void free_coverage(struct coverage *coverage)
{
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        while (coverage->sites[i]) {
            struct site *next = coverage->sites[i]->next;

            free(coverage->sites[i]);
            coverage->sites[i] = next;
        }
    }
    while (coverage->boards) {
        struct boards *next = coverage->boards->next;

        xbar_scoreboard_free(coverage->boards->board);
        free(coverage->boards);
        coverage->boards = next;
    }
    dwarf_end(coverage->dwarf);
    if (coverage->fd >= 0) {
        close(coverage->fd);
    }
    free(coverage->lines);
    free(coverage->functions);
    free(coverage->elf);
    free(coverage->out);
    pthread_mutex_destroy(&coverage->lock);
    free(coverage);
}

static void end(void *opaque)
{
    struct coverage *coverage = opaque;
    FILE *out = fopen(coverage->out, "w");

    read_units(coverage);
    if (coverage->line_count) {
        qsort(coverage->lines, coverage->line_count, sizeof(struct line),
              by_place);
    }
    if (!out) {
        fprintf(stderr, "coverage: %s: %s\n", coverage->out, strerror(errno));
    } else {
        print(coverage, out);
        if (ferror(out) | fclose(out)) {
            fprintf(stderr, "coverage: %s: not all could be written\n",
                    coverage->out);
        }
    }
    if (coverage->is_short) {
        fputs("coverage: memory was short: counts are too low\n", stderr);
    }
    free_coverage(coverage);
}

static bool take_args(struct coverage *coverage,
                      const struct xbar_plugin_args *args, Error **errp)
{
    for (unsigned i = 0; i < args->count; i++) {
        const struct xbar_plugin_arg *arg = &args->arg[i];
        char **text = strcmp(arg->key, "elf") == 0   ? &coverage->elf
                      : strcmp(arg->key, "out") == 0 ? &coverage->out
                                                     : NULL;

        if (!text) {
            error_setg(errp, "%s: no such option (elf, out)", arg->key);
            return false;
        }
        free(*text);
        *text = strdup(arg->value);
    }
    if (!coverage->elf) {
        error_setg(errp, "elf=FILE is missing");
        return false;
    }
    if (!coverage->out) {
        coverage->out = strdup("coverage.info");
    }
    return coverage->out != NULL;
}

static bool open_elf(struct coverage *coverage, Error **errp)
{
    coverage->fd = open(coverage->elf, O_RDONLY);
    if (coverage->fd < 0) {
        error_setg(errp, "%s: %s", coverage->elf, strerror(errno));
        return false;
    }
    coverage->dwarf = dwarf_begin(coverage->fd, DWARF_C_READ);
    if (!coverage->dwarf) {
        error_setg(errp, "%s: no line numbers: %s", coverage->elf,
                   dwarf_errmsg(-1));
    }
    return coverage->dwarf != NULL;
}

XBAR_PLUGIN(instruments, args, errp)
{
    static const struct xbar_instrument_ops ops = { .translated = look_at,
                                                    .ended = end };
    struct coverage *coverage = calloc(1, sizeof(*coverage));

    if (!coverage) {
        error_setg(errp, "no memory");
        return -1;
    }
    coverage->instruments = instruments;
    coverage->fd = -1;
    pthread_mutex_init(&coverage->lock, NULL);
    if (!take_args(coverage, args, errp) || !open_elf(coverage, errp)) {
        free_coverage(coverage);
        return -1;
    }
    if (!xbar_instrument_add(instruments, &ops, coverage)) {
        error_setg(errp, "no memory");
        free_coverage(coverage);
        return -1;
    }
    return 0;
}
