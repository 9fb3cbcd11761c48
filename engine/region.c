/* SPDX-License-Identifier: MIT */
/*
 * Making regions, asking them, and giving back what they hold.
 *
 * Init is not a part of a transaction: a new region hangs nowhere, so nobody
 * can see it. It takes the writer lock for what the engine shares: plans,
 * sequence numbers, and the list of an alias's target.
 */
#include <errno.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/guard.h"
#include "engine/log.h"
#include "engine/ops.h"
#include "engine/ram.h"

/* ---- Init -------------------------------------------------------------- */

static int copy_name(MemoryRegion *mr, const char *name)
{
    size_t size;

    if (!name) {
        return 0;
    }
    size = strlen(name) + 1;
    mr->name = xbar_alloc(mr->engine, size);
    if (!mr->name) {
        return -ENOMEM;
    }
    memcpy(mr->name, name, size);
    return 0;
}

static void free_name(MemoryRegion *mr)
{
    if (mr->name) {
        xbar_free(mr->engine, mr->name, strlen(mr->name) + 1);
        mr->name = NULL;
    }
}

static bool is_owner_told(const struct xbar_engine *engine, const Object *owner)
{
    return owner && (engine->config.owner_ref || engine->config.owner_unref);
}

/* Everything but what makes a RAM, I/O or alias region one. */
int region__init(MemoryRegion *mr, Object *owner, const char *name,
                 uint64_t size)
{
    struct xbar_engine *engine = xbar_engine_current();

    if (!mr) {
        return log__refuse(engine, name, -EINVAL, "memory_region_init",
                           "there is no region to make");
    }
    memset(mr, 0, sizeof(*mr));
    mr->engine = engine;
    mr->owner = owner;
    mr->last = region__last_of_size(size);
    mr->flags = XBAR_REGION_ENABLED | (size ? 0 : REGION_EMPTY) |
                (is_owner_told(engine, owner) ? REGION_OWNED : 0);
    if (copy_name(mr, name)) {
        mr->engine = NULL;
        return -ENOMEM;
    }
    engine__stat_add(&engine->stats.regions, 1);
    engine__lock_writer(engine);
    mr->sequence = ++engine->next_sequence;
    engine__unlock_writer(engine);
    return 0;
}

/* A region that answers accesses: it gets the plan of its ops. */
int region__make_leaf(MemoryRegion *mr, const MemoryRegionOps *ops)
{
    struct xbar_engine *engine = mr->engine;

    engine__lock_writer(engine);
    mr->plan = plan__get(engine, ops);
    if (!mr->plan) {
        region__finish(mr);
        engine__unlock_writer(engine);
        return -ENOMEM;
    }
    engine__unlock_writer(engine);
    mr->ops = ops;
    mr->lock = &engine->machine_lock;
    mr->flags |= XBAR_REGION_TERMINATES;
    return 0;
}

void region__finish(MemoryRegion *mr)
{
    struct xbar_engine *engine = mr->engine;

    xbar_assert(engine__writer_is_mine(engine));
    xbar_assert(!mr->container && !mr->children && !mr->aliased_by);
    xbar_assert(!mr->is_on_way);
    deferred__finish(mr);
    if (mr->plan) {
        plan__put(engine, mr->plan);
    }
    region__free_lock(mr);
    dirty_log__forget(mr);
    ram__free(engine, mr->ram_block);
    free_name(mr);
    memset(mr, 0, sizeof(*mr));
    engine__stat_sub(&engine->stats.regions, 1);
}

int memory_region_init(MemoryRegion *mr, Object *owner, const char *name,
                       uint64_t size)
{
    return region__init(mr, owner, name, size);
}

int memory_region_init_io(MemoryRegion *mr, Object *owner,
                          const MemoryRegionOps *ops, void *opaque,
                          const char *name, uint64_t size)
{
    int rc;

    if (ops && !ops__is_consistent(ops)) {
        return log__refuse(NULL, name, -EINVAL, __func__,
                           "the callbacks contradict themselves");
    }
    rc = region__init(mr, owner, name, size);
    if (!rc) {
        mr->opaque = opaque;
        rc = region__make_leaf(mr, ops);
    }
    return rc;
}

int memory_region_init_alias(MemoryRegion *mr, Object *owner, const char *name,
                             MemoryRegion *orig, hwaddr offset, uint64_t size)
{
    struct xbar_engine *engine = xbar_engine_current();
    int rc;

    if (mr && mr == orig) {
        return log__refuse(engine, name, -ELOOP, __func__,
                           "it would show itself");
    }
    if (!region__is_usable(orig) || orig->engine != engine) {
        return log__refuse(engine, name, -EINVAL, __func__,
                           "what it shows is none, or of another engine");
    }
    rc = region__init(mr, owner, name, size);
    if (rc) {
        return rc;
    }
    mr->flags |= REGION_ALIAS;
    mr->alias_offset = offset;
    engine__lock_writer(engine);
    rc = region__is_usable(orig) ? tree__alias_link(orig, mr) : -EINVAL;
    if (rc) {
        region__finish(mr);
    }
    engine__unlock_writer(engine);
    return rc;
}

/* ---- Lock policy ------------------------------------------------------- */

static bool is_lock_own(const MemoryRegion *mr)
{
    return mr->lock && mr->lock != &mr->engine->machine_lock &&
           mr->lock != &guard__no_lock;
}

void region__free_lock(MemoryRegion *mr)
{
    if (is_lock_own(mr)) {
        xbar_free(mr->engine, mr->lock, sizeof(struct engine_lock));
    }
    mr->lock = NULL;
}

/* What stands in place of a lock where there is none. */
static void *choose_no_lock(const MemoryRegion *mr)
{
    return mr->flags & REGION_RECORDED ? (void *)&guard__no_lock : NULL;
}

static int set_policy(MemoryRegion *mr, unsigned policy)
{
    void *lock = choose_no_lock(mr);

    if (policy == XBAR_LOCK_MACHINE) {
        lock = &mr->engine->machine_lock;
    } else if (policy == XBAR_LOCK_REGION) {
        lock = xbar_alloc(mr->engine, sizeof(struct engine_lock));
        if (!lock) {
            return -ENOMEM;
        }
    }
    region__free_lock(mr);
    mr->lock = lock;
    return 0;
}

static int set_reentry(MemoryRegion *mr, unsigned reentry)
{
    uint32_t flags =
        mr->flags & ~(uint32_t)(REGION_REENTRANT | REGION_RECORDED);

    if (reentry != XBAR_REENTRY_DEFAULT) {
        flags |= REGION_RECORDED;
    }
    if (reentry == XBAR_REENTRY_ALLOW) {
        flags |= REGION_REENTRANT;
    }
    mr->flags = flags;
    if (!mr->lock || mr->lock == &guard__no_lock) {
        mr->lock = choose_no_lock(mr);
    }
    return 0;
}

/* Only while no access can be under way. */
static int set_unmapped(MemoryRegion *mr,
                        int (*set)(MemoryRegion *mr, unsigned value),
                        unsigned value)
{
    struct xbar_engine *engine = mr->engine;
    int rc = -EBUSY;

    engine__lock_writer(engine);
    if (!memory_region_is_mapped(mr) && !region__is_held(mr)) {
        rc = set(mr, value);
    }
    engine__unlock_writer(engine);
    return rc;
}

int xbar_region_set_lock_policy(MemoryRegion *mr, enum xbar_lock_policy policy)
{
    if (!region__is_usable(mr) || !mr->ops ||
        (unsigned)policy > XBAR_LOCK_NONE ||
        (policy == XBAR_LOCK_NONE && !ops__is_safe_unlocked(mr->ops))) {
        return -EINVAL;
    }
    return set_unmapped(mr, set_policy, policy);
}

int xbar_region_set_reentry(MemoryRegion *mr, enum xbar_reentry reentry)
{
    if (!region__is_usable(mr) || !mr->ops ||
        (unsigned)reentry > XBAR_REENTRY_ALLOW) {
        return -EINVAL;
    }
    return set_unmapped(mr, set_reentry, reentry);
}

/* ---- Asking ------------------------------------------------------------ */

uint64_t memory_region_size(MemoryRegion *mr)
{
    uint64_t last = region__last(mr);

    if (region__flags(mr) & REGION_EMPTY) {
        return 0;
    }
    return last == UINT64_MAX ? UINT64_MAX : last + 1;
}

const char *memory_region_name(const MemoryRegion *mr)
{
    return mr->name ? mr->name : "anonymous";
}

Object *memory_region_owner(MemoryRegion *mr)
{
    return mr->owner;
}

bool memory_region_is_ram(MemoryRegion *mr)
{
    return region__flags(mr) & XBAR_REGION_RAM;
}

bool memory_region_is_rom(MemoryRegion *mr)
{
    uint32_t rom = XBAR_REGION_RAM | XBAR_REGION_READONLY;

    return (region__flags(mr) & rom) == rom;
}

/* Aliases of aliases: a tree, since each shows one region. */
static bool is_mapped(const MemoryRegion *mr)
{
    const MemoryRegion *a = mr->aliased_by;

    if (mr->container) {
        return true;
    }
    while (a && !is_mapped(a)) {
        a = a->alias_next;
    }
    return a != NULL;
}

bool memory_region_is_mapped(MemoryRegion *mr)
{
    bool mapped;

    if (!mr->engine) {
        return false;
    }
    engine__lock_writer(mr->engine);
    mapped = is_mapped(mr);
    engine__unlock_writer(mr->engine);
    return mapped;
}

void *memory_region_get_ram_ptr(MemoryRegion *mr)
{
    hwaddr offset = 0;
    MemoryRegion *next;

    for (; (next = region__alias(mr)) != NULL; mr = next) {
        if (__builtin_add_overflow(offset, region__alias_offset(mr), &offset)) {
            return NULL;
        }
    }
    if (!mr->ram_block || offset >= ram__size(mr->ram_block)) {
        return NULL;
    }
    return mr->ram_block->host + offset;
}

bool memory_region_is_romd(MemoryRegion *mr)
{
    return region__flags(mr) & XBAR_REGION_ROMD;
}

bool memory_region_is_ram_device(MemoryRegion *mr)
{
    return region__flags(mr) & XBAR_REGION_RAM_DEVICE;
}

bool memory_region_is_nonvolatile(MemoryRegion *mr)
{
    return region__flags(mr) & XBAR_REGION_NONVOLATILE;
}

bool memory_region_is_protected(MemoryRegion *mr)
{
    return mr->ram_block && (mr->ram_block->flags & RAM_PROTECTED);
}

int memory_region_get_fd(MemoryRegion *mr)
{
    MemoryRegion *next;

    while ((next = region__alias(mr)) != NULL) {
        mr = next;
    }
    return mr->ram_block ? mr->ram_block->fd : -1;
}

uint64_t memory_region_get_alignment(const MemoryRegion *mr)
{
    return mr->ram_block ? mr->ram_block->align : 0;
}

ram_addr_t memory_region_get_ram_addr(MemoryRegion *mr)
{
    return mr->ram_block ? mr->ram_block->addr : RAM_ADDR_INVALID;
}
