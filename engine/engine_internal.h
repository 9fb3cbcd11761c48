/* SPDX-License-Identifier: MIT */
/*
 * An engine from the inside, and what the files of engine/ say to one another.
 *
 * Locks, in the order in which one thread may take them:
 *
 *   reclaim_lock   one reclaim at a time; held across a grace period
 *   machine_lock   around callbacks of devices; recursive
 *   a region's     around its callbacks (XBAR_LOCK_REGION); recursive
 *   writer_lock    the tree, the plans, the retire queues; recursive
 *   code_pages     who keeps code of what; see code_pages.c
 *
 * Whoever holds reclaim_lock waits for readers, and readers may wait for any
 * of the others: so it is the first, and never taken inside a read section.
 *
 * What dispatch reads without a lock: a region's ops, opaque, plan, lock and
 * ram_block are constant while it is mapped; last, flags, alias and
 * alias_offset change under it, so they are relaxed atomics there.
 */
#ifndef XBAR_ENGINE_ENGINE_INTERNAL_H
#define XBAR_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>

#include "engine/alloc.h"
#include "engine/check.h"
#include "engine/code_pages.h"
#include "engine/commit.h"
#include "engine/dirty_log.h"
#include "engine/engine.h"
#include "engine/guard.h"
#include "engine/lines.h"
#include "engine/lock.h"
#include "engine/memory.h"
#include "engine/tree.h"

/* Bits of MemoryRegion.flags beside enum xbar_region_flags. */
enum region_private_flags {
    REGION_PUBLIC_FLAGS = 0xffff,
    REGION_EMPTY = XBAR_REGION_EMPTY,
    REGION_ALIAS = 1 << 17,     /* made as one, even if its target has ended */
    REGION_ENDING = 1 << 18,    /* destroyed; `done` has not been called yet */
    REGION_REENTRANT = 1 << 19, /* its own callbacks may reach it */
    REGION_RECORDED = 1 << 20,  /* asked for; see guard.h */
    REGION_OWNED = 1 << 21,     /* its owner is told of references */
};

static_assert(sizeof(uintptr_t) == sizeof(hwaddr),
              "undo entries hold addresses");
static_assert(offsetof(MemoryRegion, addr) == 64,
              "what dispatch reads fits in one cache line");
static_assert(offsetof(MemoryRegion, ram_block) == 128,
              "what a commit reads beside fits in another");
static_assert(sizeof(MemoryRegion) <= 184, "a million take 184 MB");
static_assert(XBAR_TREE_MAX_DEPTH < UINT16_MAX, "heights have 16 bits");
static_assert((unsigned)XBAR_REGION_IOMMU <= (unsigned)REGION_PUBLIC_FLAGS,
              "public and private flags share a word");

/* ---- The undo log ------------------------------------------------------ */

struct undo_entry {
    void (*undo)(void *opaque, uintptr_t old);
    void *opaque;
    uintptr_t old;
};

/* 800 bytes: most transactions fit in the one that the engine embeds. */
#define UNDO_CHUNK_ENTRIES 32

struct undo_chunk {
    struct undo_chunk *older;
    size_t used;
    struct undo_entry entries[UNDO_CHUNK_ENTRIES];
};

/* ---- The engine -------------------------------------------------------- */

/* Retired bytes above which the embedder is asked to reclaim: a second's
 * worth of the fastest commits measured. */
#define RECLAIM_BYTES ((uint64_t)64 << 20)

#define PLAN_BUCKETS 64 /* kinds of devices on a large board: a few dozen */

/* Why memory may not be discarded, or must be; see ram_discard.c. */
enum discard_hold {
    DISCARD_DISABLED,
    DISCARD_ONLY_COORDINATED,
    DISCARD_REQUIRED,
    DISCARD_COORDINATED,
    DISCARD_HOLDS
};

struct RAMBlockNotifier;
struct xbar_deferred_item;
struct ram_telling;   /* a walk over notifiers: ram_block.c */
struct region_ending; /* a region on its way out: destroy.c */
struct xbar_snapshot; /* of the tree: snapshot.c */

/* 2 MiB of host memory a leaf; a guest runs code from a few hundred MiB. */
#define CODE_BUCKETS 128

struct code_pages {
    pthread_mutex_t lock;
    uint64_t bits_taken;
    struct xbar_code_party *parties;
    struct code_leaf *buckets[CODE_BUCKETS];
};

/* ---- What is dirty ----------------------------------------------------- */

/* A commit of a few changes, four levels deep, allocates nothing. */
#define DIRTY_FIRST_MARKS (4 * UNDO_CHUNK_ENTRIES)
#define DIRTY_FIRST_NODES 16
#define DIRTY_FEW_WINDOWS 4

struct dirty_mark {
    MemoryRegion *mr;
    struct xbar_range range;
};

/* A region that marks were carried to, with what is dirty of it. */
struct dirty_node {
    struct dirty_node *next; /* of its height */
    struct dirty_node *older;
    MemoryRegion *mr;
    size_t count;
    size_t capacity;
    struct xbar_window *windows;
    struct xbar_window few[DIRTY_FEW_WINDOWS];
};

/* What is dirty of one root, to which all marks came by themselves. */
struct dirty_few {
    MemoryRegion *root; /* if there are any */
    size_t count;
    struct xbar_window windows[DIRTY_FEW_WINDOWS];
};

/* More levels are climbed one by one. */
#define DIRTY_WAY_REGIONS 8

/* How marks of one container get to the root: see dirty_way.c. */
struct dirty_way {
    const MemoryRegion *bottom; /* NULL: no way is known */
    MemoryRegion *top;
    struct xbar_range range;  /* of @bottom: what may take it */
    uint64_t by;              /* that much higher it lies in @top */
    const MemoryRegion *from; /* see struct xbar_window; NULL: as before */
    uint64_t base;            /* of @from, or of @bottom in @top */
    uint32_t flags;           /* of what is above that, as they are */
    unsigned count;
    MemoryRegion *regions[DIRTY_WAY_REGIONS]; /* @bottom and above */
    const MemoryRegion *missed;               /* the last one that had none */
};

/* See dirty.c. Under the writer lock. */
struct dirty {
    struct dirty_mark *marks;
    size_t count;
    size_t capacity;
    struct dirty_way way; /* one, that was taken last */
    struct dirty_few few; /* or nodes: */
    struct dirty_node *newest;
    size_t used;     /* nodes */
    unsigned lowest; /* height with a node */
    unsigned highest;
    struct dirty_node *by_height[XBAR_TREE_MAX_DEPTH + 1];
    struct dirty_node first_nodes[DIRTY_FIRST_NODES];
    struct dirty_mark first_marks[DIRTY_FIRST_MARKS];
};

/* See dirty_log.c. */
struct dirty_logs {
    struct dirty_area *areas; /* written under the writer lock; acquire */
    struct xbar_retire_queue queue;
    unsigned reasons; /* flatview/'s: why all is logged */
    bool logs_all;    /* memory that is made starts to be logged, too */
    struct xbar_dirty_news news_of_all;
    unsigned all_client;
    pthread_mutex_t lock;
    struct xbar_dirty_party *parties; /* under lock */
    uint64_t changes;                 /* a clean page became dirty; release */
    uint64_t copies; /* dirty_log_back.c: clients in use; the writer lock */
};

struct xbar_engine {
    /* set up once */
    struct xbar_allocator allocator;
    struct xbar_engine_config config;

    struct engine_lock machine_lock;
    struct engine_lock writer_lock; /* of threads named as by guard.h */
    pthread_mutex_t reclaim_lock;
    const void *releaser; /* has the reclaim lock: named so; relaxed atomic */

    /* under the writer lock: the open transaction */
    struct xbar_engine *enlisted_next;
    bool is_enlisted;
    bool has_news;  /* this round changed it: participants are to be told */
    bool is_behind; /* a void transaction left what has seen no tree yet */
    struct undo_chunk *log; /* the newest chunk, never NULL */
    struct undo_chunk first_chunk;
    struct region_ending *open_endings; /* to start if it commits */
    struct dirty dirty;

    /* under the writer lock: the tree and what derives from it */
    struct xbar_participant *first_participant;
    struct xbar_participant *last_participant;
    struct xbar_participant *next_told; /* where a walk that tells them is */
    void (*tell_later)(struct xbar_engine *engine); /* NULL: nothing waits */
    struct xbar_access_plan *plans[PLAN_BUCKETS];
    struct RamDiscardManager *discard_managers;
    uint64_t next_sequence;
    struct xbar_snapshot *newest_snapshot;  /* or NULL: nothing is noted */
    struct xbar_ram_block *ram_blocks;      /* newest first */
    uint64_t next_ram_addr;                 /* ram_addr_t; never used again */
    struct RAMBlockNotifier *ram_notifiers; /* newest first */
    struct ram_telling *ram_tellings;       /* the innermost */
    unsigned discard_holds[DISCARD_HOLDS];  /* read without it: atomic */
    struct xbar_interval_node *empty_intervals; /* see interval.h */

    /* under the writer lock: what waits for readers */
    struct xbar_retire_queue *queues;
    struct region_ending *endings;
    bool is_reclaim_wanted; /* the embedder has been asked already */

    /* atomics: see engine/ram_writes.h */
    unsigned ram_watchers;
    unsigned ram_writers; /* that hold a pointer */
    uint64_t ram_writes;

    struct code_pages code_pages;
    struct dirty_logs dirty_logs;

    /* deferred.c: written under the writer lock */
    struct deferred *deferred;
    bool has_hidden_plans; /* some view may show a region as it was before */
    struct xbar_retire_queue ioevents;
    struct xbar_retire_queue coalesced;
    struct xbar_deferred_item *oldest_news; /* deferred_lists.c */
    struct xbar_deferred_item *newest_news;
    size_t news_count;

    struct line_pool lines;      /* under the writer lock */
    struct line_pool lines_back; /* under the reclaim lock */
    struct chunks chunks;

    struct xbar_engine_stats stats; /* relaxed atomics */
    /* Parts that one thread at a time counts, as relaxed atomics, too. */
    uint64_t writer_bytes; /* more live ones; modulo 2^64. See alloc.c */
    uint64_t retired;      /* bytes, ever; under the writer lock */
    uint64_t reclaimed;    /* of those; under the reclaim lock */
};

/* engine.c */
void engine__lock_reclaim(struct xbar_engine *engine);
void engine__unlock_reclaim(struct xbar_engine *engine);
/* May this thread wait for a grace period? Asks about all engines. */
bool engine__may_wait(void);

static inline bool engine__writer_is_mine(const struct xbar_engine *engine)
{
    return lock__is_mine(&engine->writer_lock, &guard__chain);
}

/* That this thread has, of any engine; recursive ones are counted. */
extern _Thread_local unsigned engine__writer_locks;

static inline void engine__lock_writer(struct xbar_engine *engine)
{
    lock__take(&engine->writer_lock, &guard__chain);
    engine__writer_locks++;
}

static inline void engine__unlock_writer(struct xbar_engine *engine)
{
    xbar_assert(engine__writer_is_mine(engine) && engine__writer_locks != 0);
    engine__writer_locks--;
    lock__release(&engine->writer_lock);
}

/* Is this thread the one that releases what was retired? Exact, as above. */
static inline bool engine__is_releasing(const struct xbar_engine *engine)
{
    return __atomic_load_n(&engine->releaser, __ATOMIC_RELAXED) ==
           &guard__chain;
}

static inline void engine__stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* For one writer at a time: no locked instruction is needed. */
static inline void engine__stat_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* So many that a commit's are in no near cache, and are worth to be fetched. */
#define ENGINE_MANY_REGIONS 1024

static inline bool engine__has_many_regions(const struct xbar_engine *engine)
{
    return __atomic_load_n(&engine->stats.regions, __ATOMIC_RELAXED) >
           ENGINE_MANY_REGIONS;
}

/* What waits for readers; what is reclaimed was retired before. */
static inline uint64_t engine__bytes_retired(const struct xbar_engine *engine)
{
    uint64_t reclaimed = __atomic_load_n(&engine->reclaimed, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&engine->retired, __ATOMIC_RELAXED) - reclaimed;
}

static inline void engine__stat_sub(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_sub(counter, n, __ATOMIC_RELAXED);
}

/*
 * transaction.c: room for @n entries, so that the next @n logs succeed, and
 * for two marks (dirty.c) beside each.
 */
int transaction__grow(struct xbar_engine *engine, size_t n) XBAR_MUST_CHECK;

static inline XBAR_MUST_CHECK int
transaction__reserve(struct xbar_engine *engine, size_t n)
{
    const struct dirty *dirty = &engine->dirty;

    return likely(dirty->capacity - dirty->count >= 2 * n &&
                  UNDO_CHUNK_ENTRIES - engine->log->used >= n)
               ? 0
               : transaction__grow(engine, n);
}

static inline void transaction__log(struct xbar_engine *engine,
                                    void (*undo)(void *opaque, uintptr_t old),
                                    void *opaque, uintptr_t old)
{
    struct undo_chunk *chunk = engine->log;

    xbar_assert(chunk->used < UNDO_CHUNK_ENTRIES);
    chunk->entries[chunk->used++] = (struct undo_entry){ undo, opaque, old };
}

/* Did the open transaction change anything yet? (A second chunk is taken when
 * the first one is full.) */
static inline bool transaction__has_logged(const struct xbar_engine *engine)
{
    return engine->first_chunk.used != 0;
}

/* Make it void because of @error; returns @error. */
int transaction__void(int error);

/*
 * nesting.c: make the heights of @mr and of what shows it right again, after
 * it got an edge, or lost one. -ELOOP if one would pass XBAR_TREE_MAX_DEPTH:
 * the caller takes its edge out again and lets the heights fall.
 */
int nesting__rise(MemoryRegion *mr) XBAR_MUST_CHECK;
void nesting__fall(MemoryRegion *mr);

/*
 * dirty.c: mark @first to @last of @mr, or of @mr as its container shows it
 * (nothing if it is in none). Room for marks is reserved before. A region whose
 * place in its container changes says so first: dirty__place_changes().
 */
void dirty__init(struct xbar_engine *engine);
int dirty__reserve(struct xbar_engine *engine, size_t n) XBAR_MUST_CHECK;
void dirty__mark(MemoryRegion *mr, hwaddr first, hwaddr last);
void dirty__mark_place(const MemoryRegion *mr, hwaddr first, hwaddr last);

/*
 * Carry the marks to the roots; what reached one is then asked for, and
 * dropped before the tree changes again. The marks stay until they are
 * cleared. Return: 0; -ENOMEM, with nothing to drop.
 */
int dirty__carry(struct xbar_engine *engine) XBAR_MUST_CHECK;
size_t dirty__of_many(const MemoryRegion *root,
                      const struct xbar_window **windows);
void dirty__drop_many(struct xbar_engine *engine);
void dirty__clear_many(struct xbar_engine *engine);

static inline size_t dirty__of(const struct xbar_engine *engine,
                               const MemoryRegion *root,
                               const struct xbar_window **windows)
{
    const struct dirty_few *few = &engine->dirty.few;

    if (likely(few->root == root) && few->count) {
        *windows = few->windows;
        return few->count;
    }
    return dirty__of_many(root, windows);
}

static inline void dirty__drop(struct xbar_engine *engine)
{
    engine->dirty.few.count = 0;
    if (unlikely(engine->dirty.newest != NULL)) {
        dirty__drop_many(engine);
    }
}

static inline void dirty__clear(struct xbar_engine *engine)
{
    xbar_assert(!engine->dirty.newest);
    engine->dirty.count = 0;
    if (unlikely(engine->dirty.marks != engine->dirty.first_marks)) {
        dirty__clear_many(engine);
    }
}

/* dirty_way.c: what is known of a way up holds no more. */
void dirty__forget_way(struct xbar_engine *engine);

/* @mr itself is about to change, or who shows it. */
static inline void dirty__way_changes(const MemoryRegion *mr)
{
    if (unlikely(mr->is_on_way)) {
        dirty__forget_way(mr->engine);
    }
}

/* Where @mr is in its container is about to change, or did. */
static inline void dirty__place_changes(const MemoryRegion *mr)
{
    const MemoryRegion *container = mr->container;

    if (!container) {
        return;
    }
    dirty__way_changes(mr);
    if (container != mr->engine->dirty.way.bottom) {
        dirty__way_changes(container);
    }
}

/*
 * dirty_way.c: something is about to change at @addr of @container, of an engine
 * with many regions. What is known of such a place is in no near cache: have it
 * come at once, where each part of it would be waited for by itself.
 */
void dirty__expect(const MemoryRegion *container, hwaddr addr);

/* tree.c: edges without checks or log; link may be -ELOOP, undone then, or
 * -ENOMEM, but not where @mr stood before in this transaction. */
int tree__link(MemoryRegion *container, MemoryRegion *mr);
void tree__unlink(MemoryRegion *mr);
int tree__alias_link(MemoryRegion *target, MemoryRegion *alias);
void tree__alias_unlink(MemoryRegion *alias);
/* The same with a log: attach where its address and priority say. */
int tree__attach(MemoryRegion *container, MemoryRegion *mr) XBAR_MUST_CHECK;
int tree__detach(MemoryRegion *mr);       /* log, then unlink */
int tree__alias_detach(MemoryRegion *mr); /* the same for an alias's edge */
int tree__set_flags(MemoryRegion *mr, uint32_t flags);

/* What mutators change of a region. */
struct tree_state {
    MemoryRegion *container;
    hwaddr addr;
    uint64_t sequence;
    int32_t priority;
    uint32_t flags;
    uint64_t size; /* as the API has it */
    MemoryRegion *alias;
    hwaddr alias_offset;
    uint64_t ram_size; /* of the memory behind it, 0 if there is none */
};

struct tree_state tree__state(const MemoryRegion *mr);
bool tree__is_in_state(const MemoryRegion *mr, const struct tree_state *state);

/* As edits: all but the edges. @mr is in the container of @state, or in none. */
int tree__set_state(MemoryRegion *mr, const struct tree_state *state)
    XBAR_MUST_CHECK;

/*
 * snapshot.c: @mr is to be edited, of which snapshots take note; what they do
 * when the transaction is void, or stands, and when a region has ended.
 */
int snapshot__note(MemoryRegion *mr) XBAR_MUST_CHECK;
void snapshot__undo(struct xbar_engine *engine);
void snapshot__settle(struct xbar_engine *engine); /* if there are any */
void snapshot__ended(MemoryRegion *mr);

/* Before @mr changes. Return: 0; -ENOMEM, the transaction is then void. */
static inline int tree__note(MemoryRegion *mr)
{
    return unlikely(mr->engine->newest_snapshot != NULL) ? snapshot__note(mr)
                                                         : 0;
}

/*
 * region.c: everything but what makes a RAM, I/O or alias region one; then,
 * for a region that answers accesses, the plan of its ops. If that fails @mr
 * is as if zeroed. finish: give back all that init took; the same.
 */
int region__init(MemoryRegion *mr, Object *owner, const char *name,
                 uint64_t size) XBAR_MUST_CHECK;
int region__make_leaf(MemoryRegion *mr, const MemoryRegionOps *ops)
    XBAR_MUST_CHECK;
void region__finish(MemoryRegion *mr);
/* region_ram.c: inside a mutation, memory and region get @size */
int region__resize_ram(MemoryRegion *mr, uint64_t size);
void region__free_lock(MemoryRegion *mr);

/* ram.c: the greatest size that memory behind @mr allows */
uint64_t ram__limit(const MemoryRegion *mr);

/* destroy.c: what a commit, an undo and a reclaim do with endings */
void destroy__start(struct xbar_engine *engine);
void destroy__cancel(struct xbar_engine *engine);
struct region_ending *destroy__take(struct xbar_engine *engine);
bool destroy__needs_grace(const struct region_ending *list);
struct region_ending *destroy__finish(struct xbar_engine *engine,
                                      struct region_ending *list);
int64_t destroy__done(struct xbar_engine *engine, struct region_ending *list);

/* alloc.c: more bytes live, or, modulo 2^64, less. */
void alloc__count(struct xbar_engine *engine, uint64_t bytes);

/* reclaim.c: does too much wait? True once until the next reclaim. */
bool reclaim__is_news(struct xbar_engine *engine);

static inline bool reclaim__is_due(struct xbar_engine *engine)
{
    return unlikely(engine__bytes_retired(engine) > RECLAIM_BYTES) &&
           reclaim__is_news(engine);
}

/*
 * dirty_log.c: parts of the beginning of @mr, which has its memory, and of its
 * end, under the writer lock. If born fails @mr is finished.
 */
int dirty_log__born(MemoryRegion *mr) XBAR_MUST_CHECK;
int dirty_log__init(struct dirty_logs *logs) XBAR_MUST_CHECK;
void dirty_log__finish(struct dirty_logs *logs);
void dirty_log__forget(const MemoryRegion *mr);

/* deferred.c: what the end of a region and its undo do with its plan */
void deferred__unlink(MemoryRegion *mr);
void deferred__relink(MemoryRegion *mr);
void deferred__finish(MemoryRegion *mr);
/* If has_hidden_plans, a commit shows plans: marks before it, and what it has
 * done. */
int deferred__mark(struct xbar_engine *engine);
void deferred__settle(struct xbar_engine *engine);

/* code_pages.c */
int code_pages__init(struct code_pages *pages) XBAR_MUST_CHECK;
void code_pages__finish(struct xbar_engine *engine);

/* plan.c: under the writer lock */
const struct xbar_access_plan *plan__get(struct xbar_engine *engine,
                                         const MemoryRegionOps *ops)
    XBAR_MUST_CHECK;
void plan__put(struct xbar_engine *engine, const struct xbar_access_plan *plan);

/* ---- Small things about regions ---------------------------------------- */

static inline uint32_t region__flags(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->flags, __ATOMIC_RELAXED);
}

/* It changes when the region gets its first eventfd: deferred.c. */
static inline const struct xbar_access_plan *
region__plan(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->plan, __ATOMIC_ACQUIRE);
}

static inline uint64_t region__last(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->last, __ATOMIC_RELAXED);
}

static inline MemoryRegion *region__alias(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->alias, __ATOMIC_ACQUIRE);
}

static inline hwaddr region__alias_offset(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->alias_offset, __ATOMIC_RELAXED);
}

/* UINT64_MAX as a size means 2^64. */
static inline uint64_t region__last_of_size(uint64_t size)
{
    return size == UINT64_MAX ? UINT64_MAX : size ? size - 1 : 0;
}

/* May this region be changed, or shown by another? */
static inline bool region__is_usable(const MemoryRegion *mr)
{
    return mr && mr->engine && !(region__flags(mr) & REGION_ENDING);
}

/*
 * Does anybody refer to @mr: a section of a view that is not freed, or who asked
 * for a reference? Under the writer lock. What is released meanwhile may still
 * count, unless this thread is who releases.
 */
static inline bool region__is_held(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->hidden, __ATOMIC_ACQUIRE) != mr->shown ||
           __atomic_load_n(&mr->refs, __ATOMIC_ACQUIRE) != 0;
}

/* Do @size bytes at @offset lie in @mr? */
static inline bool region__holds(const MemoryRegion *mr, hwaddr offset,
                                 unsigned size)
{
    uint64_t last = region__last(mr);

    return !(region__flags(mr) & REGION_EMPTY) && offset <= last &&
           size - 1 <= last - offset;
}

#endif
