/* SPDX-License-Identifier: MIT */
/*
 * Changing the tree. Every mutator has the same shape:
 *
 *     begin      join the transaction, hold the writer lock
 *     check      a caller's mistake changes nothing
 *     reserve    room in the undo log: the last thing that may fail
 *     log        what the field, or the edge, was
 *     change
 *     end        commit, if nobody else has a transaction open
 *
 * A change marks what it may bring in or take away (dirty.c): an edge, where
 * the sub-region stands; an address, both places; a size, what is between the
 * two; the rest, all of the region.
 */
#include "engine/tree.h"

#include <errno.h>

#include "engine/engine_internal.h"
#include "engine/interval.h"
#include "engine/log.h"
#include "engine/ram.h"

/* ---- Edges ------------------------------------------------------------- */

/*
 * As if it had never been: a transaction that changes nothing sweeps nothing.
 * But what one that did leaves empty is the room that its undo finds.
 */
static void refuse_link(MemoryRegion *mr)
{
    tree__unlink(mr);
    if (!transaction__has_logged(mr->engine)) {
        interval__sweep(mr->engine);
    }
}

int tree__link(MemoryRegion *container, MemoryRegion *mr)
{
    int rc = interval__insert(container, mr);

    if (rc) {
        return rc;
    }
    mr->container = container;
    rc = nesting__rise(container);
    if (rc) {
        refuse_link(mr);
    }
    return rc;
}

void tree__unlink(MemoryRegion *mr)
{
    MemoryRegion *container = mr->container;

    interval__remove(container, mr);
    mr->container = NULL;
    nesting__fall(container);
}

int tree__alias_link(MemoryRegion *target, MemoryRegion *alias)
{
    int rc;

    dirty__way_changes(target);
    alias->alias_prev = NULL;
    alias->alias_next = target->aliased_by;
    if (target->aliased_by) {
        target->aliased_by->alias_prev = alias;
    }
    target->aliased_by = alias;
    __atomic_store_n(&alias->alias, target, __ATOMIC_RELEASE);
    rc = nesting__rise(alias);
    if (rc) {
        tree__alias_unlink(alias);
    }
    return rc;
}

void tree__alias_unlink(MemoryRegion *alias)
{
    MemoryRegion *target = alias->alias;

    dirty__way_changes(target);
    *(alias->alias_prev ? &alias->alias_prev->alias_next
                        : &target->aliased_by) = alias->alias_next;
    if (alias->alias_next) {
        alias->alias_next->alias_prev = alias->alias_prev;
    }
    __atomic_store_n(&alias->alias, NULL, __ATOMIC_RELEASE);
    nesting__fall(alias);
}

/* Its place and the index of what it is placed in. */
static int move(MemoryRegion *mr, hwaddr addr)
{
    if (mr->container) {
        return interval__move(mr->container, mr, addr);
    }
    mr->addr = addr;
    return 0;
}

/* ---- Undo -------------------------------------------------------------- */

static void undo_link(void *opaque, uintptr_t old)
{
    (void)old;
    tree__unlink(opaque);
}

static void undo_unlink(void *opaque, uintptr_t old)
{
    int rc = tree__link((MemoryRegion *)old, opaque);

    xbar_assert(rc == 0); /* it stood there before */
}

static void undo_alias_unlink(void *opaque, uintptr_t old)
{
    int rc = tree__alias_link((MemoryRegion *)old, opaque);

    xbar_assert(rc == 0);
}

static void undo_priority(void *opaque, uintptr_t old)
{
    ((MemoryRegion *)opaque)->priority = (int32_t)old;
}

/* Only of a region that is in no container: it is a part of the key. */
static void undo_sequence(void *opaque, uintptr_t old)
{
    ((MemoryRegion *)opaque)->sequence = old;
}

static void undo_addr(void *opaque, uintptr_t old)
{
    int rc = move(opaque, old);

    xbar_assert(rc == 0); /* it stood there before */
}

static void undo_flags(void *opaque, uintptr_t old)
{
    MemoryRegion *mr = opaque;

    __atomic_store_n(&mr->flags, (uint32_t)old, __ATOMIC_RELAXED);
}

static void undo_last(void *opaque, uintptr_t old)
{
    MemoryRegion *mr = opaque;

    __atomic_store_n(&mr->last, old, __ATOMIC_RELAXED);
    if (mr->container) {
        interval__refresh(mr->container, mr);
    }
}

static void undo_alias_offset(void *opaque, uintptr_t old)
{
    MemoryRegion *mr = opaque;

    __atomic_store_n(&mr->alias_offset, old, __ATOMIC_RELAXED);
}

/* ---- Changes, inside a mutation ---------------------------------------- */

/* The last that may fail before @mr changes, in @n fields or edges. */
static int reserve(MemoryRegion *mr, size_t n)
{
    int rc = tree__note(mr);

    return rc ? rc : transaction__reserve(mr->engine, n);
}

static void mark_all(MemoryRegion *mr)
{
    if (!(mr->flags & REGION_EMPTY)) {
        dirty__mark(mr, 0, mr->last);
    }
}

/* Where it stands in its container, if anybody sees it there. */
static void mark_place(const MemoryRegion *mr, bool is_seen)
{
    if (!(mr->flags & REGION_EMPTY)) {
        dirty__place_changes(mr);
        if (is_seen) {
            dirty__mark_place(mr, 0, mr->last);
        }
    }
}

/*
 * Before @mr leaves its place: was it seen there? As the last commit left it, a
 * region that is disabled was not; what this transaction did to it is not known.
 */
static void mark_old_place(const MemoryRegion *mr)
{
    mark_place(mr, (mr->flags & XBAR_REGION_ENABLED) ||
                       transaction__has_logged(mr->engine));
}

/* When it has come to one: who enables it later marks all of it. */
static void mark_new_place(const MemoryRegion *mr)
{
    mark_place(mr, mr->flags & XBAR_REGION_ENABLED);
}

static int attach(MemoryRegion *container, hwaddr offset, MemoryRegion *mr,
                  int priority)
{
    struct xbar_engine *engine = mr->engine;
    const hwaddr old_addr = mr->addr;
    const int32_t old_priority = mr->priority;
    const uint64_t old_sequence = mr->sequence;
    int rc = reserve(mr, 4);

    if (rc) {
        return rc;
    }
    mr->addr = offset;
    mr->priority = priority;
    mr->sequence = ++engine->next_sequence;
    rc = tree__link(container, mr);
    if (rc) {
        mr->addr = old_addr;
        mr->priority = old_priority;
        mr->sequence = old_sequence;
        return rc == -ENOMEM ? transaction__void(rc) : rc;
    }
    transaction__log(engine, undo_addr, mr, old_addr);
    transaction__log(engine, undo_priority, mr, (uintptr_t)old_priority);
    transaction__log(engine, undo_sequence, mr, old_sequence);
    transaction__log(engine, undo_link, mr, 0);
    mark_new_place(mr);
    return 0;
}

int tree__attach(MemoryRegion *container, MemoryRegion *mr)
{
    int rc = reserve(mr, 1);

    if (!rc) {
        rc = tree__link(container, mr);
    }
    if (!rc) {
        transaction__log(mr->engine, undo_link, mr, 0);
        mark_new_place(mr);
    }
    return rc;
}

int tree__detach(MemoryRegion *mr)
{
    int rc = reserve(mr, 1);

    if (!rc) {
        mark_old_place(mr);
        transaction__log(mr->engine, undo_unlink, mr, (uintptr_t)mr->container);
        tree__unlink(mr);
    }
    return rc;
}

int tree__alias_detach(MemoryRegion *mr)
{
    int rc = reserve(mr, 1);

    if (!rc) {
        transaction__log(mr->engine, undo_alias_unlink, mr,
                         (uintptr_t)mr->alias);
        mark_all(mr);
        tree__alias_unlink(mr);
    }
    return rc;
}

int tree__set_flags(MemoryRegion *mr, uint32_t flags)
{
    int rc;

    if (flags == mr->flags) {
        return 0;
    }
    rc = reserve(mr, 1);
    if (!rc) {
        transaction__log(mr->engine, undo_flags, mr, mr->flags);
        if ((flags ^ mr->flags) & REGION_PUBLIC_FLAGS) {
            mark_all(mr);
        }
        undo_flags(mr, flags);
    }
    return rc;
}

static int change_address(MemoryRegion *mr, hwaddr addr)
{
    const hwaddr old = mr->addr;
    int rc;

    if (addr == mr->addr) {
        return 0;
    }
    rc = reserve(mr, 1);
    if (rc) {
        return rc;
    }
    mark_old_place(mr);
    rc = move(mr, addr);
    if (rc) {
        return transaction__void(rc);
    }
    transaction__log(mr->engine, undo_addr, mr, old);
    mark_new_place(mr);
    return 0;
}

/* In @mr and in its container: it may lose this edge before the commit. */
static void mark_both(MemoryRegion *mr, hwaddr first, hwaddr last)
{
    dirty__mark(mr, first, last);
    dirty__place_changes(mr);
    dirty__mark_place(mr, first, last);
}

/* What lies between the size that @mr had and the one that it has. */
static void mark_difference(MemoryRegion *mr, uint32_t old_flags,
                            uint64_t old_last)
{
    bool was_empty = old_flags & REGION_EMPTY;
    bool is_empty = mr->flags & REGION_EMPTY;

    if (was_empty || is_empty) {
        if (was_empty != is_empty) {
            mark_both(mr, 0, was_empty ? mr->last : old_last);
        }
    } else if (old_last < mr->last) {
        mark_both(mr, old_last + 1, mr->last);
    } else if (mr->last < old_last) {
        mark_both(mr, mr->last + 1, old_last);
    }
}

static int change_size(MemoryRegion *mr, uint64_t size)
{
    uint32_t old_flags = mr->flags;
    uint64_t old_last = mr->last;
    uint32_t flags = old_flags & ~(uint32_t)REGION_EMPTY;
    int rc;

    if (size > ram__limit(mr)) {
        return -EINVAL;
    }
    flags |= size ? 0 : REGION_EMPTY;
    if (flags == old_flags && region__last_of_size(size) == old_last) {
        return 0;
    }
    rc = reserve(mr, 2);
    if (!rc) {
        transaction__log(mr->engine, undo_flags, mr, old_flags);
        transaction__log(mr->engine, undo_last, mr, old_last);
        undo_flags(mr, flags);
        undo_last(mr, region__last_of_size(size));
        mark_difference(mr, old_flags, old_last);
    }
    return rc;
}

static int change_alias_offset(MemoryRegion *mr, hwaddr offset)
{
    int rc;

    if (!(mr->flags & REGION_ALIAS)) {
        return -EINVAL;
    }
    if (offset == mr->alias_offset) {
        return 0;
    }
    rc = reserve(mr, 1);
    if (!rc) {
        transaction__log(mr->engine, undo_alias_offset, mr, mr->alias_offset);
        undo_alias_offset(mr, offset);
        mark_all(mr);
    }
    return rc;
}

static int set_flag(MemoryRegion *mr, uint32_t flag, bool value)
{
    return tree__set_flags(mr, value ? mr->flags | flag : mr->flags & ~flag);
}

static int attach_checked(MemoryRegion *mr, hwaddr offset,
                          MemoryRegion *subregion, int priority)
{
    if ((mr->flags & REGION_ALIAS) || !region__is_usable(subregion)) {
        return -EINVAL;
    }
    if (subregion->container) {
        return -EBUSY;
    }
    return mr == subregion ? -ELOOP : attach(mr, offset, subregion, priority);
}

/* ---- States ------------------------------------------------------------ */

/* What of the flags is set by mutators; size has a part of its own. */
#define STATE_FLAGS                                                         \
    (XBAR_REGION_ENABLED | XBAR_REGION_READONLY | XBAR_REGION_NONVOLATILE | \
     XBAR_REGION_ROMD)

static uint64_t size_of(uint32_t flags, uint64_t last)
{
    if (flags & REGION_EMPTY) {
        return 0;
    }
    return last == UINT64_MAX ? UINT64_MAX : last + 1;
}

struct tree_state tree__state(const MemoryRegion *mr)
{
    return (struct tree_state){
        .container = mr->container,
        .addr = mr->addr,
        .sequence = mr->sequence,
        .priority = mr->priority,
        .flags = mr->flags & STATE_FLAGS,
        .size = size_of(mr->flags, mr->last),
        .alias = mr->alias,
        .alias_offset = mr->alias_offset,
        .ram_size = mr->ram_block ? ram__size(mr->ram_block) : 0,
    };
}

bool tree__is_in_state(const MemoryRegion *mr, const struct tree_state *state)
{
    const struct tree_state is = tree__state(mr);

    return is.container == state->container && is.addr == state->addr &&
           is.sequence == state->sequence && is.priority == state->priority &&
           is.flags == state->flags && is.size == state->size &&
           is.alias == state->alias && is.alias_offset == state->alias_offset &&
           is.ram_size == state->ram_size;
}

/* Where @mr is to stand, while it stands nowhere. */
static int place(MemoryRegion *mr, const struct tree_state *state)
{
    int rc = reserve(mr, 3);

    if (!rc) {
        transaction__log(mr->engine, undo_addr, mr, mr->addr);
        transaction__log(mr->engine, undo_priority, mr,
                         (uintptr_t)mr->priority);
        transaction__log(mr->engine, undo_sequence, mr, mr->sequence);
        mr->addr = state->addr;
        mr->priority = state->priority;
        mr->sequence = state->sequence;
    }
    return rc;
}

int tree__set_state(MemoryRegion *mr, const struct tree_state *state)
{
    int rc = mr->container ? change_address(mr, state->addr) : place(mr, state);

    if (!rc && mr->ram_block && ram__size(mr->ram_block) != state->ram_size) {
        rc = region__resize_ram(mr, state->ram_size);
    }
    if (!rc) {
        rc = change_size(mr, state->size);
    }
    if (!rc) {
        rc = tree__set_flags(mr, (mr->flags & ~(uint32_t)STATE_FLAGS) |
                                     state->flags);
    }
    if (!rc && (mr->flags & REGION_ALIAS)) {
        rc = change_alias_offset(mr, state->alias_offset);
    }
    return rc;
}

/* ---- Public ------------------------------------------------------------ */

/* What a commit reads of @mr, wherever that lies. */
static inline void fetch(const MemoryRegion *mr)
{
    __builtin_prefetch(mr);
    __builtin_prefetch(&mr->addr);
    __builtin_prefetch(&mr->roots);
}

/*
 * @changed, which was usable, is @mr or is to come into it or to leave; or the
 * caller is mistaken, and it is another engine's, of which we have no lock.
 */
static int begin_with(MemoryRegion *mr, const MemoryRegion *changed)
{
    const MemoryRegion *container;
    bool has_many;
    int rc;

    if (!region__is_usable(mr)) {
        return -EINVAL;
    }
    has_many = engine__has_many_regions(mr->engine);
    if (has_many) {
        fetch(changed);
    }
    rc = xbar_mutation_begin(mr->engine);
    if (!rc && !region__is_usable(mr)) {
        (void)xbar_mutation_end(mr->engine);
        rc = -EINVAL; /* destroyed while we waited for the lock */
    }
    if (!rc && has_many && changed->engine == mr->engine) {
        container = changed->container;
        if (region__alias(changed)) {
            fetch(region__alias(changed));
        }
        if (container) {
            dirty__expect(container, changed->addr);
        }
    }
    return rc;
}

static int begin(MemoryRegion *mr)
{
    return begin_with(mr, mr);
}

/* What is not the caller's mistake is told by other means. */
static int refuse(const MemoryRegion *mr, int rc, const char *call,
                  const char *why)
{
    bool is_region = region__is_usable(mr);

    if (rc != -EINVAL && rc != -EBUSY && rc != -ELOOP) {
        return rc;
    }
    return log__refuse(is_region ? mr->engine : NULL,
                       is_region ? mr->name : "no region", rc, call, why);
}

static int refuse_add(const MemoryRegion *subregion, int rc)
{
    const char *why = "not of one engine, or the container is none";

    if (rc == -EBUSY) {
        why = "it is in a container already";
    } else if (rc == -ELOOP) {
        why = "it would be inside of itself, or too deep";
    }
    return refuse(subregion, rc, "memory_region_add_subregion", why);
}

/* The mutator's own error goes first: the commit's follows from it. */
static int end(MemoryRegion *mr, int rc)
{
    int commit = xbar_mutation_end(mr->engine);

    return rc ? rc : commit;
}

int memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr offset,
                                        MemoryRegion *subregion, int priority)
{
    int rc;

    if (!region__is_usable(subregion) || !mr ||
        mr->engine != subregion->engine) {
        return refuse_add(subregion, -EINVAL);
    }
    rc = begin_with(mr, subregion);
    if (!rc && engine__has_many_regions(mr->engine)) {
        dirty__expect(mr, offset);
    }
    if (!rc) {
        rc = end(mr, attach_checked(mr, offset, subregion, priority));
    }
    return unlikely(rc) ? refuse_add(subregion, rc) : 0;
}

int memory_region_add_subregion(MemoryRegion *mr, hwaddr offset,
                                MemoryRegion *subregion)
{
    return memory_region_add_subregion_overlap(mr, offset, subregion, 0);
}

int memory_region_del_subregion(MemoryRegion *mr, MemoryRegion *subregion)
{
    int rc = region__is_usable(subregion) ? begin_with(mr, subregion) : -EINVAL;

    if (!rc) {
        rc = end(mr, subregion->container == mr ? tree__detach(subregion)
                                                : -EINVAL);
    }
    return unlikely(rc) ? refuse(subregion, rc, "memory_region_del_subregion",
                                 "it is not in that container")
                        : 0;
}

int memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    int rc = begin(mr);

    return rc ? rc : end(mr, set_flag(mr, XBAR_REGION_ENABLED, enabled));
}

int memory_region_set_readonly(MemoryRegion *mr, bool readonly)
{
    int rc = begin(mr);

    return rc ? rc : end(mr, set_flag(mr, XBAR_REGION_READONLY, readonly));
}

int memory_region_set_address(MemoryRegion *mr, hwaddr addr)
{
    int rc = begin(mr);

    return rc ? rc : end(mr, change_address(mr, addr));
}

int memory_region_set_size(MemoryRegion *mr, uint64_t size)
{
    int rc = begin(mr);

    rc = rc ? rc : end(mr, change_size(mr, size));
    return rc ? refuse(mr, rc, __func__, "its memory has no such size") : 0;
}

int memory_region_set_alias_offset(MemoryRegion *mr, hwaddr offset)
{
    int rc = begin(mr);

    rc = rc ? rc : end(mr, change_alias_offset(mr, offset));
    return rc ? refuse(mr, rc, __func__, "it is no alias") : 0;
}
