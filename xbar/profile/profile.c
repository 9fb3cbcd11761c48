/* SPDX-License-Identifier: MIT */
/*
 * Counting takes its time, so a speed that was taken meanwhile says little about
 * the guest. The embedded demo takes no input: it runs twice, first as it is for
 * its speed, then silently with counting on. A guest of the user's runs once,
 * and the report says that its speed is that of counting.
 */
#include "profile.h"

#include <errno.h>
#include <stdlib.h>

#include "file.h"
#include "machine.h"
#include "report.h"
#include "ticks.h"

#define DEFAULT_DIR "xbar-report"

static struct run_speed speed_of(const struct machine_result *result)
{
    return (struct run_speed){ result->stats.instructions, result->seconds,
                               result->cpu_seconds };
}

/* ---- Counting ---------------------------------------------------------- */

static void observe_device(void *opaque, const struct xbar_access *access)
{
    struct report *report = opaque;

    counts_observe_device(&report->counts, access);
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
        observer.device = observe_device;
        observer.memory = observe_memory;
        observer.block_gone = add_block;
        observer.counts = &report->counts.tlb;
        observer.count_blocks = true;
    }
    if (measure & MEASURE_LATENCY) {
        observer.ticks = ticks_now;
    }
    return observer;
}

/* The machine stands, and is about to go. */
static int collect(struct machine *machine, struct report *report, Error **errp)
{
    const struct xbar_riscv_hart *hart = machine_hart(machine);

    xbar_riscv_get_counts(hart, &report->accesses);
    counts_finish(&report->counts, &report->accesses);
    xbar_riscv_for_each_block(hart, add_live_block, report);
    code_sort(&report->code);
    if (!report->translates) {
        return 0;
    }
    return hot_blocks_collect(&report->hot, hart, errp);
}

/* ---- Runs -------------------------------------------------------------- */

/* @is_whole: tells whether the guest ran to its end, and passed */
static int run_plain(const struct guest *guest, const struct options *options,
                     struct report *report, bool *is_whole, Error **errp)
{
    const struct machine_config config = {
        .execution = options->execution,
        .virtio = &options->virtio,
    };
    struct machine *machine = machine_new(guest, &config, errp);
    struct machine_result result;
    int ret;

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

static int run_observed(const struct guest *guest,
                        const struct machine_config *config,
                        struct report *report, Error **errp)
{
    struct machine *machine = machine_new(guest, config, errp);
    struct machine_result result;
    uint64_t start;
    int ret;

    if (!machine) {
        return -EINVAL;
    }
    counts_prepare(&report->counts, machine_memory(machine));
    start = ticks_now();
    ret = machine_run(machine, &result, errp);
    if (ret == 0) {
        report->tick_ns =
            result.seconds * 1e9 / (double)(ticks_now() - start + 1);
        ret = collect(machine, report, errp);
    }
    machine_free(machine);
    if (ret == 0) {
        report->status = result.status;
        report->counted = speed_of(&result);
        report->stats = result.stats;
        report->memory = result.memory;
    }
    return ret;
}

static int run_counted(const struct guest *guest, const struct options *options,
                       bool is_muted, struct report *report, Error **errp)
{
    const struct machine_config config = {
        .execution = options->execution,
        .virtio = &options->virtio,
        .is_muted = is_muted,
        .observer = make_observer(report, options->measure),
    };
    int ret = counts_init(&report->counts, guest->ram_size,
                          options->measure & MEASURE_PAGES, errp);

    return ret ? ret : run_observed(guest, &config, report, errp);
}

static int run_guest(const struct guest *guest, const struct options *options,
                     struct report *report, Error **errp)
{
    bool is_demo = !options->bios;
    bool is_whole = false;
    int ret;

    if (!is_demo) {
        return run_counted(guest, options, false, report, errp);
    }
    ret = run_plain(guest, options, report, &is_whole, errp);
    if (ret || !is_whole) {
        return ret;
    }
    printf("\nOnce more, silently, with counting on ...\n");
    fflush(stdout);
    return run_counted(guest, options, true, report, errp);
}

/* ---- Files ------------------------------------------------------------- */

typedef int print_fn(const struct report *report, FILE *out);

static int write_file(const struct report *report, print_fn *print,
                      const char *dir, const char *name, Error **errp)
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
        ret = file_write(path, text, size, errp);
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

static int write_files(const struct report *report, const char *dir,
                       Error **errp)
{
    char *absolute;
    int ret = write_file(report, report_print_json, dir, "report.json", errp);

    if (ret == 0) {
        ret = write_file(report, report_print_html, dir, "report.html", errp);
    }
    if (ret == 0) {
        absolute = realpath(dir, NULL);
        printf("\nThe report is in %s/report.html (and report.json)\n",
               absolute ? absolute : dir);
        free(absolute);
    }
    return ret;
}

int profile_command(const struct guest *guest, const struct options *options,
                    Error **errp)
{
    const char *dir = options->output ? options->output : DEFAULT_DIR;
    struct report *report = calloc(1, sizeof(*report));
    int ret;

    if (!report) {
        error_setg(errp, "no memory for the report");
        return -ENOMEM;
    }
    report->title = guest->title;
    report->ram_size = guest->ram_size;
    report->engine = options_engine_name(options->execution.engine);
    report->translates = options->execution.engine != XBAR_RISCV_INTERP;
    report->measure = options->measure;
    report->deterministic = options->execution.deterministic;
    /* Before the run: a folder that cannot be made should not cost one. */
    ret = file_make_dir(dir, errp);
    if (ret == 0) {
        ret = run_guest(guest, options, report, errp);
    }
    if (ret == 0 && report->counted.instructions) {
        ret = print_report(report, errp);
        ret = ret ? ret : write_files(report, dir, errp);
    }
    ret = ret ? ret : report->status;
    hot_blocks_free(&report->hot);
    code_end(&report->code);
    counts_end(&report->counts);
    free(report);
    return ret;
}
