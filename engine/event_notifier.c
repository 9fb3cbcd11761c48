/* SPDX-License-Identifier: MIT */
#include "engine/event_notifier.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int xbar_event_notifier_init(EventNotifier *e, int active)
{
    int fd = eventfd(active != 0, EFD_NONBLOCK | EFD_CLOEXEC);

    *e = (EventNotifier){ fd, fd, fd >= 0 };
    return fd >= 0 ? 0 : -errno;
}

void xbar_event_notifier_cleanup(EventNotifier *e)
{
    if (!e->initialized) {
        return;
    }
    close(e->rfd);
    if (e->wfd != e->rfd) {
        close(e->wfd);
    }
    *e = (EventNotifier){ -1, -1, false };
}

int xbar_event_notifier_set(EventNotifier *e)
{
    const uint64_t one = 1;

    if (!e->initialized) {
        return -EBADF;
    }
    while (write(e->wfd, &one, sizeof(one)) < 0) {
        if (errno != EINTR) {
            /* A counter that is full is signalled already. */
            return errno == EAGAIN ? 0 : -errno;
        }
    }
    return 0;
}

bool xbar_event_notifier_test_and_clear(EventNotifier *e)
{
    uint64_t counter;
    ssize_t n;

    if (!e->initialized) {
        return false;
    }
    do {
        n = read(e->rfd, &counter, sizeof(counter));
    } while (n < 0 && errno == EINTR);
    return n > 0;
}
