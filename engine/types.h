/* SPDX-License-Identifier: MIT */
/**
 * Scalars and enumerations that every layer shares.
 *
 * Names with a QEMU counterpart keep it, so that a device model moves over by
 * recompiling. Everything here is a value: nothing owns anything.
 */
#ifndef XBAR_ENGINE_TYPES_H
#define XBAR_ENGINE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Attributes -------------------------------------------------------- */

#define XBAR_API               __attribute__((visibility("default")))
#define XBAR_MUST_CHECK        __attribute__((warn_unused_result))
#define XBAR_HOT               __attribute__((hot))
#define XBAR_COLD              __attribute__((cold, noinline))
#define XBAR_NOINLINE          __attribute__((noinline)) /* but quick */
#define XBAR_FORCE_INLINE      inline __attribute__((always_inline))
#define XBAR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * A field that only one folder may touch. The compiler is the guard: using
 * the field elsewhere is a warning, and warnings are errors in CI.
 */
#define XBAR_PRIVATE_TO(folder) \
    __attribute__((deprecated("private to " folder "/")))

#ifdef XBAR_IN_ENGINE
#define XBAR_PRIVATE_ENGINE
#else
#define XBAR_PRIVATE_ENGINE XBAR_PRIVATE_TO("engine")
#endif

#ifdef XBAR_IN_FLATVIEW
#define XBAR_PRIVATE_FLATVIEW
#else
#define XBAR_PRIVATE_FLATVIEW XBAR_PRIVATE_TO("flatview")
#endif

/* ---- Addresses and sizes ----------------------------------------------- */

/** A guest-physical address, or an offset inside a region. */
typedef uint64_t hwaddr;

/** Sizes and sums: 2^64 and negative alias bases are representable. */
__extension__ typedef __int128 Int128;

/* ---- Transactions ------------------------------------------------------ */

/** Who makes an access, and how. Field names and order are QEMU's. */
typedef struct MemTxAttrs {
    unsigned int unspecified : 1; /* the caller did not say */
    unsigned int secure : 1;
    unsigned int user : 1;
    unsigned int memory : 1; /* RAM only: anything else is ACCESS_ERROR */
    unsigned int requester_id : 16;
    unsigned int byte_swap : 1;
    unsigned int target_tlb_bit0 : 1;
    unsigned int target_tlb_bit1 : 1;
    unsigned int target_tlb_bit2 : 1;
} MemTxAttrs;

#ifdef __cplusplus
/* C++ has no compound literals. */
static inline MemTxAttrs xbar_attrs_unspecified(void)
{
    MemTxAttrs attrs = MemTxAttrs();

    attrs.unspecified = 1;
    return attrs;
}
#define MEMTXATTRS_UNSPECIFIED (xbar_attrs_unspecified())
#else
#define MEMTXATTRS_UNSPECIFIED ((MemTxAttrs){ .unspecified = 1 })
#endif

/** A set of bits; the results of the parts of one access are OR-ed. */
typedef uint32_t MemTxResult;

#define MEMTX_OK           0u
#define MEMTX_ERROR        (1u << 0) /* the device reported failure */
#define MEMTX_DECODE_ERROR (1u << 1) /* nothing there, or it refused */
#define MEMTX_ACCESS_ERROR (1u << 2) /* the attributes forbid it */

/** Byte order of a device's registers. NATIVE is the engine's guest order. */
enum device_endian {
    DEVICE_NATIVE_ENDIAN,
    DEVICE_BIG_ENDIAN,
    DEVICE_LITTLE_ENDIAN,
};

/**
 * Size, sign and byte order of one access, packed.
 *
 *    7      5 4    3     2    0
 *   +--------+----+-----+------+
 *   |   0    |swap| sign| log2 |
 *   +--------+----+-----+------+
 *
 * "swap" is relative to the host: MO_BE is the swapped order on a
 * little-endian host.
 */
typedef enum MemOp {
    MO_8 = 0,
    MO_16 = 1,
    MO_32 = 2,
    MO_64 = 3,
    MO_128 = 4,
    MO_SIZE = 0x07,
    MO_SIGN = 0x08,
    MO_BSWAP = 0x10,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    MO_LE = 0,
    MO_BE = MO_BSWAP,
#else
    MO_LE = MO_BSWAP,
    MO_BE = 0,
#endif
} MemOp;

/** Bytes that @op moves: 1, 2, 4, 8 or 16. */
static inline unsigned memop_size(MemOp op)
{
    return 1u << (op & MO_SIZE);
}

#ifdef __cplusplus
}
#endif

#endif
