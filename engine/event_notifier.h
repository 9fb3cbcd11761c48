/* SPDX-License-Identifier: MIT */
/**
 * Event notifiers: an eventfd, with the names that device models use. Row
 * M-66. The structure is the caller's. Context of everything here: any thread.
 */
#ifndef XBAR_ENGINE_EVENT_NOTIFIER_H
#define XBAR_ENGINE_EVENT_NOTIFIER_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Signalled by a write to wfd, waited for at rfd; both are one eventfd, or a
 * pipe's ends. */
typedef struct EventNotifier {
    int rfd;
    int wfd;
    bool initialized;
} EventNotifier;

/**
 * xbar_event_notifier_init() - make an eventfd
 * @active: non-zero: signalled already
 *
 * Return: 0, or -errno.
 */
XBAR_API int xbar_event_notifier_init(EventNotifier *e, int active);
/** xbar_event_notifier_cleanup() - close it; fine if it is not initialised */
XBAR_API void xbar_event_notifier_cleanup(EventNotifier *e);
/** xbar_event_notifier_set() - signal it. Return: 0, or -errno */
XBAR_API int xbar_event_notifier_set(EventNotifier *e);
/** xbar_event_notifier_test_and_clear() - was it signalled since last time? */
XBAR_API bool xbar_event_notifier_test_and_clear(EventNotifier *e);

/* The same by QEMU's names. */

static inline int event_notifier_init(EventNotifier *e, int active)
{
    return xbar_event_notifier_init(e, active);
}

static inline void event_notifier_cleanup(EventNotifier *e)
{
    xbar_event_notifier_cleanup(e);
}

static inline int event_notifier_set(EventNotifier *e)
{
    return xbar_event_notifier_set(e);
}

static inline int event_notifier_test_and_clear(EventNotifier *e)
{
    return xbar_event_notifier_test_and_clear(e);
}

/** event_notifier_init_fd() - use @fd, which stays the caller's to close */
static inline void event_notifier_init_fd(EventNotifier *e, int fd)
{
    e->rfd = fd;
    e->wfd = fd;
    e->initialized = true;
}

/** event_notifier_get_fd() - what to wait at; the notifier's still */
static inline int event_notifier_get_fd(const EventNotifier *e)
{
    return e->rfd;
}

/** event_notifier_get_wfd() - what to signal by; the notifier's still */
static inline int event_notifier_get_wfd(const EventNotifier *e)
{
    return e->wfd;
}

#ifdef __cplusplus
}
#endif

#endif
