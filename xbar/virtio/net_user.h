/* SPDX-License-Identifier: MIT */
/*
 * The far end of a network card's cable: a user's network (libslirp). The
 * guest's connections become the host's, made by this process; the host's
 * loopback is 10.0.2.2. Needs no rights.
 *
 * All calls on one network, and its calls back, come from one thread at a
 * time.
 */
#ifndef XBAR_VIRTIO_NET_USER_H
#define XBAR_VIRTIO_NET_USER_H

#include <xbar/xbar.h>

#include "virtio/config.h"
#include "virtio/io_loop.h"

struct net_user;

/* Where frames to the guest go: called from within net_user_send, _look. */
struct net_user_host {
    void (*receive)(void *opaque, const uint8_t *frame, size_t len);
    void *opaque;
};

/* net_user_new() - Return: NULL with @errp set */
struct net_user *net_user_new(const struct netdev_config *config,
                              const struct net_user_host *host, Error **errp)
    XBAR_MUST_CHECK;
void net_user_free(struct net_user *user); /* NULL is fine */

/* net_user_send() - a frame from the guest; whatever it is */
void net_user_send(struct net_user *user, const uint8_t *frame, size_t len);

/* See struct io_poller. */
void net_user_prepare(struct net_user *user, struct io_polls *polls);
void net_user_look(struct net_user *user, const struct io_polls *polls);

#endif
