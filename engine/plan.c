/* SPDX-License-Identifier: MIT */
#include "engine/plan.h"

#include "engine/engine_internal.h"
#include "engine/ops.h"

/* ---- Making ------------------------------------------------------------ */

/* Can one plain callback of @size do it, whatever the guest asks? */
static bool is_direct(const struct xbar_engine *engine,
                      const MemoryRegionOps *ops, unsigned size)
{
    return !engine->config.observe && !ops->valid.accepts &&
           ops__takes_size(ops, size) && size >= ops__impl_min(ops) &&
           size <= ops__impl_max(ops) &&
           (size == 1 || !ops__is_swapped(engine, ops));
}

static void fill_plan(struct xbar_engine *engine, struct xbar_access_plan *plan)
{
    const MemoryRegionOps *ops = plan->ops;

    plan->is_big_endian = ops && ops__is_big_endian(engine, ops);
    for (unsigned log2 = 0; ops && log2 < 4; log2++) {
        unsigned size = 1u << log2;
        uint64_t align_mask = ops->impl.unaligned ? 0 : size - 1;

        if (is_direct(engine, ops, size)) {
            plan->read[log2].read = ops->read;
            plan->read[log2].align_mask = align_mask;
            plan->write[log2].write = ops->write;
            plan->write[log2].align_mask = align_mask;
        }
    }
}

/* ---- Interning --------------------------------------------------------- */

static struct xbar_access_plan **find_bucket(struct xbar_engine *engine,
                                             const MemoryRegionOps *ops)
{
    /* Ops are static structs: their low bits say little. */
    uintptr_t bits = (uintptr_t)ops >> 5;

    return &engine->plans[(bits ^ (bits >> 6)) % PLAN_BUCKETS];
}

const struct xbar_access_plan *plan__get(struct xbar_engine *engine,
                                         const MemoryRegionOps *ops)
{
    struct xbar_access_plan **bucket = find_bucket(engine, ops);
    struct xbar_access_plan *plan = *bucket;

    xbar_assert(engine__writer_is_mine(engine));
    while (plan && plan->ops != ops) {
        plan = plan->next;
    }
    if (!plan) {
        /* A cache line's alignment: emitted code reads steps. */
        plan = xbar_alloc_aligned(engine, sizeof(*plan), 64);
        if (!plan) {
            return NULL;
        }
        plan->ops = ops;
        fill_plan(engine, plan);
        plan->next = *bucket;
        *bucket = plan;
    }
    plan->users++;
    return plan;
}

/*
 * A plan goes with the last region that uses it, so that ops whose memory is
 * used for other ops later are not mistaken for them. That region is past its
 * grace period, so no reader holds the plan.
 */
void plan__put(struct xbar_engine *engine, const struct xbar_access_plan *plan)
{
    struct xbar_access_plan **link = find_bucket(engine, plan->ops);

    xbar_assert(engine__writer_is_mine(engine));
    while (*link != plan) {
        link = &(*link)->next;
    }
    if (--(*link)->users == 0) {
        struct xbar_access_plan *last = *link;

        *link = last->next;
        xbar_free(engine, last, sizeof(*last));
    }
}
