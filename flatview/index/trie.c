/* SPDX-License-Identifier: MIT */
/*
 * Reading a trie.
 *
 * A lookup goes down the key's digits. At each node there are three cases:
 *
 *     bits:   . . x . . x . x . .          x: a digit that is present
 *                   |     |
 *             (1) absent  |                the slot to the left has it all:
 *                         |                its last key is the answer
 *                    (2) present           go down; the slot to the left is
 *                                          the answer if all there is above
 *   (3) nothing to the left                the answer is what (2) remembered
 *
 * So a lookup touches one line a level, and a second path only where the key
 * precedes everything in the last node it reached.
 */
#include "flatview/index/trie.h"

/* The leaf with the largest key behind @slot, which is not empty. */
static const struct flatview_trie_slot *
last_leaf(const struct flatview_trie_slot *slot)
{
    while (!trie_is_leaf(slot)) {
        slot = trie_end(slot) - 1;
    }
    return slot;
}

static const struct flatview_trie_slot *
first_leaf(const struct flatview_trie_slot *slot)
{
    while (!trie_is_leaf(slot)) {
        slot = trie_node(slot)->slots;
    }
    return slot;
}

/*
 * The leaf with the largest key <= @key, or NULL. @below is case (2) of the
 * drawing. Where a node begins at or below @covered, no bit was skipped.
 */
XBAR_HOT static const struct flatview_trie_slot *
find_floor(const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const struct flatview_trie_slot *below = NULL;
    unsigned covered = 64;

    if (slot->link == 0) {
        return NULL;
    }
    while (!trie_is_leaf(slot)) {
        const unsigned shift = trie_shift(slot);
        const struct flatview_trie_node *node = trie_node(slot);
        const uint64_t upto = trie_upto(slot->bits, key, slot->link);
        const struct flatview_trie_slot *child;

        if (shift + TRIE_DIGIT_BITS < covered &&
            !trie_prefix_matches(node, shift, key)) {
            return key > node->prefix ? last_leaf(slot)
                   : below != NULL    ? last_leaf(below)
                                      : NULL;
        }
        if (upto == 0) {
            return below != NULL ? last_leaf(below) : NULL;
        }
        child = trie_last_of(slot->link, upto);
        if (upto >> 63 == 0) {
            return last_leaf(child);
        }
        below = child != node->slots ? child - 1 : below;
        slot = child;
        covered = shift;
    }
    if (slot->bits <= key) {
        return slot;
    }
    return below != NULL ? last_leaf(below) : NULL;
}

void *flatview__trie_floor(const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *leaf = find_floor(trie, key);

    return leaf != NULL ? trie_value(leaf) : NULL;
}

static const struct flatview_trie_slot *
fetch_value(const struct flatview_trie_slot *leaf)
{
    if (leaf != NULL) {
        __builtin_prefetch(trie_value(leaf));
    }
    return leaf;
}

static const struct flatview_trie_slot *
find_before(const struct flatview_trie *trie,
            const struct flatview_trie_slot *leaf)
{
    return leaf != NULL && leaf->bits != 0 ? find_floor(trie, leaf->bits - 1)
                                           : NULL;
}

/*
 * As find_floor(). Where the way ends at the answer, what is left of the way is
 * what is before it; elsewhere that is searched for.
 */
const struct flatview_trie_slot *
flatview__trie_floor_two(const struct flatview_trie *trie, uint64_t key,
                         const struct flatview_trie_slot **before)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const struct flatview_trie_slot *below = NULL;
    unsigned covered = 64;

    while (slot->link != 0 && !trie_is_leaf(slot)) {
        const unsigned shift = trie_shift(slot);
        const struct flatview_trie_node *node = trie_node(slot);
        const uint64_t upto = trie_upto(slot->bits, key, slot->link);
        const struct flatview_trie_slot *child;

        if (upto == 0 || (shift + TRIE_DIGIT_BITS < covered &&
                          !trie_prefix_matches(node, shift, key))) {
            break;
        }
        child = trie_last_of(slot->link, upto);
        if (upto >> 63 == 0 && !trie_is_leaf(child)) {
            break;
        }
        below = child != node->slots ? child - 1 : below;
        slot = child;
        covered = shift;
    }
    if (likely(trie_is_leaf(slot) && slot->bits <= key)) {
        *before = fetch_value(below != NULL ? last_leaf(below) : NULL);
        return fetch_value(slot);
    }
    slot = find_floor(trie, key);
    *before = fetch_value(find_before(trie, slot));
    return fetch_value(slot);
}

/* The mirror image of find_floor(), for walks in order. */
static const struct flatview_trie_slot *
find_next(const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const struct flatview_trie_slot *above = NULL;

    if (slot->link == 0) {
        return NULL;
    }
    while (!trie_is_leaf(slot)) {
        const struct flatview_trie_node *node = trie_node(slot);
        unsigned digit = trie_digit(key, trie_shift(slot));
        unsigned index = trie_index(slot->bits, digit);

        if (!trie_prefix_matches(node, trie_shift(slot), key)) {
            slot = key < node->prefix ? slot : above;
            return slot != NULL ? first_leaf(slot) : NULL;
        }
        if (index == trie_used(slot)) {
            return above != NULL ? first_leaf(above) : NULL;
        }
        if ((slot->bits >> digit & 1) == 0) {
            return first_leaf(&node->slots[index]);
        }
        if (index + 1 < trie_used(slot)) {
            above = &node->slots[index + 1];
        }
        slot = &node->slots[index];
    }
    if (slot->bits >= key) {
        return slot;
    }
    return above != NULL ? first_leaf(above) : NULL;
}

void *flatview__trie_next(const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *leaf = find_next(trie, key);

    return leaf != NULL ? trie_value(leaf) : NULL;
}

/* Where the digits of @key lead; where they lead nowhere, to what is next. */
static inline const struct flatview_trie_slot *
likely_child(const struct flatview_trie_slot *slot, uint64_t key)
{
    const uint64_t upto = trie_upto(slot->bits, key, slot->link);

    return upto != 0 ? trie_last_of(slot->link, upto) : trie_node(slot)->slots;
}

void flatview__trie_fetch_node(const struct flatview_trie *trie, uint64_t key,
                               unsigned level)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const char *at;

    if (slot->link == 0) {
        return;
    }
    while (level-- > 1 && !trie_is_leaf(slot)) {
        slot = likely_child(slot, key);
    }
    if (!trie_is_leaf(slot)) {
        at = (const char *)trie_node(slot);
        for (; at < (const char *)trie_end(slot); at += TRIE_NODE_ALIGN) {
            __builtin_prefetch(at);
        }
    }
}

/*
 * Nothing here waits for what it loads last: a processor that foresees the
 * number of levels has left by then. Slots are whole numbers of bytes, so a
 * link that is no leaf's may be fetched as if it were one.
 */
unsigned flatview__trie_fetch(const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const struct flatview_trie_slot *parent = slot;
    unsigned level = 0;

    if (slot->link == 0 || trie_is_leaf(slot)) {
        return 0;
    }
    do {
        parent = slot;
        slot = likely_child(slot, key);
        level++;
    } while (!trie_is_leaf(slot));
    __builtin_prefetch((const void *)slot->link);
    if (slot + 1 != trie_end(parent)) {
        __builtin_prefetch((const void *)slot[1].link);
    }
    __builtin_prefetch(trie_node(parent));
    return level;
}

static void fetch_lines(const char *at, size_t lines)
{
    for (size_t i = 0; i < lines; i++) {
        __builtin_prefetch(at + i * TRIE_NODE_ALIGN);
    }
}

/* A root that was superseded, or is one again, may say that of another node
 * which is gone: no more than what is asked for is of no use then. */
void flatview__trie_fetch_news(const struct flatview_trie *trie)
{
    const struct flatview_trie_slot *slot = &trie->root;
    const struct flatview_trie_node *root = trie_node(slot);
    uintptr_t newest;

    if (root == NULL || trie_is_leaf(slot)) {
        return;
    }
    fetch_lines((const char *)root, ((const char *)trie_end(slot) -
                                     (const char *)root + TRIE_NODE_ALIGN - 1) /
                                        TRIE_NODE_ALIGN);
    newest = __atomic_load_n(&root->newest, __ATOMIC_RELAXED);
    fetch_lines((const char *)(newest & ~TRIE_LINK_MASK),
                newest & TRIE_LINK_MASK);
}

/* ---- Cursors ----------------------------------------------------------- */

static void push_way(struct flatview_trie_cursor *cursor,
                     const struct flatview_trie_slot *taken,
                     const struct flatview_trie_slot *end)
{
    cursor->path[cursor->depth].next = taken + 1;
    cursor->path[cursor->depth].end = end;
    cursor->depth++;
}

static void go_to_first(struct flatview_trie_cursor *cursor,
                        const struct flatview_trie_slot *slot)
{
    while (!trie_is_leaf(slot)) {
        const struct flatview_trie_slot *slots = trie_node(slot)->slots;

        push_way(cursor, slots, trie_end(slot));
        slot = slots;
    }
    cursor->leaf = slot;
}

static void go_to_last(struct flatview_trie_cursor *cursor,
                       const struct flatview_trie_slot *slot)
{
    while (!trie_is_leaf(slot)) {
        const struct flatview_trie_slot *end = trie_end(slot);

        push_way(cursor, end - 1, end);
        slot = end - 1;
    }
    cursor->leaf = slot;
}

/* The way ended where nothing is <= the key: go to what is left of it at
 * @below, the depth of case (2); to the first of all if there was none. */
static void turn_left(struct flatview_trie_cursor *cursor,
                      const struct flatview_trie *trie, unsigned below)
{
    cursor->depth = below;
    if (below != 0) {
        go_to_last(cursor, --cursor->path[below - 1].next - 1);
    } else {
        go_to_first(cursor, &trie->root);
    }
}

/* As find_floor(). */
void flatview__trie_seek(struct flatview_trie_cursor *cursor,
                         const struct flatview_trie *trie, uint64_t key)
{
    const struct flatview_trie_slot *slot = &trie->root;
    unsigned covered = 64;
    unsigned below = 0;

    cursor->depth = 0;
    cursor->leaf = NULL;
    if (slot->link == 0) {
        return;
    }
    while (!trie_is_leaf(slot)) {
        const unsigned shift = trie_shift(slot);
        const struct flatview_trie_node *node = trie_node(slot);
        const uint64_t upto = trie_upto(slot->bits, key, slot->link);
        const struct flatview_trie_slot *child;

        if (shift + TRIE_DIGIT_BITS < covered &&
            !trie_prefix_matches(node, shift, key)) {
            if (key > node->prefix) {
                go_to_last(cursor, slot);
                return;
            }
            break;
        }
        if (upto == 0) {
            break;
        }
        child = trie_last_of(slot->link, upto);
        push_way(cursor, child, trie_end(slot));
        if (upto >> 63 == 0) {
            go_to_last(cursor, child);
            return;
        }
        below = child != node->slots ? cursor->depth : below;
        slot = child;
        covered = shift;
    }
    if (trie_is_leaf(slot) && slot->bits <= key) {
        cursor->leaf = slot;
    } else {
        turn_left(cursor, trie, below);
    }
}

void flatview__trie_step(struct flatview_trie_cursor *cursor)
{
    while (cursor->depth != 0) {
        unsigned top = cursor->depth - 1;

        if (cursor->path[top].next != cursor->path[top].end) {
            go_to_first(cursor, cursor->path[top].next++);
            return;
        }
        cursor->depth = top;
    }
    cursor->leaf = NULL;
}

/* ---- Whole tries ------------------------------------------------------- */

/* Recursion here and below is at most TRIE_LEVELS deep: shifts fall. */
static uint64_t slot_bytes(const struct flatview_trie_slot *slot)
{
    uint64_t bytes;

    if (trie_is_leaf(slot)) {
        return 0;
    }
    bytes = flatview__trie_node_bytes(&trie_node(slot)->retired);
    for (unsigned i = 0; i < trie_used(slot); i++) {
        bytes += slot_bytes(&trie_node(slot)->slots[i]);
    }
    return bytes;
}

uint64_t flatview__trie_bytes(const struct flatview_trie *trie)
{
    return trie->root.link != 0 ? slot_bytes(&trie->root) : 0;
}

/* What holds for one node, its children aside. */
static bool node_is_valid(const struct flatview_trie_slot *slot,
                          uint64_t generation)
{
    const struct flatview_trie_node *node = trie_node(slot);
    unsigned shift = trie_shift(slot);

    return shift % 2 == 0 && trie_used(slot) >= 2 &&
           trie_used(slot) <= node->capacity &&
           node->generation <= generation &&
           node->prefix >> shift << shift == node->prefix;
}

static uint64_t slot_prefix(const struct flatview_trie_slot *slot)
{
    return trie_is_leaf(slot) ? slot->bits : trie_node(slot)->prefix;
}

/* Adds the leaves behind @slot to @count. */
static bool slot_is_valid(const struct flatview_trie_slot *slot,
                          uint64_t generation, uint64_t *count)
{
    const struct flatview_trie_node *node = trie_node(slot);
    unsigned shift = trie_shift(slot);
    uint64_t bits = slot->bits;

    if (trie_is_leaf(slot)) {
        *count += 1;
        return slot->link != TRIE_LEAF;
    }
    if (!node_is_valid(slot, generation)) {
        return false;
    }
    for (unsigned i = 0; bits != 0; i++, bits &= bits - 1) {
        const struct flatview_trie_slot *child = &node->slots[i];

        if ((!trie_is_leaf(child) && trie_shift(child) >= shift) ||
            !trie_prefix_matches(node, shift, slot_prefix(child)) ||
            trie_digit(slot_prefix(child), shift) !=
                (unsigned)__builtin_ctzll(bits) ||
            !slot_is_valid(child, generation, count)) {
            return false;
        }
    }
    return true;
}

bool flatview__trie_is_valid(const struct flatview_trie *trie)
{
    uint64_t count = 0;

    if (trie->root.link == 0) {
        return trie->count == 0 && trie->root.bits == 0;
    }
    return slot_is_valid(&trie->root, trie->generation, &count) &&
           count == trie->count;
}
