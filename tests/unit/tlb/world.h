/* SPDX-License-Identifier: MIT */
/*
 * What the tests of tlb/ run on: one engine, one address space, a page map
 * that plays the guest's page tables, and devices that remember.
 *
 *   0x0000_1000  ROM, 2 pages
 *   0x1000_0000  device, 1 page: any size, any alignment, memory-backed
 *   0x1000_1000  the same, aligned 4-byte accesses only
 *   0x1000_2000  one page of pieces: RAM, 1- and 3-byte devices, ROM, holes
 *   0x1000_3000  device that refuses its upper half
 *   0x8000_0000  RAM, 16 pages
 *   0x8000_3000  device over one page of it, at first disabled
 *   0x8000_5400  device over 256 bytes of it, at first disabled
 *   top page     RAM up to 2^64
 */
#ifndef XBAR_TESTS_TLB_WORLD_H
#define XBAR_TESTS_TLB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "tlb/tlb.h"
#include "tlb/tlb_internal.h"

#define PAGE 4096u

enum place_kind {
    PLACE_RAM,
    PLACE_ROM,
    PLACE_DEVICE,
    PLACE_STRICT,  /* device: 4 bytes, aligned */
    PLACE_REFUSES, /* device: MEMTX_ERROR from half of its size on */
};

/* One region, and what a test may think of it. */
struct place {
    const char *name;
    hwaddr base;
    uint64_t size;
    int priority;
    enum place_kind kind;
    bool starts_disabled;
};

/* clang-format off */
static const struct place world_places[] = {
    { "over",      0x80003000,  0x1000, 1, PLACE_DEVICE,  true  },
    { "over-some", 0x80005400,  0x100,  1, PLACE_DEVICE,  true  },
    { "ram",       0x80000000, 0x10000, 0, PLACE_RAM,     false },
    { "rom",       0x1000,      0x2000, 0, PLACE_ROM,     false },
    { "device",    0x10000000,  0x1000, 0, PLACE_DEVICE,  false },
    { "strict",    0x10001000,  0x1000, 0, PLACE_STRICT,  false },
    { "bit-ram",   0x10002000,  0x800,  0, PLACE_RAM,     false },
    { "bit-dev1",  0x10002800,  1,      0, PLACE_DEVICE,  false },
    { "bit-dev3",  0x10002801,  3,      0, PLACE_DEVICE,  false },
    { "bit-rom",   0x10002900,  0x80,   0, PLACE_ROM,     false },
    { "bit-tail",  0x10002ff9,  7,      0, PLACE_RAM,     false },
    { "refuses",   0x10003000,  0x1000, 0, PLACE_REFUSES, false },
    { "top",       0xfffffffffffff000, 0x1000, 0, PLACE_RAM, false },
};
/* clang-format on */

enum world_place {
    OVER,
    OVER_SOME,
    RAM,
    ROM,
    DEVICE,
    STRICT,
    BIT_RAM,
    BIT_DEV1,
    BIT_DEV3,
    BIT_ROM,
    BIT_TAIL,
    REFUSES,
    TOP,
    PLACES
};

/* One call of a device's callback. */
struct call {
    enum world_place place;
    hwaddr offset;
    uint64_t value;
    unsigned size;
    bool is_write;
};

struct world;

/* A page of the guest's map; unmapped pages fault with code 13. */
struct mapping {
    uint64_t page;
    struct xbar_tlb_walk walk;
};

#define MAX_MAPPINGS 64
#define FAULT_CODE   13

struct device {
    struct world *world;
    enum world_place place;
    uint8_t *bytes;
};

struct world {
    SoftTLB tlb;
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion mr[PLACES];
    uint8_t *bytes[PLACES]; /* host memory of each place */
    struct device device[PLACES];
    bool enabled[PLACES];

    struct mapping map[MAX_MAPPINGS];
    unsigned mappings;

    struct call calls[16];
    unsigned call_count; /* may exceed the room */
    void (*on_call)(struct world *world);

    unsigned kicks;
};

/* ---- Devices ----------------------------------------------------------- */

static inline void world_note_call(struct device *device, hwaddr offset,
                                   uint64_t value, unsigned size, bool is_write)
{
    struct world *world = device->world;

    if (world->call_count < 16) {
        world->calls[world->call_count] =
            (struct call){ device->place, offset, value, size, is_write };
    }
    world->call_count++;
    if (world->on_call) {
        world->on_call(world);
    }
}

static inline bool world_refuses(const struct device *device, hwaddr offset)
{
    const struct place *place = &world_places[device->place];

    return place->kind == PLACE_REFUSES && offset >= place->size / 2;
}

static inline MemTxResult world_read(void *opaque, hwaddr offset,
                                     uint64_t *value, unsigned size,
                                     MemTxAttrs attrs)
{
    struct device *device = opaque;

    (void)attrs;
    if (world_refuses(device, offset)) {
        return MEMTX_ERROR;
    }
    *value = 0;
    memcpy(value, device->bytes + offset, size);
    world_note_call(device, offset, *value, size, false);
    return MEMTX_OK;
}

static inline MemTxResult world_write(void *opaque, hwaddr offset,
                                      uint64_t value, unsigned size,
                                      MemTxAttrs attrs)
{
    struct device *device = opaque;

    (void)attrs;
    if (world_refuses(device, offset)) {
        return MEMTX_ERROR;
    }
    memcpy(device->bytes + offset, &value, size);
    world_note_call(device, offset, value, size, true);
    return MEMTX_OK;
}

static const MemoryRegionOps world_any_ops = {
    .read_with_attrs = world_read,
    .write_with_attrs = world_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

static const MemoryRegionOps world_strict_ops = {
    .read_with_attrs = world_read,
    .write_with_attrs = world_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* ---- The guest's page tables ------------------------------------------- */

static inline struct mapping *world_find(struct world *world, uint64_t va)
{
    for (unsigned i = 0; i < world->mappings; i++) {
        if (world->map[i].page == (va & TLB_PAGE_MASK)) {
            return &world->map[i];
        }
    }
    return NULL;
}

static inline int world_walk(void *opaque, unsigned context, uint64_t va,
                             enum xbar_tlb_access access,
                             struct xbar_tlb_walk *walk)
{
    const struct mapping *mapping = world_find(opaque, va);

    (void)context;
    if (!mapping || !(mapping->walk.prot & (1u << access))) {
        return FAULT_CODE;
    }
    *walk = mapping->walk;
    return 0;
}

static inline void world_map(struct world *world, uint64_t va, hwaddr phys,
                             unsigned prot)
{
    struct mapping *mapping = world_find(world, va);

    if (!mapping) {
        assert_true(world->mappings < MAX_MAPPINGS);
        mapping = &world->map[world->mappings++];
    }
    mapping->page = va & TLB_PAGE_MASK;
    mapping->walk =
        (struct xbar_tlb_walk){ .phys = phys, .prot = (uint8_t)prot };
}

#define PROT_RWX (TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC)

/* ---- Life cycle -------------------------------------------------------- */

static inline void world_kick(void *opaque)
{
    __atomic_fetch_add(&((struct world *)opaque)->kicks, 1, __ATOMIC_RELAXED);
}

static inline void world_init_place(struct world *world, enum world_place i)
{
    const struct place *place = &world_places[i];
    MemoryRegion *mr = &world->mr[i];
    struct device *device = &world->device[i];
    bool is_ram = place->kind == PLACE_RAM || place->kind == PLACE_ROM;

    world->bytes[i] = place->size % PAGE ? calloc(1, place->size)
                                         : aligned_alloc(PAGE, place->size);
    assert_non_null(world->bytes[i]);
    memset(world->bytes[i], 0, place->size);
    if (is_ram) {
        assert_int_equal(memory_region_init_ram_ptr(mr, NULL, place->name,
                                                    place->size,
                                                    world->bytes[i]),
                         0);
        assert_int_equal(
            memory_region_set_readonly(mr, place->kind == PLACE_ROM), 0);
    } else {
        *device = (struct device){ world, i, world->bytes[i] };
        assert_int_equal(memory_region_init_io(
                             mr, NULL,
                             place->kind == PLACE_STRICT ? &world_strict_ops
                                                         : &world_any_ops,
                             device, place->name, place->size),
                         0);
    }
    world->enabled[i] = !place->starts_disabled;
    assert_int_equal(memory_region_set_enabled(mr, world->enabled[i]), 0);
    assert_int_equal(memory_region_add_subregion_overlap(
                         &world->root, place->base, mr, place->priority),
                     0);
}

/* Storage for a TLB or for what starts with one. */
static inline void *aligned_zeroed(size_t size)
{
    void *ptr = aligned_alloc(64, (size + 63) / 64 * 64);

    assert_non_null(ptr);
    return memset(ptr, 0, size);
}

static inline struct world *world_new_observed(xbar_tlb_observe_fn *observe,
                                               void *opaque)
{
    struct world *world = aligned_zeroed(sizeof(*world));
    struct xbar_tlb_config config = { 0 };

    world->engine = xbar_engine_new(NULL);
    assert_non_null(world->engine);
    assert_int_equal(xbar_engine_enter(world->engine), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_init(&world->root, NULL, "root", UINT64_MAX),
                     0);
    for (unsigned i = 0; i < PLACES; i++) {
        world_init_place(world, (enum world_place)i);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(address_space_init(&world->as, &world->root, "test"), 0);

    config.as = &world->as;
    config.walk = world_walk;
    config.walk_opaque = world;
    config.kick = world_kick;
    config.eager_spans = true;
    config.kick_opaque = world;
    config.observe = observe;
    config.observe_opaque = opaque;
    assert_int_equal(tlb_init(&world->tlb, &config), 0);
    tlb_enter(&world->tlb);
    return world;
}

static inline struct world *world_new(void)
{
    return world_new_observed(NULL, NULL);
}

/* @world's TLB is entered. */
static inline void world_free(struct world *world)
{
    tlb_leave(&world->tlb);
    tlb_destroy(&world->tlb);
    address_space_destroy(&world->as);
    for (unsigned i = 0; i < PLACES; i++) {
        assert_int_equal(xbar_region_destroy(&world->mr[i], NULL, NULL), 0);
        free(world->bytes[i]);
    }
    assert_int_equal(xbar_region_destroy(&world->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(world->engine), 0);
    assert_int_equal(xbar_engine_free(world->engine), 0);
    free(world);
}

static inline void world_enable(struct world *world, enum world_place i,
                                bool enabled)
{
    assert_int_equal(memory_region_set_enabled(&world->mr[i], enabled), 0);
    world->enabled[i] = enabled;
}

/* ---- Accesses, as a client makes them ---------------------------------- */

/* As emitted code asks a span, in a slot that several pages share. */
static inline void *world_ask_span(struct world *world, unsigned context,
                                   uint64_t va, enum xbar_tlb_access access)
{
    const TLBSpan *span = &world->tlb.spans[context][access][va >> 3 & 3];

    if (va - span->start < span->count) {
        return (void *)(uintptr_t)(va + span->addend);
    }
    return NULL;
}

static inline void world_learn_span(struct world *world, unsigned context,
                                    uint64_t va, enum xbar_tlb_access access)
{
    world->tlb.spans[context][access][va >> 3 & 3].credit--;
    tlb_learn_span(&world->tlb, context, access, va >> 3 & 3, va);
}

static inline int world_load(struct world *world, unsigned context, uint64_t va,
                             unsigned size_log2, uint64_t *value)
{
    void *host = world_ask_span(world, context, va, TLB_READ);
    int failed;

    if (!host) {
        host = tlb_probe_page(&world->tlb, context, va, 1u << size_log2,
                              TLB_READ, world->tlb.config.page_bits);
    }
    if (host) {
        *value = tlb_ram_load(host, size_log2);
        return 0;
    }
    failed = tlb_load_slow(&world->tlb, context, va, size_log2, value);
    world_learn_span(world, context, va, TLB_READ);
    return failed;
}

static inline int world_store(struct world *world, unsigned context,
                              uint64_t va, unsigned size_log2, uint64_t value)
{
    void *host = world_ask_span(world, context, va, TLB_WRITE);
    int failed;

    if (!host) {
        host = tlb_probe_page(&world->tlb, context, va, 1u << size_log2,
                              TLB_WRITE, world->tlb.config.page_bits);
    }
    if (host) {
        tlb_ram_store(host, size_log2, value);
        return 0;
    }
    failed = tlb_store_slow(&world->tlb, context, va, size_log2, value);
    world_learn_span(world, context, va, TLB_WRITE);
    return failed;
}

/* A load that works. */
static inline uint64_t world_must_load(struct world *world, uint64_t va,
                                       unsigned size_log2)
{
    uint64_t value = 0;

    assert_int_equal(world_load(world, 0, va, size_log2, &value), 0);
    return value;
}

static inline bool world_hits(struct world *world, unsigned context,
                              uint64_t va, enum xbar_tlb_access access)
{
    return tlb_probe(&world->tlb, context, va, 1, access) != NULL;
}

static inline void assert_fault(const struct world *world, uint64_t va,
                                int code, MemTxResult result)
{
    assert_int_equal(world->tlb.fault.va, va);
    assert_int_equal(world->tlb.fault.code, code);
    assert_int_equal(world->tlb.fault.result, result);
}

/* A fixed sequence, the same on every host. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
