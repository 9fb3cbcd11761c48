/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "machine.h"
#include "size.h"
#include "trace/recorder.h"

#define DEFAULT_FILE       "xbar.trace"
#define PROGRESS_PERIOD_US 200000

/* For progress alone. */
static unsigned ignore_tick(void *opaque, struct machine *machine, uint64_t ns)
{
    (void)opaque;
    (void)machine;
    (void)ns;
    return PROGRESS_PERIOD_US;
}

/* The file is opened when all else is found right: it may be the trace of
 * another run. */
static int run(struct recorder *recorder, const struct guest *guest,
               const struct options *options, const char *path,
               struct machine_result *result, Error **errp)
{
    struct machine_config config = {
        .execution = options->execution,
        .virtio = &options->virtio,
        .tick = ignore_tick,
        .period_us = PROGRESS_PERIOD_US,
        .is_watched = true,
    };
    struct machine *machine;
    int ret;

    recorder_attach(recorder, &config);
    machine = machine_new(guest, &config, errp);
    if (!machine) {
        return -EINVAL;
    }
    ret = recorder_start(recorder, path, machine, guest,
                         options->execution.deterministic, errp);
    ret = ret ? ret : machine_run(machine, result, errp);
    machine_free(machine);
    return ret;
}

static void report(const struct recorder_totals *totals, const char *path)
{
    char size[32];

    size_print(size, sizeof(size), totals->bytes);
    fprintf(stderr,
            "xbar: %s: %" PRIu64 " accesses, %" PRIu64 " inputs; %s, %.1f "
            "bytes an access\n",
            path, totals->accesses, totals->inputs, size,
            totals->accesses ? (double)totals->bytes / (double)totals->accesses
                             : 0.0);
}

int trace_command(const struct guest *guest, const struct options *options,
                  Error **errp)
{
    const char *path = options->output ? options->output : DEFAULT_FILE;
    struct recorder *recorder = recorder_new(errp);
    struct recorder_totals totals;
    struct machine_result result;
    int ret;

    if (!recorder) {
        return -EINVAL;
    }
    ret = run(recorder, guest, options, path, &result, errp);
    if (recorder_close(recorder, &totals)) {
        return ret ? ret : result.status ? result.status : 1;
    }
    if (ret == 0) {
        report(&totals, path);
    }
    return ret ? ret : result.status;
}
