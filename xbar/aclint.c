/* SPDX-License-Identifier: MIT */
/*
 * Registers, for hart 0:
 *
 *   0000  msip      4 bytes, bit 0: raises the machine software interrupt
 *   4000  mtimecmp  8 bytes: the timer interrupt is up while mtime >= mtimecmp
 *   bff8  mtime     8 bytes, in ticks of the timebase
 *
 * The 8-byte registers take 4-byte accesses to either half, too. All other
 * offsets (other harts, gaps) read as 0 and ignore writes.
 *
 * The hart owns the clock and the comparator, because `time` must be cheap
 * for it and because it sleeps in wfi until the comparator is due.
 */
#include "aclint.h"

#include "memmap.h"

enum aclint_register {
    ACLINT_MSIP = 0x0000,
    ACLINT_MTIMECMP = 0x4000,
    ACLINT_MTIME = 0xbff8,
};

/* The bytes of @whole that an access at @addr (aligned, 4 or 8) reads. */
static uint64_t read_part(uint64_t whole, hwaddr addr, unsigned size)
{
    return size == 8 ? whole : (uint32_t)(whole >> (addr & 4) * 8);
}

/* @whole after that access wrote @data. */
static uint64_t write_part(uint64_t whole, hwaddr addr, uint64_t data,
                           unsigned size)
{
    uint64_t mask = size == 8 ? UINT64_MAX : UINT64_C(0xffffffff);
    unsigned shift = size == 8 ? 0 : (addr & 4) * 8;

    return (whole & ~(mask << shift)) | (data & mask) << shift;
}

static uint64_t aclint_read(void *opaque, hwaddr addr, unsigned size)
{
    struct aclint *aclint = opaque;

    if (addr == ACLINT_MSIP) {
        return aclint->msip;
    }
    switch (addr & ~UINT64_C(7)) {
    case ACLINT_MTIMECMP:
        return read_part(aclint->timecmp, addr, size);
    case ACLINT_MTIME:
        return read_part(xbar_riscv_time(aclint->hart), addr, size);
    default:
        return 0;
    }
}

static void set_msip(struct aclint *aclint, bool level)
{
    aclint->msip = level;
    xbar_riscv_set_irq(aclint->hart, XBAR_RISCV_IRQ_M_SOFT, level);
}

static void set_timecmp(struct aclint *aclint, uint64_t ticks)
{
    aclint->timecmp = ticks;
    xbar_riscv_set_timecmp(aclint->hart, ticks);
}

static void aclint_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    struct aclint *aclint = opaque;
    uint64_t now;

    if (addr == ACLINT_MSIP) {
        set_msip(aclint, data & 1);
        return;
    }
    switch (addr & ~UINT64_C(7)) {
    case ACLINT_MTIMECMP:
        set_timecmp(aclint, write_part(aclint->timecmp, addr, data, size));
        break;
    case ACLINT_MTIME:
        now = xbar_riscv_time(aclint->hart);
        xbar_riscv_set_time(aclint->hart, write_part(now, addr, data, size));
        break;
    default:
        break;
    }
}

static const MemoryRegionOps aclint_ops = {
    .read = aclint_read,
    .write = aclint_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

void aclint_reset(struct aclint *aclint)
{
    set_msip(aclint, false);
    set_timecmp(aclint, UINT64_MAX);
    xbar_riscv_set_time(aclint->hart, 0);
}

int aclint_init(struct aclint *aclint)
{
    aclint->timecmp = UINT64_MAX;
    return memory_region_init_io(&aclint->region, NULL, &aclint_ops, aclint,
                                 "aclint", ACLINT_SIZE);
}
