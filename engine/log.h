/* SPDX-License-Identifier: MIT */
/*
 * What the engine's log hook is told (engine/engine.h). One line each, of up
 * to 255 bytes; nothing is formatted unless somebody wants it.
 */
#ifndef XBAR_ENGINE_LOG_H
#define XBAR_ENGINE_LOG_H

#include "engine/engine.h"

bool log__is_wanted(const struct xbar_engine *engine, unsigned mask);
void log__say(struct xbar_engine *engine, unsigned mask, const char *fmt, ...)
    XBAR_PRINTF(3, 4);

/*
 * A call was refused with @err, which is returned: XBAR_LOG_MISUSE.
 * @engine: NULL: the current one
 * @name: of what the call was about; NULL: it has none
 */
int log__refuse(struct xbar_engine *engine, const char *name, int err,
                const char *call, const char *why);

#endif
