/* SPDX-License-Identifier: MIT */
#include "plugins.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct plugins {
    struct plugin_specs specs;
    struct xbar_instruments *instruments;
    struct xbar_plugin *plugin[PLUGINS_MAX];
};

struct plugins *plugins_new(const struct plugin_specs *specs, AddressSpace *as,
                            Error **errp)
{
    struct plugins *plugins;

    if (specs->count == 0) {
        return NULL;
    }
    plugins = calloc(1, sizeof(*plugins));
    if (plugins) {
        plugins->specs = *specs;
        plugins->instruments = xbar_instruments_new(as);
    }
    if (!plugins || !plugins->instruments) {
        error_setg(errp, "no memory for plug-ins");
        free(plugins);
        return NULL;
    }
    return plugins;
}

struct xbar_instruments *plugins_instruments(struct plugins *plugins)
{
    return plugins ? plugins->instruments : NULL;
}

/* dlopen() would wait for the other end of a FIFO. The loader tells of what is
 * not there, and knows names that have a comma. */
static int refuse_pipe(const char *spec, Error **errp)
{
    int length = (int)strcspn(spec, ",");
    char path[4096];
    struct stat st;

    snprintf(path, sizeof(path), "%.*s", length, spec);
    if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode)) {
        error_setg(errp, "--plugin %s: a pipe, and not a file", path);
        return -EINVAL;
    }
    return 0;
}

int plugins_load(struct plugins *plugins, Error **errp)
{
    for (unsigned i = 0; plugins && i < plugins->specs.count; i++) {
        const char *spec = plugins->specs.spec[i];

        if (refuse_pipe(spec, errp)) {
            return -EINVAL;
        }
        plugins->plugin[i] = xbar_plugin_load(plugins->instruments, spec, errp);
        if (!plugins->plugin[i]) {
            return -EINVAL;
        }
    }
    return 0;
}

void plugins_free(struct plugins *plugins)
{
    uint64_t lost;

    if (!plugins) {
        return;
    }
    lost = xbar_instruments_lost(plugins->instruments);
    if (lost) {
        fprintf(stderr,
                "xbar: memory was short: plug-ins were not told of %" PRIu64
                " instructions\n",
                lost);
    }
    (void)xbar_instruments_free(plugins->instruments);
    for (unsigned i = 0; i < PLUGINS_MAX; i++) {
        xbar_plugin_unload(plugins->plugin[i]);
    }
    free(plugins);
}
