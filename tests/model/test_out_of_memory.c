/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out at every request that a transaction makes, one after the
 * other: each time the tree and the view must be what they were, and nothing
 * may have leaked; once memory suffices, the edits must have their effect.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/rcu.h"
#include "flatview/subscriber.h"
#include "tests/model/world.h"

#if defined(TESTS_UNDER_ASAN) || defined(TESTS_UNDER_TSAN)
#define WORLDS 200
#else
#define WORLDS 1500
#endif

#define TRANSACTIONS 5
#define EDITS        12
#define MAX_REQUESTS 10000 /* a transaction never needs more */

struct counting_subscriber {
    struct xbar_view_subscriber sub;
    unsigned calls;
};

static void count_call(struct xbar_view_subscriber *sub,
                       const struct xbar_range *ranges, size_t count)
{
    (void)ranges;
    (void)count;
    ((struct counting_subscriber *)sub)->calls++;
}

/*
 * The same edits each time: they depend on the seed and the shadow only. Many,
 * or few: those take shorter ways.
 */
static int run_transaction(struct world *w, uint64_t seed)
{
    const int edits = seed >> 32 & 1 ? EDITS : 1 + (int)(seed >> 33 & 1);

    w->seed = seed;
    memory_region_transaction_begin();
    for (int i = 0; i < edits; i++) {
        int err = world_edit(w);

        assert_true(err == 0 || is_refusal(err) || err == -ENOMEM);
    }
    return memory_region_transaction_commit();
}

/* Return: did request @n fail the transaction? */
static bool fail_at(struct world *w, uint64_t seed, long n)
{
    const FlatView *view = w->as.current_map;
    struct shadow before = w->shadow;
    long live = atomic_load(&w->alloc.live_bytes);
    long requests;
    int err;

    counting_alloc_fail(&w->alloc, n);
    err = run_transaction(w, seed);
    requests = atomic_load(&w->alloc.requests);
    counting_alloc_fail(&w->alloc, 0);
    if (err == 0) {
        assert_true(requests < n); /* no failure was overlooked */
        return false;
    }
    assert_int_equal(err, -ENOMEM);
    w->shadow = before;
    assert_ptr_equal(w->as.current_map, view);
    assert_int_equal(atomic_load(&w->alloc.live_bytes), live);
    world_check_tree(w);
    world_check_view(w);
    return true;
}

/* All values of @n until the transaction goes through. */
static long exhaust(struct world *w, struct counting_subscriber *sub)
{
    uint64_t seed = world_random(w);
    unsigned calls = sub->calls;
    long n = 1;

    assert_true(xbar_engine_reclaim(w->engine) >= 0);
    while (fail_at(w, seed, n)) {
        assert_int_equal(sub->calls, calls);
        n++;
        assert_true(n < MAX_REQUESTS);
    }
    world_check_tree(w);
    world_check_view(w);
    w->seed = seed + 1;
    return n - 1;
}

static void test_random_edits(void **state)
{
    static struct world w;
    long failures = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct counting_subscriber sub = { .sub.changed = count_call };

        world_init(&w, seed);
        xbar_view_subscribe(&w.as, &sub.sub);
        for (int i = 0; i < TRANSACTIONS; i++) {
            failures += exhaust(&w, &sub);
        }
        xbar_view_unsubscribe(&w.as, &sub.sub);
        world_end(&w);
    }
    assert_true(failures > WORLDS * TRANSACTIONS);
}

/* ---- A scripted one: two address spaces, of which one has prepared ------ */

struct pair {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion mirror; /* of root, so that there are two views to make */
    MemoryRegion ram;
    MemoryRegion io;
    AddressSpace first;
    AddressSpace second;
    char memory[0x2000];
};

static void init_pair(struct pair *p)
{
    p->engine = counting_alloc_engine(&p->alloc);
    assert_int_equal(xbar_engine_enter(p->engine), 0);
    assert_int_equal(memory_region_init(&p->root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(memory_region_init_ram_ptr(&p->ram, NULL, "ram",
                                                sizeof(p->memory), p->memory),
                     0);
    assert_int_equal(
        memory_region_init_io(&p->io, NULL, NULL, NULL, "io", 0x100), 0);
    assert_int_equal(memory_region_add_subregion(&p->root, 0, &p->ram), 0);
    assert_int_equal(address_space_init(&p->first, &p->root, "first"), 0);
    assert_int_equal(memory_region_init_alias(&p->mirror, NULL, "mirror",
                                              &p->root, 0, UINT64_MAX),
                     0);
    assert_int_equal(address_space_init(&p->second, &p->mirror, "second"), 0);
}

static void end_pair(struct pair *p)
{
    address_space_destroy(&p->first);
    address_space_destroy(&p->second);
    assert_int_equal(xbar_region_destroy(&p->mirror, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&p->root, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&p->ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&p->io, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(p->engine), 0);
    assert_int_equal(xbar_engine_free(p->engine), 0);
    assert_int_equal(atomic_load(&p->alloc.live_bytes), 0);
}

static MemTxResult probe(AddressSpace *as)
{
    MemTxResult result;

    (void)address_space_ldub(as, 0x800, MEMTXATTRS_UNSPECIFIED, &result);
    return result;
}

/* A hole is punched: both views see it, or neither does. */
static void test_all_spaces_or_none(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    long n = 0;
    int err;

    (void)state;
    init_pair(p);
    do {
        assert_int_equal(probe(&p->first), MEMTX_OK);
        assert_int_equal(probe(&p->second), MEMTX_OK);
        counting_alloc_fail(&p->alloc, ++n);
        err = memory_region_add_subregion_overlap(&p->root, 0x780, &p->io, 1);
        counting_alloc_fail(&p->alloc, 0);
    } while (err == -ENOMEM);
    assert_int_equal(err, 0);
    assert_true(n > 10);
    assert_int_equal(probe(&p->first), MEMTX_DECODE_ERROR);
    assert_int_equal(probe(&p->second), MEMTX_DECODE_ERROR);
    end_pair(p);
    free(p);
}

/* Nobody reads while this thread reclaims, so there is nothing to wait for. */
static void wait_for_nobody(void)
{
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_spaces_or_none),
        cmocka_unit_test(test_random_edits),
    };

    xbar_rcu_synchronize_hook = wait_for_nobody;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
