/* SPDX-License-Identifier: MIT */
/*
 * The trie, driven by bytes: put, remove, look up, give an edit up, commit it,
 * run out of memory, compare with the version before. A sorted array says
 * what should have happened; the first difference aborts.
 *
 * The shape is libFuzzer's. With clang:
 *
 *     cmake --preset debug -DCMAKE_C_COMPILER=clang -DXBAR_FUZZ=ON
 *     build/debug/tests/fuzz/fuzz_trie
 *
 * Without a fuzzer, test_fuzz_trie.c feeds it what is random or was found.
 *
 * A step is a byte that says what, and up to nine that make its key: how far
 * up the bits of the next bytes stand, so that keys share digits, or do not.
 */
#include "tests/fuzz/fuzz_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flatview/index/trie.h"

#define MAX_KEYS 512

struct cell {
    uint64_t key;
    uint64_t unused; /* values are 16-byte aligned */
} __attribute__((aligned(16)));

/* The model: values by ascending keys. */
struct model {
    struct cell *cells[MAX_KEYS];
    size_t count;
};

struct input {
    const uint8_t *bytes;
    size_t left;
};

struct run {
    struct input input;
    struct xbar_engine *engine;
    struct cell pool[MAX_KEYS]; /* never reused: pointers tell values apart */
    size_t used;
    long fail_in; /* requests until one fails; 0: none will */

    struct flatview_trie base;
    struct model base_model;
    struct flatview_trie_edit edit;
    struct model model; /* of the edit */
    uint64_t generation;
};

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

/* ---- Memory that runs out when told ------------------------------------ */

static void *fuzz_alloc(void *opaque, size_t size, size_t align)
{
    struct run *run = opaque;
    void *ptr = NULL;

    if (run->fail_in > 0 && --run->fail_in == 0) {
        return NULL;
    }
    if (posix_memalign(&ptr, align < sizeof(ptr) ? sizeof(ptr) : align, size)) {
        return NULL;
    }
    return memset(ptr, 0, size);
}

static void fuzz_free(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    memset(ptr, 0xa5, size);
    free(ptr);
}

/* ---- Input ------------------------------------------------------------- */

static uint8_t take_byte(struct input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->bytes++;
}

/* 0 to 7 bytes of value, shifted; then, perhaps, all of it inverted. */
static uint64_t take_key(struct input *input)
{
    uint8_t shape = take_byte(input);
    uint64_t key = 0;

    for (unsigned i = 0; i < (shape & 7u); i++) {
        key = key << 8 | take_byte(input);
    }
    key <<= (shape >> 3 & 15u) * 4;
    return shape & 0x80 ? ~key : key;
}

/* ---- The model --------------------------------------------------------- */

static size_t model_at(const struct model *model, uint64_t key)
{
    size_t low = 0;
    size_t high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (model->cells[middle]->key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool model_has(const struct model *model, size_t i, uint64_t key)
{
    return i < model->count && model->cells[i]->key == key;
}

static void model_put(struct model *model, struct cell *cell)
{
    size_t i = model_at(model, cell->key);

    if (!model_has(model, i, cell->key)) {
        memmove(&model->cells[i + 1], &model->cells[i],
                (model->count - i) * sizeof(model->cells[0]));
        model->count++;
    }
    model->cells[i] = cell;
}

static void model_remove(struct model *model, size_t i)
{
    model->count--;
    memmove(&model->cells[i], &model->cells[i + 1],
            (model->count - i) * sizeof(model->cells[0]));
}

/* ---- Steps ------------------------------------------------------------- */

static void begin_edit(struct run *run)
{
    flatview__trie_begin(&run->edit, run->engine, &run->base);
    run->edit.trie.generation = ++run->generation;
    run->model = run->base_model;
}

static void put(struct run *run, uint64_t key)
{
    struct cell *cell;
    int err;

    if (run->used == MAX_KEYS) {
        return;
    }
    cell = &run->pool[run->used++];
    cell->key = key;
    err = flatview__trie_put(&run->edit, key, cell);
    require(err == 0 || err == -ENOMEM);
    if (err == 0) {
        model_put(&run->model, cell);
    }
}

static void take_out(struct run *run, uint64_t key)
{
    size_t i = model_at(&run->model, key);
    int err = flatview__trie_remove(&run->edit, key);

    require(err == 0 || err == -ENOMEM || err == -ENOENT);
    require(err != (model_has(&run->model, i, key) ? -ENOENT : 0));
    if (err == 0) {
        model_remove(&run->model, i);
    }
}

static void check_key(const struct flatview_trie *trie,
                      const struct model *model, uint64_t key)
{
    size_t i = model_at(model, key);
    struct cell *next = i < model->count ? model->cells[i] : NULL;
    struct cell *floor = model_has(model, i, key) ? next
                         : i > 0                  ? model->cells[i - 1]
                                                  : NULL;
    void *value = NULL;
    const struct cell *guess = trie_guess(trie, key, &value) ? value : NULL;
    const struct flatview_trie_slot *before;
    const struct flatview_trie_slot *leaf =
        flatview__trie_floor_two(trie, key, &before);

    require(flatview__trie_next(trie, key) == next);
    require(flatview__trie_floor(trie, key) == floor);
    require((leaf != NULL ? trie_value(leaf) : NULL) == floor);
    require((before != NULL ? trie_value(before) : NULL) ==
            (floor == NULL || floor->key == 0
                 ? NULL
                 : flatview__trie_floor(trie, floor->key - 1)));
    require(!model_has(model, i, key) || guess == next);
    require(guess == NULL ||
            model_has(model, model_at(model, guess->key), guess->key));
}

/* Differences so far, merged from both models. */
struct merge {
    const struct model *from;
    const struct model *to;
    size_t i;
    size_t k;
};

/* The next pair that differs; false at the end. */
static bool next_difference(struct merge *m, struct cell **from,
                            struct cell **to)
{
    while (m->i < m->from->count || m->k < m->to->count) {
        struct cell *a = m->i < m->from->count ? m->from->cells[m->i] : NULL;
        struct cell *b = m->k < m->to->count ? m->to->cells[m->k] : NULL;

        *from = b == NULL || (a != NULL && a->key <= b->key) ? a : NULL;
        *to = a == NULL || (b != NULL && b->key <= a->key) ? b : NULL;
        m->i += *from != NULL;
        m->k += *to != NULL;
        if (*from != *to) {
            return true;
        }
    }
    return false;
}

static bool check_difference(void *opaque, void *from, void *to)
{
    struct cell *expected_from = NULL;
    struct cell *expected_to = NULL;

    require(next_difference(opaque, &expected_from, &expected_to));
    require(from == expected_from && to == expected_to);
    return false;
}

static void check_all(const struct run *run)
{
    struct merge merge = { .from = &run->base_model, .to = &run->model };
    struct cell *from = NULL;
    struct cell *to = NULL;

    require(flatview__trie_is_valid(&run->edit.trie));
    require(run->edit.trie.count == run->model.count);
    for (size_t i = 0; i < run->model.count; i++) {
        check_key(&run->edit.trie, &run->model, run->model.cells[i]->key);
    }
    require(!flatview__trie_diff(&run->base, &run->edit.trie, check_difference,
                                 &merge));
    require(!next_difference(&merge, &from, &to));
}

static void free_nodes(struct run *run, struct xbar_retired *nodes)
{
    while (nodes != NULL) {
        struct xbar_retired *node = nodes;

        nodes = nodes->next;
        flatview__trie_node_free(run->engine, node);
    }
}

static void end_edit(struct run *run, bool is_commit)
{
    struct xbar_retired *superseded;

    check_all(run);
    if (is_commit) {
        superseded = flatview__trie_commit(&run->edit, &run->base);
        run->base_model = run->model;
        free_nodes(run, superseded);
    } else {
        flatview__trie_cancel(&run->edit);
    }
    require(flatview__trie_is_valid(&run->base));
    begin_edit(run);
}

static void step(struct run *run)
{
    uint8_t what = take_byte(&run->input);

    switch (what % 16) {
    case 0:
        end_edit(run, what & 16);
        break;
    case 1:
        run->fail_in = 1 + (what >> 4);
        break;
    case 2:
    case 3:
    case 4:
        take_out(run, take_key(&run->input));
        break;
    case 5:
    case 6:
        check_key(&run->edit.trie, &run->model, take_key(&run->input));
        break;
    case 7: /* a key that is there */
        if (run->model.count != 0) {
            take_out(run, run->model.cells[what % run->model.count]->key);
        }
        break;
    default:
        put(run, take_key(&run->input));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = calloc(1, sizeof(*run));
    struct xbar_allocator allocator = { fuzz_alloc, fuzz_free, run, true };
    struct xbar_engine_config config = { .allocator = &allocator };
    struct xbar_engine_stats stats;

    require(run != NULL);
    run->input = (struct input){ data, size };
    run->engine = xbar_engine_new(&config);
    require(run->engine != NULL);
    begin_edit(run);
    while (run->input.left != 0) {
        step(run);
    }
    run->fail_in = 0;
    end_edit(run, true);
    flatview__trie_cancel(&run->edit);
    free_nodes(run, flatview__trie_collect(&run->base));
    xbar_engine_get_stats(run->engine, &stats);
    require(stats.bytes_live == 0);
    require(xbar_engine_free(run->engine) == 0);
    free(run);
    return 0;
}
