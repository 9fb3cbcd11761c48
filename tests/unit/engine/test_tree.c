/* SPDX-License-Identifier: MIT */
/* Every mutator: what it does, what it refuses, what it leaves alone. */
#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "tests/unit/engine/fixture.h"

static void open_container(MemoryRegion *mr, uint64_t size)
{
    assert_int_equal(memory_region_init(mr, NULL, "c", size), 0);
}

/* The names of the sub-regions of @mr in a window, in decode order. */
static void check_children(MemoryRegion *mr, hwaddr first, hwaddr last,
                           MemoryRegion *const *expected)
{
    struct xbar_region_list list = { 0 };
    size_t i;

    assert_true(interval__is_valid(mr));
    assert_int_equal(xbar_region_children(mr, first, last, &list), 0);
    for (i = 0; expected[i]; i++) {
        assert_true(i < list.count);
        assert_ptr_equal(list.items[i], expected[i]);
    }
    assert_int_equal(list.count, i);
    xbar_region_list_free(mr, &list);
    assert_null(list.items);
}

#define CHILDREN(mr, first, last, ...) \
    check_children(mr, first, last, (MemoryRegion *[]){ __VA_ARGS__, NULL })

/* ---- Add and delete ---------------------------------------------------- */

static void test_decode_order(void **state)
{
    MemoryRegion root, a, b, c, d;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&a, 0x100);
    open_container(&b, 0x100);
    open_container(&c, 0x100);
    open_container(&d, 0x100);
    assert_int_equal(memory_region_add_subregion(&root, 0x10, &a), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0x00, &b), 0);
    assert_int_equal(memory_region_add_subregion_overlap(&root, 0x20, &c, -1),
                     0);
    assert_int_equal(memory_region_add_subregion_overlap(&root, 0x30, &d, 5),
                     0);
    CHILDREN(&root, 0, UINT64_MAX, &d, &b, &a, &c);
    CHILDREN(&root, 0x0, 0xf, &b);
    CHILDREN(&root, 0x110, 0x11f, &d, &c);
    CHILDREN(&root, 0x12f, 0x12f, &d);
    CHILDREN(&root, 0x130, UINT64_MAX, NULL);
    end_region(&root);
    assert_null(a.container);
    end_region(&a);
    end_region(&b);
    end_region(&c);
    end_region(&d);
}

static void test_children_append(void **state)
{
    struct xbar_region_list list = { 0 };
    struct fixture *f = *state;
    MemoryRegion root, items[40];

    open_container(&root, UINT64_MAX);
    for (unsigned i = 0; i < 40; i++) {
        open_container(&items[i], 0x10);
        assert_int_equal(memory_region_add_subregion(&root, i * 16, &items[i]),
                         0);
    }
    assert_int_equal(xbar_region_children(&root, 0, 0x7f, &list), 0);
    assert_int_equal(list.count, 8);
    f->fail_at = f->requests + 2; /* the list grows twice to 40 */
    assert_int_equal(xbar_region_children(&root, 0, UINT64_MAX, &list),
                     -ENOMEM);
    assert_int_equal(list.count, 8);
    assert_int_equal(xbar_region_children(&root, 0, UINT64_MAX, &list), 0);
    assert_int_equal(list.count, 48);
    assert_ptr_equal(list.items[8], &items[39]);
    xbar_region_list_free(&root, &list);
    for (unsigned i = 0; i < 40; i++) {
        end_region(&items[i]);
    }
    end_region(&root);
}

static void test_add_and_delete_errors(void **state)
{
    static MemoryRegion zeroed;
    MemoryRegion root, other, child, alias, foreign;
    struct xbar_engine *second = xbar_engine_new(NULL);

    (void)state;
    open_container(&root, 0x1000);
    open_container(&other, 0x1000);
    open_container(&child, 0x10);
    assert_int_equal(memory_region_init_alias(&alias, NULL, NULL, &child, 0, 4),
                     0);
    assert_int_equal(xbar_engine_enter(second), 0);
    open_container(&foreign, 0x10);
    assert_int_equal(memory_region_init_alias(&zeroed, NULL, NULL, &root, 0, 4),
                     -EINVAL);
    assert_null(zeroed.engine);
    assert_int_equal(xbar_engine_leave(second), 0);

    assert_int_equal(memory_region_add_subregion(&root, 0, &zeroed), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&zeroed, 0, &root), -EINVAL);
    assert_int_equal(memory_region_add_subregion(NULL, 0, &root), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&root, 0, NULL), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&root, 0, &foreign), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&alias, 0, &child), -EINVAL);
    assert_int_equal(memory_region_del_subregion(&root, &child), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&root, 0, &child), 0);
    assert_int_equal(memory_region_add_subregion(&root, 8, &child), -EBUSY);
    assert_int_equal(memory_region_add_subregion(&other, 8, &child), -EBUSY);
    assert_int_equal(memory_region_del_subregion(&other, &child), -EINVAL);
    assert_int_equal(memory_region_del_subregion(NULL, &child), -EINVAL);
    assert_int_equal(memory_region_del_subregion(&root, &zeroed), -EINVAL);
    assert_int_equal(child.addr, 0);
    assert_int_equal(memory_region_del_subregion(&root, &child), 0);
    assert_int_equal(memory_region_del_subregion(&root, &child), -EINVAL);
    end_region(&alias);
    end_region(&child);
    end_region(&other);
    end_region(&root);
    end_region(&foreign);
    assert_int_equal(xbar_engine_free(second), 0);
}

/* ---- Changes in place -------------------------------------------------- */

static void test_move_keeps_the_order_among_equals(void **state)
{
    MemoryRegion root, old, new;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&old, 0x100);
    open_container(&new, 0x100);
    assert_int_equal(memory_region_add_subregion(&root, 0x1000, &old), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0, &new), 0);
    assert_int_equal(memory_region_set_address(&old, 0x80), 0);
    CHILDREN(&root, 0, UINT64_MAX, &new, &old);
    CHILDREN(&root, 0x100, 0x17f, &old);
    assert_int_equal(memory_region_del_subregion(&root, &old), 0);
    assert_int_equal(memory_region_set_address(&old, 0x2000), 0);
    assert_int_equal(memory_region_add_subregion(&root, 0x80, &old), 0);
    CHILDREN(&root, 0, UINT64_MAX, &old, &new);
    end_region(&root);
    end_region(&old);
    end_region(&new);
}

static void test_sizes(void **state)
{
    MemoryRegion root, mr;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&mr, 0x100);
    assert_int_equal(memory_region_add_subregion(&root, UINT64_MAX - 15, &mr),
                     0);
    CHILDREN(&root, UINT64_MAX, UINT64_MAX, &mr);
    CHILDREN(&root, 0, 0xff, NULL); /* clipped, not wrapped */
    assert_int_equal(memory_region_set_address(&mr, 0x40), 0);
    assert_int_equal(memory_region_set_size(&mr, UINT64_MAX), 0);
    assert_int_equal(memory_region_size(&mr), UINT64_MAX);
    CHILDREN(&root, UINT64_MAX, UINT64_MAX, &mr);
    assert_int_equal(memory_region_set_size(&mr, UINT64_MAX - 1), 0);
    assert_int_equal(memory_region_size(&mr), UINT64_MAX - 1);
    assert_int_equal(memory_region_set_size(&mr, 1), 0);
    CHILDREN(&root, 0x41, UINT64_MAX, NULL);
    assert_int_equal(memory_region_set_size(&mr, 0), 0);
    assert_int_equal(memory_region_size(&mr), 0);
    CHILDREN(&root, 0x40, 0x40, &mr); /* an empty one has a place, too */
    assert_int_equal(memory_region_set_size(&mr, 2), 0);
    assert_int_equal(memory_region_size(&mr), 2);
    end_region(&mr);
    end_region(&root);
}

static void test_ram_does_not_grow_past_its_memory(void **state)
{
    MemoryRegion ram;

    (void)state;
    assert_int_equal(memory_region_init_ram(&ram, NULL, "ram", 0x1000, NULL),
                     0);
    assert_int_equal(memory_region_set_size(&ram, 0x1001), -EINVAL);
    assert_int_equal(memory_region_size(&ram), 0x1000);
    assert_int_equal(memory_region_set_size(&ram, 0x800), 0);
    assert_int_equal(memory_region_set_size(&ram, 0x1000), 0);
    end_region(&ram);
}

static void test_flags_and_alias_offset(void **state)
{
    struct xbar_region_info info;
    MemoryRegion mr, alias;

    (void)state;
    open_container(&mr, 0x100);
    assert_int_equal(
        memory_region_init_alias(&alias, NULL, NULL, &mr, 0x10, 0x20), 0);
    assert_int_equal(memory_region_set_enabled(&mr, false), 0);
    assert_int_equal(memory_region_set_readonly(&mr, true), 0);
    xbar_region_inspect(&mr, &info);
    assert_int_equal(info.flags, XBAR_REGION_READONLY);
    assert_int_equal(memory_region_set_enabled(&mr, true), 0);
    assert_int_equal(memory_region_set_readonly(&mr, false), 0);
    xbar_region_inspect(&mr, &info);
    assert_int_equal(info.flags, XBAR_REGION_ENABLED);
    assert_int_equal(memory_region_set_alias_offset(&mr, 1), -EINVAL);
    assert_int_equal(memory_region_set_alias_offset(&alias, 0x30), 0);
    xbar_region_inspect(&alias, &info);
    assert_int_equal(info.alias_offset, 0x30);
    assert_ptr_equal(info.alias, &mr);
    end_region(&mr);
    xbar_region_inspect(&alias, &info);
    assert_null(info.alias);
    assert_int_equal(memory_region_set_alias_offset(&alias, 0x40), 0);
    end_region(&alias);
}

static void test_mutators_refuse_what_is_no_region(void **state)
{
    static MemoryRegion zeroed;
    MemoryRegion *const bad[] = { NULL, &zeroed };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(memory_region_set_enabled(bad[i], true), -EINVAL);
        assert_int_equal(memory_region_set_readonly(bad[i], true), -EINVAL);
        assert_int_equal(memory_region_set_address(bad[i], 1), -EINVAL);
        assert_int_equal(memory_region_set_size(bad[i], 1), -EINVAL);
        assert_int_equal(memory_region_set_alias_offset(bad[i], 1), -EINVAL);
        assert_int_equal(xbar_region_destroy(bad[i], NULL, NULL), -EINVAL);
    }
}

static void test_is_mapped(void **state)
{
    MemoryRegion root, mr, alias, second;

    (void)state;
    open_container(&root, 0x1000);
    open_container(&mr, 0x100);
    assert_int_equal(memory_region_init_alias(&alias, NULL, NULL, &mr, 0, 0x20),
                     0);
    assert_int_equal(
        memory_region_init_alias(&second, NULL, NULL, &alias, 0, 0x20), 0);
    assert_false(memory_region_is_mapped(&mr));
    assert_int_equal(memory_region_add_subregion(&root, 0, &second), 0);
    assert_true(memory_region_is_mapped(&mr));
    assert_true(memory_region_is_mapped(&alias));
    end_region(&alias);
    assert_false(memory_region_is_mapped(&mr));
    assert_true(memory_region_is_mapped(&second));
    end_region(&root);
    end_region(&mr);
    end_region(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_decode_order),
        engine_test(test_children_append),
        engine_test(test_add_and_delete_errors),
        engine_test(test_move_keeps_the_order_among_equals),
        engine_test(test_sizes),
        engine_test(test_ram_does_not_grow_past_its_memory),
        engine_test(test_flags_and_alias_offset),
        engine_test(test_mutators_refuse_what_is_no_region),
        engine_test(test_is_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
