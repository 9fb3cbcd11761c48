/* SPDX-License-Identifier: MIT */
/*
 * Fixed widths, by the cost of what is at the address:
 *
 *     in the section that the thread accessed last,
 *       aligned RAM                inline: a read section, an access
 *       a device without a lock    the same (a store), a jump more (a load),
 *                                  and a callback
 *       another device             one call more, and the device's plan
 *     another section              one call and a lookup more
 *     RAM that is not aligned      one call more, and a copy
 *     anything else                in parts, like a bulk transfer
 *
 * As in short.c the inline path of a load calls nothing, and has hardly a
 * register to save: whatever else there is to do is a jump, to one function for
 * each width.
 */
#include "flatview/address_space.h"

#include "engine/plan.h"
#include "engine/ram_writes.h"
#include "flatview/access/bare.h"
#include "flatview/access/ram_access.h"
#include "flatview/flatview_internal.h"

/* Is it memory, by @flag, and aligned? Then one access will do. */
static inline bool is_plain(const FlatRange *range, hwaddr addr, uint32_t flag,
                            unsigned size_log2)
{
    return (range->flags & flag) != 0 &&
           flatview__ram_is_aligned(
               (void *)(uintptr_t)(addr + range->host_delta), size_log2);
}

static inline void set_result(MemTxResult *result, MemTxResult r)
{
    if (result != NULL) {
        *result = r;
    }
}

/* ---- Byte order -------------------------------------------------------- */

/*
 * A value of this width between the host's order and another.
 * What is above the width is lost, or the caller's type cuts it off.
 */
static inline uint64_t order(uint64_t value, unsigned size_log2, MemOp swap)
{
    if (!(swap & MO_BSWAP)) {
        return value;
    }
    return __builtin_bswap64(value) >> (64 - (8u << size_log2));
}

/* What an access without a suffix means. */
static inline MemOp native(const AddressSpace *as)
{
    return (MemOp)as->native;
}

/* ---- Out of line: a device, a lookup, or parts ------------------------- */

/* What is there is memory, whole, that is not aligned for it. */
static inline uint64_t load_bytes(const FlatRange *range, hwaddr addr,
                                  unsigned size_log2)
{
    char bytes[8];

    flatview__ram_read(bytes, (void *)(uintptr_t)(addr + range->host_delta),
                       (size_t)1 << size_log2);
    return flatview__ram_pack(bytes, size_log2);
}

static inline void store_bytes(const AddressSpace *as, const FlatRange *range,
                               hwaddr addr, uint64_t value, unsigned size_log2)
{
    void *host = (void *)(uintptr_t)(addr + range->host_delta);
    char bytes[8];

    flatview__ram_unpack(bytes, value, size_log2);
    flatview__ram_write(host, bytes, (size_t)1 << size_log2);
    xbar_ram_wrote(as->space->engine, host, (uint64_t)1 << size_log2);
}

/*
 * Where the thread was last, if all of it is there: memory, or a device around
 * whose callbacks something is held, or that has to be asked first.
 */
static inline MemTxResult load_any(const AddressSpace *as, hwaddr addr,
                                   MemTxAttrs attrs, uint64_t *value,
                                   unsigned size_log2)
{
    const FlatView *view = flatview__current(as);
    const FlatRange *range = flatview__remembered(view, addr, size_log2);

    if (range != NULL && (range->flags & FLAT_RANGE_RAM) != 0) {
        *value = load_bytes(range, addr, size_log2);
        return MEMTX_OK;
    }
    return range != NULL && (range->flags & FLAT_RANGE_NO_READS) == 0
               ? xbar_plan_read(range->plan, range->mr, addr + range->mr_delta,
                                value, size_log2, attrs)
               : flatview__load(view, addr, attrs, value, size_log2);
}

static inline MemTxResult store_any(const AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, uint64_t value,
                                    unsigned size_log2)
{
    const FlatView *view = flatview__current(as);
    const FlatRange *range = flatview__remembered(view, addr, size_log2);

    if (range != NULL && (range->flags & FLAT_RANGE_WRITABLE) != 0) {
        store_bytes(as, range, addr, value, size_log2);
        return MEMTX_OK;
    }
    return range != NULL && (range->flags & FLAT_RANGE_NO_WRITES) == 0
               ? xbar_plan_write(range->plan, range->mr, addr + range->mr_delta,
                                 value, size_log2, attrs)
               : flatview__store(view, addr, attrs, value, size_log2);
}

/*
 * These and the ones below end the quick section that the inline path began, of
 * which @before is left. Values are in host order, but for what a load returns.
 */
static uint64_t load_section(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             MemTxResult *result, MemOp op,
                             unsigned long before)
{
    struct xbar_rcu_quick section = xbar_rcu_quick_of(before);
    uint64_t value = 0;
    MemTxResult r = load_any(as, addr, attrs, &value, op & MO_SIZE);

    xbar_rcu_quick_end(&section);
    set_result(result, r);
    return order(value, op & MO_SIZE, op);
}

static XBAR_NOINLINE void store_section(AddressSpace *as, hwaddr addr,
                                        uint64_t value, MemTxAttrs attrs,
                                        MemTxResult *result, unsigned size_log2,
                                        unsigned long before)
{
    struct xbar_rcu_quick section = xbar_rcu_quick_of(before);
    MemTxResult r = store_any(as, addr, attrs, value, size_log2);

    xbar_rcu_quick_end(&section);
    set_result(result, r);
}

/* Where the thread was last, if nothing is held around its callbacks. */
static XBAR_FORCE_INLINE uint64_t load_device(AddressSpace *as, hwaddr addr,
                                              MemTxAttrs attrs,
                                              MemTxResult *result,
                                              unsigned size_log2, MemOp swap,
                                              unsigned long before)
{
    struct xbar_rcu_quick section;
    uint64_t value;

    if (unlikely(!flatview_read_bare(flatview__last.range, addr, &value,
                                     size_log2, attrs))) {
        return load_section(as, addr, attrs, result, (MemOp)(size_log2 | swap),
                            before);
    }
    section = xbar_rcu_quick_of(before);
    xbar_rcu_quick_end(&section);
    set_result(result, MEMTX_OK);
    return order(value, size_log2, swap);
}

/* Where the quick section cannot be had: a thread's first access. */
static uint64_t load_first(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result, MemOp op)
{
    uint64_t value = 0;
    MemTxResult r;

    xbar_rcu_read_lock();
    r = flatview__load(flatview__current(as), addr, attrs, &value,
                       op & MO_SIZE);
    xbar_rcu_read_unlock();
    set_result(result, r);
    return order(value, op & MO_SIZE, op);
}

static XBAR_NOINLINE void store_first(AddressSpace *as, hwaddr addr,
                                      uint64_t value, MemTxAttrs attrs,
                                      MemTxResult *result, unsigned size_log2)
{
    MemTxResult r;

    xbar_rcu_read_lock();
    r = flatview__store(flatview__current(as), addr, attrs, value, size_log2);
    xbar_rcu_read_unlock();
    set_result(result, r);
}

/* ---- Inline ------------------------------------------------------------ */

/* How far the inline path came; beyond FIRST it is in a quick section. */
enum reached {
    FIRST,
    ELSEWHERE, /* not where the thread was last */
    DEVICE,    /* or memory that is not aligned, or not for that */
    DONE,
};

/* One body for all widths, folded for each: the size is a constant. */
static XBAR_FORCE_INLINE enum reached
load_here(AddressSpace *as, hwaddr addr, MemTxResult *result,
          unsigned size_log2, uint64_t *value, unsigned long *before)
{
    struct xbar_rcu_quick section;
    const FlatRange *range;

    if (unlikely(!xbar_rcu_quick_begin(&section))) {
        return FIRST;
    }
    *before = section.before;
    range = flatview__remembered(flatview__current(as), addr, size_log2);
    if (range == NULL) {
        return ELSEWHERE;
    }
    if (!is_plain(range, addr, FLAT_RANGE_RAM, size_log2)) {
        return DEVICE;
    }
    *value = flatview__ram_load((void *)(uintptr_t)(addr + range->host_delta),
                                size_log2);
    xbar_rcu_quick_end(&section);
    set_result(result, MEMTX_OK);
    return DONE;
}

/*
 * As flatview__find_whole(); what it finds is the last one from now on, also if
 * it has only the first of the bytes: whoever goes on in parts begins there.
 */
static XBAR_FORCE_INLINE const FlatRange *
find_there(const FlatView *view, hwaddr addr, unsigned size_log2)
{
    void *range;

    if (unlikely(flatview__is_news(view) ||
                 !trie_guess(&view->trie, addr, &range))) {
        return NULL;
    }
    if (unlikely(!flatview__holds(range, addr, size_log2))) {
        if (flatview__holds(range, addr, MO_8)) {
            flatview__remember(view, range);
        }
        return NULL;
    }
    flatview__remember(view, range);
    return range;
}

/*
 * The same in another section than the last.
 * ELSEWHERE: one way down the index does not find it, or it has not all of it.
 */
static XBAR_FORCE_INLINE enum reached
load_there(AddressSpace *as, hwaddr addr, MemTxResult *result,
           unsigned size_log2, uint64_t *value, unsigned long before)
{
    const FlatView *view = flatview__current(as);
    const FlatRange *range = find_there(view, addr, size_log2);
    struct xbar_rcu_quick section;

    if (unlikely(range == NULL)) {
        return ELSEWHERE;
    }
    if (!is_plain(range, addr, FLAT_RANGE_RAM, size_log2)) {
        return DEVICE;
    }
    *value = flatview__ram_load((void *)(uintptr_t)(addr + range->host_delta),
                                size_log2);
    section = xbar_rcu_quick_of(before);
    xbar_rcu_quick_end(&section);
    set_result(result, MEMTX_OK);
    return DONE;
}

/*
 * Of each width: load_BITS() and store_BITS(), which are inline, and what they
 * jump to. @swap: MO_LE, MO_BE, or what native() says.
 */
#define LOADS(bits)                                                            \
    static XBAR_NOINLINE uint##bits##_t load_first_##bits(                     \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, MemTxResult *result,  \
        MemOp swap)                                                            \
    {                                                                          \
        return (uint##bits##_t)load_first(as, addr, attrs, result,             \
                                          (MemOp)(MO_##bits | swap));          \
    }                                                                          \
    static XBAR_NOINLINE uint##bits##_t load_device_##bits(                    \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, MemTxResult *result,  \
        MemOp swap, unsigned long before)                                      \
    {                                                                          \
        return (uint##bits##_t)load_device(as, addr, attrs, result, MO_##bits, \
                                           swap, before);                      \
    }                                                                          \
    static XBAR_HOT XBAR_NOINLINE uint##bits##_t load_elsewhere_##bits(        \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, MemTxResult *result,  \
        MemOp swap, unsigned long before)                                      \
    {                                                                          \
        uint64_t value;                                                        \
                                                                               \
        switch (load_there(as, addr, result, MO_##bits, &value, before)) {     \
        case DONE:                                                             \
            return (uint##bits##_t)order(value, MO_##bits, swap);              \
        case DEVICE:                                                           \
            return load_device_##bits(as, addr, attrs, result, swap, before);  \
        default:                                                               \
            return (uint##bits##_t)load_section(                               \
                as, addr, attrs, result, (MemOp)(MO_##bits | swap), before);   \
        }                                                                      \
    }                                                                          \
    static XBAR_FORCE_INLINE uint##bits##_t load_##bits(                       \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, MemTxResult *result,  \
        MemOp swap)                                                            \
    {                                                                          \
        unsigned long before;                                                  \
        uint64_t value;                                                        \
                                                                               \
        switch (load_here(as, addr, result, MO_##bits, &value, &before)) {     \
        case FIRST:                                                            \
            return load_first_##bits(as, addr, attrs, result, swap);           \
        case ELSEWHERE:                                                        \
            return load_elsewhere_##bits(as, addr, attrs, result, swap,        \
                                         before);                              \
        case DEVICE:                                                           \
            return load_device_##bits(as, addr, attrs, result, swap, before);  \
        default:                                                               \
            return (uint##bits##_t)order(value, MO_##bits, swap);              \
        }                                                                      \
    }

LOADS(8)
LOADS(16)
LOADS(32)
LOADS(64)

/*
 * In @range, which has all of it. False: nothing was done. Stores keep the
 * callback inline, and save what that takes: with a jump as for loads, memory
 * took a fifth longer.
 */
static XBAR_FORCE_INLINE bool store_at(AddressSpace *as, const FlatRange *range,
                                       hwaddr addr, uint64_t value,
                                       MemTxAttrs attrs, unsigned size_log2)
{
    void *host;

    if (!is_plain(range, addr, FLAT_RANGE_WRITABLE, size_log2)) {
        return likely((range->flags & FLAT_RANGE_NO_WRITES) == 0) &&
               flatview_write_bare(range, addr, value, size_log2, attrs);
    }
    host = (void *)(uintptr_t)(addr + range->host_delta);
    flatview__ram_store(host, value, size_log2);
    if (unlikely(xbar_ram_writes_wanted(as->space->ram_watchers))) {
        xbar_ram_wrote(as->space->engine, host, (uint64_t)1 << size_log2);
    }
    return true;
}

/* See load_there(). */
static XBAR_FORCE_INLINE void
store_there(AddressSpace *as, hwaddr addr, uint64_t value, MemTxAttrs attrs,
            MemTxResult *result, unsigned size_log2, unsigned long before)
{
    const struct xbar_rcu_quick section = xbar_rcu_quick_of(before);
    const FlatView *view = flatview__current(as);
    const FlatRange *range = find_there(view, addr, size_log2);

    if (range == NULL || !store_at(as, range, addr, value, attrs, size_log2)) {
        store_section(as, addr, value, attrs, result, size_log2, before);
        return;
    }
    xbar_rcu_quick_end(&section);
    set_result(result, MEMTX_OK);
}

#define STORES(bits)                                                          \
    static XBAR_HOT XBAR_NOINLINE void store_elsewhere_##bits(                \
        AddressSpace *as, hwaddr addr, uint64_t value, MemTxAttrs attrs,      \
        MemTxResult *result, unsigned long before)                            \
    {                                                                         \
        store_there(as, addr, value, attrs, result, MO_##bits, before);       \
    }                                                                         \
    static XBAR_FORCE_INLINE void store_##bits(                               \
        AddressSpace *as, hwaddr addr, uint64_t value, MemTxAttrs attrs,      \
        MemTxResult *result, MemOp swap)                                      \
    {                                                                         \
        struct xbar_rcu_quick section;                                        \
        const FlatRange *range;                                               \
                                                                              \
        value = order(value, MO_##bits, swap);                                \
        if (unlikely(!xbar_rcu_quick_begin(&section))) {                      \
            store_first(as, addr, value, attrs, result, MO_##bits);           \
            return;                                                           \
        }                                                                     \
        range = flatview__remembered(flatview__current(as), addr, MO_##bits); \
        if (range == NULL) {                                                  \
            store_elsewhere_##bits(as, addr, value, attrs, result,            \
                                   section.before);                           \
            return;                                                           \
        }                                                                     \
        if (unlikely(!store_at(as, range, addr, value, attrs, MO_##bits))) {  \
            store_section(as, addr, value, attrs, result, MO_##bits,          \
                          section.before);                                    \
            return;                                                           \
        }                                                                     \
        xbar_rcu_quick_end(&section);                                         \
        set_result(result, MEMTX_OK);                                         \
    }

STORES(8)
STORES(16)
STORES(32)
STORES(64)

/* ---- The public functions ---------------------------------------------- */

uint8_t address_space_ldub(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return load_8(as, addr, attrs, result, MO_LE);
}

uint16_t address_space_lduw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                            MemTxResult *result)
{
    return load_16(as, addr, attrs, result, native(as));
}

uint16_t address_space_lduw_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return load_16(as, addr, attrs, result, MO_LE);
}

uint16_t address_space_lduw_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               MemTxResult *result)
{
    return load_16(as, addr, attrs, result, MO_BE);
}

uint32_t address_space_ldl(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return load_32(as, addr, attrs, result, native(as));
}

uint32_t address_space_ldl_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return load_32(as, addr, attrs, result, MO_LE);
}

uint32_t address_space_ldl_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return load_32(as, addr, attrs, result, MO_BE);
}

uint64_t address_space_ldq(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                           MemTxResult *result)
{
    return load_64(as, addr, attrs, result, native(as));
}

uint64_t address_space_ldq_le(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return load_64(as, addr, attrs, result, MO_LE);
}

uint64_t address_space_ldq_be(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                              MemTxResult *result)
{
    return load_64(as, addr, attrs, result, MO_BE);
}

void address_space_stb(AddressSpace *as, hwaddr addr, uint8_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store_8(as, addr, val, attrs, result, MO_LE);
}

void address_space_stw(AddressSpace *as, hwaddr addr, uint16_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store_16(as, addr, val, attrs, result, native(as));
}

void address_space_stw_le(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_16(as, addr, val, attrs, result, MO_LE);
}

void address_space_stw_be(AddressSpace *as, hwaddr addr, uint16_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_16(as, addr, val, attrs, result, MO_BE);
}

void address_space_stl(AddressSpace *as, hwaddr addr, uint32_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store_32(as, addr, val, attrs, result, native(as));
}

void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_32(as, addr, val, attrs, result, MO_LE);
}

void address_space_stl_be(AddressSpace *as, hwaddr addr, uint32_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_32(as, addr, val, attrs, result, MO_BE);
}

void address_space_stq(AddressSpace *as, hwaddr addr, uint64_t val,
                       MemTxAttrs attrs, MemTxResult *result)
{
    store_64(as, addr, val, attrs, result, native(as));
}

void address_space_stq_le(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_64(as, addr, val, attrs, result, MO_LE);
}

void address_space_stq_be(AddressSpace *as, hwaddr addr, uint64_t val,
                          MemTxAttrs attrs, MemTxResult *result)
{
    store_64(as, addr, val, attrs, result, MO_BE);
}
