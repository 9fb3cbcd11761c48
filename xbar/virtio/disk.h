/* SPDX-License-Identifier: MIT */
/*
 * A raw disk image: a file, or a block device. Operations run in the
 * background where that is possible, else when they are started.
 *
 * All calls on one disk come from one thread at a time.
 */
#ifndef XBAR_VIRTIO_DISK_H
#define XBAR_VIRTIO_DISK_H

#include <sys/uio.h>
#include <xbar/xbar.h>

#include "virtio/config.h"

#define DISK_SECTOR 512

enum disk_verb {
    DISK_READ,
    DISK_WRITE,
    DISK_FLUSH,
    DISK_DISCARD, /* the bytes may become anything */
    DISK_ZERO,    /* the bytes become 0 */
};

/* One operation; the caller's storage until done() was called. */
struct disk_op {
    enum disk_verb verb;
    bool is_durable; /* what it writes is on the disk when it is done */
    bool may_unmap;  /* DISK_ZERO: need not keep its place in the file */
    uint64_t offset;
    uint64_t length;
    struct iovec *iov; /* DISK_READ, DISK_WRITE: of `length` bytes in all */
    unsigned count;
    /* @error: 0 or errno. May start the next operation with this storage. */
    void (*done)(struct disk_op *op, int error);

    /* disk.c's */
    uint64_t progress;
    bool by_writing; /* DISK_ZERO where the file system knows no other way */
    bool is_syncing; /* the last step */
    unsigned at;     /* of iov: where a step began in the middle, */
    size_t skipped;  /* by so many bytes */
    struct iovec zeroes;
};

struct disk;

/*
 * disk_open() - open and lock the image
 * @in_background: else operations are done when disk_start() returns
 *
 * Return: NULL with @errp naming the file and the reason.
 */
struct disk *disk_open(const struct drive_config *config, bool in_background,
                       Error **errp) XBAR_MUST_CHECK;

/* disk_close() - nothing is under way; what was written becomes durable */
void disk_close(struct disk *disk);

/* disk_sectors() - how large it was when it was opened */
uint64_t disk_sectors(const struct disk *disk);

/* disk_start() - done() may be called before this returns */
void disk_start(struct disk *disk, struct disk_op *op);

/* disk_submit() - what was started since the last time begins now at last */
void disk_submit(struct disk *disk);

/* disk_fd() - can be read when disk_reap() has work; -1: it never has */
int disk_fd(const struct disk *disk);

/* disk_reap() - call done() of what was completed */
void disk_reap(struct disk *disk);

#endif
