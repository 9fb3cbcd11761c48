/* SPDX-License-Identifier: MIT */
/* SiFive's test finisher: how a guest ends its run. */
#ifndef XBAR_FINISHER_H
#define XBAR_FINISHER_H

#include <xbar/xbar.h>

/* What the guest asked for. Called under the machine lock. */
struct finisher_host {
    void (*finish)(void *opaque, int status); /* exit status of the run */
    void (*reset)(void *opaque);
    void *opaque;
};

struct finisher {
    MemoryRegion region;
    struct finisher_host host;
};

/* Return: 0 or -errno. */
int finisher_init(struct finisher *finisher, const struct finisher_host *host)
    XBAR_MUST_CHECK;

/* finisher_status() - a guest's 16-bit fail code as an exit status, 1..255 */
int finisher_status(unsigned code);

#endif
