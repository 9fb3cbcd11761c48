/* SPDX-License-Identifier: MIT */
/* Where a debugger connects: a port of this host alone, or a socket file. */
#ifndef XBAR_GDB_LISTENER_H
#define XBAR_GDB_LISTENER_H

#include <xbar/xbar.h>

struct gdb_listener {
    int fd;
    char name[128];   /* for messages */
    const char *file; /* NULL: a port */
};

/*
 * gdb_listen() - @address: PORT, :PORT, tcp::PORT, or a path with a slash
 *
 * A socket file that nobody listens on any more is replaced. Port 0: any that
 * is free. Return: 0; -errno with @errp set.
 */
int gdb_listen(struct gdb_listener *listener, const char *address,
               Error **errp);
void gdb_listener_close(struct gdb_listener *listener);

/* gdb_accept() - -1: nobody is there any more */
int gdb_accept(const struct gdb_listener *listener);

#endif
