/* SPDX-License-Identifier: MIT */
/*
 * Devices whose callbacks access devices: who may reach whom, and that what
 * was refused leaves nothing behind.
 */
#include "engine/guard.h"

#include <stdio.h>

#include "engine/dispatch.h"
#include "tests/unit/engine/fixture.h"

/* Each access to it makes one to `next`, of the same kind and size. */
struct hop {
    MemoryRegion mr;
    MemoryRegion *next;
    unsigned entered;
    unsigned depth; /* seen by the last callback */
    MemTxResult result;
    uint64_t value;
    char said[256];
};

static uint64_t read_hop(void *opaque, hwaddr addr, unsigned size)
{
    struct hop *hop = opaque;

    hop->entered++;
    hop->depth = xbar_access_depth();
    hop->value = 0x77;
    if (hop->next) {
        hop->result = memory_region_dispatch_read(
            hop->next, addr, &hop->value, size == 4 ? MO_32 : MO_64, ATTRS);
    }
    return 0x1234;
}

static void write_hop(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct hop *hop = opaque;

    hop->entered++;
    if (hop->next) {
        hop->result = memory_region_dispatch_write(
            hop->next, addr, data, size == 4 ? MO_32 : MO_64, ATTRS);
    }
}

static const MemoryRegionOps hop_ops = {
    .read = read_hop,
    .write = write_hop,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* The same, but every access takes the general path. */
static const MemoryRegionOps swapped_ops = {
    .read = read_hop,
    .write = write_hop,
    .endianness = DEVICE_BIG_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static void open_hop(struct hop *hop, const MemoryRegionOps *ops, Object *owner)
{
    memset(hop, 0, sizeof(*hop));
    assert_int_equal(
        memory_region_init_io(&hop->mr, owner, ops, hop, "hop", 16), 0);
}

static MemTxResult read4(struct hop *hop)
{
    uint64_t value;

    return memory_region_dispatch_read(&hop->mr, 0, &value, MO_32, ATTRS);
}

static MemTxResult write4(struct hop *hop)
{
    return memory_region_dispatch_write(&hop->mr, 0, 5, MO_32, ATTRS);
}

/* ---- Refused ----------------------------------------------------------- */

static void check_self(const MemoryRegionOps *ops, enum xbar_lock_policy policy)
{
    struct hop a;

    open_hop(&a, ops, NULL);
    a.next = &a.mr;
    assert_int_equal(xbar_region_set_lock_policy(&a.mr, policy), 0);
    if (policy == XBAR_LOCK_NONE) {
        assert_int_equal(xbar_region_set_reentry(&a.mr, XBAR_REENTRY_REFUSE),
                         0);
    }
    assert_int_equal(read4(&a), MEMTX_OK); /* the outer one is fine */
    assert_int_equal(a.entered, 1);
    assert_int_equal(a.result, MEMTX_ACCESS_ERROR);
    assert_int_equal(a.value, 0);
    assert_int_equal(write4(&a), MEMTX_OK);
    assert_int_equal(a.entered, 2);
    assert_int_equal(a.result, MEMTX_ACCESS_ERROR);
    assert_int_equal(xbar_access_depth(), 0);
    end_region(&a.mr);
}

static void test_a_device_does_not_reach_itself(void **state)
{
    (void)state;
    for (unsigned policy = XBAR_LOCK_MACHINE; policy <= XBAR_LOCK_NONE;
         policy++) {
        check_self(&hop_ops, policy);
        check_self(&swapped_ops, policy);
    }
}

/* A -> B -> A, the last one refused; A -> B -> C fine. */
static void test_chains(void **state)
{
    struct hop a, b, c;

    (void)state;
    open_hop(&a, &hop_ops, NULL);
    open_hop(&b, &swapped_ops, NULL);
    open_hop(&c, &hop_ops, NULL);
    a.next = &b.mr;
    b.next = &a.mr;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.result, MEMTX_OK);
    assert_int_equal(b.result, MEMTX_ACCESS_ERROR);
    assert_int_equal(a.entered + b.entered, 2);
    b.next = &c.mr;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(b.result, MEMTX_OK);
    assert_int_equal(a.depth, 1);
    assert_int_equal(b.depth, 2);
    assert_int_equal(c.depth, 3);
    end_region(&a.mr);
    end_region(&b.mr);
    end_region(&c.mr);
}

/* The same owner, or the same opaque pointer, is the same device. */
static void test_regions_of_one_device(void **state)
{
    Object *owner = *state; /* any pointer will do */
    struct hop a, b, other;
    MemoryRegion second;

    open_hop(&a, &hop_ops, owner);
    open_hop(&b, &hop_ops, owner);
    a.next = &b.mr;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.result, MEMTX_ACCESS_ERROR);
    assert_int_equal(b.entered, 0);
    end_region(&a.mr);
    end_region(&b.mr);

    open_hop(&a, &hop_ops, NULL);
    open_hop(&other, &hop_ops, owner);
    memory_region_init_io(&second, NULL, &hop_ops, &a, "second", 16);
    a.next = &second;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.result, MEMTX_ACCESS_ERROR);
    a.next = &other.mr;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.result, MEMTX_OK);
    end_region(&second);
    end_region(&a.mr);
    end_region(&other.mr);
}

/* ---- Allowed ----------------------------------------------------------- */

static void test_allowed_to_a_depth(void **state)
{
    struct hop a;

    (void)state;
    open_hop(&a, &hop_ops, NULL);
    a.next = &a.mr;
    assert_int_equal(xbar_region_set_reentry(&a.mr, XBAR_REENTRY_ALLOW), 0);
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.entered, XBAR_REENTRY_MAX_DEPTH);
    assert_int_equal(xbar_access_depth(), 0);
    assert_int_equal(xbar_region_set_lock_policy(&a.mr, XBAR_LOCK_NONE), 0);
    a.entered = 0;
    assert_int_equal(write4(&a), MEMTX_OK);
    assert_int_equal(a.entered, XBAR_REENTRY_MAX_DEPTH);
    assert_int_equal(xbar_region_set_reentry(&a.mr, XBAR_REENTRY_DEFAULT), 0);
    a.next = NULL;
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.depth, 0); /* not recorded */
    end_region(&a.mr);
}

/* Strangers in a row are bounded as well. */
static void test_depth_of_strangers(void **state)
{
    struct hop hops[XBAR_REENTRY_MAX_DEPTH + 1];

    (void)state;
    for (unsigned i = 0; i <= XBAR_REENTRY_MAX_DEPTH; i++) {
        open_hop(&hops[i], &hop_ops, NULL);
    }
    for (unsigned i = 0; i < XBAR_REENTRY_MAX_DEPTH; i++) {
        hops[i].next = &hops[i + 1].mr;
    }
    assert_int_equal(read4(&hops[0]), MEMTX_OK);
    assert_int_equal(hops[XBAR_REENTRY_MAX_DEPTH - 1].entered, 1);
    assert_int_equal(hops[XBAR_REENTRY_MAX_DEPTH - 1].result,
                     MEMTX_ACCESS_ERROR);
    assert_int_equal(hops[XBAR_REENTRY_MAX_DEPTH].entered, 0);
    for (unsigned i = 0; i <= XBAR_REENTRY_MAX_DEPTH; i++) {
        end_region(&hops[i].mr);
    }
}

/* Memory is always in reach, also a flash's own while it is read directly. */
static void test_memory_is_exempt(void **state)
{
    MemoryRegion ram;
    struct hop a;

    (void)state;
    open_hop(&a, &hop_ops, NULL);
    memory_region_init_ram(&ram, NULL, "ram", 16, NULL);
    a.next = &ram;
    assert_int_equal(write4(&a), MEMTX_OK);
    assert_int_equal(a.result, MEMTX_OK);
    assert_int_equal(read4(&a), MEMTX_OK);
    assert_int_equal(a.value, 5);
    end_region(&a.mr);
    end_region(&ram);
}

static void note_origin(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct hop *hop = opaque;

    (void)addr;
    (void)data;
    (void)size;
    assert_int_equal(xbar_access_depth(), 2);
    assert_ptr_equal(xbar_access_origin(0), hop->next);
    assert_ptr_equal(xbar_access_origin(1), &hop->mr);
    assert_null(xbar_access_origin(2));
    hop->entered++;
}

static void test_origin(void **state)
{
    MemoryRegionOps ops = hop_ops;
    struct hop a, b;

    (void)state;
    ops.write = note_origin;
    open_hop(&a, &hop_ops, NULL);
    open_hop(&b, &ops, NULL);
    a.next = &b.mr;
    b.next = &a.mr;
    assert_int_equal(write4(&a), MEMTX_OK);
    assert_int_equal(b.entered, 1);
    assert_null(xbar_access_origin(0));
    end_region(&a.mr);
    end_region(&b.mr);
}

/* ---- Calls ------------------------------------------------------------- */

static void test_errors(void **state)
{
    MemoryRegion container, root;
    struct hop a;

    (void)state;
    open_hop(&a, &hop_ops, NULL);
    memory_region_init(&container, NULL, "container", 16);
    memory_region_init(&root, NULL, "root", 16);
    assert_int_equal(xbar_region_set_reentry(NULL, XBAR_REENTRY_ALLOW),
                     -EINVAL);
    assert_int_equal(xbar_region_set_reentry(&container, XBAR_REENTRY_ALLOW),
                     -EINVAL);
    assert_int_equal(xbar_region_set_reentry(&a.mr, (enum xbar_reentry)3),
                     -EINVAL);
    memory_region_add_subregion(&root, 0, &a.mr);
    assert_int_equal(xbar_region_set_reentry(&a.mr, XBAR_REENTRY_ALLOW),
                     -EBUSY);
    memory_region_del_subregion(&root, &a.mr);
    assert_int_equal(xbar_region_set_reentry(&a.mr, XBAR_REENTRY_ALLOW), 0);
    end_region(&a.mr);
    end_region(&container);
    end_region(&root);
}

static void note_log(void *opaque, unsigned mask, const char *text)
{
    assert_int_equal(mask, XBAR_LOG_GUEST_ERROR);
    snprintf(opaque, 256, "%s", text);
}

static void test_refusals_are_logged(void **state)
{
    struct hop a;
    struct xbar_engine_config config = {
        .log = note_log,
        .log_opaque = a.said,
        .log_mask = XBAR_LOG_GUEST_ERROR,
    };
    struct fixture own;
    uint64_t value;

    (void)state;
    fixture_open(&own, config);
    open_hop(&a, &hop_ops, NULL);
    a.next = &a.mr;
    read4(&a);
    assert_non_null(strstr(a.said, "hop: read of 4 bytes at offset 0x0"));
    a.said[0] = '\0';
    memory_region_dispatch_read(&a.mr, 2, &value, MO_16, ATTRS);
    assert_non_null(strstr(a.said, "hop: read of 2 bytes at offset 0x2"));
    end_region(&a.mr);
    fixture_close(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_a_device_does_not_reach_itself),
        engine_test(test_chains),
        engine_test(test_regions_of_one_device),
        engine_test(test_allowed_to_a_depth),
        engine_test(test_depth_of_strangers),
        engine_test(test_memory_is_exempt),
        engine_test(test_origin),
        engine_test(test_errors),
        engine_test(test_refusals_are_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
