/* SPDX-License-Identifier: MIT */
/* The device tree that a guest gets in a1: made here, or the user's. */
#ifndef XBAR_DEVICE_TREE_H
#define XBAR_DEVICE_TREE_H

#include <xbar/xbar.h>

/* What the tree says beyond the board's fixed parts. */
struct device_tree_values {
    uint64_t ram_size;
    const char *bootargs; /* NULL: none */
    hwaddr initrd_first;
    hwaddr initrd_end; /* 0: none */
};

/*
 * device_tree_make() - the board's own tree
 * @blob: gets it, to be freed by the caller
 *
 * Return: 0; -ENOMEM with @errp set.
 */
int device_tree_make(const struct device_tree_values *values, void **blob,
                     size_t *size, Error **errp) XBAR_MUST_CHECK;

/*
 * device_tree_adopt() - a tree in a file, with /chosen completed
 *
 * Return: 0; -errno with @errp naming the file and what is wrong with it.
 */
int device_tree_adopt(const char *path, const struct device_tree_values *values,
                      void **blob, size_t *size, Error **errp) XBAR_MUST_CHECK;

#endif
