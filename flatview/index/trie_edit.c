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
 * Where a node lies, in bits of the key, is found as keys come. It is made with
 * its digit right above what its two keys differ in; when a key comes that
 * differs above the digit, but not far, and the lowest bits of the digit are of
 * no use, the node is raised:
 *
 *     bit of the key      21 20 19 18 17 16 15 14 13 12
 *     0x10000, 0x30000                x  x
 *     shift 12                       |<---- digit ---->|   bits 12 to 15 are
 *     and then 0x240000    x        x                      equal in all three
 *     shift 16            |<---- digit ---->|
 *
 * Copying a node changes nothing that a lookup can see, and each change
 * proper allocates before it stores. So a call that runs out of memory leaves
 * the edit with the keys it had.
 */
#include "flatview/index/trie.h"

#include <errno.h>
#include <string.h>

/* ---- Nodes ------------------------------------------------------------- */

#define SLOT_BYTES sizeof(struct flatview_trie_slot)
#define COPY_LINES 5 /* up to which a node is copied line by line */

static size_t node_size(uint64_t capacity)
{
    return sizeof(struct flatview_trie_node) + capacity * SLOT_BYTES;
}

/* As many slots as fill the cache lines that @slots take. */
static uint64_t fill_lines(uint64_t slots)
{
    size_t bytes = (node_size(slots) + TRIE_NODE_ALIGN - 1) & ~TRIE_LINK_MASK;

    return (bytes - node_size(0)) / SLOT_BYTES;
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
    xbar_free_lines(engine, node_of(node), flatview__trie_node_bytes(node));
}

/* What is made for @slots slots, but for the slots. */
static struct flatview_trie_node *new_node(struct flatview_trie_edit *edit,
                                           uint64_t prefix, uint64_t slots)
{
    const uint64_t capacity = fill_lines(slots);
    struct flatview_trie_node *node =
        xbar_alloc_lines(edit->engine, node_size(capacity));

    if (likely(node != NULL)) {
        node->prefix = prefix;
        node->newest = 0;
        node->generation = edit->trie.generation;
        node->capacity = capacity;
        edit->newest = (uintptr_t)node | node_size(capacity) / TRIE_NODE_ALIGN;
        edit->made++;
    }
    return node;
}

/*
 * @used slots of @from to @to. Nodes are whole lines, and so are copied, slots
 * behind the last one included: a few moves a line, where to copy any length
 * takes a call or a count. Only of many lines a call is less, as it has wider
 * registers; to memmove(), of which no compiler makes one slow instruction. The
 * first line has the node's own fields.
 */
static inline void copy_slots(struct flatview_trie_node *to,
                              const struct flatview_trie_node *from,
                              unsigned used)
{
    const size_t bytes = node_size(used);
    const char *source = (const char *)from;
    char *target = (char *)to;

    memcpy(to->slots, from->slots, TRIE_NODE_ALIGN - node_size(0));
    if (bytes > COPY_LINES * TRIE_NODE_ALIGN) {
        memmove(target + TRIE_NODE_ALIGN, source + TRIE_NODE_ALIGN,
                bytes - TRIE_NODE_ALIGN);
        return;
    }
    for (size_t at = TRIE_NODE_ALIGN; at < bytes; at += TRIE_NODE_ALIGN) {
        memcpy(target + at, source + at, TRIE_NODE_ALIGN);
    }
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
        /* Readers of the base still look at what was its newest node. */
        __atomic_store_n(&node->retired.next, edit->superseded,
                         __ATOMIC_RELAXED);
        edit->superseded = &node->retired;
        edit->superseded_bytes += node_size(node->capacity);
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

static uintptr_t link_to(const struct flatview_trie_node *node, unsigned shift)
{
    return (uintptr_t)node | shift;
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
    if (likely(copy != NULL)) {
        copy_slots(copy, node, used);
        slot->link = link_to(copy, trie_shift(slot));
        supersede(edit, node);
    }
    return copy;
}

/* ---- Putting ----------------------------------------------------------- */

static uint64_t slot_prefix(const struct flatview_trie_slot *slot)
{
    return trie_is_leaf(slot) ? slot->bits : trie_node(slot)->prefix;
}

/* @key's bits from @shift up. */
static uint64_t prefix_of(uint64_t key, unsigned shift)
{
    return key >> shift << shift;
}

/*
 * The highest bit in which @key differs from what all keys behind @slot share;
 * -1 if there is none.
 */
static int fork_bit(const struct flatview_trie_slot *slot, uint64_t key)
{
    uint64_t differ = slot_prefix(slot) ^ key;

    if (!trie_is_leaf(slot) && trie_above(differ, trie_shift(slot)) == 0) {
        return -1;
    }
    return differ != 0 ? 63 - __builtin_clzll(differ) : -1;
}

/* Where to put a node that is to part @slot from a key that differs in @bit:
 * with little above the bit, but above what is behind @slot. */
static unsigned shift_for(const struct flatview_trie_slot *slot, unsigned bit)
{
    unsigned highest = bit < 4 ? 0 : (bit - 4) & ~1u;
    unsigned above =
        trie_is_leaf(slot) ? 0 : trie_shift(slot) + TRIE_DIGIT_BITS;

    return highest > above ? highest : above;
}

/* @slot and a new leaf become the two children of a new node. */
static int fork_slot(struct flatview_trie_edit *edit,
                     struct flatview_trie_slot *slot, unsigned bit,
                     const struct flatview_trie_slot *leaf)
{
    unsigned shift = shift_for(slot, bit);
    unsigned old_digit = trie_digit(slot_prefix(slot), shift);
    unsigned new_digit = trie_digit(leaf->bits, shift);
    struct flatview_trie_node *node =
        new_node(edit, prefix_of(leaf->bits, shift), 2);

    if (node == NULL) {
        return -ENOMEM;
    }
    node->slots[old_digit > new_digit] = *slot;
    node->slots[old_digit < new_digit] = *leaf;
    slot->bits = (uint64_t)1 << old_digit | (uint64_t)1 << new_digit;
    slot->link = link_to(node, shift);
    edit->trie.count++;
    return 0;
}

/*
 * By how much the node behind @slot is raised so that its digit has @bit, which
 * is above it; 0 if it cannot: its digits differ in bits that would be lost.
 */
static unsigned raise_by(const struct flatview_trie_slot *slot, unsigned bit)
{
    /* Digits that are multiples of 4, and of 16. */
    static const uint64_t multiples[] = { 0x1111111111111111,
                                          0x0001000100010001 };
    const unsigned lowest = (unsigned)__builtin_ctzll(slot->bits);
    const unsigned top = trie_shift(slot) + TRIE_DIGIT_BITS - 1;

    for (unsigned i = 0; i < 2; i++) {
        unsigned by = 2 * (i + 1);
        unsigned lost = lowest & ((1u << by) - 1);

        if (((slot->bits >> lost) & ~multiples[i]) != 0) {
            return 0;
        }
        if (top + by >= bit) {
            return by;
        }
    }
    return 0;
}

/* Its children stay what they are, and in order; their digits change. */
static int raise_node(struct flatview_trie_edit *edit,
                      struct flatview_trie_slot *slot, unsigned by)
{
    struct flatview_trie_node *node = own_node(edit, slot, 1);
    const unsigned shift = trie_shift(slot) + by;
    uint64_t bits = 0;

    if (node == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < trie_used(slot); i++) {
        bits |= (uint64_t)1 << trie_digit(slot_prefix(&node->slots[i]), shift);
    }
    node->prefix = prefix_of(node->prefix, shift);
    slot->bits = bits;
    slot->link = link_to(node, shift);
    return 0;
}

/* Give the node behind @slot one child more. */
static int add_leaf(struct flatview_trie_edit *edit,
                    struct flatview_trie_slot *slot,
                    const struct flatview_trie_slot *leaf)
{
    unsigned digit = trie_digit(leaf->bits, trie_shift(slot));
    unsigned index = trie_index(slot->bits, digit);
    unsigned used = trie_used(slot);
    struct flatview_trie_node *node = own_node(edit, slot, 1);

    if (node == NULL) {
        return -ENOMEM;
    }
    memmove(&node->slots[index + 1], &node->slots[index],
            (used - index) * SLOT_BYTES);
    node->slots[index] = *leaf;
    slot->bits |= (uint64_t)1 << digit;
    edit->trie.count++;
    return 0;
}

/* @leaf's key differs in @bit from what all behind @slot share. */
static int add_beside(struct flatview_trie_edit *edit,
                      struct flatview_trie_slot *slot, unsigned bit,
                      const struct flatview_trie_slot *leaf)
{
    unsigned by = trie_is_leaf(slot) ? 0 : raise_by(slot, bit);
    int err;

    if (by == 0) {
        return fork_slot(edit, slot, bit, leaf);
    }
    err = raise_node(edit, slot, by);
    return err != 0 ? err : add_leaf(edit, slot, leaf);
}

/* One step of the way down: the child of @slot that @key goes to. */
static struct flatview_trie_slot *own_child(struct flatview_trie_edit *edit,
                                            struct flatview_trie_slot *slot,
                                            uint64_t key)
{
    struct flatview_trie_node *node = own_node(edit, slot, 0);
    unsigned digit = trie_digit(key, trie_shift(slot));

    return node != NULL ? &node->slots[trie_index(slot->bits, digit)] : NULL;
}

static bool has_digit(const struct flatview_trie_slot *slot, uint64_t key)
{
    return slot->bits >> trie_digit(key, trie_shift(slot)) & 1;
}

int flatview__trie_put(struct flatview_trie_edit *edit, uint64_t key,
                       void *value)
{
    const struct flatview_trie_slot leaf = { key,
                                             (uintptr_t)value | TRIE_LEAF };
    struct flatview_trie_slot *slot = &edit->trie.root;

    xbar_assert(value != NULL && ((uintptr_t)value & TRIE_LEAF) == 0);
    if (slot->link == 0) {
        *slot = leaf;
        edit->trie.count = 1;
        return 0;
    }
    while (slot != NULL) {
        int bit = fork_bit(slot, key);

        if (bit >= 0) {
            return add_beside(edit, slot, (unsigned)bit, &leaf);
        }
        if (trie_is_leaf(slot)) {
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

/* Take the leaf at @index out of the node behind @slot; a single child that
 * is left moves up. */
static int drop_leaf(struct flatview_trie_edit *edit,
                     struct flatview_trie_slot *slot, unsigned index,
                     unsigned digit)
{
    struct flatview_trie_node *node = trie_node(slot);
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
            (used - index - 1) * SLOT_BYTES);
    slot->bits &= ~((uint64_t)1 << digit);
    return 0;
}

/* Nodes on the way become the edit's own, also if @key turns out missing. */
static int remove_below(struct flatview_trie_edit *edit,
                        struct flatview_trie_slot *slot, uint64_t key)
{
    for (;;) {
        const unsigned digit = trie_digit(key, trie_shift(slot));
        const unsigned index = trie_index(slot->bits, digit);
        const struct flatview_trie_slot *child = &trie_node(slot)->slots[index];

        if ((slot->bits >> digit & 1) == 0) {
            return -ENOENT;
        }
        if (trie_is_leaf(child)) {
            return child->bits == key ? drop_leaf(edit, slot, index, digit)
                                      : -ENOENT;
        }
        slot = own_child(edit, slot, key);
        if (slot == NULL) {
            return -ENOMEM;
        }
    }
}

int flatview__trie_remove(struct flatview_trie_edit *edit, uint64_t key)
{
    struct flatview_trie_slot *root = &edit->trie.root;
    int err = -ENOENT;

    if (root->link != 0 && !trie_is_leaf(root)) {
        err = remove_below(edit, root, key);
    } else if (root->link != 0 && root->bits == key) {
        *root = (struct flatview_trie_slot){ 0, 0 };
        err = 0;
    }
    edit->trie.count -= err == 0;
    return err;
}

/* ---- Moving ------------------------------------------------------------ */

/*
 * Where both keys have led the same way down to the leaf, that is all there is to
 * change: what is in between them, and in the nodes above, stays.
 */
int flatview__trie_move(struct flatview_trie_edit *edit, uint64_t from,
                        uint64_t key, void *value)
{
    struct flatview_trie_slot *slot = &edit->trie.root;
    int err;

    while (slot->link != 0 && !trie_is_leaf(slot)) {
        const unsigned shift = trie_shift(slot);

        if (trie_digit(from, shift) != trie_digit(key, shift) ||
            !trie_prefix_matches(trie_node(slot), shift, key) ||
            !has_digit(slot, key)) {
            break;
        }
        slot = own_child(edit, slot, key);
        if (slot == NULL) {
            return -ENOMEM;
        }
    }
    if (trie_is_leaf(slot) && slot->bits == from) {
        slot->bits = key;
        slot->link = (uintptr_t)value | TRIE_LEAF;
        return 0;
    }
    err = flatview__trie_remove(edit, from);
    return err != 0 ? err : flatview__trie_put(edit, key, value);
}

/* ---- The edit as a whole ----------------------------------------------- */

void flatview__trie_begin(struct flatview_trie_edit *edit,
                          struct xbar_engine *engine,
                          const struct flatview_trie *base)
{
    edit->engine = engine;
    edit->trie = *base;
    edit->trie.generation++;
    edit->newest = 0;
    edit->superseded = NULL;
    edit->superseded_bytes = 0;
    edit->made = 0;
}

/* At most TRIE_LEVELS deep: shifts fall. */
static void free_own(struct flatview_trie_edit *edit,
                     const struct flatview_trie_slot *slot)
{
    struct flatview_trie_node *node = trie_node(slot);

    if (node == NULL || trie_is_leaf(slot) || !is_own(edit, node)) {
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

/*
 * Word by word, and so that compilers leave it so: a load of two words waits for
 * their stores, and for all before those, to leave the store buffer; there are
 * the nodes that were just written.
 */
static inline void copy_trie(struct flatview_trie *to,
                             const struct flatview_trie *from)
{
    uint64_t bits = from->root.bits;
    uint64_t count = from->count;

    __asm__("" : "+r"(bits), "+r"(count));
    to->root.bits = bits;
    to->root.link = from->root.link;
    to->count = count;
    to->generation = from->generation;
}

static_assert((sizeof(struct flatview_trie_node) +
               (SLOT_BYTES << TRIE_DIGIT_BITS)) /
                      TRIE_NODE_ALIGN <=
                  TRIE_LINK_MASK,
              "how many lines a node takes is in the low bits of its address");

/* Before readers see it. A root that was made before has what it had. */
static void note_newest(const struct flatview_trie_edit *edit)
{
    struct flatview_trie_node *root = trie_node(&edit->trie.root);

    if (root != NULL && !trie_is_leaf(&edit->trie.root) && is_own(edit, root)) {
        root->newest = edit->newest;
    }
}

struct xbar_retired *flatview__trie_commit(struct flatview_trie_edit *edit,
                                           struct flatview_trie *trie)
{
    struct xbar_retired *superseded = edit->superseded;

    xbar_assert_slow(flatview__trie_is_valid(&edit->trie));
    copy_trie(trie, &edit->trie);
    note_newest(edit);
    edit->superseded = NULL;
    return superseded;
}

static void collect_slot(const struct flatview_trie_slot *slot,
                         struct xbar_retired **list)
{
    struct flatview_trie_node *node = trie_node(slot);

    if (node == NULL || trie_is_leaf(slot)) {
        return;
    }
    for (unsigned i = 0; i < trie_used(slot); i++) {
        collect_slot(&node->slots[i], list);
    }
    __atomic_store_n(&node->retired.next, *list, __ATOMIC_RELAXED);
    *list = &node->retired;
}

struct xbar_retired *flatview__trie_collect(const struct flatview_trie *trie)
{
    struct xbar_retired *list = NULL;

    collect_slot(&trie->root, &list);
    return list;
}
