/* SPDX-License-Identifier: MIT */
/*
 * Where in address spaces regions may be seen, at the cost of the way up from
 * them: for news that concern a region, and not the tree.
 *
 *     if (xbar_where_begin(engine)) {
 *         err = xbar_where_add(mr, 0, UINT64_MAX) ...;
 *         err = xbar_where_carry(engine);
 *         ... xbar_where_of(root, &windows) ...
 *         xbar_where_end(engine);
 *     }
 *
 * Under the writer lock, without anything in between that edits the tree.
 */
#ifndef XBAR_ENGINE_WHERE_H
#define XBAR_ENGINE_WHERE_H

#include "engine/commit.h"

/* False: edits wait for their commit, so the tree is not what views show. */
bool xbar_where_begin(struct xbar_engine *engine);

/* @first to @last of @mr; then, when all are added, to the roots. -ENOMEM: end
 * it. */
int xbar_where_add(MemoryRegion *mr, hwaddr first, hwaddr last) XBAR_MUST_CHECK;
int xbar_where_carry(struct xbar_engine *engine) XBAR_MUST_CHECK;

/*
 * In the address spaces of @root nothing of them is seen elsewhere: sorted,
 * disjoint, not touching; good until the end. Return: how many.
 */
size_t xbar_where_of(const MemoryRegion *root,
                     const struct xbar_window **windows);

void xbar_where_end(struct xbar_engine *engine);

#endif
