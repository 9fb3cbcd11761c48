/* SPDX-License-Identifier: MIT */
/* Changing the index of sub-regions; looking at it is interval_query.c. */
#include "engine/interval.h"

#include <errno.h>
#include <string.h>

#include "engine/interval_internal.h"

hwaddr interval__end(const MemoryRegion *node)
{
    return end_at(node, node->addr);
}

/* ---- Nodes ------------------------------------------------------------- */

/* In whole cache lines. */
static size_t node_bytes(unsigned level)
{
    size_t bytes = sizeof(struct xbar_interval_node) +
                   (level ? NODE_KEYS * sizeof(uint64_t) : 0);

    return (bytes + NODE_LINE - 1) / NODE_LINE * NODE_LINE;
}

static struct xbar_interval_node *new_node(MemoryRegion *container,
                                           unsigned level)
{
    struct xbar_interval_node *node =
        xbar_alloc_lines(container->engine, node_bytes(level));

    if (node) {
        memset(node, 0, node_bytes(level));
        node->level = (uint8_t)level;
        node->ends_ascend = true;
        node->container = container;
        memset(node->addr, 0xff, sizeof(node->addr));
    }
    return node;
}

static void free_node(struct xbar_interval_node *node)
{
    xbar_free_lines(node->container->engine, node, node_bytes(node->level));
}

/* ---- Searching --------------------------------------------------------- */

/* How many keys of @node are at or below this one. */
static unsigned count_keys(const struct xbar_interval_node *node, hwaddr addr,
                           uint64_t sequence)
{
    unsigned n = count_upto(node, addr);

    while (n && node->addr[n - 1] == addr &&
           sequence_at(node, n - 1) > sequence) {
        n--;
    }
    return n;
}

/* The way to a key, by level: the child that was taken; in the leaf, how many
 * keys are at or below this one. */
struct place {
    struct xbar_interval_node *node;
    unsigned index;
};

static void find_place(const MemoryRegion *container, hwaddr addr,
                       uint64_t sequence, struct place *path)
{
    struct xbar_interval_node *node = container->children;
    unsigned n = count_keys(node, addr, sequence);

    while (node->level) {
        struct place *place = &path[node->level];

        place->node = node;
        place->index = n ? n - 1 : 0;
        node = node->child[place->index];
        fetch(node);
        n = count_keys(node, addr, sequence);
    }
    path[0] = (struct place){ node, n };
}

/* ---- What is said of a node above it ----------------------------------- */

/* @mr came to lie below @path, from @addr to @end. */
static void raise(struct place *path, const MemoryRegion *mr, hwaddr addr,
                  hwaddr end)
{
    struct xbar_interval_node *node = path[0].node;

    node->height = mr->height > node->height ? mr->height : node->height;
    while (node->parent) {
        const unsigned i = path[node->level + 1].index;
        const uint16_t height = node->height;

        node = node->parent;
        node->heights[i] = height;
        node->height = height > node->height ? height : node->height;
        if (end > node->last[i]) {
            node->last[i] = end;
            node->ends_ascend = do_ends_ascend(node);
        }
        if (i == 0 && is_before(addr, mr->sequence, node, 0)) {
            node->addr[0] = addr;
            node->sequence[0] = mr->sequence;
        }
    }
}

/* Sum up anew, from the leaf upwards, as far as anything changes. */
static void sum_up(struct place *path)
{
    struct xbar_interval_node *node = path[0].node;

    node->height = greatest_height(node);
    while (node->parent) {
        const unsigned i = path[node->level + 1].index;
        const hwaddr end = greatest_end(node);
        const uint16_t height = node->height;

        node = node->parent;
        if (node->last[i] == end && node->heights[i] == height) {
            return;
        }
        node->last[i] = end;
        node->ends_ascend = do_ends_ascend(node);
        node->heights[i] = height;
        node->height = greatest_height(node);
    }
}

/* ---- Inserting --------------------------------------------------------- */

/* Make room at @index of @node, which is not full. */
static void open_gap(struct xbar_interval_node *node, unsigned index)
{
    size_t n = node->count++ - index;

    memmove(&node->addr[index + 1], &node->addr[index], n * sizeof(hwaddr));
    memmove(&node->last[index + 1], &node->last[index], n * sizeof(hwaddr));
    memmove(&node->mr[index + 1], &node->mr[index], n * sizeof(node->mr[0]));
    memmove(&node->heights[index + 1], &node->heights[index],
            n * sizeof(node->heights[0]));
    if (node->level) {
        memmove(&node->sequence[index + 1], &node->sequence[index],
                n * sizeof(uint64_t));
    }
}

static void close_gap(struct xbar_interval_node *node, unsigned index)
{
    size_t n = --node->count - index;

    memmove(&node->addr[index], &node->addr[index + 1], n * sizeof(hwaddr));
    memmove(&node->last[index], &node->last[index + 1], n * sizeof(hwaddr));
    memmove(&node->mr[index], &node->mr[index + 1], n * sizeof(node->mr[0]));
    memmove(&node->heights[index], &node->heights[index + 1],
            n * sizeof(node->heights[0]));
    if (node->level) {
        memmove(&node->sequence[index], &node->sequence[index + 1],
                n * sizeof(uint64_t));
    }
    node->addr[node->count] = NO_KEY;
}

/*
 * Where a full node is split: in the middle; or, if it is the last one below
 * @above and something is added at its end, there, or the first and at its
 * beginning, so that what is built upwards or downwards, as boards are, leaves
 * full nodes behind. (Only then: what comes down to a full node from above is
 * added at its end each time.) Above leaves, the child that is split goes along.
 */
static unsigned split_at(const struct place *here, const struct place *above)
{
    const struct xbar_interval_node *node = here->node;
    const unsigned end = node->level ? node->count - 1u : node->count;

    if (here->index == end && above->index + 1u == above->node->count) {
        return end;
    }
    if (here->index == 0 && above->index == 0) {
        return node->level ? 1 : 0;
    }
    return node->count / 2;
}

/* From @from on, to the empty node @to. */
static void move_tail(struct xbar_interval_node *node, unsigned from,
                      struct xbar_interval_node *to)
{
    size_t n = node->count - from;

    memcpy(to->addr, &node->addr[from], n * sizeof(hwaddr));
    memcpy(to->last, &node->last[from], n * sizeof(hwaddr));
    memcpy(to->mr, &node->mr[from], n * sizeof(node->mr[0]));
    memcpy(to->heights, &node->heights[from], n * sizeof(node->heights[0]));
    memset(&node->addr[from], 0xff, n * sizeof(hwaddr));
    if (node->level) {
        memcpy(to->sequence, &node->sequence[from], n * sizeof(uint64_t));
        for (unsigned i = 0; i < n; i++) {
            to->child[i]->parent = to;
        }
    }
    to->count = (uint16_t)n;
    node->count = (uint16_t)from;
    to->height = greatest_height(to);
    to->ends_ascend = do_ends_ascend(to);
    node->height = greatest_height(node);
    node->ends_ascend = do_ends_ascend(node);
}

/* What a split of all that is full on @path takes: new nodes by level, and a
 * new root above them if that is split, too. */
struct spares {
    struct xbar_interval_node *node[MAX_LEVELS + 1];
    unsigned count;
};

static void free_spares(struct spares *spares)
{
    while (spares->count) {
        free_node(spares->node[--spares->count]);
    }
}

static bool is_full(const struct xbar_interval_node *node)
{
    return node->count == NODE_KEYS;
}

static int take_spares(MemoryRegion *container, const struct place *path,
                       struct spares *spares)
{
    const struct xbar_interval_node *node = path[0].node;
    unsigned levels = 0;

    for (; node && is_full(node); node = node->parent) {
        levels++;
    }
    levels += !node; /* the root is split */
    xbar_assert(levels <= MAX_LEVELS);
    spares->count = 0;
    while (spares->count < levels) {
        struct xbar_interval_node *spare = new_node(container, spares->count);

        if (!spare) {
            free_spares(spares);
            return -ENOMEM;
        }
        spares->node[spares->count++] = spare;
    }
    return 0;
}

/* @top, new, becomes the root above the one that there is. */
static void grow_root(MemoryRegion *container, struct place *path,
                      struct xbar_interval_node *top)
{
    struct xbar_interval_node *root = container->children;

    top->addr[0] = root->addr[0];
    top->sequence[0] = sequence_at(root, 0);
    top->last[0] = greatest_end(root);
    top->heights[0] = root->height;
    top->height = root->height;
    top->child[0] = root;
    top->count = 1;
    top->ends_ascend = true;
    root->parent = top;
    container->children = top;
    path[top->level] = (struct place){ top, 0 };
}

/* Does what is added at @here, or its child there, go to the right of a split
 * before @half? Not a key that is less than the first one there. */
static bool goes_right(const struct place *here, unsigned half)
{
    return here->node->level || half == NODE_KEYS ? here->index >= half
                                                  : here->index > half;
}

/*
 * Split the full node of @level on @path; the node above has room. @path then
 * leads to that half of it which the key goes to: @addr and @sequence.
 */
static void split(struct place *path, unsigned level,
                  struct xbar_interval_node *right, hwaddr addr,
                  uint64_t sequence)
{
    struct place *here = &path[level];
    struct place *above = &path[level + 1];
    struct xbar_interval_node *parent = above->node;
    const unsigned half = split_at(here, above);
    const unsigned index = above->index + 1;

    move_tail(here->node, half, right);
    right->parent = parent;
    open_gap(parent, index);
    parent->child[index] = right;
    parent->addr[index] = right->count ? right->addr[0] : addr;
    parent->sequence[index] = right->count ? sequence_at(right, 0) : sequence;
    parent->last[index] = greatest_end(right);
    parent->heights[index] = right->height;
    parent->last[above->index] = greatest_end(here->node);
    parent->heights[above->index] = here->node->height;
    parent->ends_ascend = do_ends_ascend(parent);
    if (goes_right(here, half)) {
        *here = (struct place){ right, here->index - half };
        above->index = index;
    }
}

/* Make room in the leaf of @path. */
static int make_room(MemoryRegion *container, struct place *path, hwaddr addr,
                     uint64_t sequence)
{
    const unsigned root_level = container->children->level;
    struct spares spares;
    unsigned full;

    if (take_spares(container, path, &spares)) {
        return -ENOMEM;
    }
    full = spares.count;
    if (full > root_level + 1) {
        grow_root(container, path, spares.node[--full]);
    }
    while (full-- > 0) {
        split(path, full, spares.node[full], addr, sequence);
    }
    return 0;
}

/* Where the region at @index of @leaf lies. */
static inline void set_place(struct xbar_interval_node *leaf, unsigned index,
                             hwaddr addr, hwaddr end)
{
    leaf->addr[index] = addr;
    leaf->last[index] = end;
    if ((index > 0 && leaf->last[index - 1] > end) ||
        (index + 1u < leaf->count && leaf->last[index + 1] < end)) {
        leaf->ends_ascend = false;
    }
}

static int insert_at(MemoryRegion *container, MemoryRegion *mr, hwaddr addr)
{
    struct place path[MAX_LEVELS + 1];
    struct xbar_interval_node *leaf;

    if (!container->children) {
        container->children = new_node(container, 0);
        if (!container->children) {
            return -ENOMEM;
        }
    }
    find_place(container, addr, mr->sequence, path);
    if (is_full(path[0].node) &&
        make_room(container, path, addr, mr->sequence)) {
        return -ENOMEM;
    }
    leaf = path[0].node;
    open_gap(leaf, path[0].index);
    leaf->mr[path[0].index] = mr;
    leaf->heights[path[0].index] = mr->height;
    set_place(leaf, path[0].index, addr, end_at(mr, addr));
    raise(path, mr, addr, end_at(mr, addr));
    container->child_count++;
    return 0;
}

/* ---- Removing ---------------------------------------------------------- */

static void note_empty(struct xbar_interval_node *leaf)
{
    struct xbar_engine *engine = leaf->container->engine;

    if (!leaf->is_listed) {
        leaf->is_listed = true;
        leaf->next_empty = engine->empty_intervals;
        engine->empty_intervals = leaf;
    }
}

/* The way to @mr, which is there. */
static void find(const MemoryRegion *container, const MemoryRegion *mr,
                 hwaddr addr, struct place *path)
{
    xbar_assert(container->children != NULL);
    find_place(container, addr, mr->sequence, path);
    path[0].index--;
    xbar_assert(path[0].index < NODE_KEYS &&
                path[0].node->mr[path[0].index] == mr);
}

static void remove_at(MemoryRegion *container, const MemoryRegion *mr,
                      hwaddr addr)
{
    struct place path[MAX_LEVELS + 1];
    struct xbar_interval_node *leaf;

    find(container, mr, addr, path);
    leaf = path[0].node;
    close_gap(leaf, path[0].index);
    leaf->ends_ascend = leaf->ends_ascend || do_ends_ascend(leaf);
    container->child_count--;
    if ((mr->height && mr->height == leaf->height) ||
        (leaf->parent &&
         path[1].node->last[path[1].index] == end_at(mr, addr))) {
        sum_up(path);
    }
    if (!leaf->count) {
        note_empty(leaf);
    }
}

/* Take the empty @node out of the node above, and that if it then is empty. */
static void drop_empty(struct xbar_interval_node *node)
{
    struct xbar_interval_node *parent = node->parent;
    unsigned i = 0;

    while (parent) {
        for (i = 0; parent->child[i] != node; i++) {
        }
        close_gap(parent, i);
        free_node(node);
        if (parent->count) {
            return;
        }
        node = parent;
        parent = node->parent;
    }
    node->container->children = NULL;
    free_node(node);
}

/* A root with one child is none. */
static void lower_root(MemoryRegion *container)
{
    struct xbar_interval_node *root;

    while ((root = container->children) != NULL && root->level &&
           root->count == 1) {
        container->children = root->child[0];
        container->children->parent = NULL;
        free_node(root);
    }
}

/* ---- The interface ----------------------------------------------------- */

int interval__insert(MemoryRegion *container, MemoryRegion *node)
{
    return insert_at(container, node, node->addr);
}

void interval__remove(MemoryRegion *container, MemoryRegion *node)
{
    remove_at(container, node, node->addr);
}

/*
 * Does the key at @place still lie between its neighbours if its address becomes
 * @addr? Where it has none in its leaf, the node above says from and up to where
 * keys go there: not below where this one is, and not above.
 */
static bool stays(const struct place *place, hwaddr addr, uint64_t sequence)
{
    const struct xbar_interval_node *leaf = place->node;
    const unsigned i = place->index;
    const hwaddr old = leaf->addr[i];

    return (i > 0 ? !is_before(addr, sequence, leaf, i - 1)
                  : !leaf->parent || addr > old) &&
           (i + 1u < leaf->count ? is_before(addr, sequence, leaf, i + 1)
                                 : !leaf->parent || addr < old);
}

/* @mr, which is at @path, comes to lie at @addr, where it stays. */
static void move_within(struct place *path, const MemoryRegion *mr, hwaddr addr)
{
    struct xbar_interval_node *leaf = path[0].node;
    const hwaddr old_end = leaf->last[path[0].index];
    const hwaddr end = end_at(mr, addr);
    hwaddr greatest;

    set_place(leaf, path[0].index, addr, end);
    if (leaf->parent) {
        greatest = path[1].node->last[path[1].index];
        if (old_end == greatest || end > greatest) {
            sum_up(path);
        }
    }
}

/* In this order: what may fail is first, and an undo, which does it the other
 * way round, finds the room that the old place leaves last. */
int interval__move(MemoryRegion *container, MemoryRegion *node, hwaddr addr)
{
    struct place path[MAX_LEVELS + 1];
    int rc;

    find(container, node, node->addr, path);
    if (stays(&path[0], addr, node->sequence)) {
        move_within(path, node, addr);
        node->addr = addr;
        return 0;
    }
    rc = insert_at(container, node, addr);
    if (!rc) {
        remove_at(container, node, node->addr);
        node->addr = addr;
    }
    return rc;
}

void interval__refresh(MemoryRegion *container, const MemoryRegion *node)
{
    struct place path[MAX_LEVELS + 1];
    struct xbar_interval_node *leaf;

    find(container, node, node->addr, path);
    leaf = path[0].node;
    leaf->last[path[0].index] = interval__end(node);
    leaf->heights[path[0].index] = node->height;
    leaf->ends_ascend = do_ends_ascend(leaf);
    sum_up(path);
}

void interval__sweep(struct xbar_engine *engine)
{
    while (engine->empty_intervals) {
        struct xbar_interval_node *leaf = engine->empty_intervals;
        MemoryRegion *container = leaf->container;

        engine->empty_intervals = leaf->next_empty;
        leaf->is_listed = false;
        if (!leaf->count) {
            drop_empty(leaf);
            lower_root(container);
        }
    }
}
