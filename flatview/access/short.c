/* SPDX-License-Identifier: MIT */
/*
 * Bulk reads and writes that are short: 1, 2, 4 or 8 bytes, which is what
 * device models ask for most. By what is at the address:
 *
 *     in the section that the thread accessed last,
 *       aligned RAM                inline: a read section, an access
 *       a device without a lock    a jump more, and a callback
 *     another section              the same after a lookup
 *     anything else                in parts: transfer.c
 *
 * The inline path calls nothing. Whatever needs a call is the last thing that
 * it does, so it has no register to save; the read section that it began goes
 * along as @before, and is ended there.
 */
#include "flatview/address_space.h"

#include "engine/ram_writes.h"
#include "flatview/access/bare.h"
#include "flatview/access/ram_access.h"
#include "flatview/flatview_internal.h"

static inline void *host_of(const FlatRange *range, hwaddr addr)
{
    return (void *)(uintptr_t)(addr + range->host_delta);
}

/* ---- Out of line: a device, another section ---------------------------- */

static inline MemTxResult read_in_parts(AddressSpace *as, hwaddr addr,
                                        MemTxAttrs attrs, void *buf,
                                        unsigned size_log2,
                                        const struct xbar_rcu_quick *section)
{
    xbar_rcu_quick_end(section);
    return flatview__read_parts(as, addr, attrs, buf, (hwaddr)1 << size_log2);
}

static inline MemTxResult write_in_parts(AddressSpace *as, hwaddr addr,
                                         MemTxAttrs attrs, const void *buf,
                                         unsigned size_log2,
                                         const struct xbar_rcu_quick *section)
{
    xbar_rcu_quick_end(section);
    return flatview__write_parts(as, addr, attrs, buf, (hwaddr)1 << size_log2);
}

/* Of what a write has to tell: it was made, and the section goes on. */
static XBAR_NOINLINE MemTxResult note_write(AddressSpace *as, const void *host,
                                            unsigned size_log2,
                                            unsigned long before)
{
    struct xbar_rcu_quick section = xbar_rcu_quick_of(before);

    xbar_ram_wrote(as->space->engine, host, (hwaddr)1 << size_log2);
    xbar_rcu_quick_end(&section);
    return MEMTX_OK;
}

/* @range, which is RAM, has all of the bytes. These end @section. */
static XBAR_FORCE_INLINE MemTxResult read_ram(
    AddressSpace *as, const FlatRange *range, hwaddr addr, MemTxAttrs attrs,
    void *buf, unsigned size_log2, const struct xbar_rcu_quick *section)
{
    const void *host = host_of(range, addr);

    if (unlikely(!flatview__ram_is_aligned(host, size_log2))) {
        return read_in_parts(as, addr, attrs, buf, size_log2, section);
    }
    flatview__ram_unpack(buf, flatview__ram_load(host, size_log2), size_log2);
    xbar_rcu_quick_end(section);
    return MEMTX_OK;
}

/* Whoever wants to know of writes is looked for when it was made. */
static XBAR_FORCE_INLINE MemTxResult write_ram(
    AddressSpace *as, const FlatRange *range, hwaddr addr, MemTxAttrs attrs,
    const void *buf, unsigned size_log2, const struct xbar_rcu_quick *section)
{
    void *host = host_of(range, addr);

    if (unlikely(!flatview__ram_is_aligned(host, size_log2))) {
        return write_in_parts(as, addr, attrs, buf, size_log2, section);
    }
    flatview__ram_store(host, flatview__ram_pack(buf, size_log2), size_log2);
    if (unlikely(xbar_ram_writes_wanted(as->space->ram_watchers))) {
        return note_write(as, host, size_log2, section->before);
    }
    xbar_rcu_quick_end(section);
    return MEMTX_OK;
}

/*
 * The same, if it is not memory. Where the section is kept is looked up after
 * the callback: that is less than to save a register around it.
 */
static XBAR_FORCE_INLINE MemTxResult read_device(AddressSpace *as,
                                                 const FlatRange *range,
                                                 hwaddr addr, MemTxAttrs attrs,
                                                 void *buf, unsigned size_log2,
                                                 unsigned long before)
{
    uint64_t value;
    const bool done = flatview_read_bare(range, addr, &value, size_log2, attrs);
    const struct xbar_rcu_quick section = xbar_rcu_quick_of(before);

    if (!done) {
        return read_in_parts(as, addr, attrs, buf, size_log2, &section);
    }
    xbar_rcu_quick_end(&section);
    flatview__ram_unpack(buf, value, size_log2);
    return MEMTX_OK;
}

static XBAR_FORCE_INLINE MemTxResult write_device(
    AddressSpace *as, const FlatRange *range, hwaddr addr, MemTxAttrs attrs,
    const void *buf, unsigned size_log2, unsigned long before)
{
    const uint64_t value = flatview__ram_pack(buf, size_log2);
    const bool done = (range->flags & FLAT_RANGE_NO_WRITES) == 0 &&
                      flatview_write_bare(range, addr, value, size_log2, attrs);
    const struct xbar_rcu_quick section = xbar_rcu_quick_of(before);

    if (!done) {
        return write_in_parts(as, addr, attrs, buf, size_log2, &section);
    }
    xbar_rcu_quick_end(&section);
    return MEMTX_OK;
}

/* ---- Out of line: another section -------------------------------------- */

/* In a section that one way down the trie does not find, or across its end. */
static XBAR_NOINLINE MemTxResult read_slowly(AddressSpace *as, hwaddr addr,
                                             MemTxAttrs attrs, void *buf,
                                             unsigned size_log2,
                                             unsigned long before)
{
    const FlatRange *range = flatview__find_new(flatview__current(as), addr);
    struct xbar_rcu_quick section = xbar_rcu_quick_of(before);

    if (!flatview__holds(range, addr, size_log2)) {
        return read_in_parts(as, addr, attrs, buf, size_log2, &section);
    }
    if ((range->flags & FLAT_RANGE_RAM) == 0) {
        return read_device(as, range, addr, attrs, buf, size_log2, before);
    }
    return read_ram(as, range, addr, attrs, buf, size_log2, &section);
}

static XBAR_NOINLINE MemTxResult write_slowly(AddressSpace *as, hwaddr addr,
                                              MemTxAttrs attrs, const void *buf,
                                              unsigned size_log2,
                                              unsigned long before)
{
    const FlatRange *range = flatview__find_new(flatview__current(as), addr);
    struct xbar_rcu_quick section = xbar_rcu_quick_of(before);

    if (!flatview__holds(range, addr, size_log2)) {
        return write_in_parts(as, addr, attrs, buf, size_log2, &section);
    }
    if ((range->flags & FLAT_RANGE_WRITABLE) == 0) {
        return write_device(as, range, addr, attrs, buf, size_log2, before);
    }
    return write_ram(as, range, addr, attrs, buf, size_log2, &section);
}

/* For @range, which is not memory and has all of the bytes; or to find it. */
typedef MemTxResult read_fn(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                            void *buf, unsigned long before,
                            const FlatRange *range);
typedef MemTxResult write_fn(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             const void *buf, unsigned long before,
                             const FlatRange *range);
typedef MemTxResult read_new_fn(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                                void *buf, unsigned long before);
typedef MemTxResult write_new_fn(AddressSpace *as, hwaddr addr,
                                 MemTxAttrs attrs, const void *buf,
                                 unsigned long before);

static XBAR_FORCE_INLINE MemTxResult read_elsewhere(AddressSpace *as,
                                                    hwaddr addr,
                                                    MemTxAttrs attrs, void *buf,
                                                    unsigned size_log2,
                                                    unsigned long before)
{
    const FlatView *view = flatview__current(as);
    const FlatRange *range = flatview__find_whole(view, addr, size_log2);
    struct xbar_rcu_quick section;

    if (unlikely(range == NULL || flatview__is_news(view))) {
        return read_slowly(as, addr, attrs, buf, size_log2, before);
    }
    flatview__remember(view, range);
    if (likely((range->flags & FLAT_RANGE_RAM) == 0)) {
        return read_device(as, range, addr, attrs, buf, size_log2, before);
    }
    section = xbar_rcu_quick_of(before);
    return read_ram(as, range, addr, attrs, buf, size_log2, &section);
}

static XBAR_FORCE_INLINE MemTxResult
write_elsewhere(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                const void *buf, unsigned size_log2, unsigned long before)
{
    const FlatView *view = flatview__current(as);
    const FlatRange *range = flatview__find_whole(view, addr, size_log2);
    struct xbar_rcu_quick section;

    if (unlikely(range == NULL || flatview__is_news(view))) {
        return write_slowly(as, addr, attrs, buf, size_log2, before);
    }
    flatview__remember(view, range);
    if (likely((range->flags & FLAT_RANGE_WRITABLE) == 0)) {
        return write_device(as, range, addr, attrs, buf, size_log2, before);
    }
    section = xbar_rcu_quick_of(before);
    return write_ram(as, range, addr, attrs, buf, size_log2, &section);
}

/*
 * A length that is not a constant would cost a fifth of a device's access, so
 * each has its own: read_device_BITS for a device, read_new_BITS for another section
 * than the last; the same for writes.
 */
#define OUT_OF_LINE(bits)                                                    \
    static XBAR_HOT XBAR_NOINLINE MemTxResult read_device_##bits(            \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, void *buf,          \
        unsigned long before, const FlatRange *range)                        \
    {                                                                        \
        return read_device(as, range, addr, attrs, buf, MO_##bits, before);  \
    }                                                                        \
    static XBAR_HOT XBAR_NOINLINE MemTxResult write_device_##bits(           \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, const void *buf,    \
        unsigned long before, const FlatRange *range)                        \
    {                                                                        \
        return write_device(as, range, addr, attrs, buf, MO_##bits, before); \
    }                                                                        \
    static XBAR_HOT XBAR_NOINLINE MemTxResult read_new_##bits(               \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, void *buf,          \
        unsigned long before)                                                \
    {                                                                        \
        return read_elsewhere(as, addr, attrs, buf, MO_##bits, before);      \
    }                                                                        \
    static XBAR_HOT XBAR_NOINLINE MemTxResult write_new_##bits(              \
        AddressSpace *as, hwaddr addr, MemTxAttrs attrs, const void *buf,    \
        unsigned long before)                                                \
    {                                                                        \
        return write_elsewhere(as, addr, attrs, buf, MO_##bits, before);     \
    }

OUT_OF_LINE(8)
OUT_OF_LINE(16)
OUT_OF_LINE(32)
OUT_OF_LINE(64)

/* ---- Inline, folded for each length ------------------------------------- */

static XBAR_FORCE_INLINE MemTxResult read_short(AddressSpace *as, hwaddr addr,
                                                MemTxAttrs attrs, void *buf,
                                                unsigned size_log2,
                                                read_fn *device,
                                                read_new_fn *elsewhere)
{
    struct xbar_rcu_quick section;
    const FlatRange *range;

    if (unlikely(!xbar_rcu_quick_begin(&section))) {
        return flatview__read_parts(as, addr, attrs, buf,
                                    (hwaddr)1 << size_log2);
    }
    range = flatview__remembered(flatview__current(as), addr, size_log2);
    if (range == NULL) {
        return elsewhere(as, addr, attrs, buf, section.before);
    }
    if ((range->flags & FLAT_RANGE_RAM) == 0) {
        return device(as, addr, attrs, buf, section.before, range);
    }
    return read_ram(as, range, addr, attrs, buf, size_log2, &section);
}

static XBAR_FORCE_INLINE MemTxResult
write_short(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, const void *buf,
            unsigned size_log2, write_fn *device, write_new_fn *elsewhere)
{
    struct xbar_rcu_quick section;
    const FlatRange *range;

    if (unlikely(!xbar_rcu_quick_begin(&section))) {
        return flatview__write_parts(as, addr, attrs, buf,
                                     (hwaddr)1 << size_log2);
    }
    range = flatview__remembered(flatview__current(as), addr, size_log2);
    if (range == NULL) {
        return elsewhere(as, addr, attrs, buf, section.before);
    }
    if ((range->flags & FLAT_RANGE_WRITABLE) == 0) {
        return device(as, addr, attrs, buf, section.before, range);
    }
    return write_ram(as, range, addr, attrs, buf, size_log2, &section);
}

/* ---- The public functions ---------------------------------------------- */

XBAR_HOT MemTxResult address_space_read(AddressSpace *as, hwaddr addr,
                                        MemTxAttrs attrs, void *buf, hwaddr len)
{
    if (likely(len == 4)) {
        return read_short(as, addr, attrs, buf, MO_32, read_device_32,
                          read_new_32);
    }
    switch (len) {
    case 1:
        return read_short(as, addr, attrs, buf, MO_8, read_device_8,
                          read_new_8);
    case 2:
        return read_short(as, addr, attrs, buf, MO_16, read_device_16,
                          read_new_16);
    case 8:
        return read_short(as, addr, attrs, buf, MO_64, read_device_64,
                          read_new_64);
    default:
        return flatview__read_parts(as, addr, attrs, buf, len);
    }
}

XBAR_HOT MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                         MemTxAttrs attrs, const void *buf,
                                         hwaddr len)
{
    switch (len) {
    case 1:
        return write_short(as, addr, attrs, buf, MO_8, write_device_8,
                           write_new_8);
    case 2:
        return write_short(as, addr, attrs, buf, MO_16, write_device_16,
                           write_new_16);
    case 4:
        return write_short(as, addr, attrs, buf, MO_32, write_device_32,
                           write_new_32);
    case 8:
        return write_short(as, addr, attrs, buf, MO_64, write_device_64,
                           write_new_64);
    default:
        return flatview__write_parts(as, addr, attrs, buf, len);
    }
}

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    return is_write ? address_space_write(as, addr, attrs, buf, len)
                    : address_space_read(as, addr, attrs, buf, len);
}
