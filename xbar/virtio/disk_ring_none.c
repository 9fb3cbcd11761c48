/* SPDX-License-Identifier: MIT */
/* Without liburing: a drive does its work on the I/O thread. */
#include "virtio/disk_ring.h"

#include <errno.h>

struct disk_ring *disk_ring_new(unsigned entries)
{
    (void)entries;
    errno = ENOTSUP;
    return NULL;
}

void disk_ring_free(struct disk_ring *ring)
{
    (void)ring;
}

int disk_ring_fd(const struct disk_ring *ring)
{
    (void)ring;
    return -1;
}

void disk_ring_queue(struct disk_ring *ring, const struct disk_step *step,
                     void *data)
{
    (void)ring;
    (void)step;
    (void)data;
}

void disk_ring_submit(struct disk_ring *ring)
{
    (void)ring;
}

bool disk_ring_reap(struct disk_ring *ring, void **data, int *result)
{
    (void)ring;
    (void)data;
    (void)result;
    return false;
}
