/* SPDX-License-Identifier: MIT */
/*
 * All or nothing. A board of regions is described as text: each region's
 * properties, and its sub-regions in decode order. Scripts of random changes
 * run in a transaction of which the n-th allocation fails, for every n, or
 * which is aborted; the text afterwards must be what it was before.
 */
#include <stdio.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "tests/unit/engine/fixture.h"

#define CONTAINERS 8
#define LEAVES     16
#define ALIASES    8
#define REGIONS    (CONTAINERS + LEAVES + ALIASES)

struct board {
    MemoryRegion regions[REGIONS];
    uint64_t random;
    unsigned done; /* calls of end_told() */
};

/* ---- The board --------------------------------------------------------- */

static uint64_t pick(struct board *b, uint64_t n)
{
    return next_random(&b->random) % n;
}

static MemoryRegion *pick_region(struct board *b)
{
    return &b->regions[pick(b, REGIONS)];
}

static void init_one(struct board *b, unsigned i)
{
    MemoryRegion *mr = &b->regions[i];
    MemoryRegion *orig;
    char name[16];

    snprintf(name, sizeof(name), "r%u", i);
    if (i < CONTAINERS) {
        assert_int_equal(memory_region_init(mr, NULL, name, 4096), 0);
    } else if (i < CONTAINERS + LEAVES) {
        assert_int_equal(memory_region_init_io(mr, NULL, NULL, NULL, name, 256),
                         0);
    } else {
        orig = &b->regions[pick(b, CONTAINERS + LEAVES)];
        assert_int_equal(
            memory_region_init_alias(mr, NULL, name, orig, 16 * i, 512), 0);
    }
}

static void open_board(struct board *b, uint64_t seed)
{
    memset(b, 0, sizeof(*b));
    b->random = seed;
    for (unsigned i = 0; i < REGIONS; i++) {
        init_one(b, i);
    }
}

static void end_told(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    ((struct board *)opaque)->done++;
}

static void close_board(struct board *b, struct xbar_engine *engine)
{
    for (unsigned i = 0; i < REGIONS; i++) {
        int rc = xbar_region_destroy(&b->regions[i], end_told, b);

        assert_true(rc == 0 || rc == -EINVAL); /* the script may have */
    }
    while (xbar_engine_reclaim(engine) > 0) {
    }
    assert_int_equal(b->done, REGIONS);
}

/* ---- As text ----------------------------------------------------------- */

static void print_children(FILE *out, MemoryRegion *mr)
{
    struct xbar_region_list list = { 0 };

    assert_true(interval__is_valid(mr));
    assert_int_equal(xbar_region_children(mr, 0, UINT64_MAX, &list), 0);
    for (size_t i = 0; i < list.count; i++) {
        fprintf(out, " %s", memory_region_name(list.items[i]));
    }
    xbar_region_list_free(mr, &list);
}

static void print_region(FILE *out, MemoryRegion *mr)
{
    struct xbar_region_info info;

    xbar_region_inspect(mr, &info);
    fprintf(out, "%s flags %x priority %d at %llx size %llx seq %llu h %u",
            memory_region_name(mr), info.flags, info.priority,
            (unsigned long long)info.addr, (unsigned long long)info.size,
            (unsigned long long)mr->sequence, mr->height);
    fprintf(out, " in %s alias %s+%llx mapped %d usable %d:",
            info.container ? memory_region_name(info.container) : "-",
            info.alias ? memory_region_name(info.alias) : "-",
            (unsigned long long)info.alias_offset, memory_region_is_mapped(mr),
            region__is_usable(mr));
    print_children(out, mr);
    fputc('\n', out);
}

static char *describe(struct board *b)
{
    size_t size;
    char *text;
    FILE *out = open_memstream(&text, &size);

    for (unsigned i = 0; i < REGIONS; i++) {
        print_region(out, &b->regions[i]);
    }
    fclose(out);
    return text;
}

/* ---- Scripts ----------------------------------------------------------- */

static int change_one(struct board *b, unsigned weight_of_ends)
{
    MemoryRegion *mr = pick_region(b);

    switch (pick(b, 9 + weight_of_ends)) {
    case 0:
    case 1:
    case 2:
        return memory_region_add_subregion_overlap(
            &b->regions[pick(b, CONTAINERS)], 16 * pick(b, 256), mr,
            (int)pick(b, 5) - 2);
    case 3:
        return mr->container ? memory_region_del_subregion(mr->container, mr)
                             : 0;
    case 4:
        return memory_region_set_enabled(mr, pick(b, 2));
    case 5:
        return memory_region_set_address(mr, 16 * pick(b, 256));
    case 6:
        return memory_region_set_size(mr, 16 * pick(b, 256));
    case 7:
        return memory_region_set_alias_offset(mr, 16 * pick(b, 256));
    case 8:
        return memory_region_set_readonly(mr, pick(b, 2));
    default:
        return xbar_region_destroy(mr, end_told, b);
    }
}

/* Caller's mistakes are a part of it; want of memory is what we look for. */
static bool run_script(struct board *b, unsigned length)
{
    bool short_of_memory = false;

    for (unsigned i = 0; i < length; i++) {
        short_of_memory |= change_one(b, 2) == -ENOMEM;
    }
    return short_of_memory;
}

static void settle_board(struct board *b)
{
    for (unsigned i = 0; i < 60; i++) {
        change_one(b, 0);
    }
}

/* ---- A participant that allocates -------------------------------------- */

struct view {
    struct xbar_participant participant;
    struct xbar_engine *engine;
    void *next;
    unsigned published;
};

static int prepare_view(struct xbar_participant *p)
{
    struct view *v = (struct view *)p;

    v->next = xbar_alloc(v->engine, 64);
    return v->next ? 0 : -ENOMEM;
}

static void drop_view(struct xbar_participant *p)
{
    struct view *v = (struct view *)p;

    xbar_free(v->engine, v->next, 64);
    v->next = NULL;
}

static void publish_view(struct xbar_participant *p)
{
    ((struct view *)p)->published++;
}

static void notify_view(struct xbar_participant *p)
{
    (void)p;
}

static void open_view(struct view *v, struct xbar_engine *engine)
{
    *v = (struct view){
        .participant = { .prepare = prepare_view,
                         .cancel = drop_view,
                         .publish = publish_view,
                         .notify = notify_view,
                         .retire = drop_view },
        .engine = engine,
    };
    xbar_tree_hold(engine);
    xbar_participant_add(engine, &v->participant);
    xbar_tree_release(engine);
}

static void close_view(struct view *v)
{
    xbar_tree_hold(v->engine);
    xbar_participant_remove(v->engine, &v->participant);
    xbar_tree_release(v->engine);
}

/* ---- Tests ------------------------------------------------------------- */

/*
 * Run the script with its n-th allocation failing. True if it came to that:
 * then everything is as before. The random state is put back, so the next
 * try makes the same changes.
 */
static bool fails_cleanly(struct fixture *f, struct board *b, struct view *v,
                          size_t n)
{
    uint64_t random = b->random;
    unsigned published = v->published;
    unsigned told = f->oom_told;
    char *before = describe(b);
    char *after;
    size_t bytes = f->bytes;
    bool failed;

    f->fail_at = f->requests + n;
    memory_region_transaction_begin();
    failed = run_script(b, 120);
    failed |= memory_region_transaction_commit() == -ENOMEM;
    f->fail_at = 0;
    if (failed) {
        after = describe(b);
        assert_string_equal(after, before);
        assert_int_equal(v->published, published);
        assert_int_equal(f->oom_told, told + 1);
        assert_int_equal(f->bytes, bytes);
        free(after);
        b->random = random;
    }
    free(before);
    return failed;
}

static void test_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    struct board b;
    struct view v;
    size_t failures = 0;

    for (uint64_t seed = 1; seed < 20; seed++) {
        size_t n = 1;

        open_board(&b, seed * 0x9e3779b97f4a7c15);
        settle_board(&b);
        open_view(&v, f->engine);
        while (fails_cleanly(f, &b, &v, n)) {
            n++;
        }
        assert_int_equal(v.published, 1);
        failures += n - 1;
        close_view(&v);
        close_board(&b, f->engine);
    }
    assert_true(failures > 100); /* the scripts do allocate */
}

static void test_abort_restores_everything(void **state)
{
    struct fixture *f = *state;
    struct board b;

    for (uint64_t seed = 1; seed < 200; seed++) {
        char *before, *after;

        open_board(&b, seed * 0xda942042e4dd58b5);
        settle_board(&b);
        before = describe(&b);
        memory_region_transaction_begin();
        run_script(&b, 200);
        xbar_transaction_abort();
        assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
        after = describe(&b);
        assert_string_equal(after, before);
        free(before);
        free(after);
        assert_int_equal(b.done, 0); /* what was destroyed lives on */
        close_board(&b, f->engine);
    }
}

/* Outside a transaction each change is its own: it happens, or it does not. */
static void test_single_changes_fail_alone(void **state)
{
    struct fixture *f = *state;
    struct board b;
    struct view v;

    open_board(&b, 4711);
    open_view(&v, f->engine);
    for (unsigned i = 0; i < 500; i++) {
        char *before = describe(&b);
        uint64_t random = b.random;
        int rc;

        f->fail_at = f->requests + 1;
        rc = change_one(&b, 0);
        f->fail_at = 0;
        if (rc == -ENOMEM) {
            char *after = describe(&b);

            assert_string_equal(after, before);
            free(after);
            b.random = random;
            assert_int_not_equal(change_one(&b, 0), -ENOMEM);
        }
        free(before);
    }
    close_view(&v);
    close_board(&b, f->engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_every_failing_allocation),
        engine_test(test_abort_restores_everything),
        engine_test(test_single_changes_fail_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
