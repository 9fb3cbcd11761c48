/* SPDX-License-Identifier: MIT */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host_clock.h"
#include "keys.h"
#include "ring.h"
#include "terminal.h"

/* A pipe that polls writable takes this much without blocking (PIPE_BUF). */
#define WRITE_CHUNK 4096

/* Output waits for more of it: nobody sees that, and a guest that prints does
 * not wake the thread for each character. */
#define GATHER_NS 1000000

/* What is read from stdin at once, if the ring has room for all of it. */
#define READ_CHUNK 4096

/* The rest of the ring absorbs what a guest writes before its hart pauses. */
#define PAUSE_LEVEL (RING_SIZE / 2)

/* How long a reader that takes nothing may hold up the end after a quit. */
#define STALL_MS 500

struct console {
    struct console_host host;
    pthread_t thread;
    sigset_t old_mask;
    int wake_fd;
    int signal_fd;
    int out_fd;
    bool is_muted;

    /* The console thread's alone. */
    bool is_stdin_terminal;
    bool is_stdin_open;
    uint64_t due_ns; /* when output is to be written; 0: there was none */
    struct keys keys;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t has_room;
    struct ring in;
    struct ring out;
    bool was_short;     /* a console_write() */
    bool is_out_broken; /* output goes nowhere: drop it */
    bool is_held;       /* by the monitor, and what it wants to be told */
    struct questions questions;
    bool is_quitting; /* somebody else than the guest ended the run */
    bool is_stopping; /* console_stop() waits */
};

/* ---- From the hart's side ---------------------------------------------- */

void console_kick(struct console *console)
{
    uint64_t one = 1;
    ssize_t ret = write(console->wake_fd, &one, sizeof(one));

    (void)ret; /* it can only be full, and then the thread wakes anyway */
}

/* Output that was @before bytes, and is @after: there is some, or a chunk. */
static void wake_for_output(struct console *console, size_t before,
                            size_t after)
{
    if ((before == 0 && after) ||
        (before < WRITE_CHUNK && after >= WRITE_CHUNK)) {
        console_kick(console);
    }
}

/* The thread reads on as soon as the ring can hold what it reads. */
size_t console_take(struct console *console, uint8_t *bytes, size_t room)
{
    bool was_full;
    bool is_full;
    size_t count;

    pthread_mutex_lock(&console->lock);
    was_full = ring_room(&console->in) < READ_CHUNK;
    count = ring_peek(&console->in, bytes, room);
    ring_drop(&console->in, count);
    is_full = ring_room(&console->in) < READ_CHUNK;
    pthread_mutex_unlock(&console->lock);

    if (was_full && !is_full) {
        console_kick(console);
    }
    return count;
}

void console_put(struct console *console, uint8_t byte)
{
    size_t before;
    size_t after;

    if (console->is_muted) {
        return;
    }
    pthread_mutex_lock(&console->lock);
    before = ring_count(&console->out);
    if (!console->is_out_broken && ring_room(&console->out)) {
        ring_put(&console->out, byte);
    }
    after = ring_count(&console->out);
    pthread_mutex_unlock(&console->lock);

    wake_for_output(console, before, after);
    if (after > PAUSE_LEVEL) {
        console->host.pause(console->host.opaque);
    }
}

size_t console_write(struct console *console, const uint8_t *bytes,
                     size_t count)
{
    size_t taken = 0;
    size_t before;
    size_t after;

    if (console->is_muted) {
        return count;
    }
    pthread_mutex_lock(&console->lock);
    before = ring_count(&console->out);
    if (console->is_out_broken) {
        taken = count;
    }
    for (; taken < count && ring_count(&console->out) < PAUSE_LEVEL; taken++) {
        ring_put(&console->out, bytes[taken]);
    }
    console->was_short |= taken < count;
    after = ring_count(&console->out);
    pthread_mutex_unlock(&console->lock);

    wake_for_output(console, before, after);
    return taken;
}

static bool must_rest(const struct console *console)
{
    return (console->is_held || ring_count(&console->out) > PAUSE_LEVEL) &&
           !console->is_quitting;
}

void console_wait_room(struct console *console)
{
    pthread_mutex_lock(&console->lock);
    while (ring_count(&console->out) > PAUSE_LEVEL && !console->is_quitting) {
        pthread_cond_wait(&console->has_room, &console->lock);
    }
    pthread_mutex_unlock(&console->lock);
}

enum console_question console_rest(struct console *console, bool *was_held)
{
    enum console_question question;

    pthread_mutex_lock(&console->lock);
    questions_answered(&console->questions);
    while (must_rest(console) && console->questions.count == 0) {
        *was_held |= console->is_held;
        pthread_cond_wait(&console->has_room, &console->lock);
    }
    question = questions_next(&console->questions);
    pthread_mutex_unlock(&console->lock);
    return question;
}

bool console_is_held(struct console *console)
{
    bool is_held;

    pthread_mutex_lock(&console->lock);
    is_held = console->is_held;
    pthread_mutex_unlock(&console->lock);
    return is_held;
}

/* ---- The thread: ending ------------------------------------------------ */

void console_quit(struct console *console, int status)
{
    pthread_mutex_lock(&console->lock);
    console->is_quitting = true;
    pthread_cond_broadcast(&console->has_room);
    pthread_mutex_unlock(&console->lock);
    console->host.quit(console->host.opaque, status);
}

/* The hart's thread looks at both when it rests. */
static void hold(struct console *console, bool is_held)
{
    pthread_mutex_lock(&console->lock);
    console->is_held = is_held;
    pthread_cond_broadcast(&console->has_room);
    pthread_mutex_unlock(&console->lock);
    if (is_held) {
        console->host.pause(console->host.opaque);
    }
}

/* A guest that was stopped goes on, to hear of it. */
static void power_down(struct console *console)
{
    hold(console, false);
    console->host.power_down(console->host.opaque, console);
}

/* A terminal that does not know its size says 0, as one that is none. */
static void tell_size(struct console *console)
{
    struct winsize size = { 0 };

    if (console->is_muted || (ioctl(console->out_fd, TIOCGWINSZ, &size) &&
                              ioctl(STDIN_FILENO, TIOCGWINSZ, &size))) {
        return;
    }
    console->host.resize(console->host.opaque, size.ws_col, size.ws_row);
}

/*
 * ctrl-z does not reach us in raw mode, but `kill -TSTP` does. This thread may
 * run on for a moment before the stop takes hold, so that the terminal becomes
 * raw again only when SIGCONT says so.
 */
static void stop_process(struct console *console)
{
    if (!console->is_muted) {
        terminal_restore();
    }
    kill(getpid(), SIGSTOP);
}

static void take_signal(struct console *console)
{
    struct signalfd_siginfo info;

    if (read(console->signal_fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    switch (info.ssi_signo) {
    case SIGTSTP:
        stop_process(console);
        break;
    case SIGCONT:
        if (!console->is_muted) {
            terminal_make_raw(STDIN_FILENO);
        }
        tell_size(console); /* it may have changed meanwhile */
        break;
    case SIGWINCH:
        tell_size(console);
        break;
    case SIGTERM:
        power_down(console);
        break;
    default:
        console_quit(console, 128 + (int)info.ssi_signo);
    }
}

/* ---- The thread: input ------------------------------------------------- */

static void put_key(struct console *console, uint8_t key)
{
    pthread_mutex_lock(&console->lock);
    ring_put(&console->in, key);
    pthread_mutex_unlock(&console->lock);
}

/* Whoever answers prompts for the next line. To quit is for the end, but who
 * asks for that again has waited long enough, as has who asked for nothing else. */
static void ask(struct console *console, enum console_question question)
{
    bool quits_now;

    pthread_mutex_lock(&console->lock);
    quits_now =
        question == CONSOLE_QUIT &&
        (console->questions.count == 0 || questions_quit(&console->questions));
    questions_add(&console->questions, question);
    pthread_cond_broadcast(&console->has_room);
    pthread_mutex_unlock(&console->lock);
    if (quits_now) {
        console_quit(console, 0);
    } else {
        console->host.pause(console->host.opaque);
    }
}

static void take_key(struct console *console, uint8_t key)
{
    switch (keys_take(&console->keys, key)) {
    case KEYS_NOTHING:
        return;
    case KEYS_TO_GUEST:
        put_key(console, key);
        return;
    case KEYS_QUIT:
        console_quit(console, 0);
        return;
    case KEYS_INTERRUPT:
        console_quit(console, 128 + SIGINT);
        return;
    case KEYS_ASK:
        ask(console, console->keys.question);
        return;
    case KEYS_STOP:
        hold(console, true);
        break;
    case KEYS_CONT:
        hold(console, false);
        break;
    }
    monitor_prompt(console->keys.monitor.out);
}

/*
 * The end of input is not the end of the run, as somebody may still read what
 * the guest prints. But a terminal that is hung up is gone for good, and
 * SIGHUP tells only those whose controlling terminal it was.
 */
static void end_stdin(struct console *console)
{
    struct pollfd fd = { STDIN_FILENO, POLLIN, 0 };

    console->is_stdin_open = false;
    if (console->is_stdin_terminal && poll(&fd, 1, 0) == 1 &&
        (fd.revents & POLLHUP)) {
        console_quit(console, 128 + SIGHUP);
    }
}

/* The ring has room for a chunk. */
static void read_stdin(struct console *console)
{
    uint8_t keys[READ_CHUNK];
    ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        end_stdin(console);
    }
    for (ssize_t i = 0; i < got; i++) {
        take_key(console, keys[i]);
    }
    if (got > 0) {
        console->host.feed(console->host.opaque, console);
    }
}

/* ---- The thread: output ------------------------------------------------ */

static void drop_output(struct console *console, size_t count)
{
    bool was_short;

    pthread_mutex_lock(&console->lock);
    ring_drop(&console->out, count);
    pthread_cond_broadcast(&console->has_room);
    was_short = console->was_short;
    console->was_short = false;
    pthread_mutex_unlock(&console->lock);
    if (was_short) {
        console->host.has_room(console->host.opaque);
    }
}

/* A reader that went away ends the run as quietly as it ends `cat`. */
static void break_output(struct console *console, int error)
{
    pthread_mutex_lock(&console->lock);
    console->is_out_broken = true;
    ring_drop(&console->out, ring_count(&console->out));
    pthread_mutex_unlock(&console->lock);
    if (error == EPIPE) {
        console_quit(console, 128 + SIGPIPE);
        return;
    }
    fprintf(stderr, "xbar: standard output: %s\n", strerror(error));
    console_quit(console, 1);
}

static void write_stdout(struct console *console)
{
    uint8_t bytes[WRITE_CHUNK];
    size_t count;
    ssize_t put;

    pthread_mutex_lock(&console->lock);
    count = ring_peek(&console->out, bytes, WRITE_CHUNK);
    pthread_mutex_unlock(&console->lock);
    put = write(console->out_fd, bytes, count);
    console->due_ns = 0;
    if (put >= 0) {
        drop_output(console, (size_t)put);
    } else if (errno != EAGAIN && errno != EINTR) {
        break_output(console, errno);
    }
}

/* ---- The thread: its loop ---------------------------------------------- */

enum poll_slot {
    SLOT_WAKE,
    SLOT_SIGNAL,
    SLOT_STDIN,
    SLOT_STDOUT,
    SLOTS,
};

/* What the thread should do next, read under the lock. */
struct outlook {
    size_t output;
    bool has_input_room;
    bool is_stopping;
    bool is_quitting;
};

static struct outlook look(struct console *console)
{
    struct outlook outlook;

    pthread_mutex_lock(&console->lock);
    outlook.output = ring_count(&console->out);
    outlook.has_input_room = ring_room(&console->in) >= READ_CHUNK;
    outlook.is_stopping = console->is_stopping;
    outlook.is_quitting = console->is_quitting;
    pthread_mutex_unlock(&console->lock);
    return outlook;
}

static bool is_output_due(struct console *console,
                          const struct outlook *outlook)
{
    uint64_t now = host_clock_ns(CLOCK_MONOTONIC);

    if (console->due_ns == 0) {
        console->due_ns = now + GATHER_NS;
    }
    return outlook->output >= WRITE_CHUNK || outlook->is_stopping ||
           outlook->is_quitting || now >= console->due_ns;
}

/* A negative descriptor is one that poll() leaves alone. */
static int wait_for_news(struct console *console, const struct outlook *outlook,
                         struct pollfd *fds)
{
    bool wants_input = console->is_stdin_open && outlook->has_input_room;
    int timeout = console->host.poll(console->host.opaque, console);
    bool is_due = outlook->output && is_output_due(console, outlook);

    fds[SLOT_WAKE] = (struct pollfd){ console->wake_fd, POLLIN, 0 };
    fds[SLOT_SIGNAL] = (struct pollfd){ console->signal_fd, POLLIN, 0 };
    fds[SLOT_STDIN] =
        (struct pollfd){ wants_input ? STDIN_FILENO : -1, POLLIN, 0 };
    fds[SLOT_STDOUT] =
        (struct pollfd){ is_due ? console->out_fd : -1, POLLOUT, 0 };
    if (outlook->is_stopping && outlook->is_quitting) {
        timeout = STALL_MS;
    } else if (outlook->output && !is_due && timeout != 0) {
        timeout = 1;
    }
    return poll(fds, SLOTS, timeout);
}

static void handle_news(struct console *console, const struct pollfd *fds)
{
    uint64_t ignored;

    if (fds[SLOT_WAKE].revents) {
        ssize_t ret = read(console->wake_fd, &ignored, sizeof(ignored));

        (void)ret; /* only resets the counter */
    }
    if (fds[SLOT_SIGNAL].revents) {
        take_signal(console);
    }
    if (fds[SLOT_STDIN].revents) {
        read_stdin(console);
    }
    if (fds[SLOT_STDOUT].revents) {
        write_stdout(console);
    }
}

/* At the end, what the guest printed is written out: all of it if the guest
 * ended the run, what the reader takes readily if somebody else did. */
static void *run_thread(void *opaque)
{
    struct console *console = opaque;

    tell_size(console);
    for (;;) {
        struct outlook outlook = look(console);
        struct pollfd fds[SLOTS];
        int ready;

        if (outlook.is_stopping && !outlook.output) {
            return NULL;
        }
        ready = wait_for_news(console, &outlook, fds);
        if (ready > 0) {
            handle_news(console, fds);
        } else if (ready == 0 && outlook.is_stopping && outlook.is_quitting) {
            return NULL;
        }
    }
}

/* ---- Start and stop ---------------------------------------------------- */

/*
 * A terminal may take less than poll() promised, and block the rest. Opened
 * anew it can be made non-blocking without changing the descriptor that the
 * user's shell shares with us. A pipe needs no such care (WRITE_CHUNK), and a
 * file would lose its position.
 */
static int open_output(void)
{
    int fd = -1;

    if (isatty(STDOUT_FILENO)) {
        fd = open("/proc/self/fd/1",
                  O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    return fd < 0 ? STDOUT_FILENO : fd;
}

static void close_fds(struct console *console)
{
    if (console->wake_fd >= 0) {
        close(console->wake_fd);
    }
    if (console->signal_fd >= 0) {
        close(console->signal_fd);
    }
    if (console->out_fd != STDOUT_FILENO) {
        close(console->out_fd);
    }
}

static void block_signals(struct console *console, sigset_t *set)
{
    static const int numbers[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                   SIGTSTP, SIGCONT, SIGWINCH };

    sigemptyset(set);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaddset(set, numbers[i]);
    }
    pthread_sigmask(SIG_BLOCK, set, &console->old_mask);
}

/*
 * Signals are blocked before the terminal changes: no way out in between. The
 * thread comes last: it may make the terminal raw again.
 */
static int start(struct console *console)
{
    sigset_t set;
    int ret;

    block_signals(console, &set);
    console->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    console->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    console->out_fd = open_output();
    if (console->wake_fd < 0 || console->signal_fd < 0) {
        return errno;
    }
    if (!console->is_muted) {
        terminal_make_raw(STDIN_FILENO);
    }
    ret = pthread_create(&console->thread, NULL, run_thread, console);
    if (ret) {
        terminal_restore();
    }
    return ret;
}

static void release(struct console *console)
{
    close_fds(console);
    pthread_sigmask(SIG_SETMASK, &console->old_mask, NULL);
    pthread_mutex_destroy(&console->lock);
    pthread_cond_destroy(&console->has_room);
    free(console);
}

struct console *console_start(const struct console_host *host, bool is_muted,
                              Error **errp)
{
    struct console *console = calloc(1, sizeof(*console));
    int error;

    if (!console) {
        error_setg(errp, "no memory for the console");
        return NULL;
    }
    console->host = *host;
    console->is_muted = is_muted;
    console->is_stdin_terminal = isatty(STDIN_FILENO);
    console->keys.monitor.out = stderr;
    console->keys.quits_on_ctrl_c =
        host->quits_on_ctrl_c && console->is_stdin_terminal;
    console->is_stdin_open = !is_muted;
    pthread_mutex_init(&console->lock, NULL);
    pthread_cond_init(&console->has_room, NULL);
    error = start(console);
    if (error) {
        error_setg(errp, "the console cannot be started: %s", strerror(error));
        release(console);
        return NULL;
    }
    return console;
}

void console_stop(struct console *console)
{
    if (!console) {
        return;
    }
    pthread_mutex_lock(&console->lock);
    console->is_stopping = true;
    pthread_mutex_unlock(&console->lock);
    console_kick(console);
    pthread_join(console->thread, NULL);
    if (!console->is_muted) {
        terminal_restore();
    }
    release(console);
}
