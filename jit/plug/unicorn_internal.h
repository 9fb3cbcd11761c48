/* SPDX-License-Identifier: MIT */
/*
 * The parts of the Unicorn adapter.
 *
 *     unicorn.c        making, ending, runs, the listener
 *     unicorn_map.c    the table of what is mapped; code that others wrote
 *     unicorn_io.c     what Unicorn calls: MMIO, faults, blocks, stores
 *
 *   committing thread                    the owner: who runs the guest
 *   -----------------                    -----------------------------
 *   publish the view
 *   lock; mark mappings that overlap,    lock; look the view up, map,
 *   set NOT_SEEN; unlock                 enter; unlock
 *
 * So a commit finds the mapping, or the owner finds the view of that commit.
 * Marked mappings are taken back by the owner alone, as Unicorn is no library
 * for several threads: at MMIO callbacks, faults, and ends of runs. Until then
 * each has its region referenced. Outside of a run nothing uses them, so that
 * there the committing thread drops the reference, and the next run unmaps.
 *
 * The lock is taken under the engine's writer lock; nothing is called under it
 * that takes that one.
 */
#ifndef XBAR_JIT_PLUG_UNICORN_INTERNAL_H
#define XBAR_JIT_PLUG_UNICORN_INTERNAL_H

#include <pthread.h>
#include <unicorn/unicorn.h>

#include "engine/leaf.h"
#include "flatview/listener.h"
#include "jit/plug/unicorn.h"

/* In the place of a count: have the owner catch up. */
#define NOT_SEEN UINT64_MAX
/* The host's byte order. */
#define MO_HOST      ((MemOp)0)
#define UNICORN_PAGE ((uint64_t)4096)

enum unicorn_kind {
    UNICORN_FREE,
    UNICORN_RAM,
    UNICORN_ROM,
    UNICORN_DEVICE,
    UNICORN_SHARED, /* by address: several sections, or a way through one */
};

/* One mapping: written under the lock by the owner, but for what is named. */
struct unicorn_mapping {
    struct xbar_unicorn *plug;
    uint64_t offset;               /* in @mr, of `first` */
    struct urcu_bp_reader *reader; /* the owner's copy of plug->reader */
    /* Of a device that is called as it is. A committing thread has it forgotten
     * when the section changes. */
    struct xbar_leaf leaf;
    uint64_t first; /* guest addresses */
    uint64_t last;
    /* Referenced. NULL with UNICORN_SHARED, and where it was let go; that, and
     * `is_logged`, by a committing thread outside of runs. */
    MemoryRegion *mr;
    bool is_stale; /* atomic; set under the lock by who commits */
    bool is_logged;
    enum unicorn_kind kind;
    uint64_t born; /* in this order they were made */
};

struct xbar_unicorn {
    /* What each MMIO access looks at. */
    const uint64_t *changes;            /* xbar_dirty_changes() */
    uint64_t seen_changes;              /* what it was, or NOT_SEEN; atomic */
    struct urcu_bp_reader *reader;      /* of the thread that runs */
    const struct unicorn_mapping *busy; /* not to be taken back */
    uint8_t order;                      /* MO_LE or MO_BE: the guest's */
    bool pending; /* some mapping is stale; under the lock */

    AddressSpace *as;
    struct xbar_engine *engine;
    uc_engine *uc;
    struct xbar_unicorn_config config;
    MemoryListener listener;
    unsigned client; /* of dirty logs: code that others wrote */

    pthread_mutex_t lock;
    bool is_running; /* under the lock */
    unsigned max;
    unsigned used; /* places that ever were; the rest is free */
    struct unicorn_mapping *table;
    struct xbar_unicorn_stats stats;

    uint64_t stored; /* enum stored_bits and a page; atomic, the owner's */
    bool is_refetch; /* stopped to fetch again */
    int pc;          /* Unicorn's number of the register; -1: none */
    uc_hook hooks[3];
    unsigned hook_count;

    /* Of the run: what was refused. */
    int refusal; /* -errno */
    uc_err refusal_reason;
    uint64_t refusal_first;
};

/*
 * Which page the guest stored to last, and may not have been told of:
 *
 *    63                 12 11        2     1       0
 *   +---------------------+----------+-------+-------+
 *   | page                |    0     | next  | valid |
 *   +---------------------+----------+-------+-------+
 *
 * next: and the page after it.
 */
enum stored_bits { STORED_VALID = 1 << 0, STORED_NEXT = 1 << 1 };

/* ---- unicorn_map.c: the owner's, outside of the lock ------------------- */

/* The mapping of @addr; NULL: none. Stale ones are, too. */
struct unicorn_mapping *unicorn__find(struct xbar_unicorn *plug, uint64_t addr);

/* Have @addr mapped, as code if @is_code. NULL: nothing decodes there, or it
 * cannot be; plug->refusal says so if Unicorn refused. */
struct unicorn_mapping *unicorn__map(struct xbar_unicorn *plug, uint64_t addr,
                                     bool is_code);

/*
 * Take stale mappings back, but for that whose callback is running, and drop
 * what was made of code that others wrote since.
 */
void unicorn__catch_up(struct xbar_unicorn *plug);

/* Is there something to catch up with? */
static inline bool unicorn__is_behind(const struct xbar_unicorn *plug)
{
    return __atomic_load_n(plug->changes, __ATOMIC_RELAXED) !=
           __atomic_load_n(&plug->seen_changes, __ATOMIC_RELAXED);
}

/* The thread that runs. */
void unicorn__set_reader(struct xbar_unicorn *plug,
                         struct urcu_bp_reader *reader);

/* All of them, between runs. */
void unicorn__unmap_all(struct xbar_unicorn *plug);

/* The opposite of entering, but for Unicorn's part; no lock is held. */
void unicorn__let_go(struct xbar_unicorn *plug, MemoryRegion *mr,
                     bool is_logged);

/* Report what the guest stored to plug->stored, which it then forgets or (on
 * any thread) not. */
void unicorn__report_stored(struct xbar_unicorn *plug);
void unicorn__report_stored_again(struct xbar_unicorn *plug);

/* ---- unicorn_io.c ------------------------------------------------------ */

/* @from: the mapping's beginning. */
uint64_t unicorn__read(uc_engine *uc, uint64_t from, unsigned size,
                       void *opaque);
void unicorn__write(uc_engine *uc, uint64_t from, unsigned size, uint64_t value,
                    void *opaque);

/* Hooks for faults, and for what the configuration asks for. */
uc_err unicorn__add_hooks(struct xbar_unicorn *plug);
void unicorn__remove_hooks(struct xbar_unicorn *plug);

#endif
