/* SPDX-License-Identifier: MIT */
/**
 * One access to one region: `valid` and `impl` limits, alignment, byte order,
 * the region's lock, and the callback.
 *
 * CPU accesses, DMA and fixed-width accesses all end here, so a rule holds on
 * every path. Shared rules:
 *  - an access that `valid` refuses is MEMTX_DECODE_ERROR and reads 0;
 *  - wider than impl.max: split into naturally ordered parts, lowest address
 *    first, results OR-ed; all parts run even if one fails;
 *  - narrower than impl.min: the aligned word is read and the part taken out;
 *    a write reads, merges and writes under the region's lock;
 *  - misaligned where impl is not unaligned: two aligned parts, for real;
 *  - bytes outside the access are never changed, nor read if they lie outside
 *    the aligned words that hold it.
 */
#ifndef XBAR_ENGINE_DISPATCH_H
#define XBAR_ENGINE_DISPATCH_H

#include "memory.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * memory_region_dispatch_read() - read from @mr, as a device access
 * @addr: offset in @mr
 * @pval: gets the value in the low bytes, upper bytes 0; 0 on failure
 * @op: size (MO_8 to MO_64) and byte order the value is wanted in
 *
 * RAM and ROM are read in place. Aliases are followed.
 *
 * Context: any thread; the region must be kept alive (a read section, or
 * being its owner). The region's lock is taken here.
 * Return: MEMTX_OK or the OR of what went wrong.
 *
 * Rows M-35 to M-42.
 */
XBAR_API MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr addr,
                                                 uint64_t *pval, MemOp op,
                                                 MemTxAttrs attrs);

/** memory_region_dispatch_write() - the counterpart; ROM ignores writes;
 * rows M-35 to M-42 */
XBAR_API MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr addr,
                                                  uint64_t data, MemOp op,
                                                  MemTxAttrs attrs);

/**
 * xbar_region_read_bytes() / xbar_region_write_bytes() - 1 to 16 bytes
 * @buf: in the order of their addresses, whatever the device's order is
 * @size: any; what is no power of two, or wider than 8, is made of parts that
 * the device takes, lowest address first
 *
 * One access, for all that: the lock is held over all parts, and if `valid`
 * refuses one of them, or the access is not all inside @mr, no callback is
 * made. Rows M-35, M-46. Otherwise as memory_region_dispatch_read(); a read
 * leaves 0 for the parts that failed.
 */
XBAR_API MemTxResult xbar_region_read_bytes(MemoryRegion *mr, hwaddr addr,
                                            void *buf, unsigned size,
                                            MemTxAttrs attrs);
XBAR_API MemTxResult xbar_region_write_bytes(MemoryRegion *mr, hwaddr addr,
                                             const void *buf, unsigned size,
                                             MemTxAttrs attrs);

/**
 * memory_region_access_valid() - would @mr take this access?
 * @size: bytes, a power of two
 *
 * Row M-34.
 */
XBAR_API bool memory_region_access_valid(MemoryRegion *mr, hwaddr addr,
                                         unsigned size, bool is_write,
                                         MemTxAttrs attrs);

#ifdef __cplusplus
}
#endif

#endif
