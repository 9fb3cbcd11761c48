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
    return rtc->host.now_ns(rtc->host.opaque) + rtc->offset;
}

static void update_irq(struct goldfish_rtc *rtc)
{
    irq_line_set(&rtc->irq, rtc->irq_pending && rtc->irq_enabled);
}

uint64_t goldfish_rtc_due(const struct goldfish_rtc *rtc, uint64_t host_ns)
{
    uint64_t now = host_ns + rtc->offset;

    if (!rtc->alarm_armed) {
        return UINT64_MAX;
    }
    return now < rtc->alarm ? rtc->alarm - now : 0;
}

uint64_t goldfish_rtc_poll(struct goldfish_rtc *rtc)
{
    uint64_t ns;

    if (!rtc->alarm_armed) {
        return UINT64_MAX; /* and no clock is read */
    }
    ns = goldfish_rtc_due(rtc, rtc->host.now_ns(rtc->host.opaque));
    if (ns > 0) {
        return ns;
    }
    rtc->alarm_armed = false;
    rtc->irq_pending = true;
    update_irq(rtc);
    return UINT64_MAX;
}

/* The host's clock stays: the guest's is an offset from it. */
static void set_time(struct goldfish_rtc *rtc, uint64_t time)
{
    rtc->offset += time - guest_now(rtc);
    rtc->host.alarm_moved(rtc->host.opaque);
}

static void arm_alarm(struct goldfish_rtc *rtc, uint32_t low)
{
    rtc->alarm = (uint64_t)rtc->alarm_high << 32 | low;
    rtc->alarm_armed = true;
    if (goldfish_rtc_poll(rtc) != UINT64_MAX) {
        rtc->host.alarm_moved(rtc->host.opaque);
    }
}

static uint32_t read_time(struct goldfish_rtc *rtc)
{
    uint64_t now = guest_now(rtc);

    rtc->time_high = (uint32_t)(now >> 32);
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
        return rtc->time_high;
    case RTC_ALARM_LOW:
        return (uint32_t)rtc->alarm;
    case RTC_ALARM_HIGH:
        return (uint32_t)(rtc->alarm >> 32);
    case RTC_IRQ_ENABLED:
        return rtc->irq_enabled;
    case RTC_ALARM_STATUS:
        return rtc->alarm_armed;
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
        rtc->alarm_high = (uint32_t)data;
        break;
    case RTC_IRQ_ENABLED:
        rtc->irq_enabled = data & 1;
        update_irq(rtc);
        break;
    case RTC_CLEAR_ALARM:
        rtc->alarm_armed = false;
        break;
    case RTC_CLEAR_INTERRUPT:
        rtc->irq_pending = false;
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
    rtc->alarm = 0;
    rtc->alarm_high = 0;
    rtc->time_high = 0;
    rtc->alarm_armed = false;
    rtc->irq_enabled = false;
    rtc->irq_pending = false;
    update_irq(rtc);
}

int goldfish_rtc_init(struct goldfish_rtc *rtc,
                      const struct goldfish_rtc_host *host, struct irq_line irq)
{
    rtc->host = *host;
    rtc->irq = irq;
    rtc->offset = 0;
    goldfish_rtc_reset(rtc);
    return memory_region_init_io(&rtc->region, NULL, &rtc_ops, rtc, "rtc",
                                 RTC_SIZE);
}

/* ---- Snapshots --------------------------------------------------------- */

/* The machine lock guards all of it. */
static struct xbar_engine *engine_of(struct goldfish_rtc *rtc)
{
    return xbar_region_engine(&rtc->region);
}

struct rtc_state {
    uint64_t offset;
    uint64_t alarm;
    uint32_t time_high;
    uint32_t alarm_high;
    bool alarm_armed;
    bool irq_enabled;
    bool irq_pending;
};

static size_t state_size(void *opaque)
{
    (void)opaque;
    return sizeof(struct rtc_state);
}

static int save_state(void *opaque, void *to, Error **errp)
{
    struct goldfish_rtc *rtc = opaque;

    (void)errp;
    xbar_engine_lock(engine_of(rtc));
    *(struct rtc_state *)to = (struct rtc_state){
        .offset = rtc->offset,
        .alarm = rtc->alarm,
        .time_high = rtc->time_high,
        .alarm_high = rtc->alarm_high,
        .alarm_armed = rtc->alarm_armed,
        .irq_enabled = rtc->irq_enabled,
        .irq_pending = rtc->irq_pending,
    };
    xbar_engine_unlock(engine_of(rtc));
    return 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct goldfish_rtc *rtc = opaque;
    const struct rtc_state *state = from;

    xbar_engine_lock(engine_of(rtc));
    rtc->offset = state->offset;
    rtc->alarm = state->alarm;
    rtc->time_high = state->time_high;
    rtc->alarm_high = state->alarm_high;
    rtc->alarm_armed = state->alarm_armed;
    rtc->irq_enabled = state->irq_enabled;
    rtc->irq_pending = state->irq_pending;
    rtc->host.alarm_moved(rtc->host.opaque);
    xbar_engine_unlock(engine_of(rtc));
}

const struct xbar_snapshot_ops goldfish_rtc_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
