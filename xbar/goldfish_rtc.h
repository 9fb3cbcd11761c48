/* SPDX-License-Identifier: MIT */
/*
 * The Goldfish real-time clock: nanoseconds since 1970, and an alarm.
 *
 * The state is guarded by the machine lock.
 */
#ifndef XBAR_GOLDFISH_RTC_H
#define XBAR_GOLDFISH_RTC_H

#include <xbar/xbar.h>

#include "irq.h"

/* Where the time comes from, and who is told to watch the alarm. */
struct goldfish_rtc_host {
    uint64_t (*now_ns)(void *opaque);
    void (*alarm_moved)(void *opaque); /* call goldfish_rtc_poll() soon */
    void *opaque;
};

/* All that a snapshot keeps of it. */
struct goldfish_rtc_state {
    uint64_t offset;    /* the guest's time - the host's, mod 2^64 */
    uint64_t alarm;     /* in the guest's time */
    uint32_t time_high; /* latched by a read of the low half */
    uint32_t alarm_high;
    bool alarm_armed;
    bool irq_enabled;
    bool irq_pending;
};

struct goldfish_rtc {
    MemoryRegion region;
    struct goldfish_rtc_host host;
    struct irq_line irq;
    struct goldfish_rtc_state state;
};

/* Return: 0 or -errno. */
int goldfish_rtc_init(struct goldfish_rtc *rtc,
                      const struct goldfish_rtc_host *host, struct irq_line irq)
    XBAR_MUST_CHECK;
void goldfish_rtc_reset(struct goldfish_rtc *rtc);

/* The clock itself runs on; what it is ahead of the host's goes back. Under the
 * machine lock. */
extern const struct xbar_snapshot_ops goldfish_rtc_snapshot_ops;

/*
 * goldfish_rtc_poll() - raise the alarm if it is due
 *
 * Context: under the machine lock.
 * Return: nanoseconds until it will be; UINT64_MAX if none is set.
 */
uint64_t goldfish_rtc_poll(struct goldfish_rtc *rtc);

/* goldfish_rtc_due() - the same, at @host_ns of the host's time, and raise
 * nothing: 0 if it is due */
uint64_t goldfish_rtc_due(const struct goldfish_rtc *rtc, uint64_t host_ns);

#endif
