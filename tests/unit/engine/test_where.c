/* SPDX-License-Identifier: MIT */
/* Where regions may be seen: through containers and aliases, to the roots. */
#include "engine/where.h"

#include "tests/unit/engine/fixture.h"

static MemoryRegion root, box, mr, alias;

static void open_tree(void)
{
    memory_region_init(&root, NULL, "root", 0x10000);
    memory_region_init(&box, NULL, "box", 0x1000);
    memory_region_init(&mr, NULL, "mr", 0x100);
    memory_region_init_alias(&alias, NULL, "alias", &box, 0x40, 0x20);
    memory_region_add_subregion(&root, 0x2000, &box);
    memory_region_add_subregion(&box, 0, &mr);
    memory_region_add_subregion(&root, 0x8000, &alias);
    assert_int_equal(xbar_region_root_add(&root), 0);
}

static void close_tree(struct xbar_engine *engine)
{
    xbar_tree_hold(engine);
    xbar_region_root_remove(&root);
    xbar_tree_release(engine);
    end_region(&alias);
    end_region(&mr);
    end_region(&box);
    end_region(&root);
}

static void expect(struct xbar_engine *engine, hwaddr first, hwaddr last,
                   size_t count, const struct xbar_range *expected)
{
    const struct xbar_window *windows;

    xbar_tree_hold(engine);
    assert_true(xbar_where_begin(engine));
    assert_int_equal(xbar_where_add(&mr, first, last), 0);
    assert_int_equal(xbar_where_carry(engine), 0);
    assert_int_equal(xbar_where_of(&root, &windows), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(windows[i].range.first, expected[i].first);
        assert_int_equal(windows[i].range.last, expected[i].last);
    }
    xbar_where_end(engine);
    xbar_tree_release(engine);
}

static void test_places(void **state)
{
    struct fixture *f = *state;
    const struct xbar_range both[] = { { 0x2000, 0x20ff }, { 0x8000, 0x801f } };
    const struct xbar_range part[] = { { 0x2010, 0x2043 }, { 0x8000, 0x8003 } };

    open_tree();
    expect(f->engine, 0, UINT64_MAX, 2, both);
    expect(f->engine, 0x10, 0x43, 2, part);
    expect(f->engine, 0x10, 0x3f, 1,
           (const struct xbar_range[]){ { 0x2010, 0x203f } });
    memory_region_set_enabled(&alias, false);
    expect(f->engine, 0, UINT64_MAX, 1, both);
    memory_region_set_enabled(&box, false);
    expect(f->engine, 0, UINT64_MAX, 0, NULL);
    close_tree(f->engine);
}

/* What waits for a commit is in no view: then nobody can tell. */
static void test_edits_wait(void **state)
{
    struct fixture *f = *state;

    open_tree();
    memory_region_transaction_begin();
    memory_region_set_address(&mr, 0x10);
    assert_false(xbar_where_begin(f->engine));
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(f->engine, 0, 0, 1,
           (const struct xbar_range[]){ { 0x2010, 0x2010 } });
    close_tree(f->engine);
}

/* Regions shown in many places take memory; without it, it can be ended. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    MemoryRegion many[40];

    open_tree();
    for (unsigned i = 0; i < 40; i++) {
        memory_region_init_alias(&many[i], NULL, "many", &mr, 0, 1);
        memory_region_add_subregion(&root, 0x9000 + 0x10 * i, &many[i]);
    }
    xbar_tree_hold(f->engine);
    assert_true(xbar_where_begin(f->engine));
    f->fail_at = f->requests + 1;
    assert_int_equal(xbar_where_add(&mr, 0, 0), 0);
    assert_int_equal(xbar_where_carry(f->engine), -ENOMEM);
    xbar_where_end(f->engine);
    f->fail_at = 0;
    assert_true(xbar_where_begin(f->engine)); /* nothing is left of it */
    xbar_where_end(f->engine);
    xbar_tree_release(f->engine);
    for (unsigned i = 0; i < 40; i++) {
        end_region(&many[i]);
    }
    close_tree(f->engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_places),
        engine_test(test_edits_wait),
        engine_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
