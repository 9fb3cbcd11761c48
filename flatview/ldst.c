/* SPDX-License-Identifier: MIT */
/*
 * Fixed widths. The fast path is an aligned access to RAM inside one section:
 * a read section, a lookup, a load or store. Everything else leaves through
 * flatview__load() and flatview__store(), with the section already found.
 */
#include "flatview/address_space.h"

#include "flatview/flatview_internal.h"
#include "flatview/ram.h"

/* Whether @addr, of a section that @range is, may be accessed in one go. */
static inline bool is_plain(const FlatRange *range, hwaddr addr, uint32_t flag,
                            unsigned size_log2)
{
    uint64_t more = ((uint64_t)1 << size_log2) - 1;

    return (range->flags & flag) != 0 && range->last - addr >= more &&
           ((addr + range->host_delta) & more) == 0;
}

static inline uint64_t load(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                            MemTxResult *result, unsigned size_log2)
{
    MemTxResult r = MEMTX_OK;
    const FlatRange *range;
    const FlatView *view;
    uint64_t value;

    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__find(view, addr);
    if (likely(is_plain(range, addr, FLAT_RANGE_RAM, size_log2))) {
        value =
            ram__load((void *)(uintptr_t)(addr + range->host_delta), size_log2);
    } else {
        r = flatview__load(view, range, addr, attrs, &value, size_log2);
    }
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
    }
    return value;
}

static inline void store(AddressSpace *as, hwaddr addr, uint64_t value,
                         MemTxAttrs attrs, MemTxResult *result,
                         unsigned size_log2)
{
    MemTxResult r = MEMTX_OK;
    const FlatRange *range;
    const FlatView *view;

    xbar_rcu_read_lock();
    view = flatview__current(as);
    range = flatview__find(view, addr);
    if (likely(is_plain(range, addr, FLAT_RANGE_WRITABLE, size_log2))) {
        ram__store((void *)(uintptr_t)(addr + range->host_delta), value,
                   size_log2);
    } else {
        r = flatview__store(view, range, addr, attrs, value, size_log2);
    }
    xbar_rcu_read_unlock();
    if (result != NULL) {
        *result = r;
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
    return as->space->is_big_endian;
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
