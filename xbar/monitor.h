/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a line that a person types while a guest runs (ctrl-a c).
 *
 * What is typed is echoed here, because the terminal is raw. It knows nothing
 * of machines: the caller carries out what a line asks for.
 */
#ifndef XBAR_MONITOR_H
#define XBAR_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum monitor_command {
    MONITOR_NOTHING, /* the line is not over, or was dealt with */
    MONITOR_INFO,
    MONITOR_MTREE,
    MONITOR_STOP,
    MONITOR_CONT,
    MONITOR_SNAPSHOT,
    MONITOR_RESTORE,
    MONITOR_QUIT,
};

#define MONITOR_LINE_MAX 80 /* characters; more are not taken */

struct monitor {
    FILE *out;
    bool is_open;
    size_t length;
    char line[MONITOR_LINE_MAX + 1];
};

/* monitor_toggle() - keys go to the monitor from now on, or to the guest */
void monitor_toggle(struct monitor *monitor);

/*
 * monitor_take() - one key, while the monitor is open
 *
 * Backspace, ctrl-u and ctrl-c edit. Return: what a whole line asks for; then
 * call monitor_prompt() when that was done.
 */
enum monitor_command monitor_take(struct monitor *monitor, uint8_t key);

/* monitor_prompt() - ready for a line; any thread that has nothing to print */
void monitor_prompt(FILE *out);

#endif
