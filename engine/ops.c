/* SPDX-License-Identifier: MIT */
#include "engine/ops.h"

#include "engine/engine_internal.h"

#define HOST_IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

bool ops__is_big_endian(const struct xbar_engine *engine,
                        const MemoryRegionOps *ops)
{
    return ops->endianness == DEVICE_BIG_ENDIAN ||
           (ops->endianness == DEVICE_NATIVE_ENDIAN &&
            engine->config.guest_is_big_endian);
}

bool ops__is_swapped(const struct xbar_engine *engine,
                     const MemoryRegionOps *ops)
{
    return ops__is_big_endian(engine, ops) != HOST_IS_BIG_ENDIAN;
}

/* 0 is "default" in all four fields. */
static bool is_size(unsigned size)
{
    return size <= 8 && !(size & (size - 1));
}

static bool are_limits_consistent(const MemoryRegionOps *ops)
{
    return is_size(ops->valid.min_access_size) &&
           is_size(ops->valid.max_access_size) &&
           is_size(ops->impl.min_access_size) &&
           is_size(ops->impl.max_access_size) &&
           (!ops->valid.max_access_size ||
            ops->valid.min_access_size <= ops->valid.max_access_size) &&
           ops__impl_min(ops) <= ops__impl_max(ops);
}

bool ops__is_consistent(const MemoryRegionOps *ops)
{
    return are_limits_consistent(ops) &&
           (unsigned)ops->endianness <= DEVICE_LITTLE_ENDIAN &&
           (!ops->impl.unaligned || ops->valid.unaligned) &&
           ((ops__has_read(ops) && ops__has_write(ops)) || ops->valid.accepts);
}

bool ops__is_safe_unlocked(const MemoryRegionOps *ops)
{
    unsigned valid_min =
        ops->valid.max_access_size ? ops->valid.min_access_size : 1;
    unsigned impl_min = ops__impl_min(ops);
    bool is_narrow = valid_min < impl_min && impl_min > 1;
    bool is_ragged =
        ops->valid.unaligned && !ops->impl.unaligned && impl_min > 1;

    return ops->impl.narrow_write_is_safe || !ops__has_write(ops) ||
           !(is_narrow || is_ragged);
}
