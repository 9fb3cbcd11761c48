/* SPDX-License-Identifier: MIT */
/*
 * The index against a list that is searched from end to end, over random
 * insertions, removals and windows, near both ends of the address space.
 */
#include "engine/interval.h"

#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

#define NODES 200

struct model {
    MemoryRegion nodes[NODES];
    bool is_in[NODES];
    MemoryRegion *root;
    uint64_t random;
    bool seen[NODES];
    hwaddr previous;
};

static bool overlaps(const MemoryRegion *mr, hwaddr first, hwaddr last)
{
    return mr->addr <= last && interval__end(mr) >= first;
}

/* Addresses cluster at 0, in the middle and at 2^64, where sums wrap. */
static hwaddr random_addr(struct model *m)
{
    static const hwaddr bases[] = { 0, (hwaddr)1 << 40, UINT64_MAX - 255 };

    return bases[next_random(&m->random) % 3] + next_random(&m->random) % 256;
}

static uint64_t random_last(struct model *m)
{
    switch (next_random(&m->random) % 8) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return next_random(&m->random);
    default:
        return next_random(&m->random) % 64;
    }
}

static void toggle(struct model *m, unsigned i)
{
    MemoryRegion *mr = &m->nodes[i];

    if (m->is_in[i]) {
        interval__remove(&m->root, mr);
        assert_null(mr->left);
        assert_null(mr->right);
    } else {
        mr->addr = random_addr(m);
        mr->last = random_last(m);
        mr->height = (uint16_t)(next_random(&m->random) % 9);
        interval__insert(&m->root, mr);
    }
    m->is_in[i] = !m->is_in[i];
}

static int note(void *opaque, MemoryRegion *mr)
{
    struct model *m = opaque;
    ptrdiff_t i = mr - m->nodes;

    assert_false(m->seen[i]);
    assert_true(mr->addr >= m->previous);
    m->previous = mr->addr;
    m->seen[i] = true;
    return 0;
}

static void check_window(struct model *m, hwaddr first, hwaddr last)
{
    memset(m->seen, 0, sizeof(m->seen));
    m->previous = 0;
    assert_int_equal(interval__overlaps(m->root, first, last, note, m), 0);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(m->seen[i],
                         m->is_in[i] && overlaps(&m->nodes[i], first, last));
    }
}

static unsigned max_height(const struct model *m)
{
    unsigned height = 0;

    for (unsigned i = 0; i < NODES; i++) {
        if (m->is_in[i] && m->nodes[i].height > height) {
            height = m->nodes[i].height;
        }
    }
    return height;
}

static void open_model(struct model *m)
{
    memset(m, 0, sizeof(*m));
    m->random = 88172645463325252;
    for (unsigned i = 0; i < NODES; i++) {
        m->nodes[i].sequence = i;
        m->nodes[i].heap_key = (uint32_t)next_random(&m->random);
    }
}

static void test_random_edits_and_windows(void **state)
{
    static struct model m;

    (void)state;
    open_model(&m);
    for (unsigned round = 0; round < 20000; round++) {
        hwaddr first = random_addr(&m);
        hwaddr last = first + random_last(&m);

        toggle(&m, (unsigned)(next_random(&m.random) % NODES));
        assert_true(interval__is_valid(m.root));
        check_window(&m, first, last < first ? UINT64_MAX : last);
        assert_int_equal(m.root ? m.root->subtree_height : 0, max_height(&m));
    }
    check_window(&m, 0, UINT64_MAX);
}

static void test_refresh_follows_a_height(void **state)
{
    static struct model m;

    (void)state;
    open_model(&m);
    for (unsigned i = 0; i < NODES; i++) {
        toggle(&m, i);
    }
    for (unsigned round = 0; round < 1000; round++) {
        MemoryRegion *mr = &m.nodes[next_random(&m.random) % NODES];

        mr->height = (uint16_t)(next_random(&m.random) % 100);
        interval__refresh(m.root, mr);
        assert_true(interval__is_valid(m.root));
        assert_int_equal(m.root->subtree_height, max_height(&m));
    }
}

static int stop_at_third(void *opaque, MemoryRegion *mr)
{
    (void)mr;
    return ++*(unsigned *)opaque == 3 ? -ENOMEM : 0;
}

static void test_a_visitor_can_stop(void **state)
{
    static struct model m;
    unsigned visits = 0;

    (void)state;
    open_model(&m);
    for (unsigned i = 0; i < NODES; i++) {
        toggle(&m, i);
    }
    assert_int_equal(
        interval__overlaps(m.root, 0, UINT64_MAX, stop_at_third, &visits),
        -ENOMEM);
    assert_int_equal(visits, 3);
}

/* The validator is the oracle: it must see what it is for. */
static void test_validator_sees_damage(void **state)
{
    static struct model m;

    (void)state;
    open_model(&m);
    for (unsigned i = 0; i < NODES; i++) {
        toggle(&m, i);
    }
    m.root->left->subtree_last ^= 1;
    assert_false(interval__is_valid(m.root));
    m.root->left->subtree_last ^= 1;
    m.root->right->heap_key = UINT32_MAX;
    assert_false(interval__is_valid(m.root));
}

/* Ascending addresses are what boards do; depth must stay logarithmic. */
static unsigned depth_of(const MemoryRegion *mr)
{
    unsigned left, right;

    if (!mr) {
        return 0;
    }
    left = depth_of(mr->left);
    right = depth_of(mr->right);
    return 1 + (left > right ? left : right);
}

static void test_depth_is_logarithmic(void **state)
{
    enum { MANY = 100000 };
    MemoryRegion *nodes = calloc(MANY, sizeof(*nodes));
    struct fixture *f = *state;
    MemoryRegion *root = NULL;

    assert_non_null(nodes);
    for (unsigned i = 0; i < MANY; i++) {
        nodes[i].addr = i * (hwaddr)4096;
        nodes[i].last = 4095;
        nodes[i].sequence = i;
        nodes[i].heap_key = engine__random(f->engine);
        interval__insert(&root, &nodes[i]);
    }
    assert_true(depth_of(root) < 64); /* 2 ln n is 23; a list would be 100000 */
    free(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_edits_and_windows),
        cmocka_unit_test(test_refresh_follows_a_height),
        cmocka_unit_test(test_a_visitor_can_stop),
        cmocka_unit_test(test_validator_sees_damage),
        engine_test(test_depth_is_logarithmic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
