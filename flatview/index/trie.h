/* SPDX-License-Identifier: MIT */
/*
 * A map from 64-bit keys to pointers, with predecessor search; immutable once
 * published, changed by copying the path to the change.
 *
 * It has never heard of a region: a key is where something starts, a value
 * is whatever lies there (at an even address, not NULL).
 *
 *     struct flatview_trie_edit edit;
 *
 *     flatview__trie_begin(&edit, engine, &trie);
 *     err = flatview__trie_put(&edit, key, value);
 *     ...
 *     if (err != 0) {
 *         flatview__trie_cancel(&edit);            trie is as it was
 *     } else {
 *         retired = flatview__trie_commit(&edit, &new_trie);
 *     }
 *
 * Threads: any number of readers on any number of tries; one edit at a time
 * on one line of descent (an engine's writer lock).
 */
#ifndef XBAR_FLATVIEW_INDEX_TRIE_H
#define XBAR_FLATVIEW_INDEX_TRIE_H

#include "engine/alloc.h"
#include "engine/check.h"

/*
 * What a parent knows of a child, so that a level costs one cache line:
 *
 *          63                                          6 5       1 0
 *         +---------------------------------------------------------+
 *   bits  | node: which digits are present      | leaf: the key     |
 *         +--------------------------------------------+----------+-+
 *   link  | node, 64-byte aligned                      | shift    |0|
 *         +--------------------------------------------+----------+-+
 *         | value, its address even                               |1|
 *         +-------------------------------------------------------+-+
 *
 * A node branches on six bits of the key, those from its shift, an even
 * number, upwards:
 *
 *          63         shift + 6   shift          0
 *         +--------------------+--------+---------+
 *   key   | the node's prefix  | digit  | below   |
 *         +--------------------+--------+---------+
 *
 * Shifts are any, but fall on the way down. So levels at which all keys agree
 * are left out (path compression), and a node lies where its keys differ: 64
 * keys that are 64 KiB apart are one node, of shift 16. An empty trie has a
 * root of zeros.
 */
struct flatview_trie_slot {
    uint64_t bits;
    uintptr_t link;
};

#define TRIE_DIGIT_BITS 6
#define TRIE_LEVELS     32 /* as many shifts are there; six keys deep is rare */
#define TRIE_LEAF       ((uintptr_t)1)
#define TRIE_NODE_ALIGN 64
#define TRIE_LINK_MASK  ((uintptr_t)(TRIE_NODE_ALIGN - 1))

/*
 * A node has as many slots as digits present, in the order of the digits:
 *
 *     slots[popcount(bits & digits below d)] holds digit d
 *
 * Lookups leave the prefix to the leaf's key, which has it all. Below the
 * prefix proper, @prefix has the digit of some key that was there: what of the
 * digit all keys share, as a parent's digit has it, is right.
 */
struct flatview_trie_node {
    uint64_t prefix; /* bits from the shift up; the others 0 */
    union {
        struct xbar_retired retired; /* once it is superseded */
        uintptr_t newest;            /* of a root until then: the edit's */
    };
    uint64_t generation; /* of the edit that made it */
    uint64_t capacity;   /* slots allocated */
    struct flatview_trie_slot slots[];
};

static_assert(sizeof(struct flatview_trie_slot) == 16, "4 slots a cache line");
static_assert(sizeof(struct flatview_trie_node) % 16 == 0,
              "no slot straddles two cache lines");

/* A published trie: a value, 32 bytes. All zero: empty. */
struct flatview_trie {
    struct flatview_trie_slot root;
    uint64_t count;      /* keys */
    uint64_t generation; /* no node of it is newer */
};

/* ---- Reading ----------------------------------------------------------- */

/* The value with the largest key <= @key, or NULL. */
void *flatview__trie_floor(const struct flatview_trie *trie, uint64_t key);

/*
 * The leaf with the largest key <= @key, and the one before it; or NULL. Their
 * values are about to be looked at, and come into the cache.
 */
const struct flatview_trie_slot *
flatview__trie_floor_two(const struct flatview_trie *trie, uint64_t key,
                         const struct flatview_trie_slot **before);

/* The value with the smallest key >= @key, or NULL. */
void *flatview__trie_next(const struct flatview_trie *trie, uint64_t key);

/*
 * A place in a trie that stays published meanwhile. From there a step to the
 * next key costs a few instructions, where flatview__trie_next() searches.
 */
struct flatview_trie_cursor {
    const struct flatview_trie_slot *leaf; /* NULL: past the last key */
    unsigned depth;
    struct {
        const struct flatview_trie_slot *next; /* to the right of the way */
        const struct flatview_trie_slot *end;
    } path[TRIE_LEVELS];
};

/* To the largest key <= @key; if there is none, to the first of all. */
void flatview__trie_seek(struct flatview_trie_cursor *cursor,
                         const struct flatview_trie *trie, uint64_t key);

/*
 * Have what an edit at @key takes come into the cache. First the node where it
 * is likely to change, if it is of this level (that of the root is 1); what is
 * above it is waited for. Later the values there that are around the key; and
 * that level is returned.
 */
void flatview__trie_fetch_node(const struct flatview_trie *trie, uint64_t key,
                               unsigned level);
unsigned flatview__trie_fetch(const struct flatview_trie *trie, uint64_t key);

/* Have the root and the node that was made last come into the cache: most of
 * what an edit wrote, where that was on another CPU. */
void flatview__trie_fetch_news(const struct flatview_trie *trie);

/* To the next key; @cursor is not past the last one. */
void flatview__trie_step(struct flatview_trie_cursor *cursor);

/*
 * What differs, in ascending order of keys: @from and @to are the values of
 * one key, NULL where it is not there, and not the same. True stops. Costs
 * what differs, if one trie was edited into the other.
 */
typedef bool flatview_trie_diff_fn(void *opaque, void *from, void *to);

bool flatview__trie_diff(const struct flatview_trie *from,
                         const struct flatview_trie *to,
                         flatview_trie_diff_fn *tell, void *opaque);

/* Bytes of all nodes, as asked from the allocator. O(n). */
uint64_t flatview__trie_bytes(const struct flatview_trie *trie);

/* Does every rule of the drawing above hold? O(n); for asserts and tests. */
bool flatview__trie_is_valid(const struct flatview_trie *trie);

/* ---- Editing ----------------------------------------------------------- */

/*
 * An edit sees its own changes in @trie. Nodes it made are changed in place
 * or given back at once when they are superseded; those of the base are left
 * alone and collected.
 */
struct flatview_trie_edit {
    struct xbar_engine *engine;
    struct flatview_trie trie;
    uintptr_t newest; /* the node made last, and how many lines it takes */
    struct xbar_retired *superseded;
    uint64_t superseded_bytes;
    uint64_t made; /* nodes, those given back since included */
};

void flatview__trie_begin(struct flatview_trie_edit *edit,
                          struct xbar_engine *engine,
                          const struct flatview_trie *base);

/*
 * Add @key or replace its value. Return: 0, or -ENOMEM; the edit then is
 * what it was before the call, and may be cancelled or go on.
 */
int flatview__trie_put(struct flatview_trie_edit *edit, uint64_t key,
                       void *value) XBAR_MUST_CHECK;

/* Take @key out. Return: 0; -ENOENT; -ENOMEM, as above. */
int flatview__trie_remove(struct flatview_trie_edit *edit, uint64_t key)
    XBAR_MUST_CHECK;

/*
 * The same as to take @from out and to put @key, with less to be done where both
 * lie close together, and nothing between them; they may be the same. Return: 0;
 * -ENOENT; -ENOMEM: the edit is to be cancelled.
 */
int flatview__trie_move(struct flatview_trie_edit *edit, uint64_t from,
                        uint64_t key, void *value) XBAR_MUST_CHECK;

/* Forget the edit: its nodes are freed, the base is intact. */
void flatview__trie_cancel(struct flatview_trie_edit *edit);

/*
 * Finish: @trie becomes the edited trie. Return: the base's nodes that are
 * not in it, linked; to be retired once @trie is published.
 */
struct xbar_retired *flatview__trie_commit(struct flatview_trie_edit *edit,
                                           struct flatview_trie *trie);

/* All nodes of a trie that is given up, linked, to be retired. */
struct xbar_retired *flatview__trie_collect(const struct flatview_trie *trie);

/* Which edit made a node; what freeing it gives back, and doing so. */
uint64_t flatview__trie_node_generation(const struct xbar_retired *node);
size_t flatview__trie_node_bytes(const struct xbar_retired *node);
void flatview__trie_node_free(struct xbar_engine *engine,
                              struct xbar_retired *node);

/* ---- The layout's arithmetic (private to index/) ----------------------- */

static inline bool trie_is_leaf(const struct flatview_trie_slot *slot)
{
    return (slot->link & TRIE_LEAF) != 0;
}

/* The value of a leaf's link. */
static inline void *trie_value_of(uintptr_t link)
{
    void *const value = (void *)(link - TRIE_LEAF);

    if (value == NULL) {
        __builtin_unreachable();
    }
    return value;
}

static inline void *trie_value(const struct flatview_trie_slot *slot)
{
    return trie_value_of(slot->link);
}

/* The rest is of slots that are nodes. */

static inline unsigned trie_shift(const struct flatview_trie_slot *slot)
{
    return slot->link & TRIE_LINK_MASK;
}

static inline struct flatview_trie_node *
trie_node(const struct flatview_trie_slot *slot)
{
    return (struct flatview_trie_node *)(slot->link & ~TRIE_LINK_MASK);
}

/*
 * The digit of @key, by way of its complement (see trie_upto): of what a shift
 * of 60 or 62 leaves, the digits are the highest ones.
 */
static inline unsigned trie_digit(uint64_t key, unsigned shift)
{
    return 63 - (~key >> shift & 63);
}

/* Slots in use. */
static inline unsigned trie_used(const struct flatview_trie_slot *slot)
{
    return (unsigned)__builtin_popcountll(slot->bits);
}

/* The first slot whose digit is @digit or more. */
static inline unsigned trie_index(uint64_t bits, unsigned digit)
{
    return (unsigned)__builtin_popcountll(bits & (((uint64_t)1 << digit) - 1));
}

/* The slot after the last. */
static inline const struct flatview_trie_slot *
trie_end(const struct flatview_trie_slot *slot)
{
    return trie_node(slot)->slots + trie_used(slot);
}

/*
 * The slots for digits up to the key's, as bits: their number is the count of
 * ones, and the highest bit says whether the key's own digit is present.
 *
 *     bits    . x . . x . x .  ->  x . . x . . . .     digit 4, shifted up
 *                     ^ 4          ^ 63
 *
 * The shift is by 63 - digit, which is that digit of the key's complement: one
 * operation less on the way from node to node. Nor do the masks cost any where
 * shifts look at no more than six bits of their count.
 */
static inline uint64_t trie_upto(uint64_t bits, uint64_t key, uintptr_t link)
{
    return bits << (~key >> (link & TRIE_LINK_MASK) & 63);
}

/* The slot that @upto ends with. */
static inline const struct flatview_trie_slot *trie_last_of(uintptr_t link,
                                                            uint64_t upto)
{
    const struct flatview_trie_node *node =
        (const struct flatview_trie_node *)(link & ~TRIE_LINK_MASK);

    return &node->slots[(size_t)__builtin_popcountll(upto) - 1];
}

/* @bits from above a digit at @shift: 0 if there are none above. */
static inline uint64_t trie_above(uint64_t bits, unsigned shift)
{
    return bits >> shift >> TRIE_DIGIT_BITS;
}

/* Does @key lie in the subtree of @node, which is at @shift? */
static inline bool trie_prefix_matches(const struct flatview_trie_node *node,
                                       unsigned shift, uint64_t key)
{
    return trie_above(key ^ node->prefix, shift) == 0;
}

/*
 * From the node that *@bits and *@link say to where the digit of @key leads; if
 * it is absent, to what lies to the left of it. False: nothing does.
 */
static XBAR_FORCE_INLINE bool trie_down(uint64_t key, uint64_t *bits,
                                        uintptr_t *link)
{
    const uint64_t upto = trie_upto(*bits, key, *link);
    const struct flatview_trie_slot *slot;

    if (unlikely(upto == 0)) {
        return false;
    }
    slot = trie_last_of(*link, upto);
    *bits = slot->bits;
    *link = slot->link;
    return true;
}

/*
 * Where the digits of @key lead: then true, and it is stored. What nodes skip
 * is not compared, nor is it asked which digits are present:
 *
 *     key     a b c d e f     digits; nodes branch on a, c and e
 *     leaf    a y c z e x     is where they lead
 *     leaf    a y c z d x     is, if e is absent there and d is next to it
 *
 * So this is a guess, for callers whose values do not overlap and say how far
 * they reach: the one that has @key in it is the right one, however it was
 * found. The value at @key itself is always found.
 *
 * Accesses to RAM and to devices in turn, which differ in what is absent, take
 * the same branches; only how deep a way is cannot be foreseen. So the first two
 * levels, which most have, have branches of their own.
 */
static XBAR_FORCE_INLINE bool trie_guess(const struct flatview_trie *trie,
                                         uint64_t key, void **value)
{
    uint64_t bits = trie->root.bits;
    uintptr_t link = trie->root.link;

    if (likely((link & TRIE_LEAF) == 0)) {
        if (unlikely(!trie_down(key, &bits, &link))) {
            return false;
        }
        if (likely((link & TRIE_LEAF) == 0)) {
            if (unlikely(!trie_down(key, &bits, &link))) {
                return false;
            }
            while ((link & TRIE_LEAF) == 0) {
                if (unlikely(!trie_down(key, &bits, &link))) {
                    return false;
                }
            }
        }
    }
    *value = trie_value_of(link);
    return true;
}

#endif
