/* SPDX-License-Identifier: MIT */
/*
 * What the files of flatview/ share.
 *
 *   render/             tree of regions -> sorted pieces,
 *                       windows that changed + old view -> new view
 *   view.c              sections and views: making and freeing them
 *   root.c              what address spaces of one root share: the view, the
 *                       commit's phases
 *   address_space.c     what each has: subscribers, life
 *   listener*.c         telling listeners what changed
 *   flatview.c          looking up
 *   access/             reading and writing through a view
 *   index/              the trie: addresses -> sections
 */
#ifndef XBAR_FLATVIEW_FLATVIEW_INTERNAL_H
#define XBAR_FLATVIEW_FLATVIEW_INTERNAL_H

#include <pthread.h>

#include "engine/commit.h"
#include "engine/rcu.h"
#include "flatview/address_space.h"
#include "flatview/index/trie.h"
#include "flatview/listener.h"
#include "flatview/subscriber.h"

/*
 * A snapshot. Its sections are shared with the views before and after it; a
 * view that is replaced takes along what only it had:
 *
 *     view 1 --> view 2 --> view 3          view 1, retired when view 2 was
 *       A          A          A'            published, owns B and the nodes
 *       B          -          -             of its trie that view 2 lacks
 */
struct FlatView {
    struct flatview_trie trie; /* key: FlatRange.first */

    struct flatview_root *root; /* NULL: flatview__empty */

    /* set when it is replaced; readers never look */
    struct xbar_retired retired;
    struct xbar_retired *nodes;
    struct xbar_retired *ranges; /* linked through FlatRange.retired */
};

static_assert(sizeof(FlatRange) == 64, "a section is one cache line");
static_assert(sizeof(struct FlatView) == 64, "a view is one cache line");
static_assert(sizeof(struct xbar_retired) == sizeof(void *),
              "FlatRange.retired holds one");

/* Most changes affect fewer places than this; their list needs no memory. */
#define FLATVIEW_FEW_AFFECTED 4

/* From one view to the next: everything that can fail happens in begin. */
struct flatview_change {
    FlatView *old_view; /* NULL: no change is under way */
    FlatView *new_view; /* NULL: nothing visible changed */
    struct flatview_trie_edit edit;
    struct xbar_retired *old_nodes;
    struct xbar_retired *old_ranges;
    struct xbar_retired *new_ranges;
    size_t old_bytes;            /* of what goes with @old_view */
    struct xbar_range *affected; /* sorted, disjoint, not touching */
    size_t affected_count;
    size_t affected_capacity;
    uint64_t windows; /* that were rendered */
    struct xbar_range few[FLATVIEW_FEW_AFFECTED];
};

/*
 * What is mapped, in two tables (is_write) of slots, and in a list; see
 * access/map.c.
 * Two cache lines of slots are looked at for one pointer.
 */
#define FLATVIEW_MAP_SLOTS  32
#define FLATVIEW_MAP_PROBES 4

struct flatview_map_slot {
    uintptr_t key; /* atomic */
    MemoryRegion *mr;
    hwaddr length;
    hwaddr reserved;
};

struct flatview_maps {
    struct flatview_map_slot slots[2][FLATVIEW_MAP_SLOTS];
    pthread_mutex_t lock;
    struct flatview_mapping *list;
    hwaddr budget; /* of bounce buffers, bytes */
    hwaddr used;
    AddressSpaceMapClient *first_client;
    AddressSpaceMapClient *called; /* its callback runs, on @caller */
    bool is_calling;
    pthread_t caller;
    pthread_cond_t was_called;
};

/*
 * What the address spaces of one root region share: a view, which a commit
 * changes once. It lives until the last of them has ended, and the last view
 * was freed: a kept one may outlive them.
 */
struct flatview_root {
    struct xbar_participant participant;
    struct xbar_engine *engine;
    FlatView *current; /* what all of them show; under the writer lock */
    struct xbar_flatview_space *first_space; /* the oldest */
    struct xbar_flatview_space *last_space;
    struct xbar_flatview_space *next_told;
    bool is_joining;                /* address_space_init() may still fail */
    bool is_stale;                  /* its view says nothing of the tree yet */
    unsigned levels;                /* of the trie where it was fetched last */
    struct flatview_change change;  /* of the commit under way */
    struct xbar_retire_queue queue; /* of FlatView */
    struct flatview_kept *newest_kept; /* see kept.c */
    uint32_t kept_ever;
    uint64_t next_generation; /* of views; see view.c */
    uint64_t end_generation;
    /* Of address spaces and views those that are not freed: atomic; what is
     * made under the writer lock, and what of it was freed by reclaims. */
    uint64_t spaces;
    uint64_t views_made;
    uint64_t views_freed;
};

/* The part of an AddressSpace that only this folder sees. */
struct xbar_flatview_space {
    struct flatview_root *root;
    struct xbar_flatview_space *next; /* of @root */
    struct xbar_flatview_space *prev;
    bool is_late; /* came when others were told of what it has seen already */
    struct xbar_engine *engine;
    AddressSpace *as;
    const unsigned *ram_watchers;   /* see engine/ram_writes.h */
    struct xbar_retire_queue queue; /* of this one, when it has ended */
    struct xbar_retired retired;
    struct xbar_view_subscriber *first_subscriber;
    struct xbar_view_subscriber *last_subscriber;
    MemoryListener *first_listener; /* by priority, ascending */
    MemoryListener *last_listener;
    struct flatview_telling *telling; /* calls of listeners, the innermost */
    const struct flatview_news *news; /* being told: deferred_writes.c */
    struct MemoryRegionCache *caches; /* under the writer lock */
    struct flatview_maps maps;
    void (*done)(AddressSpace *as, void *opaque);
    void *done_opaque;
};

/* ---- flatview.c -------------------------------------------------------- */

/* Where nothing decodes, and the view of an address space that has ended. */
extern const FlatRange flatview__unassigned;
extern const FlatView flatview__empty;

/* Generations are taken from a number of the process, so many at a time. */
#define FLATVIEW_GENERATIONS ((uint64_t)1 << 16)

/*
 * The section that this thread accessed last, and the view it is of. Readers
 * share nothing here; a view that is gone is never current again, so its
 * section is not looked at. Where it lies is copied: that many fewer loads
 * depend on one another.
 */
struct flatview_last {
    uint64_t generation; /* of the view's trie; UINT64_MAX: none */
    hwaddr first;
    hwaddr span; /* last - first */
    const FlatRange *range;
};

extern __thread struct flatview_last flatview__last;

/*
 * What a commit wrote is in its CPU's cache. A reader on another would wait for
 * these lines one by one, as it meets them; so it asks for all of them when it
 * first sees the view. Which it has seen is kept by root. Where two roots share
 * a place, one of them, whose generations are lower, asks no more: better than
 * both at each access.
 */
#define FLATVIEW_SEEN 4

extern __thread uint64_t flatview__seen[FLATVIEW_SEEN]; /* generations */

static inline uint64_t *flatview__seen_of(uint64_t generation)
{
    return &flatview__seen[generation / FLATVIEW_GENERATIONS % FLATVIEW_SEEN];
}

/* Look up by flatview__find_new(), which asks. */
static XBAR_FORCE_INLINE bool flatview__is_news(const FlatView *view)
{
    const uint64_t generation = view->trie.generation;

    return unlikely(flatview__last.generation != generation) &&
           *flatview__seen_of(generation) < generation;
}

/* Has @range all of the 1 << @size_log2 bytes at @addr? */
static inline bool flatview__holds(const FlatRange *range, hwaddr addr,
                                   unsigned size_log2)
{
    const hwaddr offset = addr - range->first;
    const hwaddr span = range->last - range->first;

    return offset <= span && span - offset >= ((hwaddr)1 << size_log2) - 1;
}

/* The rest of flatview__find(), where one way down does not decide. */
const FlatRange *flatview__find_slowly(const FlatView *view, hwaddr addr);

static XBAR_FORCE_INLINE const FlatRange *flatview__find(const FlatView *view,
                                                         hwaddr addr)
{
    void *range;

    if (unlikely(!trie_guess(&view->trie, addr, &range)) ||
        unlikely(!flatview__holds(range, addr, MO_8))) {
        return flatview__find_slowly(view, addr);
    }
    return range;
}

/*
 * The section of all 1 << @size_log2 bytes, if that is where the trie's digits
 * lead; it decodes, as do all that are in a trie. NULL: ask flatview__find().
 */
static XBAR_FORCE_INLINE const FlatRange *
flatview__find_whole(const FlatView *view, hwaddr addr, unsigned size_log2)
{
    void *range;

    return likely(trie_guess(&view->trie, addr, &range) &&
                  flatview__holds(range, addr, size_log2))
               ? range
               : NULL;
}

static inline FlatView *flatview__current(const AddressSpace *as)
{
    return __atomic_load_n(&as->current_map, __ATOMIC_ACQUIRE);
}

/*
 * The section of all 1 << @size_log2 bytes at @addr, if it is the one that the
 * thread accessed last; else NULL.
 */
static inline const FlatRange *
flatview__remembered(const FlatView *view, hwaddr addr, unsigned size_log2)
{
    const struct flatview_last *last = &flatview__last;
    hwaddr offset = addr - last->first;

    /* Accesses before the section and past it fail in one branch, as which of
     * them it is cannot be predicted. The compiler is kept from adding first
     * and span, which takes a register that the callers lack. */
    __asm__("" : "+r"(offset));
    if (unlikely(last->generation != view->trie.generation ||
                 offset > last->span ||
                 last->span - offset < ((hwaddr)1 << size_log2) - 1)) {
        return NULL;
    }
    if (last->range == NULL) {
        __builtin_unreachable();
    }
    return last->range;
}

/* Where the thread was last is where @range of @view is, which decodes. */
static inline void flatview__remember(const FlatView *view,
                                      const FlatRange *range)
{
    flatview__last = (struct flatview_last){
        .generation = view->trie.generation,
        .first = range->first,
        .span = range->last - range->first,
        .range = range,
    };
}

/*
 * flatview__find(), remembering it; out of line, so that accesses that find
 * what they remember save no registers.
 */
const FlatRange *flatview__find_new(const FlatView *view, hwaddr addr);

/* flatview__find(), for accesses that tend to go where the last one went. */
static inline const FlatRange *flatview__find_again(const FlatView *view,
                                                    hwaddr addr)
{
    const FlatRange *range = flatview__remembered(view, addr, MO_8);

    return range != NULL ? range : flatview__find_new(view, addr);
}

/* ---- view.c ------------------------------------------------------------ */

struct flatview_piece;

/* A section that says what @piece does; NULL if memory is short. */
FlatRange *flatview__range_new(struct flatview_root *root,
                               const struct flatview_piece *piece)
    XBAR_MUST_CHECK;

/* Do two sections say the same? */
static inline bool flatview__range_equals(const FlatRange *a,
                                          const FlatRange *b)
{
    return a->first == b->first && a->last == b->last && a->mr == b->mr &&
           a->mr_delta == b->mr_delta && a->host_delta == b->host_delta &&
           a->plan == b->plan && a->flags == b->flags;
}

/*
 * What FlatRange.born says.
 *
 *      31       30 ... 0
 *     marked    how many views had been kept when it was made: see kept.c
 *
 * Caches mark sections at any time (read-modify-write).
 */
#define FLAT_RANGE_BORN   ((uint32_t)INT32_MAX)
#define FLAT_RANGE_MARKED ((uint32_t)1 << 31)

static inline uint32_t flatview__born(const FlatRange *range)
{
    return __atomic_load_n(&range->born, __ATOMIC_RELAXED) & FLAT_RANGE_BORN;
}

/* Lists of sections are linked through FlatRange.retired. */
static inline void flatview__range_push(struct xbar_retired **list,
                                        FlatRange *range)
{
    struct xbar_retired *link = (struct xbar_retired *)&range->retired;

    link->next = *list;
    *list = link;
}

void flatview__ranges_free(struct xbar_engine *engine,
                           struct xbar_retired *list);

/* The section of @view that follows @range, or NULL. */
static inline FlatRange *flatview__range_after(const FlatView *view,
                                               const FlatRange *range)
{
    if (range->last == UINT64_MAX) {
        return NULL;
    }
    return flatview__trie_next(&view->trie, range->last + 1);
}

/* What shows nothing shares one view, which is nobody's and never freed. */
static inline bool flatview__is_empty(const FlatView *view)
{
    return view == &flatview__empty;
}

/* For the next view of @root: greater than all that it had. */
uint64_t flatview__new_generation(struct flatview_root *root);

/* A view without sections; counts in @root. */
FlatView *flatview__view_new(struct flatview_root *root) XBAR_MUST_CHECK;

/* Retire @view with all that it has. */
void flatview__view_retire(FlatView *view);

/* After the grace period; or at once what was not published. */
void flatview__view_free(FlatView *view);

/* ---- render/change.c --------------------------------------------------- */

/*
 * Build the view that follows the current one of @root, into root->change.
 * Return: 0; -ENOMEM or -E2BIG, with nothing left to cancel.
 */
int flatview__change_begin(struct flatview_root *root) XBAR_MUST_CHECK;

/* Give the new view back, and what was made for it. */
void flatview__change_cancel(struct flatview_root *root);

/* After publishing and notifying: retire the old view. */
void flatview__change_finish(struct flatview_root *root);

/* ---- root.c ------------------------------------------------------------ */

/* All under the writer lock. Of @mr, or NULL. */
struct flatview_root *flatview__root_find(const MemoryRegion *mr);

/*
 * @space becomes one of those that show @mr, and shows what they do. Who is the
 * first has the view made by the commit of the open transaction, or of one of
 * its own. Return: 0; or -errno, with @space in no root.
 */
int flatview__root_join(struct xbar_flatview_space *space, MemoryRegion *mr)
    XBAR_MUST_CHECK;

/* The opposite; with the last one the view is retired. @space holds its root
 * until it has ended, and drops it then. */
void flatview__root_leave(struct xbar_flatview_space *space);

/*
 * An address space less, or a view: in a reclaim, or while nobody else knows
 * @root. With the last of both @root ends.
 */
void flatview__root_drop(struct flatview_root *root);
void flatview__root_drop_view(struct flatview_root *root);

/* ---- address_space.c --------------------------------------------------- */

/* The oldest address space of @root, or NULL. Under the writer lock. */
AddressSpace *flatview__space_of_root(const MemoryRegion *root);

/* ---- resolve.c --------------------------------------------------------- */

/* Where an access ends up, for how many bytes. */
struct flatview_target {
    AddressSpace *as; /* of @view, if an IOMMU led there; else NULL */
    const FlatView *view;
    const FlatRange *range; /* flatview__unassigned if it is refused */
    hwaddr addr;            /* in @view */
    hwaddr length;          /* bytes for which this holds; not 0 */
    hwaddr page_mask;       /* of all translations on the way, AND-ed */
    unsigned perm;          /* the same; IOMMUAccessFlags */
    MemTxResult fault;      /* why it is refused by an IOMMU */
    MemoryRegion *observer; /* the first IOMMU that is told of reads, or NULL */
    hwaddr observed_at;     /* in it */
};

/*
 * Follow the IOMMUs from @addr of @view. @length is not 0 and does not wrap;
 * @need is enum IOMMUAccessFlags.
 */
void flatview__resolve(const FlatView *view, hwaddr addr, hwaddr length,
                       unsigned need, MemTxAttrs attrs,
                       struct flatview_target *t);

/* iommu.c: does the IOMMU region @mr want to be told? Then tell it, if @t is
 * memory, that it is about to be read. */
bool flatview__iommu_observes(const MemoryRegion *mr);
void flatview__iommu_tell_read(const struct flatview_target *t);

static inline void flatview__tell_read(const struct flatview_target *t)
{
    if (unlikely(t->observer != NULL)) {
        flatview__iommu_tell_read(t);
    }
}

/* iommu.c: what the IOMMU region @mr says of @offset. */
struct IOMMUTLBEntry flatview__iommu_translate(MemoryRegion *mr, hwaddr offset,
                                               unsigned need, MemTxAttrs attrs);

/* The same from @offset of @mr, which is an IOMMU region. */
void flatview__resolve_through(MemoryRegion *mr, hwaddr offset, hwaddr length,
                               unsigned need, MemTxAttrs attrs,
                               struct flatview_target *t);

/* ---- access/map.c ------------------------------------------------------ */

int flatview__maps_init(struct flatview_maps *maps) XBAR_MUST_CHECK;
void flatview__maps_finish(struct flatview_maps *maps);
bool flatview__maps_are_used(const struct flatview_maps *maps);

/* ---- region_cache.c ---------------------------------------------------- */

/* A commit published: caches of @ranges no longer hit. */
void flatview__caches_drop(struct xbar_flatview_space *space,
                           const struct xbar_range *ranges, size_t count);

/* ---- kept.c ------------------------------------------------------------ */

/*
 * @view is to be freed: no reader has it, but kept views, of which there were
 * some, may have it, or have what it let go of. The latter is taken from it.
 * Return: is itself kept?
 */
bool flatview__kept_takes(FlatView *view);

/* ---- access/transfer.c ------------------------------------------------- */

/* Sections that no device callback answers in one go. */
#define FLAT_RANGE_NO_READS \
    (FLAT_RANGE_RAM | FLAT_RANGE_UNASSIGNED | FLAT_RANGE_IOMMU)
#define FLAT_RANGE_NO_WRITES                                             \
    (FLAT_RANGE_WRITABLE | FLAT_RANGE_READONLY | FLAT_RANGE_UNASSIGNED | \
     FLAT_RANGE_IOMMU)

/*
 * A fixed-width access of any kind: 1 << @size_log2 bytes, at most 8. Values
 * are in host order, as if the bytes had been copied.
 */
MemTxResult flatview__load(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                           uint64_t *value, unsigned size_log2);
MemTxResult flatview__store(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                            uint64_t value, unsigned size_log2);

/*
 * Bulk, any length. Own read sections; address_space_read() and _write() are
 * these, with a shorter way to what is short.
 */
MemTxResult flatview__read_parts(AddressSpace *as, hwaddr addr,
                                 MemTxAttrs attrs, void *buf, hwaddr len);
MemTxResult flatview__write_parts(AddressSpace *as, hwaddr addr,
                                  MemTxAttrs attrs, const void *buf,
                                  hwaddr len);

/* Bulk, in the caller's read section. */
MemTxResult flatview__read(const FlatView *view, hwaddr addr, MemTxAttrs attrs,
                           void *buf, hwaddr length);

/* An access of 1, 2, 4 or 8 bytes to an IOMMU region itself. */
MemTxResult flatview__iommu_read(MemoryRegion *mr, hwaddr offset,
                                 MemTxAttrs attrs, uint64_t *value,
                                 unsigned size);
MemTxResult flatview__iommu_write(MemoryRegion *mr, hwaddr offset,
                                  MemTxAttrs attrs, uint64_t value,
                                  unsigned size);

#endif
