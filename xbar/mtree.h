/* SPDX-License-Identifier: MIT */
/* The `mtree` command: what the board's address space is made of. */
#ifndef XBAR_MTREE_H
#define XBAR_MTREE_H

#include <xbar/xbar.h>

#include "options.h"

/* mtree_command() - print; returns 0, or negative with @errp set */
int mtree_command(const struct options *options, Error **errp) XBAR_MUST_CHECK;

/*
 * mtree_print_json() / mtree_print_dot() - the tree and the flat view of @as
 *
 * Return: 0; -ENOMEM; -EIO if @out failed.
 */
int mtree_print_json(AddressSpace *as, FILE *out) XBAR_MUST_CHECK;
int mtree_print_dot(AddressSpace *as, FILE *out) XBAR_MUST_CHECK;

#endif
