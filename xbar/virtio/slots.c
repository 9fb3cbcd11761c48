/* SPDX-License-Identifier: MIT */
#include "virtio/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/blk.h"
#include "virtio/device.h"
#include "virtio/input.h"
#include "virtio/net.h"
#include "virtio/rng.h"

struct virtio_slots {
    struct virtio_slots_config config;
    struct io_loop *loop;          /* NULL: there is none */
    unsigned used;                 /* slots with a device, the highest ones */
    struct virtio_device *console; /* one of them, or NULL */
    struct virtio_device *power;   /* the same */
    struct virtio_device *devices[VIRTIO_SLOTS];
};

/* ---- Devices ----------------------------------------------------------- */

static void free_empty(struct virtio_device *device)
{
    virtio_device_destroy(device);
    free(device);
}

static const struct virtio_class empty_class = {
    .name = "virtio-mmio",
    .free = free_empty,
};

static struct virtio_device *make_empty(const struct virtio_place *place)
{
    struct virtio_device *device = calloc(1, sizeof(*device));

    if (device && virtio_device_init(device, &empty_class, place, 0)) {
        free_empty(device);
        device = NULL;
    }
    return device;
}

static struct virtio_place next_place(const struct virtio_slots *slots)
{
    unsigned slot = VIRTIO_SLOTS - 1 - slots->used;

    return (struct virtio_place){
        .as = slots->config.as,
        .irq = slots->config.irq[slot],
        .loop = slots->loop,
        .tap = slots->config.tap,
        .slot = slot,
        .posted = slots->config.posted,
        .posted_opaque = slots->config.posted_opaque,
    };
}

/* @device may be NULL, with or without a reason in @cause. */
static int plug(struct virtio_slots *slots, struct virtio_device *device,
                Error **cause)
{
    if (!device) {
        if (!*cause) {
            error_setg(cause, "no memory for a virtio device");
        }
        return -ENOMEM;
    }
    slots->devices[VIRTIO_SLOTS - 1 - slots->used++] = device;
    return 0;
}

static int plug_all(struct virtio_slots *slots, Error **cause)
{
    const struct virtio_config *wanted = slots->config.devices;
    struct virtio_place place;
    int ret = 0;

    for (unsigned i = 0; wanted && ret == 0 && i < wanted->num_drives; i++) {
        place = next_place(slots);
        ret = plug(slots, virtio_blk_new(&place, &wanted->drives[i], cause),
                   cause);
    }
    for (unsigned i = 0; wanted && ret == 0 && i < wanted->num_netdevs; i++) {
        place = next_place(slots);
        ret = plug(slots, virtio_net_new(&place, &wanted->netdevs[i], i, cause),
                   cause);
    }
    if (wanted && ret == 0 && wanted->has_rng) {
        place = next_place(slots);
        ret = plug(slots, virtio_rng_new(&place), cause);
    }
    if (wanted && ret == 0 && wanted->has_console) {
        place = next_place(slots);
        slots->console = virtio_console_new(&place, &slots->config.console);
        ret = plug(slots, slots->console, cause);
    }
    if (ret == 0 && slots->used < VIRTIO_SLOTS) {
        place = next_place(slots);
        place.loop = NULL; /* there is nothing to wait for */
        slots->power = virtio_input_new(&place);
        ret = plug(slots, slots->power, cause);
    }
    while (ret == 0 && slots->used < VIRTIO_SLOTS) {
        place = next_place(slots);
        ret = plug(slots, make_empty(&place), cause);
    }
    return ret;
}

static int plug_replicas(struct virtio_slots *slots, Error **cause)
{
    int ret = 0;

    while (ret == 0 && slots->used < VIRTIO_SLOTS) {
        struct virtio_place place = next_place(slots);
        const struct virtio_replica *wanted =
            &slots->config.replicas[place.slot];

        ret = plug(slots,
                   wanted->id ? virtio_replica_new(&place, wanted)
                              : make_empty(&place),
                   cause);
    }
    return ret;
}

static unsigned count_devices(const struct virtio_config *wanted)
{
    return wanted ? wanted->num_drives + wanted->num_netdevs + wanted->has_rng +
                        wanted->has_console
                  : 0;
}

/* ---- The whole --------------------------------------------------------- */

static int make_slots(struct virtio_slots *slots, Error **cause)
{
    unsigned count = count_devices(slots->config.devices);

    if (count > VIRTIO_SLOTS) {
        error_setg(cause, "%u virtio devices are more than the board's %d",
                   count, VIRTIO_SLOTS);
        return -EINVAL;
    }
    if (slots->config.deterministic && slots->config.devices &&
        slots->config.devices->num_netdevs) {
        error_setg(cause, "--netdev: not with --deterministic: what comes "
                          "from a network, and when, is never the same");
        return -EINVAL;
    }
    if (slots->config.replicas) {
        return plug_replicas(slots, cause);
    }
    if (count && !slots->config.deterministic) {
        slots->loop = io_loop_new();
        if (!slots->loop) {
            return -ENOMEM;
        }
    }
    return plug_all(slots, cause);
}

struct virtio_slots *virtio_slots_new(const struct virtio_slots_config *config,
                                      Error **errp)
{
    struct virtio_slots *slots = calloc(1, sizeof(*slots));
    Error *cause = NULL;
    int ret = -ENOMEM;

    if (slots) {
        slots->config = *config;
        ret = make_slots(slots, &cause);
    }
    if (ret == 0) {
        return slots;
    }
    if (!cause) {
        error_setg(&cause, "no memory for the virtio devices");
    }
    error_propagate(errp, cause);
    virtio_slots_free(slots);
    return NULL;
}

void virtio_slots_free(struct virtio_slots *slots)
{
    if (!slots) {
        return;
    }
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        if (slots->devices[i]) {
            slots->devices[i]->class->free(slots->devices[i]);
        }
    }
    io_loop_free(slots->loop);
    free(slots);
}

MemoryRegion *virtio_slots_region(struct virtio_slots *slots, unsigned n)
{
    return &slots->devices[n]->region;
}

void virtio_slots_reset(struct virtio_slots *slots)
{
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        virtio_device_reset(slots->devices[i]);
    }
}

struct virtio_device *virtio_slots_device(struct virtio_slots *slots,
                                          unsigned n)
{
    return slots->devices[n];
}

void virtio_slots_deliver(struct virtio_slots *slots)
{
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        virtio_device_deliver(slots->devices[i]);
    }
}

int virtio_slots_start(struct virtio_slots *slots)
{
    if (!slots->loop) {
        return 0;
    }
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        virtio_device_go_on(slots->devices[i]);
    }
    return io_loop_start(slots->loop);
}

/* Draining needs the thread: it takes what completes. */
void virtio_slots_stop(struct virtio_slots *slots)
{
    if (!slots->loop) {
        return;
    }
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        virtio_device_drain(slots->devices[i]);
    }
    io_loop_stop(slots->loop);
}

bool virtio_slots_wants_input(struct virtio_slots *slots)
{
    return slots->console && virtio_console_is_open(slots->console);
}

void virtio_slots_wake_console(struct virtio_slots *slots)
{
    if (slots->console) {
        virtio_device_wake(slots->console);
    }
}

void virtio_slots_resize_console(struct virtio_slots *slots, uint16_t columns,
                                 uint16_t rows)
{
    if (slots->console) {
        virtio_console_resize(slots->console, columns, rows);
    }
}

bool virtio_slots_press_power(struct virtio_slots *slots)
{
    return slots->power && virtio_input_press_power(slots->power);
}
