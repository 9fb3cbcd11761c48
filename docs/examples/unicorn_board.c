/* SPDX-License-Identifier: MIT */
/*
 * A board for Unicorn: RAM, and a device that moves RAM while the guest runs.
 *
 * cc unicorn_board.c $(pkg-config --cflags --libs xbar-unicorn) && ./a.out
 */
#include <stdio.h>
#include <unicorn/unicorn.h>
#include <xbar/jit/plug/unicorn.h>
#include <xbar/xbar.h>

#define RAM    0x80000000u
#define WINDOW 0x90000000u /* where one of two banks is */
#define DEVICE 0x10000000u
#define SIZE   0x10000u

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

static int build_board(struct board *b)
{
    memory_region_transaction_begin();
    memory_region_init(&b->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&b->ram, NULL, "ram", SIZE, NULL);
    memory_region_init_io(&b->device, NULL, &ops, b, "device", 0x1000);
    memory_region_add_subregion(&b->root, RAM, &b->ram);
    memory_region_add_subregion(&b->root, DEVICE, &b->device);
    for (unsigned i = 0; i < 2; i++) {
        memory_region_init_ram(&b->bank[i], NULL, "bank", SIZE, NULL);
        memory_region_set_enabled(&b->bank[i], i == 0);
        memory_region_add_subregion(&b->root, WINDOW, &b->bank[i]);
    }
    return memory_region_transaction_commit() ||
           address_space_init(&b->as, &b->root, "memory");
}

/* RV64: a0 = WINDOW, a1 = DEVICE, a2 = 1. */
static const uint32_t code[] = {
    0x00052283, /* lw   t0, 0(a0) */
    0x0055a223, /* sw   t0, 4(a1)       says what bank 0 has */
    0x00c5a023, /* sw   a2, 0(a1)       the other bank */
    0x00052283, /* lw   t0, 0(a0) */
    0x0055a223, /* sw   t0, 4(a1)       says what bank 1 has */
    0x00c52223, /* sw   a2, 4(a0) */
};

static int run(struct board *b, uc_engine *uc)
{
    const struct xbar_unicorn_config config = { .as = &b->as, .uc = uc };
    uint64_t a0 = WINDOW, a1 = DEVICE, a2 = 1;
    struct xbar_unicorn *plug;
    Error *err = NULL;

    plug = xbar_unicorn_new(&config, &err);
    if (plug != NULL) {
        uc_reg_write(uc, UC_RISCV_REG_A0, &a0);
        uc_reg_write(uc, UC_RISCV_REG_A1, &a1);
        uc_reg_write(uc, UC_RISCV_REG_A2, &a2);
        xbar_unicorn_run(plug, RAM, RAM + sizeof(code), &err);
    }
    if (err != NULL) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return 1;
    }
    return xbar_unicorn_free(plug);
}

int main(void)
{
    static struct board b;
    uint32_t *bank[2];
    uc_engine *uc;

    if (build_board(&b) || uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &uc)) {
        return 1;
    }
    address_space_write(&b.as, RAM, MEMTXATTRS_UNSPECIFIED, code, sizeof(code));
    for (unsigned i = 0; i < 2; i++) {
        bank[i] = memory_region_get_ram_ptr(&b.bank[i]);
        bank[i][0] = 100 + i;
    }
    if (run(&b, uc)) {
        return 1;
    }
    printf("the banks have %u and %u\n", (unsigned)bank[0][1],
           (unsigned)bank[1][1]);
    return uc_close(uc) != UC_ERR_OK;
}
