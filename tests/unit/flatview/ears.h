/* SPDX-License-Identifier: MIT */
/*
 * Listeners that write down what they are told, letter by letter, and may do
 * something when they hear a certain word. A log line is
 *
 *     NAME EVENT [FIRST-LAST REGION@OFFSET]
 *
 * with + for region_add, - for region_del, = for region_nop.
 */
#ifndef XBAR_TESTS_FLATVIEW_EARS_H
#define XBAR_TESTS_FLATVIEW_EARS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "flatview/listener.h"

#define LISTENERS 4

struct fixture;

struct ear {
    MemoryListener listener;
    struct fixture *fixture;
    char name;
    /* What it does, once, when it is told this event; NULL: nothing. */
    const char *trigger;
    void (*react)(struct fixture *f, struct ear *ear);
};

struct fixture {
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion ram; /* 0x0 to 0xffff */
    MemoryRegion dev; /* 0x100 bytes, detached */
    MemoryRegion far; /* 0x100 bytes at 0x20000 */
    AddressSpace as;
    AddressSpace other; /* of the same root */
    struct ear ears[LISTENERS];
    char log[4096];
    size_t length;
    char memory[0x10000];
};

/* ---- The log ----------------------------------------------------------- */

static inline void note(struct ear *ear, const char *event,
                        const MemoryRegionSection *s)
{
    struct fixture *f = ear->fixture;
    char *at = f->log + f->length;
    size_t room = sizeof(f->log) - f->length;
    int n;

    if (s == NULL) {
        n = snprintf(at, room, "%c %s\n", ear->name, event);
    } else {
        n = snprintf(at, room, "%c %s %llx-%llx %s@%llx%s\n", ear->name, event,
                     (unsigned long long)s->offset_within_address_space,
                     (unsigned long long)(s->offset_within_address_space +
                                          (uint64_t)s->size - 1),
                     memory_region_name(s->mr),
                     (unsigned long long)s->offset_within_region,
                     s->readonly ? " ro" : "");
        assert_non_null(s->fv);
    }
    assert_true(n > 0 && (size_t)n < room);
    f->length += (size_t)n;
    if (ear->trigger != NULL && strcmp(ear->trigger, event) == 0) {
        ear->trigger = NULL;
        ear->react(f, ear);
    }
}

static inline void on_begin(MemoryListener *l)
{
    note((struct ear *)l, "begin", NULL);
}

static inline void on_commit(MemoryListener *l)
{
    note((struct ear *)l, "commit", NULL);
}

static inline void on_add(MemoryListener *l, MemoryRegionSection *s)
{
    note((struct ear *)l, "+", s);
}

static inline void on_del(MemoryListener *l, MemoryRegionSection *s)
{
    note((struct ear *)l, "-", s);
}

static inline void on_nop(MemoryListener *l, MemoryRegionSection *s)
{
    note((struct ear *)l, "=", s);
}

static inline void expect(struct fixture *f, const char *log)
{
    assert_string_equal(f->log, log);
    f->length = 0;
    f->log[0] = '\0';
}

static inline struct ear *ear(struct fixture *f, unsigned i, unsigned priority)
{
    struct ear *e = &f->ears[i];

    e->fixture = f;
    e->name = (char)('a' + i);
    e->listener.region_add = on_add;
    e->listener.region_del = on_del;
    e->listener.priority = priority;
    return e;
}

static inline void listen(struct ear *e)
{
    assert_int_equal(memory_listener_register(&e->listener, &e->fixture->as),
                     0);
}

static inline void leave(struct ear *e)
{
    assert_int_equal(memory_listener_unregister(&e->listener), 0);
}

static inline void clear(struct fixture *f)
{
    f->length = 0;
    f->log[0] = '\0';
}

static inline void add_dev(struct fixture *f, hwaddr addr)
{
    assert_int_equal(
        memory_region_add_subregion_overlap(&f->root, addr, &f->dev, 1), 0);
}

static inline void del_dev(struct fixture *f)
{
    assert_int_equal(memory_region_del_subregion(&f->root, &f->dev), 0);
}

/* ---- Set-up ------------------------------------------------------------ */

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    f->engine = xbar_engine_new(NULL);
    if (f->engine == NULL || xbar_engine_enter(f->engine) != 0) {
        return -1;
    }
    return memory_region_init(&f->root, NULL, "root", UINT64_MAX) |
           memory_region_init_ram_ptr(&f->ram, NULL, "ram", 0x10000,
                                      f->memory) |
           memory_region_init_io(&f->dev, NULL, NULL, NULL, "dev", 0x100) |
           memory_region_init_io(&f->far, NULL, NULL, NULL, "far", 0x100) |
           memory_region_add_subregion(&f->root, 0, &f->ram) |
           memory_region_add_subregion(&f->root, 0x20000, &f->far) |
           address_space_init(&f->as, &f->root, "as") |
           address_space_init(&f->other, &f->root, "other");
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    int err;

    for (unsigned i = 0; i < LISTENERS; i++) {
        f->ears[i].trigger = NULL;
    }
    clear(f);
    address_space_remove_listeners(&f->as);
    clear(f);
    address_space_remove_listeners(&f->other);
    err = xbar_address_space_destroy(&f->as, NULL, NULL) |
          xbar_address_space_destroy(&f->other, NULL, NULL) |
          xbar_region_destroy(&f->dev, NULL, NULL) |
          xbar_region_destroy(&f->far, NULL, NULL) |
          xbar_region_destroy(&f->ram, NULL, NULL) |
          xbar_region_destroy(&f->root, NULL, NULL) |
          xbar_engine_leave(f->engine) | xbar_engine_free(f->engine);
    free(f);
    return err;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

#endif
