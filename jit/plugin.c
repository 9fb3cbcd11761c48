/* SPDX-License-Identifier: MIT */
/* Plug-ins: shared objects that subscribe by themselves. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "jit/instrument_internal.h"

#define ARGS_MAX 32

/* Versions that are looked for to say what is wrong with a file. */
#define OTHER_ABIS 100

typedef int entry_fn(struct xbar_instruments *instruments,
                     const struct xbar_plugin_args *args, Error **errp);

struct xbar_plugin {
    struct xbar_engine *engine;
    void *object;
    size_t size; /* of text */
    char *text;  /* the specification, cut up */
    struct xbar_plugin_args args;
    struct xbar_plugin_arg arg[ARGS_MAX];
};

/* ---- What was asked for ------------------------------------------------ */

/* Ends the word at @text, where ",," is a comma. Return: the next one. */
static char *cut_word(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        if (text[0] == ',' && text[1] == ',') {
            text++;
        } else if (text[0] == ',') {
            *to = '\0';
            return text + 1;
        }
        *to++ = *text;
    }
    *to = '\0';
    return NULL;
}

static bool parse_args(struct xbar_plugin *plugin, char *word, Error **errp)
{
    while (word != NULL) {
        char *next = cut_word(word);
        char *value = strchr(word, '=');
        struct xbar_plugin_arg *arg = &plugin->arg[plugin->args.count];

        if (plugin->args.count == ARGS_MAX) {
            error_setg(errp, "%s: more than %d options", plugin->text,
                       ARGS_MAX);
            return false;
        }
        if (value == word || *word == '\0') {
            error_setg(errp, "%s: an option without a name", plugin->text);
            return false;
        }
        arg->key = word;
        arg->value = value != NULL ? value + 1 : "";
        if (value != NULL) {
            *value = '\0';
        }
        plugin->args.count++;
        word = next;
    }
    return true;
}

/* ---- The entry --------------------------------------------------------- */

/* ISO C has no such conversion. */
static entry_fn *find_entry(void *object, unsigned abi)
{
    char name[40];
    void *found;
    entry_fn *entry;

    snprintf(name, sizeof(name), "xbar_plugin_entry_%u", abi);
    found = dlsym(object, name);
    memcpy(&entry, &found, sizeof(entry));
    return entry;
}

static void report_no_entry(const struct xbar_plugin *plugin, Error **errp)
{
    for (unsigned abi = 1; abi <= OTHER_ABIS; abi++) {
        if (find_entry(plugin->object, abi) != NULL) {
            error_setg(errp,
                       "%s: was built for version %u of the plug-in "
                       "interface, and this is version %u",
                       plugin->text, abi, XBAR_PLUGIN_ABI);
            return;
        }
    }
    error_setg(errp, "%s: is no plug-in: it has no xbar_plugin_entry_%u",
               plugin->text, XBAR_PLUGIN_ABI);
}

/* A name without a slash is a file here, not one in the system's folders. */
static void *open_object(struct xbar_plugin *plugin, Error **errp)
{
    char path[4096];
    const char *reason;
    void *object;
    int length = snprintf(path, sizeof(path), "%s%s",
                          strchr(plugin->text, '/') ? "" : "./", plugin->text);

    if (length < 0 || (size_t)length >= sizeof(path)) {
        error_setg(errp, "%s: the name is too long", plugin->text);
        return NULL;
    }
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        reason = dlerror();
        error_setg(errp, "the plug-in cannot be loaded: %s",
                   reason ? reason : plugin->text);
    }
    return object;
}

static bool start(struct xbar_plugin *plugin,
                  struct xbar_instruments *instruments, Error **errp)
{
    Error *own = NULL;
    entry_fn *entry;

    plugin->object = open_object(plugin, errp);
    if (plugin->object == NULL) {
        return false;
    }
    entry = find_entry(plugin->object, XBAR_PLUGIN_ABI);
    if (entry == NULL) {
        report_no_entry(plugin, errp);
        return false;
    }
    if (entry(instruments, &plugin->args, &own) == 0) {
        error_free(own);
        return true;
    }
    if (own != NULL) {
        error_setg(errp, "%s: %s", plugin->text, error_get_pretty(own));
    } else {
        error_setg(errp, "%s: it refuses to start", plugin->text);
    }
    error_free(own);
    return false;
}

struct xbar_plugin *xbar_plugin_load(struct xbar_instruments *instruments,
                                     const char *spec, Error **errp)
{
    struct xbar_engine *engine = instruments->engine;
    struct xbar_plugin *plugin = xbar_alloc(engine, sizeof(*plugin));

    if (plugin == NULL) {
        error_setg(errp, "no memory for a plug-in");
        return NULL;
    }
    plugin->engine = engine;
    plugin->args.arg = plugin->arg;
    plugin->size = strlen(spec) + 1;
    plugin->text = xbar_alloc(engine, plugin->size);
    if (plugin->text == NULL) {
        error_setg(errp, "no memory for a plug-in");
        xbar_plugin_unload(plugin);
        return NULL;
    }
    memcpy(plugin->text, spec, plugin->size);
    if (!parse_args(plugin, cut_word(plugin->text), errp) ||
        !start(plugin, instruments, errp)) {
        xbar_plugin_unload(plugin);
        return NULL;
    }
    return plugin;
}

void xbar_plugin_unload(struct xbar_plugin *plugin)
{
    if (plugin == NULL) {
        return;
    }
    if (plugin->object != NULL) {
        dlclose(plugin->object);
    }
    xbar_free(plugin->engine, plugin->text, plugin->size);
    xbar_free(plugin->engine, plugin, sizeof(*plugin));
}
