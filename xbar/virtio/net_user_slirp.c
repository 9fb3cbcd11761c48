/* SPDX-License-Identifier: MIT */
/*
 * Addresses are QEMU's: the guest's network is 10.0.2.0/24, the host .2, the
 * name server .3, the first address that DHCP gives .15; IPv6 is fec0::/64.
 */
#include "virtio/net_user.h"

#include <errno.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_clock.h"

#define TIMERS_MAX 4

struct net_timer {
    SlirpTimerCb cb; /* NULL: free */
    void *opaque;
    int64_t due_ms; /* -1: not armed */
};

struct net_user {
    Slirp *slirp;
    struct net_user_host host;
    struct net_timer timers[TIMERS_MAX];
    const struct io_polls *polls; /* while libslirp asks */
    struct io_polls *preparing;
};

/* ---- What libslirp wants ----------------------------------------------- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    struct net_user *user = opaque;

    user->host.receive(user->host.opaque, buf, len);
    return (ssize_t)len;
}

/* What a guest does wrong on its network is nobody else's business. */
static void ignore_error(const char *msg, void *opaque)
{
    (void)msg;
    (void)opaque;
}

static int64_t now_ns(void *opaque)
{
    (void)opaque;
    return (int64_t)host_clock_ns(CLOCK_MONOTONIC);
}

static void *new_timer(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    struct net_user *user = opaque;

    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        if (!user->timers[i].cb) {
            user->timers[i] = (struct net_timer){ cb, cb_opaque, -1 };
            return &user->timers[i];
        }
    }
    return NULL;
}

static void free_timer(void *timer, void *opaque)
{
    (void)opaque;
    if (timer) {
        ((struct net_timer *)timer)->cb = NULL;
    }
}

static void move_timer(void *timer, int64_t expire_time, void *opaque)
{
    (void)opaque;
    if (timer) {
        ((struct net_timer *)timer)->due_ms = expire_time;
    }
}

/* Descriptors are asked for anew each time; there is no other thread. */
static void ignore_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void ignore_notice(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = ignore_error,
    .clock_get_ns = now_ns,
    .timer_new = new_timer,
    .timer_free = free_timer,
    .timer_mod = move_timer,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore_notice,
};

/* ---- Polling ----------------------------------------------------------- */

static const struct {
    int slirp;
    short host;
} poll_events[] = {
    { SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT },
    { SLIRP_POLL_PRI, POLLPRI }, { SLIRP_POLL_ERR, POLLERR },
    { SLIRP_POLL_HUP, POLLHUP },
};

#define POLL_EVENTS (sizeof(poll_events) / sizeof(poll_events[0]))

static int add_poll(int fd, int events, void *opaque)
{
    struct net_user *user = opaque;
    short wanted = 0;

    for (unsigned i = 0; i < POLL_EVENTS; i++) {
        wanted |= events & poll_events[i].slirp ? poll_events[i].host : 0;
    }
    return io_polls_add(user->preparing, fd, wanted);
}

/* One that found no place in the list was not asked for: nothing happened. */
static int get_revents(int idx, void *opaque)
{
    struct net_user *user = opaque;
    int events = 0;

    if (idx < 0 || (unsigned)idx >= user->polls->count) {
        return 0;
    }
    for (unsigned i = 0; i < POLL_EVENTS; i++) {
        events |= user->polls->fds[idx].revents & poll_events[i].host
                      ? poll_events[i].slirp
                      : 0;
    }
    return events;
}

static void lower_timeout(struct io_polls *polls, int64_t ms)
{
    int bound = ms < 0 ? 0 : ms > 3600 * 1000 ? 3600 * 1000 : (int)ms;

    if (polls->timeout_ms < 0 || bound < polls->timeout_ms) {
        polls->timeout_ms = bound;
    }
}

void net_user_prepare(struct net_user *user, struct io_polls *polls)
{
    uint32_t timeout = UINT32_MAX;
    int64_t now = now_ns(user) / 1000000;

    user->preparing = polls;
    slirp_pollfds_fill(user->slirp, &timeout, add_poll, user);
    if (timeout != UINT32_MAX) {
        lower_timeout(polls, timeout);
    }
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        if (user->timers[i].cb && user->timers[i].due_ms >= 0) {
            lower_timeout(polls, user->timers[i].due_ms - now);
        }
    }
}

void net_user_look(struct net_user *user, const struct io_polls *polls)
{
    int64_t now = now_ns(user) / 1000000;

    user->polls = polls;
    slirp_pollfds_poll(user->slirp, 0, get_revents, user);
    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        struct net_timer *timer = &user->timers[i];

        if (timer->cb && timer->due_ms >= 0 && timer->due_ms <= now) {
            timer->due_ms = -1;
            timer->cb(timer->opaque);
        }
    }
}

void net_user_send(struct net_user *user, const uint8_t *frame, size_t len)
{
    slirp_input(user->slirp, frame, (int)len);
}

/* ---- Settings ---------------------------------------------------------- */

static int parse_address(const char *text, struct in_addr *addr)
{
    return inet_pton(AF_INET, text, addr) == 1 ? 0 : -EINVAL;
}

/* ADDRESS[/BITS], 24 of them if it does not say. */
static int parse_net(const char *text, struct in_addr *net,
                     struct in_addr *mask)
{
    char address[INET_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char *end = NULL;
    unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : 24;

    if (len >= sizeof(address) || (slash && (*end || end == slash + 1)) ||
        bits < 8 || bits > 29) {
        return -EINVAL;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    return parse_address(address, net);
}

/* An address of the guest's network: given, or the @n-th. */
static int choose_address(const char *text, const SlirpConfig *slirp,
                          uint32_t n, struct in_addr *addr)
{
    addr->s_addr = (slirp->vnetwork.s_addr & slirp->vnetmask.s_addr) | htonl(n);
    if (text && parse_address(text, addr)) {
        return -EINVAL;
    }
    return (addr->s_addr ^ slirp->vnetwork.s_addr) & slirp->vnetmask.s_addr
               ? -EINVAL
               : 0;
}

static int fail_setting(const char *key, const char *value, const char *problem,
                        Error **errp)
{
    error_setg(errp, "--netdev: %s=%s: %s", key, value ? value : "", problem);
    return -EINVAL;
}

static int configure(const struct netdev_config *config, SlirpConfig *slirp,
                     Error **errp)
{
    const char *outside = "not an IPv4 address in the guest's network";

    slirp->version = 1;
    slirp->restricted = config->is_restricted;
    slirp->in_enabled = true;
    slirp->in6_enabled = true;
    slirp->vprefix_len = 64;
    slirp->tftp_path = config->tftp;
    slirp->bootfile = config->bootfile;
    (void)inet_pton(AF_INET6, "fec0::", &slirp->vprefix_addr6);
    (void)inet_pton(AF_INET6, "fec0::2", &slirp->vhost6);
    (void)inet_pton(AF_INET6, "fec0::3", &slirp->vnameserver6);
    if (parse_net(config->net ? config->net : "10.0.2.0/24", &slirp->vnetwork,
                  &slirp->vnetmask)) {
        return fail_setting("net", config->net, "not ADDRESS/BITS, 8 to 29",
                            errp);
    }
    if (choose_address(config->host, slirp, 2, &slirp->vhost)) {
        return fail_setting("host", config->host, outside, errp);
    }
    if (choose_address(config->dns, slirp, 3, &slirp->vnameserver)) {
        return fail_setting("dns", config->dns, outside, errp);
    }
    if (choose_address(config->dhcpstart, slirp,
                       ntohl(~slirp->vnetmask.s_addr) > 15 ? 15 : 4,
                       &slirp->vdhcp_start)) {
        return fail_setting("dhcpstart", config->dhcpstart, outside, errp);
    }
    if (slirp->vhost.s_addr == slirp->vnameserver.s_addr ||
        slirp->vhost.s_addr == slirp->vdhcp_start.s_addr ||
        slirp->vnameserver.s_addr == slirp->vdhcp_start.s_addr) {
        return fail_setting("net", config->net,
                            "host, dns and dhcpstart must differ", errp);
    }
    return 0;
}

/* ---- Forwards ---------------------------------------------------------- */

struct forward {
    int is_udp;
    struct in_addr host;
    struct in_addr guest; /* 0: the one that DHCP gives first */
    int host_port;
    int guest_port;
};

/* [ADDRESS]:PORT up to @end. Return: behind @end, or NULL. */
static const char *parse_end(const char *text, char end, struct in_addr *addr,
                             int *port)
{
    char address[INET_ADDRSTRLEN];
    size_t len = strcspn(text, ":");
    char *rest;
    unsigned long number;

    addr->s_addr = INADDR_ANY;
    if (text[len] != ':' || len >= sizeof(address)) {
        return NULL;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    text += len + 1;
    number = strtoul(text, &rest, 10);
    if ((len && parse_address(address, addr)) || rest == text || *rest != end ||
        text[0] < '0' || text[0] > '9' || number > 65535) {
        return NULL;
    }
    *port = (int)number;
    return end ? rest + 1 : rest;
}

/* [tcp|udp]:[HOST]:PORT-[GUEST]:PORT */
static int parse_forward(const char *text, struct forward *forward)
{
    forward->is_udp = strncmp(text, "udp:", 4) == 0;
    if (!forward->is_udp && strncmp(text, "tcp:", 4) != 0 && text[0] != ':') {
        return -EINVAL;
    }
    text = strchr(text, ':') + 1;
    text = parse_end(text, '-', &forward->host, &forward->host_port);
    if (!text ||
        !parse_end(text, '\0', &forward->guest, &forward->guest_port) ||
        forward->guest_port == 0) {
        return -EINVAL;
    }
    return 0;
}

static int add_forwards(struct net_user *user,
                        const struct netdev_config *config, Error **errp)
{
    for (unsigned i = 0; i < config->num_hostfwd; i++) {
        struct forward forward;

        if (parse_forward(config->hostfwd[i], &forward)) {
            return fail_setting("hostfwd", config->hostfwd[i],
                                "not [tcp|udp]:[HOST]:PORT-[GUEST]:PORT", errp);
        }
        if (slirp_add_hostfwd(user->slirp, forward.is_udp, forward.host,
                              forward.host_port, forward.guest,
                              forward.guest_port)) {
            return fail_setting("hostfwd", config->hostfwd[i], strerror(errno),
                                errp);
        }
    }
    return 0;
}

/* ---- Life -------------------------------------------------------------- */

struct net_user *net_user_new(const struct netdev_config *config,
                              const struct net_user_host *host, Error **errp)
{
    struct net_user *user = calloc(1, sizeof(*user));
    SlirpConfig slirp = { 0 };

    if (!user) {
        error_setg(errp, "--netdev: no memory");
        return NULL;
    }
    user->host = *host;
    if (configure(config, &slirp, errp)) {
        free(user);
        return NULL;
    }
    user->slirp = slirp_new(&slirp, &callbacks, user);
    if (!user->slirp) {
        error_setg(errp, "--netdev: libslirp refuses");
        free(user);
        return NULL;
    }
    if (add_forwards(user, config, errp)) {
        net_user_free(user);
        return NULL;
    }
    return user;
}

void net_user_free(struct net_user *user)
{
    if (user) {
        slirp_cleanup(user->slirp);
        free(user);
    }
}
