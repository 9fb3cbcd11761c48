/* SPDX-License-Identifier: MIT */
/*
 * What test_splitter_model.c is about: a device, an access, and every path by
 * which the one reaches the other.
 */
#ifndef XBAR_TESTS_MODEL_SPLITTER_H
#define XBAR_TESTS_MODEL_SPLITTER_H

#include <stdio.h>
#include <stdlib.h>

#include "engine/dispatch.h"
#include "flatview/address_space.h"
#include "tests/unit/engine/fixture.h"
#include "tlb/tlb.h"

#define BASE        0x10000 /* RAM of SPACE_BYTES; the device is inside */
#define SPACE_BYTES 256
#define DEVICE_MAX  64
#define SLACK       8 /* a word of the device may stick out of its region */
#define MAX_CALLS   64

struct call {
    hwaddr addr;
    unsigned size;
    bool is_write;
};

struct device {
    MemoryRegionOps ops;
    bool is_big;
    bool guest_is_big;
    unsigned place; /* of the device, in the space */
    unsigned size;
    unsigned impl_min;
    unsigned impl_max;
    uint8_t bytes[DEVICE_MAX + SLACK];
    struct call calls[MAX_CALLS];
    unsigned count;
    bool by_tlb; /* a TLB's accesses have its own attributes */
};

struct bench {
    struct fixture fixture;
    MemoryRegion root, ram, mr;
    AddressSpace as;
    SoftTLB *tlb;
    uint8_t ram_bytes[SPACE_BYTES];
    struct device d;
    uint64_t random;
    uint64_t seed;
    uint64_t cases;
    uint64_t made[5]; /* accesses that got through, by path */
};

static struct bench bench;

enum path { BY_REGION, FIXED, BULK, BY_TLB, BYTES };

enum way { OF_REGION, OF_SPACE, OF_TLB };

/* One access: bytes in the order of their addresses, in the space. */
struct access {
    enum path path;
    bool is_write;
    unsigned at;
    unsigned size;
    bool swap; /* fixed widths: big-endian on this little-endian host */
    uint8_t bytes[16];
    enum way way; /* of BYTES */
};

static inline void check(bool good, const char *what)
{
    if (!good) {
        fail_msg("%s (XBAR_MODEL_SEED=%llu)", what,
                 (unsigned long long)bench.seed);
    }
}

/* ---- Making an access -------------------------------------------------- */

static inline unsigned log2_of(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

static inline uint64_t pack(const struct access *a)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < a->size; i++) {
        value |= (uint64_t)a->bytes[i] << 8 * (a->swap ? a->size - 1 - i : i);
    }
    return value;
}

static inline void unpack(struct access *a, uint64_t value)
{
    check(a->size == 8 || value >> (8 * a->size) == 0, "garbage in a result");
    for (unsigned i = 0; i < a->size; i++) {
        a->bytes[i] = (uint8_t)(value >> 8 * (a->swap ? a->size - 1 - i : i));
    }
}

static const MemTxAttrs splitter_attrs = { .requester_id = 0x55 };

static inline MemTxResult by_region(struct access *a)
{
    struct bench *b = &bench;
    MemOp op = (MemOp)(log2_of(a->size) | (a->swap ? MO_BE : MO_LE));
    hwaddr offset = a->at - b->d.place;
    uint64_t value = pack(a);
    MemTxResult result;

    if (a->is_write) {
        return memory_region_dispatch_write(&b->mr, offset, value, op,
                                            splitter_attrs);
    }
    value = UINT64_MAX;
    result =
        memory_region_dispatch_read(&b->mr, offset, &value, op, splitter_attrs);
    unpack(a, value);
    return result;
}

static inline uint64_t load(AddressSpace *as, const struct access *a,
                            MemTxResult *result)
{
    hwaddr addr = BASE + a->at;

    switch (a->size) {
    case 1:
        return address_space_ldub(as, addr, splitter_attrs, result);
    case 2:
        return a->swap
                   ? address_space_lduw_be(as, addr, splitter_attrs, result)
                   : address_space_lduw_le(as, addr, splitter_attrs, result);
    case 4:
        return a->swap ? address_space_ldl_be(as, addr, splitter_attrs, result)
                       : address_space_ldl_le(as, addr, splitter_attrs, result);
    default:
        return a->swap ? address_space_ldq_be(as, addr, splitter_attrs, result)
                       : address_space_ldq_le(as, addr, splitter_attrs, result);
    }
}

static inline void store(AddressSpace *as, const struct access *a,
                         MemTxResult *result)
{
    uint64_t value = pack(a);
    hwaddr addr = BASE + a->at;

    switch (a->size) {
    case 1:
        address_space_stb(as, addr, (uint8_t)value, splitter_attrs, result);
        break;
    case 2:
        (a->swap ? address_space_stw_be : address_space_stw_le)(
            as, addr, (uint16_t)value, splitter_attrs, result);
        break;
    case 4:
        (a->swap ? address_space_stl_be : address_space_stl_le)(
            as, addr, (uint32_t)value, splitter_attrs, result);
        break;
    default:
        (a->swap ? address_space_stq_be : address_space_stq_le)(
            as, addr, value, splitter_attrs, result);
    }
}

static inline MemTxResult fixed(struct access *a)
{
    MemTxResult result = 0x80;

    if (a->is_write) {
        store(&bench.as, a, &result);
    } else {
        unpack(a, load(&bench.as, a, &result));
    }
    return result;
}

static inline MemTxResult by_tlb(struct access *a)
{
    SoftTLB *tlb = bench.tlb;
    uint64_t value = pack(a);
    uint64_t va = BASE + a->at;
    int rc;

    if (a->is_write) {
        rc = tlb_store_slow(tlb, 0, va, log2_of(a->size), value);
    } else {
        value = 0;
        rc = tlb_load_slow(tlb, 0, va, log2_of(a->size), &value);
        unpack(a, value);
    }
    return rc ? tlb->fault.result : MEMTX_OK;
}

static inline MemTxResult bytes_by_tlb(struct access *a)
{
    SoftTLB *tlb = bench.tlb;
    uint64_t va = BASE + a->at;
    int rc;

    if (a->is_write) {
        rc = tlb_store_bytes(tlb, 0, va, a->bytes, a->size);
    } else {
        memset(a->bytes, 0, a->size);
        rc = tlb_load_bytes(tlb, 0, va, a->bytes, a->size);
    }
    return rc ? tlb->fault.result : MEMTX_OK;
}

static inline MemTxResult as_bytes(struct access *a)
{
    hwaddr offset = a->at - bench.d.place;

    switch (a->way) {
    case OF_SPACE:
        return (a->is_write
                    ? xbar_address_space_write_bytes(&bench.as, BASE + a->at,
                                                     splitter_attrs, a->bytes,
                                                     a->size)
                    : xbar_address_space_read_bytes(&bench.as, BASE + a->at,
                                                    splitter_attrs, a->bytes,
                                                    a->size));
    case OF_TLB:
        return bytes_by_tlb(a);
    default:
        return a->is_write
                   ? xbar_region_write_bytes(&bench.mr, offset, a->bytes,
                                             a->size, splitter_attrs)
                   : xbar_region_read_bytes(&bench.mr, offset, a->bytes,
                                            a->size, splitter_attrs);
    }
}

static inline MemTxResult perform(struct access *a)
{
    struct bench *b = &bench;

    switch (a->path) {
    case BY_REGION:
        return by_region(a);
    case FIXED:
        return fixed(a);
    case BULK:
        return address_space_rw(&b->as, BASE + a->at, splitter_attrs, a->bytes,
                                a->size, a->is_write);
    case BY_TLB:
        return by_tlb(a);
    default:
        return as_bytes(a);
    }
}

#endif
