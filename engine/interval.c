/* SPDX-License-Identifier: MIT */
#include "engine/interval.h"

#include "engine/check.h"
#include "engine/engine_internal.h"

hwaddr interval__end(const MemoryRegion *node)
{
    return node->last > UINT64_MAX - node->addr ? UINT64_MAX
                                                : node->addr + node->last;
}

/*
 * Both children are about to be looked at, and are elsewhere in memory: have
 * them come at the same time, with what is read of them.
 */
static void fetch(const MemoryRegion *node)
{
    if (node) {
        __builtin_prefetch(&node->last);
        __builtin_prefetch(&node->subtree_last);
    }
}

static void fetch_children(const MemoryRegion *node)
{
    fetch(node->left);
    fetch(node->right);
}

static bool is_before(const MemoryRegion *a, const MemoryRegion *b)
{
    return a->addr < b->addr ||
           (a->addr == b->addr && a->sequence < b->sequence);
}

/* Something with this end and this height is below @node. */
static void raise(MemoryRegion *node, hwaddr end, uint16_t height)
{
    if (end > node->subtree_last) {
        node->subtree_last = end;
    }
    if (height > node->subtree_height) {
        node->subtree_height = height;
    }
}

/* Fold a child's aggregates into its parent's. */
static void gather(MemoryRegion *node, const MemoryRegion *child)
{
    if (child) {
        raise(node, child->subtree_last, child->subtree_height);
    }
}

static void update(MemoryRegion *node)
{
    node->subtree_last = interval__end(node);
    node->subtree_height = node->height;
    gather(node, node->left);
    gather(node, node->right);
}

/* Cut @root into what lies before @key and what lies after it. */
static void split(MemoryRegion *root, const MemoryRegion *key,
                  MemoryRegion **before, MemoryRegion **after)
{
    if (!root) {
        *before = NULL;
        *after = NULL;
        return;
    }
    if (is_before(root, key)) {
        *before = root;
        split(root->right, key, &root->right, after);
    } else {
        *after = root;
        split(root->left, key, before, &root->left);
    }
    update(root);
}

/* Join two treaps, all of @a before all of @b. */
static MemoryRegion *merge(MemoryRegion *a, MemoryRegion *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (a->heap_key > b->heap_key) {
        a->right = merge(a->right, b);
        update(a);
        return a;
    }
    b->left = merge(a, b->left);
    update(b);
    return b;
}

void interval__insert(MemoryRegion **root, MemoryRegion *node)
{
    MemoryRegion *top = *root;

    if (!top || node->heap_key > top->heap_key) {
        split(top, node, &node->left, &node->right);
        update(node);
        *root = node;
        return;
    }
    fetch_children(top);
    interval__insert(is_before(node, top) ? &top->left : &top->right, node);
    raise(top, interval__end(node), node->height);
}

/*
 * May @top's aggregates fall when @node goes? A height of 0 is never the only
 * one. Most often they stay, and the other child need not be looked at.
 */
static bool rests_on(const MemoryRegion *top, const MemoryRegion *node)
{
    return top->subtree_last == interval__end(node) ||
           (node->height && top->subtree_height == node->height);
}

void interval__remove(MemoryRegion **root, MemoryRegion *node)
{
    MemoryRegion *top = *root;

    xbar_assert(top != NULL);
    fetch_children(top);
    if (top == node) {
        *root = merge(node->left, node->right);
        node->left = NULL;
        node->right = NULL;
        return;
    }
    interval__remove(is_before(node, top) ? &top->left : &top->right, node);
    if (rests_on(top, node)) {
        update(top);
    }
}

void interval__refresh(MemoryRegion *root, const MemoryRegion *node)
{
    xbar_assert(root != NULL);
    if (root != node) {
        interval__refresh(is_before(node, root) ? root->left : root->right,
                          node);
    }
    update(root);
}

/* To the right in a loop: the call is made where something lies to the left. */
int interval__overlaps(MemoryRegion *root, hwaddr first, hwaddr last,
                       int (*visit)(void *opaque, MemoryRegion *node),
                       void *opaque)
{
    int rc = 0;

    while (root && root->subtree_last >= first) {
        MemoryRegion *left = root->left;

        fetch_children(root);
        if (left && left->subtree_last >= first) {
            rc = interval__overlaps(left, first, last, visit, opaque);
        }
        if (rc || root->addr > last) {
            break;
        }
        if (interval__end(root) >= first) {
            rc = visit(opaque, root);
            if (rc) {
                break;
            }
        }
        root = root->right;
    }
    return rc;
}

/* A copy of @node's aggregates, made afresh, must equal the stored ones. */
static bool is_node_valid(const MemoryRegion *node)
{
    MemoryRegion copy = *node;

    update(&copy);
    return copy.subtree_last == node->subtree_last &&
           copy.subtree_height == node->subtree_height &&
           (!node->left || (is_before(node->left, node) &&
                            node->left->heap_key <= node->heap_key)) &&
           (!node->right || (is_before(node, node->right) &&
                             node->right->heap_key <= node->heap_key));
}

bool interval__is_valid(const MemoryRegion *root)
{
    return !root || (is_node_valid(root) && interval__is_valid(root->left) &&
                     interval__is_valid(root->right));
}
