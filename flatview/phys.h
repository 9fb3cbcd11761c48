/* SPDX-License-Identifier: MIT */
/**
 * QEMU's short forms of the accesses in address_space.h: without attributes
 * and result. Row M-47. Context: any thread.
 */
#ifndef XBAR_FLATVIEW_PHYS_H
#define XBAR_FLATVIEW_PHYS_H

#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What fails reads as 0 where nothing was read, and is not told. */
static inline uint8_t ldub_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldub(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint16_t lduw_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_lduw(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint16_t lduw_le_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_lduw_le(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint16_t lduw_be_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_lduw_be(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint32_t ldl_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldl(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint32_t ldl_le_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldl_le(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint32_t ldl_be_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldl_be(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint64_t ldq_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldq(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint64_t ldq_le_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldq_le(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline uint64_t ldq_be_phys(AddressSpace *as, hwaddr addr)
{
    return address_space_ldq_be(as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stb_phys(AddressSpace *as, hwaddr addr, uint8_t val)
{
    address_space_stb(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_phys(AddressSpace *as, hwaddr addr, uint16_t val)
{
    address_space_stw(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_le_phys(AddressSpace *as, hwaddr addr, uint16_t val)
{
    address_space_stw_le(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stw_be_phys(AddressSpace *as, hwaddr addr, uint16_t val)
{
    address_space_stw_be(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_phys(AddressSpace *as, hwaddr addr, uint32_t val)
{
    address_space_stl(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_le_phys(AddressSpace *as, hwaddr addr, uint32_t val)
{
    address_space_stl_le(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stl_be_phys(AddressSpace *as, hwaddr addr, uint32_t val)
{
    address_space_stl_be(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_phys(AddressSpace *as, hwaddr addr, uint64_t val)
{
    address_space_stq(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_le_phys(AddressSpace *as, hwaddr addr, uint64_t val)
{
    address_space_stq_le(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

static inline void stq_be_phys(AddressSpace *as, hwaddr addr, uint64_t val)
{
    address_space_stq_be(as, addr, val, MEMTXATTRS_UNSPECIFIED, NULL);
}

/**
 * address_space_stl_notdirty() - address_space_stl(). Row M-48.
 *
 * In QEMU this leaves out the check for translated code; here that check costs
 * a load, and the store is told like any other.
 */
static inline void address_space_stl_notdirty(AddressSpace *as, hwaddr addr,
                                              uint32_t val, MemTxAttrs attrs,
                                              MemTxResult *result)
{
    address_space_stl(as, addr, val, attrs, result);
}

/** address_space_flush_icache_range() - nothing is cached. Row M-51. */
static inline void address_space_flush_icache_range(AddressSpace *as,
                                                    hwaddr addr, hwaddr len)
{
    (void)as;
    (void)addr;
    (void)len;
}

#ifdef __cplusplus
}
#endif

#endif
