/* SPDX-License-Identifier: MIT */
#include "plugins.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

int plugins_load(struct plugins *plugins, Error **errp)
{
    for (unsigned i = 0; plugins && i < plugins->specs.count; i++) {
        plugins->plugin[i] = xbar_plugin_load(plugins->instruments,
                                              plugins->specs.spec[i], errp);
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
