/* SPDX-License-Identifier: MIT */
/*
 * A small random world of regions, and a second opinion on it.
 *
 *     engine    regions[] --- the code under test ---> view, accesses
 *     shadow    nodes[]   --- oracle_answer() -------> who answers a byte
 *
 * The shadow is changed by the same edits, and only if the engine took them.
 * The oracle asks, byte by byte and recursively, what the rules of
 * engine/memory.h say; it shares nothing with the renderer.
 */
#ifndef XBAR_TESTS_MODEL_WORLD_H
#define XBAR_TESTS_MODEL_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/tree.h"
#include "flatview/address_space.h"
#include "tests/unit/counting_alloc.h"

#define WORLD_NODES  12
#define WORLD_BYTES  256 /* that are looked at one by one */
#define MEMORY_BYTES 512 /* behind each RAM or device */

enum kind { CONTAINER, RAM, ROM, DEVICE, RESERVED, ALIAS, KINDS };

struct node {
    enum kind kind;
    Int128 size;
    hwaddr addr;
    int priority;
    uint64_t sequence; /* the newest has the highest */
    bool enabled;
    bool readonly;
    int container; /* -1: none */
    int target;    /* of an alias; -1: none, or ended */
    hwaddr alias_offset;
};

struct shadow {
    struct node nodes[WORLD_NODES];
    uint64_t next_sequence;
};

struct world {
    struct counting_alloc alloc;
    struct xbar_engine *engine;
    AddressSpace as;
    MemoryRegion regions[WORLD_NODES];
    struct shadow shadow;
    hwaddr base; /* of the bytes that are looked at */
    uint64_t seed;
    int open_ends; /* regions whose destruction is not done */
    unsigned char memory[WORLD_NODES][MEMORY_BYTES];
};

static inline uint64_t world_random(struct world *w)
{
    uint64_t z = (w->seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline unsigned world_pick(struct world *w, unsigned n)
{
    return (unsigned)(world_random(w) % n);
}

/* ---- The oracle -------------------------------------------------------- */

struct answer {
    int node; /* -1: nobody */
    hwaddr offset;
    bool readonly;
};

/* The best child of @parent that comes after @previous in decode order. */
static inline int oracle_next_child(const struct shadow *s, int parent,
                                    int previous)
{
    int best = -1;

    for (int i = 0; i < WORLD_NODES; i++) {
        const struct node *n = &s->nodes[i];
        const struct node *p = previous < 0 ? NULL : &s->nodes[previous];
        const struct node *b = best < 0 ? NULL : &s->nodes[best];

        if (n->container != parent || i == previous ||
            (p != NULL &&
             (n->priority > p->priority ||
              (n->priority == p->priority && n->sequence > p->sequence)))) {
            continue;
        }
        if (b == NULL || n->priority > b->priority ||
            (n->priority == b->priority && n->sequence > b->sequence)) {
            best = i;
        }
    }
    return best;
}

static inline struct answer oracle_answer(const struct shadow *s, int i,
                                          Int128 offset, bool readonly)
{
    const struct node *n = &s->nodes[i];
    struct answer answer = { .node = -1 };
    int child = -1;

    if (!n->enabled || offset < 0 || offset >= n->size) {
        return answer;
    }
    readonly |= n->readonly;
    if (n->kind == ALIAS) {
        return n->target < 0
                   ? answer
                   : oracle_answer(s, n->target, offset + n->alias_offset,
                                   readonly);
    }
    while ((child = oracle_next_child(s, i, child)) >= 0) {
        answer =
            oracle_answer(s, child, offset - s->nodes[child].addr, readonly);
        if (answer.node >= 0) {
            return answer;
        }
    }
    if (n->kind != CONTAINER) {
        answer = (struct answer){ i, (hwaddr)offset, readonly };
    }
    return answer;
}

static inline struct answer world_answer(const struct world *w, hwaddr addr)
{
    return oracle_answer(&w->shadow, 0, addr, false);
}

static inline bool is_memory(const struct world *w, struct answer a)
{
    return a.node >= 0 && (w->shadow.nodes[a.node].kind == RAM ||
                           w->shadow.nodes[a.node].kind == ROM);
}

static inline bool is_device(const struct world *w, struct answer a)
{
    return a.node >= 0 && w->shadow.nodes[a.node].kind == DEVICE;
}

/* ---- The device: memory behind callbacks ------------------------------- */

static inline uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    const unsigned char *memory = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)memory[(addr + i) % MEMORY_BYTES] << (8 * i);
    }
    return value;
}

static inline void device_write(void *opaque, hwaddr addr, uint64_t value,
                                unsigned size)
{
    unsigned char *memory = opaque;

    for (unsigned i = 0; i < size; i++) {
        memory[(addr + i) % MEMORY_BYTES] = (unsigned char)(value >> (8 * i));
    }
}

static const MemoryRegionOps device_ops = {
    .read = device_read,
    .write = device_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/* ---- Making nodes ------------------------------------------------------ */

static inline Int128 random_size(struct world *w, enum kind kind)
{
    switch (world_pick(w, 16)) {
    case 0:
        return world_pick(w, 2);
    case 1:
    case 2:
        if (kind != RAM && kind != ROM) {
            static const unsigned log2[] = { 32, 63, 64 };

            return (Int128)1 << log2[world_pick(w, 3)];
        }
        return MEMORY_BYTES;
    case 3:
    case 4:
    case 5:
        return 1 + world_pick(w, 256);
    default:
        return 1 + world_pick(w, 48);
    }
}

/* Mostly where it can be seen; sometimes far away or at the very top. */
static inline hwaddr random_addr(struct world *w)
{
    switch (world_pick(w, 8)) {
    case 0:
        return (hwaddr)0 - 1 - world_pick(w, 200);
    case 1:
    case 2:
    case 3:
        return w->base + world_pick(w, WORLD_BYTES);
    default:
        return world_pick(w, WORLD_BYTES);
    }
}

static inline uint64_t api_size(Int128 size)
{
    return size > (Int128)UINT64_MAX ? UINT64_MAX : (uint64_t)size;
}

static inline int init_region(struct world *w, int i)
{
    struct node *n = &w->shadow.nodes[i];
    MemoryRegion *mr = &w->regions[i];
    uint64_t size = api_size(n->size);

    switch (n->kind) {
    case RAM:
    case ROM:
        return memory_region_init_ram_ptr(mr, NULL, "memory", size,
                                          w->memory[i]);
    case DEVICE:
        return memory_region_init_io(mr, NULL, &device_ops, w->memory[i],
                                     "device", size);
    case RESERVED:
        return memory_region_init_io(mr, NULL, NULL, NULL, "reserved", size);
    case ALIAS:
        return memory_region_init_alias(
            mr, NULL, "alias", &w->regions[n->target], n->alias_offset, size);
    default:
        return memory_region_init(mr, NULL, "container", size);
    }
}

/* Aliases show one of the nodes before them, so that some target is there. */
static inline void make_node(struct world *w, int i, enum kind kind)
{
    struct node *n = &w->shadow.nodes[i];

    *n = (struct node){
        .kind = kind, .enabled = true, .container = -1, .target = -1
    };
    n->size = random_size(w, kind);
    if (kind == ALIAS) {
        n->target = i == 0 ? 1 : (int)world_pick(w, (unsigned)i);
        n->alias_offset =
            world_pick(w, 6) == 0 ? random_addr(w) : world_pick(w, 64);
    }
    assert_int_equal(init_region(w, i), 0);
    if (kind == ROM) {
        assert_int_equal(memory_region_set_readonly(&w->regions[i], true), 0);
        n->readonly = true;
    }
}

/* ---- Edits ------------------------------------------------------------- */

/* Errors that say no to the edit, and not to the transaction. */
static inline bool is_refusal(int err)
{
    return err == -EINVAL || err == -ELOOP || err == -EBUSY || err == -EEXIST;
}

static inline int edit_link(struct world *w, int i)
{
    struct node *n = &w->shadow.nodes[i];
    int parent = (int)world_pick(w, WORLD_NODES);
    hwaddr addr = random_addr(w);
    int priority = (int)world_pick(w, 4) - 2;
    int err;

    if (n->container >= 0) {
        err = memory_region_del_subregion(&w->regions[n->container],
                                          &w->regions[i]);
        n->container = err == 0 ? -1 : n->container;
        return err;
    }
    parent = world_pick(w, 2) ? parent : 0;
    err = memory_region_add_subregion_overlap(&w->regions[parent], addr,
                                              &w->regions[i], priority);
    if (err == 0) {
        n->container = parent;
        n->addr = addr;
        n->priority = priority;
        n->sequence = ++w->shadow.next_sequence;
    }
    return err;
}

static inline int edit_size(struct world *w, int i)
{
    struct node *n = &w->shadow.nodes[i];
    Int128 size = random_size(w, n->kind);
    int err = memory_region_set_size(&w->regions[i], api_size(size));

    n->size = err == 0 ? size : n->size;
    return err;
}

static inline int edit_property(struct world *w, int i)
{
    struct node *n = &w->shadow.nodes[i];
    MemoryRegion *mr = &w->regions[i];
    hwaddr addr = random_addr(w);
    int err;

    switch (world_pick(w, 4)) {
    case 0:
        err = memory_region_set_enabled(mr, !n->enabled);
        n->enabled ^= err == 0;
        return err;
    case 1:
        err = memory_region_set_readonly(mr, !n->readonly);
        n->readonly ^= err == 0;
        return err;
    case 2:
        err = memory_region_set_alias_offset(mr, addr);
        n->alias_offset = err == 0 ? addr : n->alias_offset;
        return err;
    default:
        err = memory_region_set_address(mr, addr);
        n->addr = err == 0 ? addr : n->addr;
        return err;
    }
}

/* One random edit of engine and shadow. Return: 0, a refusal, or why the
 * transaction is void. */
static inline int world_edit(struct world *w)
{
    int i = (int)world_pick(w, WORLD_NODES);

    switch (world_pick(w, 8)) {
    case 0:
    case 1:
    case 2:
        return edit_property(w, i);
    case 3:
        return edit_size(w, i);
    default:
        return edit_link(w, i == 0 ? 1 : i);
    }
}

/* ---- Comparing trees --------------------------------------------------- */

static inline void check_region(const struct world *w, int i)
{
    const struct node *n = &w->shadow.nodes[i];
    struct xbar_region_info info;

    xbar_region_inspect(&w->regions[i], &info);
    assert_true(info.size == n->size);
    assert_int_equal((info.flags & XBAR_REGION_ENABLED) != 0, n->enabled);
    assert_int_equal((info.flags & XBAR_REGION_READONLY) != 0, n->readonly);
    assert_ptr_equal(info.container,
                     n->container < 0 ? NULL : &w->regions[n->container]);
    assert_ptr_equal(info.alias, n->target < 0 ? NULL : &w->regions[n->target]);
    if (n->container >= 0) {
        assert_int_equal(info.addr, n->addr);
        assert_int_equal(info.priority, n->priority);
    }
    if (n->target >= 0) {
        assert_int_equal(info.alias_offset, n->alias_offset);
    }
}

static inline void check_children(const struct world *w, int i)
{
    struct xbar_region_list list = { NULL, 0, 0 };
    int child = -1;

    assert_int_equal(xbar_region_children(&w->regions[i], 0, UINT64_MAX, &list),
                     0);
    for (size_t k = 0; k < list.count; k++) {
        child = oracle_next_child(&w->shadow, i, child);
        assert_ptr_equal(list.items[k], &w->regions[child]);
    }
    assert_int_equal(
        oracle_next_child(&w->shadow, i, child) < 0 || list.count == 0, true);
    xbar_region_list_free(&w->regions[i], &list);
}

/* Does the engine's tree say what the shadow says? */
static inline void world_check_tree(const struct world *w)
{
    xbar_tree_hold(w->engine);
    for (int i = 0; i < WORLD_NODES; i++) {
        check_region(w, i);
        check_children(w, i);
    }
    xbar_tree_release(w->engine);
}

/* ---- Comparing views --------------------------------------------------- */

static inline void check_section(const struct world *w, const FlatRange *range,
                                 hwaddr addr)
{
    struct answer a = world_answer(w, addr);

    if (a.node < 0) {
        assert_null(range->mr);
        assert_true(range->flags & FLAT_RANGE_UNASSIGNED);
        return;
    }
    assert_ptr_equal(range->mr, &w->regions[a.node]);
    assert_int_equal(addr + range->mr_delta, a.offset);
    assert_int_equal((range->flags & FLAT_RANGE_READONLY) != 0, a.readonly);
    assert_int_equal((range->flags & FLAT_RANGE_RAM) != 0, is_memory(w, a));
    assert_int_equal((range->flags & FLAT_RANGE_WRITABLE) != 0,
                     is_memory(w, a) && !a.readonly);
    if (is_memory(w, a)) {
        assert_ptr_equal((char *)(uintptr_t)(addr + range->host_delta),
                         &w->memory[a.node][a.offset]);
    }
}

/* Sorted, disjoint, merged, right at both ends; counted. */
static inline void check_ranges(const struct world *w, const FlatView *view)
{
    const FlatRange *range = flatview_next_range(view, 0);
    const FlatRange *previous = NULL;
    uint64_t count = 0;

    while (range != NULL) {
        assert_true(range->first <= range->last);
        check_section(w, range, range->first);
        check_section(w, range, range->last);
        if (previous != NULL) {
            assert_true(previous->last < range->first);
            assert_false(previous->last + 1 == range->first &&
                         previous->mr == range->mr &&
                         previous->mr_delta == range->mr_delta &&
                         previous->flags == range->flags);
        }
        count++;
        previous = range;
        range = range->last == UINT64_MAX
                    ? NULL
                    : flatview_next_range(view, range->last + 1);
    }
    assert_int_equal(count, flatview_num_ranges(view));
}

/* Does every byte answer as the oracle says? */
static inline void world_check_view(struct world *w)
{
    FlatView *view;

    xbar_read_begin();
    view = address_space_to_flatview(&w->as);
    check_ranges(w, view);
    for (unsigned i = 0; i < WORLD_BYTES; i++) {
        hwaddr addr = w->base + i;

        check_section(w, flatview_lookup(view, addr), addr);
    }
    for (unsigned i = 0; i < 64; i++) {
        hwaddr addr = ((hwaddr)1 << i) - (i & 1);

        check_section(w, flatview_lookup(view, addr), addr);
    }
    check_section(w, flatview_lookup(view, UINT64_MAX), UINT64_MAX);
    xbar_read_end();
}

/* ---- Life -------------------------------------------------------------- */

/* Root: mostly a container; sometimes it answers itself, or is an alias. */
static inline void make_nodes(struct world *w)
{
    static const enum kind root_kinds[] = { CONTAINER, CONTAINER, CONTAINER,
                                            DEVICE, RAM };
    struct node *root = &w->shadow.nodes[0];

    make_node(w, 0, root_kinds[world_pick(w, 5)]);
    if (root->kind != RAM) {
        uint64_t size =
            w->base == 0 && world_pick(w, 2) ? WORLD_BYTES : UINT64_MAX;

        assert_int_equal(memory_region_set_size(&w->regions[0], size), 0);
        root->size = size == UINT64_MAX ? (Int128)1 << 64 : (Int128)size;
    }
    for (int i = 1; i < WORLD_NODES; i++) {
        make_node(w, i, (enum kind)world_pick(w, KINDS));
    }
}

static inline void world_init(struct world *w, uint64_t seed)
{
    static const hwaddr bases[] = { 0,
                                    0,
                                    0,
                                    ((hwaddr)1 << 32) - 128,
                                    ((hwaddr)1 << 63) - 128,
                                    (hwaddr)0 - WORLD_BYTES };

    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->base = bases[world_pick(w, 6)];
    for (size_t i = 0; i < sizeof(w->memory); i++) {
        (&w->memory[0][0])[i] = (unsigned char)(1 + world_random(w) % 255);
    }
    w->engine = counting_alloc_engine(&w->alloc);
    assert_non_null(w->engine);
    assert_int_equal(xbar_engine_enter(w->engine), 0);
    make_nodes(w);
    assert_int_equal(address_space_init(&w->as, &w->regions[0], "world"), 0);
}

static inline void count_end(MemoryRegion *mr, void *opaque)
{
    (void)mr;
    *(int *)opaque -= 1;
}

/* Everything must be given back. */
static inline void world_end(struct world *w)
{
    address_space_destroy(&w->as);
    for (int i = 0; i < WORLD_NODES; i++) {
        w->open_ends++;
        assert_int_equal(
            xbar_region_destroy(&w->regions[i], count_end, &w->open_ends), 0);
    }
    assert_int_equal(xbar_engine_leave(w->engine), 0);
    assert_int_equal(xbar_engine_free(w->engine), 0);
    assert_int_equal(w->open_ends, 0);
    assert_int_equal(atomic_load(&w->alloc.live_bytes), 0);
}

#endif
