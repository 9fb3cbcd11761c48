/* SPDX-License-Identifier: MIT */
#include "engine/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/guard.h"

#define LINE_MAX_BYTES 256

bool log__is_wanted(const struct xbar_engine *engine, unsigned mask)
{
    return engine->config.log && (engine->config.log_mask & mask);
}

/* A device model ends its lines; a hook gets them without. */
static void say(struct xbar_engine *engine, unsigned mask, const char *fmt,
                va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t length;

    (void)vsnprintf(line, sizeof(line), fmt, args);
    length = strlen(line);
    if (length && line[length - 1] == '\n') {
        line[length - 1] = '\0';
    }
    engine->config.log(engine->config.log_opaque, mask, line);
}

void log__say(struct xbar_engine *engine, unsigned mask, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(engine, mask, fmt, args);
    va_end(args);
}

int log__refuse(struct xbar_engine *engine, const char *name, int err,
                const char *call, const char *why)
{
    struct xbar_engine *told = engine ? engine : xbar_engine_current();

    if (log__is_wanted(told, XBAR_LOG_MISUSE)) {
        log__say(told, XBAR_LOG_MISUSE, "%s(%s): %s", call,
                 name ? name : "anonymous", why);
    }
    return err;
}

/* Whose device speaks? A vCPU's thread may have entered no engine. */
static struct xbar_engine *speaking(void)
{
    const struct guard_chain *chain = &guard__chain;

    return chain->depth ? chain->inside[chain->depth - 1]->engine
                        : xbar_engine_current();
}

bool xbar_log_is_wanted(unsigned mask)
{
    return log__is_wanted(speaking(), mask);
}

void xbar_log(unsigned mask, const char *fmt, ...)
{
    struct xbar_engine *engine = speaking();
    va_list args;

    if (log__is_wanted(engine, mask)) {
        va_start(args, fmt);
        say(engine, mask, fmt, args);
        va_end(args);
    }
}
