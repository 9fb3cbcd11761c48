/* SPDX-License-Identifier: MIT */
/**
 * Text of a tree and of a view, for people.
 */
#ifndef XBAR_FLATVIEW_DUMP_H
#define XBAR_FLATVIEW_DUMP_H

#include <stdio.h>

#include "address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * xbar_mtree_print() - the region tree of @as, in the form of `info mtree`
 *
 * Two blanks a level; children by address, then by priority; each aliased
 * region once, below. What ends beyond 2^64 says so. Rows M-15, M-100. Return:
 * 0; -ENOMEM; -EIO if @out failed.
 */
XBAR_API int xbar_mtree_print(AddressSpace *as, FILE *out);

/** xbar_flatview_print() - the view of @as: one line a section; row M-101 */
XBAR_API int xbar_flatview_print(AddressSpace *as, FILE *out);

/** What xbar_mtree_info() shows; the letters are those of `info mtree`. */
enum xbar_mtree_flags {
    XBAR_MTREE_FLAT = 1 << 0,     /* -f: views, instead of trees */
    XBAR_MTREE_DISPATCH = 1 << 1, /* -d: how each view is looked up */
    XBAR_MTREE_OWNER = 1 << 2,    /* -o: owners, which are opaque: addresses */
    XBAR_MTREE_DISABLED = 1 << 3, /* -D: disabled regions, too */
};

/**
 * xbar_mtree_info() - all address spaces of @engine, as `info mtree` has them
 * @flags: of enum xbar_mtree_flags
 *
 * Address spaces with the same root are one tree, or one view, under all their
 * names in alphabetical order. Aliased regions follow once, after all trees.
 *
 * Rows M-100 to M-102. Return: 0; -ENOMEM; -EIO if @out failed.
 */
XBAR_API int xbar_mtree_info(struct xbar_engine *engine, FILE *out,
                             unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
