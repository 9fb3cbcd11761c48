/* SPDX-License-Identifier: MIT */
/* Entropy: the host's, or with --deterministic the same in each run. */
#ifndef XBAR_VIRTIO_RNG_H
#define XBAR_VIRTIO_RNG_H

#include "virtio/device.h"

/* virtio_rng_new() - Return: NULL if the host has no more of something */
struct virtio_device *virtio_rng_new(const struct virtio_place *place)
    XBAR_MUST_CHECK;

#endif
