/* SPDX-License-Identifier: MIT */
/*
 * What differs between two tries, at the price of that.
 *
 * Tries that one grew out of the other share what lies beside the changes:
 * two slots that are equal lead to the same keys and values, and are skipped.
 *
 *     from    root            to      root'        looked into: root, b
 *            / |  \                  / |  \        skipped:     a, c, y
 *           a  b   c                a  b'  c       told:        x -> x'
 *             / \                     / \
 *            x   y                   x'  y
 *
 * Each side is a sequence of slots, in the order of their keys, of which a node
 * may be replaced by its children. A node's keys lie in a block, aligned to
 * its size, so that two heads either have nothing in common or one has all
 * that the other has:
 *
 *     apart            the lower one is told, as missing on the other side
 *     one in the other the greater one is replaced by its children
 *     the same block   both are
 *
 * So what is shared comes up on both sides at a time, even if the nodes above
 * it differ in where they branch.
 */
#include "flatview/index/trie.h"

/* The slots that are still to come of one node. */
struct row {
    const struct flatview_trie_slot *next;
    const struct flatview_trie_slot *end;
};

/* What is still to come of one trie: rows of nodes, the lowest on top. */
struct side {
    struct row rows[TRIE_LEVELS + 1];
    unsigned depth;
};

struct diff {
    struct side from;
    struct side to;
    flatview_trie_diff_fn *tell;
    void *opaque;
};

static void start_side(struct side *side, const struct flatview_trie *trie)
{
    side->depth = 0;
    if (trie->root.link != 0) {
        side->rows[side->depth++] =
            (struct row){ &trie->root, &trie->root + 1 };
    }
}

/* NULL: nothing is left. */
static const struct flatview_trie_slot *head_of(const struct side *side)
{
    return side->depth != 0 ? side->rows[side->depth - 1].next : NULL;
}

static void skip_head(struct side *side)
{
    struct row *row = &side->rows[side->depth - 1];

    side->depth -= ++row->next == row->end;
}

/* A row that is done makes room first: shifts fall, so there is enough. */
static void expand_head(struct side *side)
{
    const struct flatview_trie_slot *slot = head_of(side);

    skip_head(side);
    side->rows[side->depth++] =
        (struct row){ trie_node(slot)->slots, trie_end(slot) };
}

/* The size of the block of @slot's keys, as a power of two. */
static unsigned block_bits(const struct flatview_trie_slot *slot)
{
    return trie_is_leaf(slot) ? 0 : trie_shift(slot) + TRIE_DIGIT_BITS;
}

/* Where that block is among those of its size, or greater: 2^@bits. */
static uint64_t block_at(const struct flatview_trie_slot *slot, unsigned bits)
{
    uint64_t key = trie_is_leaf(slot) ? slot->bits : trie_node(slot)->prefix;

    return bits < 64 ? key >> bits : 0;
}

static bool tell_slots(const struct diff *diff,
                       const struct flatview_trie_slot *from,
                       const struct flatview_trie_slot *to)
{
    return diff->tell(diff->opaque, from != NULL ? trie_value(from) : NULL,
                      to != NULL ? trie_value(to) : NULL);
}

/* The other side has nothing of what @side's head has. */
static bool tell_head(struct diff *diff, struct side *side)
{
    const struct flatview_trie_slot *slot = head_of(side);

    if (!trie_is_leaf(slot)) {
        expand_head(side);
        return false;
    }
    skip_head(side);
    return side == &diff->from ? tell_slots(diff, slot, NULL)
                               : tell_slots(diff, NULL, slot);
}

/* Both heads are in one block; @bits and @to_bits are theirs. */
static bool meet_heads(struct diff *diff, unsigned from_bits, unsigned to_bits)
{
    const struct flatview_trie_slot *from = head_of(&diff->from);
    const struct flatview_trie_slot *to = head_of(&diff->to);
    bool are_same = from->link == to->link && from->bits == to->bits;

    if (are_same || from_bits + to_bits == 0) {
        skip_head(&diff->from);
        skip_head(&diff->to);
        return !are_same && tell_slots(diff, from, to);
    }
    if (from_bits >= to_bits) {
        expand_head(&diff->from);
    }
    if (to_bits >= from_bits) {
        expand_head(&diff->to);
    }
    return false;
}

/* Return: was it stopped? */
static bool diff_heads(struct diff *diff)
{
    const struct flatview_trie_slot *from = head_of(&diff->from);
    const struct flatview_trie_slot *to = head_of(&diff->to);
    unsigned from_bits;
    unsigned to_bits;
    unsigned bits;

    if (from == NULL || to == NULL) {
        return tell_head(diff, from != NULL ? &diff->from : &diff->to);
    }
    from_bits = block_bits(from);
    to_bits = block_bits(to);
    bits = from_bits > to_bits ? from_bits : to_bits;
    if (block_at(from, bits) != block_at(to, bits)) {
        return tell_head(diff, block_at(from, bits) < block_at(to, bits)
                                   ? &diff->from
                                   : &diff->to);
    }
    return meet_heads(diff, from_bits, to_bits);
}

bool flatview__trie_diff(const struct flatview_trie *from,
                         const struct flatview_trie *to,
                         flatview_trie_diff_fn *tell, void *opaque)
{
    struct diff diff;
    bool is_stopped = false;

    diff.tell = tell;
    diff.opaque = opaque;
    start_side(&diff.from, from);
    start_side(&diff.to, to);
    while (!is_stopped && (diff.from.depth != 0 || diff.to.depth != 0)) {
        is_stopped = diff_heads(&diff);
    }
    return is_stopped;
}
