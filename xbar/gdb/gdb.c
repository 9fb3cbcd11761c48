/* SPDX-License-Identifier: MIT */
#include "gdb.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "session.h"
#include "target_xml.h"

struct gdb {
    struct gdb_control control;
    struct gdb_listener listener;
    struct gdb_session session;
    char *xml;
    bool waits;
    bool has_thread;
    pthread_t thread;
};

static void *serve(void *opaque)
{
    struct gdb *gdb = opaque;
    struct pollfd fds[] = {
        { gdb->listener.fd, POLLIN, 0 },
        { gdb->session.quit, POLLIN, 0 },
    };

    for (;;) {
        int fd;

        if (poll(fds, 2, -1) < 0) {
            continue; /* EINTR */
        }
        if (fds[1].revents) {
            return NULL;
        }
        fd = gdb_accept(&gdb->listener);
        if (fd >= 0) {
            gdb_serve(&gdb->session, fd);
        }
    }
}

static int make_parts(struct gdb *gdb, const struct gdb_config *config,
                      Error **errp)
{
    size_t length = 0;
    int ret = gdb_control_init(&gdb->control, config->hart, config->keeps_time,
                               config->waits);

    if (ret) {
        error_setg(errp, "--gdb %s: %s", config->address, strerror(-ret));
        return ret;
    }
    gdb->xml = gdb_target_xml(&length);
    gdb->session.quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ret = gdb->xml && gdb->session.quit >= 0
              ? gdb_listen(&gdb->listener, config->address, errp)
              : -ENOMEM;
    if (ret == 0) {
        gdb->session.target.xml = gdb->xml;
        gdb->session.target.xml_length = length;
        return 0;
    }
    if (ret == -ENOMEM) {
        error_setg(errp, "--gdb %s: no memory or descriptors", config->address);
    }
    free(gdb->xml);
    if (gdb->session.quit >= 0) {
        close(gdb->session.quit);
    }
    gdb_control_destroy(&gdb->control);
    return ret;
}

struct gdb *gdb_new(const struct gdb_config *config, Error **errp)
{
    struct gdb *gdb = calloc(1, sizeof(*gdb));

    if (!gdb) {
        error_setg(errp, "--gdb %s: no memory", config->address);
        return NULL;
    }
    if (make_parts(gdb, config, errp)) {
        free(gdb);
        return NULL;
    }
    gdb->waits = config->waits;
    gdb->session.listener = &gdb->listener;
    gdb->session.kill = config->kill;
    gdb->session.opaque = config->opaque;
    gdb->session.target.control = &gdb->control;
    gdb->session.target.hart = config->hart;
    gdb->session.target.as = config->as;
    return gdb;
}

int gdb_start(struct gdb *gdb, Error **errp)
{
    int err = pthread_create(&gdb->thread, NULL, serve, gdb);

    if (err) {
        error_setg(errp, "--gdb: no thread: %s", strerror(err));
        return -err;
    }
    gdb->has_thread = true;
    fprintf(stderr, "xbar: gdb: %s %s\n",
            gdb->waits ? "the guest waits for a debugger on" : "listening on",
            gdb->listener.name);
    return 0;
}

void gdb_end(struct gdb *gdb, int status)
{
    const uint64_t one = 1;

    if (!gdb->has_thread) {
        return;
    }
    atomic_store(&gdb->session.status, status);
    if (write(gdb->session.quit, &one, sizeof(one)) < 0) {
        abort(); /* it was never written before */
    }
    pthread_join(gdb->thread, NULL);
    gdb->has_thread = false;
}

void gdb_free(struct gdb *gdb)
{
    if (!gdb) {
        return;
    }
    gdb_end(gdb, 0);
    gdb_listener_close(&gdb->listener);
    gdb_control_destroy(&gdb->control);
    close(gdb->session.quit);
    free(gdb->xml);
    free(gdb);
}

enum xbar_riscv_exit gdb_run(struct gdb *gdb, uint64_t max_insns)
{
    return gdb_control_run(&gdb->control, max_insns);
}

void gdb_poke(struct gdb *gdb)
{
    gdb_control_poke(&gdb->control);
}
