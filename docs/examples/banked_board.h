/* SPDX-License-Identifier: MIT */
/*
 * The board of kvm_board.c, dynarmic_board.c and unicorn_board.c: RAM, two banks
 * of which one is there, and a device that chooses it while the guest runs.
 */
#ifndef XBAR_EXAMPLES_BANKED_BOARD_H
#define XBAR_EXAMPLES_BANKED_BOARD_H

#include <stdio.h>
#include <xbar/xbar.h>

#define BOARD_SIZE 0x10000u /* of RAM, and of each bank */

struct board {
    MemoryRegion root, ram, bank[2], device;
    AddressSpace as;
};

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    return 0;
}

/* Register 0 chooses the bank; what is written to register 4 is printed. */
static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct board *b = opaque;

    (void)size;
    if (addr == 4) {
        printf("the guest says %u\n", (unsigned)data);
        return;
    }
    memory_region_transaction_begin();
    memory_region_set_enabled(&b->bank[0], data == 0);
    memory_region_set_enabled(&b->bank[1], data == 1);
    memory_region_transaction_commit();
}

static const MemoryRegionOps ops = { .read = dev_read, .write = dev_write };

/* Where RAM, the bank and the device are. Return: 0, or something else. */
static inline int build_board(struct board *b, hwaddr ram, hwaddr window,
                              hwaddr device)
{
    memory_region_transaction_begin();
    memory_region_init(&b->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&b->ram, NULL, "ram", BOARD_SIZE, NULL);
    memory_region_init_io(&b->device, NULL, &ops, b, "device", 0x1000);
    memory_region_add_subregion(&b->root, ram, &b->ram);
    memory_region_add_subregion(&b->root, device, &b->device);
    for (unsigned i = 0; i < 2; i++) {
        memory_region_init_ram(&b->bank[i], NULL, "bank", BOARD_SIZE, NULL);
        memory_region_set_enabled(&b->bank[i], i == 0);
        memory_region_add_subregion(&b->root, window, &b->bank[i]);
    }
    return memory_region_transaction_commit() ||
           address_space_init(&b->as, &b->root, "memory");
}

#endif
