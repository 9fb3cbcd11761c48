/* SPDX-License-Identifier: MIT */
/* A disk: a raw image behind one queue of requests. */
#ifndef XBAR_VIRTIO_BLK_H
#define XBAR_VIRTIO_BLK_H

#include "virtio/config.h"
#include "virtio/device.h"

/* virtio_blk_new() - Return: NULL with @errp set, if it was not the memory */
struct virtio_device *virtio_blk_new(const struct virtio_place *place,
                                     const struct drive_config *config,
                                     Error **errp) XBAR_MUST_CHECK;

#endif
