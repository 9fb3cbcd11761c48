/* SPDX-License-Identifier: MIT */
#include "virtio/disk_ring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <time.h>

struct disk_ring {
    struct io_uring ring;
};

struct disk_ring *disk_ring_new(unsigned entries)
{
    struct disk_ring *ring = calloc(1, sizeof(*ring));
    int ret = ring ? io_uring_queue_init(entries, &ring->ring, 0) : -ENOMEM;

    if (ret) {
        free(ring);
        errno = -ret;
        return NULL;
    }
    (void)io_uring_ring_dontfork(&ring->ring);
    return ring;
}

void disk_ring_free(struct disk_ring *ring)
{
    if (ring) {
        io_uring_queue_exit(&ring->ring);
        free(ring);
    }
}

int disk_ring_fd(const struct disk_ring *ring)
{
    return ring->ring.ring_fd;
}

static void prepare(struct io_uring_sqe *sqe, const struct disk_step *step)
{
    switch (step->kind) {
    case DISK_STEP_READ:
        io_uring_prep_readv2(sqe, step->fd, step->iov, step->count,
                             step->offset, step->flags);
        break;
    case DISK_STEP_WRITE:
        io_uring_prep_writev2(sqe, step->fd, step->iov, step->count,
                              step->offset, step->flags);
        break;
    case DISK_STEP_SYNC:
        io_uring_prep_fsync(sqe, step->fd, IORING_FSYNC_DATASYNC);
        break;
    case DISK_STEP_ALLOCATE:
        io_uring_prep_fallocate(sqe, step->fd, step->flags, (off_t)step->offset,
                                (off_t)step->length);
        break;
    }
}

void disk_ring_queue(struct disk_ring *ring, const struct disk_step *step,
                     void *data)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

    if (!sqe) {
        disk_ring_submit(ring);
        sqe = io_uring_get_sqe(&ring->ring);
    }
    assert(sqe); /* a submit empties it */
    prepare(sqe, step);
    io_uring_sqe_set_data(sqe, data);
}

/* The host may be out of memory for a moment, or interrupted: until it took
 * them all. Completions need no room of ours: the kernel keeps them. */
void disk_ring_submit(struct disk_ring *ring)
{
    const struct timespec moment = { 0, 1000 * 1000 };

    while (io_uring_sq_ready(&ring->ring)) {
        int ret = io_uring_submit(&ring->ring);

        if (ret < 0 && ret != -EINTR) {
            nanosleep(&moment, NULL);
        }
    }
}

bool disk_ring_reap(struct disk_ring *ring, void **data, int *result)
{
    struct io_uring_cqe *cqe;

    if (io_uring_peek_cqe(&ring->ring, &cqe)) {
        return false;
    }
    *data = io_uring_cqe_get_data(cqe);
    *result = cqe->res;
    io_uring_cqe_seen(&ring->ring, cqe);
    return true;
}
