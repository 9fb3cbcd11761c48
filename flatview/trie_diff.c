/* SPDX-License-Identifier: MIT */
/*
 * What differs between two tries, at the price of that.
 *
 * Tries that one grew out of the other share what lies beside the changes:
 * two slots that are equal lead to the same keys and values, and are skipped.
 *
 *     from    root            to      root'        visited: root, b
 *            / |  \                  / |  \        skipped: a, c, y
 *           a  b   c                a  b'  c       told:    x -> x'
 *             / \                     / \
 *            x   y                   x'  y
 *
 * Where the two have nodes at different levels (a key came or went that no
 * other shares its digits with), one side is a subtree of the other's child.
 */
#include "flatview/trie.h"

struct diff {
    flatview_trie_diff_fn *tell;
    void *opaque;
};

/* Recursion is at most twice TRIE_LEVELS deep: at each step, one goes down. */
static bool diff_slots(const struct diff *diff,
                       const struct flatview_trie_slot *from,
                       const struct flatview_trie_slot *to);

static const struct flatview_trie_slot nothing = { 0, 0 };

static bool is_nothing(const struct flatview_trie_slot *slot)
{
    return slot->link == 0;
}

static uint64_t prefix_of(const struct flatview_trie_slot *slot)
{
    return trie_level(slot) == 0 ? slot->bits : trie_node(slot)->prefix;
}

/* What @slot has at @digit of @level: a child, or all of it, or nothing. */
static const struct flatview_trie_slot *
part_at(const struct flatview_trie_slot *slot, unsigned level, unsigned digit)
{
    if (is_nothing(slot)) {
        return &nothing;
    }
    if (trie_level(slot) < level) {
        return trie_digit(prefix_of(slot), level) == digit ? slot : &nothing;
    }
    if ((slot->bits >> digit & 1) == 0) {
        return &nothing;
    }
    return &trie_node(slot)->slots[trie_index(slot->bits, digit)];
}

/* The digits of @level at which @slot has something, as bits. */
static uint64_t digits_of(const struct flatview_trie_slot *slot, unsigned level)
{
    if (is_nothing(slot)) {
        return 0;
    }
    return trie_level(slot) == level
               ? slot->bits
               : (uint64_t)1 << trie_digit(prefix_of(slot), level);
}

/* The two, or one of them, digit by digit of @level: all keys of both lie
 * below one node of that level. */
static bool diff_digits(const struct diff *diff,
                        const struct flatview_trie_slot *from,
                        const struct flatview_trie_slot *to, unsigned level)
{
    uint64_t digits = digits_of(from, level) | digits_of(to, level);

    for (; digits != 0; digits &= digits - 1) {
        unsigned digit = (unsigned)__builtin_ctzll(digits);

        if (diff_slots(diff, part_at(from, level, digit),
                       part_at(to, level, digit))) {
            return true;
        }
    }
    return false;
}

/* The lowest level at which one node could hold all keys of both. */
static unsigned common_level(const struct flatview_trie_slot *from,
                             const struct flatview_trie_slot *to)
{
    unsigned a = trie_level(from);
    unsigned b = trie_level(to);
    unsigned level = a > b ? a : b;
    uint64_t differ;

    if (is_nothing(from) || is_nothing(to)) {
        return level;
    }
    differ = prefix_of(from) ^ prefix_of(to);
    if (differ != 0) {
        unsigned fork =
            (63u - (unsigned)__builtin_clzll(differ)) / TRIE_DIGIT_BITS + 1;

        level = fork > level ? fork : level;
    }
    return level;
}

static void *value_of(const struct flatview_trie_slot *slot)
{
    return (void *)slot->link;
}

static bool diff_slots(const struct diff *diff,
                       const struct flatview_trie_slot *from,
                       const struct flatview_trie_slot *to)
{
    unsigned level;

    if (from->link == to->link && from->bits == to->bits) {
        return false;
    }
    level = common_level(from, to);
    if (level == 0) { /* leaves of one key, or one leaf */
        return diff->tell(diff->opaque, value_of(from), value_of(to));
    }
    return diff_digits(diff, from, to, level);
}

bool flatview__trie_diff(const struct flatview_trie *from,
                         const struct flatview_trie *to,
                         flatview_trie_diff_fn *tell, void *opaque)
{
    const struct diff diff = { tell, opaque };

    return diff_slots(&diff, &from->root, &to->root);
}
