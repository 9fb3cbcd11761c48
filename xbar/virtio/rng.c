/* SPDX-License-Identifier: MIT */
/*
 * One queue of buffers to be filled. A long buffer is filled in part, which
 * the driver is told: so no request takes long.
 */
#include "virtio/rng.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "xorshift.h"

#define FILL_MAX 4096

struct virtio_rng {
    struct virtio_device base;
    uint64_t state; /* without an I/O thread: of the sequence */
};

/* Anything that is the same in each run. */
static void fill_known(struct virtio_rng *rng, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(xorshift_next(&rng->state) >> 32);
    }
}

/* Return: how many bytes there are; the host's pool may not be ready. */
static size_t fill(struct virtio_rng *rng, uint8_t *bytes, size_t count)
{
    ssize_t got;

    if (rng->base.is_sync) {
        fill_known(rng, bytes, count);
        return count;
    }
    got = getrandom(bytes, count, 0);
    return got > 0 ? (size_t)got : 0;
}

static int64_t fill_chain(struct virtio_device *device,
                          const struct virtio_chain *chain)
{
    struct virtio_rng *rng = (struct virtio_rng *)device;
    uint8_t bytes[FILL_MAX];
    size_t count = chain->in_bytes < FILL_MAX ? chain->in_bytes : FILL_MAX;

    count = fill(rng, bytes, count);
    if (virtio_write_pieces(device->as, virtio_chain_in(chain), chain->num_in,
                            0, bytes, count)) {
        return -1;
    }
    return (int64_t)count;
}

static void kick_rng(struct virtio_device *device)
{
    virtio_device_each(device, &device->queues[0], fill_chain);
}

static void reset_rng(struct virtio_device *device)
{
    ((struct virtio_rng *)device)->state = 0x9e3779b97f4a7c15;
}

static void free_rng(struct virtio_device *device)
{
    virtio_device_destroy(device);
    free(device);
}

static void save_rng(const struct virtio_device *device, void *to)
{
    memcpy(to, &((const struct virtio_rng *)device)->state, sizeof(uint64_t));
}

static void restore_rng(struct virtio_device *device, const void *from)
{
    memcpy(&((struct virtio_rng *)device)->state, from, sizeof(uint64_t));
}

static const struct virtio_class rng_class = {
    .name = "virtio-rng",
    .id = 4,
    .num_queues = 1,
    .queue_size = 8,
    .kick = kick_rng,
    .reset = reset_rng,
    .free = free_rng,
    .state_size = sizeof(uint64_t),
    .save = save_rng,
    .restore = restore_rng,
};

struct virtio_device *virtio_rng_new(const struct virtio_place *place)
{
    struct virtio_rng *rng = calloc(1, sizeof(*rng));

    if (!rng) {
        return NULL;
    }
    if (virtio_device_init(&rng->base, &rng_class, place, 0)) {
        free_rng(&rng->base);
        return NULL;
    }
    reset_rng(&rng->base);
    return &rng->base;
}
