/* SPDX-License-Identifier: MIT */
/*
 * Queue 0 has buffers for events, queue 1 what the guest says to lights that we
 * have not. Config space is a window: the driver selects what it shows.
 *
 *   0  select   1  subselect   2  size   8  what was selected
 */
#include "virtio/input.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xbar/compat.h>

#define EVENTS 0
#define STATUS 1

#define QUEUE_SIZE 64

/* As Linux numbers them (linux/input-event-codes.h), and so virtio. */
enum input_code {
    EV_SYN = 0,
    EV_KEY = 1,
    SYN_REPORT = 0,
    KEY_POWER = 116,
    BUS_VIRTUAL = 6,
};

enum input_config {
    CONFIG_SELECT = 0,
    CONFIG_SUBSELECT = 1,
    CONFIG_SIZE = 2,
    CONFIG_DATA = 8,
    CONFIG_END = 136,
};

enum input_select {
    SELECT_NAME = 0x01,
    SELECT_IDS = 0x03,
    SELECT_EVENT_BITS = 0x11,
};

static_assert(CONFIG_END <= VIRTIO_CONFIG_MAX, "config space has room");

/* ---- Config space ------------------------------------------------------ */

/* What is selected, in @data. Return: its size; 0: there is no such thing. */
static size_t show(uint8_t select, uint8_t subselect, uint8_t *data)
{
    static const char name[] = "xbar power key";

    if (select == SELECT_NAME && subselect == 0) {
        memcpy(data, name, sizeof(name) - 1);
        return sizeof(name) - 1;
    }
    if (select == SELECT_IDS && subselect == 0) {
        stw_le_p(data, BUS_VIRTUAL);
        stw_le_p(data + 6, 1); /* version; vendor and product are 0 */
        return 8;
    }
    if (select == SELECT_EVENT_BITS && subselect == EV_KEY) {
        data[KEY_POWER / 8] = 1 << KEY_POWER % 8;
        return KEY_POWER / 8 + 1;
    }
    return 0;
}

static void write_select(struct virtio_device *device, hwaddr offset,
                         uint8_t value)
{
    uint8_t *config = device->config;

    if (offset > CONFIG_SUBSELECT) {
        return;
    }
    config[offset] = value;
    memset(config + CONFIG_SIZE, 0, CONFIG_END - CONFIG_SIZE);
    config[CONFIG_SIZE] = (uint8_t)show(
        config[CONFIG_SELECT], config[CONFIG_SUBSELECT], config + CONFIG_DATA);
}

/* ---- Events ------------------------------------------------------------ */

struct input_event {
    uint16_t type;
    uint16_t code;
    uint32_t value;
};

/* Return: 1; 0 if there is no buffer; -EPROTO. */
static int put_event(struct virtio_device *device,
                     const struct input_event *event)
{
    struct virtio_queue *queue = &device->queues[EVENTS];
    struct virtio_chain chain;
    uint8_t bytes[8] = { 0 };
    int ret = virtio_queue_pop(queue, &chain);

    if (ret <= 0) {
        return ret;
    }
    stw_le_p(bytes, event->type);
    stw_le_p(bytes + 2, event->code);
    stl_le_p(bytes + 4, event->value);
    if (chain.in_bytes < sizeof(bytes) ||
        virtio_write_pieces(device->as, virtio_chain_in(&chain), chain.num_in,
                            0, bytes, sizeof(bytes)) ||
        virtio_queue_push(queue, chain.head, sizeof(bytes))) {
        return -EPROTO;
    }
    return 1;
}

/* A driver that has no room for all of it gets what it has room for: there is
 * room for 64 in any that we know. */
static bool press(struct virtio_device *device)
{
    static const struct input_event events[] = {
        { EV_KEY, KEY_POWER, 1 },
        { EV_SYN, SYN_REPORT, 0 },
        { EV_KEY, KEY_POWER, 0 },
        { EV_SYN, SYN_REPORT, 0 },
    };
    unsigned count = 0;
    int ret = 1;

    while (count < sizeof(events) / sizeof(events[0])) {
        ret = put_event(device, &events[count]);
        if (ret <= 0) {
            break;
        }
        count++;
    }
    if (count) {
        virtio_device_told(device, &device->queues[EVENTS]);
    }
    if (ret < 0) {
        virtio_device_fail(device);
    }
    return count > 0 && ret >= 0;
}

bool virtio_input_press_power(struct virtio_device *device)
{
    bool is_heard = false;

    virtio_device_lock(device);
    if (virtio_device_runs(device)) {
        is_heard = press(device);
    }
    virtio_device_unlock(device);
    return is_heard;
}

/* ---- The device -------------------------------------------------------- */

/* There are no lights: what is said to them is taken, and dropped. */
static int64_t drop_status(struct virtio_device *device,
                           const struct virtio_chain *chain)
{
    (void)device;
    (void)chain;
    return 0;
}

static void kick_input(struct virtio_device *device)
{
    (void)virtio_queue_set_notify(&device->queues[EVENTS], false);
    virtio_device_each(device, &device->queues[STATUS], drop_status);
}

static void reset_input(struct virtio_device *device)
{
    memset(device->config, 0, sizeof(device->config));
}

static void free_input(struct virtio_device *device)
{
    virtio_device_destroy(device);
    free(device);
}

static const struct virtio_class input_class = {
    .name = "virtio-input",
    .id = 18,
    .num_queues = 2,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_END,
    .kick = kick_input,
    .reset = reset_input,
    .write_config = write_select,
    .free = free_input,
};

struct virtio_device *virtio_input_new(const struct virtio_place *place)
{
    struct virtio_device *device = calloc(1, sizeof(*device));

    if (device && virtio_device_init(device, &input_class, place, 0)) {
        free_input(device);
        device = NULL;
    }
    return device;
}
