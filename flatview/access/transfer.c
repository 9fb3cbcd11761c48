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
#include "engine/dispatch.h"
#include "engine/plan.h"
#include "engine/ram_writes.h"
#include "flatview/access/ram_access.h"
#include "flatview/flatview_internal.h"
#include "flatview/iommu.h"

enum direction {
    READ,
    WRITE,
    WRITE_ROM, /* as a loader: all memory, no devices */
    FILL,      /* a write of one byte, again and again */
};

/* What stays the same from part to part. */
struct transfer {
    const FlatView *view;
    MemoryRegion *through; /* not NULL: addresses are offsets in this IOMMU */
    MemTxAttrs attrs;
    enum direction direction;
};

static void *host_of(const FlatRange *range, hwaddr addr)
{
    return (void *)(uintptr_t)(addr + range->host_delta);
}

/* What nothing answers, or nothing that the attributes allow. */
static MemTxResult refusal(const struct flatview_target *at, MemTxAttrs attrs)
{
    if (at->fault != MEMTX_OK) {
        return at->fault;
    }
    if (attrs.memory) {
        return MEMTX_ACCESS_ERROR;
    }
    return at->range->flags & FLAT_RANGE_UNASSIGNED ? MEMTX_DECODE_ERROR
                                                    : MEMTX_OK;
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

static MemTxResult read_part(const struct transfer *t,
                             const struct flatview_target *at, char *buf)
{
    const FlatRange *range = at->range;
    MemTxResult result;

    if (range->flags & FLAT_RANGE_RAM) {
        flatview__tell_read(at);
        flatview__ram_read(buf, host_of(range, at->addr), at->length);
        return MEMTX_OK;
    }
    result = refusal(at, t->attrs);
    if (result != MEMTX_OK) {
        memset(buf, 0, at->length);
        return result;
    }
    return read_device(range, at->addr, t->attrs, buf, at->length);
}

/* @buf is the bytes, or, for a FILL, the one byte. */
static MemTxResult write_ram_part(const struct transfer *t,
                                  const struct flatview_target *at,
                                  const char *buf)
{
    void *host = host_of(at->range, at->addr);

    if (t->direction == FILL) {
        flatview__ram_fill(host, (uint8_t)*buf, at->length);
    } else {
        flatview__ram_write(host, buf, at->length);
    }
    xbar_ram_wrote(at->view->root->engine, host, at->length);
    return MEMTX_OK;
}

static MemTxResult fill_device(const struct flatview_target *at,
                               MemTxAttrs attrs, uint8_t byte)
{
    MemTxResult result = MEMTX_OK;
    hwaddr addr = at->addr;
    hwaddr left = at->length;
    char bytes[64];

    memset(bytes, byte, sizeof(bytes));
    while (left != 0) {
        hwaddr part = left < sizeof(bytes) ? left : sizeof(bytes);

        result |= write_device(at->range, addr, attrs, bytes, part);
        addr += part;
        left -= part;
    }
    return result;
}

static MemTxResult write_part(const struct transfer *t,
                              const struct flatview_target *at, const char *buf)
{
    const FlatRange *range = at->range;
    bool is_ram = (range->flags & FLAT_RANGE_RAM) != 0;
    MemTxResult result;

    if ((range->flags & FLAT_RANGE_WRITABLE) ||
        (is_ram && t->direction == WRITE_ROM)) {
        return write_ram_part(t, at, buf);
    }
    if (is_ram && (range->flags & FLAT_RANGE_READONLY)) {
        return MEMTX_OK;
    }
    result = refusal(at, t->attrs);
    if (result != MEMTX_OK || (range->flags & FLAT_RANGE_READONLY) ||
        t->direction == WRITE_ROM) {
        return result;
    }
    return t->direction == FILL
               ? fill_device(at, t->attrs, (uint8_t)*buf)
               : write_device(range, at->addr, t->attrs, buf, at->length);
}

/* ---- All parts --------------------------------------------------------- */

static inline unsigned need_of(const struct transfer *t)
{
    return t->direction == READ ? IOMMU_RO : IOMMU_WO;
}

static MemTxResult transfer_part(const struct transfer *t,
                                 const struct flatview_target *at, char *buf)
{
    return t->direction == READ ? read_part(t, at, buf)
                                : write_part(t, at, buf);
}

/* @length bytes that do not wrap. */
static MemTxResult transfer_parts(const struct transfer *t, hwaddr addr,
                                  char *buf, hwaddr length)
{
    MemTxResult result = MEMTX_OK;

    while (length != 0) {
        struct flatview_target at;

        if (t->through == NULL) {
            flatview__resolve(t->view, addr, length, need_of(t), t->attrs, &at);
        } else {
            flatview__resolve_through(t->through, addr, length, need_of(t),
                                      t->attrs, &at);
        }
        result |= transfer_part(t, &at, buf);
        addr += at.length;
        buf += t->direction == FILL ? 0 : at.length;
        length -= at.length;
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
        result = t->attrs.memory ? MEMTX_ACCESS_ERROR : MEMTX_DECODE_ERROR;
        length = room + 1;
    }
    return result | transfer_parts(t, addr, buf, length);
}

/* @buf is only written to if @direction is READ. */
static XBAR_NOINLINE MemTxResult transfer_as(AddressSpace *as, hwaddr addr,
                                             MemTxAttrs attrs, void *buf,
                                             hwaddr length,
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

/* ---- The public functions ---------------------------------------------- */

MemTxResult flatview__read_parts(AddressSpace *as, hwaddr addr,
                                 MemTxAttrs attrs, void *buf, hwaddr len)
{
    return transfer_as(as, addr, attrs, buf, len, READ);
}

MemTxResult flatview__write_parts(AddressSpace *as, hwaddr addr,
                                  MemTxAttrs attrs, const void *buf, hwaddr len)
{
    return transfer_as(as, addr, attrs, (void *)buf, len, WRITE);
}

MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, const void *buf,
                                    hwaddr len)
{
    return transfer_as(as, addr, attrs, (void *)buf, len, WRITE_ROM);
}

MemTxResult address_space_set(AddressSpace *as, hwaddr addr, uint8_t c,
                              hwaddr len, MemTxAttrs attrs)
{
    return transfer_as(as, addr, attrs, &c, len, FILL);
}

MemTxResult flatview__read(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                           void *buf, hwaddr length)
{
    struct transfer t = { .view = view, .attrs = attrs, .direction = READ };

    return transfer_all(&t, addr, buf, length);
}

/* ---- Fixed widths ------------------------------------------------------ */

/*
 * A width that is like a bulk transfer: its first part is @at, which was looked
 * up already.
 */
static MemTxResult transfer_width(const struct transfer *t, hwaddr addr,
                                  const struct flatview_target *at, char *bytes,
                                  hwaddr size)
{
    hwaddr room = UINT64_MAX - addr;
    MemTxResult result;

    if (unlikely(size - 1 > room)) {
        return transfer_all(t, addr, bytes, size);
    }
    result = transfer_part(t, at, bytes);
    return result | transfer_parts(t, addr + at->length, bytes + at->length,
                                   size - at->length);
}

/* A device that all of it reaches sees one access, of this width. */
static MemTxResult load_at(const struct transfer *t, hwaddr addr,
                           const struct flatview_target *at, uint64_t *value,
                           unsigned size_log2)
{
    hwaddr size = (hwaddr)1 << size_log2;
    char bytes[8];
    MemTxResult result;

    if (at->length == size && !(at->range->flags & FLAT_RANGE_NO_READS)) {
        return xbar_plan_read(at->range->plan, at->range->mr,
                              at->addr + at->range->mr_delta, value, size_log2,
                              t->attrs);
    }
    result = transfer_width(t, addr, at, bytes, size);
    *value = flatview__ram_pack(bytes, size_log2);
    return result;
}

static MemTxResult store_at(const struct transfer *t, hwaddr addr,
                            const struct flatview_target *at, uint64_t value,
                            unsigned size_log2)
{
    hwaddr size = (hwaddr)1 << size_log2;
    char bytes[8];

    if (at->length == size && !(at->range->flags & FLAT_RANGE_NO_WRITES)) {
        return xbar_plan_write(at->range->plan, at->range->mr,
                               at->addr + at->range->mr_delta, value, size_log2,
                               t->attrs);
    }
    flatview__ram_unpack(bytes, value, size_log2);
    return transfer_width(t, addr, at, bytes, size);
}

/* How many of a width's bytes lie before the end of the address space. */
static hwaddr clip_width(hwaddr addr, unsigned size_log2)
{
    hwaddr size = (hwaddr)1 << size_log2;

    return size - 1 > UINT64_MAX - addr ? UINT64_MAX - addr + 1 : size;
}

MemTxResult flatview__load(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                           uint64_t *value, unsigned size_log2)
{
    struct transfer t = { .view = view, .attrs = attrs, .direction = READ };
    struct flatview_target at;

    flatview__resolve(view, addr, clip_width(addr, size_log2), IOMMU_RO, attrs,
                      &at);
    return load_at(&t, addr, &at, value, size_log2);
}

MemTxResult flatview__store(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                            uint64_t value, unsigned size_log2)
{
    struct transfer t = { .view = view, .attrs = attrs, .direction = WRITE };
    struct flatview_target at;

    flatview__resolve(view, addr, clip_width(addr, size_log2), IOMMU_WO, attrs,
                      &at);
    return store_at(&t, addr, &at, value, size_log2);
}

/*
 * Like a fixed width: one access to a device that all of it reaches. The
 * region cannot be reached by a path that forbids it: see FLAT_RANGE_NO_WRITES.
 */
MemTxResult xbar_address_space_read_bytes(AddressSpace *as, hwaddr addr,
                                          MemTxAttrs attrs, void *buf,
                                          unsigned size)
{
    struct transfer t = { .attrs = attrs, .direction = READ };
    hwaddr room = UINT64_MAX - addr;
    struct flatview_target at;
    MemTxResult result;

    if (size == 0 || size > 16) {
        memset(buf, 0, size);
        return MEMTX_DECODE_ERROR;
    }
    xbar_rcu_read_lock();
    t.view = flatview__current(as);
    flatview__resolve(t.view, addr, size - 1 > room ? room + 1 : size, IOMMU_RO,
                      attrs, &at);
    if (at.length == size && !(at.range->flags & FLAT_RANGE_NO_READS)) {
        result = xbar_region_read_bytes(
            at.range->mr, at.addr + at.range->mr_delta, buf, size, attrs);
    } else {
        result = transfer_all(&t, addr, buf, size);
    }
    xbar_rcu_read_unlock();
    return result;
}

MemTxResult xbar_address_space_write_bytes(AddressSpace *as, hwaddr addr,
                                           MemTxAttrs attrs, const void *buf,
                                           unsigned size)
{
    struct transfer t = { .attrs = attrs, .direction = WRITE };
    hwaddr room = UINT64_MAX - addr;
    struct flatview_target at;
    MemTxResult result;

    if (size == 0 || size > 16) {
        return MEMTX_DECODE_ERROR;
    }
    xbar_rcu_read_lock();
    t.view = flatview__current(as);
    flatview__resolve(t.view, addr, size - 1 > room ? room + 1 : size, IOMMU_WO,
                      attrs, &at);
    if (at.length == size && !(at.range->flags & FLAT_RANGE_NO_WRITES)) {
        result = xbar_region_write_bytes(
            at.range->mr, at.addr + at.range->mr_delta, buf, size, attrs);
    } else {
        result = transfer_all(&t, addr, (char *)buf, size);
    }
    xbar_rcu_read_unlock();
    return result;
}

MemTxResult flatview__iommu_read(MemoryRegion *mr, hwaddr offset,
                                 MemTxAttrs attrs, uint64_t *value,
                                 unsigned size)
{
    struct transfer t = { .through = mr, .attrs = attrs, .direction = READ };
    struct flatview_target at;
    MemTxResult result;

    xbar_rcu_read_lock();
    flatview__resolve_through(mr, offset, size, IOMMU_RO, attrs, &at);
    result = load_at(&t, offset, &at, value, (unsigned)__builtin_ctz(size));
    xbar_rcu_read_unlock();
    return result;
}

MemTxResult flatview__iommu_write(MemoryRegion *mr, hwaddr offset,
                                  MemTxAttrs attrs, uint64_t value,
                                  unsigned size)
{
    struct transfer t = { .through = mr, .attrs = attrs, .direction = WRITE };
    struct flatview_target at;
    MemTxResult result;

    xbar_rcu_read_lock();
    flatview__resolve_through(mr, offset, size, IOMMU_WO, attrs, &at);
    result = store_at(&t, offset, &at, value, (unsigned)__builtin_ctz(size));
    xbar_rcu_read_unlock();
    return result;
}
