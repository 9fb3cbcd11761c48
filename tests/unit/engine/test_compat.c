/* SPDX-License-Identifier: MIT */
/* What device models need beside the memory API. */
#include "engine/compat.h"

#include <stdio.h>

#include "tests/unit/engine/fixture.h"

/* ---- Owners ------------------------------------------------------------ */

struct owner {
    Object parent_obj;
    unsigned finalized;
};

static void finalize_owner(Object *obj)
{
    ((struct owner *)obj)->finalized++;
}

static void test_object(void **state)
{
    struct owner owner = { .finalized = 0 };

    (void)state;
    xbar_object_init(OBJECT(&owner), finalize_owner);
    assert_ptr_equal(object_ref(&owner), &owner);
    object_unref(&owner);
    assert_int_equal(owner.finalized, 0);
    object_unref(&owner);
    assert_int_equal(owner.finalized, 1);
    object_unref(&owner); /* one too many */
    assert_int_equal(owner.finalized, 1);
    assert_null(object_ref(NULL));
    object_unref(NULL);
}

/* A reference to a region is one to its owner, if the engine counts them. */
static void test_regions_count_for_owners(void **state)
{
    struct xbar_engine_config config = {
        .owner_ref = xbar_owner_ref,
        .owner_unref = xbar_owner_unref,
    };
    struct owner owner = { .finalized = 0 };
    struct fixture f;
    MemoryRegion mr;

    (void)state;
    fixture_open(&f, config);
    xbar_object_init(OBJECT(&owner), finalize_owner);
    memory_region_init(&mr, OBJECT(&owner), "mr", 16);
    assert_int_equal(owner.parent_obj.refs, 1);
    xbar_region_get(&mr);
    assert_int_equal(owner.parent_obj.refs, 2);
    object_unref(&owner);
    assert_int_equal(owner.finalized, 0);
    xbar_region_put(&mr);
    assert_int_equal(owner.finalized, 1);
    end_region(&mr);
    fixture_close(&f);
}

/* ---- Interrupt lines --------------------------------------------------- */

struct heard {
    char text[64];
};

static void hear(void *opaque, int n, int level)
{
    struct heard *heard = opaque;
    size_t used = strlen(heard->text);

    snprintf(heard->text + used, sizeof(heard->text) - used, "%d:%d ", n,
             level);
}

static void test_irq(void **state)
{
    struct heard heard = { "" };
    qemu_irq irq;

    (void)state;
    irq = qemu_allocate_irq(hear, &heard, 7);
    assert_non_null(irq);
    qemu_irq_raise(irq);
    qemu_irq_lower(irq);
    qemu_irq_pulse(irq);
    qemu_set_irq(irq, 3);
    assert_string_equal(heard.text, "7:1 7:0 7:1 7:0 7:3 ");
    qemu_free_irq(irq);
    qemu_free_irq(NULL);
    qemu_set_irq(NULL, 1);
    assert_null(qemu_allocate_irq(NULL, &heard, 0));
}

static void test_irqs(void **state)
{
    struct heard heard = { "" };
    struct fixture *f = *state;
    qemu_irq *irqs;

    irqs = qemu_allocate_irqs(hear, &heard, 3);
    assert_non_null(irqs);
    qemu_irq_raise(irqs[2]);
    qemu_irq_raise(irqs[0]);
    assert_string_equal(heard.text, "2:1 0:1 ");
    qemu_free_irqs(irqs, 3);
    qemu_free_irqs(NULL, 3);
    assert_null(qemu_allocate_irqs(hear, &heard, 0));
    assert_null(qemu_allocate_irqs(hear, &heard, -1));
    f->fail_at = f->requests + 1;
    assert_null(qemu_allocate_irqs(hear, &heard, 3));
    f->fail_at = f->requests + 1;
    assert_null(qemu_allocate_irq(hear, &heard, 3));
    f->fail_at = 0;
}

/* ---- Values ------------------------------------------------------------ */

static void test_int128(void **state)
{
    Int128 all = int128_2_64();
    Int128 sum = int128_zero();

    (void)state;
    assert_true(
        int128_eq(int128_add(int128_make64(UINT64_MAX), int128_one()), all));
    assert_int_equal(int128_gethi(all), 1);
    assert_int_equal(int128_getlo(all), 0);
    assert_true(int128_get64(all) == UINT64_MAX);
    assert_true(int128_get64(int128_makes64(-1)) == 0);
    assert_true(int128_get64(int128_make64(5)) == 5);
    assert_true(int128_eq(int128_make128(0, 1), all));
    assert_true(int128_lt(int128_exts64(-1), sum));
    assert_true(int128_eq(int128_neg(int128_exts64(-1)), int128_one()));
    assert_true(
        int128_eq(int128_rshift(int128_lshift(all, 3), 67), int128_one()));
    int128_addto(&sum, all);
    int128_subfrom(&sum, int128_one());
    assert_true(int128_eq(sum, int128_make64(UINT64_MAX)));
    assert_true(int128_ge(all, sum) && int128_gt(all, sum));
    assert_true(int128_le(sum, all) && int128_ne(sum, all));
    assert_true(int128_eq(int128_min(sum, all), sum));
    assert_true(int128_eq(int128_max(sum, all), all));
    assert_true(int128_nz(all) && !int128_nz(int128_zero()));
    assert_true(int128_nonneg(all));
    assert_true(int128_eq(int128_and(sum, all), int128_zero()));
    assert_true(int128_eq(int128_or(sum, all), int128_xor(sum, all)));
    assert_true(int128_eq(int128_not(int128_zero()), int128_exts64(-1)));
}

static void test_values_in_memory(void **state)
{
    uint8_t m[9] = { 0 };

    (void)state;
    stl_le_p(m + 1, 0x11223344);
    assert_memory_equal(m, "\0\x44\x33\x22\x11\0", 6);
    assert_int_equal(ldl_be_p(m + 1), 0x44332211);
    assert_int_equal(lduw_le_p(m + 1), 0x3344);
    assert_int_equal(lduw_be_p(m + 1), 0x4433);
    assert_int_equal(ldub_p(m + 2), 0x33);
    stw_be_p(m, 0x1234);
    stb_p(m + 2, 0x56);
    assert_memory_equal(m, "\x12\x34\x56", 3);
    stq_be_p(m + 1, 0x0102030405060708);
    assert_true(ldq_le_p(m + 1) == 0x0807060504030201);
    assert_true(ldq_he_p(m + 1) == ldq_le_p(m + 1) ||
                ldq_he_p(m + 1) == ldq_be_p(m + 1));
}

static void test_bits(void **state)
{
    (void)state;
    assert_int_equal(extract32(0xdeadbeef, 8, 8), 0xbe);
    assert_int_equal(extract32(0xdeadbeef, 0, 32), 0xdeadbeef);
    assert_true(extract64(UINT64_MAX, 1, 63) == UINT64_MAX >> 1);
    assert_int_equal(deposit32(0xffffffff, 4, 8, 0x12), 0xfffff12f);
    assert_true(deposit64(0, 32, 32, UINT64_MAX) == 0xffffffff00000000);
    assert_true(MAKE_64BIT_MASK(8, 8) == 0xff00);
    assert_int_equal(BIT(3), 8);
    assert_int_equal(DIV_ROUND_UP(9, 4), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_object), engine_test(test_regions_count_for_owners),
        engine_test(test_irq),    engine_test(test_irqs),
        engine_test(test_int128), engine_test(test_values_in_memory),
        engine_test(test_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
