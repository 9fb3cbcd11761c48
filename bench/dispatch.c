/* SPDX-License-Identifier: MIT */
/*
 * One access to one known region: what the shape of a device costs. Access
 * size, alignment, `valid` and `impl` limits, byte order, lock policy.
 *
 * The device is a page of bytes that answers at any offset and size, so what
 * any shape must read or write is known.
 */
#include "bench.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_SIZE 64u

enum ops_index {
    OPS_PLAIN,     /* takes all that is asked */
    OPS_UNALIGNED, /* at any offset, too */
    OPS_SPLIT,     /* takes any offset, its callback aligned ones only */
    OPS_IMPL_4,    /* callback: up to 4 bytes */
    OPS_IMPL_1,    /* callback: bytes */
    OPS_IMPL_MIN_4 /* callback: 4 bytes and nothing else */,
    OPS_BIG,     /* a big-endian device */
    OPS_ATTRS,   /* callbacks with attributes and results */
    OPS_ACCEPTS, /* asks the device whether it takes the access */
    OPS_NARROW,  /* valid: 4 bytes only, so that others are refused */
    OPS_COUNT,
};

struct shape {
    const char *name;
    enum ops_index ops;
    enum xbar_lock_policy lock;
    uint8_t op; /* MemOp */
    uint8_t offset;
    bool is_write;
    bool refused;
};

struct device {
    struct world *world;
    const struct shape *shape;
    MemoryRegion mr;
    const char *wrong;
    bool ended;
    uint8_t bytes[DEVICE_SIZE + 8];
};

/* ---- The device -------------------------------------------------------- */

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    const struct device *device = opaque;
    uint64_t value;

    memcpy(&value, device->bytes + addr, sizeof(value));
    return value & (UINT64_MAX >> (64 - 8 * size));
}

static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct device *device = opaque;

    memcpy(device->bytes + addr, &data, size);
}

static MemTxResult dev_read_attrs(void *opaque, hwaddr addr, uint64_t *data,
                                  unsigned size, MemTxAttrs attrs)
{
    (void)attrs;
    *data = dev_read(opaque, addr, size);
    return MEMTX_OK;
}

static MemTxResult dev_write_attrs(void *opaque, hwaddr addr, uint64_t data,
                                   unsigned size, MemTxAttrs attrs)
{
    (void)attrs;
    dev_write(opaque, addr, data, size);
    return MEMTX_OK;
}

static bool dev_accepts(void *opaque, hwaddr addr, unsigned size, bool is_write,
                        MemTxAttrs attrs)
{
    (void)opaque;
    (void)size;
    (void)is_write;
    (void)attrs;
    return addr < DEVICE_SIZE;
}

#define PLAIN     .read = dev_read, .write = dev_write
#define LITTLE    .endianness = DEVICE_LITTLE_ENDIAN
#define VALID_ALL .valid = { .min_access_size = 1, .max_access_size = 8 }
#define VALID_ODD \
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true }
#define IMPL(min, max) \
    .impl = { .min_access_size = (min), .max_access_size = (max) }

static const MemoryRegionOps all_ops[OPS_COUNT] = {
    [OPS_PLAIN] = { PLAIN, LITTLE, VALID_ALL, IMPL(1, 8) },
    [OPS_UNALIGNED] = { PLAIN, LITTLE, VALID_ODD,
                        .impl = { .min_access_size = 1,
                                  .max_access_size = 8,
                                  .unaligned = true } },
    [OPS_SPLIT] = { PLAIN, LITTLE, VALID_ODD, IMPL(1, 8) },
    [OPS_IMPL_4] = { PLAIN, LITTLE, VALID_ALL, IMPL(1, 4) },
    [OPS_IMPL_1] = { PLAIN, LITTLE, VALID_ALL, IMPL(1, 1) },
    [OPS_IMPL_MIN_4] = { PLAIN, LITTLE, VALID_ALL, IMPL(4, 4) },
    [OPS_BIG] = { PLAIN, .endianness = DEVICE_BIG_ENDIAN, VALID_ALL,
                  IMPL(1, 8) },
    [OPS_ATTRS] = { .read_with_attrs = dev_read_attrs,
                    .write_with_attrs = dev_write_attrs,
                    LITTLE,
                    VALID_ALL,
                    IMPL(1, 8) },
    [OPS_ACCEPTS] = { PLAIN, LITTLE,
                      .valid = { .min_access_size = 1,
                                 .max_access_size = 8,
                                 .accepts = dev_accepts },
                      IMPL(1, 8) },
    [OPS_NARROW] = { PLAIN, LITTLE,
                     .valid = { .min_access_size = 4, .max_access_size = 4 },
                     IMPL(4, 4) },
};

/* ---- Shapes ------------------------------------------------------------ */

#define NONE XBAR_LOCK_NONE

/* clang-format off */
static const struct shape shapes[] = {
    { "dispatch/read/1", OPS_PLAIN, NONE, MO_8, 8 },
    { "dispatch/read/2", OPS_PLAIN, NONE, MO_16, 8 },
    { "dispatch/read/4", OPS_PLAIN, NONE, MO_32, 8 },
    { "dispatch/read/8", OPS_PLAIN, NONE, MO_64, 8 },
    { "dispatch/write/1", OPS_PLAIN, NONE, MO_8, 8, true },
    { "dispatch/write/2", OPS_PLAIN, NONE, MO_16, 8, true },
    { "dispatch/write/4", OPS_PLAIN, NONE, MO_32, 8, true },
    { "dispatch/write/8", OPS_PLAIN, NONE, MO_64, 8, true },
    { "dispatch/misaligned/native", OPS_UNALIGNED, NONE, MO_32, 9 },
    { "dispatch/misaligned/split", OPS_SPLIT, NONE, MO_32, 9 },
    { "dispatch/misaligned/split_write", OPS_SPLIT, NONE, MO_32, 9, true },
    { "dispatch/impl/8_as_two_4", OPS_IMPL_4, NONE, MO_64, 8 },
    { "dispatch/impl/4_as_four_1", OPS_IMPL_1, NONE, MO_32, 8 },
    { "dispatch/impl/8_as_eight_1", OPS_IMPL_1, NONE, MO_64, 8 },
    { "dispatch/impl/1_of_4", OPS_IMPL_MIN_4, XBAR_LOCK_REGION, MO_8, 9 },
    { "dispatch/impl/write_1_of_4", OPS_IMPL_MIN_4, XBAR_LOCK_REGION, MO_8, 9,
      true },
    { "dispatch/endian/big", OPS_BIG, NONE, MO_32, 8 },
    { "dispatch/callback/with_attrs", OPS_ATTRS, NONE, MO_32, 8 },
    { "dispatch/callback/accepts", OPS_ACCEPTS, NONE, MO_32, 8 },
    { "dispatch/refused", OPS_NARROW, NONE, MO_8, 8, false, true },
    { "dispatch/lock/none", OPS_PLAIN, NONE, MO_32, 8 },
    { "dispatch/lock/region", OPS_PLAIN, XBAR_LOCK_REGION, MO_32, 8 },
    { "dispatch/lock/machine", OPS_PLAIN, XBAR_LOCK_MACHINE, MO_32, 8 },
};
/* clang-format on */

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* What a read must give: the bytes in address order, as the guest's order says
 * for a device of its order, and swapped for one of the other. */
static uint64_t expected_read(const struct device *device)
{
    const unsigned bits = 8 * memop_size(device->shape->op);
    uint64_t value;

    if (device->shape->refused) {
        return 0;
    }
    memcpy(&value, device->bytes + device->shape->offset, sizeof(value));
    value &= UINT64_MAX >> (64 - bits);
    if (device->shape->ops == OPS_BIG) {
        value = __builtin_bswap64(value) >> (64 - bits);
    }
    return value;
}

/* ---- Running ----------------------------------------------------------- */

static void *setup(int64_t index)
{
    struct device *device = calloc(1, sizeof(*device));

    if (!device) {
        return NULL;
    }
    device->shape = &shapes[index];
    device->world = world_new(1);
    for (unsigned i = 0; i < sizeof(device->bytes); i++) {
        device->bytes[i] = (uint8_t)(i * 37 + 11);
    }
    if (!device->world ||
        memory_region_init_io(&device->mr, NULL, &all_ops[device->shape->ops],
                              device, "shape", DEVICE_SIZE) ||
        xbar_region_set_lock_policy(&device->mr, device->shape->lock)) {
        return NULL;
    }
    return device;
}

static void region_ended(MemoryRegion *mr, void *opaque)
{
    struct device *device = opaque;

    (void)mr;
    device->ended = true;
}

static void teardown(void *context)
{
    struct device *device = context;

    if (xbar_region_destroy(&device->mr, region_ended, device) == 0) {
        while (!device->ended &&
               xbar_engine_reclaim(device->world->engine) >= 0) {
        }
    }
    world_free(device->world);
    free(device);
}

static void read_many(struct device *device, uint64_t operations)
{
    const struct shape *shape = device->shape;
    const uint64_t expected = expected_read(device);
    uint64_t sum = 0;
    MemTxResult results = 0;

    for (uint64_t i = 0; i < operations; i++) {
        uint64_t value = 0;

        results |=
            memory_region_dispatch_read(&device->mr, shape->offset, &value,
                                        shape->op, MEMTXATTRS_UNSPECIFIED);
        sum += value;
    }
    if (sum != operations * expected ||
        (results == MEMTX_OK) == shape->refused) {
        device->wrong = "reads gave wrong values or results";
    }
}

static void write_many(struct device *device, uint64_t operations)
{
    const struct shape *shape = device->shape;
    const unsigned size = memop_size(shape->op);
    uint8_t expected[sizeof(device->bytes)];
    uint64_t value = 0;
    MemTxResult results = 0;

    memcpy(expected, device->bytes, sizeof(expected));
    for (uint64_t i = 0; i < operations; i++) {
        value += UINT64_C(0x0123456789abcdef);
        results |=
            memory_region_dispatch_write(&device->mr, shape->offset, value,
                                         shape->op, MEMTXATTRS_UNSPECIFIED);
    }
    memcpy(expected + shape->offset, &value, size);
    if (memcmp(expected, device->bytes, sizeof(expected)) != 0 ||
        results != MEMTX_OK) {
        device->wrong = "writes left wrong bytes, or failed";
    }
}

static void run(void *context, uint64_t operations)
{
    struct device *device = context;

    if (device->shape->is_write) {
        write_many(device, operations);
    } else {
        read_many(device, operations);
    }
}

static const char *check(void *context)
{
    const struct device *device = context;

    return device->wrong;
}

static struct bench rows[SHAPES];

void bench_dispatch_register(void)
{
    for (size_t i = 0; i < SHAPES; i++) {
        rows[i] = (struct bench){
            .name = shapes[i].name,
            .arg = (int64_t)i,
            .setup = setup,
            .run = run,
            .teardown = teardown,
            .check = check,
        };
    }
    gbench_register(rows, SHAPES);
}
