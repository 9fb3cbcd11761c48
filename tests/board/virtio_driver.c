/* SPDX-License-Identifier: MIT */
#include "virtio_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "memmap.h"

#define PATIENCE_MS 60000

/* ---- The world --------------------------------------------------------- */

static uint64_t count_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    atomic_fetch_add(&((struct virtio_world *)opaque)->touched, 1);
    return 0;
}

static void count_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)data;
    (void)count_read(opaque, addr, size);
}

const MemoryRegionOps counter_ops = {
    .read = count_read,
    .write = count_write,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

static void set_line(void *opaque, unsigned number, bool level)
{
    struct virtio_world *w = opaque;

    (void)number;
    if (level && !atomic_load(&w->level)) {
        atomic_fetch_add(&w->rises, 1);
    }
    atomic_store(&w->level, level);
}

static size_t take_printed(void *opaque, const uint8_t *bytes, size_t count)
{
    struct virtio_world *w = opaque;

    pthread_mutex_lock(&w->lock);
    count = count < w->room ? count : w->room;
    w->room -= count;
    for (size_t i = 0; i < count && w->num_printed < sizeof(w->printed); i++) {
        w->printed[w->num_printed++] = (char)bytes[i];
    }
    pthread_mutex_unlock(&w->lock);
    return count;
}

static size_t give_typed(void *opaque, uint8_t *bytes, size_t room)
{
    struct virtio_world *w = opaque;
    size_t count = 0;

    pthread_mutex_lock(&w->lock);
    while (w->typed && *w->typed && count < room) {
        bytes[count++] = (uint8_t)*w->typed++;
    }
    pthread_mutex_unlock(&w->lock);
    return count;
}

static void place_regions(struct virtio_world *w)
{
    MemoryRegion *root = &w->system;

    assert_int_equal(memory_region_init(root, NULL, "system", UINT64_MAX), 0);
    assert_int_equal(
        memory_region_init_ram(&w->ram, NULL, "ram", RAM_SIZE, NULL), 0);
    assert_int_equal(
        memory_region_init_rom(&w->rom, NULL, "rom", REGION_BYTES, NULL), 0);
    assert_int_equal(memory_region_init_io(&w->counter, NULL, &counter_ops, w,
                                           "counter", REGION_BYTES),
                     0);
    memory_region_add_subregion(root, 0, &w->ram);
    memory_region_add_subregion(root, ROM_AT, &w->rom);
    memory_region_add_subregion(root, COUNTER_AT, &w->counter);
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        memory_region_add_subregion(root, VIRTIO_BASE + i * VIRTIO_STRIDE,
                                    virtio_slots_region(w->slots, i));
    }
}

void world_make(struct virtio_world *w, const struct virtio_config *config,
                bool deterministic)
{
    const struct virtio_slots_config slots = {
        .devices = config,
        .deterministic = deterministic,
    };

    world_make_with(w, &slots);
}

void world_make_with(struct virtio_world *w,
                     const struct virtio_slots_config *config)
{
    struct virtio_slots_config slots = *config;
    Error *err = NULL;

    slots.as = &w->as;
    slots.console = (struct virtio_console_host){ take_printed, give_typed, w };
    memset(w, 0, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    w->room = SIZE_MAX;
    w->engine = xbar_engine_new(NULL);
    assert_non_null(w->engine);
    xbar_engine_enter(w->engine);
    slots.irq[VIRTIO_SLOTS - 1] = (struct irq_line){ set_line, w, 0 };
    w->slots = virtio_slots_new(&slots, &err);
    if (!w->slots) {
        fail_msg("%s", error_get_pretty(err));
    }
    place_regions(w);
    assert_int_equal(address_space_init(&w->as, &w->system, "memory"), 0);
    world_select(w, 0);
    assert_int_equal(virtio_slots_start(w->slots), 0);
}

void world_free(struct virtio_world *w)
{
    virtio_slots_stop(w->slots);
    virtio_slots_reset(w->slots); /* lets go of the guest's memory */
    assert_int_equal(xbar_address_space_destroy(&w->as, NULL, NULL), 0);
    virtio_slots_free(w->slots);
    xbar_region_destroy(&w->ram, NULL, NULL);
    xbar_region_destroy(&w->rom, NULL, NULL);
    xbar_region_destroy(&w->counter, NULL, NULL);
    xbar_region_destroy(&w->system, NULL, NULL);
    xbar_engine_reclaim(w->engine);
    xbar_engine_leave(w->engine);
    assert_int_equal(xbar_engine_free(w->engine), 0);
    pthread_mutex_destroy(&w->lock);
}

void world_select(struct virtio_world *w, unsigned n)
{
    w->selected = n;
    w->base = VIRTIO_BASE + (VIRTIO_SLOTS - 1 - n) * VIRTIO_STRIDE;
}

/* ---- Accesses ---------------------------------------------------------- */

uint32_t world_get(struct virtio_world *w, hwaddr reg)
{
    MemTxResult result;
    uint32_t value = address_space_ldl_le(&w->as, w->base + reg,
                                          MEMTXATTRS_UNSPECIFIED, &result);

    assert_int_equal(result, MEMTX_OK);
    return value;
}

void world_put(struct virtio_world *w, hwaddr reg, uint32_t value)
{
    MemTxResult result;

    address_space_stl_le(&w->as, w->base + reg, value, MEMTXATTRS_UNSPECIFIED,
                         &result);
    assert_int_equal(result, MEMTX_OK);
}

void ram_put(struct virtio_world *w, hwaddr at, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        address_space_stb(&w->as, at, (uint8_t)value, MEMTXATTRS_UNSPECIFIED,
                          NULL);
        break;
    case 2:
        address_space_stw_le(&w->as, at, (uint16_t)value,
                             MEMTXATTRS_UNSPECIFIED, NULL);
        break;
    case 4:
        address_space_stl_le(&w->as, at, (uint32_t)value,
                             MEMTXATTRS_UNSPECIFIED, NULL);
        break;
    default:
        address_space_stq_le(&w->as, at, value, MEMTXATTRS_UNSPECIFIED, NULL);
        break;
    }
}

uint64_t ram_get(struct virtio_world *w, hwaddr at, unsigned size)
{
    MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;

    switch (size) {
    case 1:
        return address_space_ldub(&w->as, at, attrs, NULL);
    case 2:
        return address_space_lduw_le(&w->as, at, attrs, NULL);
    case 4:
        return address_space_ldl_le(&w->as, at, attrs, NULL);
    default:
        return address_space_ldq_le(&w->as, at, attrs, NULL);
    }
}

/* ---- The driver -------------------------------------------------------- */

void driver_negotiate(struct virtio_world *w, uint64_t features)
{
    world_put(w, 0x070, 0);
    assert_int_equal(world_get(w, 0x070), 0);
    world_put(w, 0x070, 1);
    world_put(w, 0x070, 3);
    world_put(w, 0x024, 0);
    world_put(w, 0x020, (uint32_t)features);
    world_put(w, 0x024, 1);
    world_put(w, 0x020, (uint32_t)(features >> 32));
    world_put(w, 0x070, 11);
}

void driver_add_queue(struct virtio_world *w, struct virtio_ring *ring,
                      unsigned index, uint16_t size)
{
    hwaddr at = QUEUES_AT + index * QUEUE_STRIDE + w->selected * DEVICE_STRIDE;

    *ring = (struct virtio_ring){ w,           index,       size, at,
                                  at + 0x4000, at + 0x5000, 0,    0 };
    address_space_set(&w->as, at, 0, QUEUE_STRIDE, MEMTXATTRS_UNSPECIFIED);
    world_put(w, 0x030, index);
    world_put(w, 0x038, size);
    world_put(w, 0x080, (uint32_t)ring->desc);
    world_put(w, 0x084, 0);
    world_put(w, 0x090, (uint32_t)ring->avail);
    world_put(w, 0x094, 0);
    world_put(w, 0x0a0, (uint32_t)ring->used);
    world_put(w, 0x0a4, 0);
    world_put(w, 0x044, 1);
}

void driver_run(struct virtio_world *w)
{
    world_put(w, 0x070, 15);
}

void ring_describe(struct virtio_ring *ring, unsigned n, hwaddr addr,
                   uint32_t len, unsigned flags, unsigned next)
{
    hwaddr at = ring->desc + 16 * n;

    ram_put(ring->world, at, addr, 8);
    ram_put(ring->world, at + 8, len, 4);
    ram_put(ring->world, at + 12, flags, 2);
    ram_put(ring->world, at + 14, next, 2);
}

void ring_offer_quietly(struct virtio_ring *ring, unsigned head)
{
    ram_put(ring->world, ring->avail + 4 + 2 * (ring->next_avail % ring->size),
            head, 2);
    ring->next_avail++;
    __sync_synchronize();
    ram_put(ring->world, ring->avail + 2, ring->next_avail, 2);
    __sync_synchronize();
}

void ring_offer(struct virtio_ring *ring, unsigned head)
{
    ring_offer_quietly(ring, head);
    world_put(ring->world, 0x050, ring->index);
}

unsigned ring_used(struct virtio_ring *ring)
{
    uint16_t index = (uint16_t)ram_get(ring->world, ring->used + 2, 2);

    __sync_synchronize();
    return (uint16_t)(index - ring->next_used);
}

/* The device's lock, taken for a register, orders what it wrote for us. */
uint32_t ring_wait(struct virtio_ring *ring, uint32_t *head)
{
    const struct timespec moment = { 0, 100 * 1000 };
    hwaddr at = ring->used + 4 + 8 * (ring->next_used % ring->size);

    for (unsigned i = 0; ring_used(ring) == 0; i++) {
        if (i > PATIENCE_MS * 10) {
            fail_msg("nothing came back");
        }
        nanosleep(&moment, NULL);
    }
    (void)world_get(ring->world, 0x060);
    ring->next_used++;
    if (head) {
        *head = (uint32_t)ram_get(ring->world, at, 4);
    }
    return (uint32_t)ram_get(ring->world, at + 4, 4);
}
