/* SPDX-License-Identifier: MIT */
/*
 * Going back: after random edits the tree is what it was when a snapshot was
 * taken, and so is the view that was kept with it.
 *
 * Regions end, and others are made in their place, between snapshots that are
 * taken, gone back to and dropped in any order; some transactions are called
 * off. A second opinion says whether something is missed that cannot come back.
 * XBAR_MODEL_EDITS says how many edits, XBAR_MODEL_SEED where to start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/rcu.h"
#include "engine/snapshot.h"
#include "tests/model/world.h"

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define DEFAULT_EDITS 300000
#else
#define DEFAULT_EDITS 1000000
#endif

#define EDITS_A_WORLD 400
#define SNAPSHOTS     4

/* A snapshot, and what was true when it was taken. */
struct past {
    struct xbar_snapshot *snapshot; /* NULL: none */
    FlatView *view;
    struct shadow shadow;
    unsigned births[WORLD_NODES];
};

struct times {
    struct world w;
    struct past pasts[SNAPSHOTS];
    unsigned births[WORLD_NODES]; /* how often a region was made there */
    uint64_t stale;               /* how often something was missed */
    uint64_t restored;
    uint64_t told; /* differences between a view kept and what came back */
};

/* ---- Regions that end, and others in their place ----------------------- */

static void note_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(bool *)opaque = true;
}

/* Of a shadow: what the end of node @i does to the others. */
static void forget_node(struct shadow *s, int i)
{
    for (int k = 0; k < WORLD_NODES; k++) {
        struct node *n = &s->nodes[k];

        n->container = n->container == i ? -1 : n->container;
        n->target = n->target == i ? -1 : n->target;
    }
    s->nodes[i].container = -1;
}

/* Views that were kept may have it: they are given up. */
static void release_views(struct times *t)
{
    for (int i = 0; i < SNAPSHOTS; i++) {
        if (t->pasts[i].view != NULL) {
            xbar_view_release(t->pasts[i].view);
            t->pasts[i].view = NULL;
        }
    }
}

static void renew_node(struct times *t, int i)
{
    struct world *w = &t->w;
    bool has_ended = false;

    release_views(t);
    assert_int_equal(xbar_region_destroy(&w->regions[i], note_end, &has_ended),
                     0);
    for (int k = 0; k < 3 && !has_ended; k++) {
        assert_true(xbar_engine_reclaim(w->engine) >= 0);
    }
    assert_true(has_ended);
    forget_node(&w->shadow, i);
    make_node(w, i, (enum kind)world_pick(w, KINDS));
    t->births[i]++;
}

/* ---- Second opinion ---------------------------------------------------- */

/* Is node @i what it was? */
static bool is_left(const struct times *t, const struct past *past, int i)
{
    return t->births[i] == past->births[i];
}

static bool is_missed(const struct times *t, const struct past *past, int i)
{
    const struct node *n = &past->shadow.nodes[i];

    if (is_left(t, past, i)) {
        return n->target >= 0 && !is_left(t, past, n->target);
    }
    return n->container >= 0 && is_left(t, past, n->container);
}

static bool is_stale(const struct times *t, const struct past *past)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        if (is_missed(t, past, i)) {
            return true;
        }
    }
    return false;
}

static bool is_new(const struct times *t, const struct past *past, int i)
{
    return i >= 0 && !is_left(t, past, i);
}

/* What the shadow is once @past is back. */
static struct shadow expect_past(const struct times *t, const struct past *past)
{
    struct shadow s = t->w.shadow;

    for (int i = 0; i < WORLD_NODES; i++) {
        struct node *n = &s.nodes[i];

        if (is_left(t, past, i)) {
            *n = past->shadow.nodes[i];
            if (is_new(t, past, n->container)) {
                n->container = -1;
            }
        } else if (n->container >= 0 && !is_new(t, past, n->container)) {
            n->container = -1;
        }
    }
    return s;
}

/* ---- Snapshots --------------------------------------------------------- */

static void take(struct times *t, struct past *past)
{
    assert_int_equal(xbar_snapshot_take(t->w.engine, &past->snapshot), 0);
    past->view = xbar_view_keep(&t->w.as);
    assert_non_null(past->view);
    past->shadow = t->w.shadow;
    memcpy(past->births, t->births, sizeof(t->births));
}

static void drop(struct past *past)
{
    xbar_snapshot_drop(past->snapshot);
    past->snapshot = NULL;
    if (past->view != NULL) {
        xbar_view_release(past->view);
        past->view = NULL;
    }
}

static bool count_difference(const FlatRange *from, const FlatRange *to,
                             void *opaque)
{
    (void)from;
    (void)to;
    (*(uint64_t *)opaque)++;
    return false;
}

/* Once the view was released, regions ended, and it could not be the same. */
static void compare_views(struct times *t, const struct past *past)
{
    if (past->view != NULL) {
        xbar_read_begin();
        (void)xbar_view_diff(past->view, address_space_to_flatview(&t->w.as),
                             count_difference, &t->told);
        xbar_read_end();
    }
}

static void go_back(struct times *t, const struct past *past)
{
    struct shadow expected = expect_past(t, past);
    bool stale = is_stale(t, past);
    int err = xbar_snapshot_restore(past->snapshot);

    if (stale) {
        assert_int_equal(err, -ESTALE);
        t->stale++;
        return;
    }
    assert_int_equal(err, 0);
    expected.next_sequence = t->w.shadow.next_sequence;
    t->w.shadow = expected;
    t->restored++;
    compare_views(t, past);
}

/* ---- Edits ------------------------------------------------------------- */

static void check(struct times *t)
{
    world_check_tree(&t->w);
    world_check_view(&t->w);
}

/* A few edits, maybe with a way back among them, maybe called off. */
static unsigned transact(struct times *t)
{
    struct world *w = &t->w;
    struct shadow before = w->shadow;
    const struct past *past = &t->pasts[world_pick(w, SNAPSHOTS)];
    unsigned count = 1 + world_pick(w, 6);
    bool is_off = world_pick(w, 8) == 0;

    memory_region_transaction_begin();
    for (unsigned i = 0; i < count; i++) {
        int err = world_edit(w);

        assert_true(err == 0 || is_refusal(err));
    }
    if (world_pick(w, 8) == 0 && past->snapshot != NULL && !is_stale(t, past)) {
        struct shadow expected = expect_past(t, past);

        assert_int_equal(xbar_snapshot_restore(past->snapshot), 0);
        expected.next_sequence = w->shadow.next_sequence;
        w->shadow = expected;
        (void)world_edit(w);
    }
    if (is_off) {
        assert_int_equal(xbar_transaction_abort(), 0);
        w->shadow = before;
    }
    assert_int_equal(memory_region_transaction_commit(),
                     is_off ? -ECANCELED : 0);
    return count;
}

static void use_past(struct times *t)
{
    struct past *past = &t->pasts[world_pick(&t->w, SNAPSHOTS)];

    if (past->snapshot == NULL) {
        take(t, past);
    } else if (world_pick(&t->w, 4) == 0) {
        drop(past);
    } else {
        go_back(t, past);
    }
}

static unsigned step(struct times *t)
{
    switch (world_pick(&t->w, 64)) {
    case 0:
        renew_node(t, 1 + (int)world_pick(&t->w, WORLD_NODES - 1));
        return 1;
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        use_past(t);
        return 0;
    default:
        return transact(t);
    }
}

/* ---- The test ---------------------------------------------------------- */

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t current_seed;

static void run_world(struct times *t, uint64_t seed)
{
    uint64_t edits = 0;

    memset(t->births, 0, sizeof(t->births));
    world_init(&t->w, seed);
    while (edits < EDITS_A_WORLD) {
        edits += step(t);
        check(t);
    }
    assert_int_equal(xbar_engine_free(t->w.engine), -EBUSY);
    for (int i = 0; i < SNAPSHOTS; i++) {
        if (t->pasts[i].snapshot != NULL) {
            drop(&t->pasts[i]);
        }
    }
    world_end(&t->w);
}

static void test_random_edits(void **state)
{
    const uint64_t edits = number_from("XBAR_MODEL_EDITS", DEFAULT_EDITS);
    static struct times t;

    (void)state;
    current_seed = number_from("XBAR_MODEL_SEED", 1);
    for (uint64_t done = 0; done < edits; done += EDITS_A_WORLD) {
        run_world(&t, current_seed);
        current_seed++;
    }
    print_message("went back %llu times; %llu times something had ended\n",
                  (unsigned long long)t.restored, (unsigned long long)t.stale);
    assert_true(t.restored > edits / 100);
    assert_true(t.stale > edits / 1000);
    assert_int_equal(t.told, 0);
}

/* ---- Memory runs out --------------------------------------------------- */

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define WORLDS 150
#else
#define WORLDS 1000
#endif

static int edit_all(struct times *t)
{
    memory_region_transaction_begin();
    for (int i = 0; i < 12; i++) {
        int err = world_edit(&t->w);

        assert_true(err == 0 || is_refusal(err) || err == -ENOMEM);
    }
    return memory_region_transaction_commit();
}

static int restore_past(struct times *t)
{
    int err = xbar_snapshot_restore(t->pasts[0].snapshot);

    if (err == 0) {
        uint64_t next = t->w.shadow.next_sequence;

        t->w.shadow = expect_past(t, &t->pasts[0]);
        t->w.shadow.next_sequence = next;
    }
    return err;
}

/* At every request of @run: all is as it was. Return: how often. */
static uint64_t exhaust(struct times *t, int (*run)(struct times *t))
{
    struct world *w = &t->w;
    const struct shadow before = w->shadow;
    const uint64_t seed = w->seed;
    long n = 0;
    int err;

    do {
        const FlatView *view = w->as.current_map;
        long live = atomic_load(&w->alloc.live_bytes);

        w->seed = seed;
        counting_alloc_fail(&w->alloc, ++n);
        err = run(t);
        if (err == 0) {
            assert_true(atomic_load(&w->alloc.requests) < n);
        } else {
            assert_int_equal(err, -ENOMEM);
            w->shadow = before;
            assert_ptr_equal(w->as.current_map, view);
            assert_int_equal(atomic_load(&w->alloc.live_bytes), live);
        }
        counting_alloc_fail(&w->alloc, 0);
        check(t);
    } while (err != 0);
    assert_true(xbar_engine_reclaim(w->engine) >= 0);
    return (uint64_t)n - 1;
}

static void test_without_memory(void **state)
{
    static struct times t;
    uint64_t failures = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        world_init(&t.w, seed);
        counting_alloc_fail(&t.w.alloc, 1 + (long)seed % 2);
        assert_int_equal(xbar_snapshot_take(t.w.engine, &t.pasts[0].snapshot),
                         -ENOMEM);
        assert_null(t.pasts[0].snapshot);
        counting_alloc_fail(&t.w.alloc, 0);
        take(&t, &t.pasts[0]);
        failures += exhaust(&t, edit_all);
        take(&t, &t.pasts[1]);
        failures += exhaust(&t, restore_past);
        failures += exhaust(&t, edit_all);
        drop(&t.pasts[1]);
        failures += exhaust(&t, restore_past);
        drop(&t.pasts[0]);
        world_end(&t.w);
    }
    print_message("%llu requests failed\n", (unsigned long long)failures);
    assert_true(failures > 20 * WORLDS);
}

/* Nobody reads while this thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

static int tell_seed(void **state)
{
    (void)state;
    print_message("XBAR_MODEL_SEED=%llu\n", (unsigned long long)current_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test_teardown(test_random_edits, tell_seed),
    };

    xbar_rcu_synchronize_hook = wait_for_nobody;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
