/* SPDX-License-Identifier: MIT */
/* Looking at the index of sub-regions, and checking it. */
#include "engine/interval.h"

#include "engine/interval_internal.h"

unsigned interval__height(const MemoryRegion *container)
{
    return container->children ? container->children->height : 0;
}

/* The first child that a window from @first may touch, of @n. */
static unsigned first_child(const struct xbar_interval_node *node, unsigned n,
                            hwaddr first)
{
    while (node->ends_ascend && n > 0 && node->last[n - 1] >= first) {
        n--;
    }
    return node->ends_ascend ? n : 0;
}

/* Of the first @n, is it the last one that a window from @first touches? */
static inline bool is_last_only(const struct xbar_interval_node *node,
                                unsigned n, hwaddr first)
{
    return node->ends_ascend && n > 0 && node->last[n - 1] >= first &&
           (n == 1 || node->last[n - 2] < first);
}

/* To the right in a loop, and down in calls: MAX_LEVELS of them. */
static int visit_below(const struct xbar_interval_node *node, hwaddr first,
                       hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque)
{
    const unsigned n = count_upto(node, last);
    unsigned i = node->level ? first_child(node, n, first) : 0;
    int rc = 0;

    for (; i < n && !rc; i++) {
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

/* Which of them overlap, and where they begin to lie too high, is not to be
 * guessed: no branch asks for it. */
static size_t few_in_leaf(const struct xbar_interval_node *leaf, hwaddr first,
                          hwaddr last, MemoryRegion **few, size_t count)
{
    const size_t n = leaf->count;

    if (likely(leaf->ends_ascend)) {
        const size_t upto = count_upto(leaf, last);
        size_t i = upto;

        while (i > 0 && leaf->last[i - 1] >= first) {
            i--;
        }
        for (; i < upto; i++) {
            few[count++] = leaf->mr[i];
        }
        return count;
    }
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

    for (unsigned i = first_child(node, n, first); i < n; i++) {
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
    const struct xbar_interval_node *node = container->children;

    if (!node) {
        return 0;
    }
    while (node->level) {
        const unsigned n = count_upto(node, last);
        const unsigned i = first_child(node, n, first);

        if (i + 1 != n || node->last[i] < first) {
            return few_below(node, first, last, few, 0, room);
        }
        node = node->child[i]; /* most windows lie in one leaf */
        fetch(node);
    }
    return few_in_leaf(node, first, last, few, 0);
}

bool interval__is_alone(const MemoryRegion *container, const MemoryRegion *mr,
                        hwaddr first, hwaddr last)
{
    const struct xbar_interval_node *node = container->children;
    MemoryRegion *few[XBAR_FEW_CHILDREN];
    unsigned n = count_upto(node, last);

    while (node->level && is_last_only(node, n, first)) {
        node = node->child[n - 1];
        fetch(node);
        n = count_upto(node, last);
    }
    if (likely(!node->level && node->ends_ascend)) {
        return is_last_only(node, n, first) && node->mr[n - 1] == mr;
    }
    return interval__few(container, first, last, few, XBAR_FEW_CHILDREN) == 1 &&
           few[0] == mr;
}

/* Only what is above the leaf is waited for. */
void interval__fetch(const MemoryRegion *container, hwaddr addr)
{
    const struct xbar_interval_node *node = container->children;

    while (node && node->level) {
        const unsigned n = count_upto(node, addr);
        const bool is_last = node->level == 1;

        node = node->child[n ? n - 1 : 0];
        fetch(node);
        if (is_last) {
            break;
        }
    }
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
            (node->addr[i] != mr->addr || node->last[i] != interval__end(mr) ||
             node->heights[i] != mr->height)) {
            return false;
        }
    }
    return node->height == greatest_height(node) &&
           (!node->ends_ascend || do_ends_ascend(node)) &&
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
                   node->heights[i] == child->height &&
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
