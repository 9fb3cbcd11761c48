/* SPDX-License-Identifier: MIT */
/*
 * One debugger, from its connection to its end.
 *
 *   bytes --> packets --> parked? --yes--> commands --> answer
 *                            |
 *                            no: have it park; the packet waits for the news
 *
 * Nothing that comes in stops the guest, or lets one that waits go on, before it
 * is a packet whose sum is right. When the debugger is gone, whatever way, its
 * breakpoints and watchpoints are, too, and the guest goes on.
 */
#ifndef XBAR_GDB_SESSION_H
#define XBAR_GDB_SESSION_H

#include <stdatomic.h>

#include "commands.h"
#include "listener.h"

struct gdb_session {
    struct gdb_target target;
    const struct gdb_listener *listener;
    int quit;          /* an eventfd: the run ends */
    atomic_int status; /* with which it does; negative: it was killed */
    void (*kill)(void *opaque);
    void *opaque;

    /* Of the debugger at hand. */
    int fd;
    bool is_over;
    bool has_spoken;  /* a packet came: it has a say about the guest */
    bool has_pending; /* the packet in reader waits for the hart to park */
    bool awaits_stop; /* it asked to go on: it is owed why it stopped */
    unsigned garbage; /* things in a row that were no packet */
    uint8_t in[4096];
    size_t in_at, in_length;
    struct gdb_reader reader;
    struct gdb_text reply;
    char out[GDB_ENCODED_MAX]; /* what was sent last */
    size_t out_length;
};

/* gdb_serve() - @fd, which is closed; returns when it is over */
void gdb_serve(struct gdb_session *session, int fd);

#endif
