/* SPDX-License-Identifier: MIT */
#include "engine/interval.h"

#include <errno.h>
#include <string.h>

#include "engine/check.h"
#include "engine/engine_internal.h"

/* Two cache lines of addresses: a node of a leaf is seven, of others nine. */
#define NODE_KEYS 16

/* Root and leaf included. One more takes eight times as many insertions. */
#define MAX_LEVELS 20

struct xbar_interval_node {
    uint16_t count;  /* of what follows; 0 until it is swept */
    uint16_t height; /* the greatest of the regions below */
    uint8_t level;   /* 0: a leaf */
    bool is_listed;  /* among the empty ones */
    struct xbar_interval_node *parent; /* NULL: @container has it */
    MemoryRegion *container;
    struct xbar_interval_node *next_empty;

    /* in order; beyond @count, NO_KEY */
    hwaddr addr[NODE_KEYS];
    hwaddr last[NODE_KEYS];
    union {
        MemoryRegion *mr[NODE_KEYS];
        struct xbar_interval_node *child[NODE_KEYS];
    };
    uint64_t sequence[]; /* [NODE_KEYS], not in leaves: regions have it */
};

#define NO_KEY UINT64_MAX /* as an address: searching takes it for greater */

#define NODE_LINE 64

static_assert(XBAR_FEW_CHILDREN >= NODE_KEYS, "a leaf is stored unseen");
static_assert(sizeof(struct xbar_interval_node) <= 7 * NODE_LINE,
              "a million regions take 28 MB of leaves");

/* The last address of @mr if it lies at @addr. */
static hwaddr end_at(const MemoryRegion *mr, hwaddr addr)
{
    return mr->last > UINT64_MAX - addr ? UINT64_MAX : addr + mr->last;
}

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
        xbar_alloc_aligned(container->engine, node_bytes(level), NODE_LINE);

    if (node) {
        node->level = (uint8_t)level;
        node->container = container;
        memset(node->addr, 0xff, sizeof(node->addr));
    }
    return node;
}

static void free_node(struct xbar_interval_node *node)
{
    xbar_free(node->container->engine, node, node_bytes(node->level));
}

static uint64_t sequence_at(const struct xbar_interval_node *node, unsigned i)
{
    return node->level ? node->sequence[i] : node->mr[i]->sequence;
}

/* ---- Searching --------------------------------------------------------- */

/* How many addresses of @node are at or below @addr. No branch to guess. */
static unsigned count_upto(const struct xbar_interval_node *node, hwaddr addr)
{
    unsigned n = 0;

    for (unsigned half = NODE_KEYS / 2; half; half /= 2) {
        n += node->addr[n + half - 1] <= addr ? half : 0;
    }
    n += node->addr[n] <= addr;
    return n < node->count ? n : node->count; /* @addr may be NO_KEY */
}

/* The same of keys. */
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

/* @child is about to be looked at: have its lines come at the same time. */
static void fetch(const struct xbar_interval_node *child)
{
    for (size_t at = 0; at < sizeof(*child); at += NODE_LINE) {
        __builtin_prefetch((const char *)child + at);
    }
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

static hwaddr greatest_end(const struct xbar_interval_node *node)
{
    hwaddr end = 0;

    for (unsigned i = 0; i < node->count; i++) {
        end = node->last[i] > end ? node->last[i] : end;
    }
    return end;
}

static unsigned height_at(const struct xbar_interval_node *node, unsigned i)
{
    return node->level ? node->child[i]->height : node->mr[i]->height;
}

static unsigned greatest_height(const struct xbar_interval_node *node)
{
    unsigned height = 0;

    for (unsigned i = 0; i < node->count; i++) {
        height = height_at(node, i) > height ? height_at(node, i) : height;
    }
    return height;
}

static bool is_before(hwaddr addr, uint64_t sequence,
                      const struct xbar_interval_node *node, unsigned i)
{
    return addr < node->addr[i] ||
           (addr == node->addr[i] && sequence < sequence_at(node, i));
}

/* @mr came to lie below @path, from @addr to @end. */
static void raise(struct place *path, const MemoryRegion *mr, hwaddr addr,
                  hwaddr end)
{
    struct xbar_interval_node *node = path[0].node;

    node->height = mr->height > node->height ? mr->height : node->height;
    while (node->parent) {
        const unsigned i = path[node->level + 1].index;

        node = node->parent;
        node->height = mr->height > node->height ? mr->height : node->height;
        node->last[i] = end > node->last[i] ? end : node->last[i];
        if (i == 0 && is_before(addr, mr->sequence, node, 0)) {
            node->addr[0] = addr;
            node->sequence[0] = mr->sequence;
        }
    }
}

/* Sum up anew, from the leaf upwards, as far as anything changes. */
static void sum_up(struct place *path, bool has_height)
{
    struct xbar_interval_node *node = path[0].node;
    bool changes = true;

    if (has_height) {
        node->height = (uint16_t)greatest_height(node);
    }
    for (; node->parent && changes; node = node->parent) {
        struct place *above = &path[node->level + 1];
        hwaddr end = greatest_end(node);

        changes = above->node->last[above->index] != end || has_height;
        above->node->last[above->index] = end;
        if (has_height) {
            above->node->height = (uint16_t)greatest_height(above->node);
        }
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
    if (node->level) {
        memmove(&node->sequence[index], &node->sequence[index + 1],
                n * sizeof(uint64_t));
    }
    node->addr[node->count] = NO_KEY;
}

/*
 * Where a full node is split: in the middle, or, if something is to be added at
 * its end, there, so that what is built upwards, as boards are, leaves full
 * nodes behind. Above leaves, the child that is split goes along.
 */
static unsigned split_at(const struct place *here)
{
    const struct xbar_interval_node *node = here->node;
    unsigned end = node->level ? node->count - 1u : node->count;

    return here->index == end ? end : node->count / 2;
}

/* From @from on, to the empty node @to. */
static void move_tail(struct xbar_interval_node *node, unsigned from,
                      struct xbar_interval_node *to)
{
    size_t n = node->count - from;

    memcpy(to->addr, &node->addr[from], n * sizeof(hwaddr));
    memcpy(to->last, &node->last[from], n * sizeof(hwaddr));
    memcpy(to->mr, &node->mr[from], n * sizeof(node->mr[0]));
    memset(&node->addr[from], 0xff, n * sizeof(hwaddr));
    if (node->level) {
        memcpy(to->sequence, &node->sequence[from], n * sizeof(uint64_t));
        for (unsigned i = 0; i < n; i++) {
            to->child[i]->parent = to;
        }
    }
    to->count = (uint16_t)n;
    node->count = (uint16_t)from;
    to->height = (uint16_t)greatest_height(to);
    node->height = (uint16_t)greatest_height(node);
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
    top->height = root->height;
    top->child[0] = root;
    top->count = 1;
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
    const unsigned half = split_at(here);
    const unsigned index = above->index + 1;

    move_tail(here->node, half, right);
    right->parent = parent;
    open_gap(parent, index);
    parent->child[index] = right;
    parent->addr[index] = right->count ? right->addr[0] : addr;
    parent->sequence[index] = right->count ? sequence_at(right, 0) : sequence;
    parent->last[index] = greatest_end(right);
    parent->last[above->index] = greatest_end(here->node);
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
    leaf->addr[path[0].index] = addr;
    leaf->last[path[0].index] = end_at(mr, addr);
    leaf->mr[path[0].index] = mr;
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
    bool has_height;

    find(container, mr, addr, path);
    leaf = path[0].node;
    close_gap(leaf, path[0].index);
    container->child_count--;
    has_height = mr->height && mr->height == leaf->height;
    if (has_height || (leaf->parent &&
                       path[1].node->last[path[1].index] == end_at(mr, addr))) {
        sum_up(path, has_height);
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

static void sweep_listed(struct xbar_engine *engine)
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

/* ---- The interface ----------------------------------------------------- */

int interval__insert(MemoryRegion *container, MemoryRegion *node)
{
    return insert_at(container, node, node->addr);
}

void interval__remove(MemoryRegion *container, MemoryRegion *node)
{
    remove_at(container, node, node->addr);
}

/* In this order: what may fail is first, and an undo, which does it the other
 * way round, finds the room that the old place leaves last. */
int interval__move(MemoryRegion *container, MemoryRegion *node, hwaddr addr)
{
    int rc = insert_at(container, node, addr);

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
    sum_up(path, node->height || leaf->height);
}

unsigned interval__height(const MemoryRegion *container)
{
    return container->children ? container->children->height : 0;
}

/* To the right in a loop, and down in calls: MAX_LEVELS of them. */
static int visit_below(const struct xbar_interval_node *node, hwaddr first,
                       hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque)
{
    const unsigned n = count_upto(node, last);
    int rc = 0;

    for (unsigned i = 0; i < n && !rc; i++) {
        if (node->last[i] < first) {
            continue;
        }
        if (node->level) {
            fetch(node->child[i]);
            rc = visit_below(node->child[i], first, last, visit, opaque);
        } else {
            rc = visit(opaque, node->mr[i]);
        }
    }
    return rc;
}

int interval__overlaps(const MemoryRegion *container, hwaddr first, hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque)
{
    return container->children
               ? visit_below(container->children, first, last, visit, opaque)
               : 0;
}

/* Which overlap is not to be guessed: no branch asks for it. */
static size_t few_in_leaf(const struct xbar_interval_node *leaf, hwaddr first,
                          hwaddr last, MemoryRegion **few, size_t count)
{
    const size_t n =
        leaf->count > NODE_KEYS / 4 ? count_upto(leaf, last) : leaf->count;

    for (size_t i = 0; i < n; i++) {
        few[count] = leaf->mr[i];
        count += (size_t)(leaf->addr[i] <= last) & (leaf->last[i] >= first);
    }
    return count;
}

static size_t few_below(const struct xbar_interval_node *node, hwaddr first,
                        hwaddr last, MemoryRegion **few, size_t count,
                        size_t room)
{
    const unsigned n = count_upto(node, last);

    for (unsigned i = 0; i < n; i++) {
        const struct xbar_interval_node *child = node->child[i];

        if (node->last[i] < first) {
            continue;
        }
        fetch(child);
        if (child->level) {
            count = few_below(child, first, last, few, count, room);
        } else if (count + NODE_KEYS <= room) {
            count = few_in_leaf(child, first, last, few, count);
        } else {
            count = room + 1;
        }
        if (count > room) {
            break;
        }
    }
    return count;
}

size_t interval__few(const MemoryRegion *container, hwaddr first, hwaddr last,
                     MemoryRegion **few, size_t room)
{
    const struct xbar_interval_node *root = container->children;

    if (!root) {
        return 0;
    }
    return root->level ? few_below(root, first, last, few, 0, room)
                       : few_in_leaf(root, first, last, few, 0);
}

static int note_region(void *opaque, MemoryRegion *mr)
{
    *(MemoryRegion **)opaque = mr;
    return 1;
}

/* Nodes that are empty say that they end at 0: ask for those last. */
MemoryRegion *interval__any(const MemoryRegion *container)
{
    MemoryRegion *mr = NULL;

    if (!interval__overlaps(container, 1, UINT64_MAX, note_region, &mr)) {
        (void)interval__overlaps(container, 0, 0, note_region, &mr);
    }
    return mr;
}

void interval__sweep(struct xbar_engine *engine)
{
    if (unlikely(engine->empty_intervals != NULL)) {
        sweep_listed(engine);
    }
}

/* ---- Checking ---------------------------------------------------------- */

/* Are the keys of @node in order, and what a leaf says of its regions right? */
static bool are_keys_valid(const struct xbar_interval_node *node)
{
    for (unsigned i = 0; i < NODE_KEYS; i++) {
        const MemoryRegion *mr = node->mr[i];

        if (i >= node->count
                ? node->addr[i] != NO_KEY
                : i && is_before(node->addr[i], sequence_at(node, i), node,
                                 i - 1)) {
            return false;
        }
        if (i < node->count && !node->level &&
            (node->addr[i] != mr->addr || node->last[i] != interval__end(mr))) {
            return false;
        }
    }
    return node->height == greatest_height(node) &&
           (node->count || node->is_listed);
}

/* Is no key of @parent's child @i below what @parent says, or of the next? */
static bool is_child_in_range(const struct xbar_interval_node *parent,
                              unsigned i)
{
    const struct xbar_interval_node *child = parent->child[i];

    if (!child->count) {
        return child->level == 0;
    }
    return !is_before(child->addr[0], sequence_at(child, 0), parent, i) &&
           (i + 1 == parent->count ||
            is_before(child->addr[child->count - 1],
                      sequence_at(child, child->count - 1), parent, i + 1));
}

static bool is_node_valid(const struct xbar_interval_node *node)
{
    bool is_valid = are_keys_valid(node);

    for (unsigned i = 0; node->level && i < node->count && is_valid; i++) {
        const struct xbar_interval_node *child = node->child[i];

        is_valid = child->parent == node && child->level == node->level - 1 &&
                   child->container == node->container &&
                   node->last[i] == greatest_end(child) &&
                   is_child_in_range(node, i) && is_node_valid(child);
    }
    return is_valid;
}

bool interval__is_valid(const MemoryRegion *container)
{
    const struct xbar_interval_node *root = container->children;

    return !root || (!root->parent && root->container == container &&
                     is_node_valid(root));
}
