/* SPDX-License-Identifier: MIT */
/* A region tree made of what a device tree blob describes. */
#ifndef XBAR_MTREE_DTB_H
#define XBAR_MTREE_DTB_H

#include <xbar/xbar.h>

struct mtree_dtb;

/*
 * mtree_dtb_load() - read the blob at @path
 *
 * Memory nodes become RAM, other nodes with addresses become reservations,
 * wherever the buses above them put those; a node whose status is not "okay"
 * is disabled. What no `ranges` lead to (I2C, CPUs, PCI) is left out.
 *
 * The regions' engine is entered on this thread until mtree_dtb_free().
 * Return: 0; -EINVAL or another -errno with @errp set.
 */
int mtree_dtb_load(const char *path, struct mtree_dtb **tree, Error **errp)
    XBAR_MUST_CHECK;

AddressSpace *mtree_dtb_memory(struct mtree_dtb *tree);

/* NULL is fine. */
void mtree_dtb_free(struct mtree_dtb *tree);

#endif
