/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of options.h:
 *
 *     options.inc        the options
 *     options_table.c    they and the commands, as tables
 *     options.c          the command line, read by the tables
 *     options_help.c     the tables, printed
 */
#ifndef XBAR_OPTIONS_INTERNAL_H
#define XBAR_OPTIONS_INTERNAL_H

#include "options.h"

/* Which commands take an option, as bits by enum command. */
enum option_scope {
    FOR_RUN = 1 << COMMAND_RUN,
    FOR_PROFILE = 1 << COMMAND_PROFILE,
    FOR_MTREE = 1 << COMMAND_MTREE,
    FOR_OUTPUT = FOR_PROFILE | 1 << COMMAND_TRACE,
    FOR_GUEST = 1 << COMMAND_RUN | FOR_OUTPUT,
    FOR_BOARD = FOR_GUEST | FOR_MTREE,
    FOR_JSON = FOR_MTREE | 1 << COMMAND_REPLAY,
    FOR_ALL = FOR_BOARD | FOR_JSON,
};

/* Beyond any character, so that getopt's '?' and ':' cannot be meant. */
enum option_id {
    OPTION_FIRST = 0x1000,
#define OPTION(id, name, letter, argument, scope, help) OPT_##id,
#include "options.inc"
#undef OPTION
    OPTION_END,
};

#define OPTION_COUNT     (OPTION_END - OPTION_FIRST - 1)
#define OPTIONS_COMMANDS (COMMAND_REPLAY + 1)

struct option_row {
    const char *name;
    const char *argument;
    const char *help; /* NULL: accepted only to say that it is missing */
    unsigned scope;   /* enum option_scope */
    char letter;
};

struct command_row {
    const char *name;
    const char *arguments;
    const char *help;
};

/* By enum option_id, from OPTION_FIRST + 1; by enum command. */
extern const struct option_row options__rows[OPTION_COUNT];
extern const struct command_row options__commands[OPTIONS_COMMANDS];

#endif
