/* SPDX-License-Identifier: MIT */
/*
 * A keyboard of one key: power. Whoever runs under the guest's kernel and cares
 * (systemd-logind, acpid) hears of it as of a button on a case.
 */
#ifndef XBAR_VIRTIO_INPUT_H
#define XBAR_VIRTIO_INPUT_H

#include "virtio/device.h"

/* virtio_input_new() - Return: NULL if the host has no more of something */
struct virtio_device *virtio_input_new(const struct virtio_place *place)
    XBAR_MUST_CHECK;

/*
 * virtio_input_press_power() - the key goes down and up
 *
 * Context: any thread; takes the device's lock.
 * Return: false if no driver of the guest's takes events: nothing happened.
 */
bool virtio_input_press_power(struct virtio_device *device);

#endif
