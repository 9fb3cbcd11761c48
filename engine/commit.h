/* SPDX-License-Identifier: MIT */
/*
 * How a commit reaches the layers to the right, which engine/ cannot name.
 *
 * Whoever derives state from the tree registers a participant. The outermost
 * commit of an engine runs, under its writer lock:
 *
 *     prepare   every participant builds its new state; may fail
 *     publish   every participant publishes; cannot fail
 *     notify    every participant tells its own subscribers; cannot fail
 *     retire    every participant retires what it replaced; cannot fail
 *
 * If one prepare fails, cancel() is called on those that prepared, the undo
 * log is replayed, and nobody outside saw anything (but what
 * xbar_mutation_stays() says). Publishing everywhere
 * before notifying anywhere means that a subscriber that looks sees the new
 * state in all address spaces.
 */
#ifndef XBAR_ENGINE_COMMIT_H
#define XBAR_ENGINE_COMMIT_H

#include "engine/tree.h"

/* Addresses first .. last, inclusive. */
struct xbar_range {
    hwaddr first;
    hwaddr last;
};

/*
 * Addresses of a root to be looked at again, and where that may begin: nothing
 * on the way from the root to @from shows anything else there.
 *
 *     root    |---------------------------------|
 *     from       |------------------------|         base 3
 *     range             |=====|
 */
struct xbar_window {
    struct xbar_range range;
    const MemoryRegion *from;
    uint64_t base;  /* where byte 0 of @from lies */
    uint32_t flags; /* READONLY and NONVOLATILE of what is above @from */
};

struct xbar_participant {
    /*
     * The region that it derives its state from, or NULL. Then, in prepare,
     * what decodes in @dirty of @root may have changed, and nowhere else: since
     * the last commit, so a participant that is new, or whose last prepare
     * failed, has to look at everything. Sorted, disjoint, not touching.
     */
    MemoryRegion *root;
    const struct xbar_window *dirty;
    size_t dirty_count;

    /*
     * NULL, or called before prepare, about as often as that for one change,
     * where there are many regions: what is around @addr of @root may be looked
     * at by the next commit, or (@is_near) will be, soon. So what that takes
     * may be brought into the cache.
     */
    void (*expect)(struct xbar_participant *p, hwaddr addr, bool is_near);

    int (*prepare)(struct xbar_participant *p);
    void (*cancel)(struct xbar_participant *p);
    void (*publish)(struct xbar_participant *p);
    void (*notify)(struct xbar_participant *p);
    void (*retire)(struct xbar_participant *p);

    /* private to engine/ */
    struct xbar_participant *next;
    struct xbar_participant *prev;
};

/*
 * Under the writer lock (xbar_tree_hold). Order of registration is kept. From
 * notify any of them may be removed, or some added: who was not there in this
 * round's prepare has nothing to tell in it.
 */
void xbar_participant_add(struct xbar_engine *engine,
                          struct xbar_participant *p);
void xbar_participant_remove(struct xbar_engine *engine,
                             struct xbar_participant *p);

/* Under the writer lock, too; the others follow by `next`. */
struct xbar_participant *
xbar_participant_first(const struct xbar_engine *engine);

/* flatview/discard.c's list, for it to keep; under the writer lock. */
struct RamDiscardManager **xbar_discard_managers(struct xbar_engine *engine);

/*
 * Join the open transaction as a mutator of something that is not the tree
 * (an AddressSpace's root): raises the depth, takes the writer lock, enlists
 * @engine. Balanced by xbar_mutation_end(), which returns what
 * memory_region_transaction_commit() would.
 */
int xbar_mutation_begin(struct xbar_engine *engine) XBAR_MUST_CHECK;
int xbar_mutation_end(struct xbar_engine *engine);

/* Is this thread in one, or in a commit? */
bool xbar_transaction_is_open(void);

/*
 * Add an entry to the undo log of the open mutation: if the transaction
 * becomes void, @undo(@opaque, @old) is called, newest entry first.
 * Return: 0, or -ENOMEM; the transaction is then void.
 */
int xbar_mutation_log(struct xbar_engine *engine,
                      void (*undo)(void *opaque, uintptr_t old), void *opaque,
                      uintptr_t old) XBAR_MUST_CHECK;

/*
 * Called by an @undo: something that was made in this transaction outlives it,
 * and is to be shown the restored tree. Participants then prepare and publish
 * once more, in this commit; if that fails, the next commit makes up for it.
 */
void xbar_mutation_stays(struct xbar_engine *engine);

/*
 * In a transaction, which @engine joins: when all subscribers were told of what
 * it commits, call @tell once, under the writer lock. Also if it is void. @tell
 * may do what subscribers may; asking again is a round of its own. An engine
 * has one such @tell.
 */
void xbar_tell_later(struct xbar_engine *engine,
                     void (*tell)(struct xbar_engine *engine));

/* For the statistics: what a participant did in this round. */
void xbar_engine_count_views(struct xbar_engine *engine, uint64_t views,
                             uint64_t windows, uint64_t nodes);

/* How many regions are initialised: a bound on what a render can visit. */
uint64_t xbar_engine_regions(const struct xbar_engine *engine);

/*
 * The sub-regions of @mr that touch a window of it, by address: disabled and
 * empty ones, too. Stops at, and returns, @visit's first nonzero result.
 */
int xbar_region_overlaps(const MemoryRegion *mr, hwaddr first, hwaddr last,
                         int (*visit)(void *opaque, MemoryRegion *child),
                         void *opaque);

/*
 * The same into an array, if they are few, as they are in most windows. Return:
 * how many; more than XBAR_FEW_CHILDREN if @few might not hold them.
 */
#define XBAR_FEW_CHILDREN 32

size_t xbar_region_few_overlaps(const MemoryRegion *mr, hwaddr first,
                                hwaddr last,
                                MemoryRegion *few[XBAR_FEW_CHILDREN]);

/* What a renderer asks of each region on its way, and of those that answer. */
struct xbar_shown {
    hwaddr addr; /* in the container */
    uint64_t last;
    MemoryRegion *alias;
    hwaddr alias_offset;
    uint16_t flags; /* enum xbar_region_flags */
};

/* Of MemoryRegion.flags: size 0; last is 0, too. */
#define XBAR_REGION_EMPTY (1u << 16)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/*
 * False if nothing of @mr can be seen: it is disabled or empty. Inlined, as a
 * commit asks this of every region on its way.
 */
static inline bool xbar_region_peek(const MemoryRegion *mr,
                                    struct xbar_shown *shown)
{
    uint32_t flags = mr->flags;

    if ((flags & (XBAR_REGION_ENABLED | XBAR_REGION_EMPTY)) !=
        XBAR_REGION_ENABLED) {
        return false;
    }
    shown->addr = mr->addr;
    shown->last = mr->last;
    shown->alias = mr->alias;
    shown->alias_offset = mr->alias_offset;
    shown->flags = (uint16_t)flags;
    return true;
}

/* Does it have sub-regions? It may have had, and be left with none. */
static inline bool xbar_region_has_children(const MemoryRegion *mr)
{
    return mr->children != NULL;
}

/* @mr is hidden soon, and may be one of millions: have it come. */
static inline void xbar_region_fetch_hidden(const MemoryRegion *mr)
{
    __builtin_prefetch(&mr->hidden);
}

static inline const struct xbar_access_plan *
xbar_region_plan(const MemoryRegion *mr)
{
    return __atomic_load_n(&mr->plan, __ATOMIC_ACQUIRE);
}

/*
 * Is nothing held, or looked at, around its callbacks? Then who has a plan may
 * call them with @opaque. Constant while a view has the region.
 */
static inline bool xbar_region_is_bare(const MemoryRegion *mr, void **opaque)
{
    *opaque = mr->opaque;
    return mr->ops && !mr->lock;
}

/* Decode order of two siblings: negative if @a wins over @b, who then comes
 * after it: by priority, then by age, the newest first. */
static inline int xbar_region_compare(const MemoryRegion *a,
                                      const MemoryRegion *b)
{
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return a->sequence > b->sequence ? -1 : a->sequence < b->sequence;
}

#pragma GCC diagnostic pop

/* The host address of byte 0 of a region that answers, or NULL. */
uint8_t *xbar_region_host(const MemoryRegion *mr);

/* Was @mr not destroyed, whoever still refers to it? Under the writer lock. */
bool xbar_region_is_usable(const MemoryRegion *mr);

/* Keeping a region (and its owner) alive; from any thread. */
void xbar_region_get(MemoryRegion *mr);
void xbar_region_put(MemoryRegion *mr);

/*
 * The same for a section of a view: it is made under the writer lock of
 * @engine, which is @mr's, and freed there or while a reclaim releases.
 */
void xbar_region_show(MemoryRegion *mr);
void xbar_region_hide(struct xbar_engine *engine, MemoryRegion *mr);

/* @mr, just initialised, is one that translates (flatview/iommu.h). */
void xbar_region_mark_iommu(MemoryRegion *mr);

/*
 * The first participant after @p, or of all if @p is NULL, whose root is @root;
 * NULL if there is none. Under the writer lock.
 */
struct xbar_participant *xbar_participant_next(struct xbar_engine *engine,
                                               struct xbar_participant *p,
                                               const MemoryRegion *root);

/*
 * @mr begins, or ceases, to be an address space's root; a reference beside
 * that is the caller's to take. Return: 0; -EINVAL if @mr is ending.
 */
int xbar_region_root_add(MemoryRegion *mr) XBAR_MUST_CHECK;
void xbar_region_root_remove(MemoryRegion *mr);

#endif
