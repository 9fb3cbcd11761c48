/* SPDX-License-Identifier: MIT */
/* Cycles and depth: refused, through whatever mixture of edges. */
#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

#define SIZE 0x1000

static void open_container(MemoryRegion *mr)
{
    assert_int_equal(memory_region_init(mr, NULL, NULL, SIZE), 0);
}

static void open_alias(MemoryRegion *mr, MemoryRegion *orig)
{
    assert_int_equal(memory_region_init_alias(mr, NULL, NULL, orig, 0, SIZE),
                     0);
}

static int add(MemoryRegion *container, MemoryRegion *mr)
{
    return memory_region_add_subregion(container, 0, mr);
}

static void test_containers(void **state)
{
    MemoryRegion a, b, c;

    (void)state;
    open_container(&a);
    open_container(&b);
    open_container(&c);
    assert_int_equal(add(&a, &a), -ELOOP);
    assert_int_equal(add(&a, &b), 0);
    assert_int_equal(add(&b, &c), 0);
    assert_int_equal(add(&c, &a), -ELOOP);
    assert_int_equal(add(&b, &a), -ELOOP);
    assert_int_equal(a.height, 2);
    assert_int_equal(b.height, 1);
    assert_int_equal(c.height, 0);
    assert_null(a.container);
    end_region(&b);
    assert_int_equal(a.height, 0);
    assert_int_equal(add(&c, &a), 0);
    end_region(&a);
    end_region(&c);
}

static void expect_no_index(const MemoryRegion *mr)
{
    assert_null(mr->children);
    assert_null(mr->engine->empty_intervals);
}

/* Not even an empty index, in whatever transaction it was. */
static void test_refused_leaves_nothing(void **state)
{
    MemoryRegion a, b, c;

    (void)state;
    open_container(&a);
    open_container(&b);
    open_container(&c);
    assert_int_equal(add(&a, &b), 0);
    assert_int_equal(add(&b, &a), -ELOOP);
    expect_no_index(&b);
    memory_region_transaction_begin();
    assert_int_equal(add(&b, &a), -ELOOP);
    assert_int_equal(add(&b, &a), -ELOOP);
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect_no_index(&b);
    assert_int_equal(add(&b, &c), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&b, &c), 0);
    assert_int_equal(add(&b, &a), -ELOOP);
    assert_non_null(b.children); /* what an undo finds */
    assert_int_equal(memory_region_transaction_commit(), 0);
    expect_no_index(&b);
    end_region(&a);
    end_region(&b);
    end_region(&c);
}

static void test_alias_below_what_it_shows(void **state)
{
    MemoryRegion a, b, alias;

    (void)state;
    open_container(&a);
    open_container(&b);
    open_alias(&alias, &a);
    assert_int_equal(add(&a, &alias), -ELOOP);
    assert_int_equal(add(&b, &alias), 0);
    assert_int_equal(add(&a, &b), -ELOOP);
    assert_int_equal(memory_region_init_alias(&a, NULL, NULL, &a, 0, 1),
                     -ELOOP);
    assert_int_equal(a.height, 0);
    assert_int_equal(b.height, 2);
    assert_int_equal(memory_region_del_subregion(&b, &alias), 0);
    assert_int_equal(add(&a, &b), 0);
    assert_int_equal(alias.height, 2);
    end_region(&a);
    assert_int_equal(alias.height, 0);
    end_region(&b);
    end_region(&alias);
}

/* a > alias of b;  b > alias of c;  c > alias of a closes the ring. */
static void test_ring_of_aliases(void **state)
{
    MemoryRegion nodes[3], aliases[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        open_container(&nodes[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        open_alias(&aliases[i], &nodes[(i + 1) % 3]);
    }
    assert_int_equal(add(&nodes[0], &aliases[0]), 0);
    assert_int_equal(add(&nodes[1], &aliases[1]), 0);
    assert_int_equal(add(&nodes[2], &aliases[2]), -ELOOP);
    assert_int_equal(nodes[0].height, 4);
    assert_int_equal(nodes[1].height, 2);
    assert_int_equal(nodes[2].height, 0);
    assert_int_equal(aliases[2].height, 5);
    for (unsigned i = 0; i < 3; i++) {
        end_region(&nodes[i]);
        end_region(&aliases[i]);
    }
}

/* Depth counts edges: 256 of them are fine, one more is not. */
static void test_depth_limit(void **state)
{
    enum { LEVELS = XBAR_TREE_MAX_DEPTH + 1 };
    static MemoryRegion chain[LEVELS];
    MemoryRegion more, alias;

    (void)state;
    for (unsigned i = 0; i < LEVELS; i++) {
        open_container(&chain[i]);
    }
    for (unsigned i = 1; i < LEVELS; i++) {
        assert_int_equal(add(&chain[i - 1], &chain[i]), 0);
    }
    assert_int_equal(chain[0].height, XBAR_TREE_MAX_DEPTH);
    open_container(&more);
    assert_int_equal(add(&chain[LEVELS - 1], &more), -ELOOP);
    assert_int_equal(chain[LEVELS - 1].height, 0);
    assert_int_equal(chain[0].height, XBAR_TREE_MAX_DEPTH);
    assert_int_equal(add(&more, &chain[0]), -ELOOP);
    assert_int_equal(
        memory_region_init_alias(&alias, NULL, NULL, &chain[0], 0, 1), -ELOOP);
    assert_null(alias.engine);
    for (unsigned i = 0; i < LEVELS; i++) {
        assert_int_equal(xbar_region_destroy(&chain[i], NULL, NULL), 0);
    }
    end_region(&more);
}

static void ignore(MemoryRegion *mr, void *opaque)
{
    (void)opaque;
    assert_null(mr->engine);
}

/* What is refused at 256 levels is refused with a hundred thousand, too. */
static void test_hostile_nesting(void **state)
{
    enum { MANY = 100000 };
    MemoryRegion *nodes = calloc(MANY, sizeof(*nodes));
    struct fixture *f = *state;
    unsigned refused = 0;

    assert_non_null(nodes);
    for (unsigned i = 0; i < MANY; i++) {
        open_container(&nodes[i]);
        if (i) {
            refused += add(&nodes[i - 1], &nodes[i]) == -ELOOP;
        }
    }
    assert_true(refused >= MANY / (XBAR_TREE_MAX_DEPTH + 1) - 1);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(xbar_region_destroy(&nodes[i], ignore, NULL), 0);
    }
    while (xbar_engine_reclaim(f->engine) > 0) {
    }
    free(nodes);
}

/* k stages of two aliases each are 2^k ways from top to bottom. */
static void test_double_aliases_cost_no_power(void **state)
{
    enum { STAGES = 60 };
    static MemoryRegion stage[STAGES], left[STAGES], right[STAGES];
    MemoryRegion leaf, back;

    (void)state;
    for (unsigned i = 0; i < STAGES; i++) {
        open_container(&stage[i]);
    }
    for (unsigned i = 0; i + 1 < STAGES; i++) {
        open_alias(&left[i], &stage[i + 1]);
        open_alias(&right[i], &stage[i + 1]);
        assert_int_equal(add(&stage[i], &left[i]), 0);
        assert_int_equal(add(&stage[i], &right[i]), 0);
    }
    open_container(&leaf);
    assert_int_equal(add(&stage[STAGES - 1], &leaf), 0);
    assert_int_equal(stage[0].height, 2 * (STAGES - 1) + 1);
    open_alias(&back, &stage[0]);
    assert_int_equal(add(&leaf, &back), -ELOOP);
    assert_int_equal(stage[0].height, 2 * (STAGES - 1) + 1);
    end_region(&back);
    end_region(&leaf);
    assert_int_equal(stage[0].height, 2 * (STAGES - 1));
    for (unsigned i = 0; i < STAGES; i++) {
        end_region(&stage[i]);
    }
    for (unsigned i = 0; i + 1 < STAGES; i++) {
        end_region(&left[i]);
        end_region(&right[i]);
    }
}

/* ---- Random edges against plain recursion ------------------------------ */

#define NODES 24

/* The longest way down, found by walking all of them. */
static unsigned walk_height(MemoryRegion *const *nodes, const MemoryRegion *mr)
{
    unsigned height = mr->alias ? 1 + walk_height(nodes, mr->alias) : 0;

    for (unsigned i = 0; i < NODES; i++) {
        if (nodes[i]->container == mr) {
            unsigned below = 1 + walk_height(nodes, nodes[i]);

            height = below > height ? below : height;
        }
    }
    return height;
}

static bool reaches(MemoryRegion *const *nodes, const MemoryRegion *from,
                    const MemoryRegion *to)
{
    if (from == to || (from->alias && reaches(nodes, from->alias, to))) {
        return true;
    }
    for (unsigned i = 0; i < NODES; i++) {
        if (nodes[i]->container == from && reaches(nodes, nodes[i], to)) {
            return true;
        }
    }
    return false;
}

static void edit_edge(MemoryRegion *const *nodes, uint64_t *random)
{
    MemoryRegion *parent = nodes[next_random(random) % (NODES / 2)];
    MemoryRegion *mr = nodes[next_random(random) % NODES];
    bool closes = reaches(nodes, mr, parent);

    if (mr->container && next_random(random) % 4 == 0) {
        assert_int_equal(memory_region_del_subregion(mr->container, mr), 0);
    } else if (!mr->container) {
        assert_int_equal(add(parent, mr), closes ? -ELOOP : 0);
    }
}

/* The first half are containers, the others show one of them. */
static void test_heights_are_exact(void **state)
{
    static MemoryRegion storage[NODES];
    MemoryRegion *nodes[NODES];
    uint64_t random = 1234567;

    (void)state;
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = &storage[i];
        if (i < NODES / 2) {
            open_container(nodes[i]);
        } else {
            open_alias(nodes[i], nodes[i - NODES / 2]);
        }
    }
    for (unsigned round = 0; round < 3000; round++) {
        edit_edge(nodes, &random);
        for (unsigned i = 0; i < NODES; i++) {
            assert_int_equal(nodes[i]->height, walk_height(nodes, nodes[i]));
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        end_region(nodes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_containers),
        engine_test(test_refused_leaves_nothing),
        engine_test(test_alias_below_what_it_shows),
        engine_test(test_ring_of_aliases),
        engine_test(test_depth_limit),
        engine_test(test_hostile_nesting),
        engine_test(test_double_aliases_cost_no_power),
        engine_test(test_heights_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
