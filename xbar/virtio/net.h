/* SPDX-License-Identifier: MIT */
/* A network card on a user's network. */
#ifndef XBAR_VIRTIO_NET_H
#define XBAR_VIRTIO_NET_H

#include "virtio/config.h"
#include "virtio/device.h"

/*
 * virtio_net_new() - the card number @n, which its address tells
 * @place: with an I/O thread
 *
 * Return: NULL with @errp set, if it was not the memory.
 */
struct virtio_device *virtio_net_new(const struct virtio_place *place,
                                     const struct netdev_config *config,
                                     unsigned n, Error **errp) XBAR_MUST_CHECK;

#endif
