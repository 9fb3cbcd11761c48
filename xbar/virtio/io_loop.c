/* SPDX-License-Identifier: MIT */
#include "virtio/io_loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "thread.h"

/* A kick and a ring of completions for each of the board's slots. */
#define SOURCES_MAX 24
#define POLLERS_MAX 8

struct io_source {
    int fd;
    void (*ready)(void *opaque);
    void *opaque;
};

struct io_loop {
    pthread_t thread;
    bool is_running;
    EventNotifier wake;
    atomic_bool is_stopping;
    struct io_source sources[SOURCES_MAX];
    unsigned num_sources;
    struct io_poller pollers[POLLERS_MAX];
    unsigned num_pollers;
    struct io_polls polls;
};

int io_polls_add(struct io_polls *polls, int fd, short events)
{
    if (polls->count == polls->room) {
        unsigned room = polls->room ? 2 * polls->room : 64;
        struct pollfd *fds = realloc(polls->fds, room * sizeof(*fds));

        if (!fds) {
            return -1;
        }
        polls->fds = fds;
        polls->room = room;
    }
    polls->fds[polls->count] = (struct pollfd){ fd, events, 0 };
    return (int)polls->count++;
}

int io_loop_add(struct io_loop *loop, int fd, void (*ready)(void *opaque),
                void *opaque)
{
    if (loop->num_sources == SOURCES_MAX ||
        io_polls_add(&loop->polls, fd, POLLIN) < 0) {
        return -ENOMEM;
    }
    loop->sources[loop->num_sources++] =
        (struct io_source){ fd, ready, opaque };
    return 0;
}

int io_loop_add_poller(struct io_loop *loop, const struct io_poller *poller)
{
    if (loop->num_pollers == POLLERS_MAX) {
        return -ENOMEM;
    }
    loop->pollers[loop->num_pollers++] = *poller;
    return 0;
}

/* The sources are the first entries; what pollers ask for follows. */
static void wait_for_news(struct io_loop *loop)
{
    struct io_polls *polls = &loop->polls;

    polls->count = loop->num_sources;
    polls->timeout_ms = -1;
    for (unsigned i = 0; i < loop->num_pollers; i++) {
        loop->pollers[i].prepare(loop->pollers[i].opaque, polls);
    }
    if (poll(polls->fds, polls->count, polls->timeout_ms) < 0) {
        for (unsigned i = 0; i < polls->count; i++) {
            polls->fds[i].revents = 0; /* interrupted, or out of memory */
        }
    }
}

static void *run_thread(void *opaque)
{
    struct io_loop *loop = opaque;

    while (!atomic_load(&loop->is_stopping)) {
        wait_for_news(loop);
        for (unsigned i = 0; i < loop->num_sources; i++) {
            if (loop->polls.fds[i].revents) {
                loop->sources[i].ready(loop->sources[i].opaque);
            }
        }
        for (unsigned i = 0; i < loop->num_pollers; i++) {
            loop->pollers[i].look(loop->pollers[i].opaque, &loop->polls);
        }
    }
    return NULL;
}

static void take_wake(void *opaque)
{
    struct io_loop *loop = opaque;

    (void)event_notifier_test_and_clear(&loop->wake);
}

int io_loop_start(struct io_loop *loop)
{
    int ret;

    atomic_store(&loop->is_stopping, false);
    ret = thread_start(&loop->thread, run_thread, loop);
    loop->is_running = ret == 0;
    return ret;
}

void io_loop_stop(struct io_loop *loop)
{
    if (!loop->is_running) {
        return;
    }
    atomic_store(&loop->is_stopping, true);
    (void)event_notifier_set(&loop->wake);
    pthread_join(loop->thread, NULL);
    loop->is_running = false;
}

struct io_loop *io_loop_new(void)
{
    struct io_loop *loop = calloc(1, sizeof(*loop));

    if (!loop) {
        return NULL;
    }
    atomic_init(&loop->is_stopping, false);
    if (event_notifier_init(&loop->wake, 0) ||
        io_loop_add(loop, event_notifier_get_fd(&loop->wake), take_wake,
                    loop)) {
        io_loop_free(loop);
        return NULL;
    }
    return loop;
}

void io_loop_free(struct io_loop *loop)
{
    if (!loop) {
        return;
    }
    io_loop_stop(loop);
    event_notifier_cleanup(&loop->wake);
    free(loop->polls.fds);
    free(loop);
}
