/* SPDX-License-Identifier: MIT */
/*
 * A TLB fills while commits replace what it fills from: sections that nobody
 * had when the commit began, which is when it need not tell.
 *
 *     writer    at one page shows memory 1, 2, 3 ... one after the other
 *     reader    safe point, load, safe point, load ...
 *
 * What a load finds is no older than the last commit that had returned before
 * its safe point. A TLB that was not told of a section that it has finds what
 * was there. XBAR_STRESS_SECONDS sets how long.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/stress/duration.h"
#include "tests/unit/counting_alloc.h"
#include "tlb/tlb.h"
#include "tlb/tlb_internal.h"

#define DEFAULT_TIME 2 /* seconds */
#define PAGE         4096
#define MEMORIES     64
#define AHEAD        16 /* commits that the writer makes while one load waits */
#define LEAST        100 /* loads, and commits, of a run that shows something */

struct stress {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion memory[MEMORIES];
    AddressSpace as;
    SoftTLB tlb;
    atomic_bool is_over;
    atomic_ulong begun;     /* commits */
    atomic_ulong committed; /* that returned */
    atomic_ulong seen;      /* by the reader, of `committed` */
    atomic_ulong loads;
    atomic_ulong wrong;
    uint32_t words[MEMORIES][PAGE / 4] __attribute__((aligned(PAGE)));
};

static int walk_identity(void *opaque, unsigned context, uint64_t va,
                         enum xbar_tlb_access access,
                         struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    (void)access;
    walk->phys = va;
    walk->prot = TLB_PROT_READ;
    return 0;
}

static void show_next(struct stress *s)
{
    unsigned long next = atomic_load(&s->committed) + 1;

    atomic_store(&s->begun, next);
    memory_region_transaction_begin();
    (void)memory_region_set_enabled(&s->memory[(next - 1) % MEMORIES], false);
    (void)memory_region_set_enabled(&s->memory[next % MEMORIES], true);
    if (memory_region_transaction_commit() != 0) {
        s->wrong++;
    }
    atomic_store(&s->committed, next);
}

static void *run_writer(void *opaque)
{
    struct stress *s = opaque;

    while (!atomic_load(&s->is_over)) {
        if (atomic_load(&s->committed) < atomic_load(&s->seen) + AHEAD) {
            show_next(s);
        }
    }
    return NULL;
}

static void *run_reclaimer(void *opaque)
{
    const struct timespec pause = { .tv_nsec = 500000 };
    struct stress *s = opaque;

    while (!atomic_load(&s->is_over)) {
        (void)xbar_engine_reclaim(s->engine);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void *run_reader(void *opaque)
{
    struct stress *s = opaque;

    tlb_enter(&s->tlb);
    while (!atomic_load(&s->is_over)) {
        unsigned long least = atomic_load(&s->committed);
        uint64_t value = MEMORIES;

        atomic_store(&s->seen, least);
        tlb_safepoint(&s->tlb);
        atomic_fetch_add(&s->wrong,
                         tlb_load_slow(&s->tlb, 0, 0, 2, &value) != 0);
        atomic_fetch_add(&s->wrong, (value - least) % MEMORIES >
                                        atomic_load(&s->begun) - least);
        atomic_fetch_add_explicit(&s->loads, 1, memory_order_relaxed);
    }
    tlb_leave(&s->tlb);
    return NULL;
}

/* ---- The run ----------------------------------------------------------- */

static void init_stress(struct stress *s)
{
    struct xbar_tlb_config config = { .as = &s->as, .walk = walk_identity };

    s->engine = counting_alloc_engine(&s->alloc);
    assert_int_equal(xbar_engine_enter(s->engine), 0);
    assert_int_equal(memory_region_init(&s->root, NULL, "root", UINT64_MAX), 0);
    for (uint32_t i = 0; i < MEMORIES; i++) {
        s->words[i][0] = i;
        assert_int_equal(memory_region_init_ram_ptr(&s->memory[i], NULL, "ram",
                                                    PAGE, s->words[i]),
                         0);
        assert_int_equal(memory_region_set_enabled(&s->memory[i], i == 0), 0);
        assert_int_equal(
            memory_region_add_subregion(&s->root, 0, &s->memory[i]), 0);
    }
    assert_int_equal(address_space_init(&s->as, &s->root, "as"), 0);
    assert_int_equal(tlb_init(&s->tlb, &config), 0);
}

static void end_stress(struct stress *s)
{
    tlb_destroy(&s->tlb);
    address_space_destroy(&s->as);
    for (int i = 0; i < MEMORIES; i++) {
        assert_int_equal(xbar_region_destroy(&s->memory[i], NULL, NULL), 0);
    }
    assert_int_equal(xbar_region_destroy(&s->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(s->engine), 0);
    assert_int_equal(xbar_engine_free(s->engine), 0);
    assert_int_equal(atomic_load(&s->alloc.live_bytes), 0);
}

/* Not if the machine let the threads have no processor. */
static bool is_enough(struct stress *s)
{
    return atomic_load(&s->loads) > LEAST && atomic_load(&s->committed) > LEAST;
}

static void test_fills_beside_commits(void **state)
{
    void *(*const bodies[])(void *) = { run_writer, run_reader, run_reclaimer };
    static struct stress s;
    pthread_t threads[3];

    (void)state;
    init_stress(&s);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], &s), 0);
    }
    for (unsigned i = 0; i == 0 || (i < 100 && !is_enough(&s)); i++) {
        sleep_for_the_run(DEFAULT_TIME);
    }
    atomic_store(&s.is_over, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    printf("loads %lu, commits %lu\n", atomic_load(&s.loads),
           atomic_load(&s.committed));
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(is_enough(&s));
    end_stress(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_beside_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
