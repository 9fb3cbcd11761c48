/* SPDX-License-Identifier: MIT */
/* What the dumps share. */
#ifndef XBAR_FLATVIEW_DUMP_INTERNAL_H
#define XBAR_FLATVIEW_DUMP_INTERNAL_H

#include <stdio.h>

#include "engine/tree.h"
#include "flatview/dump.h"
#include "flatview/flatview_internal.h"

struct dump {
    FILE *out;
    struct xbar_engine *engine;
    unsigned flags;                  /* enum xbar_mtree_flags */
    struct xbar_region_list targets; /* of aliases, in the order met */
    struct flatview_trie_edit seen;  /* the same, by address */
};

/* The tree stands still in between. end: @err, or -EIO. */
void dump__begin(struct dump *dump, struct xbar_engine *engine, FILE *out,
                 unsigned flags);
int dump__end(struct dump *dump, int err);

/* @mr and all below it; then, at the end, what aliases showed on the way. */
int dump__tree(struct dump *dump, MemoryRegion *mr, Int128 base,
               unsigned level);
int dump__targets(struct dump *dump);

/* One line. @flags: enum xbar_mtree_flags */
void dump__range(FILE *out, const FlatRange *range, unsigned flags);

#endif
