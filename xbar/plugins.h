/* SPDX-License-Identifier: MIT */
/* The plug-ins of a run: shared objects that look on while a guest runs. */
#ifndef XBAR_PLUGINS_H
#define XBAR_PLUGINS_H

#include <xbar/xbar.h>

#define PLUGINS_MAX 8

/* As the command line has them: FILE[,key=value...]. Strings belong to argv. */
struct plugin_specs {
    const char *spec[PLUGINS_MAX];
    unsigned count;
};

struct plugins;

/*
 * plugins_new() - for a board with address space @as; the hart is made next
 *
 * Return: NULL with @errp set, or if there are none.
 */
struct plugins *plugins_new(const struct plugin_specs *specs, AddressSpace *as,
                            Error **errp) XBAR_MUST_CHECK;

/* plugins_instruments() - what the hart belongs to; NULL for NULL */
struct xbar_instruments *plugins_instruments(struct plugins *plugins);

/* plugins_load() - the hart is there. Return: 0; -EINVAL with @errp set. */
int plugins_load(struct plugins *plugins, Error **errp) XBAR_MUST_CHECK;

/* plugins_free() - the hart is gone: they write what they have to say, and are
 * unloaded; NULL is fine */
void plugins_free(struct plugins *plugins);

#endif
