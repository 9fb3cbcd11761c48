/* SPDX-License-Identifier: MIT */
/* Which virtio devices a board has, as the command line says it. */
#ifndef XBAR_VIRTIO_CONFIG_H
#define XBAR_VIRTIO_CONFIG_H

#include <xbar/xbar.h>

#define VIRTIO_SLOTS     8
#define HOST_FORWARD_MAX 16

/* QEMU's names and meanings. */
enum drive_cache {
    DRIVE_CACHE_WRITEBACK,    /* durable when flushed */
    DRIVE_CACHE_WRITETHROUGH, /* durable when written */
    DRIVE_CACHE_NONE,         /* as writeback, past the host's page cache */
    DRIVE_CACHE_UNSAFE,       /* a flush does nothing */
};

/* --drive. Strings belong to argv, which is taken apart in place. */
struct drive_config {
    const char *file;
    const char *id; /* what the guest reads as its serial number, or NULL */
    enum drive_cache cache;
    bool is_readonly;
    bool ignores_discard;
};

/* --netdev user */
struct netdev_config {
    const char *id;  /* or NULL */
    const char *net; /* or NULL: 10.0.2.0/24, and so on */
    const char *host;
    const char *dns;
    const char *dhcpstart;
    const char *tftp; /* a folder whose files the guest may fetch, or NULL */
    const char *bootfile; /* what DHCP tells the guest to fetch, or NULL */
    const char *hostfwd[HOST_FORWARD_MAX];
    unsigned num_hostfwd;
    bool is_user; /* the type was given, and this is the only one */
    bool is_restricted;
};

struct virtio_config {
    struct drive_config drives[VIRTIO_SLOTS];
    struct netdev_config netdevs[VIRTIO_SLOTS];
    unsigned num_drives;
    unsigned num_netdevs;
    bool has_rng;
    bool has_console;
};

/*
 * virtio_config_drive() / _netdev() / _device() - take one option's value
 * @text: "KEY=VALUE,..." with ",," for a comma; taken apart in place
 *
 * Return: 0; -EINVAL with @errp set.
 */
int virtio_config_drive(struct virtio_config *config, char *text, Error **errp)
    XBAR_MUST_CHECK;
int virtio_config_netdev(struct virtio_config *config, char *text, Error **errp)
    XBAR_MUST_CHECK;
int virtio_config_device(struct virtio_config *config, char *text, Error **errp)
    XBAR_MUST_CHECK;

#endif
