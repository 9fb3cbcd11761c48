/* SPDX-License-Identifier: MIT */
/*
 * The lock that is held around callbacks, and by who writes. Every access to a
 * device, and every commit, pays for both ends of it, so where nobody else
 * wants it each end is one atomic instruction and a few others, inline: half of
 * what a recursive mutex of the C library takes.
 *
 *     state    0 free    1 taken    2 taken, and somebody may be asleep
 *
 * It is recursive. A sleeper that wakes takes it as 2, since there may be
 * others; so the last to leave may wake nobody once too often, and never once
 * too seldom.
 */
#ifndef XBAR_ENGINE_LOCK_H
#define XBAR_ENGINE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/check.h"

struct engine_lock {
    uint32_t state;    /* atomic; what sleepers wait for */
    uint32_t depth;    /* the owner's: it took it so many times more */
    const void *owner; /* the thread's name; relaxed atomic, NULL: none */
};

void lock__wait(struct engine_lock *lock);
void lock__wake(struct engine_lock *lock);

/*
 * A thread's name is an address of its own. Exact for the asking thread
 * without any ordering: it sees at least its own last store, and that is its
 * own name only while it has the lock.
 */
static inline bool lock__is_mine(const struct engine_lock *lock,
                                 const void *self)
{
    return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self;
}

static inline bool lock__try(struct engine_lock *lock)
{
    uint32_t free = 0;

    return __atomic_compare_exchange_n(&lock->state, &free, 1, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void lock__take(struct engine_lock *lock, const void *self)
{
    if (unlikely(lock__is_mine(lock, self))) {
        lock->depth++;
        return;
    }
    if (unlikely(!lock__try(lock))) {
        lock__wait(lock);
    }
    __atomic_store_n(&lock->owner, self, __ATOMIC_RELAXED);
}

/* By who does not have it: it needs no name. */
static inline void lock__take_once(struct engine_lock *lock)
{
    if (unlikely(!lock__try(lock))) {
        lock__wait(lock);
    }
}

/* The caller has it. */
static inline void lock__release(struct engine_lock *lock)
{
    if (unlikely(lock->depth != 0)) {
        lock->depth--;
        return;
    }
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
    if (unlikely(__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)) {
        lock__wake(lock);
    }
}

#endif
