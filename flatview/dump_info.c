/* SPDX-License-Identifier: MIT */
/* All address spaces of an engine, in the form of `info mtree`. */
#include <inttypes.h>
#include <string.h>

#include "flatview/dump_internal.h"
#include "flatview/listener_internal.h"

/* ---- Address spaces of one root ---------------------------------------- */

/* Did an earlier one have the same root? */
static bool is_repeated(struct xbar_engine *engine,
                        const struct xbar_flatview_space *space)
{
    struct xbar_flatview_space *s = flatview__next_space(engine, NULL);

    while (s != space && s->as->root != space->as->root) {
        s = flatview__next_space(engine, s);
    }
    return s != space;
}

/* By name, and then by anything. */
static bool comes_after(const struct xbar_flatview_space *a,
                        const struct xbar_flatview_space *b)
{
    int order = strcmp(a->as->name, b->as->name);

    return order > 0 || (order == 0 && (uintptr_t)a > (uintptr_t)b);
}

/* The one of @root that comes next after @previous (NULL: the first). */
static struct xbar_flatview_space *
next_name(struct xbar_engine *engine, const MemoryRegion *root,
          const struct xbar_flatview_space *previous)
{
    struct xbar_flatview_space *best = NULL;
    struct xbar_flatview_space *s = NULL;

    while ((s = flatview__next_space(engine, s)) != NULL) {
        if (s->as->root == root &&
            (previous == NULL || comes_after(s, previous)) &&
            (best == NULL || comes_after(best, s))) {
            best = s;
        }
    }
    return best;
}

/* ---- Trees ------------------------------------------------------------- */

static int print_root(struct dump *dump, MemoryRegion *root)
{
    struct xbar_flatview_space *s = NULL;
    int err;

    while ((s = next_name(dump->engine, root, s)) != NULL) {
        fprintf(dump->out, "address-space: %s\n", s->as->name);
    }
    err = dump__tree(dump, root, 0, 1);
    fputc('\n', dump->out);
    return err;
}

static int print_trees(struct dump *dump)
{
    struct xbar_flatview_space *s = NULL;
    int err = 0;

    while (err == 0 && (s = flatview__next_space(dump->engine, s)) != NULL) {
        if (!is_repeated(dump->engine, s)) {
            err = print_root(dump, s->as->root);
        }
    }
    return err == 0 ? dump__targets(dump) : err;
}

/* ---- Views ------------------------------------------------------------- */

static void print_ranges(const struct dump *dump, const FlatView *view)
{
    const FlatRange *range = flatview_next_range(view, 0);

    if (range == NULL) {
        fputs("  No rendered FlatView\n", dump->out);
    }
    for (; range != NULL; range = flatview__after(view, range)) {
        dump__range(dump->out, range, dump->flags);
    }
}

static const char *section_mark(const FlatRange *range)
{
    if (range->flags & FLAT_RANGE_READONLY) {
        return " [ROM]";
    }
    return range->flags & FLAT_RANGE_RAM ? "" : " [MMIO]";
}

static void print_dispatch(FILE *out, const FlatView *view)
{
    const FlatRange *range = flatview_next_range(view, 0);
    unsigned i = 0;

    fputs("  Dispatch\n    Physical sections\n", out);
    for (; range != NULL; range = flatview__after(view, range)) {
        fprintf(out, "      #%u @%016" PRIx64 "..%016" PRIx64 " %s%s\n", i++,
                range->first, range->last, memory_region_name(range->mr),
                section_mark(range));
    }
    fprintf(out, "    Radix trie: %" PRIu64 " keys in %" PRIu64 " bytes\n",
            view->trie.count, flatview__trie_bytes(&view->trie));
}

static void print_names(const struct dump *dump, MemoryRegion *root)
{
    struct xbar_flatview_space *s = NULL;
    struct xbar_region_info info;

    xbar_region_inspect(root, &info);
    while ((s = next_name(dump->engine, root, s)) != NULL) {
        fprintf(dump->out, " AS \"%s\", root: %s", s->as->name,
                memory_region_name(root));
        if (info.alias != NULL) {
            fprintf(dump->out, ", alias %s", memory_region_name(info.alias));
        }
        fputc('\n', dump->out);
    }
    fprintf(dump->out, " Root memory region: %s\n",
            memory_region_name(info.alias != NULL ? info.alias : root));
}

static void print_views(struct dump *dump)
{
    struct xbar_flatview_space *s = NULL;
    unsigned number = 0;

    while ((s = flatview__next_space(dump->engine, s)) != NULL) {
        const FlatView *view = flatview__current(s->as);

        if (is_repeated(dump->engine, s)) {
            continue;
        }
        fprintf(dump->out, "FlatView #%u\n", number++);
        print_names(dump, s->as->root);
        print_ranges(dump, view);
        if (dump->flags & XBAR_MTREE_DISPATCH) {
            print_dispatch(dump->out, view);
        }
        fputc('\n', dump->out);
    }
}

int xbar_mtree_info(struct xbar_engine *engine, FILE *out, unsigned flags)
{
    struct dump dump;
    int err = 0;

    dump__begin(&dump, engine, out, flags);
    if (flags & XBAR_MTREE_FLAT) {
        print_views(&dump);
    } else {
        err = print_trees(&dump);
    }
    return dump__end(&dump, err);
}
