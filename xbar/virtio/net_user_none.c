/* SPDX-License-Identifier: MIT */
/* Without libslirp there is no network, and --netdev says so. */
#include "virtio/net_user.h"

struct net_user *net_user_new(const struct netdev_config *config,
                              const struct net_user_host *host, Error **errp)
{
    (void)config;
    (void)host;
    error_setg(errp, "--netdev: this xbar was built without libslirp");
    return NULL;
}

void net_user_free(struct net_user *user)
{
    (void)user;
}

void net_user_send(struct net_user *user, const uint8_t *frame, size_t len)
{
    (void)user;
    (void)frame;
    (void)len;
}

void net_user_prepare(struct net_user *user, struct io_polls *polls)
{
    (void)user;
    (void)polls;
}

void net_user_look(struct net_user *user, const struct io_polls *polls)
{
    (void)user;
    (void)polls;
}
