/* SPDX-License-Identifier: MIT */
/*
 * The board's eight virtio-mmio slots, and the I/O thread behind them.
 *
 * As on QEMU's "virt", the first device gets the slot with the highest
 * address, and the device tree lists the slots from there down: so a guest
 * that counts devices as it finds them counts them as the command line does.
 * The order is: drives, network cards, entropy, console; then, if a slot is
 * left, the power key, which is always there.
 */
#ifndef XBAR_VIRTIO_SLOTS_H
#define XBAR_VIRTIO_SLOTS_H

#include <xbar/xbar.h>

#include "irq.h"
#include "virtio/config.h"
#include "virtio/console.h"
#include "virtio/replica.h"

struct virtio_slots;

struct virtio_slots_config {
    const struct virtio_config *devices; /* NULL: all slots are empty */
    AddressSpace *as; /* used while the guest runs; may be made later */
    struct irq_line irq[VIRTIO_SLOTS];
    struct virtio_console_host console;
    bool deterministic; /* no I/O thread; what cannot be is an error */
    /* For struct virtio_place. */
    const struct tap *tap;
    void (*posted)(void *opaque);
    void *posted_opaque;
    /* By slot, instead of `devices`; NULL: as those say. */
    const struct virtio_replica *replicas;
};

/*
 * virtio_slots_new() - the devices, with their files opened
 *
 * Return: NULL with @errp set.
 */
struct virtio_slots *virtio_slots_new(const struct virtio_slots_config *config,
                                      Error **errp) XBAR_MUST_CHECK;

/* virtio_slots_free() - it is stopped, the regions nowhere mapped; or NULL */
void virtio_slots_free(struct virtio_slots *slots);

/* virtio_slots_region() - what lies in slot @n, 0 being the lowest address */
MemoryRegion *virtio_slots_region(struct virtio_slots *slots, unsigned n);

/* virtio_slots_device() - the same */
struct virtio_device *virtio_slots_device(struct virtio_slots *slots,
                                          unsigned n);

/* virtio_slots_deliver() - with a tap: the interrupts that wait; the hart's
 * thread, no machine lock */
void virtio_slots_deliver(struct virtio_slots *slots);

/* virtio_slots_reset() - all devices. No machine lock; no hart runs. */
void virtio_slots_reset(struct virtio_slots *slots);

/* virtio_slots_start() - the I/O thread, if one is needed. 0 or -errno */
int virtio_slots_start(struct virtio_slots *slots) XBAR_MUST_CHECK;

/*
 * virtio_slots_stop() - end what is in flight, then the I/O thread
 *
 * No hart runs; no machine lock. Fine if it was not started.
 */
void virtio_slots_stop(struct virtio_slots *slots);

/* virtio_slots_wants_input() - does the virtio console take what is typed, so
 * that the UART should not? Any thread. */
bool virtio_slots_wants_input(struct virtio_slots *slots);

/* virtio_slots_wake_console() - something was typed, or there is room for what
 * the guest prints. Any thread, any lock. */
void virtio_slots_wake_console(struct virtio_slots *slots);

/* virtio_slots_resize_console() - the terminal's size; 0: it has none. Any
 * thread, without a device's lock. */
void virtio_slots_resize_console(struct virtio_slots *slots, uint16_t columns,
                                 uint16_t rows);

/* virtio_slots_press_power() - Return: did somebody in the guest take it? Any
 * thread, without a device's lock. */
bool virtio_slots_press_power(struct virtio_slots *slots);

#endif
