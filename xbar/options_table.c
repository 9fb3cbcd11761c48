/* SPDX-License-Identifier: MIT */
#include "options_internal.h"

const struct option_row options__rows[OPTION_COUNT] = {
#define OPTION(id, name, letter, argument, scope, help) \
    { name, argument, help, scope, letter },
#include "options.inc"
#undef OPTION
};

const struct command_row options__commands[OPTIONS_COMMANDS] = {
    [COMMAND_RUN] = { "run", "--bios FILE [OPTION...]",
                      "run a guest; the console is on stdin and stdout" },
    [COMMAND_PROFILE] = { "profile", "[OPTION...]",
                          "run a guest (none named: the built-in demo) and "
                          "count" },
    [COMMAND_TRACE] = { "trace", "[OPTION...]",
                        "run a guest and record what it accesses" },
    [COMMAND_MTREE] = { "mtree", "[OPTION...]",
                        "print a board's region tree and flat view" },
    [COMMAND_REPLAY] = { "replay", "[OPTION...] FILE",
                         "make the accesses of trace FILE again, timed (-: "
                         "stdin)" },
};
