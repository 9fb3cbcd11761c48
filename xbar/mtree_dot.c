/* SPDX-License-Identifier: MIT */
/*
 * A graph for graphviz (`xbar mtree --dot | dot -Tsvg`):
 *
 *   container --> child (labelled with its address)
 *   alias - - -> what it shows
 *   section o--> the region that answers it
 */
#include <errno.h>
#include <inttypes.h>

#include "mtree.h"
#include "mtree_walk.h"

/* Names are free text: what would end a quoted string is escaped. */
static void print_quoted(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

/* A region's identity in the graph is its address in this process. */
static void print_id(FILE *out, const MemoryRegion *mr)
{
    fprintf(out, "r%" PRIxPTR, (uintptr_t)mr);
}

static const char *kind_style(const struct xbar_region_info *info)
{
    if (info->alias) {
        return "shape=box, style=dashed";
    }
    if (info->flags & XBAR_REGION_RAM) {
        return "shape=box, style=filled, fillcolor=\"#cfe8cf\"";
    }
    if (info->flags & XBAR_REGION_TERMINATES) {
        return "shape=box, style=filled, fillcolor=\"#cfdcf2\"";
    }
    return "shape=folder";
}

static void print_region(FILE *out, const MemoryRegion *mr,
                         const struct xbar_region_info *info)
{
    char size[40];

    mtree_format(size, sizeof(size), info->size);
    fputs("  ", out);
    print_id(out, mr);
    fprintf(out, " [%s, label=\"", kind_style(info));
    print_quoted(out, memory_region_name(mr));
    fprintf(out, "\\n%s, %s bytes\"];\n", mtree_kind(info), size);
    if (info->alias) {
        fputs("  ", out);
        print_id(out, mr);
        fputs(" -> ", out);
        print_id(out, info->alias);
        fprintf(out, " [style=dashed, label=\"+0x%" PRIx64 "\"];\n",
                info->alias_offset);
    }
}

static void print_edge(FILE *out, const MemoryRegion *parent,
                       const MemoryRegion *child)
{
    struct xbar_region_info info;

    xbar_region_inspect(child, &info);
    fputs("  ", out);
    print_id(out, parent);
    fputs(" -> ", out);
    print_id(out, child);
    fprintf(out, " [label=\"0x%" PRIx64 "\"];\n", info.addr);
}

static int print_tree(FILE *out, const MemoryRegion *mr)
{
    struct xbar_region_list list = { 0 };
    struct xbar_region_info info;
    int ret = xbar_region_children(mr, 0, UINT64_MAX, &list);

    xbar_region_inspect(mr, &info);
    print_region(out, mr, &info);
    for (size_t i = 0; ret == 0 && i < list.count; i++) {
        print_edge(out, mr, list.items[i]);
        ret = print_tree(out, list.items[i]);
    }
    xbar_region_list_free(mr, &list);
    return ret;
}

static int print_section(void *opaque, const FlatRange *range)
{
    FILE *out = opaque;

    fprintf(out,
            "  s%" PRIx64 " [shape=record, label=\"0x%" PRIx64 "|0x%" PRIx64
            "\"];\n  s%" PRIx64 " -> ",
            range->first, range->first, range->last, range->first);
    print_id(out, range->mr);
    fputs(" [arrowtail=odot, dir=both, color=gray];\n", out);
    return 0;
}

int mtree_print_dot(AddressSpace *as, FILE *out)
{
    int ret;

    fputs("digraph mtree {\n"
          "  rankdir=LR;\n"
          "  node [fontname=\"monospace\", fontsize=10];\n"
          "  edge [fontname=\"monospace\", fontsize=9];\n",
          out);
    mtree_hold(as);
    ret = print_tree(out, xbar_address_space_root(as));
    if (ret == 0) {
        ret = mtree_for_each_range(as, print_section, out);
    }
    mtree_release(as);
    fputs("}\n", out);
    return ret == 0 && ferror(out) ? -EIO : ret;
}
