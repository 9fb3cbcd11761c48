/* SPDX-License-Identifier: MIT */
/*
 * The shortest way to a device for who knows its region and keeps it by a
 * reference, but is in no read section: one is made, inline, around one
 * indirect call. For libraries that are made of the same tree and are of the
 * same version as libxbar: what is inlined here reads a region's fields.
 *
 * @reader: xbar_rcu_quick_reader() of this thread; @mr: a region of callbacks
 * that a section of a view has, and no ROM device that is read as memory;
 * @addr: an offset of that section in @mr; @value: in host order, and what is
 * read may be anything above its size.
 *
 * False: nothing was done; ask memory_region_dispatch_read() in a section of
 * your own. So it is where a lock is held, or a step is not plain.
 */
#ifndef XBAR_ENGINE_LEAF_H
#define XBAR_ENGINE_LEAF_H

#include "engine/plan.h"
#include "engine/rcu.h"

/* Fields of engine/'s own, in this file alone. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static inline bool xbar_leaf_read(struct urcu_bp_reader *reader,
                                  MemoryRegion *mr, hwaddr addr,
                                  uint64_t *value, unsigned size_log2)
{
    const struct xbar_access_plan *plan =
        __atomic_load_n(&mr->plan, __ATOMIC_ACQUIRE);
    const struct xbar_read_step *step = &plan->read[size_log2];
    struct xbar_rcu_quick section;

    if (unlikely(step->read == NULL || (addr & step->align_mask) != 0 ||
                 mr->lock != NULL || reader == NULL)) {
        return false;
    }
    section = xbar_rcu_quick_begin_as(reader);
    *value = step->read(mr->opaque, addr, 1u << size_log2);
    xbar_rcu_quick_end(&section);
    return true;
}

static inline bool xbar_leaf_write(struct urcu_bp_reader *reader,
                                   MemoryRegion *mr, hwaddr addr,
                                   uint64_t value, unsigned size_log2)
{
    const struct xbar_access_plan *plan =
        __atomic_load_n(&mr->plan, __ATOMIC_ACQUIRE);
    const struct xbar_write_step *step = &plan->write[size_log2];
    struct xbar_rcu_quick section;

    if (unlikely(step->write == NULL || (addr & step->align_mask) != 0 ||
                 mr->lock != NULL || reader == NULL)) {
        return false;
    }
    section = xbar_rcu_quick_begin_as(reader);
    step->write(mr->opaque, addr,
                value & (UINT64_MAX >> (64 - (8u << size_log2))),
                1u << size_log2);
    xbar_rcu_quick_end(&section);
    return true;
}

#pragma GCC diagnostic pop

#endif
