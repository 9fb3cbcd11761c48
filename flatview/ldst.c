/* SPDX-License-Identifier: MIT */
/*
 * Fixed widths, by the cost of what is at the address:
 *
 *     aligned RAM, in the section that the thread accessed last
 *                                  inline: a read section, an access
 *     a device, whole              one call more, and the device's plan
 *     anything else                in parts, like a bulk transfer
 */
#include "flatview/address_space.h"

#include "engine/plan.h"
#include "engine/ram_writes.h"
#include "flatview/flatview_internal.h"
#include "flatview/ram_access.h"

/* One body for all widths, folded for each: the size is a constant. */
#define FORCE_INLINE inline __attribute__((always_inline))

/* Does @range answer all of the access? */
static inline bool holds(const FlatRange *range, hwaddr addr,
                         unsigned size_log2)
{
    return range->last - addr >= ((uint64_t)1 << size_log2) - 1;
}

/* Is it memory, by @flag, and aligned? Then one access will do. */
static inline bool is_plain(const FlatRange *range, hwaddr addr, uint32_t flag,
                            unsigned size_log2)
{
    return (range->flags & flag) != 0 &&
           flatview__ram_is_aligned(
               (void *)(uintptr_t)(addr + range->host_delta), size_log2);
}

/* ---- Byte order -------------------------------------------------------- */

/* A value of this width between the host's order and the one that @op names. */
static inline uint64_t order(uint64_t value, MemOp op)
{
    if (!(op & MO_BSWAP)) {
        return value;
    }
    return __builtin_bswap64(value) >> (64 - (8u << (op & MO_SIZE)));
}

static inline MemOp native(const AddressSpace *as, MemOp size)
{
    return size | (as->is_big_endian ? MO_BE : MO_LE);
}

/* ---- Out of line: a lookup, a device, or parts ------------------------- */

/*
 * These end the read section. They are the last thing that the fast path
 * does, so it has no register to save. @range is NULL if it has to be found.
 */
static __attribute__((noinline)) uint64_t
load_section(const FlatView *view, const FlatRange *range, hwaddr addr,
             MemTxAttrs attrs, MemTxResult *result, MemOp op)
{
    unsigned size_log2 = op & MO_SIZE;
    uint64_t value = 0;
    MemTxResult r;

    if (range == NULL) {
        range = flatview__find_again(view, addr);
    }
    if (!holds(range, addr, size_log2) ||
        range->flags & (FLAT_RANGE_RAM | FLAT_RANGE_UNASSIGNED)) {
        r = flatview__load_parts(view, addr, attrs, &value, size_log2);
    } else if (xbar_plan_read_plain(range->plan, range->mr,
                                    addr + range->mr_delta, &value, size_log2,
                                    attrs)) {
        r = MEMTX_OK;
    } else {
        r = xbar_plan_read(range->plan, range->mr, addr + range->mr_delta,
                           &value, size_log2, attrs);
    }
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
    return order(value, op);
}

/* @value is in host order already. */
static __attribute__((noinline)) void
store_section(const FlatView *view, hwaddr addr, uint64_t value,
              MemTxAttrs attrs, MemTxResult *result, unsigned size_log2)
{
    const uint32_t no_device =
        FLAT_RANGE_WRITABLE | FLAT_RANGE_READONLY | FLAT_RANGE_UNASSIGNED;
    const FlatRange *range = flatview__find_again(view, addr);
    MemTxResult r;

    if (!holds(range, addr, size_log2) || range->flags & no_device) {
        r = flatview__store_parts(view, addr, attrs, value, size_log2);
    } else {
        r = xbar_plan_write(range->plan, range->mr, addr + range->mr_delta,
                            value, size_log2, attrs);
    }
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
}

/* A thread's first access: it becomes a reader here. */
static __attribute__((noinline)) uint64_t
load_first(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, MemTxResult *result,
           MemOp op)
{
    xbar_rcu_read_lock();
    return load_section(flatview__current(as), NULL, addr, attrs, result, op);
}

static __attribute__((noinline)) void
store_first(AddressSpace *as, hwaddr addr, uint64_t value, MemTxAttrs attrs,
            MemTxResult *result, unsigned size_log2)
{
    xbar_rcu_read_lock();
    store_section(flatview__current(as), addr, value, attrs, result, size_log2);
}

/* ---- Inline ------------------------------------------------------------ */

static FORCE_INLINE uint64_t load(AddressSpace *as, hwaddr addr,
                                  MemTxAttrs attrs, MemTxResult *result,
                                  MemOp op)
{
    unsigned size_log2 = op & MO_SIZE;
    const FlatRange *range;
    const FlatView *view;
    uint64_t value;

    if (unlikely(!xbar_rcu_is_registered())) {
        return load_first(as, addr, attrs, result, op);
    }
    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__remembered(view, addr);
    if (unlikely(range == NULL || !holds(range, addr, size_log2) ||
                 !is_plain(range, addr, FLAT_RANGE_RAM, size_log2))) {
        return load_section(view, range, addr, attrs, result, op);
    }
    value = flatview__ram_load((void *)(uintptr_t)(addr + range->host_delta),
                               size_log2);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = MEMTX_OK;
    }
    return order(value, op);
}

static FORCE_INLINE void store(AddressSpace *as, hwaddr addr, uint64_t value,
                               MemTxAttrs attrs, MemTxResult *result, MemOp op)
{
    unsigned size_log2 = op & MO_SIZE;
    const FlatRange *range;
    const FlatView *view;

    value = order(value, op);
    if (unlikely(!xbar_rcu_is_registered())) {
        store_first(as, addr, value, attrs, result, size_log2);
        return;
    }
    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__remembered(view, addr);
    if (unlikely(range == NULL || !holds(range, addr, size_log2) ||
                 !is_plain(range, addr, FLAT_RANGE_WRITABLE, size_log2))) {
        store_section(view, addr, value, attrs, result, size_log2);
        return;
    }
    flatview__ram_store((void *)(uintptr_t)(addr + range->host_delta), value,
                        size_log2);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = MEMTX_OK;
    }
    if (unlikely(xbar_ram_writes_wanted(as->space->ram_watchers))) {
        xbar_ram_writes_note(as->space->engine);
    }
}

/* ---- The public functions ---------------------------------------------- */

uint8_t address_space_ldub(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint8_t)load(as, addr, attrs, result, MO_8);
}

uint16_t address_space_lduw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                            MemTxResult *result)
{
    return (uint16_t)load(as, addr, attrs, result, native(as, MO_16));
}

uint16_t address_space_lduw_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return (uint16_t)load(as, addr, attrs, result, MO_16 | MO_LE);
}

uint16_t address_space_lduw_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return (uint16_t)load(as, addr, attrs, result, MO_16 | MO_BE);
}

uint32_t address_space_ldl(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint32_t)load(as, addr, attrs, result, native(as, MO_32));
}

uint32_t address_space_ldl_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint32_t)load(as, addr, attrs, result, MO_32 | MO_LE);
}

uint32_t address_space_ldl_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint32_t)load(as, addr, attrs, result, MO_32 | MO_BE);
}

uint64_t address_space_ldq(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint64_t)load(as, addr, attrs, result, native(as, MO_64));
}

uint64_t address_space_ldq_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint64_t)load(as, addr, attrs, result, MO_64 | MO_LE);
}

uint64_t address_space_ldq_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint64_t)load(as, addr, attrs, result, MO_64 | MO_BE);
}

void address_space_stb(AddressSpace *as, hwaddr addr, uint8_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_8);
}

void address_space_stw(AddressSpace *as, hwaddr addr, uint16_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, native(as, MO_16));
}

void address_space_stw_le(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_16 | MO_LE);
}

void address_space_stw_be(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_16 | MO_BE);
}

void address_space_stl(AddressSpace *as, hwaddr addr, uint32_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, native(as, MO_32));
}

void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_32 | MO_LE);
}

void address_space_stl_be(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_32 | MO_BE);
}

void address_space_stq(AddressSpace *as, hwaddr addr, uint64_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, native(as, MO_64));
}

void address_space_stq_le(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_64 | MO_LE);
}

void address_space_stq_be(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, MO_64 | MO_BE);
}
