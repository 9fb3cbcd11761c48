/* SPDX-License-Identifier: MIT */
/*
 * Accesses of any length and place: cut at the sections of one view.
 *
 *     transfer    |-----------------------------------------|..... 2^64
 *     sections  |---RAM---|   |--device--|-ROM-|
 *     parts       |-copy--|xxx|- - - - - |-copy|xxxxxxxxxxxxx      x: nothing
 *                              plan_read                              there
 *
 * The view does not change under the transfer, nor do its sections go away:
 * the read section spans all of it. So looking the next part up after a
 * device callback finds what looking it up before would have found.
 */
#include "engine/plan.h"
#include "engine/ram_writes.h"
#include "flatview/flatview_internal.h"
#include "flatview/ram_access.h"

enum direction {
    READ,
    WRITE,
    WRITE_ROM, /* as a loader: all memory, no devices */
};

/* What stays the same from part to part. */
struct transfer {
    const FlatView *view;
    MemTxAttrs attrs;
    enum direction direction;
};

static void *host_of(const FlatRange *range, hwaddr addr)
{
    return (void *)(uintptr_t)(addr + range->host_delta);
}

/* What nothing answers, or nothing that the attributes allow. */
static MemTxResult refusal(const FlatRange *range, MemTxAttrs attrs)
{
    if (attrs.memory) {
        return MEMTX_ACCESS_ERROR;
    }
    return range->flags & FLAT_RANGE_UNASSIGNED ? MEMTX_DECODE_ERROR : MEMTX_OK;
}

/* ---- One part: @length bytes inside @range ----------------------------- */

static MemTxResult read_device(const FlatRange *range, hwaddr addr,
                               MemTxAttrs attrs, char *buf, hwaddr length)
{
    MemTxResult result = MEMTX_OK;

    while (length != 0) {
        hwaddr offset = addr + range->mr_delta;
        unsigned size = xbar_plan_bulk_size(range->mr, offset, length);
        unsigned log2 = (unsigned)__builtin_ctz(size);
        uint64_t value = 0;

        xbar_assert(size != 0 && size <= 8 && size <= length);
        result |=
            xbar_plan_read(range->plan, range->mr, offset, &value, log2, attrs);
        flatview__ram_unpack(buf, value, log2);
        addr += size;
        buf += size;
        length -= size;
    }
    return result;
}

static MemTxResult write_device(const FlatRange *range, hwaddr addr,
                                MemTxAttrs attrs, const char *buf,
                                hwaddr length)
{
    MemTxResult result = MEMTX_OK;

    while (length != 0) {
        hwaddr offset = addr + range->mr_delta;
        unsigned size = xbar_plan_bulk_size(range->mr, offset, length);
        unsigned log2 = (unsigned)__builtin_ctz(size);

        xbar_assert(size != 0 && size <= 8 && size <= length);
        result |= xbar_plan_write(range->plan, range->mr, offset,
                                  flatview__ram_pack(buf, log2), log2, attrs);
        addr += size;
        buf += size;
        length -= size;
    }
    return result;
}

static MemTxResult read_part(const struct transfer *t, const FlatRange *range,
                             hwaddr addr, char *buf, hwaddr length)
{
    MemTxResult result;

    if (range->flags & FLAT_RANGE_RAM) {
        flatview__ram_read(buf, host_of(range, addr), length);
        return MEMTX_OK;
    }
    result = refusal(range, t->attrs);
    if (result != MEMTX_OK) {
        memset(buf, 0, length);
        return result;
    }
    return read_device(range, addr, t->attrs, buf, length);
}

static MemTxResult write_part(const struct transfer *t, const FlatRange *range,
                              hwaddr addr, const char *buf, hwaddr length)
{
    bool is_ram = (range->flags & FLAT_RANGE_RAM) != 0;
    MemTxResult result;

    if ((range->flags & FLAT_RANGE_WRITABLE) ||
        (is_ram && t->direction == WRITE_ROM)) {
        flatview__ram_write(host_of(range, addr), buf, length);
        xbar_ram_writes_note(t->view->space->engine);
        return MEMTX_OK;
    }
    if (is_ram && (range->flags & FLAT_RANGE_READONLY)) {
        return MEMTX_OK;
    }
    result = refusal(range, t->attrs);
    if (result != MEMTX_OK || (range->flags & FLAT_RANGE_READONLY) ||
        t->direction == WRITE_ROM) {
        return result;
    }
    return write_device(range, addr, t->attrs, buf, length);
}

/* ---- All parts --------------------------------------------------------- */

/* How many of @length bytes at @addr one section answers, or none does. */
static hwaddr part_length(const FlatView *view, const FlatRange *range,
                          hwaddr addr, hwaddr length)
{
    hwaddr last = range->last;

    if (range->flags & FLAT_RANGE_UNASSIGNED) {
        const FlatRange *next = flatview__trie_next(&view->trie, addr);

        last = next != NULL ? next->first - 1 : UINT64_MAX;
    }
    return length - 1 > last - addr ? last - addr + 1 : length;
}

/* @length bytes that do not wrap. */
static MemTxResult transfer_parts(const struct transfer *t, hwaddr addr,
                                  char *buf, hwaddr length)
{
    MemTxResult result = MEMTX_OK;

    while (length != 0) {
        const FlatRange *range = flatview__find_again(t->view, addr);
        hwaddr part = part_length(t->view, range, addr, length);

        result |= t->direction == READ ? read_part(t, range, addr, buf, part)
                                       : write_part(t, range, addr, buf, part);
        addr += part;
        buf += part;
        length -= part;
    }
    return result;
}

/* What lies past the end of the space is as if unassigned. */
static MemTxResult transfer_all(const struct transfer *t, hwaddr addr,
                                char *buf, hwaddr length)
{
    MemTxResult result = MEMTX_OK;
    hwaddr room = UINT64_MAX - addr; /* bytes after the first */

    if (length == 0) {
        return MEMTX_OK;
    }
    if (length - 1 > room) {
        if (t->direction == READ) {
            memset(buf + room + 1, 0, length - room - 1);
        }
        result = refusal(&flatview__unassigned, t->attrs);
        length = room + 1;
    }
    return result | transfer_parts(t, addr, buf, length);
}

/* @buf is only written to if @direction is READ. */
static MemTxResult transfer_as(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr length,
                               enum direction direction)
{
    struct transfer t = { .attrs = attrs, .direction = direction };
    MemTxResult result;

    xbar_rcu_read_lock();
    t.view = flatview__current(as);
    result = transfer_all(&t, addr, buf, length);
    xbar_rcu_read_unlock();
    return result;
}

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr len)
{
    return transfer_as(as, addr, attrs, buf, len, READ);
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                                const void *buf, hwaddr len)
{
    return transfer_as(as, addr, attrs, (void *)buf, len, WRITE);
}

MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    return transfer_as(as, addr, attrs, buf, len, is_write ? WRITE : READ);
}

MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, const void *buf,
                                    hwaddr len)
{
    return transfer_as(as, addr, attrs, (void *)buf, len, WRITE_ROM);
}

/* ---- Fixed widths that are no single access ---------------------------- */

MemTxResult flatview__load_parts(const FlatView *view, hwaddr addr,
                                 MemTxAttrs attrs, uint64_t *value,
                                 unsigned size_log2)
{
    struct transfer t = { .view = view, .attrs = attrs, .direction = READ };
    char bytes[8];
    MemTxResult result = transfer_all(&t, addr, bytes, (hwaddr)1 << size_log2);

    *value = flatview__ram_pack(bytes, size_log2);
    return result;
}

MemTxResult flatview__store_parts(const FlatView *view, hwaddr addr,
                                  MemTxAttrs attrs, uint64_t value,
                                  unsigned size_log2)
{
    struct transfer t = { .view = view, .attrs = attrs, .direction = WRITE };
    char bytes[8];

    flatview__ram_unpack(bytes, value, size_log2);
    return transfer_all(&t, addr, bytes, (hwaddr)1 << size_log2);
}
