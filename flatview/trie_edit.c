/* SPDX-License-Identifier: MIT */
/*
 * Changing a trie.
 *
 * An edit walks down to the change and makes each node on the way its own:
 *
 *        base          edit                 Nodes of the base are shared until
 *       root            root'               they must change; a node is the
 *      / |  \          / |  \               edit's own if its generation is
 *     a  b   c        a  b'  c              the edit's. Above an own node
 *       / \             / \                 there are only own nodes, so the
 *      x   y           x   y'               tree of own nodes is found from
 *                                           the root: no list is kept of them.
 *     superseded: root, b, y
 *
 * Copying a node changes nothing that a lookup can see, and each change
 * proper allocates before it stores. So a call that runs out of memory leaves
 * the edit with the keys it had.
 */
#include "flatview/trie.h"

#include <errno.h>
#include <string.h>

/* ---- Nodes ------------------------------------------------------------- */

static size_t node_size(uint64_t capacity)
{
    return sizeof(struct flatview_trie_node) +
           capacity * sizeof(struct flatview_trie_slot);
}

static struct flatview_trie_node *node_of(const struct xbar_retired *retired)
{
    return xbar_container_of(retired, struct flatview_trie_node, retired);
}

uint64_t flatview__trie_node_generation(const struct xbar_retired *node)
{
    return node_of(node)->generation;
}

size_t flatview__trie_node_bytes(const struct xbar_retired *node)
{
    return node_size(node_of(node)->capacity);
}

void flatview__trie_node_free(struct xbar_engine *engine,
                              struct xbar_retired *node)
{
    xbar_free(engine, node_of(node), flatview__trie_node_bytes(node));
}

static struct flatview_trie_node *new_node(struct flatview_trie_edit *edit,
                                           uint64_t prefix, uint64_t capacity)
{
    struct flatview_trie_node *node =
        xbar_alloc_aligned(edit->engine, node_size(capacity), TRIE_VALUE_ALIGN);

    if (node != NULL) {
        node->prefix = prefix;
        node->generation = edit->trie.generation;
        node->capacity = capacity;
        edit->made++;
    }
    return node;
}

static bool is_own(const struct flatview_trie_edit *edit,
                   const struct flatview_trie_node *node)
{
    return node->generation == edit->trie.generation;
}

/* @node is in the edited trie no more. */
static void supersede(struct flatview_trie_edit *edit,
                      struct flatview_trie_node *node)
{
    if (is_own(edit, node)) {
        flatview__trie_node_free(edit->engine, &node->retired);
    } else {
        node->retired.next = edit->superseded;
        edit->superseded = &node->retired;
    }
}

/*
 * A copy of a published node is made to measure, as most change once. One
 * that grows again in the same edit belongs to a trie being built, and gets
 * half as much again; 64 slots are all a node can use.
 */
static uint64_t grown_capacity(const struct flatview_trie_edit *edit,
                               const struct flatview_trie_node *node,
                               unsigned needed)
{
    uint64_t capacity = needed;

    if (is_own(edit, node)) {
        capacity = node->capacity + node->capacity / 2;
        capacity = capacity < needed ? needed : capacity;
    }
    return capacity < 64 ? capacity : 64;
}

/* The node behind @slot as the edit's own, with @extra slots to spare. */
static struct flatview_trie_node *own_node(struct flatview_trie_edit *edit,
                                           struct flatview_trie_slot *slot,
                                           unsigned extra)
{
    struct flatview_trie_node *node = trie_node(slot);
    unsigned used = trie_used(slot);
    struct flatview_trie_node *copy;

    if (is_own(edit, node) && used + extra <= node->capacity) {
        return node;
    }
    copy =
        new_node(edit, node->prefix, grown_capacity(edit, node, used + extra));
    if (copy != NULL) {
        memcpy(copy->slots, node->slots, used * sizeof(node->slots[0]));
        slot->link = (uintptr_t)copy | trie_level(slot);
        supersede(edit, node);
    }
    return copy;
}

/* ---- Putting ----------------------------------------------------------- */

/* The level at which two keys part: that of their highest unequal digit. */
static unsigned fork_level(uint64_t a, uint64_t b)
{
    if (a == b) {
        return 0;
    }
    return (63u - (unsigned)__builtin_clzll(a ^ b)) / TRIE_DIGIT_BITS + 1;
}

static uint64_t prefix_above(uint64_t key, unsigned level)
{
    return key >> trie_shift(level) >> TRIE_DIGIT_BITS << TRIE_DIGIT_BITS
                                                       << trie_shift(level);
}

static uint64_t slot_prefix(const struct flatview_trie_slot *slot)
{
    return trie_level(slot) == 0 ? slot->bits : trie_node(slot)->prefix;
}

/* @slot and a new leaf become the two children of a new node at @level. */
static int fork_slot(struct flatview_trie_edit *edit,
                     struct flatview_trie_slot *slot, unsigned level,
                     const struct flatview_trie_slot *leaf)
{
    unsigned old_digit = trie_digit(slot_prefix(slot), level);
    unsigned new_digit = trie_digit(leaf->bits, level);
    struct flatview_trie_node *node =
        new_node(edit, prefix_above(leaf->bits, level), 2);

    if (node == NULL) {
        return -ENOMEM;
    }
    node->slots[old_digit > new_digit] = *slot;
    node->slots[old_digit < new_digit] = *leaf;
    slot->bits = (uint64_t)1 << old_digit | (uint64_t)1 << new_digit;
    slot->link = (uintptr_t)node | level;
    edit->trie.count++;
    return 0;
}

/* Give the node behind @slot one child more. */
static int add_leaf(struct flatview_trie_edit *edit,
                    struct flatview_trie_slot *slot,
                    const struct flatview_trie_slot *leaf)
{
    unsigned digit = trie_digit(leaf->bits, trie_level(slot));
    unsigned index = trie_index(slot->bits, digit);
    unsigned used = trie_used(slot);
    struct flatview_trie_node *node = own_node(edit, slot, 1);

    if (node == NULL) {
        return -ENOMEM;
    }
    memmove(&node->slots[index + 1], &node->slots[index],
            (used - index) * sizeof(node->slots[0]));
    node->slots[index] = *leaf;
    slot->bits |= (uint64_t)1 << digit;
    edit->trie.count++;
    return 0;
}

/* One step of the way down: the child of @slot that @key goes to. */
static struct flatview_trie_slot *own_child(struct flatview_trie_edit *edit,
                                            struct flatview_trie_slot *slot,
                                            uint64_t key)
{
    struct flatview_trie_node *node = own_node(edit, slot, 0);
    unsigned digit = trie_digit(key, trie_level(slot));

    return node != NULL ? &node->slots[trie_index(slot->bits, digit)] : NULL;
}

static bool has_digit(const struct flatview_trie_slot *slot, uint64_t key)
{
    return slot->bits >> trie_digit(key, trie_level(slot)) & 1;
}

int flatview__trie_put(struct flatview_trie_edit *edit, uint64_t key,
                       void *value)
{
    const struct flatview_trie_slot leaf = { key, (uintptr_t)value };
    struct flatview_trie_slot *slot = &edit->trie.root;

    xbar_assert(value != NULL && trie_level(&leaf) == 0);
    if (slot->link == 0) {
        *slot = leaf;
        edit->trie.count = 1;
        return 0;
    }
    while (slot != NULL) {
        unsigned fork = fork_level(slot_prefix(slot), key);

        if (fork > trie_level(slot)) {
            return fork_slot(edit, slot, fork, &leaf);
        }
        if (trie_level(slot) == 0) {
            *slot = leaf;
            return 0;
        }
        if (!has_digit(slot, key)) {
            return add_leaf(edit, slot, &leaf);
        }
        slot = own_child(edit, slot, key);
    }
    return -ENOMEM;
}

/* ---- Removing ---------------------------------------------------------- */

static bool has_key(const struct flatview_trie_slot *slot, uint64_t key)
{
    while (trie_level(slot) != 0) {
        const struct flatview_trie_node *node = trie_node(slot);

        if (!has_digit(slot, key)) {
            return false;
        }
        slot = &node->slots[trie_index(slot->bits,
                                       trie_digit(key, trie_level(slot)))];
    }
    return slot->link != 0 && slot->bits == key;
}

/* Is the child of @slot that @key goes to a leaf? */
static bool leads_to_leaf(const struct flatview_trie_slot *slot, uint64_t key)
{
    unsigned digit = trie_digit(key, trie_level(slot));

    return trie_level(&trie_node(slot)->slots[trie_index(slot->bits, digit)]) ==
           0;
}

/* Take @key's leaf out of the node behind @slot; a single child moves up. */
static int drop_leaf(struct flatview_trie_edit *edit,
                     struct flatview_trie_slot *slot, uint64_t key)
{
    struct flatview_trie_node *node = trie_node(slot);
    unsigned digit = trie_digit(key, trie_level(slot));
    unsigned index = trie_index(slot->bits, digit);
    unsigned used = trie_used(slot);

    if (used == 2) {
        *slot = node->slots[1 - index];
        supersede(edit, node);
        return 0;
    }
    node = own_node(edit, slot, 0);
    if (node == NULL) {
        return -ENOMEM;
    }
    memmove(&node->slots[index], &node->slots[index + 1],
            (used - index - 1) * sizeof(node->slots[0]));
    slot->bits &= ~((uint64_t)1 << digit);
    return 0;
}

static int remove_present(struct flatview_trie_edit *edit, uint64_t key)
{
    struct flatview_trie_slot *slot = &edit->trie.root;

    if (trie_level(slot) == 0) {
        *slot = (struct flatview_trie_slot){ 0, 0 };
        return 0;
    }
    while (slot != NULL && !leads_to_leaf(slot, key)) {
        slot = own_child(edit, slot, key);
    }
    return slot != NULL ? drop_leaf(edit, slot, key) : -ENOMEM;
}

int flatview__trie_remove(struct flatview_trie_edit *edit, uint64_t key)
{
    int err;

    if (!has_key(&edit->trie.root, key)) {
        return -ENOENT;
    }
    err = remove_present(edit, key);
    if (err == 0) {
        edit->trie.count--;
    }
    return err;
}

/* ---- The edit as a whole ----------------------------------------------- */

void flatview__trie_begin(struct flatview_trie_edit *edit,
                          struct xbar_engine *engine,
                          const struct flatview_trie *base)
{
    edit->engine = engine;
    edit->trie = *base;
    edit->trie.generation++;
    edit->superseded = NULL;
    edit->made = 0;
}

/* At most TRIE_LEVELS deep: levels decrease. */
static void free_own(struct flatview_trie_edit *edit,
                     const struct flatview_trie_slot *slot)
{
    struct flatview_trie_node *node = trie_node(slot);

    if (trie_level(slot) == 0 || !is_own(edit, node)) {
        return;
    }
    for (unsigned i = 0; i < trie_used(slot); i++) {
        free_own(edit, &node->slots[i]);
    }
    flatview__trie_node_free(edit->engine, &node->retired);
}

void flatview__trie_cancel(struct flatview_trie_edit *edit)
{
    free_own(edit, &edit->trie.root);
    edit->trie.root = (struct flatview_trie_slot){ 0, 0 };
    edit->superseded = NULL;
}

struct xbar_retired *flatview__trie_commit(struct flatview_trie_edit *edit,
                                           struct flatview_trie *trie)
{
    struct xbar_retired *superseded = edit->superseded;

    xbar_assert_slow(flatview__trie_is_valid(&edit->trie));
    *trie = edit->trie;
    edit->superseded = NULL;
    return superseded;
}

static void collect_slot(const struct flatview_trie_slot *slot,
                         struct xbar_retired **list)
{
    struct flatview_trie_node *node = trie_node(slot);

    if (trie_level(slot) == 0) {
        return;
    }
    for (unsigned i = 0; i < trie_used(slot); i++) {
        collect_slot(&node->slots[i], list);
    }
    node->retired.next = *list;
    *list = &node->retired;
}

struct xbar_retired *flatview__trie_collect(const struct flatview_trie *trie)
{
    struct xbar_retired *list = NULL;

    collect_slot(&trie->root, &list);
    return list;
}
