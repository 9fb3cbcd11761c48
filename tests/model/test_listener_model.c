/* SPDX-License-Identifier: MIT */
/*
 * Random trees (world.h), with listeners that mirror the view from region_add
 * and region_del alone: after every commit a mirror says what the view says.
 *
 *   pieces    keeps who answers which address; what is deleted was there, and
 *             what is added was not
 *   whole     keeps sections; what is deleted was added in that shape
 *   nops      is told of every address of the view in the pass of adds
 *   editor    changes the tree from its callbacks
 *   nomad     leaves and joins from another's callbacks
 *
 * XBAR_MODEL_TREES and XBAR_MODEL_SEED as in test_flatview_model.
 */
#include <stdio.h>
#include <stdlib.h>

#include "flatview/listener.h"
#include "tests/model/world.h"

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define DEFAULT_TREES 8000
#else
#define DEFAULT_TREES 25000
#endif

#define ROUNDS        12
#define EDITS_AT_ONCE 4
#define MAX_KEPT      1024

/* A part of the view, as a mirror knows it. */
struct kept {
    hwaddr first;
    hwaddr last;
    MemoryRegion *mr;
    uint64_t delta;
    bool readonly;
};

struct mirror {
    MemoryListener listener;
    struct world *world;
    struct mirror *nomad; /* who comes and goes when this one is told */
    unsigned edits;       /* left to make from callbacks */
    bool is_between;      /* begin and commit */
    bool is_adding;
    hwaddr next; /* at least where the next one of this pass begins */
    size_t count;
    struct kept kept[MAX_KEPT]; /* sorted, disjoint */
};

static struct mirror pieces, whole, nops, editor, nomad;

/* ---- A mirror ---------------------------------------------------------- */

static struct kept kept_of(const MemoryRegionSection *s)
{
    hwaddr first = s->offset_within_address_space;

    assert_true(s->size > 0 && (Int128)first + s->size <= (Int128)1 << 64);
    return (struct kept){ first, (hwaddr)(first + s->size - 1), s->mr,
                          s->offset_within_region - first, s->readonly };
}

static void insert(struct mirror *m, size_t at, struct kept k)
{
    assert_true(m->count < MAX_KEPT);
    memmove(&m->kept[at + 1], &m->kept[at], (m->count - at) * sizeof(k));
    m->kept[at] = k;
    m->count++;
}

/* The first that ends at or after @addr. */
static size_t find(const struct mirror *m, hwaddr addr)
{
    size_t i = 0;

    while (i < m->count && m->kept[i].last < addr) {
        i++;
    }
    return i;
}

static bool is_same_answer(const struct kept *a, const struct kept *b)
{
    return a->mr == b->mr && a->delta == b->delta && a->readonly == b->readonly;
}

static void remove_piece(struct mirror *m, const struct kept *k)
{
    size_t i = find(m, k->first);

    assert_true(i < m->count && m->kept[i].first <= k->first);
    while (i < m->count && m->kept[i].first <= k->last) {
        struct kept old = m->kept[i];

        assert_true(is_same_answer(&old, k));
        m->count--;
        memmove(&m->kept[i], &m->kept[i + 1], (m->count - i) * sizeof(old));
        if (old.first < k->first) {
            struct kept left = old;

            left.last = k->first - 1;
            insert(m, i++, left);
        }
        if (old.last > k->last) {
            old.first = k->last + 1;
            insert(m, i, old);
            return;
        }
    }
}

/* ---- Callbacks --------------------------------------------------------- */

static void come_and_go(struct mirror *m)
{
    if (m->nomad == NULL || world_pick(m->world, 8) != 0) {
        return;
    }
    if (m->nomad->listener.address_space != NULL) {
        if (memory_listener_unregister(&m->nomad->listener) != 0) {
            assert_ptr_equal(m, m->nomad); /* it is just being told to go */
            return;
        }
        assert_int_equal(m->nomad->count, 0);
        assert_false(m->nomad->is_between);
    } else {
        assert_int_equal(
            memory_listener_register(&m->nomad->listener, &m->world->as), 0);
    }
}

static void maybe_edit(struct mirror *m)
{
    if (m->edits != 0 && world_pick(m->world, 4) == 0) {
        int err;

        m->edits--;
        err = world_edit(m->world);
        assert_true(err == 0 || is_refusal(err));
    }
}

static void on_begin(MemoryListener *l)
{
    struct mirror *m = (struct mirror *)l;

    assert_false(m->is_between);
    m->is_between = true;
    m->is_adding = false;
    m->next = 0;
    maybe_edit(m);
    come_and_go(m);
}

static void on_commit(MemoryListener *l)
{
    struct mirror *m = (struct mirror *)l;

    assert_true(m->is_between);
    m->is_between = false;
    maybe_edit(m);
    come_and_go(m);
}

static void check_order(struct mirror *m, const struct kept *k, bool is_adding)
{
    assert_true(m->is_between);
    assert_true(is_adding || !m->is_adding);
    if (is_adding != m->is_adding) {
        m->next = 0;
    }
    m->is_adding = is_adding;
    assert_true(k->first >= m->next);
    m->next = k->last;
}

static void on_add(MemoryListener *l, MemoryRegionSection *s)
{
    struct mirror *m = (struct mirror *)l;
    struct kept k = kept_of(s);
    size_t i = find(m, k.first);

    check_order(m, &k, true);
    assert_true(i == m->count || m->kept[i].first > k.last);
    insert(m, i, k);
    maybe_edit(m);
    come_and_go(m);
}

static void on_del(MemoryListener *l, MemoryRegionSection *s)
{
    struct mirror *m = (struct mirror *)l;
    struct kept k = kept_of(s);

    check_order(m, &k, false);
    if (l->whole_sections) {
        size_t i = find(m, k.first);

        assert_true(i < m->count && m->kept[i].first == k.first &&
                    m->kept[i].last == k.last);
    }
    remove_piece(m, &k);
    maybe_edit(m);
    come_and_go(m);
}

/* It is there already, and stays. */
static void on_nop(MemoryListener *l, MemoryRegionSection *s)
{
    struct mirror *m = (struct mirror *)l;
    struct kept k = kept_of(s);
    hwaddr next = k.first;

    check_order(m, &k, true);
    for (size_t i = find(m, k.first); next - k.first <= k.last - k.first; i++) {
        assert_true(i < m->count && m->kept[i].first <= next);
        assert_true(is_same_answer(&m->kept[i], &k));
        if (m->kept[i].last >= k.last) {
            return;
        }
        next = m->kept[i].last + 1;
    }
}

/* ---- Comparing --------------------------------------------------------- */

static void check_range(const struct mirror *m, const FlatRange *range)
{
    hwaddr next = range->first;

    for (size_t i = find(m, next);; i++) {
        const struct kept *k = &m->kept[i];

        assert_true(i < m->count && k->first <= next && k->last >= next);
        assert_ptr_equal(k->mr, range->mr);
        assert_int_equal(k->delta, range->mr_delta);
        assert_int_equal(k->readonly,
                         (range->flags & FLAT_RANGE_READONLY) != 0);
        if (m->listener.whole_sections) {
            assert_int_equal(k->first, range->first);
            assert_int_equal(k->last, range->last);
        }
        if (k->last >= range->last) {
            return;
        }
        next = k->last + 1;
    }
}

/* All of the view is in the mirror, and as many bytes are in both. */
static void check_mirror(const struct mirror *m)
{
    const FlatView *view;
    const FlatRange *range;
    Int128 bytes = 0;

    assert_false(m->is_between);
    if (m->listener.address_space == NULL) {
        assert_int_equal(m->count, 0);
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        bytes += (Int128)m->kept[i].last - m->kept[i].first + 1;
    }
    xbar_read_begin();
    view = address_space_to_flatview(&m->world->as);
    range = flatview_next_range(view, 0);
    while (range != NULL) {
        check_range(m, range);
        bytes -= (Int128)range->last - range->first + 1;
        range = range->last == UINT64_MAX
                    ? NULL
                    : flatview_next_range(view, range->last + 1);
    }
    xbar_read_end();
    assert_true(bytes == 0);
}

/* ---- One tree ---------------------------------------------------------- */

static void open_mirror(struct world *w, struct mirror *m, unsigned priority)
{
    memset(m, 0, sizeof(*m));
    m->world = w;
    m->listener.begin = on_begin;
    m->listener.commit = on_commit;
    m->listener.region_add = on_add;
    m->listener.region_del = on_del;
    m->listener.priority = priority;
}

static void open_mirrors(struct world *w)
{
    open_mirror(w, &pieces, world_pick(w, 4));
    open_mirror(w, &whole, world_pick(w, 4));
    open_mirror(w, &nops, world_pick(w, 4));
    open_mirror(w, &editor, world_pick(w, 4));
    open_mirror(w, &nomad, world_pick(w, 4));
    whole.listener.whole_sections = true;
    nomad.listener.whole_sections = world_pick(w, 2);
    nops.listener.region_nop = on_nop;
    nomad.listener.region_nop = world_pick(w, 2) ? on_nop : NULL;
    pieces.nomad = &nomad;
    whole.nomad = &nomad;
    nomad.nomad = &nomad;
    assert_int_equal(memory_listener_register(&editor.listener, &w->as), 0);
    assert_int_equal(memory_listener_register(&pieces.listener, &w->as), 0);
    assert_int_equal(memory_listener_register(&whole.listener, &w->as), 0);
    assert_int_equal(memory_listener_register(&nops.listener, &w->as), 0);
}

static void edit_and_check(struct world *w)
{
    editor.edits = world_pick(w, 4);
    memory_region_transaction_begin();
    for (unsigned i = 1 + world_pick(w, EDITS_AT_ONCE); i > 0; i--) {
        int err = world_edit(w);

        assert_true(err == 0 || is_refusal(err));
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    world_check_view(w);
    check_mirror(&pieces);
    check_mirror(&whole);
    check_mirror(&nops);
    check_mirror(&editor);
    check_mirror(&nomad);
}

static void run_tree(uint64_t seed)
{
    static struct world world;
    struct world *w = &world;

    world_init(w, seed);
    open_mirrors(w);
    for (unsigned i = 0; i < ROUNDS; i++) {
        edit_and_check(w);
    }
    address_space_remove_listeners(&w->as);
    assert_int_equal(pieces.count + whole.count + nops.count + editor.count, 0);
    /* The last ones to leave may have called it back in. */
    pieces.nomad = NULL;
    whole.nomad = NULL;
    nomad.nomad = NULL;
    address_space_remove_listeners(&w->as);
    assert_int_equal(nomad.count, 0);
    world_end(w);
}

static uint64_t current_seed;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void test_mirrors_equal_views(void **state)
{
    uint64_t count = from_environment("XBAR_MODEL_TREES", DEFAULT_TREES);
    uint64_t first = from_environment("XBAR_MODEL_SEED", 1);

    (void)state;
    for (current_seed = first; current_seed < first + count; current_seed++) {
        run_tree(current_seed);
    }
    current_seed = 0;
}

static int name_seed(void **state)
{
    (void)state;
    if (current_seed != 0) {
        print_message("XBAR_MODEL_SEED=%llu\n",
                      (unsigned long long)current_seed);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_mirrors_equal_views, name_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
