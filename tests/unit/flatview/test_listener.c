/* SPDX-License-Identifier: MIT */
/* What listeners are told of views and commits, letter by letter. */
#include "flatview/listener.h"

#include "tests/unit/flatview/ears.h"

/* ---- Registering ------------------------------------------------------- */

static void test_replay_and_mirror(void **state)
{
    struct fixture *f = *state;
    struct ear *e = ear(f, 0, 0);

    e->listener.begin = on_begin;
    e->listener.commit = on_commit;
    listen(e);
    assert_ptr_equal(e->listener.address_space, &f->as);
    expect(f, "a begin\n"
              "a + 0-ffff ram@0\n"
              "a + 20000-200ff far@0\n"
              "a commit\n");
    leave(e);
    assert_null(e->listener.address_space);
    expect(f, "a begin\n"
              "a - 0-ffff ram@0\n"
              "a - 20000-200ff far@0\n"
              "a commit\n");
    add_dev(f, 0);
    expect(f, "");
}

static void test_misuse(void **state)
{
    struct fixture *f = *state;
    struct ear *e = ear(f, 0, 0);
    AddressSpace none;

    memset(&none, 0, sizeof(none));
    assert_int_equal(memory_listener_register(NULL, &f->as), -EINVAL);
    assert_int_equal(memory_listener_register(&e->listener, NULL), -EINVAL);
    assert_int_equal(memory_listener_register(&e->listener, &none), -EINVAL);
    assert_int_equal(memory_listener_unregister(&e->listener), -EINVAL);
    assert_int_equal(memory_listener_unregister(NULL), -EINVAL);
    listen(e);
    assert_int_equal(memory_listener_register(&e->listener, &f->other),
                     -EINVAL);
    assert_int_equal(xbar_address_space_destroy(&f->as, NULL, NULL), -EBUSY);
    leave(e);
    assert_int_equal(memory_listener_unregister(&e->listener), -EINVAL);
    e->listener.log_sync = on_add;
    e->listener.log_sync_global = on_begin;
    assert_int_equal(memory_listener_register(&e->listener, &f->as), -EINVAL);
}

static void test_remove_listeners(void **state)
{
    struct fixture *f = *state;

    address_space_remove_listeners(&f->as);
    for (unsigned i = 0; i < 3; i++) {
        listen(ear(f, i, i));
    }
    address_space_remove_listeners(&f->as);
    for (unsigned i = 0; i < 3; i++) {
        assert_null(f->ears[i].listener.address_space);
    }
}

/* ---- Order ------------------------------------------------------------- */

static void test_order(void **state)
{
    struct fixture *f = *state;
    static const unsigned priorities[] = { 5, 1, 5, 3 };

    for (unsigned i = 0; i < LISTENERS; i++) {
        struct ear *e = ear(f, i, priorities[i]);

        e->listener.begin = on_begin;
        e->listener.commit = on_commit;
        listen(e);
    }
    clear(f);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&f->far, 0x80), 0);
    add_dev(f, 0x20000);
    assert_int_equal(memory_region_set_size(&f->dev, 0x40), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(f, "b begin\nd begin\na begin\nc begin\n"
              "c - 20000-2003f far@0\nc - 20080-200ff far@80\n"
              "a - 20000-2003f far@0\na - 20080-200ff far@80\n"
              "d - 20000-2003f far@0\nd - 20080-200ff far@80\n"
              "b - 20000-2003f far@0\nb - 20080-200ff far@80\n"
              "b + 20000-2003f dev@0\nd + 20000-2003f dev@0\n"
              "a + 20000-2003f dev@0\nc + 20000-2003f dev@0\n"
              "b commit\nd commit\na commit\nc commit\n");
}

/* All that goes, goes before anything comes; several sections, ascending. */
static void test_del_before_add(void **state)
{
    struct fixture *f = *state;

    listen(ear(f, 0, 0));
    listen(ear(f, 1, 1));
    clear(f);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&f->ram, 0x30000), 0);
    assert_int_equal(memory_region_set_address(&f->far, 0x1000), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(f, "b - 0-ffff ram@0\n"
              "a - 0-ffff ram@0\n"
              "b - 20000-200ff far@0\n"
              "a - 20000-200ff far@0\n"
              "a + 1000-10ff far@0\n"
              "b + 1000-10ff far@0\n"
              "a + 30000-3ffff ram@0\n"
              "b + 30000-3ffff ram@0\n");
}

/* ---- Minimal deltas ---------------------------------------------------- */

static void test_change_beside_ram(void **state)
{
    struct fixture *f = *state;

    listen(ear(f, 0, 0));
    clear(f);
    add_dev(f, 0x10000);
    expect(f, "a + 10000-100ff dev@0\n");
    assert_int_equal(memory_region_set_address(&f->dev, 0x8000), 0);
    expect(f, "a - 8000-80ff ram@8000\n"
              "a - 10000-100ff dev@0\n"
              "a + 8000-80ff dev@0\n");
    del_dev(f);
    expect(f, "a - 8000-80ff dev@0\n"
              "a + 8000-80ff ram@8000\n");
    assert_int_equal(memory_region_set_size(&f->ram, 0x8000), 0);
    expect(f, "a - 8000-ffff ram@8000\n");
    assert_int_equal(memory_region_set_size(&f->ram, 0x9000), 0);
    expect(f, "a + 8000-8fff ram@8000\n");
}

/* A window of RAM that is shut and opened, as a PC's chip set does. */
static void test_shut_window(void **state)
{
    struct fixture *f = *state;
    MemoryRegion *window = malloc(sizeof(*window));

    assert_int_equal(memory_region_init_alias(window, NULL, "window", &f->ram,
                                              0x4000, 0x1000),
                     0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&f->root, 0x4000, window, 1), 0);
    listen(ear(f, 0, 0));
    expect(f, "a + 0-ffff ram@0\na + 20000-200ff far@0\n");
    assert_int_equal(memory_region_set_readonly(window, true), 0);
    expect(f, "a - 4000-4fff ram@4000\na + 4000-4fff ram@4000 ro\n");
    assert_int_equal(memory_region_set_readonly(window, false), 0);
    expect(f, "a - 4000-4fff ram@4000 ro\na + 4000-4fff ram@4000\n");
    leave(&f->ears[0]);
    assert_int_equal(xbar_region_destroy(window, NULL, NULL), 0);
    free(window);
}

/* One that asks for it sees sections as they are, and no less. */
static void test_whole_sections(void **state)
{
    struct fixture *f = *state;

    ear(f, 0, 0)->listener.whole_sections = true;
    listen(&f->ears[0]);
    clear(f);
    add_dev(f, 0x8000);
    expect(f, "a - 0-ffff ram@0\n"
              "a + 0-7fff ram@0\n"
              "a + 8000-80ff dev@0\n"
              "a + 8100-ffff ram@8100\n");
    assert_int_equal(memory_region_set_size(&f->far, 0x80), 0);
    expect(f, "a - 20000-200ff far@0\n"
              "a + 20000-2007f far@0\n");
}

static void test_nop(void **state)
{
    struct fixture *f = *state;

    ear(f, 0, 0)->listener.region_nop = on_nop;
    ear(f, 1, 1)->listener.region_nop = on_nop;
    f->ears[1].listener.whole_sections = true;
    listen(&f->ears[0]);
    listen(&f->ears[1]);
    listen(ear(f, 2, 2));
    clear(f);
    add_dev(f, 0x8000);
    expect(f, "c - 8000-80ff ram@8000\n"
              "b - 0-ffff ram@0\n"
              "a - 8000-80ff ram@8000\n"
              "a = 0-7fff ram@0\n"
              "a + 8000-80ff dev@0\n"
              "a = 8100-ffff ram@8100\n"
              "a = 20000-200ff far@0\n"
              "b + 0-7fff ram@0\n"
              "b + 8000-80ff dev@0\n"
              "b + 8100-ffff ram@8100\n"
              "b = 20000-200ff far@0\n"
              "c + 8000-80ff dev@0\n");
}

/* Nothing visible changed: not even begin and commit. */
static void test_silence(void **state)
{
    struct fixture *f = *state;
    struct ear *e = ear(f, 0, 0);

    e->listener.begin = on_begin;
    e->listener.commit = on_commit;
    e->listener.region_nop = on_nop;
    listen(e);
    clear(f);
    memory_region_transaction_begin();
    add_dev(f, 0x8000);
    del_dev(f);
    assert_int_equal(memory_region_transaction_commit(), 0);
    memory_region_transaction_begin();
    add_dev(f, 0x8000);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    expect(f, "");
}

/* To the last byte of the space, and a section of all of it. */
static void test_ends_of_the_space(void **state)
{
    struct fixture *f = *state;

    listen(ear(f, 0, 0));
    clear(f);
    assert_int_equal(memory_region_set_address(&f->far, UINT64_MAX - 0xff), 0);
    expect(f, "a - 20000-200ff far@0\n"
              "a + ffffffffffffff00-ffffffffffffffff far@0\n");
    assert_int_equal(memory_region_set_size(&f->dev, UINT64_MAX), 0);
    assert_int_equal(
        memory_region_add_subregion_overlap(&f->root, 0, &f->dev, -1), 0);
    expect(f, "a + 10000-fffffffffffffeff dev@10000\n");
    assert_int_equal(memory_region_set_enabled(&f->far, false), 0);
    expect(f, "a - ffffffffffffff00-ffffffffffffffff far@0\n"
              "a + ffffffffffffff00-ffffffffffffffff dev@ffffffffffffff00\n");
    assert_int_equal(memory_region_set_enabled(&f->ram, false), 0);
    expect(f, "a - 0-ffff ram@0\na + 0-ffff dev@0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replay_and_mirror),
        TEST(test_misuse),
        TEST(test_remove_listeners),
        TEST(test_order),
        TEST(test_del_before_add),
        TEST(test_change_beside_ram),
        TEST(test_shut_window),
        TEST(test_whole_sections),
        TEST(test_nop),
        TEST(test_silence),
        TEST(test_ends_of_the_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
