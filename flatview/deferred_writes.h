/* SPDX-License-Identifier: MIT */
/**
 * Writes that need not call the device there and then: eventfds that are
 * signalled instead, and ranges whose writes may be queued.
 *
 * Both are properties of a region with callbacks, wherever it is shown. They
 * take effect at once, for accesses that find the region by a commit that is
 * published after that. No transaction undoes them: one that becomes void
 * publishes just them. Accesses to a region that ever had either take the
 * general path from then on, some nanoseconds more; others pay nothing.
 *
 * Context of everything here: any thread; takes the writer lock; @mr is kept
 * alive by the caller. Errors: -EINVAL if @mr has no callbacks; -ENOMEM; or why
 * the open transaction is void. Nothing changed then.
 *
 * Rows M-43, M-66 to M-68.
 */
#ifndef XBAR_FLATVIEW_DEFERRED_WRITES_H
#define XBAR_FLATVIEW_DEFERRED_WRITES_H

#include "../engine/event_notifier.h"
#include "../engine/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * memory_region_add_eventfd() - signal @e instead of calling the device
 * @addr: in @mr
 * @size: bytes of the write: 1, 2, 4 or 8; 0: a write of any size that begins
 * at @addr, whatever its data
 * @match_data: only if the value is @data, as the device's callback would get
 * it; else any value
 * @e: is duplicated, so it may be closed once it was taken back
 *
 * A write that `valid` takes and that matches signals @e, is MEMTX_OK, and does
 * not reach the device or an observer. So does a part of a longer write, if
 * that is made of accesses of this size. Where several match, the first one in
 * the order of size (0 first), any value before a certain one, and registration
 * gets it. Listeners are told by eventfd_add for each section that shows all of
 * its bytes, when the outermost transaction has been told.
 *
 * Return: 0; -EEXIST if there is one that is equal in everything, @e included;
 * -EINVAL also for other sizes, or bytes beyond 2^64. Row M-66.
 */
XBAR_API int memory_region_add_eventfd(MemoryRegion *mr, hwaddr addr,
                                       unsigned size, bool match_data,
                                       uint64_t data, EventNotifier *e);

/**
 * memory_region_del_eventfd() - take just that one back
 *
 * A write on another thread may signal it for the last time meanwhile.
 * Return: 0; -ENOENT if there is none that is equal in everything. Row M-66.
 */
XBAR_API int memory_region_del_eventfd(MemoryRegion *mr, hwaddr addr,
                                       unsigned size, bool match_data,
                                       uint64_t data, EventNotifier *e);

/**
 * memory_region_add_coalescing() - writes to a range may be queued
 * @offset, @size: bytes of @mr; the size is not 0
 *
 * Listeners are told (coalesced_io_add), as a hypervisor can save exits, as of
 * eventfds; what is taken away may be told in other pieces than it came in.
 * The library itself queues writes only if the engine's configuration has
 * `coalesced`, as somebody has to see to it that they do not wait for ever;
 * else they are made at once, which is allowed, too. A queued write is MEMTX_OK.
 * Those of one region are delivered in order, under its lock:
 *
 *   - before any other access to the region: a read, a write elsewhere;
 *   - before an access to a region with memory_region_set_flush_coalesced();
 *   - when 128 wait; when ranges are cleared;
 *   - by xbar_engine_flush_coalesced().
 *
 * A region whose `valid` has `accepts` never queues, and
 * xbar_region_write_bytes() does not wait. Row M-67.
 */
XBAR_API int memory_region_add_coalescing(MemoryRegion *mr, hwaddr offset,
                                          uint64_t size);

/** memory_region_set_coalescing() - all of the region, instead of ranges */
XBAR_API int memory_region_set_coalescing(MemoryRegion *mr);

/**
 * memory_region_clear_coalescing() - none; what waits is delivered first
 *
 * Context: also like xbar_engine_flush_coalesced(). Row M-67.
 */
XBAR_API int memory_region_clear_coalescing(MemoryRegion *mr);

/**
 * memory_region_set_flush_coalesced() - order @mr behind all queued writes
 *
 * Every access to @mr first delivers what waits for any region of the engine.
 * The callbacks of those run before @mr's lock is taken. Row M-68.
 */
XBAR_API int memory_region_set_flush_coalesced(MemoryRegion *mr);
/** memory_region_clear_flush_coalesced() - delivers for the last time */
XBAR_API int memory_region_clear_flush_coalesced(MemoryRegion *mr);

#ifdef __cplusplus
}
#endif

#endif
