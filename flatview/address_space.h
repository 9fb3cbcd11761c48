/* SPDX-License-Identifier: MIT */
/**
 * An AddressSpace: a root region as some master sees it, and the accesses
 * that go through it.
 *
 * Accesses are safe on any thread, also during commits, and need no section
 * of the caller's. One that touches several sections resolves all of them in
 * one view before the first callback runs.
 */
#ifndef XBAR_FLATVIEW_ADDRESS_SPACE_H
#define XBAR_FLATVIEW_ADDRESS_SPACE_H

#include "flatview.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_flatview_space; /* the part that only flatview/ sees */

struct AddressSpace {
    /* private */
    FlatView *current_map XBAR_PRIVATE_FLATVIEW; /* published; acquire */
    struct xbar_flatview_space *space XBAR_PRIVATE_FLATVIEW;
    uint32_t native XBAR_PRIVATE_FLATVIEW; /* a plain ldl: MO_LE or MO_BE */
    MemoryRegion *root XBAR_PRIVATE_FLATVIEW;
    char *name XBAR_PRIVATE_FLATVIEW;
};

/**
 * address_space_init() - show @root as an address space
 * @as: the caller's storage; must not move
 * @root: its engine is the address space's; must outlive @as
 * @name: copied; NULL is shown as "anonymous"
 *
 * Inside a transaction the first view appears when that commits; until then
 * everything is unassigned. If it becomes void, @as stays, and shows the tree
 * as restored (from the next commit on, if memory is too short). @root is
 * referenced until @as has ended.
 *
 * Return: 0; or, with @as unusable, -EINVAL if @root is not initialised or was
 * destroyed, -ENOMEM, or -E2BIG if aliases show more than can be rendered
 * (millions).
 */
XBAR_API int address_space_init(AddressSpace *as, MemoryRegion *root,
                                const char *name);

/**
 * xbar_address_space_destroy() - end @as when no reader can see it
 * @done: then called, on the thread that reclaims, as a part of that: it may
 * free @as and may not wait. NULL: wait for that here, which is -EDEADLK
 * where xbar_engine_reclaim() would be.
 *
 * From now on everything is unassigned. No transaction undoes it. Subscribers
 * (TLBs) and listeners must have left: -EBUSY.
 */
XBAR_API int xbar_address_space_destroy(AddressSpace *as,
                                        void (*done)(AddressSpace *as,
                                                     void *opaque),
                                        void *opaque);

/**
 * address_space_destroy() - the same, as QEMU's callers expect: no result
 *
 * Waits where that is possible: @as may be freed on return. Where it would be
 * -EDEADLK (from a device's callback, inside a transaction) everything is
 * unassigned at once, too, but the storage must live until a reclaim that
 * begins after this section, transaction and callback returns. Whoever cannot
 * tell wants xbar_address_space_destroy() and its @done.
 *
 * With subscribers or listeners left nothing happens, and nobody is told: it is the
 * caller's mistake, and @as must live on.
 */
XBAR_API void address_space_destroy(AddressSpace *as);

XBAR_API const char *xbar_address_space_name(const AddressSpace *as);
XBAR_API MemoryRegion *xbar_address_space_root(const AddressSpace *as);
XBAR_API struct xbar_engine *xbar_address_space_engine(const AddressSpace *as);

/* ---- Bulk access ------------------------------------------------------- */

/**
 * address_space_rw() - copy between @buf and guest-physical memory
 * @addr: first byte; the transfer may cross sections, and ends at 2^64
 * @len: bytes; 0 is MEMTX_OK
 *
 * RAM is copied. Devices see power-of-two accesses as wide as `valid` and the
 * alignment allow, in ascending order. Writes to ROM are dropped (MEMTX_OK).
 * Unassigned bytes read as 0 and give MEMTX_DECODE_ERROR; the rest of the
 * transfer still happens.
 *
 * Return: the OR of the results of all parts.
 */
XBAR_API MemTxResult address_space_rw(AddressSpace *as, hwaddr addr,
                                      MemTxAttrs attrs, void *buf, hwaddr len,
                                      bool is_write);
XBAR_API MemTxResult address_space_read(AddressSpace *as, hwaddr addr,
                                        MemTxAttrs attrs, void *buf,
                                        hwaddr len);
XBAR_API MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                         MemTxAttrs attrs, const void *buf,
                                         hwaddr len);

/**
 * address_space_write_rom() - the same, but ROM is written, too
 *
 * For loaders and debuggers. Devices are skipped.
 */
XBAR_API MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                             MemTxAttrs attrs, const void *buf,
                                             hwaddr len);

/* ---- Fixed width ------------------------------------------------------- */

/*
 * @result may be NULL. The value is in host order; _le and _be say the order
 * in guest memory, without a suffix it is the engine's guest order. RAM is
 * accessed once and without tearing if @addr is aligned. A width that crosses
 * sections is split.
 */
XBAR_API uint8_t address_space_ldub(AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint16_t address_space_lduw(AddressSpace *as, hwaddr addr,
                                     MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint16_t address_space_lduw_le(AddressSpace *as, hwaddr addr,
                                        MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint16_t address_space_lduw_be(AddressSpace *as, hwaddr addr,
                                        MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint32_t address_space_ldl(AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint32_t address_space_ldl_le(AddressSpace *as, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint32_t address_space_ldl_be(AddressSpace *as, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint64_t address_space_ldq(AddressSpace *as, hwaddr addr,
                                    MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint64_t address_space_ldq_le(AddressSpace *as, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result);
XBAR_API uint64_t address_space_ldq_be(AddressSpace *as, hwaddr addr,
                                       MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stb(AddressSpace *as, hwaddr addr, uint8_t val,
                                MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stw(AddressSpace *as, hwaddr addr, uint16_t val,
                                MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stw_le(AddressSpace *as, hwaddr addr, uint16_t val,
                                   MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stw_be(AddressSpace *as, hwaddr addr, uint16_t val,
                                   MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stl(AddressSpace *as, hwaddr addr, uint32_t val,
                                MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t val,
                                   MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stl_be(AddressSpace *as, hwaddr addr, uint32_t val,
                                   MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stq(AddressSpace *as, hwaddr addr, uint64_t val,
                                MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stq_le(AddressSpace *as, hwaddr addr, uint64_t val,
                                   MemTxAttrs attrs, MemTxResult *result);
XBAR_API void address_space_stq_be(AddressSpace *as, hwaddr addr, uint64_t val,
                                   MemTxAttrs attrs, MemTxResult *result);

#ifdef __cplusplus
}
#endif

#endif
