/* SPDX-License-Identifier: MIT */
/**
 * Error values with a message, in the form device models expect.
 *
 * A call that takes `Error **errp` stores a new Error there when it fails and
 * @errp is not NULL. The caller owns it and ends it with error_free().
 */
#ifndef XBAR_ENGINE_ERROR_H
#define XBAR_ENGINE_ERROR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Error Error;

/**
 * error_setg() - report a failure
 * @errp: where to store the error; NULL drops it. *errp must be NULL.
 * @fmt: one line without a full stop or a newline
 *
 * Context: any thread. If memory is short, a static Error that says so is
 * stored; error_free() knows it.
 */
XBAR_API void error_setg(Error **errp, const char *fmt, ...) XBAR_PRINTF(2, 3);

/** error_get_pretty() - the message; lives as long as @err. */
XBAR_API const char *error_get_pretty(const Error *err);

/** error_free() - end an error; NULL is fine. */
XBAR_API void error_free(Error *err);

/**
 * error_propagate() - hand @local_err to the caller's @errp
 *
 * Takes @local_err over: it is freed if @errp is NULL or already set.
 */
XBAR_API void error_propagate(Error **errp, Error *local_err);

#ifdef __cplusplus
}
#endif

#endif
