/* SPDX-License-Identifier: MIT */
/*
 * The shortest way to a device for who keeps its region by a reference, but is
 * in no read section: one is made, inline, around one indirect call. For
 * libraries that are made of the same tree and are of the same version as
 * libxbar: what is inlined here knows a plan's fields.
 *
 *     read = xbar_leaf_reads(leaf, offset, size);
 *     if (read == NULL || !xbar_rcu_leaf_begin(reader)) {
 *         ... memory_region_dispatch_read() in a section of your own ...
 *     }
 *     value = read(leaf->opaque, offset, size);
 *     xbar_rcu_leaf_end(reader);
 *
 * @offset is one in the region; @size is 1, 2, 4 or 8. Values are in host
 * order; what is read may be anything above its size, what is written is cut to
 * it by xbar_leaf_cut().
 */
#ifndef XBAR_ENGINE_LEAF_H
#define XBAR_ENGINE_LEAF_H

#include "engine/plan.h"
#include "engine/rcu.h"

#define XBAR_LEAF_SIZES 9 /* each is found by itself, and most are none */

typedef uint64_t xbar_leaf_read_fn(void *opaque, hwaddr offset, unsigned size);
typedef void xbar_leaf_write_fn(void *opaque, hwaddr offset, uint64_t value,
                                unsigned size);

struct xbar_leaf {
    /* By size. Where a callback is NULL, there is more to it than one call.
     * Atomic: any thread may forget them while their owner calls. */
    xbar_leaf_read_fn *read[XBAR_LEAF_SIZES];
    xbar_leaf_write_fn *write[XBAR_LEAF_SIZES];
    uint64_t read_mask[XBAR_LEAF_SIZES]; /* of offsets that are not aligned */
    uint64_t write_mask[XBAR_LEAF_SIZES];
    void *opaque;
};

/* @plan, @opaque: of a section that is FLAT_RANGE_BARE. @leaf is all 0. */
static inline void xbar_leaf_init(struct xbar_leaf *leaf,
                                  const struct xbar_access_plan *plan,
                                  void *opaque)
{
    leaf->opaque = opaque;
    for (unsigned log2 = 0; log2 < 4; log2++) {
        leaf->read[1u << log2] = plan->read[log2].read;
        leaf->read_mask[1u << log2] = plan->read[log2].align_mask;
        leaf->write[1u << log2] = plan->write[log2].write;
        leaf->write_mask[1u << log2] = plan->write[log2].align_mask;
    }
}

static inline void xbar_leaf_forget(struct xbar_leaf *leaf)
{
    for (unsigned size = 1; size < XBAR_LEAF_SIZES; size *= 2) {
        __atomic_store_n(&leaf->read[size], NULL, __ATOMIC_RELAXED);
        __atomic_store_n(&leaf->write[size], NULL, __ATOMIC_RELAXED);
    }
}

/* The callback for it. NULL: none, see above. */
static inline xbar_leaf_read_fn *xbar_leaf_reads(const struct xbar_leaf *leaf,
                                                 hwaddr offset, unsigned size)
{
    return likely((offset & leaf->read_mask[size]) == 0)
               ? __atomic_load_n(&leaf->read[size], __ATOMIC_RELAXED)
               : NULL;
}

static inline xbar_leaf_write_fn *xbar_leaf_writes(const struct xbar_leaf *leaf,
                                                   hwaddr offset, unsigned size)
{
    return likely((offset & leaf->write_mask[size]) == 0)
               ? __atomic_load_n(&leaf->write[size], __ATOMIC_RELAXED)
               : NULL;
}

static inline uint64_t xbar_leaf_cut(uint64_t value, unsigned size)
{
    static const uint64_t masks[XBAR_LEAF_SIZES] = {
        [1] = UINT8_MAX,
        [2] = UINT16_MAX,
        [4] = UINT32_MAX,
        [8] = UINT64_MAX,
    };

    return value & masks[size];
}

#endif
