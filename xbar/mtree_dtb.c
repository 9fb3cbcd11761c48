/* SPDX-License-Identifier: MIT */
/*
 * From a device tree blob to regions. The blob is somebody else's: its
 * structure is checked by libfdt before, all it says is checked here, and how
 * much it may say is bounded.
 */
#include "mtree_dtb.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define BLOB_MAX    ((size_t)16 << 20)
#define MAX_DEPTH   32
#define MAX_REGIONS 65536 /* entries of all `reg`s, shown or not */
#define MAX_RANGES  256   /* of a bus: each address is looked up in them */
#define MAX_CELLS   2     /* 64 bits; PCI has three, and is no memory map */
#define RAM_LIMIT   (UINT64_C(1) << 46) /* of the host's address space */

struct item {
    struct item *next;
    MemoryRegion mr;
};

struct mtree_dtb {
    struct xbar_engine *engine;
    bool has_root;
    bool has_memory;
    MemoryRegion root;
    AddressSpace memory;
    struct item *items;
};

/* What a node says of its children's addresses. */
struct bus {
    const struct bus *parent; /* NULL: the root */
    int address_cells;
    int size_cells;
    int parent_cells;      /* of addresses in the parent's `reg` */
    const fdt32_t *ranges; /* NULL: addresses are the parent's */
    int range_count;
};

struct loader {
    struct mtree_dtb *tree;
    const void *fdt;
    const char *path;
    Error **errp;
    unsigned entries; /* of `reg`s, so far */
};

/* What all regions of a node have in common. */
struct kind {
    char name[64];
    bool is_memory;
    bool is_enabled;
};

/* ---- Cells ------------------------------------------------------------- */

static uint64_t read_cells(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++) {
        value = value << 32 | fdt32_to_cpu(cells[i]);
    }
    return value;
}

static bool are_cells_usable(int count)
{
    return count >= 1 && count <= MAX_CELLS;
}

static int range_cells(const struct bus *bus)
{
    return bus->address_cells + bus->parent_cells + bus->size_cells;
}

/* From @bus's addresses to its parent's. False: no range has it. */
static bool step_up(const struct bus *bus, uint64_t *addr)
{
    const fdt32_t *cells = bus->ranges;

    for (int i = 0; i < bus->range_count; i++, cells += range_cells(bus)) {
        const fdt32_t *to = cells + bus->address_cells;
        uint64_t first = read_cells(cells, bus->address_cells);
        uint64_t size = read_cells(to + bus->parent_cells, bus->size_cells);

        if (*addr >= first && *addr - first < size) {
            *addr = *addr - first + read_cells(to, bus->parent_cells);
            return true;
        }
    }
    return bus->ranges == NULL;
}

static bool translate(const struct bus *bus, uint64_t *addr)
{
    for (; bus != NULL; bus = bus->parent) {
        if (!step_up(bus, addr)) {
            return false;
        }
    }
    return true;
}

/* ---- Regions ----------------------------------------------------------- */

/* A name is shown on a terminal, whatever the blob has in it. */
static void copy_name(char *to, size_t size, const char *from)
{
    size_t i = 0;

    for (; from[i] != '\0' && i + 1 < size; i++) {
        to[i] = isprint((unsigned char)from[i]) ? from[i] : '?';
    }
    to[i] = '\0';
}

static int init_item(struct loader *l, struct item *item,
                     const struct kind *kind, uint64_t size)
{
    int ret;

    if (!kind->is_memory) {
        ret = memory_region_init_io(&item->mr, NULL, NULL, NULL, kind->name,
                                    size);
        if (ret) {
            error_setg(l->errp, "%s: no memory for a region", l->path);
        }
        return ret;
    }
    if (size > RAM_LIMIT) {
        error_setg(l->errp, "%s: %s has more memory than can be shown", l->path,
                   kind->name);
        return -EINVAL;
    }
    return memory_region_init_ram_flags_nomigrate(&item->mr, NULL, kind->name,
                                                  size, RAM_NORESERVE, l->errp);
}

static int add_region(struct loader *l, const struct kind *kind, uint64_t addr,
                      uint64_t size)
{
    struct mtree_dtb *tree = l->tree;
    struct item *item = calloc(1, sizeof(*item));
    int ret;

    if (!item) {
        error_setg(l->errp, "%s: no memory for a region", l->path);
        return -ENOMEM;
    }
    ret = init_item(l, item, kind, size);
    if (ret) {
        free(item);
        return ret;
    }
    item->next = tree->items;
    tree->items = item;
    ret = memory_region_set_enabled(&item->mr, kind->is_enabled);
    return ret ? ret
               : memory_region_add_subregion(&tree->root, addr, &item->mr);
}

static bool has_value(const struct loader *l, int node, const char *property,
                      const char *value)
{
    int length;
    const char *text = fdt_getprop(l->fdt, node, property, &length);

    return text != NULL && length > 0 && text[length - 1] == '\0' &&
           strcmp(text, value) == 0;
}

static bool is_enabled(const struct loader *l, int node)
{
    return fdt_getprop(l->fdt, node, "status", NULL) == NULL ||
           has_value(l, node, "status", "okay") ||
           has_value(l, node, "status", "ok");
}

static struct kind kind_of(const struct loader *l, int node)
{
    struct kind kind = {
        .is_memory = has_value(l, node, "device_type", "memory"),
        .is_enabled = is_enabled(l, node),
    };

    copy_name(kind.name, sizeof(kind.name), fdt_get_name(l->fdt, node, NULL));
    return kind;
}

static int add_one(struct loader *l, const struct kind *kind,
                   const struct bus *bus, const fdt32_t *cells)
{
    uint64_t addr = read_cells(cells, bus->address_cells);
    uint64_t size = read_cells(cells + bus->address_cells, bus->size_cells);

    if (l->entries++ == MAX_REGIONS) {
        error_setg(l->errp, "%s: more than %d regions", l->path, MAX_REGIONS);
        return -E2BIG;
    }
    if (size == 0 || !translate(bus, &addr)) {
        return 0;
    }
    if (size - 1 > UINT64_MAX - addr) {
        error_setg(l->errp,
                   "%s: %s: 0x%" PRIx64 " bytes at 0x%" PRIx64
                   " go beyond 2^64",
                   l->path, kind->name, size, addr);
        return -EINVAL;
    }
    return add_region(l, kind, addr, size);
}

/* Every (address, size) of a node's `reg`. */
static int add_node(struct loader *l, int node, const struct bus *bus)
{
    int length;
    const fdt32_t *reg = fdt_getprop(l->fdt, node, "reg", &length);
    int cells = bus->address_cells + bus->size_cells;
    struct kind kind;
    int ret = 0;

    if (reg == NULL || !are_cells_usable(bus->address_cells) ||
        !are_cells_usable(bus->size_cells)) {
        return 0;
    }
    kind = kind_of(l, node);
    if (length % (cells * (int)sizeof(fdt32_t)) != 0) {
        error_setg(l->errp, "%s: %s: reg has %d bytes, no multiple of %d",
                   l->path, kind.name, length, cells * (int)sizeof(fdt32_t));
        return -EINVAL;
    }
    for (int i = 0; ret == 0 && i < length / (int)sizeof(fdt32_t); i += cells) {
        ret = add_one(l, &kind, bus, reg + i);
    }
    return ret;
}

/* ---- Nodes ------------------------------------------------------------- */

/* A bus whose children have addresses of memory. Else false. */
static bool open_bus(const struct loader *l, int node, const struct bus *parent,
                     struct bus *bus)
{
    int length;
    const fdt32_t *ranges = fdt_getprop(l->fdt, node, "ranges", &length);

    *bus = (struct bus){
        .parent = parent,
        .address_cells = fdt_address_cells(l->fdt, node),
        .size_cells = fdt_size_cells(l->fdt, node),
        .parent_cells = parent->address_cells,
    };
    if (ranges == NULL || !are_cells_usable(bus->address_cells) ||
        !are_cells_usable(bus->parent_cells)) {
        return false;
    }
    if (length != 0) {
        bus->ranges = ranges;
        bus->range_count =
            are_cells_usable(bus->size_cells)
                ? length / (range_cells(bus) * (int)sizeof(fdt32_t))
                : 0;
    }
    return true;
}

static bool are_ranges_few(const struct loader *l, int node,
                           const struct bus *bus)
{
    if (bus->range_count > MAX_RANGES) {
        error_setg(l->errp, "%s: %s: more than %d ranges", l->path,
                   kind_of(l, node).name, MAX_RANGES);
        return false;
    }
    return true;
}

/* Carved out of memory that is there: it would hide it. */
static bool is_skipped(const struct loader *l, int node)
{
    return strcmp(fdt_get_name(l->fdt, node, NULL), "reserved-memory") == 0;
}

static int add_children(struct loader *l, int node, const struct bus *bus,
                        unsigned depth)
{
    int child;
    int ret = 0;

    if (depth == MAX_DEPTH) {
        error_setg(l->errp, "%s: nodes nest deeper than %d", l->path,
                   MAX_DEPTH);
        return -E2BIG;
    }
    fdt_for_each_subnode(child, l->fdt, node)
    {
        struct bus below;

        if (is_skipped(l, child)) {
            continue;
        }
        ret = add_node(l, child, bus);
        if (ret == 0 && open_bus(l, child, bus, &below)) {
            ret = are_ranges_few(l, child, &below)
                      ? add_children(l, child, &below, depth + 1)
                      : -E2BIG;
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

static int add_all(struct loader *l)
{
    struct bus root = {
        .address_cells = fdt_address_cells(l->fdt, 0),
        .size_cells = fdt_size_cells(l->fdt, 0),
    };
    int ret;
    int commit;

    memory_region_transaction_begin();
    ret = add_children(l, 0, &root, 0);
    commit = memory_region_transaction_commit();
    if (ret == 0 && commit) {
        error_setg(l->errp, "%s: no memory for the regions", l->path);
        ret = commit;
    }
    return ret;
}

/* ---- The whole --------------------------------------------------------- */

static int init_tree(struct mtree_dtb *tree)
{
    int ret;

    tree->engine = xbar_engine_new(NULL);
    if (!tree->engine) {
        return -ENOMEM;
    }
    ret = xbar_engine_enter(tree->engine);
    if (ret == 0) {
        ret = memory_region_init(&tree->root, NULL, "device-tree", UINT64_MAX);
    }
    tree->has_root = ret == 0;
    if (ret == 0) {
        ret = address_space_init(&tree->memory, &tree->root, "memory");
    }
    tree->has_memory = ret == 0;
    return ret;
}

static int load_bytes(const char *path, const void *bytes, size_t size,
                      struct mtree_dtb *tree, Error **errp)
{
    struct loader loader = { tree, bytes, path, errp, 0 };
    int ret = fdt_check_full(bytes, size);

    if (ret) {
        error_setg(errp, "%s: not a device tree (%s)", path, fdt_strerror(ret));
        return -EINVAL;
    }
    ret = init_tree(tree);
    if (ret) {
        error_setg(errp, "%s: no memory for its tree", path);
        return ret;
    }
    return add_all(&loader);
}

int mtree_dtb_load(const char *path, struct mtree_dtb **tree, Error **errp)
{
    struct mtree_dtb *made = calloc(1, sizeof(*made));
    uint8_t *bytes = NULL;
    size_t size;
    int ret;

    if (!made) {
        error_setg(errp, "%s: no memory for its tree", path);
        return -ENOMEM;
    }
    ret = file_read(path, BLOB_MAX, &bytes, &size, errp);
    if (ret == 0) {
        ret = load_bytes(path, bytes, size, made, errp);
    }
    free(bytes);
    if (ret) {
        mtree_dtb_free(made);
        return ret;
    }
    *tree = made;
    return 0;
}

AddressSpace *mtree_dtb_memory(struct mtree_dtb *tree)
{
    return &tree->memory;
}

static void free_item(MemoryRegion *mr, void *item)
{
    (void)mr;
    free(item);
}

/* All in one go; freeing the engine waits for them. */
static void free_items(struct mtree_dtb *tree)
{
    memory_region_transaction_begin();
    while (tree->items) {
        struct item *item = tree->items;

        tree->items = item->next;
        (void)xbar_region_destroy(&item->mr, free_item, item);
    }
    (void)memory_region_transaction_commit();
}

void mtree_dtb_free(struct mtree_dtb *tree)
{
    if (!tree) {
        return;
    }
    if (tree->has_memory) {
        address_space_destroy(&tree->memory);
    }
    free_items(tree);
    if (tree->has_root) {
        (void)xbar_region_destroy(&tree->root, NULL, NULL);
    }
    if (tree->engine) {
        (void)xbar_engine_leave(tree->engine);
        (void)xbar_engine_free(tree->engine);
    }
    free(tree);
}
