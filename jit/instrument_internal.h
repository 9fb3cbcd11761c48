/* SPDX-License-Identifier: MIT */
/* What the files that implement jit/instrument.h share. */
#ifndef XBAR_JIT_INSTRUMENT_INTERNAL_H
#define XBAR_JIT_INSTRUMENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/alloc.h"
#include "engine/check.h"
#include "flatview/listener.h"
#include "jit/instrumented.h"

/* An xbar_instrument_accesses(). Never changed once it is in the list. */
struct instrument_wish {
    struct instrument_wish *_Atomic next;
    struct instrument_access access;
};

struct xbar_instrument {
    struct xbar_instruments *hub;
    struct xbar_instrument_ops ops;
    void *opaque;
    struct xbar_instrument *next;
    struct instrument_wish *_Atomic wishes;
    MemoryListener listener;
    bool listens;
    struct xbar_commit_event commit; /* under the writer lock: being told */
    atomic_bool is_ending;           /* no callback begins any more */
    uint64_t ended_by; /* the generation without it, 0: none; under the lock */
};

struct xbar_instruments {
    struct xbar_engine *engine;
    AddressSpace *as;
    _Atomic uint64_t generation; /* changed under the lock */
    _Atomic uint64_t lost;
    _Atomic unsigned vcpus; /* indices ever used */

    pthread_mutex_t lock;
    struct xbar_vcpu *vcpu[XBAR_VCPUS_MAX];
    struct xbar_instrument *first; /* in the order of joining */
    unsigned count;
    struct xbar_scoreboard *boards;
};

struct xbar_scoreboard {
    struct xbar_instruments *hub;
    struct xbar_scoreboard *next;
    size_t size;
    void *_Atomic piece[XBAR_VCPUS_MAX];
};

/* Is there a whole counter at @offset of each piece? */
static inline bool scoreboard__has(const struct xbar_scoreboard *board,
                                   size_t offset)
{
    return board->size >= sizeof(uint64_t) &&
           offset <= board->size - sizeof(uint64_t) &&
           offset % sizeof(uint64_t) == 0;
}

/* scoreboard.c; under the lock: hart @index has a piece of each. -ENOMEM. */
int scoreboard__add_vcpu(struct xbar_instruments *hub, unsigned index)
    XBAR_MUST_CHECK;

#endif
