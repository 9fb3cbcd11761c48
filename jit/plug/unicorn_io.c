/* SPDX-License-Identifier: MIT */
/*
 * What Unicorn calls, on the thread that runs the guest.
 */
#include <string.h>

#include "engine/check.h"
#include "engine/dispatch.h"
#include "jit/plug/unicorn_internal.h"

static XBAR_COLD void report(struct xbar_unicorn *plug, hwaddr addr,
                             unsigned size, bool is_write, MemTxResult result)
{
    if (plug->config.bus_error != NULL) {
        plug->config.bus_error(plug->config.opaque, addr, size, is_write,
                               result);
    }
}

/* ---- Devices ----------------------------------------------------------- */

/*
 * The quick way (engine/leaf.h) is for devices without a lock, in the host's
 * byte order; this is for the others, for pages that sections share, and for
 * regions that are not there any more.
 */
static bool is_region(const struct unicorn_mapping *m)
{
    return m->kind == UNICORN_DEVICE &&
           !__atomic_load_n(&m->is_stale, __ATOMIC_RELAXED);
}

static MemOp memop_of(const struct xbar_unicorn *plug, unsigned size)
{
    return (MemOp)(__builtin_ctz(size) | plug->order);
}

/* The i-th byte of a value lies at this one of @size. */
static unsigned place_of(const struct xbar_unicorn *plug, unsigned i,
                         unsigned size)
{
    return plug->order == MO_BE ? size - 1 - i : i;
}

/* @offset is one in the region; of a page that is shared, what it would be. */
static hwaddr address_of(const struct unicorn_mapping *m, hwaddr offset)
{
    return offset - m->offset + m->first;
}

static uint64_t read_any(struct unicorn_mapping *m, hwaddr offset,
                         unsigned size)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    struct xbar_unicorn *plug = m->plug;
    hwaddr addr = address_of(m, offset);
    uint8_t bytes[8] = { 0 };
    MemTxResult result;
    uint64_t value = 0;

    if (is_region(m)) {
        xbar_read_begin();
        result = memory_region_dispatch_read(m->mr, offset, &value,
                                             memop_of(plug, size), attrs);
        xbar_read_end();
    } else {
        result =
            xbar_address_space_read_bytes(plug->as, addr, attrs, bytes, size);
        for (unsigned i = 0; i < size; i++) {
            value |= (uint64_t)bytes[place_of(plug, i, size)] << (8 * i);
        }
    }
    if (result != MEMTX_OK) {
        report(plug, addr, size, false, result);
    }
    return value;
}

static void write_any(struct unicorn_mapping *m, hwaddr offset, unsigned size,
                      uint64_t value)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    struct xbar_unicorn *plug = m->plug;
    hwaddr addr = address_of(m, offset);
    uint8_t bytes[8];
    MemTxResult result;

    if (is_region(m)) {
        xbar_read_begin();
        result = memory_region_dispatch_write(m->mr, offset, value,
                                              memop_of(plug, size), attrs);
        xbar_read_end();
    } else {
        for (unsigned i = 0; i < size; i++) {
            bytes[place_of(plug, i, size)] = (uint8_t)(value >> (8 * i));
        }
        result =
            xbar_address_space_write_bytes(plug->as, addr, attrs, bytes, size);
    }
    if (result != MEMTX_OK) {
        report(plug, addr, size, true, result);
    }
}

/*
 * Is some callback running, which may use Unicorn by itself? One that was
 * called by engine/leaf.h is known by its read section, the others by `busy`.
 */
static bool is_inside(const struct xbar_unicorn *plug)
{
    return plug->busy != NULL || xbar_rcu_read_held();
}

/* The device's callback is over, but Unicorn is still in @m's. Returns @value,
 * so that the quick way need not keep it. */
static XBAR_COLD uint64_t catch_up_in(const struct unicorn_mapping *m,
                                      uint64_t value)
{
    struct xbar_unicorn *plug = m->plug;

    if (!is_inside(plug)) {
        plug->busy = m;
        unicorn__catch_up(plug);
        plug->busy = NULL;
    }
    return value;
}

static XBAR_NOINLINE uint64_t read_slowly(struct unicorn_mapping *m,
                                          hwaddr offset, unsigned size)
{
    struct xbar_unicorn *plug = m->plug;
    const struct unicorn_mapping *outer = plug->busy;
    uint64_t value;

    plug->busy = m;
    value = read_any(m, offset, size);
    plug->busy = outer;
    return unicorn__is_behind(plug) ? catch_up_in(m, value) : value;
}

static XBAR_NOINLINE void write_slowly(struct unicorn_mapping *m, hwaddr offset,
                                       unsigned size, uint64_t value)
{
    struct xbar_unicorn *plug = m->plug;
    const struct unicorn_mapping *outer = plug->busy;

    plug->busy = m;
    write_any(m, offset, size, value);
    plug->busy = outer;
    if (unicorn__is_behind(plug)) {
        (void)catch_up_in(m, 0);
    }
}

uint64_t unicorn__read(uc_engine *uc, uint64_t from, unsigned size,
                       void *opaque)
{
    struct unicorn_mapping *m = opaque;
    hwaddr offset = m->offset + from;
    xbar_leaf_read_fn *read = xbar_leaf_reads(&m->leaf, offset, size);
    const struct xbar_unicorn *plug;
    uint64_t value;

    (void)uc;
    if (unlikely(read == NULL) || unlikely(!xbar_rcu_leaf_begin(m->reader))) {
        return read_slowly(m, offset, size);
    }
    value = read(m->leaf.opaque, offset, size);
    xbar_rcu_leaf_end(m->reader); /* read again: cheaper than to keep it */
    plug = m->plug;
    return unlikely(unicorn__is_behind(plug)) ? catch_up_in(m, value) : value;
}

void unicorn__write(uc_engine *uc, uint64_t from, unsigned size, uint64_t value,
                    void *opaque)
{
    struct unicorn_mapping *m = opaque;
    hwaddr offset = m->offset + from;
    xbar_leaf_write_fn *write = xbar_leaf_writes(&m->leaf, offset, size);
    const struct xbar_unicorn *plug;

    (void)uc;
    if (unlikely(write == NULL) || unlikely(!xbar_rcu_leaf_begin(m->reader))) {
        write_slowly(m, offset, size, value);
        return;
    }
    write(m->leaf.opaque, offset, xbar_leaf_cut(value, size), size);
    xbar_rcu_leaf_end(m->reader); /* read again: cheaper than to keep it */
    plug = m->plug;
    if (unlikely(unicorn__is_behind(plug))) {
        (void)catch_up_in(m, 0);
    }
}

/* ---- Faults ------------------------------------------------------------ */

/*
 * Something is not mapped, or is read-only. True: it is now, try again.
 *
 * A block whose first fetch faulted is in no list of Unicorn's: what it was
 * made of may change, and it stays. So code is mapped, and the run stopped and
 * started again: the block has not begun, and the pc is exact.
 */
static bool on_fault(uc_engine *uc, uc_mem_type type, uint64_t addr, int size,
                     int64_t value, void *opaque)
{
    struct xbar_unicorn *plug = opaque;
    bool is_code = type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT;
    struct unicorn_mapping *m;
    bool is_new;

    (void)uc, (void)value;
    if (is_inside(plug)) {
        return false; /* a callback that uses Unicorn by itself */
    }
    plug->refusal = 0;
    unicorn__catch_up(plug);
    m = unicorn__find(plug, addr);
    is_new = m == NULL;
    if (is_new) {
        m = unicorn__map(plug, addr, is_code);
    }
    if (m == NULL) {
        return false;
    }
    if (is_code) {
        plug->is_refetch = is_new && plug->pc >= 0;
        return is_new && plug->pc < 0;
    }
    if (type == UC_MEM_WRITE_PROT && m->kind == UNICORN_ROM) {
        report(plug, addr, (unsigned)size, true, MEMTX_ERROR);
        return false;
    }
    return true;
}

/* ---- What the configuration asks for ----------------------------------- */

static void on_block(uc_engine *uc, uint64_t addr, uint32_t size, void *opaque)
{
    struct xbar_unicorn *plug = opaque;

    (void)uc, (void)addr, (void)size;
    if (unlikely(unicorn__is_behind(plug))) {
        unicorn__catch_up(plug);
    }
}

/* Before the store: told of when the next one is to another page. */
static void on_store(uc_engine *uc, uc_mem_type type, uint64_t addr, int size,
                     int64_t value, void *opaque)
{
    struct xbar_unicorn *plug = opaque;
    uint64_t stored = (addr & -UNICORN_PAGE) | STORED_VALID;

    (void)uc, (void)type, (void)value;
    if (unlikely((addr & (UNICORN_PAGE - 1)) + (unsigned)size > UNICORN_PAGE)) {
        stored |= STORED_NEXT;
    }
    if (unlikely(stored != __atomic_load_n(&plug->stored, __ATOMIC_RELAXED))) {
        unicorn__report_stored(plug);
        __atomic_store_n(&plug->stored, stored, __ATOMIC_RELEASE);
    }
}

/* ISO C has no way from a function to an object pointer; POSIX does. */
static void *hook_of(void (*function)(void))
{
    void *pointer;

    memcpy(&pointer, &function, sizeof(pointer));
    return pointer;
}

static uc_err add_hook(struct xbar_unicorn *plug, int type,
                       void (*function)(void))
{
    uc_err err = uc_hook_add(plug->uc, &plug->hooks[plug->hook_count], type,
                             hook_of(function), plug, (uint64_t)1, (uint64_t)0);

    plug->hook_count += err == UC_ERR_OK;
    return err;
}

uc_err unicorn__add_hooks(struct xbar_unicorn *plug)
{
    uc_err err = add_hook(plug, UC_HOOK_MEM_INVALID, (void (*)(void))on_fault);

    if (err == UC_ERR_OK && plug->config.every_block) {
        err = add_hook(plug, UC_HOOK_BLOCK, (void (*)(void))on_block);
    }
    if (err == UC_ERR_OK && plug->config.track_dirty) {
        err = add_hook(plug, UC_HOOK_MEM_WRITE, (void (*)(void))on_store);
    }
    return err;
}

void unicorn__remove_hooks(struct xbar_unicorn *plug)
{
    while (plug->hook_count > 0) {
        uc_hook_del(plug->uc, plug->hooks[--plug->hook_count]);
    }
}
