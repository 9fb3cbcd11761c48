/* SPDX-License-Identifier: MIT */
/*
 * The I/O thread: waits for descriptors and calls who wants to know.
 *
 * Sources are added before the thread starts and live until it was joined.
 * All calls come from that one thread, without any lock.
 */
#ifndef XBAR_VIRTIO_IO_LOOP_H
#define XBAR_VIRTIO_IO_LOOP_H

#include <poll.h>
#include <xbar/xbar.h>

struct io_loop;

/* What poll() is asked for, in the making. */
struct io_polls {
    struct pollfd *fds;
    unsigned count;
    unsigned room;
    int timeout_ms; /* -1: for ever; may only be lowered */
};

/* Somebody whose descriptors change from one poll() to the next. */
struct io_poller {
    void (*prepare)(void *opaque, struct io_polls *polls);
    void (*look)(void *opaque, const struct io_polls *polls);
    void *opaque;
};

/* io_loop_new() - Return: NULL if the host has no more of something */
struct io_loop *io_loop_new(void) XBAR_MUST_CHECK;

/* io_loop_free() - it does not run; NULL is fine */
void io_loop_free(struct io_loop *loop);

/* io_loop_add() - call @ready when @fd can be read. Return: 0; -ENOMEM */
int io_loop_add(struct io_loop *loop, int fd, void (*ready)(void *opaque),
                void *opaque) XBAR_MUST_CHECK;

/* io_loop_add_poller() - Return: 0; -ENOMEM */
int io_loop_add_poller(struct io_loop *loop, const struct io_poller *poller)
    XBAR_MUST_CHECK;

/* io_loop_start() - start the thread. Return: 0 or -errno */
int io_loop_start(struct io_loop *loop) XBAR_MUST_CHECK;

/* io_loop_stop() - end the thread; fine if it does not run */
void io_loop_stop(struct io_loop *loop);

/* io_polls_add() - Return: the index of @fd's entry; -1 without memory */
int io_polls_add(struct io_polls *polls, int fd, short events);

#endif
