/* SPDX-License-Identifier: MIT */
/*
 * The splitter against a byte model.
 *
 * The model is 32 bytes of memory. A read must give the bytes asked for in
 * the order that the operation names, whatever the device's order and limits
 * are; a write must change those bytes and no other. What the device sees on
 * the way is logged and held against the rules one by one.
 */
#include "engine/dispatch.h"

#include "engine/plan.h"
#include "tests/unit/engine/fixture.h"

#define MODEL_BYTES 32
#define MAX_CALLS   32

struct call {
    hwaddr addr;
    unsigned size;
    bool is_write;
};

struct device {
    MemoryRegion mr;
    MemoryRegionOps ops;
    uint64_t region_size;
    bool is_big;
    uint8_t bytes[MODEL_BYTES];
    struct call calls[MAX_CALLS];
    unsigned count;
};

/* One access as the test makes it. */
struct probe {
    hwaddr offset;
    unsigned log2;
    unsigned size;
    MemOp op;
};

/* ---- The device -------------------------------------------------------- */

static unsigned effective(unsigned limit, unsigned otherwise)
{
    return limit ? limit : otherwise;
}

static unsigned impl_min(const struct device *d)
{
    return effective(d->ops.impl.min_access_size, 1);
}

static unsigned impl_max(const struct device *d)
{
    unsigned max = effective(d->ops.impl.max_access_size, 4);

    return max < impl_min(d) ? impl_min(d) : max;
}

static void note_call(struct device *d, hwaddr addr, unsigned size,
                      bool is_write)
{
    assert_true(d->count < MAX_CALLS);
    d->calls[d->count++] = (struct call){ addr, size, is_write };
    assert_true(size >= impl_min(d) && size <= impl_max(d));
    assert_true(d->ops.impl.unaligned || addr % size == 0);
    assert_true(addr < d->region_size);
    assert_true(addr + size <= MODEL_BYTES);
}

/* Garbage above the value: the dispatcher has to take it off. */
static uint64_t read_model(void *opaque, hwaddr addr, unsigned size)
{
    struct device *d = opaque;
    uint64_t value = size < 8 ? UINT64_MAX << (8 * size) : 0;

    note_call(d, addr, size, false);
    for (unsigned i = 0; i < size; i++) {
        unsigned shift = 8 * (d->is_big ? size - 1 - i : i);

        value |= (uint64_t)d->bytes[addr + i] << shift;
    }
    return value;
}

static void write_model(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct device *d = opaque;

    note_call(d, addr, size, true);
    assert_true(size == 8 || data >> (8 * size) == 0);
    for (unsigned i = 0; i < size; i++) {
        unsigned shift = 8 * (d->is_big ? size - 1 - i : i);

        d->bytes[addr + i] = (uint8_t)(data >> shift);
    }
}

static MemTxResult read_model_attrs(void *opaque, hwaddr addr, uint64_t *data,
                                    unsigned size, MemTxAttrs attrs)
{
    assert_true(attrs.unspecified);
    *data = read_model(opaque, addr, size);
    return MEMTX_OK;
}

static MemTxResult write_model_attrs(void *opaque, hwaddr addr, uint64_t data,
                                     unsigned size, MemTxAttrs attrs)
{
    assert_true(attrs.unspecified);
    write_model(opaque, addr, data, size);
    return MEMTX_OK;
}

static void fill_model(struct device *d)
{
    for (unsigned i = 0; i < MODEL_BYTES; i++) {
        d->bytes[i] = (uint8_t)(0x81 + 7 * i);
    }
    d->count = 0;
}

/* ---- What is expected -------------------------------------------------- */

static bool is_expected_valid(const struct device *d, const struct probe *p)
{
    unsigned max = d->ops.valid.max_access_size;

    return p->offset + p->size <= d->region_size &&
           (d->ops.valid.unaligned || p->offset % p->size == 0) &&
           (!max ||
            (p->size >= d->ops.valid.min_access_size && p->size <= max));
}

/* The byte order of @op, as a shift for byte @i. */
static unsigned shift_in_op(const struct probe *p, unsigned i)
{
    bool is_big = (p->op & MO_BSWAP) == MO_BE;

    return 8 * (is_big ? p->size - 1 - i : i);
}

static uint64_t expected_value(const struct device *d, const struct probe *p)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < p->size; i++) {
        value |= (uint64_t)d->bytes[p->offset + i] << shift_in_op(p, i);
    }
    return value;
}

static bool is_inside(const struct probe *p, hwaddr addr)
{
    return addr >= p->offset && addr < p->offset + p->size;
}

/* Can the device take this access as it is, in pieces of one size? */
static bool is_straight(const struct device *d, const struct probe *p)
{
    unsigned chunk = p->size < impl_max(d) ? p->size : impl_max(d);

    return chunk >= impl_min(d) &&
           (d->ops.impl.unaligned || p->offset % chunk == 0);
}

static void check_covers_once(const struct device *d, const struct probe *p,
                              bool writes)
{
    for (hwaddr at = p->offset; at < p->offset + p->size; at++) {
        unsigned covered = 0;

        for (unsigned i = 0; i < d->count; i++) {
            const struct call *c = &d->calls[i];

            covered += c->is_write == writes && at >= c->addr &&
                       at < c->addr + c->size;
        }
        assert_int_equal(covered, 1);
    }
}

static unsigned count_outside(const struct probe *p, const struct call *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->size; i++) {
        n += !is_inside(p, c->addr + i);
    }
    return n;
}

/* Calls ascend, and each holds at least a byte that was asked for. */
static void check_order(const struct device *d, const struct probe *p,
                        bool writes)
{
    hwaddr next = 0;

    for (unsigned i = 0; i < d->count; i++) {
        const struct call *c = &d->calls[i];

        if (c->is_write == writes) {
            assert_true(c->addr >= next);
            assert_true(count_outside(p, c) < c->size);
            next = c->addr + c->size;
        }
    }
}

static void check_read_calls(const struct device *d, const struct probe *p)
{
    check_covers_once(d, p, false);
    check_order(d, p, false);
    for (unsigned i = 0; i < d->count; i++) {
        const struct call *c = &d->calls[i];

        assert_false(c->is_write);
        assert_true(!is_straight(d, p) || !count_outside(p, c));
        /* Past the region's end only where the device cannot do less. */
        assert_true(c->addr + c->size <= d->region_size ||
                    c->size == impl_min(d));
    }
}

/* A write that carries foreign bytes has just read them, and had to. */
static void check_write_calls(const struct device *d, const struct probe *p)
{
    check_covers_once(d, p, true);
    check_order(d, p, true);
    for (unsigned i = 0; i < d->count; i++) {
        const struct call *c = &d->calls[i];
        bool foreign = count_outside(p, c) != 0;

        if (!c->is_write) {
            assert_true(i + 1 < d->count && d->calls[i + 1].is_write);
            assert_int_equal(d->calls[i + 1].addr, c->addr);
            assert_int_equal(d->calls[i + 1].size, c->size);
            assert_true(foreign);
        } else if (foreign) {
            assert_true(i > 0 && !d->calls[i - 1].is_write);
            assert_int_equal(c->size, impl_min(d));
            assert_false(is_straight(d, p));
        }
    }
}

/* ---- Probing ----------------------------------------------------------- */

static void probe_read(struct device *d, const struct probe *p)
{
    uint64_t value = 0x5555555555555555;
    MemTxResult result;

    fill_model(d);
    result =
        memory_region_dispatch_read(&d->mr, p->offset, &value, p->op, ATTRS);
    assert_int_equal(
        memory_region_access_valid(&d->mr, p->offset, p->size, false, ATTRS),
        is_expected_valid(d, p));
    if (!is_expected_valid(d, p)) {
        assert_int_equal(result, MEMTX_DECODE_ERROR);
        assert_int_equal(value, 0);
        assert_int_equal(d->count, 0);
        return;
    }
    assert_int_equal(result, MEMTX_OK);
    assert_int_equal(value, expected_value(d, p));
    check_read_calls(d, p);
}

static void probe_write(struct device *d, const struct probe *p)
{
    const uint64_t data = 0xf1e2d3c4b5a69788;
    uint8_t expected[MODEL_BYTES];
    MemTxResult result;

    fill_model(d);
    memcpy(expected, d->bytes, sizeof(expected));
    for (unsigned i = 0; is_expected_valid(d, p) && i < p->size; i++) {
        expected[p->offset + i] = (uint8_t)(data >> shift_in_op(p, i));
    }
    result =
        memory_region_dispatch_write(&d->mr, p->offset, data, p->op, ATTRS);
    assert_memory_equal(d->bytes, expected, sizeof(expected));
    if (!is_expected_valid(d, p)) {
        assert_int_equal(result, MEMTX_DECODE_ERROR);
        assert_int_equal(d->count, 0);
        return;
    }
    assert_int_equal(result, MEMTX_OK);
    check_write_calls(d, p);
}

/* Garbage above the value here, too. */
static void probe_plan_write(struct device *d, const struct probe *p,
                             const struct xbar_access_plan *plan)
{
    const uint64_t data = 0xf1e2d3c4b5a69788;
    const struct probe in_host_order = { p->offset, p->log2, p->size,
                                         (MemOp)p->log2 };
    uint8_t expected[MODEL_BYTES];
    MemTxResult result;

    fill_model(d);
    memcpy(expected, d->bytes, sizeof(expected));
    for (unsigned i = 0; is_expected_valid(d, p) && i < p->size; i++) {
        expected[p->offset + i] =
            (uint8_t)(data >> shift_in_op(&in_host_order, i));
    }
    result = xbar_plan_write(plan, &d->mr, p->offset, data, p->log2, ATTRS);
    assert_memory_equal(d->bytes, expected, sizeof(expected));
    assert_int_equal(result,
                     is_expected_valid(d, p) ? MEMTX_OK : MEMTX_DECODE_ERROR);
}

/* The path that views and TLBs take must agree with the one by region. */
static void probe_plan(struct device *d, const struct probe *p)
{
    struct xbar_region_info info;
    uint64_t value = 0;
    MemTxResult result;

    if (p->offset + p->size > d->region_size) {
        return; /* sections end where regions do */
    }
    fill_model(d);
    xbar_region_inspect(&d->mr, &info);
    result =
        xbar_plan_read(info.plan, &d->mr, p->offset, &value, p->log2, ATTRS);
    if (is_expected_valid(d, p)) {
        struct probe in_host_order = *p;

        in_host_order.op = (MemOp)p->log2;
        assert_int_equal(result, MEMTX_OK);
        assert_int_equal(value, expected_value(d, &in_host_order));
    } else {
        assert_int_equal(result, MEMTX_DECODE_ERROR);
    }
    probe_plan_write(d, p, info.plan);
}

static void probe_all(struct device *d)
{
    for (unsigned log2 = 0; log2 < 4; log2++) {
        for (hwaddr offset = 0; offset < 18; offset++) {
            struct probe le = { offset, log2, 1u << log2,
                                (MemOp)(log2 | MO_LE) };
            struct probe be = { offset, log2, 1u << log2,
                                (MemOp)(log2 | MO_BE) };

            probe_read(d, &le);
            probe_read(d, &be);
            probe_write(d, &le);
            probe_write(d, &be);
            probe_plan(d, &le);
        }
    }
}

static void run_device(struct device *d)
{
    int rc = memory_region_init_io(&d->mr, NULL, &d->ops, d, "model",
                                   d->region_size);

    assert_int_equal(rc, 0);
    probe_all(d);
    end_region(&d->mr);
}

static bool is_possible(const MemoryRegionOps *ops)
{
    unsigned impl_lo = effective(ops->impl.min_access_size, 1);

    return (!ops->valid.max_access_size ||
            ops->valid.min_access_size <= ops->valid.max_access_size) &&
           (!ops->impl.max_access_size ||
            impl_lo <= ops->impl.max_access_size) &&
           (!ops->impl.unaligned || ops->valid.unaligned);
}

/* Every set of limits, numbered: five sizes four times, two flags. */
static MemoryRegionOps limits_by_number(unsigned n)
{
    static const unsigned sizes[] = { 0, 1, 2, 4, 8 };

    return (MemoryRegionOps){
        .valid = { .min_access_size = sizes[n % 5],
                   .max_access_size = sizes[n / 5 % 5],
                   .unaligned = n / 625 & 1 },
        .impl = { .min_access_size = sizes[n / 25 % 5],
                  .max_access_size = sizes[n / 125 % 5],
                  .unaligned = n / 1250 & 1 },
    };
}

static unsigned run_all_limits(bool with_attrs, enum device_endian order,
                               bool is_big, uint64_t region_size)
{
    unsigned tried = 0;

    for (unsigned n = 0; n < 2500; n++) {
        struct device d = { .is_big = is_big, .region_size = region_size };

        d.ops = limits_by_number(n);
        d.ops.endianness = order;
        d.ops.read = with_attrs ? NULL : read_model;
        d.ops.write = with_attrs ? NULL : write_model;
        d.ops.read_with_attrs = read_model_attrs;
        d.ops.write_with_attrs = write_model_attrs;
        if (is_possible(&d.ops)) {
            run_device(&d);
            tried++;
        }
    }
    return tried;
}

static void test_little_endian(void **state)
{
    unsigned tried = run_all_limits(false, DEVICE_LITTLE_ENDIAN, false, 16);

    /* 19 possible pairs of sizes for each of valid and impl, 3 of flags */
    (void)state;
    assert_int_equal(tried, 19 * 19 * 3);
    run_all_limits(true, DEVICE_LITTLE_ENDIAN, false, 13);
}

static void test_big_endian(void **state)
{
    (void)state;
    run_all_limits(false, DEVICE_BIG_ENDIAN, true, 16);
    run_all_limits(true, DEVICE_BIG_ENDIAN, true, 13);
}

static void test_native_is_the_guests(void **state)
{
    struct fixture big;

    (void)state;
    run_all_limits(false, DEVICE_NATIVE_ENDIAN, false, 16);
    fixture_open(&big,
                 (struct xbar_engine_config){ .guest_is_big_endian = true });
    run_all_limits(false, DEVICE_NATIVE_ENDIAN, true, 16);
    fixture_close(&big);
}

/* Nothing, or only that it is inside: these have paths of their own. */
static void test_without_a_lock(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct device d = {
            .region_size = 16,
            .ops = { .read = read_model,
                     .write = write_model,
                     .endianness = DEVICE_LITTLE_ENDIAN,
                     .valid = { .max_access_size = 8 },
                     .impl = { .max_access_size = 8 } },
        };

        assert_int_equal(memory_region_init_io(&d.mr, NULL, &d.ops, &d, "model",
                                               d.region_size),
                         0);
        assert_int_equal(xbar_region_set_lock_policy(&d.mr, XBAR_LOCK_NONE), 0);
        if (i != 0) {
            assert_int_equal(
                xbar_region_set_reentry(&d.mr, XBAR_REENTRY_REFUSE), 0);
        }
        probe_all(&d);
        end_region(&d.mr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_little_endian),
        engine_test(test_big_endian),
        engine_test(test_native_is_the_guests),
        engine_test(test_without_a_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
