/* SPDX-License-Identifier: MIT */
#include "virtio/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replica {
    struct virtio_device base;
    struct virtio_class class;
    char name[VIRTIO_NAME_MAX];
};

static void kick_nothing(struct virtio_device *device)
{
    (void)device;
}

static void free_replica(struct virtio_device *device)
{
    virtio_device_destroy(device);
    free(device);
}

void virtio_replica_describe(const struct virtio_device *device,
                             struct virtio_replica *replica)
{
    const struct virtio_class *class = device->class;

    *replica = (struct virtio_replica){
        .id = class->id,
        .features = device->features,
        .num_queues = class->num_queues,
        .queue_size = class->queue_size,
        .config_size = class->config_size,
    };
    snprintf(replica->name, sizeof(replica->name), "%s", class->name);
}

bool virtio_replica_is_possible(const struct virtio_replica *replica)
{
    return replica->num_queues <= VIRTIO_QUEUES_MAX &&
           replica->config_size <= VIRTIO_CONFIG_MAX &&
           replica->queue_size <= VIRTIO_QUEUE_SIZE_MAX;
}

struct virtio_device *virtio_replica_new(const struct virtio_place *place,
                                         const struct virtio_replica *replica)
{
    struct replica *made;

    if (!virtio_replica_is_possible(replica)) {
        return NULL;
    }
    made = calloc(1, sizeof(*made));
    if (!made) {
        return NULL;
    }
    memcpy(made->name, replica->name, sizeof(made->name));
    made->name[sizeof(made->name) - 1] = 0;
    made->class = (struct virtio_class){
        .name = made->name,
        .id = replica->id,
        .num_queues = replica->num_queues,
        .queue_size = replica->queue_size,
        .config_size = replica->config_size,
        .kick = kick_nothing,
        .free = free_replica,
    };
    if (virtio_device_init(&made->base, &made->class, place,
                           replica->features)) {
        free_replica(&made->base);
        return NULL;
    }
    return &made->base;
}

void virtio_replica_interrupt(struct virtio_device *device, uint32_t reasons)
{
    virtio_device_lock(device);
    virtio_device_interrupt(device, (enum virtio_interrupt)reasons);
    virtio_device_unlock(device);
}

void virtio_replica_fail(struct virtio_device *device)
{
    virtio_device_lock(device);
    virtio_device_fail(device);
    virtio_device_unlock(device);
}

void virtio_replica_set_config(struct virtio_device *device,
                               uint32_t generation, const uint8_t *bytes,
                               size_t count)
{
    count = count < VIRTIO_CONFIG_MAX ? count : VIRTIO_CONFIG_MAX;
    virtio_device_lock(device);
    memcpy(device->config, bytes, count);
    device->config_generation = generation;
    virtio_device_unlock(device);
}
