/* SPDX-License-Identifier: MIT */
/*
 * A board small enough to know by heart, for tests of accesses and dumps.
 *
 *     0x0000  ram      0x1000 bytes, byte i is (unsigned char)i
 *     0x1000  rom      0x1000 bytes, the same
 *     0x2000  device   0x100 bytes, little-endian, keeps a log
 *     0x2100  nothing
 *     0x3000  shut     an alias of ram's first 0x100 bytes, read-only
 *     top     edge     the last 16 bytes of the address space: a device
 */
#ifndef XBAR_TESTS_FLATVIEW_BOARD_H
#define XBAR_TESTS_FLATVIEW_BOARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flatview/address_space.h"
#include "tests/unit/counting_alloc.h"

#define BOARD_LOG 32

struct board_access {
    hwaddr addr;
    uint64_t value;
    unsigned size;
    bool is_write;
};

struct board {
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion rom;
    MemoryRegion device;
    MemoryRegion shut;
    MemoryRegion edge;
    unsigned char ram_bytes[0x1000] __attribute__((aligned(64)));
    unsigned char rom_bytes[0x1000] __attribute__((aligned(64)));
    struct board_access log[BOARD_LOG];
    unsigned log_count;
    bool device_fails;
    bool quiet; /* accesses are counted, not logged */
    unsigned quiet_count;
};

static inline void board_log(struct board *b, hwaddr addr, uint64_t value,
                             unsigned size, bool is_write)
{
    if (b->quiet) {
        b->quiet_count++;
        return;
    }
    assert_true(b->log_count < BOARD_LOG);
    b->log[b->log_count++] =
        (struct board_access){ addr, value, size, is_write };
}

/* Byte i of the device reads as i. */
static inline MemTxResult board_read(void *opaque, hwaddr addr, uint64_t *data,
                                     unsigned size, MemTxAttrs attrs)
{
    struct board *b = opaque;

    (void)attrs;
    *data = 0;
    for (unsigned i = 0; i < size; i++) {
        *data |= (uint64_t)(unsigned char)(addr + i) << (8 * i);
    }
    board_log(b, addr, *data, size, false);
    return b->device_fails ? MEMTX_ERROR : MEMTX_OK;
}

static inline MemTxResult board_write(void *opaque, hwaddr addr, uint64_t data,
                                      unsigned size, MemTxAttrs attrs)
{
    struct board *b = opaque;

    (void)attrs;
    board_log(b, addr, data, size, true);
    return b->device_fails ? MEMTX_ERROR : MEMTX_OK;
}

static const MemoryRegionOps board_ops = {
    .read_with_attrs = board_read,
    .write_with_attrs = board_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 4 },
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

static inline int board_init_regions(struct board *b)
{
    return memory_region_init(&b->root, NULL, "root", UINT64_MAX) |
           memory_region_init_ram_ptr(&b->ram, NULL, "ram", 0x1000,
                                      b->ram_bytes) |
           memory_region_init_ram_ptr(&b->rom, NULL, "rom", 0x1000,
                                      b->rom_bytes) |
           memory_region_set_readonly(&b->rom, true) |
           memory_region_init_io(&b->device, NULL, &board_ops, b, "device",
                                 0x100) |
           memory_region_init_alias(&b->shut, NULL, "shut", &b->ram, 0, 0x100) |
           memory_region_set_readonly(&b->shut, true) |
           memory_region_init_io(&b->edge, NULL, &board_ops, b, "edge", 16);
}

static inline int board_add_regions(struct board *b)
{
    return memory_region_add_subregion(&b->root, 0, &b->ram) |
           memory_region_add_subregion(&b->root, 0x1000, &b->rom) |
           memory_region_add_subregion(&b->root, 0x2000, &b->device) |
           memory_region_add_subregion(&b->root, 0x3000, &b->shut) |
           memory_region_add_subregion(&b->root, UINT64_MAX - 15, &b->edge);
}

/* Into storage that board_tear_down() frees. */
static inline int board_set_up_with(struct board *b,
                                    const struct xbar_engine_config *config)
{
    memset(b, 0, sizeof(*b));
    for (unsigned i = 0; i < 0x1000; i++) {
        b->ram_bytes[i] = (unsigned char)i;
        b->rom_bytes[i] = (unsigned char)i;
    }
    b->engine = xbar_engine_new(config);
    return b->engine == NULL || xbar_engine_enter(b->engine) != 0 ||
                   board_init_regions(b) != 0 || board_add_regions(b) != 0
               ? -1
               : address_space_init(&b->as, &b->root, "board");
}

static inline int board_set_up(void **state)
{
    struct board *b = aligned_alloc(64, sizeof(*b));

    *state = b;
    return board_set_up_with(b, NULL);
}

static inline int board_tear_down(void **state)
{
    struct board *b = *state;
    MemoryRegion *regions[] = { &b->shut,   &b->ram,  &b->rom,
                                &b->device, &b->edge, &b->root };
    int err = xbar_address_space_destroy(&b->as, NULL, NULL);

    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        err |= xbar_region_destroy(regions[i], NULL, NULL);
    }
    err |= xbar_engine_leave(b->engine);
    err |= xbar_engine_free(b->engine);
    free(b);
    return err;
}

#endif
