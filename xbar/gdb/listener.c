/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

static int refuse(const char *address, const char *why, int err, Error **errp)
{
    error_setg(errp, "--gdb %s: %s%s%s", address, why, err ? ": " : "",
               err ? strerror(err) : "");
    return err ? -err : -EINVAL;
}

/* Return: -1 if it is none. */
static int parse_port(const char *text)
{
    char *end;
    unsigned long port;

    if (strncmp(text, "tcp:", 4) == 0) {
        text += 4;
    }
    text += *text == ':';
    if (*text < '0' || *text > '9') {
        return -1;
    }
    port = strtoul(text, &end, 10);
    return *end == '\0' && port <= UINT16_MAX ? (int)port : -1;
}

static int listen_on_port(struct gdb_listener *listener, const char *address,
                          int port, Error **errp)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(name);
    const int on = 1;

    listener->fd = socket(AF_INET, SOCKET_FLAGS, 0);
    if (listener->fd < 0) {
        return refuse(address, "no socket", errno, errp);
    }
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener->fd, (struct sockaddr *)&name, sizeof(name)) ||
        listen(listener->fd, 1) ||
        getsockname(listener->fd, (struct sockaddr *)&name, &length)) {
        int err = errno;

        close(listener->fd);
        return refuse(address, "cannot listen", err, errp);
    }
    snprintf(listener->name, sizeof(listener->name), "127.0.0.1:%u",
             ntohs(name.sin_port));
    return 0;
}

/* A socket file of somebody who is gone. */
static bool is_left_over(const struct sockaddr_un *name)
{
    struct stat st;
    int fd;
    bool is_refused;

    if (lstat(name->sun_path, &st) || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
    is_refused = fd >= 0 &&
                 connect(fd, (const struct sockaddr *)name, sizeof(*name)) &&
                 errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return is_refused;
}

static int listen_on_file(struct gdb_listener *listener, const char *path,
                          Error **errp)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(name.sun_path)) {
        return refuse(path, "too long for a socket's name", 0, errp);
    }
    strcpy(name.sun_path, path);
    listener->fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
    if (listener->fd < 0) {
        return refuse(path, "no socket", errno, errp);
    }
    if (is_left_over(&name)) {
        unlink(path);
    }
    if (bind(listener->fd, (struct sockaddr *)&name, sizeof(name)) ||
        listen(listener->fd, 1)) {
        int err = errno;

        close(listener->fd);
        return refuse(path, "cannot listen", err, errp);
    }
    listener->file = path;
    snprintf(listener->name, sizeof(listener->name), "%s", path);
    return 0;
}

int gdb_listen(struct gdb_listener *listener, const char *address, Error **errp)
{
    int port = parse_port(address);

    listener->file = NULL;
    if (strchr(address, '/')) {
        return listen_on_file(listener, address, errp);
    }
    if (port < 0) {
        return refuse(address, "not a port, nor a socket's path with a slash",
                      0, errp);
    }
    return listen_on_port(listener, address, port, errp);
}

void gdb_listener_close(struct gdb_listener *listener)
{
    close(listener->fd);
    if (listener->file) {
        unlink(listener->file);
    }
}

int gdb_accept(const struct gdb_listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const struct timespec moment = { .tv_nsec = 100 * 1000 * 1000 };
    const int on = 1;

    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        nanosleep(&moment, NULL); /* who waits there is found again at once */
    }
    if (fd >= 0 && !listener->file) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}
