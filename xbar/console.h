/* SPDX-License-Identifier: MIT */
/*
 * The guest's console on standard input and output, and the thread that
 * moves its bytes.
 *
 *   stdin --> escape keys --> input ring --> UART FIFO      (as it has room)
 *   stdout <-------------- output ring <-- UART THR
 *
 * Who runs beside whom ("m": under the machine lock; "c": takes the console's
 * own lock, a leaf; "-": never):
 *
 *                          hart thread        console thread
 *   console_put()          m, c               -
 *   console_take()         m, c               m, c, from host.feed
 *   console_write()        -                  -
 *   console_kick()         m                  -
 *   console_wait_room(),
 *   console_rest()         no lock, then c    -
 *   host.feed, .poll,
 *   .power_down            -                  no lock, then m
 *   host.resize            -                  no lock, then a device's
 *   host.quit, .has_room   -                  no lock
 *   host.pause             m                  -
 *   stdin, stdout, signals -                  only this thread
 *
 * The I/O thread, for the virtio console, calls console_write() and
 * console_take() with that device's lock held.
 *
 * A. Nobody blocks on stdin or stdout with a lock held. If the output ring
 *    fills up, the hart is asked to leave its run and waits in
 *    console_wait_room(), without locks.
 * B. Input is taken from the ring only as the UART has room, and read from
 *    stdin only as the ring has room: nothing is lost. What is in the ring
 *    the hart thread takes by itself, as the guest reads: no hand-over from
 *    thread to thread for each byte.
 * C. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT and SIGWINCH are
 *    blocked in all threads and read from a signalfd by the console thread, so
 *    that no handler runs in the middle of anything.
 */
#ifndef XBAR_CONSOLE_H
#define XBAR_CONSOLE_H

#include <xbar/xbar.h>

#include "questions.h"

struct console;

/* What the console needs of the machine. */
struct console_host {
    /* There is input: console_take() what the guest has room for. */
    void (*feed)(void *opaque, struct console *console);
    /* Called before each sleep. Return: milliseconds until the next call is
     * due, -1 for never. */
    int (*poll)(void *opaque, struct console *console);
    /* The terminal has this size, from the start or from now on. */
    void (*resize)(void *opaque, uint16_t columns, uint16_t rows);
    /* SIGTERM: have the guest end the run, if it can. */
    void (*power_down)(void *opaque, struct console *console);
    /* The run must end with this exit status. Any thread. */
    void (*quit)(void *opaque, int status);
    /* The output ring is nearly full, or the monitor has a wish: call
     * console_rest() soon. */
    void (*pause)(void *opaque);
    /* On a terminal ctrl-c is quit(130); ctrl-a ctrl-c goes to the guest. */
    bool quits_on_ctrl_c;
    /* A console_write() that was short would take more now. */
    void (*has_room)(void *opaque);
    void *opaque;
};

/*
 * console_start() - raw terminal, signals, thread
 * @host: copied
 * @is_muted: drop what the guest prints, and read no input
 *
 * Return: NULL with @errp set.
 */
struct console *console_start(const struct console_host *host, bool is_muted,
                              Error **errp) XBAR_MUST_CHECK;

/* console_stop() - write out what is left, restore the terminal; NULL is fine
 */
void console_stop(struct console *console);

/* console_quit() - end the run, and wait for no reader; from host.poll,
 * host.power_down or the hart's thread outside of a run. What the machine has to
 * do is host.quit. */
void console_quit(struct console *console, int status);

/* console_put() - a byte from the guest */
void console_put(struct console *console, uint8_t byte);

/*
 * console_write() - bytes from the guest, as many as half of the ring holds
 *
 * Return: how many; fewer than @count: host.has_room will say when more.
 */
size_t console_write(struct console *console, const uint8_t *bytes,
                     size_t count);

/* console_take() - up to @room bytes of input; returns how many */
size_t console_take(struct console *console, uint8_t *bytes, size_t room);

/* console_kick() - host.poll has news */
void console_kick(struct console *console);

/*
 * console_rest() - sleep while the output ring is more than half full, or the
 * monitor holds the machine
 * @was_held: set if the latter, else left alone
 *
 * For the hart's thread outside of a run, again and again until it answers
 * CONSOLE_NO_QUESTION: else the monitor waits for an answer and a prompt.
 */
enum console_question console_rest(struct console *console, bool *was_held);

/* console_is_held() - did the monitor stop the machine? */
bool console_is_held(struct console *console);

/* console_wait_room() - sleep until half of the output ring is free */
void console_wait_room(struct console *console);

#endif
