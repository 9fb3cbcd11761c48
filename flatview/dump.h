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
 * region once, below. Return: 0; -ENOMEM; -EIO if @out failed.
 */
XBAR_API int xbar_mtree_print(AddressSpace *as, FILE *out);

/** xbar_flatview_print() - the view of @as: one line a section */
XBAR_API int xbar_flatview_print(AddressSpace *as, FILE *out);

#ifdef __cplusplus
}
#endif

#endif
