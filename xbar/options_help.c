/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "options_internal.h"

static void print_row(FILE *out, const struct option_row *row)
{
    char name[40];

    snprintf(name, sizeof(name), "--%s%s%s", row->name,
             row->argument ? " " : "", row->argument ? row->argument : "");
    fprintf(out, "  %s%c%s %-18s %s\n", row->letter ? "-" : " ",
            row->letter ? row->letter : ' ', row->letter ? "," : " ", name,
            row->help);
}

/* Those of these commands, and of no others. */
static void print_rows(FILE *out, unsigned scope, const char *title)
{
    fprintf(out, "\n%s:\n", title);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options__rows[i].scope == scope && options__rows[i].help) {
            print_row(out, &options__rows[i]);
        }
    }
}

static void print_all_rows(FILE *out)
{
    fputs("usage: xbar COMMAND [OPTION...]\n"
          "\n"
          "commands (xbar COMMAND --help: what it takes):\n",
          out);
    for (unsigned i = 0; i < OPTIONS_COMMANDS; i++) {
        fprintf(out, "  %-8s %s\n", options__commands[i].name,
                options__commands[i].help);
    }
    print_rows(out, FOR_GUEST, "run, profile, trace");
    print_rows(out, FOR_RUN, "run");
    print_rows(out, FOR_BOARD, "run, profile, trace, mtree");
    print_rows(out, FOR_OUTPUT, "profile, trace");
    print_rows(out, FOR_PROFILE, "profile");
    print_rows(out, FOR_JSON, "mtree, replay");
    print_rows(out, FOR_MTREE, "mtree");
    print_rows(out, FOR_ALL, "all");
}

static void print_rows_of(FILE *out, enum command command)
{
    const struct command_row *row = &options__commands[command];

    fprintf(out, "usage: xbar %s %s\n  %s\n\n", row->name, row->arguments,
            row->help);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options__rows[i].scope & 1u << command) && options__rows[i].help) {
            print_row(out, &options__rows[i]);
        }
    }
}

static void print_settings(FILE *out)
{
    fputs("\n"
          "--drive takes KEY=VALUE,... with ,, for a comma:\n"
          "  file=FILE                 a raw image, or a block device\n"
          "  format=raw if=virtio      what there is\n"
          "  readonly=on|off           the guest may not write\n"
          "  cache=writeback           durable when flushed (default); or\n"
          "        writethrough        when written; none: past the host's\n"
          "        none|unsafe         page cache; unsafe: never\n"
          "  discard=unmap|ignore      give back what the guest discards\n"
          "  id=TEXT                   the serial number that it reads\n"
          "--netdev user takes, behind a comma:\n"
          "  hostfwd=[tcp|udp]:[HOST]:PORT-[GUEST]:PORT, several times\n"
          "  restrict=on               no way out but forwards\n"
          "  net=10.0.2.0/24 host=10.0.2.2 dns=10.0.2.3 "
          "dhcpstart=10.0.2.15\n"
          "  tftp=FOLDER bootfile=FILE files that the guest may fetch\n"
          "\n"
          "While a guest runs, ctrl-a x ends it and ctrl-a h lists more "
          "keys.\n"
          "Exit status: the guest's (pass 0, fail code N: N), 0 for ctrl-a x,\n"
          "128 + N for signal N, 2 for bad usage or unreadable input, 70 if "
          "the\n"
          "engines differ in lockstep.\n",
          out);
}

void options_print_help(FILE *out, enum command topic)
{
    if (topic == COMMAND_HELP) {
        print_all_rows(out);
    } else {
        print_rows_of(out, topic);
    }
    if (topic == COMMAND_HELP || (FOR_GUEST & 1u << topic)) {
        print_settings(out);
    }
}
