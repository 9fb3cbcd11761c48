/* SPDX-License-Identifier: MIT */
/*
 * A plug-in: every access that reaches a device, one a line.
 *
 *     xbar run --bios FILE --plugin mmio_log.so,out=mmio.txt[,region=uart]
 *
 *     800001f4 W 1 uart+0x0 0x48
 *     pc, read or write, bytes, region and offset, value
 *
 * Accesses to RAM go on at full speed: only those to devices are asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xbar/instrument.h>
#include <xbar/xbar.h>

struct mmio_log {
    FILE *out;
    const char *region; /* NULL: all */
    pthread_mutex_t lock;
    bool failed;
};

static void note_access(struct xbar_vcpu *vcpu,
                        const struct xbar_access_event *event, void *userdata)
{
    const char *name = event->mr ? memory_region_name(event->mr) : "nothing";
    bool is_write = event->kind & XBAR_ACCESS_WRITE;
    struct mmio_log *log = userdata;

    (void)vcpu;
    if (log->region && strcmp(log->region, name) != 0) {
        return;
    }
    pthread_mutex_lock(&log->lock);
    if (fprintf(log->out, "%" PRIx64 " %c %u %s+0x%" PRIx64 " 0x%" PRIx64 "\n",
                event->pc, is_write ? 'W' : 'R', event->size, name,
                event->offset, is_write ? event->stored : event->loaded) < 0) {
        log->failed = true;
    }
    pthread_mutex_unlock(&log->lock);
}

static void end(void *opaque)
{
    struct mmio_log *log = opaque;

    if (fclose(log->out) || log->failed) {
        fputs("mmio_log: what was accessed could not all be written\n", stderr);
    }
    pthread_mutex_destroy(&log->lock);
    free((char *)log->region);
    free(log);
}

static int parse(struct mmio_log *log, const struct xbar_plugin_args *args,
                 Error **errp)
{
    const char *path = "mmio.txt";

    for (unsigned i = 0; i < args->count; i++) {
        if (strcmp(args->arg[i].key, "out") == 0) {
            path = args->arg[i].value;
        } else if (strcmp(args->arg[i].key, "region") == 0 && !log->region) {
            log->region = strdup(args->arg[i].value);
        } else {
            error_setg(errp, "%s: no such option (out, region)",
                       args->arg[i].key);
            return -1;
        }
    }
    log->out = fopen(path, "w");
    if (!log->out) {
        error_setg(errp, "%s: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

XBAR_PLUGIN(instruments, args, errp)
{
    static const struct xbar_instrument_ops ops = { .ended = end };
    static const struct xbar_access_filter devices = { .targets =
                                                           XBAR_TARGET_IO };
    struct mmio_log *log = calloc(1, sizeof(*log));
    struct xbar_instrument *in;

    if (!log) {
        error_setg(errp, "no memory");
        return -1;
    }
    if (parse(log, args, errp)) {
        free((char *)log->region);
        free(log);
        return -1;
    }
    pthread_mutex_init(&log->lock, NULL);
    in = xbar_instrument_add(instruments, &ops, log);
    if (!in) {
        error_setg(errp, "no memory");
        end(log);
        return -1;
    }
    if (xbar_instrument_accesses(in, &devices, note_access, log)) {
        error_setg(errp, "no memory");
        xbar_instrument_remove(in); /* which calls end() */
        return -1;
    }
    return 0;
}
