/* SPDX-License-Identifier: MIT */
/* What the listings of `mtree` share. */
#ifndef XBAR_MTREE_WALK_H
#define XBAR_MTREE_WALK_H

#include <xbar/xbar.h>

/* mtree_hold() / mtree_release() - keep the tree of @as still */
void mtree_hold(AddressSpace *as);
void mtree_release(AddressSpace *as);

/* mtree_kind() - "container", "ram", "rom", "io" or "alias" */
const char *mtree_kind(const struct xbar_region_info *info);

/* mtree_format() - "0x80000000"; 2^64 has 17 digits */
void mtree_format(char *buf, size_t size, Int128 value);

/*
 * mtree_for_each_range() - call @visit for each section of the current view
 *
 * Inside one read section. Return: 0, or what @visit returned to stop.
 */
int mtree_for_each_range(AddressSpace *as,
                         int (*visit)(void *opaque, const FlatRange *range),
                         void *opaque);

#endif
