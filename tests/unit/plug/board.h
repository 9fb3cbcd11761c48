/* SPDX-License-Identifier: MIT */
/*
 * A board for tests of adapters, and a Unicorn engine on it:
 *
 *   0x10000000  device, one page
 *   0x11000000  a page that three share: two small devices, and nothing
 *   0x20000000  ROM, one page
 *   0x80000000  RAM, 1 MiB
 *   0x90000000  bank 0, 64 KiB; the two trade places
 *   0xa0000000  bank 1
 */
#ifndef XBAR_TESTS_UNIT_PLUG_BOARD_H
#define XBAR_TESTS_UNIT_PLUG_BOARD_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/rv64.h"
#include "engine/memory_ram.h"
#include "flatview/address_space.h"
#include "flatview/dirty_bitmap.h"
#include "tests/unit/counting_alloc.h"

#define DEVICE    0x10000000u
#define SMALL     0x11000000u
#define ROM       0x20000000u
#define RAM       0x80000000u
#define RAM_SIZE  0x100000u
#define BANK0     0x90000000u
#define BANK1     0xa0000000u
#define BANK_SIZE 0x10000u
#define PAGE      4096u

/*
 * The device: 0 sums up, 4 takes commands, 8 is 1 while one is under way, what
 * is above is for the test's own hook.
 */
struct board {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root, device, small[2], rom, ram, bank[2];
    AddressSpace as;
    uint8_t *mem; /* RAM */
    uint32_t *code;
    uint64_t sum;
    unsigned swapped; /* banks: how often */
    _Atomic unsigned asked;
    _Atomic unsigned polls; /* of `asked` */
    int ended;              /* what ending bank 0 returned */
    uint64_t (*on_read)(struct board *b, hwaddr addr, unsigned size);
    void (*on_write)(struct board *b, hwaddr addr, uint64_t value,
                     unsigned size);
    void *opaque; /* the test's */
};

/* One commit: each of the banks is where the other one was. */
static inline void board_swap(struct board *b)
{
    b->swapped++;
    memory_region_transaction_begin();
    memory_region_set_address(&b->bank[0], b->swapped % 2 ? BANK1 : BANK0);
    memory_region_set_address(&b->bank[1], b->swapped % 2 ? BANK0 : BANK1);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static inline uint64_t board_read(void *opaque, hwaddr addr, unsigned size)
{
    struct board *b = opaque;

    if (addr >= 16) {
        return b->on_read ? b->on_read(b, addr, size) : 0;
    }
    if (addr == 8) {
        b->polls++;
        return b->asked;
    }
    return b->sum;
}

static inline void board_write(void *opaque, hwaddr addr, uint64_t value,
                               unsigned size)
{
    struct board *b = opaque;

    if (addr >= 16) {
        if (b->on_write) {
            b->on_write(b, addr, value, size);
        }
    } else if (addr == 0) {
        b->sum = b->sum * 3 + value;
    } else if (value % 4 == 0) {
        board_swap(b);
    } else if (value % 4 == 2) {
        b->asked = 1; /* of another thread */
    }
}

static const MemoryRegionOps board_ops = {
    .read = board_read,
    .write = board_write,
    .impl.max_access_size = 8,
};

static inline void board_init(struct board *b)
{
    memset(b, 0, sizeof(*b));
    b->engine = counting_alloc_engine(&b->alloc);
    assert_non_null(b->engine);
    xbar_engine_enter(b->engine);
    memory_region_init(&b->root, NULL, "root", UINT64_MAX);
    memory_region_init_io(&b->device, NULL, &board_ops, b, "device", PAGE);
    xbar_region_set_lock_policy(&b->device, XBAR_LOCK_NONE); /* the quick way */
    memory_region_init_rom(&b->rom, NULL, "rom", PAGE, NULL);
    memory_region_init_ram(&b->ram, NULL, "ram", RAM_SIZE, NULL);
    memory_region_add_subregion(&b->root, DEVICE, &b->device);
    memory_region_add_subregion(&b->root, ROM, &b->rom);
    memory_region_add_subregion(&b->root, RAM, &b->ram);
    for (unsigned i = 0; i < 2; i++) {
        memory_region_init_io(&b->small[i], NULL, &board_ops, b, "small", 8);
        memory_region_init_ram(&b->bank[i], NULL, "bank", BANK_SIZE, NULL);
        memory_region_add_subregion(&b->root, SMALL + 16 * i, &b->small[i]);
        memory_region_add_subregion(&b->root, i ? BANK1 : BANK0, &b->bank[i]);
    }
    assert_int_equal(address_space_init(&b->as, &b->root, "memory"), 0);
    b->mem = memory_region_get_ram_ptr(&b->ram);
    b->code = (uint32_t *)(void *)b->mem;
}

static inline void board_finish(struct board *b)
{
    MemoryRegion *all[] = { &b->device, &b->small[0], &b->small[1], &b->rom,
                            &b->ram,    &b->bank[0],  &b->bank[1],  &b->root };

    assert_int_equal(xbar_address_space_destroy(&b->as, NULL, NULL), 0);
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int rc = xbar_region_destroy(all[i], NULL, NULL);

        assert_true(rc == 0 || rc == -EINVAL); /* ended by the test */
    }
    xbar_engine_leave(b->engine);
    assert_int_equal(xbar_engine_free(b->engine), 0);
    assert_int_equal(b->alloc.live_bytes, 0);
}

/* lui: bits 31 to 12, as the registers' lower halves have them. */
static inline uint32_t rv_lui(unsigned rd, uint32_t value)
{
    return (value & 0xfffff000u) | rd << 7 | 0x37;
}

/* ---- A guest ----------------------------------------------------------- */

#define GUEST_ROUNDS 96u

/*
 * Computes, stores to RAM, to the device and to both banks, calls code that is
 * in the bank at 0x90000000 and differs, and has the banks trade places: at
 * once, and by another thread. Returns where it ends.
 */
static inline uint64_t board_load_guest(struct board *b)
{
    uint32_t *p = b->code;
    uint32_t *loop, *wait;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t *bank = memory_region_get_ram_ptr(&b->bank[i]);

        bank[0] = rv_addi(RV_T0, RV_T0, i ? 1000 : 11);
        bank[1] = i ? rv_xor(RV_T0, RV_T0, RV_A1) : rv_add(RV_T0, RV_T0, RV_A1);
        bank[2] = rv_jalr(RV_ZERO, 0, RV_RA);
    }
    loop = p;
    *p++ = rv_mul(RV_T0, RV_T0, RV_A5);
    *p++ = rv_add(RV_T0, RV_T0, RV_A1);
    *p++ = rv_sw(RV_T0, 0, RV_A0);
    *p++ = rv_addi(RV_A0, RV_A0, 4);
    *p++ = rv_sw(RV_T0, 0, RV_S0); /* the device */
    *p++ = rv_lw(RV_T1, 0, RV_S0);
    *p++ = rv_add(RV_T0, RV_T0, RV_T1);
    *p++ = rv_sw(RV_T0, 0x100, RV_S1); /* bank at 0x90000000 */
    *p++ = rv_lw(RV_T2, 0x104, RV_A4); /* bank at 0xa0000000 */
    *p++ = rv_add(RV_T0, RV_T0, RV_T2);
    *p++ = rv_sw(RV_T0, 0x104, RV_S1);
    *p++ = rv_sd(RV_T0, 0x108, RV_A4);
    *p++ = rv_jalr(RV_RA, 0, RV_S1);
    *p++ = rv_sw(RV_T0, 0x110, RV_S1);
    *p++ = rv_sw(RV_A1, 4, RV_S0); /* trade places? */
    wait = p;
    *p++ = rv_lw(RV_T1, 8, RV_S0);
    *p = rv_bne(RV_T1, RV_ZERO, (int32_t)((char *)wait - (char *)p)), p++;
    *p++ = rv_addi(RV_A1, RV_A1, -1);
    *p = rv_bne(RV_A1, RV_ZERO, (int32_t)((char *)loop - (char *)p)), p++;
    *p = rv_jal(RV_ZERO, 0);
    return RAM + (uint64_t)((char *)p - (char *)b->code);
}

/* What the guest's registers are at first. */
static const struct {
    unsigned reg;
    uint64_t value;
} guest_regs[] = {
    { RV_A0, RAM + 0x80000 }, { RV_A1, GUEST_ROUNDS }, { RV_A4, BANK1 },
    { RV_A5, 1103515245 },    { RV_S0, DEVICE },       { RV_S1, BANK0 },
    { RV_T0, 12345 },
};
#define GUEST_REGS (sizeof(guest_regs) / sizeof(guest_regs[0]))

/* The other thread: does what the device was asked for, until told to end. */
struct mover {
    struct board *board;
    pthread_t thread;
    _Atomic bool ends;
    unsigned moves;
};

static inline void *mover_main(void *opaque)
{
    struct mover *mover = opaque;

    xbar_engine_enter(mover->board->engine);
    while (!mover->ends) {
        if (mover->board->asked) {
            board_swap(mover->board);
            mover->moves++;
            mover->board->asked = 0;
        }
        usleep(20);
    }
    xbar_engine_leave(mover->board->engine);
    return NULL;
}

static inline void mover_start(struct mover *mover, struct board *b)
{
    memset(mover, 0, sizeof(*mover));
    mover->board = b;
    assert_int_equal(pthread_create(&mover->thread, NULL, mover_main, mover),
                     0);
}

/* Ends bank 0 while the guest waits at the device for `asked` to be 0. */
static inline void *ender_main(void *opaque)
{
    struct board *b = opaque;

    while (b->polls == 0) {
        usleep(20);
    }
    xbar_engine_enter(b->engine);
    b->ended = xbar_region_destroy(&b->bank[0], NULL, NULL);
    xbar_engine_leave(b->engine);
    b->asked = 0;
    return NULL;
}

static inline void mover_stop(struct mover *mover)
{
    mover->ends = true;
    pthread_join(mover->thread, NULL);
}

#endif
