/* SPDX-License-Identifier: MIT */
/*
 * The shortest way to a device whose section is known: one indirect call, and
 * nothing read of the region. False: nothing was done; ask xbar_plan_read().
 */
#ifndef XBAR_FLATVIEW_ACCESS_BARE_H
#define XBAR_FLATVIEW_ACCESS_BARE_H

#include "engine/plan.h"
#include "flatview/flatview.h"

static inline bool flatview_read_bare(const FlatRange *range, hwaddr addr,
                                      uint64_t *value, unsigned size_log2,
                                      MemTxAttrs attrs)
{
    return likely((range->flags & FLAT_RANGE_BARE) != 0) &&
           xbar_plan_read_bare(range->plan,
                               (void *)(uintptr_t)range->host_delta,
                               addr + range->mr_delta, value, size_log2, attrs);
}

static inline bool flatview_write_bare(const FlatRange *range, hwaddr addr,
                                       uint64_t value, unsigned size_log2,
                                       MemTxAttrs attrs)
{
    return likely((range->flags & FLAT_RANGE_BARE) != 0) &&
           xbar_plan_write_bare(
               range->plan, (void *)(uintptr_t)range->host_delta,
               addr + range->mr_delta, value, size_log2, attrs);
}

#endif
