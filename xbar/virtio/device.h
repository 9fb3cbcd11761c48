/* SPDX-License-Identifier: MIT */
/*
 * What all virtio devices share: registers (virtio-mmio, version 2 only),
 * queues, interrupts, the device's lock.
 *
 * A device embeds a struct virtio_device first, and describes itself by a
 * struct virtio_class. Who runs when, and what the lock covers, is told in
 * docs/concurrency.md, "The program's I/O thread".
 */
#ifndef XBAR_VIRTIO_DEVICE_H
#define XBAR_VIRTIO_DEVICE_H

#include <pthread.h>
#include <xbar/xbar.h>

#include "irq.h"
#include "trace/tap.h"
#include "virtio/io_loop.h"
#include "virtio/queue.h"

#define VIRTIO_QUEUES_MAX 2
#define VIRTIO_CONFIG_MAX 136

/* Feature bits that every device has. */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)

enum virtio_status {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

enum virtio_interrupt {
    VIRTIO_INTERRUPT_USED = 1,
    VIRTIO_INTERRUPT_CONFIG = 2,
};

struct virtio_device;

/* A kind of device. All functions are called with the device's lock held. */
struct virtio_class {
    const char *name; /* its region's */
    uint32_t id;      /* of the kind; 0: an empty slot */
    unsigned num_queues;
    uint16_t queue_size; /* at most */
    unsigned config_size;

    /* There may be something in the queues. The driver runs. */
    void (*kick)(struct virtio_device *device);
    /* Is nothing in flight? NULL: it never is. Else virtio_device_is_idle()
     * is to be called whenever this becomes true. */
    bool (*is_idle)(struct virtio_device *device);
    /* The driver left: forget it. Nothing is in flight. May be NULL. */
    void (*reset)(struct virtio_device *device);
    /* The driver wrote a byte of config space. NULL: it is read-only. */
    void (*write_config)(struct virtio_device *device, hwaddr offset,
                         uint8_t value);
    /* The end; of what is in front of the base, too. No lock: nobody else. */
    void (*free)(struct virtio_device *device);

    /* Snapshots: why there can be none, or NULL; and what is the guest's beside
     * the common part, state_size bytes. May be NULL, with 0. */
    const char *(*refuse)(const struct virtio_device *device);
    size_t state_size;
    void (*save)(const struct virtio_device *device, void *to);
    void (*restore)(struct virtio_device *device, const void *from);
};

/* What the driver wrote, and is told. A reset zeroes it. */
struct virtio_regs {
    uint64_t driver_features;
    uint32_t device_features_word;
    uint32_t driver_features_word;
    uint32_t queue_index;
    uint32_t interrupts; /* the line is high while it is not 0 */
    uint32_t waiting;    /* interrupts for virtio_device_deliver() */
    uint8_t status;
};

struct virtio_device {
    MemoryRegion region;
    const struct virtio_class *class;
    AddressSpace *as;
    struct irq_line irq;
    bool is_sync; /* no I/O thread: a kick is done when it returns */
    const struct tap *tap;
    unsigned slot;
    void (*posted)(void *opaque);
    void *posted_opaque;
    EventNotifier notifier;

    pthread_mutex_t lock;
    pthread_cond_t idle;
    uint64_t features; /* offered */
    uint8_t config[VIRTIO_CONFIG_MAX];
    uint32_t config_generation;

    struct virtio_regs regs;
    unsigned waiters; /* for it to be idle: it begins nothing new */
    bool is_held;     /* drained: kicks wait for virtio_device_go_on() */
    struct virtio_queue queues[VIRTIO_QUEUES_MAX];
};

/* Where a device is on the board. */
struct virtio_place {
    AddressSpace *as; /* that its descriptors are addresses of */
    struct irq_line irq;
    struct io_loop *loop; /* NULL: without an I/O thread */
    /* NULL: none. Else interrupts of other threads wait, and posted() asks for
     * virtio_device_deliver() soon. */
    const struct tap *tap;
    unsigned slot;
    void (*posted)(void *opaque); /* any thread, any lock */
    void *posted_opaque;
};

/*
 * virtio_device_init() - the common part; everything else is zero
 * @features: beside those that every device has
 *
 * Return: 0 or -errno. Either way virtio_device_destroy() ends it.
 */
int virtio_device_init(struct virtio_device *device,
                       const struct virtio_class *class,
                       const struct virtio_place *place, uint64_t features)
    XBAR_MUST_CHECK;

/* virtio_device_destroy() - the common part; its region is nowhere mapped */
void virtio_device_destroy(struct virtio_device *device);

/*
 * virtio_device_reset() - as the guest's store of 0 to Status
 *
 * Context: no machine lock; waits for what is in flight.
 */
void virtio_device_reset(struct virtio_device *device);

/* virtio_device_deliver() - raise the interrupts that wait; the hart's thread,
 * no machine lock */
void virtio_device_deliver(struct virtio_device *device);

/* virtio_device_drain() - wait until nothing is in flight, and begin nothing
 * until virtio_device_go_on(), which looks at what was offered meanwhile; no
 * machine lock */
void virtio_device_drain(struct virtio_device *device);
void virtio_device_go_on(struct virtio_device *device);

/* virtio_device_wake() - have class->kick called; any thread, any lock */
void virtio_device_wake(struct virtio_device *device);

/*
 * With a device as opaque. While the I/O thread does not run, and nothing is in
 * flight: after virtio_slots_stop(). What was offered and not looked at is
 * looked at when virtio_slots_start() has it go on.
 */
extern const struct xbar_snapshot_ops virtio_snapshot_ops;

/* ---- For the devices, under the lock ----------------------------------- */

static inline bool virtio_device_runs(const struct virtio_device *device)
{
    return (device->regs.status &
            (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) ==
               VIRTIO_STATUS_DRIVER_OK &&
           !device->waiters;
}

static inline bool virtio_device_has(const struct virtio_device *device,
                                     uint64_t feature)
{
    return device->regs.driver_features & feature;
}

void virtio_device_lock(struct virtio_device *device);
void virtio_device_unlock(struct virtio_device *device);

/* virtio_device_interrupt() - raise the line, for this reason as well */
void virtio_device_interrupt(struct virtio_device *device,
                             enum virtio_interrupt reason);

/* virtio_device_set_config() - the first @count bytes of config space; a driver
 * that runs is told if they changed */
void virtio_device_set_config(struct virtio_device *device, const void *bytes,
                              size_t count);

/* virtio_device_told() - chains were pushed: interrupt if the driver wants */
void virtio_device_told(struct virtio_device *device,
                        struct virtio_queue *queue);

/* virtio_device_fail() - the driver broke the rules: it must reset us */
void virtio_device_fail(struct virtio_device *device);

/* virtio_device_is_idle() - nothing is in flight any more */
void virtio_device_is_idle(struct virtio_device *device);

/*
 * virtio_device_each() - a kick, for a queue whose chains are done at once
 * @use: does what a chain asks for. Return: bytes written into it; -EPROTO if
 * the chain makes no sense.
 */
void virtio_device_each(struct virtio_device *device,
                        struct virtio_queue *queue,
                        int64_t (*use)(struct virtio_device *device,
                                       const struct virtio_chain *chain));

#endif
