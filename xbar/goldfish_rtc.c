/* SPDX-License-Identifier: MIT */
/*
 * Registers, 4 bytes each:
 *
 *   00  time, low half; a read latches the high half
 *   04  time, high half, as latched
 *   08  alarm, low half; a write arms the alarm
 *   0c  alarm, high half; written before the low half
 *   10  interrupt enable
 *   14  write: disarm the alarm
 *   18  1 while the alarm is armed; read-only
 *   1c  write: take the interrupt back
 *
 * Writing the time moves the guest's clock against the host's.
 */
#include "goldfish_rtc.h"

#include "memmap.h"

enum rtc_register {
    RTC_TIME_LOW = 0x00,
    RTC_TIME_HIGH = 0x04,
    RTC_ALARM_LOW = 0x08,
    RTC_ALARM_HIGH = 0x0c,
    RTC_IRQ_ENABLED = 0x10,
    RTC_CLEAR_ALARM = 0x14,
    RTC_ALARM_STATUS = 0x18,
    RTC_CLEAR_INTERRUPT = 0x1c,
};

static uint64_t guest_now(const struct goldfish_rtc *rtc)
{
    return rtc->host.now_ns(rtc->host.opaque) + rtc->state.offset;
}

static void update_irq(struct goldfish_rtc *rtc)
{
    irq_line_set(&rtc->irq, rtc->state.irq_pending && rtc->state.irq_enabled);
}

uint64_t goldfish_rtc_due(const struct goldfish_rtc *rtc, uint64_t host_ns)
{
    uint64_t now = host_ns + rtc->state.offset;

    if (!rtc->state.alarm_armed) {
        return UINT64_MAX;
    }
    return now < rtc->state.alarm ? rtc->state.alarm - now : 0;
}

uint64_t goldfish_rtc_poll(struct goldfish_rtc *rtc)
{
    uint64_t ns;

    if (!rtc->state.alarm_armed) {
        return UINT64_MAX; /* and no clock is read */
    }
    ns = goldfish_rtc_due(rtc, rtc->host.now_ns(rtc->host.opaque));
    if (ns > 0) {
        return ns;
    }
    rtc->state.alarm_armed = false;
    rtc->state.irq_pending = true;
    update_irq(rtc);
    return UINT64_MAX;
}

/* The host's clock stays: the guest's is an offset from it. */
static void set_time(struct goldfish_rtc *rtc, uint64_t time)
{
    rtc->state.offset += time - guest_now(rtc);
    rtc->host.alarm_moved(rtc->host.opaque);
}

static void arm_alarm(struct goldfish_rtc *rtc, uint32_t low)
{
    rtc->state.alarm = (uint64_t)rtc->state.alarm_high << 32 | low;
    rtc->state.alarm_armed = true;
    if (goldfish_rtc_poll(rtc) != UINT64_MAX) {
        rtc->host.alarm_moved(rtc->host.opaque);
    }
}

static uint32_t read_time(struct goldfish_rtc *rtc)
{
    uint64_t now = guest_now(rtc);

    rtc->state.time_high = (uint32_t)(now >> 32);
    return (uint32_t)now;
}

static uint64_t rtc_read(void *opaque, hwaddr addr, unsigned size)
{
    struct goldfish_rtc *rtc = opaque;

    (void)size;
    switch (addr) {
    case RTC_TIME_LOW:
        return read_time(rtc);
    case RTC_TIME_HIGH:
        return rtc->state.time_high;
    case RTC_ALARM_LOW:
        return (uint32_t)rtc->state.alarm;
    case RTC_ALARM_HIGH:
        return (uint32_t)(rtc->state.alarm >> 32);
    case RTC_IRQ_ENABLED:
        return rtc->state.irq_enabled;
    case RTC_ALARM_STATUS:
        return rtc->state.alarm_armed;
    default:
        return 0;
    }
}

static void rtc_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct goldfish_rtc *rtc = opaque;
    uint64_t now;

    (void)size;
    switch (addr) {
    case RTC_TIME_LOW:
        now = guest_now(rtc);
        set_time(rtc, (now >> 32) << 32 | (uint32_t)data);
        break;
    case RTC_TIME_HIGH:
        now = guest_now(rtc);
        set_time(rtc, data << 32 | (uint32_t)now);
        break;
    case RTC_ALARM_LOW:
        arm_alarm(rtc, (uint32_t)data);
        break;
    case RTC_ALARM_HIGH:
        rtc->state.alarm_high = (uint32_t)data;
        break;
    case RTC_IRQ_ENABLED:
        rtc->state.irq_enabled = data & 1;
        update_irq(rtc);
        break;
    case RTC_CLEAR_ALARM:
        rtc->state.alarm_armed = false;
        break;
    case RTC_CLEAR_INTERRUPT:
        rtc->state.irq_pending = false;
        update_irq(rtc);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* The clock runs on, as a battery-backed one does. */
void goldfish_rtc_reset(struct goldfish_rtc *rtc)
{
    rtc->state = (struct goldfish_rtc_state){ .offset = rtc->state.offset };
    update_irq(rtc);
}

int goldfish_rtc_init(struct goldfish_rtc *rtc,
                      const struct goldfish_rtc_host *host, struct irq_line irq)
{
    rtc->host = *host;
    rtc->irq = irq;
    rtc->state.offset = 0;
    goldfish_rtc_reset(rtc);
    return memory_region_init_io(&rtc->region, NULL, &rtc_ops, rtc, "rtc",
                                 RTC_SIZE);
}

/* ---- Snapshots --------------------------------------------------------- */

static size_t state_size(void *opaque)
{
    (void)opaque;
    return sizeof(struct goldfish_rtc_state);
}

static int save_state(void *opaque, void *to, Error **errp)
{
    const struct goldfish_rtc *rtc = opaque;

    (void)errp;
    *(struct goldfish_rtc_state *)to = rtc->state;
    return 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct goldfish_rtc *rtc = opaque;

    rtc->state = *(const struct goldfish_rtc_state *)from;
    rtc->host.alarm_moved(rtc->host.opaque);
}

const struct xbar_snapshot_ops goldfish_rtc_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
