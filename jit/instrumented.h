/* SPDX-License-Identifier: MIT */
/*
 * What whoever executes guest code does to be instrumented: it is a vCPU of
 * `struct xbar_instruments`, shows code before it runs it, and says what
 * happens.
 *
 *   attach ... online, { sync at each safe point, run }, offline ... detach
 *
 *     sync says that subscribers changed: drop all code that was made, and all
 *     blocks that were shown, since both name subscribers that may be gone
 *
 * Threads: a vCPU and its blocks belong to the thread that runs it. What is
 * shared is under the lock of the instruments, which is never held across a
 * callback:
 *
 *     subscriber's thread                vCPU
 *     remove: mark, generation + 1
 *             kick all that are online   sync: generation is another one;
 *                                          take the list as it is now,
 *                                          drop everything, acknowledge
 *     the last to acknowledge, or remove itself if nobody is online: ended()
 */
#ifndef XBAR_JIT_INSTRUMENTED_H
#define XBAR_JIT_INSTRUMENTED_H

#include "engine/engine.h"
#include "jit/instrument.h"

/* How a vCPU is looked at. */
struct vcpu_ops {
    uint64_t (*pc)(const void *opaque);
    uint64_t (*retired)(const void *opaque);
    uint64_t (*reg)(const void *opaque, unsigned reg);
    uint64_t (*read)(void *opaque, uint64_t va, void *buf, uint64_t size);
    void (*print)(char *buf, size_t size, const struct xbar_insn *insn);
    /* Any thread: have the vCPU reach a safe point soon. */
    void (*kick)(void *opaque);
};

/* In the front end's storage; zero before attaching. */
struct xbar_vcpu {
    struct xbar_instruments *hub;
    const struct vcpu_ops *ops;
    void *opaque;
    unsigned index;
    /* As of the last sync. */
    struct xbar_instrument *subscriber[XBAR_INSTRUMENTS_MAX];
    unsigned subscribers;
    uint64_t generation; /* under the lock, too; 0: never synced */
    bool wants_code;
    bool wants_traps;
    bool is_online; /* under the lock */
};

/* What was asked for at one place. */
struct instrument_callback {
    struct xbar_instrument *in;
    xbar_execute_fn *cb;
    void *userdata;
};

struct instrument_access {
    struct xbar_instrument *in;
    xbar_access_fn *cb;
    void *userdata;
    struct xbar_access_filter filter;
};

struct instrument_counter {
    uint64_t *at;
    uint32_t amount;
};

/* The block as a whole, or one instruction. */
struct instrument_place {
    const struct instrument_callback *callbacks;
    const struct instrument_access *accesses;
    const struct instrument_counter *counters;
    uint16_t callback_count;
    uint16_t access_count;
    uint16_t counter_count;
    uint8_t ram_kinds; /* enum xbar_access_kind: wanted of RAM */
};

struct instrument_insn {
    struct xbar_insn shown;
    struct instrument_place place;
    const struct instrument_block *block; /* that it is of */
    uint8_t index;
    bool is_executed; /* for the front end: by the helper that tells */
};

struct instrument_block {
    struct instrument_block *next; /* for the front end: its table */
    struct instrument_block *all;  /* and its list of all */
    uint64_t pc;
    hwaddr phys;
    uint8_t count;
    bool is_stuck; /* for the front end: it cannot be translated */
    size_t size;   /* of all this, for freeing */
    struct instrument_place place;
    struct instrument_insn insns[];
};

/* ---- Life (instrument.c) ----------------------------------------------- */

/* @vcpu has ops and opaque. -ENOMEM; -ENOSPC: there are too many. */
int instrument__attach(struct xbar_instruments *hub, struct xbar_vcpu *vcpu)
    XBAR_MUST_CHECK;
void instrument__detach(struct xbar_vcpu *vcpu);

/* It is about to run, and must sync before; it does not run any more. */
void instrument__online(struct xbar_vcpu *vcpu);
void instrument__offline(struct xbar_vcpu *vcpu);

/* Did subscribers come or go since the last sync? Cheap. */
bool instrument__has_news(const struct xbar_vcpu *vcpu);

/* Nothing made of the old subscribers is used any more: have the new ones.
 * May call ended(). */
void instrument__sync(struct xbar_vcpu *vcpu);

struct xbar_engine *instrument__engine(const struct xbar_vcpu *vcpu);

/* As many instructions were executed without being told. */
void instrument__lose(struct xbar_vcpu *vcpu, uint64_t count);

/* ---- Code (instrument_code.c) ------------------------------------------ */

/*
 * Show @count instructions at @insns[0].pc to all subscribers. Return: the
 * block, with what they want of it; NULL if memory is short.
 */
struct instrument_block *instrument__show(struct xbar_vcpu *vcpu,
                                          const struct xbar_insn *insns,
                                          unsigned count) XBAR_MUST_CHECK;
void instrument__free_block(struct xbar_vcpu *vcpu,
                            struct instrument_block *block);

/* ---- Events (instrument_tell.c) ---------------------------------------- */

/* Call the callbacks of @place. */
void instrument__tell(struct xbar_vcpu *vcpu,
                      const struct instrument_place *place);

/* Raise its counters. */
static inline void instrument__count(const struct instrument_place *place)
{
    for (unsigned i = 0; i < place->counter_count; i++) {
        *place->counters[i].at += place->counters[i].amount;
    }
}

void instrument__tell_access(struct xbar_vcpu *vcpu,
                             const struct instrument_place *place,
                             const struct xbar_access_event *event);
void instrument__tell_trap(struct xbar_vcpu *vcpu,
                           const struct xbar_trap_event *event);

#endif
