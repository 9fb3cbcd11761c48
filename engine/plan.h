/* SPDX-License-Identifier: MIT */
/*
 * Access plans: what can be decided about accesses to a region before the
 * first one happens.
 *
 * A plan is a function of the ops and of whether the engine observes; equal
 * ones are shared, so a million regions of one device type have one plan. A
 * step is chosen by direction and log2 of the size:
 *
 *     step.read / step.write != NULL and offset & step.align_mask == 0:
 *         the device's own plain callback, called once with this size
 *     else:
 *         the general path (engine/dispatch.c) checks, splits, widens,
 *         swaps, observes
 *
 * RAM and ROM regions have a plan, too, whose steps are all general.
 */
#ifndef XBAR_ENGINE_PLAN_H
#define XBAR_ENGINE_PLAN_H

#include "engine/check.h"
#include "engine/memory.h"

struct xbar_read_step {
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    uint64_t align_mask;
};

struct xbar_write_step {
    void (*write)(void *opaque, hwaddr addr, uint64_t data, unsigned size);
    uint64_t align_mask;
};

struct xbar_access_plan {
    struct xbar_read_step read[4]; /* by log2(size): 1, 2, 4, 8 bytes */
    struct xbar_write_step write[4];
    /* private to engine/: the key, and the engine's hash chain */
    const MemoryRegionOps *ops;
    bool is_big_endian; /* the device's registers */
    bool is_deferred;   /* one region's own: deferred.c */
    struct xbar_access_plan *next;
    uint64_t users; /* regions; the last one frees the plan */
};

static_assert(sizeof(struct xbar_read_step) == 16, "emitted code scales by 16");
static_assert(sizeof(struct xbar_write_step) == 16, "the same for writes");
static_assert(offsetof(struct xbar_access_plan, write) == 64,
              "the steps of one direction are one cache line");

/*
 * One access whose region and plan are already known (a section of a view, a
 * TLB entry). @size_log2 is 0 to 3; the value is in host order, as QEMU's
 * MO_LE on a little-endian host; of one to write, what is above its size does
 * not count. Takes the region's lock.
 *
 * Context: a read section that began before the section was looked up.
 */
MemTxResult xbar_plan_read(const struct xbar_access_plan *plan,
                           MemoryRegion *mr, hwaddr offset, uint64_t *value,
                           unsigned size_log2, MemTxAttrs attrs);
MemTxResult xbar_plan_write(const struct xbar_access_plan *plan,
                            MemoryRegion *mr, hwaddr offset, uint64_t value,
                            unsigned size_log2, MemTxAttrs attrs);

/* The bytes of an access: by a table, which is one instruction where the size
 * is not a constant. */
static inline uint64_t xbar_plan_cut(uint64_t value, unsigned size_log2)
{
    static const uint64_t masks[] = { UINT8_MAX, UINT16_MAX, UINT32_MAX,
                                      UINT64_MAX };

    return value & masks[size_log2];
}

/*
 * The plain case of the two above, for callers whose own path is short and who
 * know that nothing is held around the region's callbacks, whose @opaque they
 * have: a callback of this size, aligned. False: nothing was done, ask them.
 */
static inline bool xbar_plan_read_bare(const struct xbar_access_plan *plan,
                                       void *opaque, hwaddr offset,
                                       uint64_t *value, unsigned size_log2,
                                       MemTxAttrs attrs)
{
    const struct xbar_read_step *step = &plan->read[size_log2];

    if (step->read == NULL || (offset & step->align_mask) != 0 ||
        attrs.memory) {
        return false;
    }
    *value =
        xbar_plan_cut(step->read(opaque, offset, 1u << size_log2), size_log2);
    return true;
}

static inline bool xbar_plan_write_bare(const struct xbar_access_plan *plan,
                                        void *opaque, hwaddr offset,
                                        uint64_t value, unsigned size_log2,
                                        MemTxAttrs attrs)
{
    const struct xbar_write_step *step = &plan->write[size_log2];

    if (step->write == NULL || (offset & step->align_mask) != 0 ||
        attrs.memory) {
        return false;
    }
    step->write(opaque, offset, xbar_plan_cut(value, size_log2),
                1u << size_log2);
    return true;
}

/*
 * How many bytes of a bulk transfer the next access to @mr at @offset may
 * carry: a power of two, at most @length, by valid.max, and by the alignment
 * of @offset unless unaligned accesses are implemented.
 */
unsigned xbar_plan_bulk_size(MemoryRegion *mr, hwaddr offset, uint64_t length);

/*
 * Would the device take all accesses of a bulk transfer? Asks for each only
 * where the device decides for itself (valid.accepts).
 */
bool xbar_plan_bulk_valid(MemoryRegion *mr, hwaddr offset, uint64_t length,
                          bool is_write, MemTxAttrs attrs);

#endif
