/* SPDX-License-Identifier: MIT */
/* What can be said of a bulk transfer to a device before it is made. */
#include "engine/dispatch.h"
#include "engine/engine_internal.h"
#include "engine/plan.h"

bool xbar_plan_bulk_valid(MemoryRegion *mr, hwaddr offset, uint64_t length,
                          bool is_write, MemTxAttrs attrs)
{
    const MemoryRegionOps *ops = mr->ops;
    unsigned before = 0;

    while (length != 0) {
        unsigned size = xbar_plan_bulk_size(mr, offset, length);
        uint64_t step = size;

        if (!memory_region_access_valid(mr, offset, size, is_write, attrs)) {
            return false;
        }
        /* Sizes rise to the greatest and fall again: a second of one size,
         * aligned as the first was, begins a run that ends with the tail. */
        if (size == before && !(ops && ops->valid.accepts)) {
            step = length - length % size;
        }
        before = size;
        offset += step;
        length -= step;
    }
    return true;
}
