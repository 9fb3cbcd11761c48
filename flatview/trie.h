/* SPDX-License-Identifier: MIT */
/*
 * A map from 64-bit keys to pointers, with predecessor search; immutable once
 * published, changed by copying the path to the change.
 *
 * It has never heard of a region: a key is where something starts, a value
 * is whatever lies there (16-byte aligned, not NULL).
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
#ifndef XBAR_FLATVIEW_TRIE_H
#define XBAR_FLATVIEW_TRIE_H

#include "engine/alloc.h"
#include "engine/check.h"

/*
 * What a parent knows of a child, so that a level costs one cache line:
 *
 *          63                                             4 3     0
 *         +-------------------------------------------------------+
 *   bits  | node: which digits are present    | leaf: the key     |
 *         +------------------------------------------------+------+
 *   link  | node or value, 16-byte aligned                 | level|
 *         +------------------------------------------------+------+
 *
 * level 0: a leaf (or nothing, if link is 0); 1 to 11: a node that branches
 * on the key's 6-bit digit at bit 6 * (level - 1).
 */
struct flatview_trie_slot {
    uint64_t bits;
    uintptr_t link;
};

#define TRIE_DIGIT_BITS  6
#define TRIE_LEVELS      11 /* 64 / 6, rounded up */
#define TRIE_LEVEL_MASK  ((uintptr_t)15)
#define TRIE_VALUE_ALIGN 16

/*
 * A node has as many slots as digits present, in the order of the digits:
 *
 *     slots[popcount(bits & digits below d)] holds digit d
 *
 * Levels at which all keys agree are left out (path compression). The bits
 * that were skipped are compared with @prefix, which most lookups leave to the
 * leaf's key (see trie_floor).
 */
struct flatview_trie_node {
    uint64_t prefix;             /* bits above the digit; the others 0 */
    struct xbar_retired retired; /* readers never look */
    uint64_t generation;         /* of the edit that made it */
    uint64_t capacity;           /* slots allocated */
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
    struct xbar_retired *superseded;
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

/* ---- The layout's arithmetic (private to trie*.c) ---------------------- */

static inline unsigned trie_level(const struct flatview_trie_slot *slot)
{
    return slot->link & TRIE_LEVEL_MASK;
}

static inline struct flatview_trie_node *
trie_node(const struct flatview_trie_slot *slot)
{
    return (struct flatview_trie_node *)(slot->link & ~TRIE_LEVEL_MASK);
}

static inline unsigned trie_shift(unsigned level)
{
    return TRIE_DIGIT_BITS * (level - 1);
}

/*
 * The digit of @key, by way of its complement (see trie_upto), so that the
 * four bits left for level 11 make digits 48 to 63.
 */
static inline unsigned trie_digit(uint64_t key, unsigned level)
{
    return 63 - (~key >> trie_shift(level) & 63);
}

/* Slots in use behind @slot, which must be a node. */
static inline unsigned trie_used(const struct flatview_trie_slot *slot)
{
    return (unsigned)__builtin_popcountll(slot->bits);
}

/* The first slot whose digit is @digit or more. */
static inline unsigned trie_index(uint64_t bits, unsigned digit)
{
    return (unsigned)__builtin_popcountll(bits & (((uint64_t)1 << digit) - 1));
}

/*
 * The slots for digits up to the key's, as bits: their number is the count of
 * ones, and the highest bit says whether the key's own digit is present.
 *
 *     bits    . x . . x . x .  ->  x . . x . . . .     digit 4, shifted up
 *                     ^ 4          ^ 63
 *
 * The shift is by 63 - digit, which is that digit of @inverted, the key's
 * complement: one operation less on the way from node to node.
 */
static inline uint64_t trie_upto(uint64_t bits, uint64_t inverted,
                                 unsigned level)
{
    return bits << (inverted >> trie_shift(level) & 63);
}

/* The slot that @upto ends with. */
static inline const struct flatview_trie_slot *
trie_last_of(const struct flatview_trie_node *node, uint64_t upto)
{
    return &node->slots[(size_t)__builtin_popcountll(upto) - 1];
}

/* Does @key lie in a node's subtree? Two shifts: level 11 has no prefix. */
static inline bool trie_prefix_matches(const struct flatview_trie_node *node,
                                       unsigned level, uint64_t key)
{
    return (key ^ node->prefix) >> trie_shift(level) >> TRIE_DIGIT_BITS == 0;
}

/*
 * flatview__trie_floor(), inlined as far as most lookups need: every digit is
 * present, or the slot to the left of a missing one is a leaf.
 *
 * Prefixes are not looked at on the way. The leaf's key has them all, so if
 * it agrees with @key from the last node's digit up (above it, if the digit is
 * missing), then so did every bit that was skipped:
 *
 *     key     a b c d e f     digits; nodes branch on a, c and e
 *     leaf    a b c d e x     b and d, which were skipped, agree; x <= f?
 */
static inline void *trie_floor(const struct flatview_trie *trie, uint64_t key)
{
    struct flatview_trie_slot slot = trie->root;
    uint64_t differ = 0; /* of the bits that must be equal */
    unsigned level;

    while ((level = trie_level(&slot)) != 0) {
        const unsigned shift = trie_shift(level);
        const uint64_t upto = trie_upto(slot.bits, ~key, level);

        if (upto >> 63 == 0) {
            if (unlikely(upto == 0)) {
                return flatview__trie_floor(trie, key);
            }
            slot = *trie_last_of(trie_node(&slot), upto);
            differ = (slot.bits ^ key) >> shift >> TRIE_DIGIT_BITS;
            break;
        }
        slot = *trie_last_of(trie_node(&slot), upto);
        differ = (slot.bits ^ key) >> shift;
    }
    if (unlikely(trie_level(&slot) != 0 || differ != 0 || slot.bits > key)) {
        return flatview__trie_floor(trie, key);
    }
    return (void *)slot.link;
}

#endif
