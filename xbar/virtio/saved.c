/* SPDX-License-Identifier: MIT */
/*
 * A device in a snapshot: its registers, its queues, and what its class adds.
 * The line's level is the PLIC's, too, and is not driven here.
 */
#include <errno.h>
#include <string.h>

#include "virtio/device.h"

struct virtio_state {
    uint8_t config[VIRTIO_CONFIG_MAX];
    uint32_t config_generation;
    struct virtio_regs regs;
    struct virtio_queue queues[VIRTIO_QUEUES_MAX];
    max_align_t of_class[]; /* class->state_size bytes */
};

static size_t state_size(void *opaque)
{
    const struct virtio_device *device = opaque;

    return sizeof(struct virtio_state) + device->class->state_size;
}

static void save_common(const struct virtio_device *device,
                        struct virtio_state *state)
{
    memcpy(state->config, device->config, sizeof(state->config));
    state->config_generation = device->config_generation;
    state->regs = device->regs;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtio_queue_save(&device->queues[i], &state->queues[i]);
    }
}

static void restore_common(struct virtio_device *device,
                           const struct virtio_state *state)
{
    memcpy(device->config, state->config, sizeof(device->config));
    device->config_generation = state->config_generation;
    device->regs = state->regs;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
        virtio_queue_restore(&device->queues[i], &state->queues[i]);
    }
}

static int save_state(void *opaque, void *to, Error **errp)
{
    struct virtio_device *device = opaque;
    struct virtio_state *state = to;
    const char *reason;

    virtio_device_lock(device);
    reason = device->class->refuse ? device->class->refuse(device) : NULL;
    if (!reason) {
        save_common(device, state);
        if (device->class->save) {
            device->class->save(device, state->of_class);
        }
    }
    virtio_device_unlock(device);
    if (reason) {
        error_setg(errp, "%s", reason);
    }
    return reason ? -EPERM : 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct virtio_device *device = opaque;
    const struct virtio_state *state = from;

    virtio_device_lock(device);
    restore_common(device, state);
    if (device->class->restore) {
        device->class->restore(device, state->of_class);
    }
    virtio_device_unlock(device);
}

const struct xbar_snapshot_ops virtio_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
