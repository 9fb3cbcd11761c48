/* SPDX-License-Identifier: MIT */
/*
 * The way up that is known: when it is learned, what makes it be forgotten, and
 * that whatever is edited meanwhile shows.
 */
#include "engine/engine_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine/fixture.h"

#define PAGE    ((hwaddr)0x1000)
#define PAGES   64
#define DEVICES 12
#define LEVELS  4
#define CELLS   (2 * PAGES) /* half a page each */

struct seen {
    const MemoryRegion *mr;
    bool is_readonly;
};

/* Someone who looks at what is dirty, from where it is to be looked at. */
struct space {
    struct xbar_participant participant;
    struct nest *nest;
    struct seen cells[CELLS];
};

/* root > level 0 > 1 > 2 > devices; the last of them are where they are put. */
struct nest {
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion level[LEVELS]; /* the last one is beside level 2 */
    MemoryRegion device[DEVICES];
    MemoryRegion alias; /* of level 1, while has_alias */
    bool has_alias;
    struct space all;
    struct space part; /* of level 1, while has_part */
    bool has_part;
};

/* ---- What is to be seen ------------------------------------------------ */

static struct seen resolve(struct nest *n, const MemoryRegion *mr, hwaddr addr);

static void offer(struct nest *n, const MemoryRegion *in, MemoryRegion *child,
                  hwaddr addr, const MemoryRegion **best, struct seen *seen)
{
    struct seen s;

    if (child->container != in || addr < child->addr ||
        (*best && xbar_region_compare(*best, child) < 0)) {
        return;
    }
    s = resolve(n, child, addr - child->addr);
    if (s.mr) {
        *best = child;
        *seen = s;
    }
}

/* Region by region, byte by byte. */
static struct seen resolve(struct nest *n, const MemoryRegion *mr, hwaddr addr)
{
    const MemoryRegion *best = NULL;
    struct seen seen = { NULL, false };

    if (!(mr->flags & XBAR_REGION_ENABLED) || (mr->flags & XBAR_REGION_EMPTY) ||
        addr > mr->last) {
        return seen;
    }
    if (mr->alias) {
        seen = resolve(n, mr->alias, addr + mr->alias_offset);
    } else {
        for (unsigned i = 0; i < LEVELS; i++) {
            offer(n, mr, &n->level[i], addr, &best, &seen);
        }
        for (unsigned i = 0; i < DEVICES; i++) {
            offer(n, mr, &n->device[i], addr, &best, &seen);
        }
        if (n->has_alias) {
            offer(n, mr, &n->alias, addr, &best, &seen);
        }
        if (!best && (mr->flags & XBAR_REGION_TERMINATES)) {
            seen.mr = mr;
        }
    }
    seen.is_readonly |= (mr->flags & XBAR_REGION_READONLY) != 0;
    return seen;
}

static int look(struct xbar_participant *p)
{
    struct space *space = xbar_container_of(p, struct space, participant);

    for (size_t i = 0; i < p->dirty_count; i++) {
        const struct xbar_window *w = &p->dirty[i];

        for (hwaddr c = w->range.first / (PAGE / 2);
             c < CELLS && c * (PAGE / 2) <= w->range.last; c++) {
            struct seen *cell = &space->cells[c];

            *cell = resolve(space->nest, w->from, c * (PAGE / 2) - w->base);
            cell->is_readonly |= (w->flags & XBAR_REGION_READONLY) != 0;
        }
    }
    return 0;
}

static void do_nothing(struct xbar_participant *p)
{
    (void)p;
}

static void open_space(struct nest *n, struct space *space, MemoryRegion *root)
{
    space->participant = (struct xbar_participant){
        .root = root,
        .prepare = look,
        .cancel = do_nothing,
        .publish = do_nothing,
        .notify = do_nothing,
        .retire = do_nothing,
    };
    space->nest = n;
    for (hwaddr c = 0; c < CELLS; c++) {
        space->cells[c] = resolve(n, root, c * (PAGE / 2));
    }
    assert_int_equal(xbar_region_root_add(root), 0);
    xbar_tree_hold(n->engine);
    xbar_participant_add(n->engine, &space->participant);
    xbar_tree_release(n->engine);
}

static void close_space(struct nest *n, struct space *space)
{
    xbar_tree_hold(n->engine);
    xbar_participant_remove(n->engine, &space->participant);
    xbar_tree_release(n->engine);
    xbar_region_root_remove(space->participant.root);
}

static void check_space(struct nest *n, const struct space *space)
{
    for (hwaddr c = 0; c < CELLS; c++) {
        const struct seen seen =
            resolve(n, space->participant.root, c * (PAGE / 2));

        assert_ptr_equal(space->cells[c].mr, seen.mr);
        assert_true(!seen.mr ||
                    seen.is_readonly == space->cells[c].is_readonly);
    }
}

static void check(struct nest *n)
{
    check_space(n, &n->all);
    if (n->has_part) {
        check_space(n, &n->part);
    }
}

static const MemoryRegion *known(const struct nest *n)
{
    return n->engine->dirty.way.bottom;
}

/* Twice in a row makes the way known. */
static void toggle(struct nest *n, MemoryRegion *mr)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(memory_region_set_enabled(mr, i != 0), 0);
        check(n);
    }
}

/* ---- Cases -------------------------------------------------------------- */

static void test_learned(void **state)
{
    struct nest *n = *state;

    assert_null(known(n));
    assert_int_equal(memory_region_set_enabled(&n->device[0], false), 0);
    assert_null(known(n));
    assert_int_equal(memory_region_set_enabled(&n->device[0], true), 0);
    assert_ptr_equal(known(n), &n->level[2]);
    toggle(n, &n->device[1]);
    assert_int_equal(memory_region_set_address(&n->device[2], 30 * PAGE), 0);
    check(n);
    assert_ptr_equal(known(n), &n->level[2]);
}

/* One that takes turns with it is no reason to learn. */
static void test_turns(void **state)
{
    struct nest *n = *state;

    toggle(n, &n->device[0]);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(
            memory_region_set_enabled(&n->device[i % 2 ? 0 : 8], i & 2), 0);
        check(n);
        assert_ptr_equal(known(n), &n->level[2]);
    }
    toggle(n, &n->device[8]);
    toggle(n, &n->device[8]);
    assert_ptr_equal(known(n), &n->level[3]);
}

/* Before the commit, which may learn one of its own. */
static void forgotten(struct nest *n, int err)
{
    assert_int_equal(err, 0);
    assert_null(known(n));
    assert_int_equal(memory_region_transaction_commit(), 0);
    check(n);
    toggle(n, &n->device[0]);
    toggle(n, &n->device[0]);
}

#define forget_by(n, edit) \
    (memory_region_transaction_begin(), forgotten(n, edit))

/* What any of the regions on it is, and where. */
static void test_forgotten(void **state)
{
    struct nest *n = *state;
    MemoryRegion *on_way[] = { &n->root, &n->level[0], &n->level[1],
                               &n->level[2] };

    toggle(n, &n->device[0]);
    for (unsigned i = 0; i < 4; i++) {
        MemoryRegion *mr = on_way[i];

        assert_ptr_equal(known(n), &n->level[2]);
        forget_by(n, memory_region_set_readonly(mr, true));
        forget_by(n, memory_region_set_readonly(mr, false));
        forget_by(n, memory_region_set_enabled(mr, false));
        forget_by(n, memory_region_set_enabled(mr, true));
        forget_by(n, memory_region_set_size(mr, 32 * PAGE));
        forget_by(n, memory_region_set_size(mr, PAGES * PAGE));
        if (i) {
            forget_by(n, memory_region_set_address(mr, PAGE));
            forget_by(n, memory_region_set_address(mr, 0));
        }
    }
    assert_ptr_equal(known(n), &n->level[2]);
}

/* Who comes to be beside it, or shows it. */
static void test_beside(void **state)
{
    struct nest *n = *state;
    MemoryRegion *mr = &n->device[11];

    toggle(n, &n->device[0]);
    for (unsigned i = 0; i < 2; i++) {
        MemoryRegion *container = i ? &n->root : &n->level[1];

        forget_by(n, memory_region_add_subregion_overlap(container, 0, mr, 1));
        forget_by(n, memory_region_set_address(mr, PAGE));
        forget_by(n, memory_region_set_size(mr, (3 + i) * PAGE));
        forget_by(n, memory_region_del_subregion(container, mr));
    }
    forget_by(n, memory_region_init_alias(&n->alias, NULL, NULL, &n->level[1],
                                          0, 8 * PAGE));
    n->has_alias = true;
    assert_int_equal(
        memory_region_add_subregion(&n->root, 40 * PAGE, &n->alias), 0);
    toggle(n, &n->device[0]);
    toggle(n, &n->device[0]);
    assert_ptr_equal(known(n), &n->level[2]);
    assert_int_equal(xbar_region_destroy(&n->alias, NULL, NULL), 0);
    n->has_alias = false;
    assert_null(known(n)); /* which ended where the alias began */
    toggle(n, &n->device[0]);
    toggle(n, &n->device[0]);
    open_space(n, &n->part, &n->level[1]);
    n->has_part = true;
    assert_null(known(n));
    toggle(n, &n->device[0]);
    toggle(n, &n->device[0]);
    assert_ptr_equal(known(n), &n->level[2]);
    close_space(n, &n->part);
    n->has_part = false;
    assert_null(known(n));
    toggle(n, &n->device[0]);
}

/* The same of one that is disabled: it is enabled without a word to them. */
static void test_disabled_beside(void **state)
{
    struct nest *n = *state;
    MemoryRegion *mr = &n->device[11];

    assert_int_equal(memory_region_set_enabled(mr, false), 0);
    toggle(n, &n->device[0]);
    forget_by(n,
              memory_region_add_subregion_overlap(&n->level[1], PAGE, mr, 1));
    forget_by(n, memory_region_set_address(mr, 0));
    assert_int_equal(memory_region_set_enabled(mr, true), 0);
    check(n);
    toggle(n, &n->device[0]);
    assert_int_equal(memory_region_set_enabled(mr, false), 0);
    forget_by(n, memory_region_del_subregion(&n->level[1], mr));
}

/* To the byte: it ends where the way begins to hold, and the other way round. */
static void test_edges(void **state)
{
    struct nest *n = *state;
    MemoryRegion *beside = &n->device[11];

    assert_int_equal(
        memory_region_add_subregion_overlap(&n->level[1], 40 * PAGE, beside, 1),
        0);
    for (unsigned i = 0; i < 2; i++) {
        MemoryRegion *mr = &n->device[i];

        assert_int_equal(
            memory_region_set_address(mr, i == 0 ? 50 * PAGE : 20 * PAGE), 0);
        toggle(n, mr);
        toggle(n, mr);
        assert_ptr_equal(known(n), &n->level[2]);
        assert_int_equal(memory_region_set_address(mr, i == 0 ? 41 * PAGE - 1
                                                              : 39 * PAGE + 1),
                         0);
        check(n);
        assert_ptr_equal(resolve(n, &n->root, 40 * PAGE + PAGE / 2).mr, beside);
    }
}

/* An undo tells nobody what it changes. */
static void test_undone(void **state)
{
    struct nest *n = *state;

    toggle(n, &n->device[0]);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&n->device[0], false), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_null(known(n));
    check(n);
}

static void ignore(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    (void)opaque;
}

/*
 * An empty container says nothing of what becomes of it, so no way leads through
 * one: it may go, and its memory be something else's.
 */
static void test_empty(void **state)
{
    struct nest *n = *state;
    MemoryRegion *bus = malloc(sizeof(*bus));

    assert_int_equal(memory_region_init(bus, NULL, "bus", PAGE), 0);
    assert_int_equal(memory_region_add_subregion_overlap(&n->root, 0, bus, 1),
                     0);
    assert_int_equal(memory_region_add_subregion(bus, 0, &n->device[11]), 0);
    toggle(n, bus);
    if (known(n) == bus) {
        assert_int_equal(memory_region_set_enabled(bus, false), 0);
    }
    assert_int_equal(memory_region_set_size(bus, 0), 0); /* missed again */
    check(n);
    assert_null(known(n));
    assert_int_equal(xbar_region_destroy(bus, NULL, NULL), 0);
    memset(bus, 0x5a, sizeof(*bus));
    toggle(n, &n->device[0]);
    toggle(n, &n->device[0]);
    assert_ptr_equal(known(n), &n->level[2]);
    for (size_t i = 0; i < sizeof(*bus); i++) {
        assert_int_equal(((unsigned char *)bus)[i], 0x5a);
    }
    free(bus);
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

static void edit_level(struct nest *n, uint64_t *seed)
{
    MemoryRegion *mr = &n->level[draw(seed, LEVELS)];

    switch (draw(seed, 4)) {
    case 0:
        (void)memory_region_set_address(mr, draw(seed, 3) * PAGE);
        break;
    case 1:
        (void)memory_region_set_size(
            mr, draw(seed, 4) ? (PAGES / 2 + draw(seed, PAGES)) * PAGE : 0);
        break;
    case 2:
        (void)memory_region_set_readonly(mr, draw(seed, 2) != 0);
        break;
    default:
        (void)memory_region_set_enabled(mr, draw(seed, 8) != 0);
    }
}

static void put_elsewhere(struct nest *n, uint64_t *seed, MemoryRegion *mr)
{
    const uint32_t to = draw(seed, LEVELS + 4);

    if (mr->container) {
        (void)memory_region_del_subregion(mr->container, mr);
    }
    (void)memory_region_add_subregion_overlap(to == 0        ? &n->root
                                              : to <= LEVELS ? &n->level[to - 1]
                                                             : &n->level[2],
                                              draw(seed, PAGES) * PAGE, mr,
                                              (int)draw(seed, 3) - 1);
}

static void edit(struct nest *n, uint64_t *seed)
{
    MemoryRegion *mr = &n->device[draw(seed, draw(seed, 8) ? 4 : DEVICES)];

    switch (draw(seed, 64)) {
    case 0:
        edit_level(n, seed);
        break;
    case 1:
        put_elsewhere(n, seed, mr);
        break;
    case 2:
    case 3:
    case 4:
        (void)memory_region_set_address(mr, draw(seed, PAGES) * PAGE);
        break;
    default:
        (void)memory_region_set_enabled(mr, draw(seed, 2) != 0);
    }
}

/* One of the levels ends, and another begins in its memory. */
static void renew_level(struct nest *n, uint64_t *seed)
{
    const unsigned i = draw(seed, LEVELS);
    MemoryRegion *mr = &n->level[i];

    if ((i == 1 && (n->has_part || n->has_alias)) ||
        xbar_region_destroy(mr, NULL, NULL) != 0) {
        return;
    }
    memset(mr, 0x5a, sizeof(*mr));
    for (int k = 0; k < 4; k++) { /* while it is nothing */
        (void)memory_region_set_enabled(&n->device[draw(seed, DEVICES)], k & 1);
    }
    (void)memory_region_init(mr, NULL, "level", PAGES * PAGE);
    for (unsigned k = 0; k < LEVELS; k++) {
        if (!n->level[k].container) {
            (void)memory_region_add_subregion_overlap(
                k == 0 ? &n->root : &n->level[k - 1], 0, &n->level[k], 0);
        }
    }
    for (unsigned k = 0; k < DEVICES; k++) {
        if (!n->device[k].container) {
            (void)memory_region_add_subregion_overlap(
                &n->level[2], 2 * k * PAGE, &n->device[k], 0);
        }
    }
}

/* An alias of level 1, or an address space: it comes, or goes. */
static void edit_forks(struct nest *n, uint64_t *seed)
{
    if (draw(seed, 2)) {
        if (n->has_part) {
            close_space(n, &n->part);
        } else {
            open_space(n, &n->part, &n->level[1]);
        }
        n->has_part = !n->has_part;
    } else if (n->has_alias) {
        (void)xbar_region_destroy(&n->alias, NULL, NULL);
        n->has_alias = false;
    } else {
        (void)memory_region_init_alias(&n->alias, NULL, NULL, &n->level[1],
                                       draw(seed, 4) * PAGE, 8 * PAGE);
        n->has_alias = true;
        (void)memory_region_add_subregion_overlap(
            &n->root, draw(seed, PAGES) * PAGE, &n->alias, 1);
    }
}

static void test_random(void **state)
{
    struct nest *n = *state;
    unsigned ways = 0;
    uint64_t seed = 9;

    for (unsigned i = 0; i < 20000; i++) {
        const bool is_void = draw(&seed, 16) == 0;

        if (draw(&seed, 256) == 0) {
            renew_level(n, &seed);
        } else if (draw(&seed, 128) == 0) {
            edit_forks(n, &seed);
        }
        check(n);
        memory_region_transaction_begin();
        for (unsigned k = draw(&seed, 8) ? 1 : 3; k > 0; k--) {
            edit(n, &seed);
        }
        if (is_void) {
            (void)xbar_transaction_abort();
        }
        assert_int_equal(memory_region_transaction_commit(),
                         is_void ? -ECANCELED : 0);
        check(n);
        ways += known(n) != NULL;
    }
    assert_true(ways > 5000);
}

/* ---- Life --------------------------------------------------------------- */

static int set_up(void **state)
{
    struct nest *n = calloc(1, sizeof(*n));

    *state = n;
    n->engine = xbar_engine_new(NULL);
    (void)xbar_engine_enter(n->engine);
    (void)memory_region_init(&n->root, NULL, "root", PAGES * PAGE);
    for (unsigned i = 0; i < LEVELS; i++) {
        (void)memory_region_init(&n->level[i], NULL, "level", PAGES * PAGE);
        (void)memory_region_add_subregion_overlap(i == 0   ? &n->root
                                                  : i == 3 ? &n->level[1]
                                                           : &n->level[i - 1],
                                                  0, &n->level[i],
                                                  i == 3 ? -1 : 0);
    }
    (void)memory_region_set_size(&n->level[3], 4 * PAGE);
    (void)memory_region_set_address(&n->level[3], 60 * PAGE);
    (void)memory_region_set_size(&n->level[2], 60 * PAGE);
    for (unsigned i = 0; i < DEVICES; i++) {
        (void)memory_region_init_io(&n->device[i], NULL, NULL, NULL, NULL,
                                    PAGE);
        if (i < 11) {
            (void)memory_region_add_subregion(
                i < 8 ? &n->level[2] : &n->level[3],
                i < 8 ? 2 * i * PAGE : (i - 8) * PAGE, &n->device[i]);
        }
    }
    open_space(n, &n->all, &n->root);
    return 0;
}

static int tear_down(void **state)
{
    struct nest *n = *state;
    int err;

    if (n->has_part) {
        close_space(n, &n->part);
    }
    if (n->has_alias) {
        (void)xbar_region_destroy(&n->alias, ignore, NULL);
    }
    close_space(n, &n->all);
    for (unsigned i = 0; i < DEVICES; i++) {
        (void)xbar_region_destroy(&n->device[i], ignore, NULL);
    }
    for (unsigned i = LEVELS; i-- > 0;) {
        (void)xbar_region_destroy(&n->level[i], ignore, NULL);
    }
    (void)xbar_region_destroy(&n->root, ignore, NULL);
    (void)xbar_engine_leave(n->engine);
    err = xbar_engine_free(n->engine);
    free(n);
    return err;
}

#define nest_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        nest_test(test_learned),         nest_test(test_turns),
        nest_test(test_forgotten),       nest_test(test_beside),
        nest_test(test_disabled_beside), nest_test(test_edges),
        nest_test(test_undone),          nest_test(test_empty),
        nest_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
