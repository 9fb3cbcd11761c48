/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal in raw mode, and back on every way out.
 *
 * A process has one controlling terminal and its signal handlers have no
 * argument, so this is the one place of the program with a static.
 */
#ifndef XBAR_TERMINAL_H
#define XBAR_TERMINAL_H

#include <stdbool.h>

/*
 * terminal_make_raw() - every key to the guest, nothing echoed
 * @fd: standard input; anything but a terminal is left alone
 *
 * A crash (SIGABRT, SIGSEGV, ...) restores it, too. Output processing stays
 * on, so that our own messages look right. May be called again to go back to
 * raw mode after a stop.
 */
void terminal_make_raw(int fd);

/* terminal_restore() - as it was found; async-signal-safe, may be repeated */
void terminal_restore(void);

/* terminal_obeys() - is @fd a terminal that knows colours and erasing lines, as
 * far as TERM says so? */
bool terminal_obeys(int fd);

#endif
