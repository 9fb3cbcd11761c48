/* SPDX-License-Identifier: MIT */
/*
 * RCU for the library: liburcu's bulletproof flavour, read side inlined.
 *
 * Readers nest sections freely; a thread registers itself on its first one.
 * A vCPU stays in one section while it runs and calls xbar_rcu_quiescent() at
 * its safe points.
 *
 * thread sanitizer cannot see liburcu's ordering, so it is told:
 *   xbar_rcu_read_unlock  releases  -> pairs with the end of a grace period
 *   xbar_rcu_synchronize  acquires
 * Publishing is C11 release, reading a published pointer is C11 acquire
 * (a plain load on x86-64), which it understands by itself.
 */
#ifndef XBAR_ENGINE_RCU_H
#define XBAR_ENGINE_RCU_H

#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__)
#define XBAR_RCU_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define XBAR_RCU_ASAN 1
#elif defined(__clang__)
#if __has_feature(thread_sanitizer)
#define XBAR_RCU_TSAN 1
#elif __has_feature(address_sanitizer)
#define XBAR_RCU_ASAN 1
#endif
#endif

/*
 * Read side inlined: 1 ns a section instead of 11 through the library. Not
 * beside address,undefined: liburcu 0.13.2 places its reader records less
 * aligned than their type asks, which would be reported where it is inlined.
 */
#ifndef XBAR_RCU_ASAN
#ifndef URCU_INLINE_SMALL_FUNCTIONS
#define URCU_INLINE_SMALL_FUNCTIONS
#endif
#define _LGPL_SOURCE
#endif
#include <urcu-bp.h>

#if !defined(XBAR_RCU_ASAN) && !defined(XBAR_RCU_TSAN)
#define XBAR_RCU_QUICK 1
#endif

#include "engine/check.h"

#ifdef XBAR_RCU_TSAN
#include <sanitizer/tsan_interface.h>
extern XBAR_API char xbar_rcu_tsan_clock; /* adapters have it, too */
#define XBAR_RCU_RELEASE() __tsan_release(&xbar_rcu_tsan_clock)
#define XBAR_RCU_ACQUIRE() __tsan_acquire(&xbar_rcu_tsan_clock)
#else
#define XBAR_RCU_RELEASE() ((void)0)
#define XBAR_RCU_ACQUIRE() ((void)0)
#endif

static inline void xbar_rcu_read_lock(void)
{
    urcu_bp_read_lock();
}

static inline void xbar_rcu_read_unlock(void)
{
    XBAR_RCU_RELEASE();
    urcu_bp_read_unlock();
}

/*
 * A section by the shortest way: a third of the instructions of the pair
 * above, for accesses of a few nanoseconds. It ends in the function that began
 * it, or in one that got @before. Inside a section nothing has to be done, and
 * nothing is: ending restores what there was.
 *
 * Begin fails, and has done nothing, on a thread's first section and where the
 * kernel has no membarrier: then the pair above is for you.
 */
struct xbar_rcu_quick {
#ifdef XBAR_RCU_QUICK
    struct urcu_bp_reader *reader;
    unsigned long before; /* its ctr */
#else
    unsigned long before; /* unused */
#endif
};

#ifdef XBAR_RCU_QUICK
/*
 * For who asks once what does not change in its thread, and passes it each time:
 * NULL, and there are no quick sections for it.
 */
static inline struct urcu_bp_reader *xbar_rcu_quick_reader(void)
{
    struct urcu_bp_reader *reader = URCU_TLS(urcu_bp_reader);

    return reader != NULL && urcu_bp_has_sys_membarrier ? reader : NULL;
}

/*
 * A section that is inside of none, by @reader, which is not NULL. False: the
 * thread is in one, and nothing was done.
 */
static inline bool xbar_rcu_leaf_begin(struct urcu_bp_reader *reader)
{
    if (unlikely(reader->ctr & URCU_BP_GP_CTR_NEST_MASK)) { /* ours to write */
        return false;
    }
    _CMM_STORE_SHARED(reader->ctr, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    cmm_barrier();
    return true;
}

static inline void xbar_rcu_leaf_end(struct urcu_bp_reader *reader)
{
    cmm_barrier();
    _CMM_STORE_SHARED(reader->ctr, 0);
    cmm_barrier();
}

/* No thread's, and in a section: xbar_rcu_leaf_begin() says false. For where a
 * reader is kept and its thread is not there. */
static inline struct urcu_bp_reader *xbar_rcu_no_reader(void)
{
    static struct urcu_bp_reader none = { .ctr = 1 };

    return &none;
}

static inline bool xbar_rcu_quick_begin(struct xbar_rcu_quick *section)
{
    struct urcu_bp_reader *reader = xbar_rcu_quick_reader();

    if (unlikely(reader == NULL)) {
        return false;
    }
    section->reader = reader;
    section->before = CMM_LOAD_SHARED(reader->ctr);
    if (likely(!(section->before & URCU_BP_GP_CTR_NEST_MASK))) {
        _CMM_STORE_SHARED(reader->ctr, _CMM_LOAD_SHARED(urcu_bp_gp.ctr));
    }
    cmm_barrier();
    return true;
}

static inline void xbar_rcu_quick_end(const struct xbar_rcu_quick *section)
{
    cmm_barrier();
    _CMM_STORE_SHARED(section->reader->ctr, section->before);
    cmm_barrier();
}

/* The section that a caller began: it passed its @before, in a register. */
static inline struct xbar_rcu_quick xbar_rcu_quick_of(unsigned long before)
{
    return (struct xbar_rcu_quick){ URCU_TLS(urcu_bp_reader), before };
}
#else
static inline struct urcu_bp_reader *xbar_rcu_quick_reader(void)
{
    return NULL;
}

static inline struct urcu_bp_reader *xbar_rcu_no_reader(void)
{
    return NULL;
}

/* There is no reader to call these with. */
static inline bool xbar_rcu_leaf_begin(struct urcu_bp_reader *reader)
{
    (void)reader;
    return false;
}

static inline void xbar_rcu_leaf_end(struct urcu_bp_reader *reader)
{
    (void)reader;
}

/* Sanitizers look at the pair, so the quick section is one. */
static inline bool xbar_rcu_quick_begin(struct xbar_rcu_quick *section)
{
    section->before = 0;
    xbar_rcu_read_lock();
    return true;
}

static inline void xbar_rcu_quick_end(const struct xbar_rcu_quick *section)
{
    (void)section;
    xbar_rcu_read_unlock();
}

static inline struct xbar_rcu_quick xbar_rcu_quick_of(unsigned long before)
{
    return (struct xbar_rcu_quick){ before };
}
#endif

/* Is this thread inside a read section? Assert this where one is needed. */
static inline bool xbar_rcu_read_held(void)
{
    return urcu_bp_read_ongoing();
}

/*
 * A safe point of a thread that stays in one section: whatever it read under
 * RCU before is forgotten. Must not be nested.
 */
static inline void xbar_rcu_quiescent(void)
{
    xbar_rcu_read_unlock();
    xbar_rcu_read_lock();
}

/*
 * Wait until every section that was open has ended. Only engine/reclaim.c
 * calls this. Sabotage tests replace it through xbar_rcu_synchronize_hook.
 */
void xbar_rcu_synchronize(void);

/* For tests, set while no other thread runs: called instead of waiting. */
extern void (*xbar_rcu_synchronize_hook)(void);

#endif
