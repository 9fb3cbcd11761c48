/* SPDX-License-Identifier: MIT */
/* What `monitor ...` in gdb can ask for beside what the protocol has. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static void print_counters(struct gdb_target *target, const char *args,
                           struct gdb_text *answer)
{
    struct xbar_riscv_stats stats;

    (void)args;
    xbar_riscv_get_stats(target->hart, &stats);
    gdb_put(answer,
            "instructions %" PRIu64 ", exceptions %" PRIu64
            ", interrupts %" PRIu64 "\n",
            stats.instructions, stats.exceptions, stats.interrupts);
}

static void set_physical(struct gdb_target *target, const char *args,
                         struct gdb_text *answer)
{
    if (strcmp(args, "on") == 0 || strcmp(args, "off") == 0) {
        target->is_physical = args[1] == 'n';
    } else if (*args) {
        gdb_put(answer, "phys on, or phys off\n");
        return;
    }
    gdb_put(answer, "memory is read and written by %s address\n",
            target->is_physical ? "physical" : "virtual");
}

static void translate(struct gdb_target *target, const char *args,
                      struct gdb_text *answer)
{
    char *end;
    uint64_t va = strtoull(args, &end, 16);
    hwaddr phys;

    if (end == args || *end != '\0') {
        gdb_put(answer, "translate ADDRESS, in hexadecimal\n");
    } else if (xbar_riscv_debug_translate(target->hart, va, &phys)) {
        gdb_put(answer, "0x%" PRIx64 " is at 0x%" PRIx64 "\n", va,
                (uint64_t)phys);
    } else {
        gdb_put(answer, "0x%" PRIx64 " is not mapped\n", va);
    }
}

static void help(struct gdb_target *target, const char *args,
                 struct gdb_text *answer);

static const struct command {
    const char *name;
    void (*run)(struct gdb_target *target, const char *args,
                struct gdb_text *answer);
    const char *help;
} commands[] = {
    { "info", print_counters, "counters of the hart" },
    { "phys", set_physical, "on, off: memory by physical address" },
    { "translate", translate, "ADDRESS: where it is in physical memory" },
    { "help", help, "this list" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(struct gdb_target *target, const char *args,
                 struct gdb_text *answer)
{
    (void)target;
    (void)args;
    for (unsigned i = 0; i < COMMANDS; i++) {
        gdb_put(answer, "%-10s %s\n", commands[i].name, commands[i].help);
    }
}

void gdb_monitor(struct gdb_target *target, const char *line,
                 struct gdb_text *answer)
{
    size_t length = strcspn(line, " ");
    const char *args = line + length + strspn(line + length, " ");

    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strlen(commands[i].name) == length &&
            strncmp(commands[i].name, line, length) == 0) {
            commands[i].run(target, args, answer);
            return;
        }
    }
    gdb_put(answer, "no such command; these are there:\n");
    help(target, args, answer);
}
