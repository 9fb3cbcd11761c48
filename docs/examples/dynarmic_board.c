/* SPDX-License-Identifier: MIT */
/*
 * A board for dynarmic: A64 code, RAM, and a device that moves RAM while the
 * guest runs. The supervisor call ends the program.
 *
 * cc dynarmic_board.c $(pkg-config --cflags --libs xbar-dynarmic) && ./a.out
 */
#include <stdio.h>
#include <xbar/jit/plug/dynarmic.h>
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

/* x0 = WINDOW, x1 = DEVICE, x2 = 1, x4 = 0. Sums the bank's 8 bytes, and says
 * what came out; then the same with the other bank. */
static const uint32_t code[] = {
    0xd2800103, /*        mov  x3, #8           */
    0xd2800006, /*        mov  x6, #0           */
    0xd1000463, /* again: sub  x3, x3, #1       */
    0x38636805, /*        ldrb w5, [x0, x3]     */
    0x8b0500c6, /*        add  x6, x6, x5       */
    0xb5ffffa3, /*        cbnz x3, again        */
    0xb9000426, /*        str  w6, [x1, #4]     says it */
    0xf9000406, /*        str  x6, [x0, #8]     keeps it in the bank */
    0xb5000084, /*        cbnz x4, done         */
    0xb9000022, /*        str  w2, [x1]         the other bank */
    0xaa0203e4, /*        mov  x4, x2           */
    0x17fffff5, /*        b    the first        */
    0xd4000001, /* done:  svc  #0               */
};

static int run(struct board *b)
{
    const struct xbar_dynarmic_config config = { .as = &b->as };
    struct xbar_dynarmic *plug;
    Error *err = NULL;
    bool ended;

    plug = xbar_dynarmic_new(&config, &err);
    if (plug == NULL) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return 1;
    }
    xbar_dynarmic_set(plug, 0, WINDOW);
    xbar_dynarmic_set(plug, 1, DEVICE);
    xbar_dynarmic_set(plug, 2, 1);
    xbar_dynarmic_set(plug, XBAR_DYNARMIC_PC, RAM);
    ended = xbar_dynarmic_run(plug, 1000, NULL) == XBAR_DYNARMIC_SVC;
    return xbar_dynarmic_free(plug) || !ended;
}

int main(void)
{
    static struct board b;
    uint8_t *bank[2];

    if (build_board(&b)) {
        return 1;
    }
    address_space_write(&b.as, RAM, MEMTXATTRS_UNSPECIFIED, code, sizeof(code));
    for (unsigned i = 0; i < 2; i++) {
        bank[i] = memory_region_get_ram_ptr(&b.bank[i]);
        for (unsigned n = 0; n < 8; n++) {
            bank[i][n] = (uint8_t)(10 * i + n);
        }
    }
    if (run(&b)) {
        return 1;
    }
    printf("the banks have %u and %u\n", bank[0][8], bank[1][8]);
    return 0;
}
