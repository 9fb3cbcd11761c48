/* SPDX-License-Identifier: MIT */
#include "trace/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "thread.h"
#include "trace/header.h"
#include "trace/pack.h"
#include "trace/record.h"

#define BLOCKS 16

struct trace_sink {
    const char *path;
    int fd;
    void (*idle)(void *opaque);
    void *opaque;
    pthread_t thread;

    /* The thread's, until it was joined. */
    struct packer *packer;
    int error; /* -errno: nothing is written any more */
    uint64_t written;
    uint8_t packed[PACK_ROOM];

    /* A ring: [taken, filled) wait, blocks[filled] is being filled. Counts go
     * on, their remainders are places. Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t has_block; /* or is_closing */
    pthread_cond_t has_room;
    unsigned filled;
    unsigned taken;
    bool is_closing;
    size_t sizes[BLOCKS];

    uint8_t blocks[BLOCKS][TRACE_BLOCK_SIZE];
};

/* ---- The file ---------------------------------------------------------- */

/* A part of a block is of no use. */
static void give_up(struct trace_sink *sink, int error)
{
    struct stat stat;

    sink->error = error;
    if (fstat(sink->fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
        int ret = ftruncate(sink->fd, (off_t)sink->written);

        (void)ret; /* then it is there, and readers stop at it */
    }
    fprintf(stderr, "xbar: %s: %s: the trace ends here, the guest goes on\n",
            sink->path, strerror(-error));
}

static void write_block(struct trace_sink *sink, const uint8_t *block,
                        size_t size)
{
    size_t packed;
    int ret = -ENOMEM;

    if (sink->error) {
        return;
    }
    packed = packer_pack(sink->packer, sink->packed, block, size);
    if (packed) {
        ret = file_write_fully(sink->fd, sink->packed, packed);
    }
    if (ret) {
        give_up(sink, ret);
    } else {
        sink->written += packed;
    }
}

/* ---- The thread -------------------------------------------------------- */

/* Under the lock. False: a second went by and nothing came. */
static bool wait_for_block(struct trace_sink *sink)
{
    struct timespec until;
    int ret = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while (ret == 0 && sink->taken == sink->filled && !sink->is_closing) {
        ret = pthread_cond_timedwait(&sink->has_block, &sink->lock, &until);
    }
    return sink->taken != sink->filled || sink->is_closing;
}

static void *run_thread(void *opaque)
{
    struct trace_sink *sink = opaque;

    pthread_mutex_lock(&sink->lock);
    for (;;) {
        unsigned which = sink->taken % BLOCKS;

        if (!wait_for_block(sink)) {
            pthread_mutex_unlock(&sink->lock);
            sink->idle(sink->opaque);
            pthread_mutex_lock(&sink->lock);
        } else if (sink->taken == sink->filled) {
            break; /* it is closing */
        } else {
            pthread_mutex_unlock(&sink->lock);
            write_block(sink, sink->blocks[which], sink->sizes[which]);
            pthread_mutex_lock(&sink->lock);
            sink->taken++;
            pthread_cond_signal(&sink->has_room);
        }
    }
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

uint8_t *trace_sink_first(struct trace_sink *sink)
{
    return sink->blocks[0];
}

/* One place stays free: the one to be filled next. */
uint8_t *trace_sink_submit(struct trace_sink *sink, size_t size)
{
    unsigned next;

    pthread_mutex_lock(&sink->lock);
    sink->sizes[sink->filled % BLOCKS] = size;
    sink->filled++;
    pthread_cond_signal(&sink->has_block);
    while (sink->filled - sink->taken == BLOCKS) {
        pthread_cond_wait(&sink->has_room, &sink->lock);
    }
    next = sink->filled % BLOCKS;
    pthread_mutex_unlock(&sink->lock);
    return sink->blocks[next];
}

bool trace_sink_is_idle(struct trace_sink *sink)
{
    bool is_idle;

    pthread_mutex_lock(&sink->lock);
    is_idle = sink->filled == sink->taken;
    pthread_mutex_unlock(&sink->lock);
    return is_idle;
}

/* ---- Open and close ---------------------------------------------------- */

static void destroy_lock(struct trace_sink *sink)
{
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->has_room);
    pthread_cond_destroy(&sink->has_block);
}

static int fail(const struct trace_sink *sink, int error, Error **errp)
{
    error_setg(errp, "%s: %s", sink->path, strerror(error));
    return -error;
}

static int start_thread(struct trace_sink *sink, Error **errp)
{
    int ret;

    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->has_room, NULL);
    thread_init_timed(&sink->has_block);
    ret = thread_start(&sink->thread, run_thread, sink);
    if (ret) {
        destroy_lock(sink);
        return fail(sink, -ret, errp);
    }
    return 0;
}

static int open_file(struct trace_sink *sink, Error **errp)
{
    uint8_t header[TRACE_HEADER_SIZE];
    int ret;

    sink->fd = file_open_to_write(sink->path, O_TRUNC, errp);
    if (sink->fd < 0) {
        return sink->fd;
    }
    trace_header_make(header, TRACE_VERSION);
    ret = file_write_fully(sink->fd, header, sizeof(header));
    sink->written = sizeof(header);
    return ret ? fail(sink, -ret, errp) : 0;
}

static void release(struct trace_sink *sink)
{
    packer_free(sink->packer);
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    free(sink);
}

struct trace_sink *trace_sink_open(const char *path, void (*idle)(void *opaque),
                                   void *opaque, Error **errp)
{
    struct trace_sink *sink;
    int ret;

    if (!pack_is_there()) {
        error_setg(errp, "traces: this xbar was built without zstd");
        return NULL;
    }
    sink = calloc(1, sizeof(*sink));
    if (!sink) {
        error_setg(errp, "%s: %s", path, strerror(ENOMEM));
        return NULL;
    }
    sink->fd = -1;
    sink->path = path;
    sink->idle = idle;
    sink->opaque = opaque;
    sink->packer = packer_new();
    ret = sink->packer ? open_file(sink, errp) : fail(sink, ENOMEM, errp);
    if (ret == 0) {
        ret = start_thread(sink, errp);
    }
    if (ret) {
        release(sink);
        return NULL;
    }
    return sink;
}

int trace_sink_close(struct trace_sink *sink, uint64_t *written)
{
    int fd = sink->fd;
    int ret;

    pthread_mutex_lock(&sink->lock);
    sink->is_closing = true;
    pthread_cond_signal(&sink->has_block);
    pthread_mutex_unlock(&sink->lock);
    pthread_join(sink->thread, NULL);
    destroy_lock(sink);
    sink->fd = -1;
    if (close(fd) && !sink->error) {
        sink->error = -errno; /* a quota, say */
        fprintf(stderr, "xbar: %s: %s\n", sink->path, strerror(errno));
    }
    *written = sink->written;
    ret = sink->error;
    release(sink);
    return ret;
}
