/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <mimalloc.h>
#include <stdlib.h>
#include <string.h>

/* ---- mimalloc behind the engine's hooks -------------------------------- */

static void *mimalloc_alloc(void *opaque, size_t size, size_t align)
{
    (void)opaque;
    return mi_zalloc_aligned(size, align);
}

static void mimalloc_free(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    mi_free_size(ptr, size);
}

static const struct xbar_allocator mimalloc_hooks = {
    .alloc = mimalloc_alloc,
    .free = mimalloc_free,
};

/* ---- A device that does next to nothing -------------------------------- */

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    struct world *world = opaque;

    (void)size;
    return world->value + addr;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct world *world = opaque;

    (void)addr;
    (void)size;
    world->value = data;
    world->writes++;
}

static const MemoryRegionOps dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/* ---- The tree ---------------------------------------------------------- */

/* The guest's pages are its physical pages. */
static int walk_identity(void *opaque, unsigned context, uint64_t va,
                         enum xbar_tlb_access access,
                         struct xbar_tlb_walk *walk)
{
    (void)opaque;
    (void)context;
    (void)access;
    walk->phys = va;
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
    return 0;
}

static int add_device(struct world *world, MemoryRegion *mr, const char *name,
                      hwaddr at, enum xbar_lock_policy policy)
{
    int err =
        memory_region_init_io(mr, NULL, &dev_ops, world, name, WORLD_PAGE);

    if (!err) {
        err = xbar_region_set_lock_policy(mr, policy);
    }
    return err ? err : memory_region_add_subregion(&world->root, at, mr);
}

static int add_levels(struct world *world)
{
    MemoryRegion *parent = &world->root;
    int err = 0;

    for (unsigned i = 0; i < 3 && !err; i++) {
        err = memory_region_init(&world->level[i], NULL, "level", UINT64_MAX);
        if (!err) {
            err = memory_region_add_subregion_overlap(parent, 0,
                                                      &world->level[i], -1);
        }
        parent = &world->level[i];
    }
    return err;
}

static int init_extra(struct world *world, MemoryRegion *mr)
{
    int err;

    if (world->kind == WORLD_RAM_PAGES) {
        return memory_region_init_ram_ptr(mr, NULL, "extra", WORLD_PAGE,
                                          world->page);
    }
    err = memory_region_init_io(mr, NULL, &dev_ops, world, "extra", WORLD_PAGE);
    return err ? err : xbar_region_set_lock_policy(mr, XBAR_LOCK_NONE);
}

static int add_extra(struct world *world, size_t i)
{
    MemoryRegion *shown = &world->extra[i];
    int err = init_extra(world, shown);

    if (!err && i % 3 == 0) {
        shown = &world->alias[i];
        err = memory_region_init_alias(shown, NULL, "alias", &world->extra[i],
                                       0, WORLD_PAGE);
    }
    return err ? err
               : memory_region_add_subregion(&world->level[2],
                                             world_extra_at(i), shown);
}

static int add_all(struct world *world)
{
    int err = memory_region_init(&world->root, NULL, "root", UINT64_MAX);

    if (!err) {
        err = memory_region_init_ram(&world->ram, NULL, "ram", WORLD_RAM_SIZE,
                                     NULL);
    }
    if (!err) {
        err = memory_region_add_subregion(&world->root, WORLD_RAM, &world->ram);
    }
    if (!err) {
        err = add_device(world, &world->dev, "dev", WORLD_DEV, XBAR_LOCK_NONE);
    }
    if (!err) {
        err = add_device(world, &world->dev_locked, "dev-locked",
                         WORLD_DEV_LOCKED, XBAR_LOCK_MACHINE);
    }
    if (!err) {
        err = add_levels(world);
    }
    for (size_t i = 0; i < world->extra_count && !err; i++) {
        err = add_extra(world, i);
    }
    return err;
}

static int build(struct world *world)
{
    struct xbar_tlb_config config = { .as = &world->as, .walk = walk_identity };
    int err;

    memory_region_transaction_begin();
    err = add_all(world);
    if (memory_region_transaction_commit() != 0 || err) {
        return -1;
    }
    if (address_space_init(&world->as, &world->root, "bench")) {
        return -1;
    }
    return tlb_init(&world->tlb, &config);
}

static uint32_t *new_page(void)
{
    uint32_t *page = mi_zalloc_aligned(WORLD_PAGE, WORLD_PAGE);

    for (uint32_t i = 0; page && i < WORLD_PAGE / 4; i++) {
        page[i] = i * 4;
    }
    return page;
}

struct xbar_engine *world_engine_new(void)
{
    struct xbar_engine_config config = { .allocator = &mimalloc_hooks };

    return xbar_engine_new(&config);
}

/*
 * A benchmark that cannot be set up ends the process soon after: what was
 * half built is left behind.
 */
struct world *world_new_kind(size_t extra_regions, enum world_kind kind)
{
    struct world *world = mi_zalloc_aligned(sizeof(*world), 64);

    if (!world) {
        return NULL;
    }
    world->kind = kind;
    world->extra_count = extra_regions;
    world->page = new_page();
    world->extra = mi_calloc(extra_regions + 1, sizeof(MemoryRegion));
    world->alias = mi_calloc(extra_regions + 1, sizeof(MemoryRegion));
    world->engine = world_engine_new();
    if (!world->extra || !world->alias || !world->page || !world->engine ||
        xbar_engine_enter(world->engine) || build(world)) {
        return NULL;
    }
    return world;
}

struct world *world_new(size_t extra_regions)
{
    return world_new_kind(extra_regions, WORLD_DEVICES);
}

/* ---- Taking it down ---------------------------------------------------- */

static void region_ended(MemoryRegion *mr, void *opaque)
{
    struct world *world = opaque;

    (void)mr;
    world->pending--;
}

static void end_region(struct world *world, MemoryRegion *mr)
{
    if (xbar_region_destroy(mr, region_ended, world) == 0) {
        world->pending++;
    }
}

void world_free(struct world *world)
{
    tlb_destroy(&world->tlb);
    address_space_destroy(&world->as);
    memory_region_transaction_begin();
    for (size_t i = 0; i < world->extra_count; i++) {
        if (i % 3 == 0) {
            end_region(world, &world->alias[i]);
        }
        end_region(world, &world->extra[i]);
    }
    for (unsigned i = 3; i-- > 0;) {
        end_region(world, &world->level[i]);
    }
    end_region(world, &world->dev_locked);
    end_region(world, &world->dev);
    end_region(world, &world->ram);
    end_region(world, &world->root);
    (void)memory_region_transaction_commit();
    while (world->pending && xbar_engine_reclaim(world->engine) >= 0) {
    }
    (void)xbar_engine_leave(world->engine);
    (void)xbar_engine_free(world->engine);
    mi_free(world->extra);
    mi_free(world->alias);
    mi_free(world->page);
    mi_free(world);
}

/* ---- One for several rows ---------------------------------------------- */

static struct world *shared;

struct world *world_shared(size_t extra_regions, enum world_kind kind)
{
    if (shared && shared->extra_count == extra_regions &&
        shared->kind == kind) {
        return shared;
    }
    world_shared_end();
    shared = world_new_kind(extra_regions, kind);
    return shared;
}

void world_shared_end(void)
{
    if (shared) {
        world_free(shared);
    }
    shared = NULL;
}

/* ---- Checking ---------------------------------------------------------- */

const char *world_check(void *opaque)
{
    const struct world *world = opaque;

    return world->sum == world->expected ? NULL : "loads gave wrong values";
}
