/* SPDX-License-Identifier: MIT */
/*
 * What is held and recorded while a device's callbacks run.
 *
 * A transaction that a guest starts may set off others: the callback of A
 * writes to a register of B, whose callback writes to memory, which is A. The
 * chain of devices that a thread is inside, from the origin on, is recorded
 * here, and an access that would enter a device again is refused before it
 * takes a lock:
 *
 *     vCPU -> A -> B -> C     fine
 *     vCPU -> A -> B -> A     MEMTX_ACCESS_ERROR for the last one, unless A
 *                             allows it (xbar_region_set_reentry)
 *     more than XBAR_REENTRY_MAX_DEPTH, whoever they are: the same
 *
 * Two regions are one device if they have the same owner or, where neither
 * has one, the same opaque pointer.
 *
 * A chain is one thread's: what another thread does with the same device at
 * the same time is for its lock. Without a lock, and unless asked for, nothing
 * is recorded: MemoryRegion.lock is NULL, and the fast paths stay what they
 * are. Asked for, it is &guard__no_lock.
 */
#ifndef XBAR_ENGINE_GUARD_H
#define XBAR_ENGINE_GUARD_H

#include "engine/check.h"
#include "engine/lock.h"
#include "engine/memory.h"

/*
 * By value, not by a link through stack frames: a callback that never returns
 * (longjmp) leaves a count too high, but no pointer to nowhere.
 */
struct guard_chain {
    uint32_t depth;
    MemoryRegion *inside[XBAR_REENTRY_MAX_DEPTH];
};

extern _Thread_local struct guard_chain guard__chain;

/* "Record, but hold nothing": only its address counts. */
extern const struct engine_lock guard__no_lock;

/* The rules, for a thread that is inside some device already. */
bool guard__may_nest(const struct guard_chain *chain, const MemoryRegion *mr);

/*
 * Record that @mr is entered, and leave it; what is to be held is the caller's
 * to take in between. False: refused.
 */
static inline bool guard__push(struct guard_chain *chain, MemoryRegion *mr)
{
    uint32_t depth = chain->depth;

    if (unlikely(depth != 0) && !guard__may_nest(chain, mr)) {
        return false;
    }
    chain->inside[depth] = mr;
    chain->depth = depth + 1;
    return true;
}

static inline void guard__pop(struct guard_chain *chain)
{
    chain->depth--;
}

#endif
