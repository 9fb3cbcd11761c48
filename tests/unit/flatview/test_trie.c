/* SPDX-License-Identifier: MIT */
/*
 * The trie against a sorted array, with keys from distributions that are
 * nasty to a radix tree: dense, byte-adjacent, sparse, clustered, the ends.
 */
#include "flatview/index/trie.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/counting_alloc.h"

#define MAX_KEYS 700

struct cell {
    uint64_t key;
    uint64_t unused;
};

/* The model: cells sorted by key. */
struct model {
    struct cell *cells[MAX_KEYS];
    size_t count;
};

struct fixture {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    struct model model;
    struct flatview_trie trie;
    long base_bytes;
    uint64_t seed;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* ---- The model --------------------------------------------------------- */

/* The index of the first cell with a key of @key or more. */
static size_t model_at(const struct model *model, uint64_t key)
{
    size_t i = 0;

    while (i < model->count && model->cells[i]->key < key) {
        i++;
    }
    return i;
}

static struct cell *model_floor(const struct model *model, uint64_t key)
{
    size_t i = model_at(model, key);

    if (i < model->count && model->cells[i]->key == key) {
        return model->cells[i];
    }
    return i > 0 ? model->cells[i - 1] : NULL;
}

static struct cell *model_next(const struct model *model, uint64_t key)
{
    size_t i = model_at(model, key);

    return i < model->count ? model->cells[i] : NULL;
}

static void model_put(struct model *model, struct cell *cell)
{
    size_t i = model_at(model, cell->key);

    if (i == model->count || model->cells[i]->key != cell->key) {
        memmove(&model->cells[i + 1], &model->cells[i],
                (model->count - i) * sizeof(model->cells[0]));
        model->count++;
    } else {
        free(model->cells[i]);
    }
    model->cells[i] = cell;
}

static void model_remove(struct model *model, size_t i)
{
    free(model->cells[i]);
    memmove(&model->cells[i], &model->cells[i + 1],
            (model->count - i - 1) * sizeof(model->cells[0]));
    model->count--;
}

static struct cell *new_cell(uint64_t key)
{
    struct cell *cell = malloc(sizeof(*cell));

    assert_non_null(cell);
    cell->key = key;
    return cell;
}

/* ---- Comparing --------------------------------------------------------- */

/* A cursor at @key, and as far as @steps from there. */
static void check_cursor(const struct fixture *f, uint64_t key, size_t steps)
{
    const struct model *model = &f->model;
    const struct cell *at = model_floor(model, key);
    struct flatview_trie_cursor cursor;
    size_t i = at != NULL ? model_at(model, at->key) : 0;

    /* These look at what is there, at most. */
    flatview__trie_fetch_node(&f->trie, key,
                              flatview__trie_fetch(&f->trie, key));
    flatview__trie_fetch_node(&f->trie, key, TRIE_LEVELS);
    flatview__trie_seek(&cursor, &f->trie, key);
    for (; i < model->count; i++) {
        assert_non_null(cursor.leaf);
        assert_int_equal(cursor.leaf->bits, model->cells[i]->key);
        assert_ptr_equal(trie_value(cursor.leaf), model->cells[i]);
        if (steps-- == 0) {
            return;
        }
        flatview__trie_step(&cursor);
    }
    assert_null(cursor.leaf);
}

/* A guess is some value or none, and right for a key that is there. */
static void check_guess(const struct fixture *f, uint64_t key)
{
    void *value = NULL;
    const struct cell *guess = trie_guess(&f->trie, key, &value) ? value : NULL;
    const struct cell *floor = model_floor(&f->model, key);

    if (guess != NULL) {
        assert_ptr_equal(model_floor(&f->model, guess->key), guess);
    }
    if (floor != NULL && floor->key == key) {
        assert_ptr_equal(guess, floor);
    }
}

static void check_two(const struct fixture *f, uint64_t key)
{
    const struct cell *floor = model_floor(&f->model, key);
    const struct flatview_trie_slot *before;
    const struct flatview_trie_slot *leaf =
        flatview__trie_floor_two(&f->trie, key, &before);

    assert_ptr_equal(leaf != NULL ? trie_value(leaf) : NULL, floor);
    assert_ptr_equal(before != NULL ? trie_value(before) : NULL,
                     floor != NULL && floor->key != 0
                         ? model_floor(&f->model, floor->key - 1)
                         : NULL);
}

static void check_key(const struct fixture *f, uint64_t key)
{
    check_two(f, key);
    check_cursor(f, key, 2);
    check_guess(f, key);
    assert_ptr_equal(flatview__trie_floor(&f->trie, key),
                     model_floor(&f->model, key));
    assert_ptr_equal(flatview__trie_next(&f->trie, key),
                     model_next(&f->model, key));
}

static void check_all(const struct fixture *f)
{
    assert_true(flatview__trie_is_valid(&f->trie));
    assert_int_equal(f->trie.count, f->model.count);
    check_key(f, 0);
    check_key(f, UINT64_MAX);
    check_cursor(f, 0, f->model.count);
    for (size_t i = 0; i < f->model.count; i++) {
        uint64_t key = f->model.cells[i]->key;

        check_key(f, key - 1);
        check_key(f, key);
        check_key(f, key + 1);
        check_key(f, key ^ (uint64_t)1 << (i % 64));
    }
    assert_int_equal(atomic_load(&f->alloc.live_bytes) - f->base_bytes,
                     flatview__trie_bytes(&f->trie));
}

static void free_list(struct fixture *f, struct xbar_retired *list)
{
    while (list != NULL) {
        struct xbar_retired *next = list->next;

        flatview__trie_node_free(f->engine, list);
        list = next;
    }
}

/* ---- Distributions of keys --------------------------------------------- */

enum distribution {
    DENSE,     /* 0 .. 255 */
    ADJACENT,  /* runs of neighbours at random places */
    SPARSE,    /* all 64 bits */
    CLUSTERED, /* few high parts, few low parts */
    ONE_BIT,   /* powers of two and their neighbours */
    AT_TOP,    /* the last 1 024 addresses */
    PAGES,     /* a 32-bit board, page by page */
    STRIDES,   /* multiples of many powers of two */
    DISTRIBUTIONS,
};

static uint64_t draw_key(enum distribution kind, uint64_t *seed)
{
    uint64_t r = next_random(seed);

    switch (kind) {
    case DENSE:
        return r & 255;
    case ADJACENT:
        return (r >> 8 & 7) * 0x123456789abcd + (r & 63);
    case CLUSTERED:
        return (r & 3) << 62 | (r >> 2 & 3) << 31 | (r >> 4 & 7) << 13 |
               (r >> 7 & 3);
    case ONE_BIT:
        return ((uint64_t)1 << (r & 63)) + (r >> 6 & 3) - 2;
    case AT_TOP:
        return UINT64_MAX - (r & 1023);
    case PAGES:
        return (r & 0xfffff) << 12;
    case STRIDES:
        return (r >> 8 & 255) << (r % 28 * 2 + (r >> 16 & 1));
    default:
        return r;
    }
}

/* ---- Random edits ------------------------------------------------------ */

/* One change in the trie and, if @model, in the model. */
static int change_one(struct fixture *f, struct flatview_trie_edit *edit,
                      enum distribution kind)
{
    uint64_t key = draw_key(kind, &f->seed);
    bool remove = next_random(&f->seed) % 5 < 2 || f->model.count == MAX_KEYS;
    struct cell *cell;
    size_t i;

    if (remove && f->model.count > 0) {
        i = next_random(&f->seed) % f->model.count;
        if (flatview__trie_remove(edit, f->model.cells[i]->key) != 0) {
            return -ENOMEM;
        }
        model_remove(&f->model, i);
        return 0;
    }
    cell = new_cell(key);
    if (flatview__trie_put(edit, key, cell) != 0) {
        free(cell);
        return -ENOMEM;
    }
    model_put(&f->model, cell);
    return 0;
}

/* A key of the model goes, mostly not far, maybe nowhere, or onto another. */
static void move_one(struct fixture *f, struct flatview_trie_edit *edit,
                     enum distribution kind)
{
    const size_t i = next_random(&f->seed) % f->model.count;
    const uint64_t from = f->model.cells[i]->key;
    const uint64_t far = draw_key(kind, &f->seed);
    const uint64_t bits = next_random(&f->seed);
    const uint64_t to =
        bits % 8 ? from ^ (bits >> 8 & ((1u << bits % 17) - 1)) : far;
    struct cell *cell = new_cell(to);

    assert_int_equal(flatview__trie_move(edit, from, to, cell), 0);
    model_remove(&f->model, i);
    model_put(&f->model, cell);
}

static void test_against_model(void **state)
{
    struct fixture *f = *state;

    for (int kind = 0; kind < DISTRIBUTIONS; kind++) {
        for (int round = 0; round < 120; round++) {
            struct flatview_trie_edit edit;
            size_t changes = 1 + next_random(&f->seed) % 12;

            flatview__trie_begin(&edit, f->engine, &f->trie);
            for (size_t i = 0; i < changes; i++) {
                assert_int_equal(change_one(f, &edit, kind), 0);
                if (i % 3 == 0 && f->model.count) {
                    move_one(f, &edit, kind);
                }
            }
            free_list(f, flatview__trie_commit(&edit, &f->trie));
            check_all(f);
        }
    }
}

/* Every failing request leaves the keys as the calls that succeeded made
 * them, and a cancelled edit leaves the base. */
static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 300; round++) {
        struct flatview_trie_edit edit;
        int err = 0;

        flatview__trie_begin(&edit, f->engine, &f->trie);
        counting_alloc_fail(&f->alloc, 1 + round % 9);
        for (int i = 0; i < 8 && err == 0; i++) {
            err = change_one(f, &edit, round % DISTRIBUTIONS);
        }
        counting_alloc_fail(&f->alloc, 0);
        free_list(f, flatview__trie_commit(&edit, &f->trie));
        check_all(f);
    }
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 200; round++) {
        enum distribution kind = round % DISTRIBUTIONS;
        struct flatview_trie_edit edit;
        struct cell *cell = new_cell(0);

        flatview__trie_begin(&edit, f->engine, &f->trie);
        counting_alloc_fail(&f->alloc, round % 20);
        for (int i = 0; i < 10; i++) {
            uint64_t key = draw_key(kind, &f->seed);
            int err = flatview__trie_put(&edit, key, cell);

            if (f->model.count > 0) {
                key = f->model.cells[(size_t)i % f->model.count]->key;
                err = flatview__trie_remove(&edit, key);
                err = flatview__trie_move(
                    &edit, f->model.cells[(size_t)i / 2 % f->model.count]->key,
                    key, cell);
            }
            (void)err; /* some fail, which is the point */
        }
        counting_alloc_fail(&f->alloc, 0);
        flatview__trie_cancel(&edit);
        check_all(f);
        free(cell);

        flatview__trie_begin(&edit, f->engine, &f->trie);
        assert_int_equal(change_one(f, &edit, kind), 0);
        free_list(f, flatview__trie_commit(&edit, &f->trie));
    }
}

/* The base stays readable, key by key, beside the tries made from it. */
static void test_base_is_a_snapshot(void **state)
{
    struct fixture *f = *state;
    struct flatview_trie base;
    struct flatview_trie_edit edit;
    struct cell *cell = new_cell(0);
    struct xbar_retired *retired;

    flatview__trie_begin(&edit, f->engine, &f->trie);
    for (int i = 0; i < 400; i++) {
        assert_int_equal(change_one(f, &edit, i % DISTRIBUTIONS), 0);
    }
    free_list(f, flatview__trie_commit(&edit, &f->trie));

    base = f->trie;
    flatview__trie_begin(&edit, f->engine, &base);
    for (size_t i = 0; i < f->model.count; i += 2) {
        uint64_t key = f->model.cells[i]->key;

        assert_int_equal(flatview__trie_remove(&edit, key), 0);
        assert_int_equal(flatview__trie_put(&edit, key ^ 3, cell), 0);
    }
    retired = flatview__trie_commit(&edit, &f->trie);
    for (size_t i = 0; i < f->model.count; i++) {
        uint64_t key = f->model.cells[i]->key;

        assert_ptr_equal(flatview__trie_floor(&base, key), f->model.cells[i]);
    }
    free_list(f, retired);
    free(cell);
}

/* A move within a node copies the way to it, and nothing is taken out on it. */
static void test_move_is_one_change(void **state)
{
    struct fixture *f = *state;
    struct flatview_trie_edit edit;
    struct cell *cell = new_cell(0);
    struct xbar_retired *list;

    flatview__trie_begin(&edit, f->engine, &f->trie);
    for (uint64_t i = 0; i < 4096; i++) {
        assert_int_equal(flatview__trie_put(&edit, i << 16, cell), 0);
    }
    assert_null(flatview__trie_commit(&edit, &f->trie));
    flatview__trie_begin(&edit, f->engine, &f->trie);
    assert_int_equal(flatview__trie_move(&edit, 7 << 16, (7 << 16) + 1, cell),
                     0);
    assert_int_equal(edit.made, 2);
    assert_int_equal(flatview__trie_move(&edit, (7 << 16) + 1, 9 << 20, cell),
                     0); /* onto another one */
    assert_int_equal(edit.trie.count, 4095);
    assert_int_equal(flatview__trie_move(&edit, 7 << 16, 3, cell), -ENOENT);
    list = flatview__trie_commit(&edit, &f->trie);
    assert_ptr_equal(flatview__trie_floor(&f->trie, 9 << 20), cell);
    assert_true(flatview__trie_is_valid(&f->trie));
    free_list(f, list);
    free_list(f, flatview__trie_collect(&f->trie));
    memset(&f->trie, 0, sizeof(f->trie));
    free(cell);
}

/* The node that the root says was made last is the one on the way to what was
 * moved, with all its lines. */
static void test_newest_node(void **state)
{
    struct fixture *f = *state;
    struct flatview_trie_edit edit;
    struct cell *cell = new_cell(0);
    const struct flatview_trie_node *node;
    const struct flatview_trie_node *root;
    struct xbar_retired *list;

    flatview__trie_fetch_news(&f->trie); /* there is none */
    flatview__trie_begin(&edit, f->engine, &f->trie);
    for (uint64_t i = 0; i < 4096; i++) {
        assert_int_equal(flatview__trie_put(&edit, i << 16, cell), 0);
    }
    assert_null(flatview__trie_commit(&edit, &f->trie));
    flatview__trie_begin(&edit, f->engine, &f->trie);
    assert_int_equal(flatview__trie_move(&edit, 70 << 16, (70 << 16) + 1, cell),
                     0);
    list = flatview__trie_commit(&edit, &f->trie);
    root = trie_node(&f->trie.root);
    node = trie_node(&root->slots[1]); /* of 64 to 127 */
    assert_int_equal(node->generation, f->trie.generation);
    assert_ptr_equal(root->newest & ~TRIE_LINK_MASK, node);
    assert_int_equal((root->newest & TRIE_LINK_MASK) * TRIE_NODE_ALIGN,
                     sizeof(*node) + node->capacity * sizeof(node->slots[0]));
    flatview__trie_fetch_news(&f->trie);
    free_list(f, list);
    free_list(f, flatview__trie_collect(&f->trie));
    memset(&f->trie, 0, sizeof(f->trie));
    free(cell);
}

static void test_empty_and_ends(void **state)
{
    struct fixture *f = *state;
    struct flatview_trie_edit edit;
    struct cell *low = new_cell(0);
    struct cell *high = new_cell(UINT64_MAX);

    check_all(f);
    flatview__trie_begin(&edit, f->engine, &f->trie);
    assert_int_equal(flatview__trie_remove(&edit, 0), -ENOENT);
    assert_int_equal(flatview__trie_put(&edit, 0, low), 0);
    assert_int_equal(flatview__trie_put(&edit, UINT64_MAX, high), 0);
    assert_int_equal(flatview__trie_remove(&edit, 1), -ENOENT);
    free_list(f, flatview__trie_commit(&edit, &f->trie));
    assert_ptr_equal(flatview__trie_floor(&f->trie, UINT64_MAX - 1), low);
    assert_ptr_equal(flatview__trie_floor(&f->trie, UINT64_MAX), high);
    assert_ptr_equal(flatview__trie_next(&f->trie, 1), high);

    flatview__trie_begin(&edit, f->engine, &f->trie);
    assert_int_equal(flatview__trie_remove(&edit, 0), 0);
    assert_int_equal(flatview__trie_remove(&edit, UINT64_MAX), 0);
    free_list(f, flatview__trie_commit(&edit, &f->trie));
    check_all(f);
    free(low);
    free(high);
}

/*
 * Whatever the order in which they come, keys that differ in six bits are one
 * node, if these begin at an even one, and are found at first sight.
 */
static void test_nodes_lie_where_keys_differ(void **state)
{
    struct fixture *f = *state;
    struct cell *cell = new_cell(0);
    const uint64_t base = UINT64_C(1) << 40;

    for (uint64_t order = 0; order < 64; order++) {
        struct flatview_trie_edit edit;

        flatview__trie_begin(&edit, f->engine, &(struct flatview_trie){ 0 });
        for (uint64_t i = 0; i < 64; i++) {
            uint64_t key = base + ((5 * i ^ order) % 64 << 16);

            assert_int_equal(flatview__trie_put(&edit, key, cell), 0);
        }
        assert_false(trie_is_leaf(&edit.trie.root));
        assert_int_equal(trie_shift(&edit.trie.root), 16);
        assert_int_equal(trie_used(&edit.trie.root), 64);
        for (uint64_t i = 0; i < 64 << 16; i += 4099) {
            void *value = NULL;

            assert_true(trie_guess(&edit.trie, base + i, &value));
            assert_ptr_equal(value, cell);
        }
        flatview__trie_cancel(&edit);
    }
    free(cell);
}

/*
 * Among keys at 0x10000, 0x20000, 0x20040 and 0x50000: what is absent has the
 * leaf to its left, or whatever the digits lead to there; or there is nothing.
 */
static void test_guess_beside_keys(void **state)
{
    static const uint64_t keys[] = { 0x10000, 0x20000, 0x20040, 0x50000 };
    static const struct {
        uint64_t key;
        int leaf; /* in keys; -1: none */
    } guesses[] = {
        { 0, -1 },       { 0xffff, -1 },  { 0x10001, 0 },    { 0x1ffff, 0 },
        { 0x20001, 1 },  { 0x2003f, 1 },  { 0x20041, 2 },    { 0x20fff, 2 },
        { 0x30000, 1 },  { 0x30041, 2 },  { 0x4ffff, 2 },    { 0x50000, 3 },
        { 0x3fffff, 3 }, { 0x410000, 0 }, { UINT64_MAX, 3 },
    };
    struct fixture *f = *state;
    struct flatview_trie_edit edit;
    struct cell *cells[4];

    flatview__trie_begin(&edit, f->engine, &(struct flatview_trie){ 0 });
    for (unsigned i = 0; i < 4; i++) {
        cells[i] = new_cell(keys[i]);
        assert_int_equal(flatview__trie_put(&edit, keys[i], cells[i]), 0);
    }
    for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
        void *value = NULL;
        bool found = trie_guess(&edit.trie, guesses[i].key, &value);

        assert_int_equal(found, guesses[i].leaf >= 0);
        if (found) {
            assert_ptr_equal(value, cells[guesses[i].leaf]);
        }
    }
    flatview__trie_cancel(&edit);
    for (unsigned i = 0; i < 4; i++) {
        free(cells[i]);
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->engine = counting_alloc_engine(&f->alloc);
    f->base_bytes = atomic_load(&f->alloc.live_bytes);
    f->seed = 1;
    *state = f;
    return f->engine != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    long live;

    free_list(f, flatview__trie_collect(&f->trie));
    while (f->model.count > 0) {
        model_remove(&f->model, 0);
    }
    live = atomic_load(&f->alloc.live_bytes) - f->base_bytes;
    xbar_engine_free(f->engine);
    free(f);
    return live == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_move_is_one_change, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_newest_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_against_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_base_is_a_snapshot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_guess_beside_keys, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_nodes_lie_where_keys_differ,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
