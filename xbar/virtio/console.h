/* SPDX-License-Identifier: MIT */
/*
 * A console: hvc0, on the same terminal as the UART. What is typed goes to it
 * from when its driver gives it buffers to the next reset.
 */
#ifndef XBAR_VIRTIO_CONSOLE_H
#define XBAR_VIRTIO_CONSOLE_H

#include "virtio/device.h"

/* The far end. Called with the device's lock held; must not wait. */
struct virtio_console_host {
    /* Return: how many of @count bytes were taken. If not all, the device is
     * to be woken when there is room. */
    size_t (*write)(void *opaque, const uint8_t *bytes, size_t count);
    /* Return: how many bytes there were, up to @room. The device is to be
     * woken when there are more. */
    size_t (*read)(void *opaque, uint8_t *bytes, size_t room);
    void *opaque;
};

/* virtio_console_new() - Return: NULL if the host has no more of something */
struct virtio_device *virtio_console_new(const struct virtio_place *place,
                                         const struct virtio_console_host *host)
    XBAR_MUST_CHECK;

/* virtio_console_is_open() - does the guest take what is typed? Any thread. */
bool virtio_console_is_open(struct virtio_device *device);

/* virtio_console_resize() - the terminal's size, 0 if it has none; the guest is
 * told. Any thread; takes the device's lock. Nothing with --deterministic. */
void virtio_console_resize(struct virtio_device *device, uint16_t columns,
                           uint16_t rows);

#endif
