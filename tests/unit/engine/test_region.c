/* SPDX-License-Identifier: MIT */
/* Init: what it makes, what it refuses, and nothing left when it fails. */
#include "engine/dispatch.h"
#include "engine/plan.h"
#include "tests/unit/engine/fixture.h"

static uint64_t read_zero(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)size;
    return 0;
}

static void write_nothing(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    (void)opaque;
    (void)addr;
    (void)data;
    (void)size;
}

static bool accepts_nothing(void *opaque, hwaddr addr, unsigned size,
                            bool is_write, MemTxAttrs attrs)
{
    (void)opaque;
    (void)addr;
    (void)size;
    (void)is_write;
    (void)attrs;
    return false;
}

static const MemoryRegionOps good_ops = { .read = read_zero,
                                          .write = write_nothing };

/* ---- What init makes --------------------------------------------------- */

static void test_properties(void **state)
{
    struct xbar_region_info info;
    struct fixture *f = *state;
    Object *owner = (Object *)f;
    char name[] = "name";
    MemoryRegion mr;

    assert_int_equal(memory_region_init(&mr, owner, name, 0x1000), 0);
    name[0] = 'X';
    assert_string_equal(memory_region_name(&mr), "name");
    assert_ptr_equal(memory_region_owner(&mr), owner);
    assert_int_equal(memory_region_size(&mr), 0x1000);
    assert_ptr_equal(xbar_region_engine(&mr), f->engine);
    xbar_region_inspect(&mr, &info);
    assert_int_equal(info.flags, XBAR_REGION_ENABLED);
    assert_true(info.size == 0x1000);
    assert_null(info.container);
    assert_null(info.host);
    assert_null(memory_region_get_ram_ptr(&mr));
    assert_false(memory_region_is_ram(&mr));
    end_region(&mr);

    assert_int_equal(memory_region_init(&mr, NULL, NULL, UINT64_MAX), 0);
    assert_string_equal(memory_region_name(&mr), "anonymous");
    xbar_region_inspect(&mr, &info);
    assert_true(info.size == (Int128)1 << 64);
    end_region(&mr);
    assert_null(xbar_region_engine(&mr));
    assert_false(memory_region_is_mapped(&mr));
}

static void test_ram_and_rom(void **state)
{
    struct xbar_region_info info;
    MemoryRegion ram, rom, empty;
    Error *err = NULL;
    uint8_t *host;

    (void)state;
    assert_int_equal(
        memory_region_init_ram(&ram, NULL, "ram", (5 << 20) + 3, &err), 0);
    assert_null(err);
    host = memory_region_get_ram_ptr(&ram);
    assert_int_equal((uintptr_t)host % (2 << 20), 0);
    assert_int_equal(host[0] | host[(5 << 20) + 2], 0);
    host[(5 << 20) + 2] = 1;
    assert_true(memory_region_is_ram(&ram));
    assert_false(memory_region_is_rom(&ram));
    xbar_region_inspect(&ram, &info);
    assert_int_equal(info.flags, XBAR_REGION_ENABLED | XBAR_REGION_RAM |
                                     XBAR_REGION_TERMINATES);
    assert_ptr_equal(info.host, host);
    assert_non_null(info.plan);

    assert_int_equal(memory_region_init_rom(&rom, NULL, "rom", 16, NULL), 0);
    assert_true(memory_region_is_ram(&rom));
    assert_true(memory_region_is_rom(&rom));
    assert_int_equal(memory_region_init_ram(&empty, NULL, "none", 0, NULL), 0);
    assert_null(memory_region_get_ram_ptr(&empty));
    end_region(&ram);
    end_region(&rom);
    end_region(&empty);
}

static void test_impossible_ram(void **state)
{
    MemoryRegion ram;
    Error *err = NULL;

    (void)state;
    assert_int_equal(
        memory_region_init_ram(&ram, NULL, "big", (uint64_t)1 << 62, &err),
        -ENOMEM);
    assert_non_null(err);
    assert_non_null(strstr(error_get_pretty(err), "big"));
    error_free(err);
    assert_int_equal(
        memory_region_init_rom(&ram, NULL, "big", UINT64_MAX, NULL), -ENOMEM);
    assert_null(xbar_region_engine(&ram));
    assert_int_equal(memory_region_init_ram_ptr(&ram, NULL, "p", 16, NULL),
                     -EINVAL);
    assert_int_equal(
        memory_region_init_ram_ptr(&ram, NULL, "p", UINT64_MAX, &ram), -EINVAL);
    assert_int_equal(memory_region_init_ram_ptr(&ram, NULL, "p", 0, NULL), 0);
    end_region(&ram);
}

static void test_init_refuses_null(void **state)
{
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init(NULL, NULL, NULL, 1), -EINVAL);
    assert_int_equal(memory_region_init_io(NULL, NULL, NULL, NULL, NULL, 1),
                     -EINVAL);
    assert_int_equal(memory_region_init_ram(NULL, NULL, NULL, 1, NULL),
                     -EINVAL);
    assert_int_equal(memory_region_init_ram_ptr(NULL, NULL, NULL, 1, &mr),
                     -EINVAL);
    assert_int_equal(memory_region_init_alias(NULL, NULL, NULL, &mr, 0, 1),
                     -EINVAL);
    assert_int_equal(memory_region_init_alias(&mr, NULL, NULL, NULL, 0, 1),
                     -EINVAL);
}

/* ---- Contradicting ops ------------------------------------------------- */

static int try_ops(const MemoryRegionOps *ops)
{
    MemoryRegion mr;
    int rc = memory_region_init_io(&mr, NULL, ops, NULL, "io", 16);

    if (!rc) {
        end_region(&mr);
    }
    return rc;
}

static void test_contradicting_sizes(void **state)
{
    MemoryRegionOps ops = good_ops;

    (void)state;
    assert_int_equal(try_ops(&ops), 0);
    ops.valid.min_access_size = 3;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.valid.min_access_size = 16;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.valid.min_access_size = 4;
    ops.valid.max_access_size = 2;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.valid.max_access_size = 0; /* any size: min is not looked at */
    assert_int_equal(try_ops(&ops), 0);
    ops.impl.max_access_size = 6;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.impl.max_access_size = 1;
    ops.impl.min_access_size = 2;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.impl.max_access_size = 0;
    ops.impl.min_access_size = 8;
    assert_int_equal(try_ops(&ops), 0);
}

static void test_contradicting_claims(void **state)
{
    MemoryRegionOps ops = good_ops;

    (void)state;
    ops.impl.unaligned = true;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.valid.unaligned = true;
    assert_int_equal(try_ops(&ops), 0);
    ops.endianness = (enum device_endian)3;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.endianness = DEVICE_BIG_ENDIAN;
    ops.write = NULL;
    assert_int_equal(try_ops(&ops), -EINVAL);
    ops.valid.accepts = accepts_nothing;
    assert_int_equal(try_ops(&ops), 0);
}

/* ---- Want of memory ---------------------------------------------------- */

static int init_kind(MemoryRegion *mr, MemoryRegion *orig, unsigned kind)
{
    static uint8_t bytes[16];

    switch (kind) {
    case 0:
        return memory_region_init(mr, NULL, "c", 16);
    case 1:
        return memory_region_init_io(mr, NULL, &good_ops, NULL, "io", 16);
    case 2:
        return memory_region_init_ram(mr, NULL, "ram", 16, NULL);
    case 3:
        return memory_region_init_ram_ptr(mr, NULL, "ptr", 16, bytes);
    case 4:
        return memory_region_init_rom(mr, NULL, "rom", 16, NULL);
    default:
        return memory_region_init_alias(mr, NULL, "alias", orig, 0, 16);
    }
}

static void test_every_failing_allocation_of_init(void **state)
{
    struct fixture *f = *state;
    MemoryRegion mr, orig;

    assert_int_equal(memory_region_init(&orig, NULL, "orig", 16), 0);
    for (unsigned kind = 0; kind < 6; kind++) {
        struct xbar_engine_stats stats;
        size_t bytes = f->bytes;
        size_t n = 0;
        int rc;

        do {
            f->fail_at = f->requests + ++n;
            memset(&mr, 0x5a, sizeof(mr)); /* garbage is fine before init */
            rc = init_kind(&mr, &orig, kind);
            f->fail_at = 0;
            if (rc) {
                assert_int_equal(rc, -ENOMEM);
                assert_null(xbar_region_engine(&mr));
                assert_int_equal(f->bytes, bytes);
                xbar_engine_get_stats(f->engine, &stats);
                assert_int_equal(stats.regions, 1);
            }
        } while (rc);
        assert_true(n > 1);
        end_region(&mr);
        assert_int_equal(f->bytes, bytes);
    }
    end_region(&orig);
}

/* ---- Plans ------------------------------------------------------------- */

static const struct xbar_access_plan *plan_of(const MemoryRegion *mr)
{
    struct xbar_region_info info;

    xbar_region_inspect(mr, &info);
    return info.plan;
}

static void test_plans_are_shared_and_end(void **state)
{
    struct fixture *f = *state;
    MemoryRegionOps ops = good_ops;
    MemoryRegion a, b, c;
    size_t blocks = f->blocks;

    ops.valid.max_access_size = 4;
    assert_int_equal(memory_region_init_io(&a, NULL, &ops, NULL, NULL, 16), 0);
    assert_int_equal(memory_region_init_io(&b, NULL, &ops, NULL, NULL, 16), 0);
    assert_int_equal(memory_region_init_io(&c, NULL, &good_ops, NULL, NULL, 16),
                     0);
    assert_ptr_equal(plan_of(&a), plan_of(&b));
    assert_ptr_not_equal(plan_of(&a), plan_of(&c));
    assert_ptr_equal(plan_of(&a)->read[2].read, read_zero);
    assert_ptr_equal(plan_of(&a)->write[1].write, write_nothing);
    assert_int_equal(plan_of(&a)->read[2].align_mask, 3);
    assert_null(plan_of(&a)->read[3].read);
    end_region(&a);
    assert_int_equal(f->blocks, blocks + 2);
    end_region(&b);
    end_region(&c);
    assert_int_equal(f->blocks, blocks);
    /* other contents at the same address are another plan */
    ops.endianness = DEVICE_BIG_ENDIAN;
    assert_int_equal(memory_region_init_io(&a, NULL, &ops, NULL, NULL, 16), 0);
    assert_null(plan_of(&a)->read[2].read);
    assert_ptr_equal(plan_of(&a)->read[0].read, read_zero);
    end_region(&a);
}

static void test_bulk_size(void **state)
{
    MemoryRegionOps ops = good_ops;
    MemoryRegion mr;

    (void)state;
    ops.valid.max_access_size = 4;
    assert_int_equal(memory_region_init_io(&mr, NULL, &ops, NULL, NULL, 64), 0);
    assert_int_equal(xbar_plan_bulk_size(&mr, 0, 100), 4);
    assert_int_equal(xbar_plan_bulk_size(&mr, 0, 3), 2);
    assert_int_equal(xbar_plan_bulk_size(&mr, 6, 100), 2);
    assert_int_equal(xbar_plan_bulk_size(&mr, 7, 100), 1);
    assert_int_equal(xbar_plan_bulk_size(&mr, 0, 1), 1);
    end_region(&mr);
    ops.valid.max_access_size = 0;
    ops.valid.unaligned = true;
    assert_int_equal(memory_region_init_io(&mr, NULL, &ops, NULL, NULL, 64), 0);
    assert_int_equal(xbar_plan_bulk_size(&mr, 8, 100), 8);
    assert_int_equal(xbar_plan_bulk_size(&mr, 4, 100), 4);
    end_region(&mr);
    ops.impl.unaligned = true;
    assert_int_equal(memory_region_init_io(&mr, NULL, &ops, NULL, NULL, 64), 0);
    assert_int_equal(xbar_plan_bulk_size(&mr, 5, 100), 8);
    end_region(&mr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_properties),
        engine_test(test_ram_and_rom),
        engine_test(test_impossible_ram),
        engine_test(test_init_refuses_null),
        engine_test(test_contradicting_sizes),
        engine_test(test_contradicting_claims),
        engine_test(test_every_failing_allocation_of_init),
        engine_test(test_plans_are_shared_and_end),
        engine_test(test_bulk_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
