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

#endif
