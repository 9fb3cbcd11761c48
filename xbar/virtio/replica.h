/* SPDX-License-Identifier: MIT */
/*
 * A device that looks like one that was recorded, for a replay: its registers
 * are those, its queues are never served. Interrupts, failures and changes of
 * config space are the caller's to bring about, as they were recorded.
 */
#ifndef XBAR_VIRTIO_REPLICA_H
#define XBAR_VIRTIO_REPLICA_H

#include "virtio/device.h"

#define VIRTIO_NAME_MAX 32

struct virtio_replica {
    char name[VIRTIO_NAME_MAX];
    uint32_t id; /* 0: an empty slot */
    uint64_t features;
    unsigned num_queues;
    uint16_t queue_size;
    unsigned config_size;
};

/* virtio_replica_describe() - what makes @device what it is */
void virtio_replica_describe(const struct virtio_device *device,
                             struct virtio_replica *replica);

/* virtio_replica_is_possible() - is it within what a device can have? */
bool virtio_replica_is_possible(const struct virtio_replica *replica);

/* virtio_replica_new() - NULL if memory is short, or there cannot be such a
 * device */
struct virtio_device *virtio_replica_new(const struct virtio_place *place,
                                         const struct virtio_replica *replica)
    XBAR_MUST_CHECK;

/* What was recorded; any thread, without a device's lock. */
void virtio_replica_interrupt(struct virtio_device *device, uint32_t reasons);
void virtio_replica_fail(struct virtio_device *device);
void virtio_replica_set_config(struct virtio_device *device,
                               uint32_t generation, const uint8_t *bytes,
                               size_t count);

#endif
