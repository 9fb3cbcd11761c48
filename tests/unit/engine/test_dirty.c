/* SPDX-License-Identifier: MIT */
/*
 * What a participant is handed as dirty: the intervals of its root that an
 * edit may show in, and no more; and from where to look at them. That it is
 * enough: tests/model.
 */
#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

#define SIZE   0x1000
#define LEVELS 40

struct watcher {
    struct xbar_participant participant;
    struct xbar_range ranges[8];
    struct xbar_window windows[8];
    size_t count;
};

static int prepare(struct xbar_participant *p)
{
    struct watcher *w = (struct watcher *)p;

    w->count = p->dirty_count;
    for (size_t i = 0; i < p->dirty_count && i < 8; i++) {
        w->ranges[i] = p->dirty[i].range;
        w->windows[i] = p->dirty[i];
    }
    return 0;
}

static void ignore(struct xbar_participant *p)
{
    (void)p;
}

static void watch(struct watcher *w, MemoryRegion *root)
{
    *w = (struct watcher){ .participant = { .root = root,
                                            .prepare = prepare,
                                            .cancel = ignore,
                                            .publish = ignore,
                                            .notify = ignore,
                                            .retire = ignore } };
    assert_int_equal(xbar_region_root_add(root), 0);
    xbar_tree_hold(root->engine);
    xbar_participant_add(root->engine, &w->participant);
    xbar_tree_release(root->engine);
}

static void unwatch(struct watcher *w)
{
    MemoryRegion *root = w->participant.root;

    xbar_tree_hold(root->engine);
    xbar_participant_remove(root->engine, &w->participant);
    xbar_tree_release(root->engine);
    xbar_region_root_remove(root);
}

/* One interval, and then none until the next edit. */
static void expect(struct watcher *w, hwaddr first, hwaddr last)
{
    assert_int_equal(w->count, 1);
    assert_int_equal(w->ranges[0].first, first);
    assert_int_equal(w->ranges[0].last, last);
    w->count = 0;
}

static void open_container(MemoryRegion *mr, uint64_t size)
{
    assert_int_equal(memory_region_init(mr, NULL, NULL, size), 0);
}

static void place(MemoryRegion *mr, hwaddr at, MemoryRegion *child)
{
    assert_int_equal(memory_region_add_subregion(mr, at, child), 0);
}

static void show(MemoryRegion *alias, MemoryRegion *orig, hwaddr offset,
                 uint64_t size)
{
    assert_int_equal(
        memory_region_init_alias(alias, NULL, NULL, orig, offset, size), 0);
}

static void test_each_kind_of_edit(void **state)
{
    MemoryRegion root, bus, chip;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&bus, 0x10000);
    open_container(&chip, SIZE);
    watch(&w, &root);
    place(&root, 0x100000, &bus);
    expect(&w, 0x100000, 0x10ffff);
    place(&bus, 0x4000, &chip);
    expect(&w, 0x104000, 0x104fff);
    assert_int_equal(memory_region_set_readonly(&chip, true), 0);
    expect(&w, 0x104000, 0x104fff);
    assert_int_equal(memory_region_set_size(&chip, 0x1800), 0);
    expect(&w, 0x105000, 0x1057ff);
    assert_int_equal(memory_region_set_size(&chip, 0x800), 0);
    expect(&w, 0x104800, 0x1057ff);
    assert_int_equal(memory_region_set_size(&chip, 0), 0);
    expect(&w, 0x104000, 0x1047ff);
    assert_int_equal(memory_region_set_size(&chip, SIZE), 0);
    expect(&w, 0x104000, 0x104fff);
    assert_int_equal(memory_region_set_address(&chip, 0x4800), 0);
    expect(&w, 0x104000, 0x1057ff);
    assert_int_equal(memory_region_del_subregion(&bus, &chip), 0);
    expect(&w, 0x104800, 0x1057ff);
    unwatch(&w);
    end_region(&chip);
    end_region(&bus);
    end_region(&root);
}

/* All windows, and then none until the next edit. */
static void expect_from(struct watcher *w, size_t count,
                        const MemoryRegion *from, uint64_t base)
{
    assert_int_equal(w->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(w->windows[i].from, from);
        assert_int_equal(w->windows[i].base, base);
    }
    w->count = 0;
}

static void set_enabled(MemoryRegion *mr, bool enabled)
{
    assert_int_equal(memory_region_set_enabled(mr, enabled), 0);
}

/* From the lowest region that is alone on all of its way up. */
static void test_from_where(void **state)
{
    MemoryRegion root, bus, chip, other;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&bus, 0x10000);
    open_container(&chip, SIZE);
    open_container(&other, SIZE);
    watch(&w, &root);
    place(&root, 0x100000, &bus);
    place(&bus, 0x4000, &chip);
    expect_from(&w, 1, &bus, 0x100000); /* its place there was marked */
    set_enabled(&chip, false);
    expect_from(&w, 1, &chip, 0x104000);
    assert_int_equal(memory_region_set_readonly(&bus, true), 0);
    expect_from(&w, 1, &bus, 0x100000);
    assert_int_equal(w.windows[0].flags, 0); /* it says that itself */
    set_enabled(&chip, true);
    expect_from(&w, 1, &chip, 0x104000);
    assert_int_equal(w.windows[0].flags, XBAR_REGION_READONLY);

    place(&bus, 0x6000, &other); /* not where the chip is */
    expect_from(&w, 1, &bus, 0x100000);
    assert_int_equal(memory_region_set_address(&chip, 0x8000), 0);
    expect_from(&w, 2, &bus, 0x100000);
    set_enabled(&chip, false);
    expect_from(&w, 1, &chip, 0x108000);
    assert_int_equal(memory_region_set_address(&other, 0x8fff), 0);
    w.count = 0;
    set_enabled(&chip, true);
    expect_from(&w, 1, &bus, 0x100000);
    assert_int_equal(memory_region_del_subregion(&bus, &other), 0);
    place(&root, 0x108fff, &other);
    w.count = 0;
    set_enabled(&chip, false);
    expect_from(&w, 1, &root, 0);
    unwatch(&w);
    end_region(&other);
    end_region(&chip);
    end_region(&bus);
    end_region(&root);
}

/* From no lower than what answers itself, or is seen in two places. */
static void test_from_no_lower(void **state)
{
    MemoryRegion root, device, chip, alias;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    assert_int_equal(
        memory_region_init_io(&device, NULL, NULL, NULL, NULL, 0x10000), 0);
    watch(&w, &root);
    place(&root, 0x200000, &device);
    place(&device, 0x4000, &chip);
    w.count = 0;
    set_enabled(&chip, false);
    expect_from(&w, 1, &device, 0x200000);
    show(&alias, &device, 0, SIZE);
    set_enabled(&chip, true);
    expect_from(&w, 1, &root, 0);
    unwatch(&w);
    end_region(&alias);
    end_region(&chip);
    end_region(&device);
    end_region(&root);
}

/* Cut where a container ends, at the end of addresses, by a window. */
static void test_cut_to_what_is_shown(void **state)
{
    MemoryRegion root, bus, chip, alias;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&bus, 0x2000);
    open_container(&chip, SIZE);
    show(&alias, &bus, 0x1c00, 0x300);
    watch(&w, &root);
    place(&root, UINT64_MAX - 0xfff, &bus);
    place(&root, 0x8000, &alias);
    w.count = 0;
    place(&bus, 0x1800, &chip); /* past the end of addresses in the bus */
    expect(&w, 0x8000, 0x82ff);
    assert_int_equal(memory_region_set_enabled(&chip, false), 0);
    expect(&w, 0x8000, 0x82ff);
    assert_int_equal(memory_region_set_alias_offset(&alias, 0x2000), 0);
    expect(&w, 0x8000, 0x82ff);
    assert_int_equal(memory_region_set_enabled(&chip, true), 0);
    assert_int_equal(w.count, 0);
    unwatch(&w);
    end_region(&alias);
    end_region(&chip);
    end_region(&bus);
    end_region(&root);
}

/* Where nobody looks nothing is marked, and nobody is handed anything. */
static void test_hidden_edits(void **state)
{
    MemoryRegion root, off, chip, alone;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&off, SIZE);
    open_container(&chip, SIZE);
    open_container(&alone, SIZE);
    watch(&w, &root);
    place(&root, 0, &off);
    assert_int_equal(memory_region_set_enabled(&off, false), 0);
    w.count = 0;
    memory_region_transaction_begin();
    place(&off, 0, &chip);
    place(&chip, 0, &alone);
    assert_int_equal(memory_region_del_subregion(&chip, &alone), 0);
    assert_int_equal(memory_region_set_size(&alone, 2 * SIZE), 0);
    assert_int_equal(root.engine->dirty.count, 1);
    assert_ptr_equal(root.engine->dirty.marks[0].mr, &chip);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(w.count, 0);
    assert_int_equal(root.engine->dirty.count, 0);
    unwatch(&w);
    end_region(&alone);
    end_region(&chip);
    end_region(&off);
    end_region(&root);
}

/* It shrank, then it lost its place: what it covered at first is dirty. */
static void test_two_edits_of_one_edge(void **state)
{
    MemoryRegion root, chip;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    watch(&w, &root);
    place(&root, 0x4000, &chip);
    w.count = 0;
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&chip, 0x10), 0);
    assert_int_equal(memory_region_del_subregion(&root, &chip), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect(&w, 0x4000, 0x4fff);
    unwatch(&w);
    end_region(&chip);
    end_region(&root);
}

/* Nobody sees where a region is that is disabled, unless it was not. */
static void test_moves_of_disabled(void **state)
{
    MemoryRegion root, chip;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    watch(&w, &root);
    set_enabled(&chip, false);
    place(&root, 0x4000, &chip);
    assert_int_equal(w.count, 0);
    assert_int_equal(memory_region_set_address(&chip, 0x8000), 0);
    assert_int_equal(w.count, 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&root, &chip), 0);
    place(&root, 0x4000, &chip);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(w.count, 0);
    set_enabled(&chip, true);
    expect(&w, 0x4000, 0x4fff);
    unwatch(&w);
    end_region(&chip);
    end_region(&root);
}

/* Moved from 4000 to 8000 while it is disabled, in one transaction. */
static void move_disabled(MemoryRegion *chip, bool was_enabled, bool is_enabled)
{
    set_enabled(chip, was_enabled);
    assert_int_equal(memory_region_set_address(chip, 0x4000), 0);
    memory_region_transaction_begin();
    set_enabled(chip, false);
    assert_int_equal(memory_region_set_address(chip, 0x8000), 0);
    set_enabled(chip, is_enabled);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

/* The same where it is taken out, and put back. */
static void put_back_disabled(MemoryRegion *chip, bool is_enabled)
{
    MemoryRegion *root = chip->container;

    set_enabled(chip, true);
    assert_int_equal(memory_region_set_address(chip, 0x4000), 0);
    memory_region_transaction_begin();
    set_enabled(chip, false);
    assert_int_equal(memory_region_del_subregion(root, chip), 0);
    place(root, 0x8000, chip);
    set_enabled(chip, is_enabled);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static void expect_both(struct watcher *w)
{
    assert_int_equal(w->count, 2);
    assert_int_equal(w->ranges[0].first, 0x4000);
    assert_int_equal(w->ranges[0].last, 0x4fff);
    assert_int_equal(w->ranges[1].first, 0x8000);
    assert_int_equal(w->ranges[1].last, 0x8fff);
    w->count = 0;
}

static void test_moves_while_disabled(void **state)
{
    MemoryRegion root, chip;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    watch(&w, &root);
    place(&root, 0x4000, &chip);
    move_disabled(&chip, true, true);
    expect_both(&w);
    move_disabled(&chip, true, false);
    expect_both(&w); /* what was marked of it is carried from where it is */
    move_disabled(&chip, false, true);
    expect(&w, 0x8000, 0x8fff);
    put_back_disabled(&chip, true);
    expect_both(&w);
    put_back_disabled(&chip, false);
    expect_both(&w);
    unwatch(&w);
    end_region(&chip);
    end_region(&root);
}

/* 2^40 paths lead from the leaf to the root; each region is passed once. */
static void test_doubled_forty_times(void **state)
{
    static MemoryRegion chain[LEVELS + 1];
    static MemoryRegion alias[LEVELS][2];
    struct watcher w;

    (void)state;
    open_container(&chain[0], SIZE);
    for (int i = 0; i < LEVELS; i++) {
        open_container(&chain[i + 1], SIZE);
        for (int k = 0; k < 2; k++) {
            show(&alias[i][k], &chain[i], 0, SIZE);
            place(&chain[i + 1], 0, &alias[i][k]);
        }
    }
    watch(&w, &chain[LEVELS]);
    assert_int_equal(memory_region_set_readonly(&chain[0], true), 0);
    expect(&w, 0, SIZE - 1);
    unwatch(&w);
    for (int i = LEVELS; i >= 0; i--) {
        end_region(&chain[i]);
        for (int k = 0; i > 0 && k < 2; k++) {
            end_region(&alias[i - 1][k]);
        }
    }
}

/* Intervals come in any order, and leave sorted and merged. */
static void test_many_marks(void **state)
{
    static MemoryRegion chips[300];
    MemoryRegion root;
    struct watcher w;

    (void)state;
    open_container(&root, UINT64_MAX);
    watch(&w, &root);
    memory_region_transaction_begin();
    for (size_t i = 0; i < 300; i++) {
        size_t at = i * 7 % 300;

        open_container(&chips[i], SIZE);
        place(&root, (at < 200 ? at : at + 10) * SIZE, &chips[i]);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(w.count, 2);
    assert_int_equal(w.ranges[0].first, 0);
    assert_int_equal(w.ranges[0].last, 200 * SIZE - 1);
    assert_int_equal(w.ranges[1].first, 210 * SIZE);
    assert_int_equal(w.ranges[1].last, 310 * SIZE - 1);
    unwatch(&w);
    for (size_t i = 0; i < 300; i++) {
        end_region(&chips[i]);
    }
    end_region(&root);
}

/* ---- What is expected -------------------------------------------------- */

static hwaddr expected_at; /* 1: nothing was */
static hwaddr may_be_at;   /* the same, as a change began */

static void note_expected(struct xbar_participant *p, hwaddr addr, bool is_near)
{
    assert_non_null(p->root);
    *(is_near ? &expected_at : &may_be_at) = addr;
}

/*
 * Of a change among many regions the root hears first where it is, and of its
 * commit where that will look.
 */
static void test_large_engines_say_where(void **state)
{
    const size_t many = ENGINE_MANY_REGIONS;
    MemoryRegion *others = calloc(many, sizeof(*others));
    MemoryRegion root, bus, chip;
    struct watcher w;

    (void)state;
    assert_non_null(others);
    open_container(&root, UINT64_MAX);
    open_container(&bus, 0x10000);
    open_container(&chip, SIZE);
    watch(&w, &root);
    w.participant.expect = note_expected;
    place(&root, 0x100000, &bus);
    expected_at = may_be_at = 1;
    place(&bus, 0x4000, &chip);
    assert_int_equal(expected_at, 1);
    assert_int_equal(may_be_at, 1);
    for (size_t i = 0; i < many; i++) {
        open_container(&others[i], SIZE);
    }
    assert_int_equal(memory_region_set_readonly(&chip, true), 0);
    assert_int_equal(expected_at, 0x104000);
    assert_int_equal(may_be_at, 0x104000);
    may_be_at = 1;
    assert_int_equal(memory_region_set_address(&chip, 0x2000), 0);
    assert_int_equal(expected_at, 0x102000);
    assert_int_equal(may_be_at, 0x104000); /* where it was */
    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&bus, &chip), 0);
    assert_int_equal(may_be_at, 0x102000);
    assert_int_equal(memory_region_add_subregion(&bus, 0x5000, &chip), 0);
    assert_int_equal(may_be_at, 0x105000);
    assert_int_equal(memory_region_transaction_commit(), 0);
    for (size_t i = 0; i < many; i++) {
        end_region(&others[i]);
    }
    free(others);
    unwatch(&w);
    end_region(&chip);
    end_region(&bus);
    end_region(&root);
}

/* Behind many participants a change is not told: each would look for its own. */
static void test_few_are_looked_through(void **state)
{
    const size_t many = ENGINE_MANY_REGIONS;
    MemoryRegion *others = calloc(many, sizeof(*others));
    struct watcher before[9], w;
    MemoryRegion root, chip;

    (void)state;
    assert_non_null(others);
    for (size_t i = 0; i < many; i++) {
        open_container(&others[i], SIZE);
    }
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    for (size_t i = 0; i < 9; i++) {
        watch(&before[i], &others[i]);
    }
    watch(&w, &root);
    w.participant.expect = note_expected;
    expected_at = may_be_at = 1;
    place(&root, 0x4000, &chip);
    assert_int_equal(expected_at, 0x4000);
    assert_int_equal(may_be_at, 1);
    for (size_t i = 0; i < 9; i++) {
        unwatch(&before[i]);
    }
    assert_int_equal(memory_region_set_address(&chip, 0x2000), 0);
    assert_int_equal(may_be_at, 0x4000);
    unwatch(&w);
    end_region(&chip);
    end_region(&root);
    for (size_t i = 0; i < many; i++) {
        end_region(&others[i]);
    }
    free(others);
}

/* A caller's mistake: the place is in an engine that this call has not locked. */
static void test_others_are_not_looked_at(void **state)
{
    const size_t many = ENGINE_MANY_REGIONS + 1;
    MemoryRegion *here = calloc(many, sizeof(*here));
    MemoryRegion root, chip;
    struct fixture other;
    struct watcher w;

    (void)state;
    assert_non_null(here);
    for (size_t i = 0; i < many; i++) {
        open_container(&here[i], SIZE);
    }
    fixture_open(&other, (struct xbar_engine_config){ 0 });
    open_container(&root, UINT64_MAX);
    open_container(&chip, SIZE);
    watch(&w, &root);
    w.participant.expect = note_expected;
    place(&root, 0x4000, &chip);
    may_be_at = 1;
    assert_int_equal(memory_region_del_subregion(&here[0], &chip), -EINVAL);
    assert_int_equal(memory_region_add_subregion(&here[0], 0, &chip), -EINVAL);
    assert_int_equal(may_be_at, 1);
    unwatch(&w);
    end_region(&chip);
    end_region(&root);
    fixture_close(&other);
    for (size_t i = 0; i < many; i++) {
        end_region(&here[i]);
    }
    free(here);
}

/* ---- Short of memory --------------------------------------------------- */

/* For marks or for carrying them: void, nothing is kept. */
static void test_no_memory(void **state)
{
    static MemoryRegion chips[200];
    struct fixture *f = *state;
    MemoryRegion root;
    struct watcher w;
    int err = -ENOMEM;

    open_container(&root, UINT64_MAX);
    watch(&w, &root);
    for (size_t i = 0; i < 200; i++) {
        open_container(&chips[i], SIZE);
    }
    for (size_t n = 1; err; n++) {
        size_t bytes = f->bytes;

        f->requests = 0;
        f->fail_at = n;
        memory_region_transaction_begin();
        for (size_t i = 0; i < 200; i++) {
            (void)memory_region_add_subregion(&root, 2 * i * SIZE, &chips[i]);
        }
        err = memory_region_transaction_commit();
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(root.engine->dirty.count, 0);
        assert_true(err == 0 ? n > 3 : f->bytes == bytes && !root.children);
    }
    f->fail_at = 0;
    assert_int_equal(w.count, 200);
    unwatch(&w);
    for (size_t i = 0; i < 200; i++) {
        end_region(&chips[i]);
    }
    end_region(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_each_kind_of_edit),
        engine_test(test_from_where),
        engine_test(test_from_no_lower),
        engine_test(test_cut_to_what_is_shown),
        engine_test(test_hidden_edits),
        engine_test(test_two_edits_of_one_edge),
        engine_test(test_moves_of_disabled),
        engine_test(test_moves_while_disabled),
        engine_test(test_doubled_forty_times),
        engine_test(test_many_marks),
        engine_test(test_large_engines_say_where),
        engine_test(test_few_are_looked_through),
        engine_test(test_others_are_not_looked_at),
        engine_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
