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

static uint64_t now(const struct aclint *aclint)
{
    return tap_clock(aclint->tap, TRACE_MTIME, xbar_riscv_time(aclint->hart));
}

static uint64_t written_timecmp(const struct aclint *aclint)
{
    return WORD_READ(aclint->timecmp);
}

static uint64_t aclint_read(void *opaque, hwaddr addr, unsigned size)
{
    struct aclint *aclint = opaque;

    switch (addr & ~UINT64_C(7)) {
    case ACLINT_MTIME:
        return read_part(now(aclint), addr, size);
    case ACLINT_MTIMECMP:
        return read_part(written_timecmp(aclint), addr, size);
    case ACLINT_MSIP:
        return addr == ACLINT_MSIP && WORD_READ(aclint->msip);
    default:
        return 0;
    }
}

/* Under the lock, as all that follows: what is kept here and what the hart
 * was told last are the same. */
static void set_msip(struct aclint *aclint, bool level)
{
    WORD_WRITE(aclint->msip, level);
    xbar_riscv_set_irq(aclint->hart, XBAR_RISCV_IRQ_M_SOFT, level);
}

static void set_timecmp(struct aclint *aclint, uint64_t ticks)
{
    WORD_WRITE(aclint->timecmp, ticks);
    xbar_riscv_set_timecmp(aclint->hart, ticks);
}

static void write_register(struct aclint *aclint, hwaddr addr, uint64_t data,
                           unsigned size)
{
    if (addr == ACLINT_MSIP) {
        set_msip(aclint, data & 1);
        return;
    }
    switch (addr & ~UINT64_C(7)) {
    case ACLINT_MTIMECMP:
        set_timecmp(aclint,
                    write_part(written_timecmp(aclint), addr, data, size));
        break;
    case ACLINT_MTIME:
        xbar_riscv_set_time(aclint->hart,
                            write_part(now(aclint), addr, data, size));
        break;
    default:
        break;
    }
}

static void aclint_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    struct aclint *aclint = opaque;

    leaf_lock(&aclint->lock);
    write_register(aclint, addr, data, size);
    leaf_unlock(&aclint->lock);
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
    leaf_lock(&aclint->lock);
    set_msip(aclint, false);
    set_timecmp(aclint, UINT64_MAX);
    xbar_riscv_set_time(aclint->hart, 0);
    leaf_unlock(&aclint->lock);
}

int aclint_init(struct aclint *aclint)
{
    int ret = memory_region_init_io(&aclint->region, NULL, &aclint_ops, aclint,
                                    "aclint", ACLINT_SIZE);

    atomic_init(&aclint->timecmp, UINT64_MAX);
    return ret ? ret
               : xbar_region_set_lock_policy(&aclint->region, XBAR_LOCK_NONE);
}

/* ---- Snapshots --------------------------------------------------------- */

struct aclint_state {
    uint64_t timecmp;
    bool msip;
};

static size_t state_size(void *opaque)
{
    (void)opaque;
    return sizeof(struct aclint_state);
}

static int save_state(void *opaque, void *to, Error **errp)
{
    struct aclint *aclint = opaque;

    (void)errp;
    *(struct aclint_state *)to = (struct aclint_state){
        .timecmp = written_timecmp(aclint),
        .msip = WORD_READ(aclint->msip),
    };
    return 0;
}

static void restore_state(void *opaque, const void *from)
{
    struct aclint *aclint = opaque;
    const struct aclint_state *state = from;

    leaf_lock(&aclint->lock);
    WORD_WRITE(aclint->timecmp, state->timecmp);
    WORD_WRITE(aclint->msip, state->msip);
    leaf_unlock(&aclint->lock);
}

const struct xbar_snapshot_ops aclint_snapshot_ops = {
    .size = state_size,
    .save = save_state,
    .restore = restore_state,
};
