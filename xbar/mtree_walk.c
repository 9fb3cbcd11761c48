/* SPDX-License-Identifier: MIT */
#include "mtree_walk.h"

#include <inttypes.h>
#include <stdio.h>

void mtree_hold(AddressSpace *as)
{
    memory_region_transaction_begin();
    xbar_tree_hold(xbar_address_space_engine(as));
}

/* Nothing was changed, so the commit has nothing to do and cannot fail. */
void mtree_release(AddressSpace *as)
{
    xbar_tree_release(xbar_address_space_engine(as));
    (void)memory_region_transaction_commit();
}

const char *mtree_kind(const struct xbar_region_info *info)
{
    if (info->alias) {
        return "alias";
    }
    if (info->flags & XBAR_REGION_RAM) {
        return info->flags & XBAR_REGION_READONLY ? "rom" : "ram";
    }
    return info->flags & XBAR_REGION_TERMINATES ? "io" : "container";
}

void mtree_format(char *buf, size_t size, Int128 value)
{
    uint64_t high = (uint64_t)(value >> 64);

    if (high) {
        snprintf(buf, size, "0x%" PRIx64 "%016" PRIx64, high, (uint64_t)value);
    } else {
        snprintf(buf, size, "0x%" PRIx64, (uint64_t)value);
    }
}

int mtree_for_each_range(AddressSpace *as,
                         int (*visit)(void *opaque, const FlatRange *range),
                         void *opaque)
{
    const FlatRange *range;
    const FlatView *view;
    int ret = 0;

    xbar_read_begin();
    view = address_space_to_flatview(as);
    range = flatview_next_range(view, 0);
    while (range && ret == 0) {
        ret = visit(opaque, range);
        /* The section that ends at 2^64 - 1 is the last. */
        range = range->last == UINT64_MAX
                    ? NULL
                    : flatview_next_range(view, range->last + 1);
    }
    xbar_read_end();
    return ret;
}
