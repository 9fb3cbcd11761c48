/* SPDX-License-Identifier: MIT */
/*
 * The order of a safe point: quiescence is announced, then the inbox is
 * drained. Another thread commits where the other order would lose: once the
 * inbox is drained, and before anything else.
 *
 *   owner                               reclaimer
 *   drain
 *     a commit: posts, retires
 *                                       the grace period begins
 *   the safe point returns              may it have ended? Only if the entry
 *                                       that the commit made stale is gone
 *
 * The linker has all calls of the drain come here first (tests/CMakeLists.txt).
 * Which readers a grace period waits for is read from liburcu's own words.
 */
#include "tests/unit/tlb/world.h"

#include <pthread.h>
#include <sched.h>

#include "engine/rcu.h"
#include "tlb/tlb_internal.h"

#include <urcu/static/urcu-bp.h>

void __real_tlb__inbox_drain(SoftTLB *tlb);
void __wrap_tlb__inbox_drain(SoftTLB *tlb);

static void (*after_drain)(void); /* the next one, and none after it */
static struct world *world;
static pthread_t reclaimer;
static int64_t reclaimed;

void __wrap_tlb__inbox_drain(SoftTLB *tlb)
{
    void (*now)(void) = after_drain;

    __real_tlb__inbox_drain(tlb);
    after_drain = NULL;
    if (now) {
        now();
    }
}

static unsigned long phase(void)
{
    return CMM_LOAD_SHARED(urcu_bp_gp.ctr) & URCU_BP_GP_CTR_PHASE;
}

/* Of this thread, by the word alone: a record may lie less aligned than its
 * type asks (engine/rcu.h). */
static unsigned long phase_of_section(void)
{
    const char *reader = (const char *)URCU_TLS(urcu_bp_reader);

    return *(const unsigned long *)(const void *)(reader +
                                                  offsetof(
                                                      struct urcu_bp_reader,
                                                      ctr)) &
           URCU_BP_GP_CTR_PHASE;
}

static void *reclaim(void *opaque)
{
    (void)opaque;
    reclaimed = xbar_engine_reclaim(world->engine);
    return NULL;
}

static void commit_and_begin_grace_period(void)
{
    const unsigned long before = phase();

    world_enable(world, OVER, true);
    assert_int_equal(pthread_create(&reclaimer, NULL, reclaim, NULL), 0);
    while (phase() == before) {
        sched_yield();
    }
    assert_int_equal(phase_of_section(), before);
}

static void no_stale_entry_is_left_behind_a_grace_period(void **state)
{
    (void)state;
    world = world_new();
    world_map(world, 0, 0x80003000, PROT_RWX);
    assert_int_equal(world_must_load(world, 0, 0), 0);
    world->bytes[OVER][0] = 0x55;

    after_drain = commit_and_begin_grace_period;
    tlb_safepoint(&world->tlb);
    assert_null(after_drain);
    assert_true(phase_of_section() != phase() ||
                !world_hits(world, 0, 0, TLB_READ));

    tlb_safepoint(&world->tlb);
    pthread_join(reclaimer, NULL);
    assert_true(reclaimed > 0);
    assert_int_equal(world_must_load(world, 0, 0), 0x55);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stale_entry_is_left_behind_a_grace_period),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
