/* SPDX-License-Identifier: MIT */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct Error {
    const char *message;
};

/* What a failing error_setg() stores: never freed, so it may be shared. */
static const Error short_of_memory = { "out of memory" };

/* NULL if memory is short. */
static Error *new_error(const char *fmt, va_list args)
{
    Error *err = malloc(sizeof(*err));
    char *message;

    if (!err || vasprintf(&message, fmt, args) < 0) {
        free(err);
        return NULL;
    }
    err->message = message;
    return err;
}

void error_setg(Error **errp, const char *fmt, ...)
{
    va_list args;

    if (!errp || *errp) {
        return; /* nobody asks, or the first cause is told already */
    }
    va_start(args, fmt);
    *errp = new_error(fmt, args);
    va_end(args);
    if (!*errp) {
        *errp = (Error *)&short_of_memory;
    }
}

const char *error_get_pretty(const Error *err)
{
    return err->message;
}

void error_free(Error *err)
{
    if (err && err != &short_of_memory) {
        free((char *)err->message);
        free(err);
    }
}

void error_propagate(Error **errp, Error *local_err)
{
    if (errp && !*errp) {
        *errp = local_err;
    } else {
        error_free(local_err);
    }
}
