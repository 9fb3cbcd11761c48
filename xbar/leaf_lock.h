/* SPDX-License-Identifier: MIT */
/*
 * The lock of a device whose callbacks hold no other: for a few instructions,
 * on words of its own. Where nobody else wants it, it costs a third of what
 * the machine's does, and a device's whole register access is not much more.
 *
 * What is done under it neither blocks nor calls anything that takes a lock,
 * but the lock of a device further down the wire:
 *
 *     machine lock -> UART -> PLIC        ACLINT
 */
#ifndef XBAR_LEAF_LOCK_H
#define XBAR_LEAF_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct leaf_lock {
    atomic_bool is_taken;
};

static inline bool leaf_trylock(struct leaf_lock *lock)
{
    return !atomic_exchange_explicit(&lock->is_taken, true,
                                     memory_order_acquire);
}

static inline void leaf_lock(struct leaf_lock *lock)
{
    while (!leaf_trylock(lock)) {
        sched_yield();
    }
}

static inline void leaf_unlock(struct leaf_lock *lock)
{
    atomic_store_explicit(&lock->is_taken, false, memory_order_release);
}

/* Words of a device that are read without its lock. */
#define WORD_READ(word) atomic_load_explicit(&(word), memory_order_relaxed)
#define WORD_WRITE(word, value) \
    atomic_store_explicit(&(word), (value), memory_order_relaxed)

#endif
