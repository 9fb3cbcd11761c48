/* SPDX-License-Identifier: MIT */
/* Listeners that edit, come and go in callbacks, letter by letter. */
#include "tests/unit/flatview/ears.h"

/* ---- Edits from callbacks ---------------------------------------------- */

static void move_far(struct fixture *f, struct ear *e)
{
    (void)e;
    assert_int_equal(memory_region_set_address(&f->far, 0x40000), 0);
}

static void test_edits_are_queued(void **state)
{
    struct fixture *f = *state;

    listen(ear(f, 0, 0));
    listen(ear(f, 1, 1));
    clear(f);
    f->ears[0].trigger = "+";
    f->ears[0].react = move_far;
    add_dev(f, 0x8000);
    expect(f, "b - 8000-80ff ram@8000\n"
              "a - 8000-80ff ram@8000\n"
              "a + 8000-80ff dev@0\n"
              "b + 8000-80ff dev@0\n"
              "b - 20000-200ff far@0\n"
              "a - 20000-200ff far@0\n"
              "a + 40000-400ff far@0\n"
              "b + 40000-400ff far@0\n");
}

/* While it is shown the view, too: that comes to its end first. */
static void test_edit_in_replay(void **state)
{
    struct fixture *f = *state;
    struct ear *e = ear(f, 0, 0);

    e->listener.commit = on_commit;
    e->trigger = "+";
    e->react = move_far;
    listen(e);
    expect(f, "a + 0-ffff ram@0\n"
              "a + 20000-200ff far@0\n"
              "a commit\n"
              "a - 20000-200ff far@0\n"
              "a + 40000-400ff far@0\n"
              "a commit\n");
}

static void flip_far(struct fixture *f, struct ear *e)
{
    static unsigned n;

    e->trigger = "commit";
    assert_int_equal(memory_region_set_enabled(&f->far, n++ & 1), 0);
}

static void on_void(void *opaque, int error)
{
    *(int *)opaque = error;
}

static void test_endless_edits_end(void **state)
{
    int error = 0;
    struct xbar_engine_config config = { .transaction_void = on_void,
                                         .transaction_void_opaque = &error };
    struct xbar_engine *engine = xbar_engine_new(&config);
    struct fixture *f = calloc(1, sizeof(*f));
    struct ear *e = ear(f, 0, 0);

    (void)state;
    assert_int_equal(xbar_engine_enter(engine), 0);
    assert_int_equal(memory_region_init(&f->root, NULL, "root", 0x100000), 0);
    assert_int_equal(memory_region_init_io(&f->far, NULL, NULL, NULL, "far", 1),
                     0);
    assert_int_equal(memory_region_add_subregion(&f->root, 0, &f->far), 0);
    assert_int_equal(address_space_init(&f->as, &f->root, "as"), 0);
    e->listener.commit = on_commit;
    listen(e);
    e->trigger = "commit";
    e->react = flip_far;
    assert_int_equal(memory_region_set_size(&f->far, 2), 0);
    assert_int_equal(error, -ELOOP);
    e->trigger = NULL;
    leave(e);
    address_space_destroy(&f->as);
    assert_int_equal(xbar_region_destroy(&f->far, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&f->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(engine), 0);
    assert_int_equal(xbar_engine_free(engine), 0);
    free(f);
}

/* ---- Coming and going in callbacks ------------------------------------- */

static void leave_self(struct fixture *f, struct ear *e)
{
    (void)f;
    leave(e);
    assert_int_equal(memory_listener_unregister(&e->listener), -EINVAL);
}

static void leave_b(struct fixture *f, struct ear *e)
{
    (void)e;
    leave(&f->ears[1]);
}

static void leave_all(struct fixture *f, struct ear *e)
{
    (void)e;
    address_space_remove_listeners(&f->as);
}

static void join_c(struct fixture *f, struct ear *e)
{
    (void)e;
    listen(ear(f, 2, 2));
}

static void start(struct fixture *f, const char *trigger,
                  void (*react)(struct fixture *, struct ear *))
{
    struct ear *a = ear(f, 0, 0);
    struct ear *b = ear(f, 1, 1);

    b->listener.commit = on_commit;
    listen(a);
    listen(b);
    a->trigger = trigger;
    a->react = react;
    clear(f);
}

/* It is told the rest of the commit, and then that all is gone. */
static void test_leaves_itself_in_add(void **state)
{
    struct fixture *f = *state;

    start(f, "+", leave_self);
    memory_region_transaction_begin();
    add_dev(f, 0x8000);
    assert_int_equal(memory_region_set_address(&f->far, 0x40000), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(f, "b - 8000-80ff ram@8000\n"
              "a - 8000-80ff ram@8000\n"
              "b - 20000-200ff far@0\n"
              "a - 20000-200ff far@0\n"
              "a + 8000-80ff dev@0\n"
              "a + 40000-400ff far@0\n"
              "a - 0-7fff ram@0\n"
              "a - 8000-80ff dev@0\n"
              "a - 8100-ffff ram@8100\n"
              "a - 40000-400ff far@0\n"
              "b + 8000-80ff dev@0\n"
              "b + 40000-400ff far@0\n"
              "b commit\n");
    assert_null(f->ears[0].listener.address_space);
}

static void test_leaves_itself_in_del(void **state)
{
    struct fixture *f = *state;

    start(f, "-", leave_self);
    memory_region_transaction_begin();
    add_dev(f, 0x8000);
    assert_int_equal(memory_region_set_enabled(&f->far, false), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(f, "b - 8000-80ff ram@8000\n"
              "a - 8000-80ff ram@8000\n"
              "a - 20000-200ff far@0\n"
              "a + 8000-80ff dev@0\n"
              "a - 0-7fff ram@0\n"
              "a - 8000-80ff dev@0\n"
              "a - 8100-ffff ram@8100\n"
              "b - 20000-200ff far@0\n"
              "b + 8000-80ff dev@0\n"
              "b commit\n");
}

/* Another, that is still to be told of the same section. */
static void test_leaves_another(void **state)
{
    struct fixture *f = *state;

    start(f, "+", leave_b);
    add_dev(f, 0x8000);
    expect(f, "b - 8000-80ff ram@8000\n"
              "a - 8000-80ff ram@8000\n"
              "a + 8000-80ff dev@0\n"
              "b + 8000-80ff dev@0\n"
              "b commit\n"
              "b - 0-7fff ram@0\n"
              "b - 8000-80ff dev@0\n"
              "b - 8100-ffff ram@8100\n"
              "b - 20000-200ff far@0\n"
              "b commit\n");
    del_dev(f);
    expect(f, "a - 8000-80ff dev@0\n"
              "a + 8000-80ff ram@8000\n");
}

/* Everybody, itself included, in any callback: nobody is left half told. */
static void test_leaves_all(void **state)
{
    static const char *const triggers[] = { "begin", "-", "+", "=", "commit" };
    struct fixture *f = *state;

    for (unsigned i = 0; i < 5; i++) {
        for (unsigned who = 0; who < 3; who++) {
            for (unsigned j = 0; j < 3; j++) {
                struct ear *e = ear(f, j, j);

                e->listener.begin = on_begin;
                e->listener.commit = on_commit;
                e->listener.region_nop = on_nop;
                listen(e);
            }
            f->ears[who].trigger = triggers[i];
            f->ears[who].react = leave_all;
            add_dev(f, 0x8000);
            assert_null(f->ears[who].trigger);
            for (unsigned j = 0; j < 3; j++) {
                assert_null(f->ears[j].listener.address_space);
            }
            del_dev(f);
            clear(f);
        }
    }
}

static void test_leaves_in_replay(void **state)
{
    struct fixture *f = *state;
    struct ear *e = ear(f, 0, 0);

    e->listener.commit = on_commit;
    e->trigger = "+";
    e->react = leave_self;
    listen(e);
    expect(f, "a + 0-ffff ram@0\n"
              "a commit\n"
              "a - 0-ffff ram@0\n"
              "a commit\n");
    assert_null(e->listener.address_space);
}

/* One that joins is shown the new view, and nothing twice. */
static void test_joins(void **state)
{
    struct fixture *f = *state;

    start(f, "-", join_c);
    add_dev(f, 0x8000);
    expect(f, "b - 8000-80ff ram@8000\n"
              "a - 8000-80ff ram@8000\n"
              "c + 0-7fff ram@0\n"
              "c + 8000-80ff dev@0\n"
              "c + 8100-ffff ram@8100\n"
              "c + 20000-200ff far@0\n"
              "a + 8000-80ff dev@0\n"
              "b + 8000-80ff dev@0\n"
              "b commit\n");
    del_dev(f);
    assert_non_null(strstr(f->log, "c - 8000-80ff dev@0\n"));
}

/* ---- Two address spaces ------------------------------------------------ */

static void join_other(struct fixture *f, struct ear *e)
{
    (void)e;
    assert_int_equal(
        memory_listener_register(&ear(f, 1, 0)->listener, &f->other), 0);
}

static void leave_other(struct fixture *f, struct ear *e)
{
    (void)e;
    leave(&f->ears[1]);
}

/* The other's view is published, but its listeners were not told yet. */
static void test_other_space_in_between(void **state)
{
    struct fixture *f = *state;

    listen(ear(f, 0, 0));
    clear(f);
    f->ears[0].trigger = "+";
    f->ears[0].react = join_other;
    add_dev(f, 0x8000);
    expect(f, "a - 8000-80ff ram@8000\n"
              "a + 8000-80ff dev@0\n"
              "b + 0-7fff ram@0\n"
              "b + 8000-80ff dev@0\n"
              "b + 8100-ffff ram@8100\n"
              "b + 20000-200ff far@0\n");
    f->ears[0].trigger = "-";
    f->ears[0].react = leave_other;
    del_dev(f);
    expect(f, "a - 8000-80ff dev@0\n"
              "b - 8000-80ff dev@0\n"
              "b + 8000-80ff ram@8000\n"
              "b - 0-ffff ram@0\n"
              "b - 20000-200ff far@0\n"
              "a + 8000-80ff ram@8000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_edits_are_queued),
        TEST(test_edit_in_replay),
        TEST(test_endless_edits_end),
        TEST(test_leaves_itself_in_add),
        TEST(test_leaves_itself_in_del),
        TEST(test_leaves_another),
        TEST(test_leaves_all),
        TEST(test_leaves_in_replay),
        TEST(test_joins),
        TEST(test_other_space_in_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
