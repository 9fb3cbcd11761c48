/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct {
    struct termios found;
    int fd;
    volatile sig_atomic_t is_raw;
    bool is_known; /* `found` and `fd` are set */
} terminal;

static const int crash_signals[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };

void terminal_restore(void)
{
    if (terminal.is_raw) {
        tcsetattr(terminal.fd, TCSADRAIN, &terminal.found);
        terminal.is_raw = 0; /* a crash in between restores it once more */
    }
}

bool terminal_obeys(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

/* The handler is gone by now (SA_RESETHAND): the fault repeats, and kills. */
static void restore_and_die(int number)
{
    terminal_restore();
    raise(number);
}

/* A sanitizer's own handlers say more than ours; they stay. */
static void catch_crashes(void)
{
    struct sigaction action = { .sa_handler = restore_and_die,
                                .sa_flags = (int)SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(crash_signals) / sizeof(int); i++) {
        struct sigaction old;

        if (sigaction(crash_signals[i], NULL, &old) == 0 &&
            old.sa_handler == SIG_DFL) {
            sigaction(crash_signals[i], &action, NULL);
        }
    }
}

void terminal_make_raw(int fd)
{
    struct termios raw;

    if (!terminal.is_known) {
        if (!isatty(fd) || tcgetattr(fd, &terminal.found)) {
            return;
        }
        terminal.fd = fd;
        terminal.is_known = true;
        catch_crashes();
    }
    raw = terminal.found;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | IGNCR | INLCR | INPCK | ISTRIP |
                               IXON | PARMRK);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal.is_raw = 1; /* by now: a crash may come as soon as it is */
    if (tcsetattr(fd, TCSADRAIN, &raw)) {
        terminal.is_raw = 0;
    }
}
