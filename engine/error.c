/* SPDX-License-Identifier: MIT */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct Error {
    char *message;
};

/* What a failing error_setg() stores: never freed, so it may be shared. */
static Error short_of_memory = { (char[]){ "out of memory" } };

static Error *new_error(const char *fmt, va_list args)
{
    Error *err = malloc(sizeof(*err));

    if (!err) {
        return &short_of_memory;
    }
    if (vasprintf(&err->message, fmt, args) < 0) {
        free(err);
        return &short_of_memory;
    }
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
}

const char *error_get_pretty(const Error *err)
{
    return err->message;
}

void error_free(Error *err)
{
    if (err && err != &short_of_memory) {
        free(err->message);
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
