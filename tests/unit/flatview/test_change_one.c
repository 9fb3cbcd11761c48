/* SPDX-License-Identifier: MIT */
/*
 * Windows in which one thing changes: what is taken by the short way, what has
 * to be left to the long one, and that both come to what rendering from scratch
 * says.
 */
#include "flatview/render/change_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/counting_alloc.h"

#define PAGE ((hwaddr)0x1000)

/*
 *     root      every device but those of the level; leaves, and what aliases
 *     level     show of `shared`; a container over all of it, so only what is
 *               in it has nothing beside it and may take the short way
 */
struct place {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion level;
    MemoryRegion shared; /* in no container: aliases show its pages */
    MemoryRegion device[6];
    MemoryRegion alias[4];
    AddressSpace as;
};

static const FlatRange *look(const struct place *p, hwaddr addr)
{
    return flatview_lookup(p->as.current_map, addr);
}

/* Is the view what a render of all gives? */
static void check(const struct place *p)
{
    const struct xbar_range all = { 0, UINT64_MAX };
    struct flatview_pieces pieces = { .items = NULL };

    assert_int_equal(flatview__render(&p->root, all, &pieces), 0);
    assert_int_equal(flatview_num_ranges(p->as.current_map), pieces.count);
    for (size_t i = 0; i < pieces.count; i++) {
        assert_true(
            flatview__says(look(p, pieces.items[i].first), &pieces.items[i]));
    }
    flatview__pieces_free(p->engine, &pieces);
}

static void put(struct place *p, MemoryRegion *container, hwaddr addr,
                MemoryRegion *mr)
{
    assert_int_equal(memory_region_add_subregion(container, addr, mr), 0);
    check(p);
}

static void show(struct place *p, MemoryRegion *mr, bool is_shown)
{
    assert_int_equal(memory_region_set_enabled(mr, is_shown), 0);
    check(p);
}

static void move(struct place *p, MemoryRegion *mr, hwaddr addr)
{
    assert_int_equal(memory_region_set_address(mr, addr), 0);
    check(p);
}

/* At both ends of the space, and where neighbours touch. */
static void test_comes_and_goes(void **state)
{
    struct place *p = *state;
    static const hwaddr at[] = {
        0,
        PAGE,
        3 * PAGE,
        4 * PAGE,
        UINT64_MAX - 2 * PAGE + 1,
        UINT64_MAX - PAGE + 1,
    };

    for (size_t i = 0; i < 6; i++) {
        put(p, &p->level, at[i], &p->device[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        const FlatRange *left = look(p, at[(i + 5) % 6]);
        const FlatRange *right = look(p, at[(i + 1) % 6]);

        show(p, &p->device[i], false);
        assert_null(look(p, at[i])->mr);
        show(p, &p->device[i], true);
        assert_ptr_equal(look(p, at[i])->mr, &p->device[i]);
        assert_ptr_equal(look(p, at[(i + 5) % 6]), left);
        assert_ptr_equal(look(p, at[(i + 1) % 6]), right);
    }
}

/* By less than its size, within reach of nothing, and over others. */
static void test_moves(void **state)
{
    struct place *p = *state;

    put(p, &p->level, 16 * PAGE, &p->device[0]);
    put(p, &p->level, 40 * PAGE, &p->device[1]);
    move(p, &p->device[0], 16 * PAGE + 8);
    move(p, &p->device[0], 15 * PAGE);
    move(p, &p->device[0], 30 * PAGE);
    move(p, &p->device[0], 20 * PAGE);
    move(p, &p->device[0], 50 * PAGE);
    move(p, &p->device[0], 40 * PAGE + 8); /* covers all of the other but 8 */
    move(p, &p->device[0], 10 * PAGE);
    assert_ptr_equal(look(p, 40 * PAGE)->mr, &p->device[1]);
}

/*
 * Two windows of the level, from which nothing between them is to be seen; but
 * something is there, of the root. (A mark between theirs that leads nowhere has
 * each carried by itself, so that both begin at the level.)
 */
static void test_something_between(void **state)
{
    struct place *p = *state;
    MemoryRegion *hidden = &p->device[3];
    const FlatRange *between;

    put(p, &p->level, PAGE, &p->device[0]);
    put(p, &p->level, 5 * PAGE, &p->device[1]);
    put(p, &p->root, 3 * PAGE, &p->device[2]);
    put(p, &p->device[4], 0, hidden);
    show(p, &p->device[4], false);
    put(p, &p->root, 100 * PAGE, &p->device[4]);
    show(p, &p->device[0], false);
    show(p, &p->device[1], false);
    between = look(p, 3 * PAGE);
    assert_ptr_equal(between->mr, &p->device[2]);

    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&p->level, &p->device[0]), 0);
    assert_int_equal(memory_region_set_enabled(hidden, false), 0);
    assert_int_equal(memory_region_del_subregion(&p->level, &p->device[1]), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_ptr_equal(look(p, 3 * PAGE), between);
    check(p);
}

/* Parts of one region that touch are one section, whichever comes last. */
static void test_joins(void **state)
{
    struct place *p = *state;

    for (unsigned i = 0; i < 3; i++) {
        put(p, &p->root, (20 + i) * PAGE, &p->alias[i]);
    }
    assert_int_equal(look(p, 20 * PAGE)->last, 23 * PAGE - 1);
    for (unsigned i = 0; i < 3; i++) {
        show(p, &p->alias[i], false);
        show(p, &p->alias[i], true);
        assert_int_equal(look(p, 20 * PAGE)->last, 23 * PAGE - 1);
    }
    move(p, &p->alias[1], 60 * PAGE);
    assert_int_equal(look(p, 20 * PAGE)->last, 21 * PAGE - 1);
    move(p, &p->alias[1], 21 * PAGE);
    assert_int_equal(look(p, 20 * PAGE)->last, 23 * PAGE - 1);
}

/* A leaf that has another inside is two sections, or three. */
static void test_inside(void **state)
{
    struct place *p = *state;

    put(p, &p->level, 10 * PAGE, &p->device[0]);
    put(p, &p->device[0], 0x200, &p->device[1]);
    show(p, &p->device[0], false);
    show(p, &p->device[0], true);
    assert_ptr_equal(look(p, 10 * PAGE + 0x200)->mr, &p->device[1]);
    move(p, &p->device[0], 30 * PAGE);
    assert_ptr_equal(look(p, 30 * PAGE + 0x200)->mr, &p->device[1]);
}

/* What several regions have a part in; what changes what it says. */
static void test_overlaps(void **state)
{
    struct place *p = *state;
    const FlatRange *before;

    put(p, &p->root, 10 * PAGE, &p->device[0]);
    assert_int_equal(memory_region_add_subregion_overlap(
                         &p->root, 10 * PAGE + 0x400, &p->device[1], 1),
                     0);
    check(p);
    show(p, &p->device[1], false);
    show(p, &p->device[1], true);
    show(p, &p->device[0], false);
    show(p, &p->device[0], true);
    put(p, &p->device[0], 0x200, &p->device[2]);
    show(p, &p->device[2], false);
    before = look(p, 10 * PAGE);
    assert_int_equal(memory_region_set_readonly(&p->device[0], true), 0);
    check(p);
    assert_ptr_not_equal(look(p, 10 * PAGE), before);
}

#define FAR (100000 * PAGE)

/* The edits of the case below, each of which is a commit of the short way. */
static int change_first(struct place *p, unsigned edit)
{
    static const hwaddr to[] = { FAR, 20 * PAGE, 20 * PAGE + 8, 20 * PAGE };
    MemoryRegion *mr = &p->device[0];

    switch (edit) {
    case 4:
        return memory_region_set_size(mr, PAGE / 2);
    case 5:
        return memory_region_set_readonly(mr, true);
    case 6:
        return memory_region_del_subregion(&p->level, mr);
    case 7:
        return memory_region_add_subregion(&p->level, 20 * PAGE, mr);
    default:
        return memory_region_set_address(mr, to[edit]);
    }
}

/* Whichever request fails: what was there is there still. */
static void test_out_of_memory(void **state)
{
    struct place *p = *state;

    put(p, &p->level, 20 * PAGE, &p->device[0]);
    for (unsigned i = 1; i < 5; i++) { /* two here, two there */
        put(p, &p->level, i < 3 ? i * 4 * PAGE : FAR + i * 4 * PAGE,
            &p->device[i]);
    }
    for (unsigned edit = 0; edit < 8; edit++) {
        const FlatView *view = p->as.current_map;
        long n = 0;
        int err;

        do {
            long live;

            assert_true(xbar_engine_reclaim(p->engine) >= 0);
            live = atomic_load(&p->alloc.live_bytes);
            counting_alloc_fail(&p->alloc, ++n);
            err = change_first(p, edit);
            counting_alloc_fail(&p->alloc, 0);
            assert_true(err == 0 || err == -ENOMEM);
            if (err != 0) {
                assert_ptr_equal(p->as.current_map, view);
                assert_int_equal(atomic_load(&p->alloc.live_bytes), live);
            }
            check(p);
        } while (err != 0);
        assert_true(n > 1 && p->as.current_map != view);
    }
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

static MemoryRegion *any(struct place *p, uint64_t *seed)
{
    const uint32_t i = draw(seed, 10);

    return i < 6 ? &p->device[i] : &p->alias[i - 6];
}

static void edit(struct place *p, uint64_t *seed)
{
    MemoryRegion *mr = any(p, seed);
    MemoryRegion *container = draw(seed, 2) ? &p->root : &p->level;

    switch (draw(seed, 5)) {
    case 0:
        (void)memory_region_set_address(mr, draw(seed, 24) * (PAGE / 2));
        break;
    case 1:
        memory_region_transaction_begin();
        (void)memory_region_del_subregion(
            memory_region_is_mapped(mr) ? mr->container : container, mr);
        (void)memory_region_add_subregion_overlap(
            container, draw(seed, 24) * (PAGE / 2), mr, (int)draw(seed, 2));
        (void)memory_region_transaction_commit();
        break;
    case 2:
        (void)memory_region_set_size(mr, (1 + draw(seed, 4)) * (PAGE / 2));
        break;
    default:
        (void)memory_region_set_enabled(mr, draw(seed, 2) != 0);
        break;
    }
}

/* Ten regions in twelve pages; one edit a commit, or two, or three. */
static void test_random(void **state)
{
    struct place *p = *state;
    uint64_t seed = 5;

    for (unsigned i = 0; i < 20000; i++) {
        memory_region_transaction_begin();
        for (unsigned n = draw(&seed, 4) == 0 ? draw(&seed, 3) : 0; n > 0;
             n--) {
            edit(p, &seed);
        }
        edit(p, &seed);
        assert_int_equal(memory_region_transaction_commit(), 0);
        check(p);
    }
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    *state = p;
    p->engine = counting_alloc_engine(&p->alloc);
    (void)xbar_engine_enter(p->engine);
    (void)memory_region_init(&p->root, NULL, "root", UINT64_MAX);
    (void)memory_region_init(&p->level, NULL, "level", UINT64_MAX);
    (void)memory_region_add_subregion_overlap(&p->root, 0, &p->level, -1);
    (void)memory_region_init_io(&p->shared, NULL, NULL, NULL, NULL, 4 * PAGE);
    for (unsigned i = 0; i < 6; i++) {
        (void)memory_region_init_io(&p->device[i], NULL, NULL, NULL, NULL,
                                    PAGE);
    }
    for (unsigned i = 0; i < 4; i++) {
        (void)memory_region_init_alias(&p->alias[i], NULL, NULL, &p->shared,
                                       i * PAGE, PAGE);
    }
    return address_space_init(&p->as, &p->root, "as");
}

static void ignore(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    int err;

    address_space_destroy(&p->as);
    for (unsigned i = 0; i < 4; i++) {
        (void)xbar_region_destroy(&p->alias[i], ignore, NULL);
    }
    for (unsigned i = 0; i < 6; i++) {
        (void)xbar_region_destroy(&p->device[i], ignore, NULL);
    }
    (void)xbar_region_destroy(&p->shared, ignore, NULL);
    (void)xbar_region_destroy(&p->level, ignore, NULL);
    (void)xbar_region_destroy(&p->root, ignore, NULL);
    (void)xbar_engine_leave(p->engine);
    err = xbar_engine_free(p->engine);
    err = err != 0 || atomic_load(&p->alloc.live_bytes) != 0 ? -1 : 0;
    free(p);
    return err;
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_comes_and_goes),
        place_test(test_moves),
        place_test(test_something_between),
        place_test(test_joins),
        place_test(test_inside),
        place_test(test_overlaps),
        place_test(test_out_of_memory),
        place_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
