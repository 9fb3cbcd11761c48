/* SPDX-License-Identifier: MIT */
/*
 * What listeners hear of who logs: each keeps what it was told of each section,
 * and says when something does not match, whatever callbacks do meanwhile.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener.h"

#define SIZE     UINT64_C(0x2000)
#define MEMORIES 3
#define EARS     4
#define ROOM     32
#define CLIENTS  3 /* one of them is DIRTY_MEMORY_MIGRATION */

struct known {
    const MemoryRegion *mr;
    hwaddr first;
    int mask;
};

struct rig;

struct ear {
    MemoryListener listener;
    struct rig *rig;
    struct known known[ROOM];
    unsigned count;
    unsigned events; /* log_start and log_stop */
    bool all_logged;
};

struct rig {
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion memory[MEMORIES];
    AddressSpace as[2]; /* of the same root */
    struct ear ears[EARS];
    void (*react)(struct rig *rig, struct ear *ear, char event);
    unsigned reactions; /* that are left */
    uint64_t random;
};

/* ---- Listeners --------------------------------------------------------- */

static void react(struct ear *ear, char event)
{
    struct rig *rig = ear->rig;

    if (rig->react != NULL && rig->reactions != 0) {
        rig->react(rig, ear, event);
    }
}

static struct known *find(struct ear *ear, const MemoryRegionSection *s)
{
    for (unsigned i = 0; i < ear->count; i++) {
        if (ear->known[i].first == s->offset_within_address_space) {
            assert_ptr_equal(ear->known[i].mr, s->mr);
            return &ear->known[i];
        }
    }
    return NULL;
}

static void on_add(MemoryListener *l, MemoryRegionSection *s)
{
    struct ear *ear = (struct ear *)l;

    assert_null(find(ear, s));
    assert_true(ear->count < ROOM);
    ear->known[ear->count++] =
        (struct known){ s->mr, s->offset_within_address_space, 0 };
    react(ear, '+');
}

static void on_del(MemoryListener *l, MemoryRegionSection *s)
{
    struct ear *ear = (struct ear *)l;
    struct known *known = find(ear, s);

    assert_non_null(known);
    assert_int_equal(known->mask, 0);
    *known = ear->known[--ear->count];
    react(ear, '-');
}

static void change(MemoryListener *l, MemoryRegionSection *s, int old_val,
                   int new_val)
{
    struct ear *ear = (struct ear *)l;
    struct known *known = find(ear, s);

    assert_non_null(known);
    assert_int_equal(known->mask, old_val);
    assert_int_not_equal(old_val, new_val);
    known->mask = new_val;
    ear->events++;
}

static void on_start(MemoryListener *l, MemoryRegionSection *s, int old_val,
                     int new_val)
{
    change(l, s, old_val, new_val);
    assert_true((new_val & ~old_val) != 0);
    react((struct ear *)l, 's');
}

static void on_stop(MemoryListener *l, MemoryRegionSection *s, int old_val,
                    int new_val)
{
    change(l, s, old_val, new_val);
    assert_true((new_val & ~old_val) == 0);
    react((struct ear *)l, 'e');
}

static void on_all(MemoryListener *l)
{
    struct ear *ear = (struct ear *)l;

    assert_false(ear->all_logged);
    ear->all_logged = true;
    react(ear, 'S');
}

static void on_none(MemoryListener *l)
{
    struct ear *ear = (struct ear *)l;

    assert_true(ear->all_logged);
    ear->all_logged = false;
    react(ear, 'E');
}

static void join(struct ear *ear, unsigned as)
{
    assert_int_equal(
        memory_listener_register(&ear->listener, &ear->rig->as[as]), 0);
}

static void part(struct ear *ear)
{
    assert_int_equal(memory_listener_unregister(&ear->listener), 0);
    assert_int_equal(ear->count, 0);
    assert_false(ear->all_logged);
}

/* What each was told is what is. */
static void check(struct rig *rig)
{
    for (unsigned i = 0; i < EARS; i++) {
        struct ear *ear = &rig->ears[i];

        for (unsigned k = 0; k < ear->count; k++) {
            MemoryRegion *mr = (MemoryRegion *)ear->known[k].mr;

            assert_int_equal(ear->known[k].mask,
                             memory_region_get_dirty_log_mask(mr));
        }
    }
}

static void set_log(struct rig *rig, unsigned memory, bool log, unsigned client)
{
    assert_int_equal(memory_region_set_log(&rig->memory[memory], log, client),
                     0);
}

static void enable(struct rig *rig, unsigned memory, bool enabled)
{
    assert_int_equal(memory_region_set_enabled(&rig->memory[memory], enabled),
                     0);
}

/* ---- One case each ----------------------------------------------------- */

static void log_0(struct rig *rig, struct ear *ear, char event)
{
    (void)ear;
    if (event == '+' || event == '-') {
        rig->reactions--;
        set_log(rig, 0, true, 0);
    }
}

/* The first of two says so; the second has not heard of the section then. */
static void test_in_a_callback(void **state)
{
    struct rig *rig = *state;

    join(&rig->ears[0], 0);
    join(&rig->ears[1], 0);
    rig->react = log_0;
    rig->reactions = 1;
    enable(rig, 0, false); /* in region_del */
    assert_int_equal(rig->ears[0].events + rig->ears[1].events, 0);
    assert_true(memory_region_is_logging(&rig->memory[0], 0));
    enable(rig, 0, true);
    assert_int_equal(rig->ears[0].events, 1);
    assert_int_equal(rig->ears[1].events, 1);
    set_log(rig, 0, false, 0);
    enable(rig, 0, false);
    rig->reactions = 1;
    enable(rig, 0, true); /* in region_add */
    check(rig);
    assert_int_equal(rig->ears[0].events, 3);
    assert_int_equal(rig->ears[1].events, 3);
}

/* What is logged in a transaction is so at once, and told at its end. */
static void test_in_a_transaction(void **state)
{
    struct rig *rig = *state;

    join(&rig->ears[0], 0);
    memory_region_transaction_begin();
    enable(rig, 0, false);
    set_log(rig, 0, true, 1);
    set_log(rig, 1, true, 1);
    assert_true(memory_region_is_logging(&rig->memory[1], 1));
    assert_int_equal(rig->ears[0].events, 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(rig->ears[0].events, 1);
    check(rig);
    /* On and off again is nothing to tell. */
    memory_region_transaction_begin();
    set_log(rig, 2, true, 1);
    set_log(rig, 2, false, 1);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(rig->ears[0].events, 1);
    /* A void transaction does not undo it. */
    memory_region_transaction_begin();
    enable(rig, 1, false);
    set_log(rig, 2, true, 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(rig->ears[0].events, 2);
    assert_int_equal(rig->ears[0].count, 2);
    check(rig);
}

/* Another one leaves before its turn; a third one comes. */
static void swap_others(struct rig *rig, struct ear *ear, char event)
{
    if (event == 's' && ear == &rig->ears[0]) {
        rig->reactions--;
        part(&rig->ears[1]);
        join(&rig->ears[2], 0);
    }
}

static void test_coming_and_going_in_a_pass(void **state)
{
    struct rig *rig = *state;

    join(&rig->ears[0], 0);
    join(&rig->ears[1], 0);
    rig->react = swap_others;
    rig->reactions = 1;
    set_log(rig, 1, true, 0);
    assert_int_equal(rig->ears[1].events, 2); /* start, and stop to leave */
    assert_int_equal(rig->ears[2].events, 1);
    check(rig);

    part(&rig->ears[2]);
    join(&rig->ears[1], 1);
    rig->reactions = 1;
    assert_int_equal(memory_global_dirty_log_start(GLOBAL_DIRTY_MIGRATION), 0);
    assert_true(rig->ears[0].all_logged && rig->ears[2].all_logged);
    assert_int_equal(rig->ears[1].count, 0);
    check(rig);
    assert_int_equal(memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION), 0);
    check(rig);
}

static void flip_0(struct rig *rig, struct ear *ear, char event)
{
    (void)ear;
    if (event == 's' || event == 'e') {
        set_log(rig, 0, event == 'e', 0);
    }
}

/* That has an end, and leaves nobody with half of it. */
static void test_without_end(void **state)
{
    struct rig *rig = *state;

    join(&rig->ears[0], 0);
    rig->react = flip_0;
    rig->reactions = 1;
    set_log(rig, 0, true, 0);
    assert_in_range(rig->ears[0].events, 32, 128);
    rig->react = NULL;
    enable(rig, 0, false);
    enable(rig, 0, true);
    set_log(rig, 1, true, 0); /* the next one tells what was left */
    check(rig);
}

/* ---- Anything at all --------------------------------------------------- */

static unsigned draw(struct rig *rig, unsigned below)
{
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rig->random >> 33) % below;
}

static void flip_log(struct rig *rig)
{
    unsigned memory = draw(rig, MEMORIES);
    unsigned client = draw(rig, CLIENTS - 1);

    set_log(rig, memory,
            !memory_region_is_logging(&rig->memory[memory], client), client);
}

static void flip_ear(struct rig *rig)
{
    struct ear *ear = &rig->ears[draw(rig, EARS)];

    /* One that is being told of its own leaving stays out of it. */
    if (ear->listener.address_space == NULL) {
        (void)memory_listener_register(&ear->listener, &rig->as[draw(rig, 2)]);
    } else {
        (void)memory_listener_unregister(&ear->listener);
    }
}

static void act(struct rig *rig)
{
    unsigned memory = draw(rig, MEMORIES);

    switch (draw(rig, 6)) {
    case 0:
    case 1:
        flip_log(rig);
        break;
    case 2:
        flip_ear(rig);
        break;
    case 3:
        (void)memory_global_dirty_log_start(GLOBAL_DIRTY_MIGRATION);
        break;
    case 4:
        (void)memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION);
        break;
    default:
        (void)memory_region_set_address(&rig->memory[memory],
                                        draw(rig, 8) * SIZE / 2);
        break;
    }
}

static void act_sometimes(struct rig *rig, struct ear *ear, char event)
{
    (void)ear;
    (void)event;
    if (draw(rig, 3) == 0) {
        rig->reactions--;
        act(rig);
    }
}

static void test_anything(void **state)
{
    struct rig *rig = *state;

    rig->react = act_sometimes;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned actions = 1 + draw(rig, 3);

        rig->reactions = draw(rig, 6);
        memory_region_transaction_begin();
        while (actions-- != 0) {
            act(rig);
        }
        (void)memory_region_transaction_commit();
        check(rig);
    }
}

/* ---- Set-up ------------------------------------------------------------ */

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int err;

    *state = rig;
    rig->random = 1;
    rig->engine = xbar_engine_new(NULL);
    if (rig->engine == NULL || xbar_engine_enter(rig->engine) != 0) {
        return -1;
    }
    err = memory_region_init(&rig->root, NULL, "root", UINT64_MAX);
    for (unsigned i = 0; i < MEMORIES; i++) {
        err |=
            memory_region_init_ram(&rig->memory[i], NULL, "memory", SIZE, NULL);
        err |=
            memory_region_add_subregion(&rig->root, i * SIZE, &rig->memory[i]);
    }
    for (unsigned i = 0; i < EARS; i++) {
        rig->ears[i].rig = rig;
        rig->ears[i].listener = (MemoryListener){
            .region_add = on_add,
            .region_del = on_del,
            .log_start = on_start,
            .log_stop = on_stop,
            .log_global_start = on_all,
            .log_global_stop = on_none,
            .priority = i,
            .whole_sections = true,
        };
    }
    return err | address_space_init(&rig->as[0], &rig->root, "one") |
           address_space_init(&rig->as[1], &rig->root, "two");
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    int err = 0;

    rig->react = NULL;
    for (unsigned i = 0; i < 2; i++) {
        address_space_remove_listeners(&rig->as[i]);
        err |= xbar_address_space_destroy(&rig->as[i], NULL, NULL);
    }
    for (unsigned i = 0; i < EARS; i++) {
        err |= (int)rig->ears[i].count | rig->ears[i].all_logged;
    }
    (void)memory_global_dirty_log_stop(GLOBAL_DIRTY_MIGRATION);
    for (unsigned i = 0; i < MEMORIES; i++) {
        err |= xbar_region_destroy(&rig->memory[i], NULL, NULL);
    }
    err |= xbar_region_destroy(&rig->root, NULL, NULL);
    err |= xbar_engine_leave(rig->engine);
    err |= xbar_engine_free(rig->engine);
    free(rig);
    return err;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_a_callback),
        TEST(test_in_a_transaction),
        TEST(test_coming_and_going_in_a_pass),
        TEST(test_without_end),
        TEST(test_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
