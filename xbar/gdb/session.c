/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is no packet is ignored, but no more of it in a row than this. */
#define GARBAGE_MAX 16

/* A debugger that does not read for so long is none. */
#define SEND_TIMEOUT_MS 5000

static void end(struct gdb_session *session, const char *why)
{
    if (why && !session->is_over) {
        fprintf(stderr, "xbar: gdb: %s%s\n", why,
                session->has_spoken ? "; the guest goes on" : "");
    }
    session->is_over = true;
}

/* Who only looked whether somebody listens is not worth a word. */
static void leave(struct gdb_session *session)
{
    end(session, session->has_spoken ? "the debugger went away" : NULL);
}

/* ---- Sending ----------------------------------------------------------- */

static void send_bytes(struct gdb_session *session, const char *bytes,
                       size_t size)
{
    while (size > 0 && !session->is_over) {
        struct pollfd poll_fd = { session->fd, POLLOUT, 0 };
        ssize_t sent = send(session->fd, bytes, size, MSG_NOSIGNAL);

        if (sent >= 0) {
            bytes += sent;
            size -= (size_t)sent;
        } else if (errno == EINTR) {
            continue;
        } else if (errno != EAGAIN) {
            leave(session);
        } else if (poll(&poll_fd, 1, SEND_TIMEOUT_MS) == 0) {
            end(session, "the debugger does not read its answers and is "
                         "disconnected");
        }
    }
}

static void send_reply(struct gdb_session *session)
{
    session->out_length = gdb_encode(&session->reply, session->out);
    send_bytes(session, session->out, session->out_length);
}

static void acknowledge(struct gdb_session *session, bool good)
{
    if (session->target.has_acks) {
        send_bytes(session, good ? "+" : "-", 1);
    }
}

/* ---- What comes in ----------------------------------------------------- */

static void note_garbage(struct gdb_session *session)
{
    if (++session->garbage > GARBAGE_MAX) {
        end(session, "what connected does not speak gdb's protocol and is "
                     "disconnected");
    }
}

static void act(struct gdb_session *session, enum gdb_action action)
{
    if (action == GDB_CONTINUE || action == GDB_STEP) {
        session->awaits_stop = true;
        return;
    }
    if (action != GDB_KILL || session->reply.length) {
        send_reply(session);
    }
    if (action == GDB_DETACH) {
        end(session, NULL);
    } else if (action == GDB_KILL) {
        session->kill(session->opaque);
        end(session, NULL);
    }
}

/* The packet that is in the reader. */
static void execute(struct gdb_session *session)
{
    struct gdb_control *control = session->target.control;
    enum gdb_action action;

    gdb_clear(&session->reply);
    if (session->awaits_stop) {
        gdb_put(&session->reply, "E.the guest runs: interrupt it first");
        send_reply(session);
        return;
    }
    if (!gdb_control_lock(control)) {
        session->has_pending = true;
        gdb_control_ask(control);
        return;
    }
    action = gdb_execute(&session->target, &session->reader, &session->reply);
    if (action == GDB_CONTINUE || action == GDB_STEP) {
        gdb_control_resume(control, action == GDB_STEP);
    }
    gdb_control_unlock(control);
    act(session, action);
}

static void take_byte(struct gdb_session *session, uint8_t byte)
{
    switch (gdb_read(&session->reader, byte)) {
    case GDB_PACKET:
        session->garbage = 0;
        session->has_spoken = true;
        acknowledge(session, true);
        execute(session);
        break;
    case GDB_TOO_LONG:
        acknowledge(session, true);
        gdb_clear(&session->reply);
        gdb_put(&session->reply, "E.packet longer than %d bytes",
                GDB_PACKET_MAX);
        send_reply(session);
        break;
    case GDB_INTERRUPT:
        if (session->awaits_stop) {
            gdb_control_ask(session->target.control);
        }
        break;
    case GDB_BROKEN:
        acknowledge(session, false);
        note_garbage(session);
        break;
    case GDB_NAK:
        send_bytes(session, session->out, session->out_length);
        note_garbage(session);
        break;
    case GDB_GARBAGE:
        note_garbage(session);
        break;
    case GDB_ACK:
    case GDB_NOTHING:
        break;
    }
}

static void take_input(struct gdb_session *session)
{
    while (session->in_at < session->in_length && !session->has_pending &&
           !session->is_over) {
        take_byte(session, session->in[session->in_at++]);
    }
}

static void receive(struct gdb_session *session)
{
    ssize_t got = recv(session->fd, session->in, sizeof(session->in), 0);

    if (got > 0) {
        session->in_at = 0;
        session->in_length = (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        leave(session);
    }
}

/* ---- What the hart does ------------------------------------------------ */

static void drain(int news)
{
    uint64_t count;

    if (read(news, &count, sizeof(count)) < 0) {
        return; /* there were none */
    }
}

static void note_parked(struct gdb_session *session)
{
    struct gdb_control *control = session->target.control;

    drain(control->news);
    if (session->awaits_stop && gdb_control_lock(control)) {
        gdb_clear(&session->reply);
        gdb_put_stop(&session->target, &session->reply);
        gdb_control_unlock(control);
        session->awaits_stop = false;
        send_reply(session);
    }
    if (session->has_pending) {
        session->has_pending = false;
        execute(session);
    }
}

static void say_end(struct gdb_session *session)
{
    int status = atomic_load(&session->status);

    if (session->awaits_stop) {
        gdb_clear(&session->reply);
        gdb_put(&session->reply, "W%02x", (unsigned)status & 0xff);
        send_reply(session);
    }
    end(session, NULL);
}

static void turn_away(const struct gdb_session *session)
{
    int fd = gdb_accept(session->listener);

    if (fd >= 0) {
        close(fd);
        fputs("xbar: gdb: a second debugger was turned away\n", stderr);
    }
}

/* ---- One of them ------------------------------------------------------- */

static void wait_and_act(struct gdb_session *session)
{
    bool reads = !session->has_pending;
    struct pollfd fds[] = {
        { session->fd, (short)(reads ? POLLIN : POLLRDHUP), 0 },
        { session->target.control->news, POLLIN, 0 },
        { session->quit, POLLIN, 0 },
        { session->listener->fd, POLLIN, 0 },
    };

    if (poll(fds, 4, -1) < 0) {
        return; /* EINTR */
    }
    if (fds[2].revents) {
        say_end(session);
        return;
    }
    if (fds[1].revents) {
        note_parked(session);
    }
    if (fds[0].revents && reads) {
        receive(session);
    } else if (fds[0].revents) {
        leave(session);
    } else if (fds[3].revents) { /* unless this one is about to go */
        turn_away(session);
    }
}

/* What it set goes, and the guest goes on, unless its run is at its end. */
static void release(struct gdb_session *session)
{
    struct gdb_control *control = session->target.control;
    struct pollfd fds[] = {
        { control->news, POLLIN, 0 },
        { session->quit, POLLIN, 0 },
    };

    while (!gdb_control_lock(control)) {
        gdb_control_ask(control);
        (void)poll(fds, 2, -1);
        if (fds[1].revents) {
            return;
        }
        drain(control->news);
    }
    gdb_trace_clear(&control->trace);
    gdb_breaks_remove_all(&control->breaks, GDB_BREAK_DEBUGGER);
    xbar_riscv_remove_stops(session->target.hart);
    gdb_control_resume(control, false);
    gdb_control_unlock(control);
}

void gdb_serve(struct gdb_session *session, int fd)
{
    session->fd = fd;
    session->is_over = false;
    session->has_spoken = false;
    session->has_pending = false;
    session->awaits_stop = false;
    session->garbage = 0;
    session->in_at = session->in_length = 0;
    session->reader.state = GDB_OUTSIDE;
    session->out_length = 0;
    session->target.has_acks = true;
    session->target.is_physical = false;
    while (!session->is_over) {
        take_input(session);
        if (!session->is_over) {
            wait_and_act(session);
        }
    }
    close(fd);
    if (session->has_spoken) {
        release(session);
    }
}
