/* SPDX-License-Identifier: MIT */
/*
 * File operations in the background: io_uring, where liburing was there to
 * build with and the host allows it. One thread at a time.
 */
#ifndef XBAR_VIRTIO_DISK_RING_H
#define XBAR_VIRTIO_DISK_RING_H

#include <sys/uio.h>
#include <xbar/xbar.h>

/* One system call's worth of work. */
struct disk_step {
    enum {
        DISK_STEP_READ,
        DISK_STEP_WRITE,
        DISK_STEP_SYNC,
        DISK_STEP_ALLOCATE, /* or give back, by @flags */
    } kind;
    int fd;
    int flags; /* RWF_*, or FALLOC_FL_* */
    uint64_t offset;
    uint64_t length;   /* of DISK_STEP_ALLOCATE */
    struct iovec *iov; /* of a read or write, until it completes */
    unsigned count;
};

struct disk_ring;

/* disk_ring_new() - for @entries steps at a time. Return: NULL, errno says why;
 * ENOTSUP: built without liburing */
struct disk_ring *disk_ring_new(unsigned entries) XBAR_MUST_CHECK;
void disk_ring_free(struct disk_ring *ring); /* nothing is under way */

/* disk_ring_fd() - can be read when something completed */
int disk_ring_fd(const struct disk_ring *ring);

/* disk_ring_queue() - to be begun by the next submit */
void disk_ring_queue(struct disk_ring *ring, const struct disk_step *step,
                     void *data);
void disk_ring_submit(struct disk_ring *ring);

/* disk_ring_reap() - Return: is there one? Its @data, and what the system call
 * would return, or -errno */
bool disk_ring_reap(struct disk_ring *ring, void **data, int *result);

#endif
