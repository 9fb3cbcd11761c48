/* SPDX-License-Identifier: MIT */
/*
 * Two harts, of which one is used by hand: what it stores, and when it takes its
 * write tags back, is as slow as a test wants it.
 */
#ifndef XBAR_TESTS_UNIT_RISCV_HAND_H
#define XBAR_TESTS_UNIT_RISCV_HAND_H

#include "tests/unit/riscv/pair.h"

#include <semaphore.h>

/*
 * hart[0] translates, on the test's thread. hart[1] does not run: a thread
 * uses its TLB as told, so that what it does between safe points is known.
 */
#define LOOP     0x1000u
#define FUNCTION 0x2000u

struct hand {
    struct pair *pair;
    SoftTLB *tlb;
    pthread_t thread;
    sem_t asked, done;
    bool (*act)(struct hand *hand); /* NULL: the end */
    bool good;                      /* what it returned */
    uint64_t va;
    int value;            /* the function is to return */
    unsigned round;       /* instructions once round the loop */
    MemoryRegion overlay; /* other memory at the function's address */
    MemoryRegion odd, shifted;
};

static inline void *use_by_hand(void *opaque)
{
    struct hand *hand = opaque;

    for (;;) {
        sem_wait(&hand->asked);
        if (hand->act == NULL) {
            return NULL;
        }
        hand->good = hand->act(hand);
        sem_post(&hand->done);
    }
}

static inline bool answer(struct hand *hand, bool (*act)(struct hand *hand))
{
    hand->act = act;
    sem_post(&hand->asked);
    sem_wait(&hand->done);
    return hand->good;
}

/* Assertions are for the test's own thread: it hears how it went. */
static inline void ask(struct hand *hand, bool (*act)(struct hand *hand))
{
    assert_true(answer(hand, act));
}

static inline void end(struct hand *hand)
{
    hand->act = NULL;
    sem_post(&hand->asked);
    pthread_join(hand->thread, NULL);
}

static inline bool enter(struct hand *hand)
{
    tlb_enter(hand->tlb);
    return true;
}

static inline bool leave(struct hand *hand)
{
    tlb_leave(hand->tlb);
    return true;
}

static inline bool reach_safepoint(struct hand *hand)
{
    tlb_safepoint(hand->tlb);
    return true;
}

static inline bool store_slowly(struct hand *hand)
{
    return tlb_store_slow(hand->tlb, CTX_M, hand->va, 2,
                          li(10, ++hand->value)) == 0;
}

static inline bool store_inline(struct hand *hand)
{
    void *host = tlb_probe(hand->tlb, CTX_M, hand->va, 4, TLB_WRITE);

    if (host == NULL) {
        return false;
    }
    tlb_ram_store(host, 2, li(10, ++hand->value));
    return true;
}

/* Beside the function: its bytes stay as they are. */
static inline bool store_data(struct hand *hand)
{
    return tlb_store_slow(hand->tlb, CTX_M, hand->va ^ 0x80, 3, 1) == 0;
}

static inline bool is_inline(struct hand *hand)
{
    return tlb_probe(hand->tlb, CTX_M, hand->va, 4, TLB_WRITE) != NULL;
}

static inline bool is_protected(struct hand *hand)
{
    return !is_inline(hand) &&
           tlb_probe(hand->tlb, CTX_M, hand->va, 4, TLB_READ) != NULL;
}

/* Two pages that may be seen at the function's address. */
static inline void add_overlay(struct hand *hand)
{
    struct rig *rig = &hand->pair->rig;

    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init_alias(&hand->overlay, NULL, "overlay",
                                              &rig->ram, 2 * FUNCTION,
                                              TLB_PAGE_SIZE),
                     0);
    memory_region_set_enabled(&hand->overlay, false);
    memory_region_add_subregion_overlap(&rig->root, RAM_ADDR + FUNCTION,
                                        &hand->overlay, 1);
    xbar_engine_leave(rig->engine);
}

static inline int hand_open(void **state)
{
    const uint32_t loop[] = { FENCE_I, call(22), jump(-8) };
    const uint32_t function[] = { li(10, 0), RET };
    struct hand *hand = test_calloc(1, sizeof(*hand));

    hand->pair = pair_new(XBAR_RISCV_JIT, XBAR_RISCV_INTERP);
    hand->tlb = &hand->pair->hart[1]->tlb;
    hand->va = RAM_ADDR + FUNCTION;
    hand->round = 5;
    add_overlay(hand);
    rig_code(&hand->pair->rig, LOOP, loop, 3);
    rig_code(&hand->pair->rig, FUNCTION, function, 2);
    hand->pair->hart[0]->pc = RAM_ADDR + LOOP;
    hand->pair->hart[0]->x[22] = RAM_ADDR + FUNCTION;
    sem_init(&hand->asked, 0, 0);
    sem_init(&hand->done, 0, 0);
    assert_int_equal(pthread_create(&hand->thread, NULL, use_by_hand, hand), 0);
    ask(hand, enter);
    *state = hand;
    return 0;
}

/* Of whatever is left of a test, failed or not: a thread that stays inside a
 * TLB would keep all others from freeing anything. */
static inline int hand_close(void **state)
{
    struct hand *hand = *state;

    if (hand->tlb->entered) {
        ask(hand, leave);
    }
    end(hand);
    sem_destroy(&hand->asked);
    sem_destroy(&hand->done);
    xbar_region_destroy(&hand->overlay, NULL, NULL);
    xbar_region_destroy(&hand->shifted, NULL, NULL);
    xbar_region_destroy(&hand->odd, NULL, NULL);
    pair_free(hand->pair);
    test_free(hand);
    return 0;
}

/* hart[0] goes round its loop: it must find what was stored last. */
static inline void expect_new_code(struct hand *hand)
{
    struct xbar_riscv_hart *hart = hand->pair->hart[0];

    assert_int_equal(xbar_riscv_run(hart, hand->round), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(hart->x[10], hand->value);
}

static inline bool store_either_way(struct hand *hand)
{
    return is_inline(hand) ? store_inline(hand) : store_slowly(hand);
}

static inline bool store_version(struct hand *hand)
{
    return tlb_store_slow(hand->tlb, CTX_M, hand->va, 2, li(10, hand->value)) ==
           0;
}

static inline struct xbar_riscv_jit_stats stats_of(const struct hand *hand)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(hand->pair->hart[0], &stats);
    return stats.jit;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, hand_open, hand_close)

#endif
