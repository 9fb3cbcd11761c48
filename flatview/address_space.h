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
 * Address spaces of one @root share sections, index and the work of commits: a
 * further one shows what the others do, at once, and costs itself.
 *
 * Inside a transaction the first view of a @root appears when that commits;
 * until then everything is unassigned. If it becomes void, @as stays, and shows
 * the tree as restored (from the next commit on, if memory is too short). @root
 * is referenced until @as has ended.
 *
 * Rows M-14, M-74. Return: 0; or, with @as unusable, -EINVAL if @root is not initialised or was
 * destroyed, -ENOMEM, or -E2BIG as for a commit.
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
 * (TLBs), listeners, maps and caches must have left: -EBUSY. Views of it that
 * are kept may stay. Row M-74.
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
 * With subscribers, listeners, maps or caches left nothing happens: it is the
 * caller's mistake, which only the log is told (XBAR_LOG_MISUSE), and @as must
 * live on. Row M-74.
 */
XBAR_API void address_space_destroy(AddressSpace *as);

/* What it was made of: good for as long as @as is. Any thread. */
XBAR_API const char *xbar_address_space_name(const AddressSpace *as);
XBAR_API MemoryRegion *xbar_address_space_root(const AddressSpace *as);
XBAR_API struct xbar_engine *xbar_address_space_engine(const AddressSpace *as);

/* ---- Bulk access ------------------------------------------------------- */

/**
 * address_space_rw() - copy between @buf and guest-physical memory
 * @addr: first byte; the transfer may cross sections, and ends at 2^64
 * @len: bytes; 0 is MEMTX_OK
 *
 * Rows M-46, M-40. RAM is copied. Devices see power-of-two accesses as wide as `valid` and the
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
 * For loaders and debuggers. Devices are skipped. Row M-50.
 */
XBAR_API MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr,
                                             MemTxAttrs attrs, const void *buf,
                                             hwaddr len);

/**
 * xbar_address_space_read_bytes() / xbar_address_space_write_bytes() - 1 to 16
 * bytes as one access
 * @buf: in the order of their addresses
 *
 * For what is wider than a fixed width, or has an odd one: a vector, a pair of
 * registers. A device that all of it reaches gets it as
 * xbar_region_read_bytes() says: the lock is held over all its parts, and if
 * it refuses one of them no callback is made. All else is as
 * address_space_read(); memory is accessed in aligned units of up to 8 bytes.
 *
 * Rows M-35, M-46. Context, Return: as address_space_read(); another @size is
 * MEMTX_DECODE_ERROR.
 */
XBAR_API MemTxResult xbar_address_space_read_bytes(AddressSpace *as,
                                                   hwaddr addr,
                                                   MemTxAttrs attrs, void *buf,
                                                   unsigned size);
XBAR_API MemTxResult xbar_address_space_write_bytes(AddressSpace *as,
                                                    hwaddr addr,
                                                    MemTxAttrs attrs,
                                                    const void *buf,
                                                    unsigned size);

/**
 * address_space_set() - @len bytes of value @c
 *
 * As a write of so many bytes, without the buffer. Row M-49.
 */
XBAR_API MemTxResult address_space_set(AddressSpace *as, hwaddr addr, uint8_t c,
                                       hwaddr len, MemTxAttrs attrs);

/**
 * xbar_address_space_debug_rw() - @len bytes at @addr, as a debugger sees them
 * @buf: only read if @is_write
 *
 * Memory only: no device's callback runs, and what is written may be
 * read-only. Who keeps translated code or a dirty log is told of writes. Who
 * wants a device's registers instead uses address_space_rw().
 *
 * Context, as address_space_rw(). Return: how many bytes, from the first on,
 * were transferred; the next one, if any, is no memory.
 */
XBAR_API uint64_t xbar_address_space_debug_rw(AddressSpace *as, hwaddr addr,
                                              void *buf, uint64_t len,
                                              bool is_write);

/* ---- Asking beforehand ------------------------------------------------- */

/**
 * address_space_access_valid() - would a bulk transfer be MEMTX_OK?
 *
 * As far as can be told without making it: a device may still fail, and a
 * commit may come between. @len 0 is valid. Row M-53.
 */
XBAR_API bool address_space_access_valid(AddressSpace *as, hwaddr addr,
                                         hwaddr len, bool is_write,
                                         MemTxAttrs attrs);

/**
 * address_space_translate() - which region answers @addr
 * @xlat: gets the offset in that region
 * @len: in: bytes asked for; out: how many of them this holds for
 *
 * Through IOMMUs that grant the access. The region is the one that terminates,
 * as views have it: no alias, no container. Row M-59.
 *
 * Context: inside a read section, for as long as the region is used.
 * Return: NULL where nothing answers, or an IOMMU refuses.
 */
XBAR_API MemoryRegion *address_space_translate(AddressSpace *as, hwaddr addr,
                                               hwaddr *xlat, hwaddr *len,
                                               bool is_write, MemTxAttrs attrs);

/**
 * address_space_is_io() - is a read there no read of memory?
 *
 * Nothing there, and an IOMMU that refuses, are I/O. Row M-54.
 */
XBAR_API bool address_space_is_io(AddressSpace *as, hwaddr addr);

/* ---- Maps -------------------------------------------------------------- */

/** Bytes of bounce buffers that an address space may have at one time. */
#define XBAR_BOUNCE_BUDGET 4096

/**
 * address_space_map() - guest memory as a host pointer. Rows M-55, M-56.
 * @plen: in: bytes wanted; out: bytes mapped, at least 1, or 0 on failure
 * @is_write: the caller writes and does not read; else it only reads
 *
 * RAM is mapped itself, as far as it is contiguous in one region, and a read
 * maps ROM, too. Everything else, a write by a read-only path included, is
 * bounced: read now, or written back by the unmap, as a bulk transfer. A call
 * may map less than asked for: go on behind it.
 *
 * What is mapped stays what it was when a commit changes what is there: RAM
 * that was taken away, or got read-only, can still be reached, and its region
 * cannot end before the unmap. Every map is ended by one unmap, before the
 * address space is (which is -EBUSY else).
 *
 * Code tracking takes memory that is mapped for writing for written all the
 * time, up to and including the unmap.
 *
 * Context: any thread, a device's callback, too. Reads devices for bouncing
 * only, and waits for nobody else.
 * Return: NULL if @plen was 0; if no bounce memory is left, or others wait for
 * it (address_space_register_map_client); if memory is short.
 */
XBAR_API void *address_space_map(AddressSpace *as, hwaddr addr, hwaddr *plen,
                                 bool is_write, MemTxAttrs attrs);

/**
 * xbar_address_space_map() - the same, with the result of bouncing. M-55, M-56.
 * @result: gets that of reading into the buffer (bytes that could not be read
 * are 0); MEMTX_OK if nothing was. May be NULL: the unmap tells, too.
 */
XBAR_API void *xbar_address_space_map(AddressSpace *as, hwaddr addr,
                                      hwaddr *plen, bool is_write,
                                      MemTxAttrs attrs, MemTxResult *result);

/**
 * address_space_unmap() - end a map. Row M-57.
 * @buffer: what the map returned; an address inside is not known
 * @len: what the map's *plen was; not looked at
 * @is_write: as for the map
 * @access_len: bytes, from the start, that were written; a bounce buffer
 * writes these back. More than was mapped counts as all
 *
 * Context: any thread, not that of the map only. Calls who waits for bounce
 * memory.
 * Return: 0; -EINVAL if @buffer is no such map of @as: nothing happened; -EIO
 * if the transfer to or from the bounce buffer was not MEMTX_OK: the map ended.
 */
XBAR_API int address_space_unmap(AddressSpace *as, void *buffer, hwaddr len,
                                 bool is_write, hwaddr access_len);

/** xbar_address_space_set_bounce_budget() - instead of XBAR_BOUNCE_BUDGET;
 * what is mapped stays. Row M-56. Any thread. */
XBAR_API void xbar_address_space_set_bounce_budget(AddressSpace *as,
                                                   hwaddr bytes);

/**
 * Who waits for bounce memory: caller's storage, zeroed but for the first two.
 */
typedef struct AddressSpaceMapClient AddressSpaceMapClient;
struct AddressSpaceMapClient {
    void (*cb)(void *opaque);
    void *opaque;

    /* private */
    AddressSpaceMapClient *next XBAR_PRIVATE_FLATVIEW;
    bool is_waiting XBAR_PRIVATE_FLATVIEW;
};

/**
 * address_space_register_map_client() - be called when bytes are free. M-56.
 * @client: must live until it was called or is unregistered
 *
 * Called once, from the thread that freed them (from inside this call, if
 * there are free ones now), with no lock held; it may map and register again.
 * Clients are called in the order in which they registered, one after the
 * other, while bytes are left. Until the last was called nobody but the one
 * that is being called gets any: who maps in its callback cannot be overtaken.
 *
 * Return: 0; -EEXIST if @client waits already.
 */
XBAR_API int address_space_register_map_client(AddressSpace *as,
                                               AddressSpaceMapClient *client);

/**
 * address_space_unregister_map_client() - do not call @client any more
 *
 * Nothing if it does not wait. A call on another thread is waited for. M-56.
 */
XBAR_API void
address_space_unregister_map_client(AddressSpace *as,
                                    AddressSpaceMapClient *client);

/* ---- Fixed width ------------------------------------------------------- */

/*
 * Rows M-47, M-97. @result may be NULL. The value is in host order; _le and _be say the order
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
