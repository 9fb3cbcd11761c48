/* SPDX-License-Identifier: MIT */
/*
 * Counting takes its time, so a speed that was taken meanwhile says little about
 * the guest. The embedded demo takes no input: it runs twice, first as it is for
 * its speed, then silently with counting on. A guest of the user's runs once,
 * and the report says that its speed is that of counting.
 */
#include "profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo/demo_image.h"
#include "export.h"
#include "file.h"
#include "jitdump.h"
#include "machine.h"
#include "report.h"
#include "text.h"
#include "ticks.h"

#define DEFAULT_DIR        "xbar-report"
#define PROGRESS_PERIOD_US 200000

static struct run_speed speed_of(const struct machine_result *result)
{
    return (struct run_speed){ result->stats.instructions, result->seconds,
                               result->cpu_seconds };
}

/* ---- Counting ---------------------------------------------------------- */

static void count_device(void *opaque, const FlatRange *section, hwaddr offset,
                         enum xbar_tlb_access access, unsigned size_log2,
                         uint64_t count, uint64_t ticks)
{
    struct report *report = opaque;

    const struct device_access found = { offset, access, size_log2, count,
                                         ticks };

    counts_add_device(&report->counts, section, &found);
}

static void observe_memory(void *opaque, const FlatRange *section,
                           enum xbar_tlb_access access, unsigned size)
{
    struct report *report = opaque;

    counts_observe_memory(&report->counts, section, access, size);
}

static void add_block(void *opaque, const struct xbar_riscv_block *block)
{
    struct report *report = opaque;

    code_add(&report->code, block);
    counts_fetched(&report->counts, block->phys, block->instructions);
}

static bool add_live_block(void *opaque, const struct xbar_riscv_block *block)
{
    add_block(opaque, block);
    return true;
}

static struct board_observer make_observer(struct report *report,
                                           unsigned measure)
{
    struct board_observer observer = { .opaque = report };

    if (measure & MEASURE_COUNTS) {
        observer.counted = count_device;
        observer.memory = observe_memory;
        observer.block_gone = add_block;
        observer.counts = &report->counts.tlb;
        observer.interpreted = report->counts.fetches;
        observer.count_blocks = true;
    }
    if (measure & MEASURE_LATENCY) {
        observer.ticks = ticks_now;
    }
    return observer;
}

/* What is called has a name, though neither it nor the call is translated. */
static void add_calls(struct report *report, const struct xbar_riscv_hart *hart,
                      const struct chain *chain)
{
    for (unsigned i = 1; i < chain->depth; i++) {
        code_add_call(&report->code, hart, chain->pcs[i], chain->pcs[i - 1]);
    }
}

static unsigned take_sample(void *opaque, struct machine *machine, uint64_t ns)
{
    struct report *report = opaque;
    const struct xbar_riscv_hart *hart = machine_hart(machine);
    struct samples *samples = &report->samples;
    size_t known = samples->num_chains;
    unsigned us = samples_add(samples, hart, machine_engine(machine), ns);

    if (samples->num_chains > known) {
        add_calls(report, hart, &samples->chains[known]);
    }
    return us;
}

/* For progress alone. */
static unsigned ignore_tick(void *opaque, struct machine *machine, uint64_t ns)
{
    (void)opaque;
    (void)machine;
    (void)ns;
    return PROGRESS_PERIOD_US;
}

/* A file whose names are likely wrong is named; what it said stays. */
static void warn_of_mismatch(const struct report *report)
{
    for (unsigned i = 0; i < report->symbols.num_files; i++) {
        const struct symbols_file *file = &report->symbols.files[i];
        uint64_t total;
        uint64_t wrong = symbols_mismatch(file, &report->code, &total);

        if (wrong > total / 10) {
            fprintf(stderr,
                    "xbar: %s: %" PRIu64 " of %" PRIu64 " instructions that "
                    "ran there are not the file's: its names may be wrong\n",
                    file->path, wrong, total);
        }
    }
}

static bool dump_block(void *opaque, const struct xbar_riscv_block *block)
{
    struct report *report = opaque;
    struct function function;

    symbols_find(&report->symbols, &report->code, block->pc, &function);
    jitdump_add(&report->jitdump, block, function.name);
    return true;
}

/* The machine stands, and is about to go. */
static int collect(struct machine *machine, struct report *report, Error **errp)
{
    const struct xbar_riscv_hart *hart = machine_hart(machine);
    int ret;

    if (report->measure & MEASURE_COUNTS) {
        xbar_riscv_get_counts(hart, &report->accesses);
        counts_finish(&report->counts, &report->accesses);
    }
    xbar_riscv_for_each_block(hart, add_live_block, report);
    code_sort(&report->code);
    symbols_sort(&report->symbols);
    warn_of_mismatch(report);
    ret = functions_make(&report->functions, &report->symbols, &report->code,
                         &report->samples, errp);
    if (ret || !report->translates) {
        return ret;
    }
    if (report->jitdump.file) {
        xbar_riscv_for_each_block(hart, dump_block, report);
    }
    return hot_blocks_collect(&report->hot, hart, errp);
}

/* ---- Runs -------------------------------------------------------------- */

/* The demo. @is_whole: tells whether it ran to its end, and passed. Drives, ports
 * and plug-ins are the other machine's, which is there already. */
static int run_plain(const struct guest *guest, const struct options *options,
                     struct report *report, bool *is_whole, Error **errp)
{
    struct machine_config config = { .execution = options->execution };
    struct machine_result result;
    struct machine *machine;
    int ret;

    config.execution.plugins.count = 0;
    machine = machine_new(guest, &config, errp);
    if (!machine) {
        return -EINVAL;
    }
    ret = machine_run(machine, &result, errp);
    machine_free(machine);
    if (ret == 0) {
        report->status = result.status;
        report->plain = speed_of(&result);
        *is_whole = result.status == 0 && !result.is_cut_short;
    }
    return ret;
}

static int run_counted(struct machine *machine, struct report *report,
                       Error **errp)
{
    struct machine_result result;
    uint64_t start;
    int ret;

    counts_prepare(&report->counts, machine_memory(machine));
    ret = changes_start(&report->changes, machine_memory(machine), errp);
    if (report->measure & MEASURE_SAMPLES) {
        samples_start(&report->samples);
    }
    start = ticks_now();
    ret = ret ? ret : machine_run(machine, &result, errp);
    changes_stop(&report->changes);
    if (ret == 0) {
        report->tick_ns =
            result.seconds * 1e9 / (double)(ticks_now() - start + 1);
        if (report->measure & MEASURE_SAMPLES) {
            samples_finish(&report->samples, machine_hart(machine),
                           machine_engine(machine),
                           (uint64_t)(result.seconds * 1e9));
        }
        ret = collect(machine, report, errp);
    }
    if (ret == 0) {
        report->status = result.status;
        report->counted = speed_of(&result);
        report->stats = result.stats;
        report->memory = result.memory;
    }
    return ret;
}

static struct machine *make_counted(const struct guest *guest,
                                    const struct options *options,
                                    bool is_muted, struct report *report,
                                    Error **errp)
{
    struct machine_config config = {
        .execution = options->execution,
        .virtio = &options->virtio,
        .is_muted = is_muted,
        .tick = options->measure & MEASURE_SAMPLES ? take_sample : ignore_tick,
        .period_us = options->measure & MEASURE_SAMPLES ? SAMPLES_PERIOD_US
                                                        : PROGRESS_PERIOD_US,
        .is_watched = true,
    };

    if (counts_init(&report->counts, guest->ram_size,
                    options->measure & MEASURE_PAGES,
                    options->measure & MEASURE_LATENCY, errp)) {
        return NULL;
    }
    config.observer = make_observer(report, options->measure);
    return machine_new(guest, &config, errp);
}

static const char *folder_of(const struct options *options)
{
    return options->output ? options->output : DEFAULT_DIR;
}

/* Before the run: a folder that cannot be made should not cost one. */
static int open_folder(struct report *report, const struct options *options,
                       Error **errp)
{
    const char *dir = folder_of(options);
    int ret = file_make_dir(dir, errp);

    return ret || !options->perf ? ret
                                 : jitdump_open(&report->jitdump, dir, errp);
}

/* With the machine, what is wrong with a drive or a plug-in is told: nothing runs
 * and nothing is written before. */
static int run_guest(const struct guest *guest, const struct options *options,
                     struct report *report, Error **errp)
{
    bool is_demo = !options->bios;
    struct machine *machine =
        make_counted(guest, options, is_demo, report, errp);
    bool goes_on = true;
    int ret;

    if (!machine) {
        return -EINVAL;
    }
    ret = open_folder(report, options, errp);
    if (is_demo && ret == 0) {
        ret = run_plain(guest, options, report, &goes_on, errp);
    }
    if (is_demo && ret == 0 && goes_on) {
        printf("\nOnce more, silently, with counting on ...\n");
        fflush(stdout);
    }
    if (ret == 0 && goes_on) {
        ret = run_counted(machine, report, errp);
    }
    machine_free(machine);
    return ret;
}

/* ---- Files ------------------------------------------------------------- */

typedef int print_fn(const struct report *report, FILE *out);
typedef int write_fn(const char *path, const void *bytes, size_t size,
                     Error **errp);

/* @write: file_write(), or the other one */
static int write_file(const struct report *report, print_fn *print,
                      write_fn *write, const char *dir, const char *name,
                      Error **errp)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    char path[4096];
    int ret;

    if (!out) {
        error_setg(errp, "no memory for the report");
        return -ENOMEM;
    }
    ret = print(report, out);
    if (fclose(out) || ret) {
        error_setg(errp, "no memory for the report");
        ret = -ENOMEM;
    } else {
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        ret = write(path, text, size, errp);
    }
    free(text);
    return ret;
}

/* What does not arrive on stdout, main() tells. */
static int print_report(const struct report *report, Error **errp)
{
    int ret = report_print_text(report, stdout);

    if (ret) {
        error_setg(errp, "no memory for the report");
    }
    return ret;
}

static const struct {
    const char *name;
    print_fn *print;
} files[] = {
    { "report.json", report_print_json },
    { "report.html", report_print_html },
    { "callgrind.out", export_callgrind },
    { "stacks.folded", export_folded },
    { "trace.json", export_chrome },
    { "flame.svg", export_flame_svg },
    { "timeline.svg", export_timeline_svg },
};

#define NUM_FILES (sizeof(files) / sizeof(files[0]))

/* By the name that perf looks for. */
static int write_perf_map(const struct report *report, Error **errp)
{
    char name[64];

    snprintf(name, sizeof(name), "perf-%ld.map", (long)getpid());
    return write_file(report, export_perf_map, file_write_anew, "/tmp", name,
                      errp);
}

/* File @which, of those for perf behind the others. */
static int write_one(struct report *report, unsigned which, const char *dir,
                     Error **errp)
{
    return which < NUM_FILES
               ? write_file(report, files[which].print, file_write, dir,
                            files[which].name, errp)
               : write_perf_map(report, errp);
}

/* What cannot be written is told, the first by its name and why; the others are
 * written all the same. The dump is, but for its end: half of it would take
 * their room. */
static int write_files(struct report *report, const char *dir, bool perf,
                       Error **errp)
{
    Error *first = NULL;
    int ret = jitdump_close(&report->jitdump, &first);
    unsigned failed = ret != 0;
    char *absolute;

    for (unsigned i = 0; i < NUM_FILES + perf; i++) {
        int error = write_one(report, i, dir, ret ? NULL : &first);

        failed += error != 0;
        ret = ret ? ret : error;
    }
    if (failed > 1) {
        error_setg(errp, "%s; and %u more of the files",
                   error_get_pretty(first), failed - 1);
        error_free(first);
    } else if (failed) {
        error_propagate(errp, first);
    } else {
        absolute = realpath(dir, NULL);
        printf("\nThe report is in %s/report.html (and report.json)\n",
               absolute ? absolute : dir);
        free(absolute);
    }
    return ret;
}

/* ---- Symbols ----------------------------------------------------------- */

/* What was loaded may have names; that it has none is no news. A raw file is
 * not in memory, and a pipe cannot be read again. */
static void add_image(struct symbols *symbols, const struct image *image)
{
    if (image->bytes) {
        symbols_add_memory(symbols, image->name, image->bytes, image->size);
    }
}

static int add_symbols(struct report *report, const struct guest *guest,
                       const struct options *options, Error **errp)
{
    struct symbols *symbols = &report->symbols;

    for (unsigned i = 0; i < options->num_symbols; i++) {
        int ret = symbols_add_file(symbols, options->symbols[i], errp);

        if (ret) {
            return ret;
        }
        if (!symbols->files[symbols->num_files - 1].count) {
            fprintf(stderr, "xbar: --symbols %s: has no names of functions\n",
                    options->symbols[i]);
        }
    }
    if (options->bios) {
        add_image(symbols, &guest->bios);
        add_image(symbols, &guest->kernel);
    } else {
        symbols_add_memory(symbols, "the built-in demo", demo_image,
                           demo_image_size);
    }
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void make_title(struct report *report, const struct guest *guest,
                       const struct options *options)
{
    char title[sizeof(report->title)];

    if (options->bios && options->kernel) {
        snprintf(title, sizeof(title), "%s, %s", base_name(options->bios),
                 base_name(options->kernel));
    } else {
        snprintf(title, sizeof(title), "%s", guest->title);
    }
    text_clean(report->title, sizeof(report->title), title);
}

int profile_command(const struct guest *guest, const struct options *options,
                    Error **errp)
{
    struct report *report = calloc(1, sizeof(*report));
    int ret;

    if (!report) {
        error_setg(errp, "no memory for the report");
        return -ENOMEM;
    }
    make_title(report, guest, options);
    report->ram_size = guest->ram_size;
    report->engine = options_engine_name(options->execution.engine);
    report->translates = options->execution.engine != XBAR_RISCV_INTERP;
    report->measure = options->measure;
    report->deterministic = options->execution.deterministic;
    ret = add_symbols(report, guest, options, errp);
    if (ret == 0) {
        ret = run_guest(guest, options, report, errp);
    }
    if (ret == 0 && report->counted.instructions) {
        ret = print_report(report, errp);
        ret =
            ret ? ret
                : write_files(report, folder_of(options), options->perf, errp);
    }
    (void)jitdump_close(&report->jitdump, NULL); /* unless it is */
    ret = ret ? ret : report->status;
    hot_blocks_free(&report->hot);
    functions_end(&report->functions);
    samples_end(&report->samples);
    symbols_end(&report->symbols);
    code_end(&report->code);
    counts_end(&report->counts);
    free(report);
    return ret;
}
