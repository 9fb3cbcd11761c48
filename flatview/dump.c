/* SPDX-License-Identifier: MIT */
/*
 * Text for people. The tree is held while it is printed, so what is shown is
 * one state of it; nesting is bounded (XBAR_TREE_MAX_DEPTH), so walks recurse.
 */
#include "flatview/dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tree.h"
#include "flatview/dump_internal.h"

/* A sub-region in the order of printing. */
struct child {
    MemoryRegion *mr;
    hwaddr addr;
    size_t decode_order;
};

/* ---- Targets of aliases ------------------------------------------------ */

static int add_target(struct dump *dump, MemoryRegion *mr)
{
    static const struct xbar_region_list empty;
    uint64_t before = dump->seen.trie.count;
    struct xbar_region_list *list = &dump->targets;
    int err = flatview__trie_put(&dump->seen, (uintptr_t)mr,
                                 (void *)&flatview__unassigned);

    if (err != 0 || dump->seen.trie.count == before) {
        return err;
    }
    if (list->count == list->capacity) {
        struct xbar_region_list grown = empty;

        grown.capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        grown.count = list->count;
        grown.items =
            xbar_alloc(dump->engine, grown.capacity * sizeof(grown.items[0]));
        if (grown.items == NULL) {
            return -ENOMEM;
        }
        if (list->count != 0) {
            memcpy(grown.items, list->items,
                   list->count * sizeof(grown.items[0]));
        }
        xbar_free(dump->engine, list->items,
                  list->capacity * sizeof(list->items[0]));
        *list = grown;
    }
    list->items[list->count++] = mr;
    return 0;
}

/* ---- One line ---------------------------------------------------------- */

static const char *type_of(uint32_t flags)
{
    if (flags & XBAR_REGION_RAM_DEVICE) {
        return "ramd";
    }
    if (flags & XBAR_REGION_ROMD) {
        return "romd";
    }
    if (flags & XBAR_REGION_RAM) {
        return flags & XBAR_REGION_READONLY ? "rom" : "ram";
    }
    return "i/o";
}

/* first-last; a size of 0 is shown as one byte and marked, as is what does
 * not fit below 2^64. */
static void print_span(FILE *out, Int128 first, Int128 size)
{
    Int128 last = size == 0 ? first : first + size - 1;

    fprintf(out, "%016" PRIx64 "-%016" PRIx64, (uint64_t)first, (uint64_t)last);
}

static void print_owner(FILE *out, const MemoryRegion *mr, unsigned flags)
{
    const void *owner = memory_region_owner((MemoryRegion *)mr);

    if ((flags & XBAR_MTREE_OWNER) && owner != NULL) {
        fprintf(out, " owner:{%p}", owner);
    }
}

static void print_marks(const struct dump *dump, const MemoryRegion *mr,
                        const struct xbar_region_info *info, Int128 first)
{
    FILE *out = dump->out;

    print_owner(out, mr, dump->flags);
    if (info->size == 0) {
        fputs(" [empty]", out);
    }
    if (first + info->size > (Int128)UINT64_MAX + 1) {
        fputs(" [overflow]", out);
    }
    if ((info->flags & XBAR_REGION_ENABLED) == 0) {
        fputs(" [disabled]", out);
    }
    fputc('\n', out);
}

static void print_line(const struct dump *dump, const MemoryRegion *mr,
                       const struct xbar_region_info *info, Int128 first,
                       unsigned level)
{
    FILE *out = dump->out;

    fprintf(out, "%*s", 2 * (int)level, "");
    print_span(out, first, info->size);
    fprintf(out, " (prio %" PRId32 ", %s%s): ", info->priority,
            info->flags & XBAR_REGION_NONVOLATILE ? "nv-" : "",
            type_of(info->flags));
    if (info->alias != NULL) {
        fprintf(out, "alias %s @%s ", memory_region_name(mr),
                memory_region_name(info->alias));
        print_span(out, info->alias_offset, info->size);
    } else {
        fputs(memory_region_name(mr), out);
    }
    print_marks(dump, mr, info, first);
}

/* ---- The tree ---------------------------------------------------------- */

static int compare_children(const void *a, const void *b)
{
    const struct child *left = a;
    const struct child *right = b;

    if (left->addr != right->addr) {
        return left->addr < right->addr ? -1 : 1;
    }
    return left->decode_order < right->decode_order ? -1 : 1;
}

static void sort_children(const struct xbar_region_list *list,
                          struct child *children)
{
    for (size_t i = 0; i < list->count; i++) {
        struct xbar_region_info info;

        xbar_region_inspect(list->items[i], &info);
        children[i] = (struct child){ list->items[i], info.addr, i };
    }
    qsort(children, list->count, sizeof(children[0]), compare_children);
}

/* By address, then in decode order. @count of them, to be freed. */
static int get_children(struct dump *dump, const MemoryRegion *mr,
                        struct child **children, size_t *count)
{
    struct xbar_region_list list = { NULL, 0, 0 };
    int err = xbar_region_children(mr, 0, UINT64_MAX, &list);

    *children = NULL;
    *count = list.count;
    if (err == 0 && list.count != 0) {
        *children = xbar_alloc(dump->engine, list.count * sizeof(**children));
        err = *children == NULL ? -ENOMEM : 0;
    }
    if (*children != NULL) {
        sort_children(&list, *children);
    }
    xbar_region_list_free(mr, &list);
    return err;
}

int dump__tree(struct dump *dump, MemoryRegion *mr, Int128 base, unsigned level)
{
    struct xbar_region_info info;
    struct child *children;
    size_t count;
    int err;

    xbar_region_inspect(mr, &info);
    if (!(info.flags & XBAR_REGION_ENABLED) &&
        !(dump->flags & XBAR_MTREE_DISABLED)) {
        return 0;
    }
    print_line(dump, mr, &info, base + info.addr, level);
    if (info.alias != NULL) {
        return add_target(dump, info.alias);
    }
    err = get_children(dump, mr, &children, &count);
    for (size_t i = 0; err == 0 && i < count; i++) {
        err = dump__tree(dump, children[i].mr, base + info.addr, level + 1);
    }
    xbar_free(dump->engine, children, count * sizeof(*children));
    return err;
}

/* Targets may hold aliases themselves: the list grows on the way. */
int dump__targets(struct dump *dump)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < dump->targets.count; i++) {
        MemoryRegion *mr = dump->targets.items[i];

        fprintf(dump->out, "\nmemory-region: %s\n", memory_region_name(mr));
        err = dump__tree(dump, mr, 0, 1);
    }
    return err;
}

void dump__begin(struct dump *dump, struct xbar_engine *engine, FILE *out,
                 unsigned flags)
{
    static const struct flatview_trie empty;

    *dump = (struct dump){ .out = out, .engine = engine, .flags = flags };
    xbar_tree_hold(engine);
    flatview__trie_begin(&dump->seen, engine, &empty);
}

int dump__end(struct dump *dump, int err)
{
    flatview__trie_cancel(&dump->seen);
    xbar_free(dump->engine, dump->targets.items,
              dump->targets.capacity * sizeof(dump->targets.items[0]));
    xbar_tree_release(dump->engine);
    return err == 0 && ferror(dump->out) ? -EIO : err;
}

int xbar_mtree_print(AddressSpace *as, FILE *out)
{
    struct dump dump;
    int err;

    dump__begin(&dump, xbar_address_space_engine(as), out, XBAR_MTREE_DISABLED);
    fprintf(out, "address-space: %s\n", as->name);
    err = dump__tree(&dump, as->root, 0, 1);
    if (err == 0) {
        err = dump__targets(&dump);
    }
    return dump__end(&dump, err);
}

/* ---- The flat view ----------------------------------------------------- */

static const char *range_type(const FlatRange *range)
{
    if ((range->flags & FLAT_RANGE_RAM) == 0) {
        return "i/o";
    }
    if (range->flags & FLAT_RANGE_WRITABLE) {
        return "ram";
    }
    return range->flags & FLAT_RANGE_READONLY ? "rom" : "romd";
}

void dump__range(FILE *out, const FlatRange *range, unsigned flags)
{
    uint64_t offset = range->first + range->mr_delta;
    struct xbar_region_info info;

    xbar_region_inspect(range->mr, &info);
    fprintf(out, "  %016" PRIx64 "-%016" PRIx64 " (prio %" PRId32 ", %s%s): %s",
            range->first, range->last, info.priority,
            range->flags & FLAT_RANGE_NONVOLATILE ? "nv-" : "",
            range_type(range), memory_region_name(range->mr));
    if (offset != 0) {
        fprintf(out, " @%016" PRIx64, offset);
    }
    print_owner(out, range->mr, flags);
    fputc('\n', out);
}

int xbar_flatview_print(AddressSpace *as, FILE *out)
{
    struct xbar_engine *engine = xbar_address_space_engine(as);
    const FlatView *view;
    const FlatRange *range;

    xbar_tree_hold(engine);
    xbar_rcu_read_lock();
    view = flatview__current(as);
    fprintf(out, "FlatView of %s, root %s, sections: %" PRIu64 "\n", as->name,
            memory_region_name(as->root), flatview_num_ranges(view));
    range = flatview__trie_next(&view->trie, 0);
    while (range != NULL) {
        dump__range(out, range, 0);
        range = range->last == UINT64_MAX
                    ? NULL
                    : flatview__trie_next(&view->trie, range->last + 1);
    }
    xbar_rcu_read_unlock();
    xbar_tree_release(engine);
    return ferror(out) ? -EIO : 0;
}
