/* SPDX-License-Identifier: MIT */
/*
 * A virtio driver in C, for tests: it reaches the device through an address
 * space as a hart would, and lies to it when a test wants that.
 *
 *   0000_0000  RAM, 1 MiB        the queues, what the test puts there
 *   0010_0000  ROM, 4 KiB
 *   0020_0000  a device that counts its accesses, 4 KiB
 *   1000_1000  the slots
 *   all else   nothing
 */
#ifndef XBAR_TESTS_BOARD_VIRTIO_DRIVER_H
#define XBAR_TESTS_BOARD_VIRTIO_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <xbar/xbar.h>

#include "virtio/slots.h"

#define RAM_SIZE     UINT64_C(0x100000)
#define ROM_AT       UINT64_C(0x100000)
#define COUNTER_AT   UINT64_C(0x200000)
#define REGION_BYTES UINT64_C(0x1000)

/* Where the queues are put: out of the way of what tests write. */
#define QUEUES_AT     UINT64_C(0xc0000)
#define QUEUE_STRIDE  UINT64_C(0x8000)
#define DEVICE_STRIDE (2 * QUEUE_STRIDE)

enum {
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
};

struct virtio_world {
    struct xbar_engine *engine;
    MemoryRegion system;
    MemoryRegion ram;
    MemoryRegion rom;
    MemoryRegion counter;
    AddressSpace as;
    struct virtio_slots *slots;
    atomic_uint touched; /* accesses to the counting device */
    atomic_uint rises;   /* of the first device's interrupt line */
    atomic_uint level;   /* of it */
    unsigned selected;   /* device: world_select() */
    hwaddr base;         /* of it */

    /* The console's far end: what it printed, and how much more it may. */
    pthread_mutex_t lock;
    char printed[4096];
    size_t num_printed;
    size_t room;
    const char *typed; /* that nobody has read yet */
};

/* One queue, as the driver keeps it. */
struct virtio_ring {
    struct virtio_world *world;
    unsigned index;
    uint16_t size;
    hwaddr desc;
    hwaddr avail;
    hwaddr used;
    uint16_t next_avail;
    uint16_t next_used;
};

/* The counting device's, with the world as its opaque pointer. */
extern const MemoryRegionOps counter_ops;

/* world_make() - @config's devices on a board of nothing else; it runs */
void world_make(struct virtio_world *w, const struct virtio_config *config,
                bool deterministic);
/* world_make_with() - the same, but for what the world knows */
void world_make_with(struct virtio_world *w,
                     const struct virtio_slots_config *config);
void world_free(struct virtio_world *w);

/* world_select() - which device is driven; at first it is 0 */
void world_select(struct virtio_world *w, unsigned n);

/* Registers of that device, and RAM. */
uint32_t world_get(struct virtio_world *w, hwaddr reg);
void world_put(struct virtio_world *w, hwaddr reg, uint32_t value);
void ram_put(struct virtio_world *w, hwaddr at, uint64_t value, unsigned size);
uint64_t ram_get(struct virtio_world *w, hwaddr at, unsigned size);

/* driver_negotiate() - reset, and up to FEATURES_OK with these features */
void driver_negotiate(struct virtio_world *w, uint64_t features);

/* driver_add_queue() - with its memory zeroed; ready */
void driver_add_queue(struct virtio_world *w, struct virtio_ring *ring,
                      unsigned index, uint16_t size);

/* driver_run() - DRIVER_OK */
void driver_run(struct virtio_world *w);

/* ring_describe() - write descriptor @n */
void ring_describe(struct virtio_ring *ring, unsigned n, hwaddr addr,
                   uint32_t len, unsigned flags, unsigned next);

/* ring_offer() - make the chain at @head available, and tell */
void ring_offer(struct virtio_ring *ring, unsigned head);
void ring_offer_quietly(struct virtio_ring *ring, unsigned head);

/* ring_used() - how many chains came back and were not taken */
unsigned ring_used(struct virtio_ring *ring);

/* ring_wait() - until one comes back (fails after a while). Its length; its
 * head goes to @head, which may be NULL. */
uint32_t ring_wait(struct virtio_ring *ring, uint32_t *head);

#endif
