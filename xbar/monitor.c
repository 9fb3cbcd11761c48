/* SPDX-License-Identifier: MIT */
#include "monitor.h"

#include <string.h>

enum monitor_key {
    KEY_CTRL_C = 0x03,
    KEY_BACKSPACE = 0x08,
    KEY_NEWLINE = 0x0a,
    KEY_RETURN = 0x0d,
    KEY_CTRL_U = 0x15,
    KEY_DELETE = 0x7f,
};

static const struct command {
    const char *name;
    enum monitor_command command;
    const char *help;
} commands[] = {
    { "info", MONITOR_INFO, "what the machine is doing, and its counters" },
    { "mtree", MONITOR_MTREE, "the region tree and the flat view" },
    { "stop", MONITOR_STOP, "hold the guest, its time as well" },
    { "cont", MONITOR_CONT, "let it go on" },
    { "snapshot", MONITOR_SNAPSHOT, "keep the machine as it is now" },
    { "restore", MONITOR_RESTORE, "go back to that" },
    { "quit", MONITOR_QUIT, "end the run" },
    { "help", MONITOR_NOTHING, "this list; ctrl-a c goes back to the guest" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void monitor_prompt(FILE *out)
{
    fputs("(xbar) ", out);
    fflush(out);
}

void monitor_toggle(struct monitor *monitor)
{
    monitor->is_open = !monitor->is_open;
    monitor->length = 0;
    fputc('\n', monitor->out);
    if (monitor->is_open) {
        monitor_prompt(monitor->out);
    }
}

static void print_help(FILE *out)
{
    for (unsigned i = 0; i < COMMANDS; i++) {
        fprintf(out, "%-8s %s\n", commands[i].name, commands[i].help);
    }
}

/* The line without the blanks around it. */
static const char *trim(struct monitor *monitor)
{
    char *first = monitor->line;

    while (monitor->length && first[monitor->length - 1] == ' ') {
        monitor->length--;
    }
    first[monitor->length] = '\0';
    return first + strspn(first, " ");
}

static enum monitor_command take_line(struct monitor *monitor)
{
    const char *word = trim(monitor);
    unsigned i = 0;

    fputc('\n', monitor->out);
    monitor->length = 0;
    while (i < COMMANDS && strcmp(word, commands[i].name) != 0) {
        i++;
    }
    if (i < COMMANDS && commands[i].command != MONITOR_NOTHING) {
        return commands[i].command;
    }
    if (i < COMMANDS || strcmp(word, "?") == 0) {
        print_help(monitor->out);
    } else if (word[0]) {
        fprintf(monitor->out, "%s: no such command (try help)\n", word);
    }
    monitor_prompt(monitor->out);
    return MONITOR_NOTHING;
}

static void drop_characters(struct monitor *monitor, size_t count)
{
    for (; count && monitor->length; count--) {
        monitor->length--;
        fputs("\b \b", monitor->out);
    }
}

enum monitor_command monitor_take(struct monitor *monitor, uint8_t key)
{
    switch (key) {
    case KEY_RETURN:
    case KEY_NEWLINE:
        return take_line(monitor);
    case KEY_BACKSPACE:
    case KEY_DELETE:
        drop_characters(monitor, 1);
        break;
    case KEY_CTRL_C:
    case KEY_CTRL_U:
        drop_characters(monitor, monitor->length);
        break;
    default:
        if (key >= ' ' && key < KEY_DELETE &&
            monitor->length < MONITOR_LINE_MAX) {
            monitor->line[monitor->length++] = (char)key;
            fputc(key, monitor->out);
        }
        break;
    }
    fflush(monitor->out);
    return MONITOR_NOTHING;
}
