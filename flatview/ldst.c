/* SPDX-License-Identifier: MIT */
/*
 * Fixed widths, by the cost of what is at the address:
 *
 *     aligned RAM in one section   inline: a read section, a lookup, an access
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

/* ---- Out of line: a device, or parts ----------------------------------- */

/*
 * These end the read section. They are the last thing that the fast path
 * does, so it has no register to save.
 */
static __attribute__((noinline)) uint64_t
load_parts(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
           MemTxResult *result, unsigned size_log2)
{
    uint64_t value;
    MemTxResult r = flatview__load_parts(view, addr, attrs, &value, size_log2);

    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
    return value;
}

static __attribute__((noinline)) void
store_parts(const FlatView *view, hwaddr addr, uint64_t value, MemTxAttrs attrs,
            MemTxResult *result, unsigned size_log2)
{
    MemTxResult r = flatview__store_parts(view, addr, attrs, value, size_log2);

    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
}

/* @range holds the access, and is no plain memory. */
static __attribute__((noinline)) uint64_t
load_device(const FlatView *view, const FlatRange *range, hwaddr addr,
            MemTxAttrs attrs, MemTxResult *result, unsigned size_log2)
{
    uint64_t value = 0;
    MemTxResult r;

    if (range->flags & (FLAT_RANGE_RAM | FLAT_RANGE_UNASSIGNED)) {
        return load_parts(view, addr, attrs, result, size_log2);
    }
    r = xbar_plan_read(range->plan, range->mr, addr + range->mr_delta, &value,
                       size_log2, attrs);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
    return value;
}

static __attribute__((noinline)) void
store_device(const FlatView *view, const FlatRange *range, hwaddr addr,
             uint64_t value, MemTxAttrs attrs, MemTxResult *result,
             unsigned size_log2)
{
    const uint32_t no_device =
        FLAT_RANGE_WRITABLE | FLAT_RANGE_READONLY | FLAT_RANGE_UNASSIGNED;
    MemTxResult r;

    if (range->flags & no_device) {
        store_parts(view, addr, value, attrs, result, size_log2);
        return;
    }
    r = xbar_plan_write(range->plan, range->mr, addr + range->mr_delta, value,
                        size_log2, attrs);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
}

/* ---- Inline ------------------------------------------------------------ */

static FORCE_INLINE uint64_t load(AddressSpace *as, hwaddr addr,
                                  MemTxAttrs attrs, MemTxResult *result,
                                  unsigned size_log2)
{
    const FlatRange *range;
    const FlatView *view;
    uint64_t value;

    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__find_again(view, addr);
    if (unlikely(!holds(range, addr, size_log2))) {
        return load_parts(view, addr, attrs, result, size_log2);
    }
    if (!is_plain(range, addr, FLAT_RANGE_RAM, size_log2)) {
        return load_device(view, range, addr, attrs, result, size_log2);
    }
    value = flatview__ram_load((void *)(uintptr_t)(addr + range->host_delta),
                               size_log2);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = MEMTX_OK;
    }
    return value;
}

static FORCE_INLINE void store(AddressSpace *as, hwaddr addr, uint64_t value,
                               MemTxAttrs attrs, MemTxResult *result,
                               unsigned size_log2)
{
    const FlatRange *range;
    const FlatView *view;

    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__find_again(view, addr);
    if (unlikely(!holds(range, addr, size_log2))) {
        store_parts(view, addr, value, attrs, result, size_log2);
        return;
    }
    if (!is_plain(range, addr, FLAT_RANGE_WRITABLE, size_log2)) {
        store_device(view, range, addr, value, attrs, result, size_log2);
        return;
    }
    flatview__ram_store((void *)(uintptr_t)(addr + range->host_delta), value,
                        size_log2);
    xbar_ram_writes_note(as->space->engine);
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = MEMTX_OK;
    }
}

/* ---- Byte order -------------------------------------------------------- */

static const bool host_is_big =
    __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__; /* folded away */

/* A value of this width between the host's order and the one asked for. */
static inline uint64_t order(uint64_t value, unsigned size_log2, bool big)
{
    if (big == host_is_big) {
        return value;
    }
    return __builtin_bswap64(value) >> (64 - (8u << size_log2));
}

static inline bool native(const AddressSpace *as)
{
    return as->is_big_endian;
}

/* ---- The public functions ---------------------------------------------- */

uint8_t address_space_ldub(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint8_t)load(as, addr, attrs, result, 0);
}

uint16_t address_space_lduw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                            MemTxResult *result)
{
    return (uint16_t)order(load(as, addr, attrs, result, 1), 1, native(as));
}

uint16_t address_space_lduw_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return (uint16_t)order(load(as, addr, attrs, result, 1), 1, false);
}

uint16_t address_space_lduw_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return (uint16_t)order(load(as, addr, attrs, result, 1), 1, true);
}

uint32_t address_space_ldl(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint32_t)order(load(as, addr, attrs, result, 2), 2, native(as));
}

uint32_t address_space_ldl_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint32_t)order(load(as, addr, attrs, result, 2), 2, false);
}

uint32_t address_space_ldl_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint32_t)order(load(as, addr, attrs, result, 2), 2, true);
}

uint64_t address_space_ldq(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return (uint64_t)order(load(as, addr, attrs, result, 3), 3, native(as));
}

uint64_t address_space_ldq_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint64_t)order(load(as, addr, attrs, result, 3), 3, false);
}

uint64_t address_space_ldq_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return (uint64_t)order(load(as, addr, attrs, result, 3), 3, true);
}

void address_space_stb(AddressSpace *as, hwaddr addr, uint8_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, val, attrs, result, 0);
}

void address_space_stw(AddressSpace *as, hwaddr addr, uint16_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 1, native(as)), attrs, result, 1);
}

void address_space_stw_le(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 1, false), attrs, result, 1);
}

void address_space_stw_be(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 1, true), attrs, result, 1);
}

void address_space_stl(AddressSpace *as, hwaddr addr, uint32_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 2, native(as)), attrs, result, 2);
}

void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 2, false), attrs, result, 2);
}

void address_space_stl_be(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 2, true), attrs, result, 2);
}

void address_space_stq(AddressSpace *as, hwaddr addr, uint64_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 3, native(as)), attrs, result, 3);
}

void address_space_stq_le(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 3, false), attrs, result, 3);
}

void address_space_stq_be(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store(as, addr, order(val, 3, true), attrs, result, 3);
}
