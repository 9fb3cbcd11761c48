/* SPDX-License-Identifier: MIT */
/*
 * Differences between tries: against a merge of two sorted arrays, over keys
 * that share many digits, few, or none.
 */
#include "flatview/index/trie.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/counting_alloc.h"

#define KEYS 256 /* that may be in a trie */

struct cell {
    uint64_t key;
    uint64_t unused; /* values are 16-byte aligned */
} __attribute__((aligned(16)));

struct fixture {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    uint64_t seed;
    struct cell cells[2][KEYS]; /* two values for each key, by key */
};

/* Which of its two values a key has in a trie; -1: none. */
struct content {
    struct flatview_trie trie;
    int which[KEYS];
};

struct expected {
    const struct fixture *f;
    const struct content *from;
    const struct content *to;
    int next; /* key that is told next, if it differs */
    int told;
    int stop_after; /* 0: never */
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Dense at the bottom, byte by byte further up, anywhere, and at the top. */
static void draw_keys(struct fixture *f)
{
    uint64_t keys[KEYS];

    for (int i = 0; i < KEYS; i++) {
        uint64_t random = next_random(&f->seed);

        keys[i] = i < 64    ? (uint64_t)i << 12
                  : i < 128 ? ((uint64_t)1 << 40) + (uint64_t)i
                  : i < 192 ? random >> (i % 40)
                            : UINT64_MAX - (uint64_t)(i - 192) * 7;
    }
    qsort(keys, KEYS, sizeof(keys[0]), compare_keys);
    for (int i = 0; i < KEYS; i++) {
        f->cells[0][i].key = keys[i];
        f->cells[1][i].key = keys[i];
    }
}

/* Change about one key in @odds. @old's own nodes are freed if it is given up:
 * both are kept here, so what is superseded is freed at the end. */
static struct xbar_retired *change(struct fixture *f, struct content *content,
                                   unsigned odds)
{
    static uint64_t generation;
    struct flatview_trie_edit edit;

    flatview__trie_begin(&edit, f->engine, &content->trie);
    edit.trie.generation = ++generation + 1000;
    for (int i = 0; i < KEYS; i++) {
        int which = (int)(next_random(&f->seed) % 3) - 1;

        if (next_random(&f->seed) % odds != 0 || which == content->which[i]) {
            continue;
        }
        assert_int_equal(which < 0
                             ? flatview__trie_remove(&edit, f->cells[0][i].key)
                             : flatview__trie_put(&edit, f->cells[which][i].key,
                                                  &f->cells[which][i]),
                         0);
        content->which[i] = which;
    }
    return flatview__trie_commit(&edit, &content->trie);
}

static void *value_of(const struct fixture *f, const struct content *content,
                      int i)
{
    int which = content->which[i];

    return which < 0 ? NULL : (void *)&f->cells[which][i];
}

static bool check_told(void *opaque, void *from, void *to)
{
    struct expected *e = opaque;

    while (e->next < KEYS && e->from->which[e->next] == e->to->which[e->next]) {
        e->next++;
    }
    assert_true(e->next < KEYS);
    assert_ptr_equal(from, value_of(e->f, e->from, e->next));
    assert_ptr_equal(to, value_of(e->f, e->to, e->next));
    e->next++;
    return ++e->told == e->stop_after;
}

static int count_differences(const struct content *from,
                             const struct content *to)
{
    int count = 0;

    for (int i = 0; i < KEYS; i++) {
        count += from->which[i] != to->which[i];
    }
    return count;
}

static void check_diff(const struct fixture *f, const struct content *from,
                       const struct content *to)
{
    struct expected e = { .f = f, .from = from, .to = to };
    int differences = count_differences(from, to);

    assert_false(flatview__trie_diff(&from->trie, &to->trie, check_told, &e));
    assert_int_equal(e.told, differences);
    e = (struct expected){ .f = f, .from = from, .to = to, .stop_after = 2 };
    assert_int_equal(
        flatview__trie_diff(&from->trie, &to->trie, check_told, &e),
        differences >= 2);
}

static void free_nodes(struct fixture *f, struct xbar_retired *list)
{
    while (list != NULL) {
        struct xbar_retired *node = list;

        list = list->next;
        flatview__trie_node_free(f->engine, node);
    }
}

static void test_against_arrays(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 2000; round++) {
        struct content old = { .trie = { .count = 0 } };
        struct content new;
        struct xbar_retired *superseded;

        draw_keys(f);
        for (int i = 0; i < KEYS; i++) {
            old.which[i] = -1;
        }
        free_nodes(f, change(f, &old, 1 + (unsigned)round % 5));
        new = old;
        superseded = change(f, &new, 1u << (round % 8));
        check_diff(f, &old, &new);
        check_diff(f, &new, &old);
        check_diff(f, &new, &new);
        free_nodes(f, superseded);
        free_nodes(f, flatview__trie_collect(&new.trie));
    }
}

/* Two that share nothing: as if the keys were compared one by one. */
static void test_strangers(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 300; round++) {
        struct content a = { .trie = { .count = 0 } };
        struct content b = { .trie = { .count = 0 } };

        draw_keys(f);
        for (int i = 0; i < KEYS; i++) {
            a.which[i] = -1;
            b.which[i] = -1;
        }
        free_nodes(f, change(f, &a, 1u << (round % 8)));
        free_nodes(f, change(f, &b, 1u << (round / 8 % 8)));
        check_diff(f, &a, &b);
        free_nodes(f, flatview__trie_collect(&a.trie));
        free_nodes(f, flatview__trie_collect(&b.trie));
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->engine = counting_alloc_engine(&f->alloc);
    *state = f;
    return f->engine != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int err = xbar_engine_free(f->engine);

    err = err != 0 || atomic_load(&f->alloc.live_bytes) != 0 ? -1 : 0;
    free(f);
    return err;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_against_arrays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
